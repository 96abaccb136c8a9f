// A group of a layer's inputs: its rows share terms. What both schedules need of it.
#pragma once

#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "row_order.hpp"
#include "row_sum.hpp"
#include "sharing.hpp"

namespace adder_graph {

// How the rows of a group become nodes.
enum class Order : std::uint8_t {
    by_row,   // a row is summed at once; shared values wait for their last row
    by_value  // a shared value is added at once to all sums that it belongs to; unfinished sums wait
};

// Neighbouring inputs whose rows share terms. Row `parts * output + part` of the matrix counts towards `output`.
struct Group {
    std::size_t begin;  // the first input
    std::size_t parts;
    Sharing sharing;

    const Expressions& system() const { return sharing.system(); }
    const std::vector<Alias>& aliases() const { return sharing.distinct().outputs; }
};

// Distinct rows; by value, definitions that no other definition uses.
inline std::vector<std::uint32_t> order_rows(const Expressions& system, std::span<const Interval> inputs, Order order) {
    const bool by_value = order == Order::by_value;
    std::vector<std::uint32_t> uses = variable_uses(system, by_value ? system.outputs() : 0), rows;
    if (!by_value) {
        rows.resize(system.outputs());
        std::iota(rows.begin(), rows.end(), 0U);
    } else {
        for (Var var = system.inputs(); var < system.vars(); ++var)
            if (uses[var] == 0 && !system.row(system.row_of(var)).empty()) rows.push_back(system.row_of(var));
    }
    return RowOrder(system, inputs, std::move(rows), std::move(uses)).run();
}

}  // namespace adder_graph
