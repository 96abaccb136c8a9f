// Outputs as sums or differences of another output and few terms: a spanning tree of the rows of a dense matrix.
//
// Sharing pairs only regroups digits; two rows of +1 and -1 that differ in few places gain by what cancels, too.
// The same idea as the decomposition of da4ml (arXiv 2507.04535), with prefixes of the tree kept as they are.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "digits.hpp"

namespace adder_graph {

constexpr std::int32_t kNoParent = -1;

// How a row is computed: its difference to a parent, which is computed before it, or to zero.
struct Branch {
    std::uint32_t row;
    std::int32_t parent;
    bool negative;  // the parent is subtracted
};

// Non-zero canonical signed digits: where a number and its triple differ.
inline int digit_count(std::int64_t weight) {
    const auto size = static_cast<std::uint64_t>(weight < 0 ? -weight : weight);
    return std::popcount(size ^ 3 * size);
}

inline std::int64_t distance(std::span<const std::int64_t> row, std::span<const std::int64_t> parent, int sign) {
    std::int64_t digits = 0;
    for (std::size_t input = 0; input < row.size(); ++input) digits += digit_count(row[input] - sign * parent[input]);
    return digits;
}

// A shortest spanning tree (Prim) of the rows and zero, in order of computation. Length counts additions: a row costs
// the terms of its difference, one from zero one less.
inline std::vector<Branch> span_rows(std::span<const std::int64_t> weights, std::size_t inputs) {
    const std::size_t count = weights.size() / inputs;
    const auto row = [&](std::size_t number) { return weights.subspan(number * inputs, inputs); };
    constexpr std::int64_t kDone = std::numeric_limits<std::int64_t>::max();
    std::vector<std::int64_t> lengths(count);
    std::vector<Branch> best(count), tree;
    const std::vector<std::int64_t> zero(inputs);
    for (std::size_t number = 0; number < count; ++number) {
        lengths[number] = distance(row(number), zero, 1) - 1;
        best[number] = {static_cast<std::uint32_t>(number), kNoParent, false};
    }
    while (tree.size() < count) {
        const auto nearest = static_cast<std::size_t>(std::ranges::min_element(lengths) - lengths.begin());
        tree.push_back(best[nearest]);
        lengths[nearest] = kDone;
        for (std::size_t other = 0; other < count; ++other) {
            if (lengths[other] == kDone) continue;
            for (const int sign : {1, -1}) {
                const std::int64_t length = distance(row(other), row(nearest), sign);
                if (length >= lengths[other]) continue;
                lengths[other] = length;
                best[other] = {static_cast<std::uint32_t>(other), static_cast<std::int32_t>(nearest), sign < 0};
            }
        }
    }
    return tree;
}

// The differences, by row.
inline std::vector<std::int64_t> differences(std::span<const std::int64_t> weights, std::size_t inputs,
                                             const std::vector<Branch>& tree) {
    std::vector<std::int64_t> found(weights.begin(), weights.end());
    for (const Branch& branch : tree) {
        if (branch.parent == kNoParent) continue;
        const std::int64_t* parent = weights.data() + static_cast<std::size_t>(branch.parent) * inputs;
        std::int64_t* row = found.data() + branch.row * inputs;
        const int sign = branch.negative ? -1 : 1;
        for (std::size_t input = 0; input < inputs; ++input) row[input] -= sign * parent[input];
    }
    return found;
}

// Digits to compare at most when looking for a spanning tree: about a second.
constexpr std::size_t kMostCompared = std::size_t{1} << 28;

// The distinct rows of a dense matrix and a tree over them, where there is one that might save additions. Sparse rows
// have nothing in common that pairs wouldn't find.
struct Tree {
    std::vector<Branch> branches;
    std::vector<std::int64_t> differences;

    std::int64_t joints() const {
        return std::ranges::count_if(branches, [](const Branch& branch) { return branch.parent != kNoParent; });
    }
};

inline std::vector<std::int64_t> dense(const std::vector<Row>& rows, std::size_t inputs) {
    std::vector<std::int64_t> weights(rows.size() * inputs);
    for (std::size_t row = 0; row < rows.size(); ++row)
        for (const Term& term : rows[row])
            weights[row * inputs + term.var] += (term.negative != 0 ? -1 : 1) * (std::int64_t{1} << term.shift);
    return weights;
}

inline std::optional<Tree> tree_of(const DistinctRows& distinct, std::size_t inputs) {
    std::size_t digits = 0;
    for (const Row& row : distinct.rows) digits += row.size();
    const std::size_t entries = distinct.rows.size() * inputs;
    if (2 * digits < entries || entries == 0 || entries > kMostCompared / distinct.rows.size()) return std::nullopt;
    const std::vector<std::int64_t> weights = dense(distinct.rows, inputs);
    Tree tree{span_rows(weights, inputs), {}};
    if (tree.joints() == 0) return std::nullopt;
    tree.differences = differences(weights, inputs, tree.branches);
    return tree;
}

}  // namespace adder_graph
