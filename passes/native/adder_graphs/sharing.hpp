// A matrix whose rows share terms: from weights to the values of the rows.
#pragma once

#include "search.hpp"
#include "summation.hpp"

namespace adder_graph {

// The distinct rows of a matrix, and the rewriting that shares their terms; greedily from the start.
class Sharing {
    static constexpr std::size_t kLeastCandidates = 256;
    // A step of search has far fewer.
    static constexpr std::size_t kMostCandidates = std::size_t{1} << 22;

public:
    explicit Sharing(DistinctRows distinct, std::size_t inputs)
        : distinct_(std::move(distinct)),
          system_(static_cast<std::uint32_t>(inputs), static_cast<std::uint32_t>(distinct_.rows.size())) {
        std::size_t terms = 0;
        for (std::uint32_t row = 0; row < system_.outputs(); ++row) {
            terms += distinct_.rows[row].size();
            for (const Term& term : distinct_.rows[row]) system_.add(row, term);
        }
        // Ranks are out of date after a while: few candidates, generated anew more often, find more than many.
        Greedy(system_, distinct_.max_shift, std::max(kLeastCandidates, terms / 2)).run();
    }

    const Expressions& system() const { return system_; }
    const DistinctRows& distinct() const { return distinct_; }

    void search(std::int64_t steps, std::uint64_t seed) {
        if (steps <= 0) return;
        Greedy greedy(system_, distinct_.max_shift, kMostCandidates);
        Search(system_, greedy, seed).run(steps);
    }

private:
    DistinctRows distinct_;
    Expressions system_;
};

// The values of the rows that a system shares, each node computed where it is first needed.
inline std::vector<Alias> row_values(const Sharing& sharing, Summation& summation) {
    std::vector<Alias> values;
    for (const Alias& output : sharing.distinct().outputs)
        values.push_back(output.ref < 0 ? Alias{}
                                        : through(summation.output(static_cast<std::uint32_t>(output.ref)), output));
    return values;
}

}  // namespace adder_graph
