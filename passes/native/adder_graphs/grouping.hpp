// A layer's matrix in groups of neighbouring inputs: shared group by group, accumulated one group after the other.
#pragma once

#include <optional>

#include "evaluation.hpp"
#include "kernel.hpp"
#include "parallel.hpp"
#include "schedule.hpp"
#include "value_schedule.hpp"

namespace adder_graph {

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

// A view of tables.
inline Graph graph_of(std::size_t inputs, const Tables& tables) {
    return {inputs,
            {tables.nodes.empty() ? nullptr : tables.nodes.front().data(), 5 * tables.nodes.size()},
            {tables.outputs.empty() ? nullptr : tables.outputs.front().data(), 3 * tables.outputs.size()}};
}

struct Solved {
    Tables tables;
    Evaluation cost;
};

// A layer's matrix in a number of groups of nearly equal size, whose rows share terms: greedily, then by search.
//
// With `by_sign`, positive and negative terms are summed apart. Fewer terms are shared, but with unsigned inputs all
// temporaries are unsigned, which makes them cheap to add to wider sums.
class GroupedLayer {
public:
    GroupedLayer(const Kernel& kernel, std::size_t groups, bool by_sign, int threads)
        : inputs_(intervals_of(kernel)), outputs_(kernel.outputs) {
        std::vector<std::optional<Group>> found(groups);
        native::parallel(static_cast<std::int64_t>(groups), threads, [&](std::int64_t group) {
            const auto number = static_cast<std::size_t>(group);
            const std::size_t begin = kernel.inputs * number / groups;
            const std::size_t end = kernel.inputs * (number + 1) / groups;
            found[number].emplace(
                Group{begin, by_sign ? 2U : 1U, Sharing(group_rows(kernel, begin, end, by_sign), end - begin)});
        });
        for (std::optional<Group>& group : found) groups_.push_back(std::move(*group));
    }

    void search(std::int64_t steps, std::uint64_t seed, int threads) {
        const auto count = static_cast<std::int64_t>(groups_.size());
        native::parallel(count, threads, [&](std::int64_t number) {
            groups_[static_cast<std::size_t>(number)].sharing.search(steps / count, seed);
        });
    }

    // The cheapest graph that fits the budget; where none does, the one that needs the least memory.
    Solved solve(const Costs& costs, Order order, const Budget& budget, int threads) const {
        std::vector<std::vector<std::uint32_t>> orders(groups_.size());
        native::parallel(static_cast<std::int64_t>(groups_.size()), threads, [&](std::int64_t number) {
            const Group& group = groups_[static_cast<std::size_t>(number)];
            const auto inputs = std::span(inputs_).subspan(group.begin, group.system().inputs());
            orders[static_cast<std::size_t>(number)] = order_rows(group.system(), inputs, order);
        });
        int width = 1;
        for (const Interval& interval : inputs_) width = std::max(width, interval.width());
        Solved best;
        std::tuple<bool, std::int64_t> least;
        for (const int more : kPartialBits) {
            Tables tables = emit(orders, costs, order, width + more);
            const Evaluation cost = Evaluator(graph_of(inputs_.size(), tables), inputs_, costs, budget.resident).run();
            const bool fits = cost.live_bits <= budget.bits;
            const std::tuple rank(!fits, fits ? cost.cycles : cost.live_bits);
            if (more == kPartialBits.front() || rank < least) {
                least = rank;
                best = {std::move(tables), cost};
            }
            if (order == Order::by_row) break;
        }
        return best;
    }

private:
    // The groups one after the other.
    Tables emit(const std::vector<std::vector<std::uint32_t>>& orders, const Costs& costs, Order order,
                int widest) const {
        Layer layer(inputs_, costs);
        std::vector<Alias> totals(outputs_);
        for (std::size_t number = 0; number < groups_.size(); ++number) {
            if (order == Order::by_row)
                Schedule(layer, totals, groups_[number], orders[number]).run();
            else
                ValueSchedule(layer, totals, groups_[number], orders[number], widest).run();
        }
        return tables_of(layer.nodes(), totals);
    }

    std::vector<Interval> inputs_;
    std::size_t outputs_;
    std::vector<Group> groups_;
};

}  // namespace adder_graph
