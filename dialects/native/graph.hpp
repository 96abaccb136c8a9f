// What a table of nodes computes: its matrix, which is the proof of an optimiser's work, and the ends of its values.
// This reads nothing but the tables, and knows nothing of sharing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "interval.hpp"

namespace adder_graph {

using native::Interval;

struct Graph {
    std::size_t inputs;
    std::span<const std::int32_t> nodes;    // (nodes, 5), as in dialects/apv/adder_graph.py
    std::span<const std::int32_t> outputs;  // (outputs, 3)

    std::size_t count() const { return nodes.size() / 5; }
    std::size_t output_count() const { return outputs.size() / 3; }
    const std::int32_t* node(std::size_t number) const { return nodes.data() + 5 * number; }
    const std::int32_t* output(std::size_t number) const { return outputs.data() + 3 * number; }
};

inline bool is_term(std::int64_t ref, std::int64_t shift, std::size_t values) {
    return ref >= 0 && static_cast<std::uint64_t>(ref) < values && shift >= 0 && shift < 63;
}

inline void check_graph(const Graph& graph) {
    for (std::size_t node = 0; node < graph.count(); ++node) {
        const std::int32_t* row = graph.node(node);
        const std::size_t number = graph.inputs + node;
        if (!is_term(row[0], row[1], number) || !is_term(row[2], row[3], number))
            throw std::invalid_argument("a node uses a value that is not computed before it, or shifts out of range");
    }
    for (std::size_t output = 0; output < graph.output_count(); ++output) {
        const std::int32_t* row = graph.output(output);
        if (row[0] != -1 && !is_term(row[0], row[1], graph.inputs + graph.count()))
            throw std::invalid_argument("an output uses a value that does not exist, or shifts out of range");
    }
}

// A row of coefficients, sparse: most values depend on few inputs. Modulo 2**64, on unsigned numbers, as shifts of a
// malformed graph may overflow.
struct Coefficient {
    std::uint32_t input;
    std::uint64_t weight;
};
using Coefficients = std::vector<Coefficient>;

// Adds a lone coefficient behind all others, which the next term of a running sum often is.
inline bool append(Coefficients& sum, const Coefficients& term, int shift, bool subtract) {
    if (term.size() != 1 || (!sum.empty() && sum.back().input >= term.front().input)) return false;
    const std::uint64_t weight = term.front().weight << shift;
    if (weight != 0) sum.push_back({term.front().input, subtract ? std::uint64_t{0} - weight : weight});
    return true;
}

inline void merge(const Coefficients& a, int a_shift, const Coefficients& b, int b_shift, bool subtract,
                  Coefficients& sum) {
    sum.resize(a.size() + b.size());
    const std::uint64_t sign = subtract ? ~std::uint64_t{0} : 1;
    auto left = a.begin(), right = b.begin();
    auto end = sum.begin();
    while (left != a.end() && right != b.end()) {
        const std::uint32_t input = std::min(left->input, right->input);
        std::uint64_t weight = 0;
        if (left->input == input) weight += left++->weight << a_shift;
        if (right->input == input) weight += sign * (right++->weight << b_shift);
        *end = {input, weight};
        end += weight != 0;
    }
    for (; left != a.end(); ++left) *end++ = {left->input, left->weight << a_shift};
    for (; right != b.end(); ++right) *end++ = {right->input, sign * (right->weight << b_shift)};
    sum.erase(end, sum.end());
}

// The matrix (outputs, inputs), row-major, that a well-formed graph computes. A value's coefficients are forgotten with
// its last reader, as the rows of all running sums together would be large.
inline std::vector<std::int64_t> expand(const Graph& graph) {
    check_graph(graph);
    std::vector<std::uint32_t> readers(graph.inputs + graph.count());
    for (std::size_t node = 0; node < graph.count(); ++node) {
        ++readers[static_cast<std::size_t>(graph.node(node)[0])];
        ++readers[static_cast<std::size_t>(graph.node(node)[2])];
    }
    for (std::size_t output = 0; output < graph.output_count(); ++output)
        if (graph.output(output)[0] >= 0) ++readers[static_cast<std::size_t>(graph.output(output)[0])];
    std::vector<Coefficients> values(readers.size());
    for (std::uint32_t input = 0; input < graph.inputs; ++input) values[input] = {{input, 1}};
    for (std::size_t node = 0; node < graph.count(); ++node) {
        const std::int32_t* row = graph.node(node);
        const auto a = static_cast<std::size_t>(row[0]), b = static_cast<std::size_t>(row[2]);
        Coefficients& sum = values[graph.inputs + node];
        const bool continues = a != b && row[1] == 0 && readers[a] == 1;
        if (continues && append(values[a], values[b], row[3], row[4] != 0))
            sum = std::move(values[a]);
        else if (readers[graph.inputs + node] != 0)
            merge(values[a], row[1], values[b], row[3], row[4] != 0, sum);
        for (const std::size_t value : {a, b})
            if (--readers[value] == 0) Coefficients().swap(values[value]);
    }
    std::vector<std::int64_t> matrix(graph.output_count() * graph.inputs);
    for (std::size_t output = 0; output < graph.output_count(); ++output) {
        const std::int32_t* row = graph.output(output);
        if (row[0] < 0) continue;
        for (const Coefficient& one : values[static_cast<std::size_t>(row[0])]) {
            const std::uint64_t weight = one.weight << row[1];
            matrix[output * graph.inputs + one.input] =
                static_cast<std::int64_t>(row[2] != 0 ? std::uint64_t{0} - weight : weight);
        }
    }
    return matrix;
}

// The interval of every value, inputs first.
inline std::vector<Interval> value_intervals(const Graph& graph, std::span<const Interval> inputs) {
    check_graph(graph);
    constexpr Interval kAllowed{-(std::int64_t{1} << 61), std::int64_t{1} << 61};
    std::vector<Interval> found(inputs.begin(), inputs.end());
    found.reserve(graph.inputs + graph.count());
    for (const Interval& input : inputs)
        if (!kAllowed.holds(input)) throw std::overflow_error("an input may exceed 62 bits");
    const auto term = [&](std::int32_t ref, std::int32_t shift) {
        const Interval shifted = found[static_cast<std::size_t>(ref)] << shift;
        if (!kAllowed.holds(shifted))
            throw std::overflow_error("%" + std::to_string(found.size()) + " may exceed 62 bits");
        return shifted;
    };
    for (std::size_t node = 0; node < graph.count(); ++node) {
        const std::int32_t* row = graph.node(node);
        const Interval a = term(row[0], row[1]), b = term(row[2], row[3]);
        found.push_back(row[4] != 0 ? a - b : a + b);
    }
    return found;
}

}  // namespace adder_graph
