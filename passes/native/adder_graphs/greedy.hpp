// Greedy two-term common-subexpression elimination with lazily recounted candidates.
#pragma once

#include <cmath>
#include <span>
#include <utility>

#include "candidates.hpp"
#include "expressions.hpp"

namespace adder_graph {

// How candidates are ranked.
struct Ranking {
    float noise = 0;         // relative height of the perturbation
    std::uint64_t seed = 0;  // of the perturbation
};

inline std::uint64_t mixed(std::uint64_t value) {
    value += 0x9e3779b97f4a7c15ULL;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ULL;
    value = (value ^ value >> 27) * 0x94d049bb133111ebULL;
    return value ^ value >> 31;
}

// How often each partner of a variable occurs, by offset, sign and variable. A plane of variables for each offset and
// sign, of few bits, stays in cache; counts that exceed it only rank a pair too low.
class Tally {
public:
    using Count = std::uint16_t;

    explicit Tally(int max_shift) : max_shift_(max_shift) {}

    void begin(std::uint32_t vars) {
        if (vars <= vars_) return;
        vars_ = vars + vars / 2;
        counts_.assign(static_cast<std::size_t>(2 * (2 * max_shift_ + 1)) * vars_, 0);
    }

    Count* plane(int offset, bool negative) {
        return counts_.data() + (static_cast<std::size_t>(offset + max_shift_) * 2 + negative) * vars_;
    }

private:
    int max_shift_;
    std::size_t vars_ = 0;
    std::vector<Count> counts_;
};

class Greedy {
public:
    Greedy(Expressions& system, int max_shift, std::size_t capacity)
        : system_(system), max_shift_(max_shift), tally_(max_shift), queue_(capacity) {}

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
        if (max_shift_ == 0)
            generate_without_shifts(var, only_later);
        else
            generate_with_shifts(var, only_later);
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
        system_.sort_rows();
        passed_.assign(system_.row_count(), 0);
        for (Var var = 0; var < system_.vars(); ++var)
            if (system_.places(var).degree() > 1) generate(var, true);
    }

    void generate_without_shifts(Var var, bool only_later) {
        Tally::Count* const same = tally_.plane(0, false);
        Tally::Count* const opposite = tally_.plane(0, true);
        for (const Place& place : places_) {
            Tally::Count* const planes[] = {place.negative ? opposite : same, place.negative ? same : opposite};
            for (const Term& term : terms_at(place, var, only_later)) ++planes[term.negative][term.var];
        }
        same[var] = 0;
        for (const Place& place : places_) {
            Tally::Count* const planes[] = {place.negative ? opposite : same, place.negative ? same : opposite};
            for (const Term& term : terms_at(place, var, only_later)) {
                const std::uint32_t count = std::exchange(planes[term.negative][term.var], Tally::Count{0});
                if (count > 1) push(var, term.var, 0, term.negative != place.negative, count);
            }
        }
    }

    void generate_with_shifts(Var var, bool only_later) {
        const auto each = [&](auto use) {
            for (const Place& place : places_) {
                for (const Term& term : terms_at(place, var, only_later)) {
                    const int offset = static_cast<int>(term.shift) - static_cast<int>(place.shift);
                    if (term.var == var && offset <= 0) continue;
                    const bool negative = term.negative != place.negative;
                    use(term.var, offset, negative, tally_.plane(offset, negative)[term.var]);
                }
            }
        };
        each([](Var, int, bool, Tally::Count& count) { ++count; });
        each([&](Var other, int offset, bool negative, Tally::Count& tallied) {
            const std::uint32_t count = std::exchange(tallied, Tally::Count{0});
            if (count > 1) push(var, other, offset, negative, count);
        });
    }

    // The terms of a place's row; only those from `var` on where variables come one after the other, in sorted rows.
    std::span<const Term> terms_at(const Place& place, Var var, bool only_later) {
        const std::span<const Term> row = system_.row(place.row);
        if (!only_later) return row;
        std::uint32_t& begin = passed_[place.row];
        while (row[begin].var < var) ++begin;
        return row.subspan(begin);
    }

    void push(Var var, Var other, int offset, bool negative, std::uint32_t count) {
        const Pair pair = pair_of(var, other, offset, negative);
        queue_.push(pack(pair), bucket_of(score(pair, count)));
    }

    float score(const Pair& pair, std::uint32_t count) {
        float value = static_cast<float>(count - 1) * weight(pair.left) * weight(pair.right);
        if (ranking_.noise > 0) {
            const std::uint64_t random = mixed(pack(pair) ^ ranking_.seed) >> 40;
            value *= 1 + ranking_.noise * static_cast<float>(random) * 0x1p-24F;
        }
        return value;
    }

    // One over the fourth root of a variable's degree. Roots are rounded alike on all machines, powers are not.
    float weight(Var var) {
        const std::uint32_t degree = system_.places(var).degree();
        while (weights_.size() <= degree)
            weights_.push_back(1 / std::sqrt(std::sqrt(static_cast<float>(weights_.size()))));
        return weights_[degree];
    }

    std::uint32_t occurrences(const Pair& pair) {
        const Places& left = system_.places(pair.left);
        if (pair.left != pair.right) return count_pair(left, system_.places(pair.right), pair.offset, pair.negative);
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
    int max_shift_;
    Tally tally_;
    Candidates queue_;
    Ranking ranking_;
    std::vector<Place> places_;
    std::vector<Place> matches_;
    std::vector<float> weights_;         // by degree
    std::vector<std::uint32_t> passed_;  // of each row, terms of variables whose candidates are there
};

}  // namespace adder_graph
