// A layer's matrix in groups of neighbouring inputs: shared group by group, accumulated one group after the other.
#pragma once

#include <optional>

#include "evaluation.hpp"
#include "kernel.hpp"
#include "parallel.hpp"
#include "schedule.hpp"
#include "value_schedule.hpp"

namespace adder_graph {

struct Grouping {
    std::size_t groups;  // of nearly equal size
    // Positive and negative terms are summed apart. Fewer terms are shared, but with unsigned inputs all temporaries
    // are unsigned, which makes them cheap to add to wider sums.
    bool by_sign;
    Order order;
};

// What a layer must fit: its most bits alive at a time, with all inputs there from the start if `resident`.
struct Budget {
    std::int64_t bits;
    bool resident;
};

// Bits that partial sums are given beyond those of the widest input, in turn: the best number depends on how many
// terms there are.
constexpr std::array kPartialBits{5, 4, 6};

inline DistinctRows group_rows(const Kernel& kernel, std::size_t begin, std::size_t end, bool by_sign) {
    RowSet rows;
    for (std::size_t output = 0; output < kernel.outputs; ++output) {
        Row terms = digits_of(kernel.weights.subspan(output * kernel.inputs + begin, end - begin));
        if (by_sign) {
            Row negative;
            std::ranges::copy_if(terms, std::back_inserter(negative), [](const Term& term) { return term.negative; });
            std::erase_if(terms, [](const Term& term) { return term.negative; });
            rows.add(std::move(terms));
            rows.add(std::move(negative));
        } else {
            rows.add(std::move(terms));
        }
    }
    return rows.take();
}

inline std::vector<Group> share_groups(const Kernel& kernel, const std::vector<Interval>& intervals,
                                       const Grouping& grouping, std::uint64_t seed, int threads) {
    std::vector<std::optional<Group>> groups(grouping.groups);
    each_in_parallel(groups.size(), threads, [&](std::size_t number) {
        const std::size_t begin = kernel.inputs * number / groups.size();
        const std::size_t end = kernel.inputs * (number + 1) / groups.size();
        Sharing sharing(group_rows(kernel, begin, end, grouping.by_sign), end - begin);
        sharing.search(kernel.steps / static_cast<std::int64_t>(groups.size()), seed);
        std::vector<std::uint32_t> rows =
            order_rows(sharing.system(), std::span(intervals).subspan(begin, end - begin), grouping.order);
        groups[number].emplace(Group{begin, grouping.by_sign ? 2U : 1U, std::move(sharing), std::move(rows)});
    });
    std::vector<Group> found;
    for (std::optional<Group>& group : groups) found.push_back(std::move(*group));
    return found;
}

inline Tables emit(const std::vector<Group>& groups, const std::vector<Interval>& intervals, const Costs& costs,
                   std::size_t outputs, Order order, int widest) {
    Layer layer(intervals, costs);
    std::vector<Alias> totals(outputs);
    for (const Group& group : groups) {
        if (order == Order::by_row)
            Schedule(layer, totals, group).run();
        else
            ValueSchedule(layer, totals, group, widest).run();
    }
    return tables_of(layer.nodes(), totals);
}

// A view of tables.
inline Graph graph_of(std::size_t inputs, const Tables& tables) {
    return {inputs,
            {tables.nodes.empty() ? nullptr : tables.nodes.front().data(), 5 * tables.nodes.size()},
            {tables.outputs.empty() ? nullptr : tables.outputs.front().data(), 3 * tables.outputs.size()}};
}

// The cheapest that fits the budget; where none does, the one that needs the least memory.
inline Tables solve_layer(const Kernel& kernel, const Costs& costs, const Grouping& grouping, const Budget& budget,
                          std::uint64_t seed, int threads) {
    const std::vector<Interval> intervals = intervals_of(kernel);
    const std::vector<Group> groups = share_groups(kernel, intervals, grouping, seed, threads);
    int width = 1;
    for (const Interval& interval : intervals) width = std::max(width, interval.width());
    Tables best;
    std::tuple<bool, std::int64_t> least;
    for (const int more : kPartialBits) {
        Tables tables = emit(groups, intervals, costs, kernel.outputs, grouping.order, width + more);
        const Evaluation cost = Evaluator(graph_of(kernel.inputs, tables), intervals, costs, budget.resident).run();
        const bool fits = cost.live_bits <= budget.bits;
        const std::tuple rank(!fits, fits ? cost.cycles : cost.live_bits);
        if (more == kPartialBits.front() || rank < least) {
            least = rank;
            best = std::move(tables);
        }
        if (grouping.order == Order::by_row) break;
    }
    return best;
}

}  // namespace adder_graph
