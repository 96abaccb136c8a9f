// The nodes of a layer as they are emitted: sums in place wherever an operand has no further reader.
#pragma once

#include <vector>

#include "costs.hpp"
#include "summation.hpp"

namespace adder_graph {

class Layer {
public:
    Layer(std::vector<Interval> inputs, const Costs& costs)
        : costs_(costs), intervals_(std::move(inputs)), readers_(intervals_.size()) {}

    const std::vector<NodeRow>& nodes() const { return nodes_; }
    const Interval& interval(const Alias& value) const { return intervals_[at(value)]; }

    // Readers of a value that are still to come: the last one may overwrite it.
    void expect(const Alias& value, std::uint32_t readers) { readers_[at(value)] += readers; }
    bool dies(const Alias& value) const { return value.shift == 0 && readers_[at(value)] == 1; }

    // A node for the sum of two values, each of which loses a reader; the result has none yet. Where nothing is
    // overwritten, the order that leaves the result positive saves a negation of outputs that are stored.
    Alias sum(const Alias& a, const Alias& b) {
        const Choice one = choice(a, b), other = choice(b, a);
        const bool overwrites = readers_[at(a)] == 1 || readers_[at(b)] == 1;
        const bool by_cost = overwrites && one.cycles != other.cycles;
        const bool swap = by_cost ? one.cycles > other.cycles : a.negative && !b.negative;
        const Alias first = swap ? b : a, second = swap ? a : b;
        const std::uint16_t common = std::min(first.shift, second.shift);
        const auto number = static_cast<std::int32_t>(intervals_.size());
        --readers_[at(a)];
        --readers_[at(b)];
        readers_.push_back(0);
        intervals_.push_back(swap ? other.result : one.result);
        nodes_.push_back(
            {first.ref, first.shift - common, second.ref, second.shift - common, first.negative != second.negative});
        return {number, common, first.negative};
    }

    // Adds a term to a running sum, which keeps one reader.
    void accumulate(Alias& total, const Alias& term) {
        if (total.ref < 0) {
            total = term;
            return;
        }
        total = sum(total, term);
        expect(total, 1);
    }

    // Bits of the sum of two values of the same sign.
    int sum_width(const Alias& a, const Alias& b) const {
        return combined(interval(a), a.shift, interval(b), b.shift, false).width();
    }

    // Cycles of adding a term to a running sum, which is overwritten from its second term on.
    std::int64_t added(Interval& total, const Interval& term, bool in_place) const {
        const Interval before = total;
        total = combined(before, 0, term, 0, false);
        if (!in_place) return costs_.out_of_place(false, total.width(), source_of(before, 0), source_of(term, 0));
        return costs_.extension(before, total.width()) + costs_.in_place(false, total.width(), source_of(term, 0));
    }

private:
    struct Choice {
        std::int64_t cycles;
        Interval result;
    };

    static std::size_t at(const Alias& value) { return static_cast<std::size_t>(value.ref); }

    // The first operand is overwritten if it dies, and gives the result its sign.
    Choice choice(const Alias& first, const Alias& second) const {
        const bool subtract = first.negative != second.negative;
        const int common = std::min(first.shift, second.shift);
        const int a_shift = first.shift - common, b_shift = second.shift - common;
        const Interval a = interval(first), b = interval(second);
        const Interval result = combined(a, a_shift, b, b_shift, subtract);
        const int width = result.width();
        if (first.ref == second.ref || a_shift != 0 || readers_[at(first)] != 1)
            return {costs_.out_of_place(subtract, width, source_of(a, a_shift), source_of(b, b_shift)), result};
        return {costs_.extension(a, width) + costs_.in_place(subtract, width, source_of(b, b_shift)), result};
    }

    const Costs& costs_;
    std::vector<Interval> intervals_;
    std::vector<std::uint32_t> readers_;
    std::vector<NodeRow> nodes_;
};

}  // namespace adder_graph
