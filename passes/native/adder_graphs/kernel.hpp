// One matrix from weights to tables: a spanning tree where it pays, sharing, summation.
#pragma once

#include <optional>
#include <span>

#include "sharing.hpp"
#include "spanning.hpp"

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

inline std::vector<Interval> intervals_of(const Kernel& kernel) {
    std::vector<Interval> found;
    for (std::size_t input = 0; input < kernel.inputs; ++input) {
        const std::int64_t* range = kernel.ranges.data() + 2 * input;
        found.push_back({range[0], range[1]});
    }
    return found;
}

// The values of the rows of a tree: each is its difference, joined with its parent.
inline std::vector<Alias> tree_values(const Sharing& sharing, const Tree& tree, Summation& summation) {
    std::vector<Alias> values = row_values(sharing, summation);
    for (const Branch& branch : tree.branches) {
        if (branch.parent == kNoParent) continue;
        Alias parent = values[static_cast<std::size_t>(branch.parent)];
        parent.negative ^= static_cast<std::uint16_t>(branch.negative);
        values[branch.row] = summation.join(parent, values[branch.row]);
    }
    return values;
}

inline Tables tables_of(const std::vector<NodeRow>& nodes, const std::vector<Alias>& outputs) {
    Tables tables{nodes, {}};
    for (const Alias& value : outputs) tables.outputs.push_back({value.ref, value.shift, value.negative});
    return tables;
}

inline Tables direct_tables(const Kernel& kernel, const Sharing& sharing) {
    Summation summation(sharing.system(), intervals_of(kernel));
    const std::vector<Alias> outputs = row_values(sharing, summation);
    return tables_of(summation.nodes(), outputs);
}

inline Tables tree_tables(const Kernel& kernel, const Sharing& sharing, const Tree& tree,
                          const std::vector<Alias>& outputs) {
    Summation summation(sharing.system(), intervals_of(kernel));
    const std::vector<Alias> rows = tree_values(sharing, tree, summation);
    std::vector<Alias> values;
    for (const Alias& output : outputs)
        values.push_back(output.ref < 0 ? Alias{} : through(rows[static_cast<std::size_t>(output.ref)], output));
    return tables_of(summation.nodes(), values);
}

inline Tables solve(const Kernel& kernel, std::uint64_t seed) {
    Sharing direct(distinct_rows(kernel.weights, kernel.outputs, kernel.inputs), kernel.inputs);
    const DistinctRows& distinct = direct.distinct();
    const std::optional<Tree> tree = tree_of(distinct, kernel.inputs);
    // Which of two ways is better shows only after the search, so each gets half of it.
    direct.search(tree ? kernel.steps / 2 : kernel.steps, seed);
    if (!tree) return direct_tables(kernel, direct);
    Sharing joined(distinct_rows(tree->differences, distinct.rows.size(), kernel.inputs), kernel.inputs);
    joined.search(kernel.steps - kernel.steps / 2, seed);
    if (joined.system().additions() + tree->joints() < direct.system().additions())
        return tree_tables(kernel, joined, *tree, distinct.outputs);
    return direct_tables(kernel, direct);
}

}  // namespace adder_graph
