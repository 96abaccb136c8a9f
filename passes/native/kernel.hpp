// One matrix from weights to tables: digits, greedy sharing, search, summation.
#pragma once

#include <span>

#include "search.hpp"
#include "summation.hpp"

namespace adder_graph {

struct Kernel {
    std::size_t outputs;
    std::size_t inputs;
    std::span<const std::int64_t> weights;  // row-major (outputs, inputs)
    std::span<const std::int64_t> ranges;   // (inputs, 2): lowest and highest value
    std::int64_t steps;                     // of search, after greedy sharing
};

struct Tables {
    std::vector<NodeRow> nodes;
    std::vector<OutputRow> outputs;
};

// Candidate pairs that are kept at a time; a constant, so that results don't depend on the memory of the machine.
constexpr std::size_t kCandidates = std::size_t{1} << 22;

inline void share(Expressions& system, int max_shift, std::int64_t steps, std::uint64_t seed) {
    Greedy greedy(system, max_shift, kCandidates);
    greedy.run();
    if (steps > 0) Search(system, greedy, seed).run(steps);
}

inline std::vector<Interval> intervals_of(const Kernel& kernel) {
    std::vector<Interval> found;
    for (std::size_t input = 0; input < kernel.inputs; ++input)
        found.push_back({static_cast<double>(kernel.ranges[2 * input]), static_cast<double>(kernel.ranges[2 * input + 1])});
    return found;
}

inline Tables solve(const Kernel& kernel, std::uint64_t seed) {
    const DistinctRows distinct = distinct_rows(kernel.weights, kernel.outputs, kernel.inputs);
    const auto rows = static_cast<std::uint32_t>(distinct.rows.size());
    Expressions system(static_cast<std::uint32_t>(kernel.inputs), rows);
    for (std::uint32_t row = 0; row < rows; ++row)
        for (const Term& term : distinct.rows[row]) system.add(row, term);
    share(system, distinct.max_shift, kernel.steps, seed);

    Summation summation(system, intervals_of(kernel));
    std::vector<Alias> values;
    for (std::uint32_t row = 0; row < rows; ++row) values.push_back(summation.output(row));
    Tables tables{summation.nodes(), {}};
    for (const Alias& output : distinct.outputs) {
        if (output.ref < 0) {
            tables.outputs.push_back({-1, 0, 0});
            continue;
        }
        const Alias& value = values[static_cast<std::size_t>(output.ref)];
        tables.outputs.push_back({value.ref, value.shift + output.shift, value.negative ^ output.negative});
    }
    return tables;
}

}  // namespace adder_graph
