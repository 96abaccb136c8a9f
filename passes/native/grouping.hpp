// A layer's matrix in groups of neighbouring inputs: shared group by group, accumulated one group after the other.
#pragma once

#include <optional>

#include "kernel.hpp"
#include "parallel.hpp"
#include "schedule.hpp"

namespace adder_graph {

struct Grouping {
    std::size_t groups;  // of nearly equal size
    // Positive and negative terms are summed apart. Fewer terms are shared, but with unsigned inputs all temporaries
    // are unsigned, which makes them cheap to add to wider sums.
    bool by_sign;
};

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

inline Tables solve_layer(const Kernel& kernel, const Costs& costs, const Grouping& grouping, std::uint64_t seed,
                          int threads) {
    const std::vector<Interval> intervals = intervals_of(kernel);
    std::vector<std::optional<Group>> groups(grouping.groups);
    each_in_parallel(groups.size(), threads, [&](std::size_t number) {
        const std::size_t begin = kernel.inputs * number / groups.size();
        const std::size_t end = kernel.inputs * (number + 1) / groups.size();
        Sharing sharing(group_rows(kernel, begin, end, grouping.by_sign), end - begin);
        sharing.search(kernel.steps / static_cast<std::int64_t>(groups.size()), seed);
        RowOrder order(sharing.system(), std::span(intervals).subspan(begin, end - begin));
        std::vector<std::uint32_t> rows = order.run();
        groups[number].emplace(Group{begin, grouping.by_sign ? 2U : 1U, std::move(sharing), std::move(rows)});
    });
    Layer layer(intervals, costs);
    std::vector<Alias> totals(kernel.outputs);
    for (std::optional<Group>& group : groups) {
        Schedule(layer, totals, *group).run();
        group.reset();
    }
    return tables_of(layer.nodes(), totals);
}

}  // namespace adder_graph
