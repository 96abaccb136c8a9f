// Ruin and recreate: dissolves a few related subexpressions, shares greedily with perturbed scores, keeps no loss.
#pragma once

#include <numeric>

#include "greedy.hpp"

namespace adder_graph {

// A small deterministic generator (splitmix64).
class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() {
        const std::uint64_t value = mixed(state_);
        state_ += 0x9e3779b97f4a7c15ULL;
        return value;
    }

    // Uniform below `bound`, but for a bias that doesn't matter here.
    std::uint32_t below(std::size_t bound) { return static_cast<std::uint32_t>((next() >> 32) * bound >> 32); }

private:
    std::uint64_t state_;
};

struct SearchSettings {
    std::uint32_t most_ruined = 8;
    float noise = 2.0F;
};

class Search {
public:
    Search(Expressions& system, Greedy& greedy, std::uint64_t seed, const SearchSettings& settings = {})
        : system_(system), greedy_(greedy), random_(seed), settings_(settings) {
        system_.begin_search();
        std::vector<Var> all(system_.vars());
        std::iota(all.begin(), all.end(), Var{0});
        dissolve_useless(all);
        settle();
        system_.commit();
    }

    void run(std::int64_t steps) {
        for (; steps > 0; --steps) step();
    }

private:
    void step() {
        const std::int64_t before = system_.additions();
        greedy_.rank_by({settings_.noise, random_.next()});
        ruin();
        settle();
        if (system_.additions() > before)
            system_.undo();
        else
            system_.commit();
    }

    bool live(Var var) const { return var >= system_.inputs() && !system_.row(system_.row_of(var)).empty(); }

    void ruin() {
        const std::uint32_t nodes = system_.vars() - system_.inputs();
        if (nodes == 0) return;
        Var var = system_.inputs() + random_.below(nodes);
        for (std::uint32_t left = 1 + random_.below(settings_.most_ruined); left > 0; --left) {
            if (live(var)) dissolve(var);
            var = related();
        }
    }

    // A subexpression near the last dissolved ones: it uses, or is summed with, a variable of theirs.
    Var related() {
        if (touched_.empty()) return 0;
        const Var near = touched_[random_.below(touched_.size())];
        system_.places(near).list(places_);
        if (places_.empty()) return 0;
        const std::uint32_t row = places_[random_.below(places_.size())].row;
        const Row& terms = system_.row(row);
        if (row >= system_.outputs() && random_.below(2) == 0) return system_.var_of(row);
        return terms[random_.below(terms.size())].var;
    }

    // Replaces a subexpression by its definition wherever it is used.
    void dissolve(Var var) {
        const std::uint32_t definition = system_.row_of(var);
        const Row terms = system_.row(definition);
        system_.places(var).list(places_);
        for (const Place& place : places_) {
            system_.remove(place.row, {var, place.shift, place.negative});
            for (const Term& term : terms) {
                const auto shift = static_cast<std::uint16_t>(term.shift + place.shift);
                const auto sign = static_cast<std::uint16_t>(term.negative ^ place.negative);
                system_.add(place.row, {term.var, shift, sign});
            }
        }
        for (const Term& term : terms) {
            system_.remove(definition, term);
            touched_.push_back(term.var);
        }
        system_.free_var(var);
    }

    // Shares what has become possible, until nothing occurs twice and no subexpression is useless.
    void settle() {
        do {
            share_touched();
        } while (dissolve_useless(affected()));
    }

    void share_touched() {
        std::sort(touched_.begin(), touched_.end());
        touched_.erase(std::unique(touched_.begin(), touched_.end()), touched_.end());
        greedy_.restart();
        for (const Var var : touched_) greedy_.generate(var, false);
        touched_.clear();
        greedy_.drain();
    }

    // One that is used once costs what it saves, and hides its terms; one of a single term is another's name.
    bool useless(Var var) const {
        return live(var) && (system_.places(var).degree() < 2 || system_.row(system_.row_of(var)).size() < 2);
    }

    // The variables that have lost a use or a term of their definition since the last commit.
    std::vector<Var> affected() const {
        std::vector<Var> found;
        for (const Change& change : system_.changes()) {
            if (change.kind != Change::Kind::remove_term) continue;
            found.push_back(change.term.var);
            if (change.row >= system_.outputs()) found.push_back(system_.var_of(change.row));
        }
        return found;
    }

    bool dissolve_useless(const std::vector<Var>& vars) {
        bool any = false;
        for (const Var var : vars) {
            if (!useless(var)) continue;
            dissolve(var);
            any = true;
        }
        return any;
    }

    Expressions& system_;
    Greedy& greedy_;
    Random random_;
    SearchSettings settings_;
    std::vector<Var> touched_;
    std::vector<Place> places_;
};

}  // namespace adder_graph
