// What computing a graph costs: AP cycles besides shifting, and the most bits of a row that are alive at a time.
//
// The same rules as placing/lowering.hpp: an operand that dies unshifted is overwritten, a place is as wide as its
// widest value and is free after its last reader. Inputs come just before their first use, unless they are resident
// and there from the start; outputs stay.
#pragma once

#include <limits>
#include <vector>

#include "costs.hpp"
#include "graph.hpp"

namespace adder_graph {

struct Evaluation {
    std::int64_t cycles = 0;
    std::int64_t live_bits = 0;
};

class Evaluator {
public:
    Evaluator(const Graph& graph, std::vector<Interval> inputs, const Costs& costs, bool resident)
        : graph_(graph), costs_(costs), intervals_(std::move(inputs)) {
        check_graph(graph);
        find_lifetimes(resident);
    }

    Evaluation run() {
        for (std::size_t node = 0; node < graph_.count(); ++node) visit(node);
        return {cycles_, peak()};
    }

private:
    static constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();

    struct Slot {
        int width;
        std::size_t birth;
        std::size_t death;
    };

    void find_lifetimes(bool resident) {
        last_.assign(graph_.inputs + graph_.count(), kNever);
        first_.assign(graph_.inputs, graph_.count());
        for (std::size_t node = 0; node < graph_.count(); ++node) {
            last_[graph_.inputs + node] = node;
            for (const std::int32_t operand : {graph_.node(node)[0], graph_.node(node)[2]}) {
                const auto value = static_cast<std::size_t>(operand);
                last_[value] = node;
                if (value < graph_.inputs) first_[value] = std::min(first_[value], node);
            }
        }
        for (std::size_t output = 0; output < graph_.output_count(); ++output) {
            const std::int32_t value = graph_.output(output)[0];
            if (value >= 0) last_[static_cast<std::size_t>(value)] = graph_.count();
        }
        slot_of_.assign(last_.size(), 0);
        for (std::size_t input = 0; input < graph_.inputs; ++input)
            if (last_[input] != kNever)
                slot_of_[input] = open(intervals_[input].width(), resident ? 0 : first_[input], last_[input]);
    }

    std::size_t open(int width, std::size_t birth, std::size_t death) {
        slots_.push_back({width, birth, death});
        return slots_.size() - 1;
    }

    bool overwritten(std::int32_t value, std::int32_t shift, std::size_t node) const {
        return shift == 0 && last_[static_cast<std::size_t>(value)] == node;
    }

    void visit(std::size_t node) {
        const std::int32_t* row = graph_.node(node);
        const auto a = static_cast<std::size_t>(row[0]), b = static_cast<std::size_t>(row[2]);
        const bool subtract = row[4] != 0;
        const Interval result = combined(intervals_[a], row[1], intervals_[b], row[3], subtract);
        const std::size_t number = graph_.inputs + node;
        intervals_.push_back(result);
        if (a != b && overwritten(row[0], row[1], node))
            continue_in(a, b, row[3], subtract, number);
        else if (a != b && !subtract && overwritten(row[2], row[3], node))
            continue_in(b, a, row[1], subtract, number);
        else {
            cycles_ += costs_.out_of_place(subtract, result.width(), source_of(intervals_[a], row[1]),
                                           source_of(intervals_[b], row[3]));
            slot_of_[number] = open(result.width(), node, last_[number]);
        }
    }

    void continue_in(std::size_t kept, std::size_t other, int shift, bool subtract, std::size_t number) {
        const int width = intervals_[number].width();
        cycles_ += costs_.extension(intervals_[kept], width) +
                   costs_.in_place(subtract, width, source_of(intervals_[other], shift));
        Slot& slot = slots_[slot_of_[number] = slot_of_[kept]];
        slot.width = std::max(slot.width, width);
        slot.death = last_[number];
    }

    std::int64_t peak() const {
        std::vector<std::int64_t> change(graph_.count() + 2);
        for (const Slot& slot : slots_) {
            change[slot.birth] += slot.width;
            change[slot.death + 1] -= slot.width;
        }
        std::int64_t live = 0, most = 0;
        for (const std::int64_t step : change) most = std::max(most, live += step);
        return most;
    }

    Graph graph_;
    const Costs& costs_;
    std::vector<Interval> intervals_;
    std::vector<std::size_t> last_, first_, slot_of_;
    std::vector<Slot> slots_;
    std::int64_t cycles_ = 0;
};

}  // namespace adder_graph
