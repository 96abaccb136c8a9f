// Greedy two-term common-subexpression elimination with lazily recounted candidates.
#pragma once

#include <cmath>

#include "candidates.hpp"
#include "expressions.hpp"

namespace adder_graph {

// How candidates are ranked.
struct Ranking {
    float noise = 0;          // relative height of the perturbation
    std::uint64_t seed = 0;   // of the perturbation
};

inline std::uint64_t mixed(std::uint64_t value) {
    value += 0x9e3779b97f4a7c15ULL;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ULL;
    value = (value ^ value >> 27) * 0x94d049bb133111ebULL;
    return value ^ value >> 31;
}

// Tallies of the partners of one variable, by variable, offset and sign; sparse in what is touched.
class Tally {
public:
    explicit Tally(int max_shift) : max_shift_(max_shift), width_(static_cast<std::size_t>(4 * max_shift + 2)) {}

    void begin(std::uint32_t vars) {
        if (counts_.size() < vars * width_) counts_.resize(vars * width_ + vars * width_ / 2);
    }

    void count(Var var, int offset, bool negative) {
        const std::size_t slot = var * width_ + static_cast<std::size_t>(offset + max_shift_) * 2 + negative;
        if (counts_[slot]++ == 0) touched_.push_back({var, static_cast<std::int16_t>(offset), negative});
    }

    // Hands every partner seen at least twice to `use(var, offset, negative, count)`, and empties the tally.
    template <typename Use>
    void drain(Use use) {
        for (const auto& [var, offset, negative] : touched_) {
            const std::size_t slot = var * width_ + static_cast<std::size_t>(offset + max_shift_) * 2 + negative;
            const std::uint32_t count = counts_[slot];
            counts_[slot] = 0;
            if (count > 1) use(var, offset, negative, count);
        }
        touched_.clear();
    }

private:
    struct Partner {
        Var var;
        std::int16_t offset;
        bool negative;
    };

    int max_shift_;
    std::size_t width_;
    std::vector<std::uint32_t> counts_;
    std::vector<Partner> touched_;
};

class Greedy {
public:
    Greedy(Expressions& system, int max_shift, std::size_t capacity)
        : system_(system), tally_(max_shift), queue_(capacity) {}

    void rank_by(const Ranking& ranking) { ranking_ = ranking; }

    // Shares pairs, from all candidates, until none occurs twice.
    void run() {
        do {
            generate_all();
            drain();
        } while (queue_.incomplete());
    }

    // Candidates of one variable with every other, or only with later ones.
    void generate(Var var, bool only_later) {
        tally_.begin(system_.vars());
        system_.places(var).list(places_);
        for (const Place& place : places_)
            for (const Term& term : system_.row(place.row)) tally_term(var, place, term, only_later);
        tally_.drain([&](Var other, int offset, bool negative, std::uint32_t count) {
            const Pair pair = pair_of(var, other, offset, negative);
            queue_.push(pack(pair), bucket_of(score(pair, count)));
        });
    }

    // Shares the best candidate until there is none.
    void drain() {
        while (const auto popped = queue_.pop()) {
            const Pair pair = unpack(popped->pair);
            const std::uint32_t count = occurrences(pair);
            if (count < 2) continue;
            const int bucket = bucket_of(score(pair, count));
            if (bucket < popped->bucket)
                queue_.push(popped->pair, bucket);
            else
                share(pair);
        }
    }

    void restart() { queue_.reset(); }

private:
    void generate_all() {
        queue_.reset();
        for (Var var = 0; var < system_.vars(); ++var)
            if (system_.places(var).degree() > 1) generate(var, true);
    }

    void tally_term(Var var, const Place& place, const Term& term, bool only_later) {
        const int offset = static_cast<int>(term.shift) - static_cast<int>(place.shift);
        if (term.var == var ? offset <= 0 : only_later && term.var < var) return;
        tally_.count(term.var, offset, term.negative != place.negative);
    }

    float score(const Pair& pair, std::uint32_t count) const {
        const auto left = static_cast<float>(system_.places(pair.left).degree());
        const auto right = static_cast<float>(system_.places(pair.right).degree());
        // Roots, which are rounded alike on all machines, where a general power is not.
        float value = static_cast<float>(count - 1) / std::sqrt(std::sqrt(left * right));
        if (ranking_.noise > 0) {
            const std::uint64_t random = mixed(pack(pair) ^ ranking_.seed) >> 40;
            value *= 1 + ranking_.noise * static_cast<float>(random) * 0x1p-24F;
        }
        return value;
    }

    std::uint32_t occurrences(const Pair& pair) {
        const Places& left = system_.places(pair.left);
        if (pair.left != pair.right)
            return count_pair(left, system_.places(pair.right), pair.offset, pair.negative);
        list_self(left, pair.offset, pair.negative, matches_);
        return static_cast<std::uint32_t>(matches_.size());
    }

    // Makes the pattern a subexpression, and replaces all of its occurrences.
    void share(const Pair& pair) {
        const Places& left = system_.places(pair.left);
        if (pair.left == pair.right)
            list_self(left, pair.offset, pair.negative, matches_);
        else
            list_pair(left, system_.places(pair.right), pair.offset, pair.negative, matches_);
        const Var var = system_.new_var();
        for (const Place& place : matches_) replace(pair, place, var);
        const auto right_shift = static_cast<std::uint16_t>(std::max(0, pair.offset));
        const auto left_shift = static_cast<std::uint16_t>(std::max(0, -pair.offset));
        system_.add(system_.row_of(var), {pair.left, left_shift, 0});
        system_.add(system_.row_of(var), {pair.right, right_shift, pair.negative});
        generate(var, false);
    }

    void replace(const Pair& pair, const Place& place, Var var) {
        const auto right_shift = static_cast<std::uint16_t>(place.shift + pair.offset);
        const auto right_sign = static_cast<std::uint16_t>(place.negative ^ (pair.negative ? 1 : 0));
        system_.remove(place.row, {pair.left, place.shift, place.negative});
        system_.remove(place.row, {pair.right, right_shift, right_sign});
        system_.add(place.row, {var, std::min(place.shift, right_shift), place.negative});
    }

    Expressions& system_;
    Tally tally_;
    Candidates queue_;
    Ranking ranking_;
    std::vector<Place> places_;
    std::vector<Place> matches_;
};

}  // namespace adder_graph
