// The proof: which matrix a table of nodes computes. It reads nothing but the tables, and knows nothing of sharing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

namespace adder_graph {

struct Graph {
    std::size_t inputs;
    std::span<const std::int32_t> nodes;    // (nodes, 5), as in dialects/adder_graph.py
    std::span<const std::int32_t> outputs;  // (outputs, 3)
};

inline bool is_term(std::int64_t ref, std::int64_t shift, std::size_t values) {
    return ref >= 0 && static_cast<std::uint64_t>(ref) < values && shift >= 0 && shift < 63;
}

inline void check_graph(const Graph& graph) {
    const std::size_t count = graph.nodes.size() / 5;
    for (std::size_t node = 0; node < count; ++node) {
        const std::int32_t* row = graph.nodes.data() + 5 * node;
        const std::size_t number = graph.inputs + node;
        if (!is_term(row[0], row[1], number) || !is_term(row[2], row[3], number))
            throw std::invalid_argument("a node uses a value that is not computed before it, or shifts out of range");
    }
    for (std::size_t output = 0; output < graph.outputs.size() / 3; ++output) {
        const std::int32_t* row = graph.outputs.data() + 3 * output;
        if (row[0] != -1 && !is_term(row[0], row[1], graph.inputs + count))
            throw std::invalid_argument("an output uses a value that does not exist, or shifts out of range");
    }
}

// Input columns that are propagated at a time: a cache line of coefficients for each value.
constexpr std::size_t kColumns = 8;

// Propagates modulo 2**64, on unsigned numbers, as shifts of a malformed graph may overflow.
inline void propagate(const Graph& graph, std::size_t first, std::vector<std::uint64_t>& values) {
    std::fill(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(graph.inputs * kColumns), 0);
    for (std::size_t column = 0; column < kColumns && first + column < graph.inputs; ++column)
        values[(first + column) * kColumns + column] = 1;
    for (std::size_t node = 0; node < graph.nodes.size() / 5; ++node) {
        const std::int32_t* row = graph.nodes.data() + 5 * node;
        const std::uint64_t* a = values.data() + static_cast<std::size_t>(row[0]) * kColumns;
        const std::uint64_t* b = values.data() + static_cast<std::size_t>(row[2]) * kColumns;
        std::uint64_t* sum = values.data() + (graph.inputs + node) * kColumns;
        const std::uint64_t sign = row[4] != 0 ? ~std::uint64_t{0} : 1;
        for (std::size_t column = 0; column < kColumns; ++column)
            sum[column] = (a[column] << row[1]) + sign * (b[column] << row[3]);
    }
}

// The matrix (outputs, inputs), row-major, that a well-formed graph computes.
inline std::vector<std::int64_t> expand(const Graph& graph) {
    check_graph(graph);
    const std::size_t outputs = graph.outputs.size() / 3;
    std::vector<std::int64_t> matrix(outputs * graph.inputs);
    std::vector<std::uint64_t> values((graph.inputs + graph.nodes.size() / 5) * kColumns);
    for (std::size_t first = 0; first < graph.inputs; first += kColumns) {
        propagate(graph, first, values);
        for (std::size_t output = 0; output < outputs; ++output) {
            const std::int32_t* row = graph.outputs.data() + 3 * output;
            if (row[0] < 0) continue;
            const std::uint64_t* value = values.data() + static_cast<std::size_t>(row[0]) * kColumns;
            for (std::size_t column = 0; column < kColumns && first + column < graph.inputs; ++column) {
                const std::uint64_t shifted = value[column] << row[1];
                matrix[output * graph.inputs + first + column] =
                    static_cast<std::int64_t>(row[2] != 0 ? std::uint64_t{0} - shifted : shifted);
            }
        }
    }
    return matrix;
}

}  // namespace adder_graph
