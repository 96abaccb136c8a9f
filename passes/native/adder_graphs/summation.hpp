// From shared terms to nodes: subexpressions in order of need, every row summed narrowest first.
#pragma once

#include <array>
#include <queue>

#include "digits.hpp"
#include "expressions.hpp"
#include "interval.hpp"

namespace adder_graph {

using native::Interval;

// The rows of the tables of dialects/apv/adder_graph.py.
using NodeRow = std::array<std::int32_t, 5>;    // a, a_shift, b, b_shift, subtract
using OutputRow = std::array<std::int32_t, 3>;  // ref, shift, negate

// The value that `alias` makes of `value`.
inline Alias through(const Alias& value, const Alias& alias) {
    return {value.ref, static_cast<std::uint16_t>(value.shift + alias.shift),
            static_cast<std::uint16_t>(value.negative ^ alias.negative)};
}

class Summation {
public:
    Summation(const Expressions& system, std::vector<Interval> inputs)
        : system_(system), intervals_(std::move(inputs)), values_(system.vars()), outputs_(system.outputs()) {
        for (Var input = 0; input < system.inputs(); ++input) values_[input] = {static_cast<std::int32_t>(input), 0, 0};
    }

    // The value of output row `output`, with all nodes that it needs and that aren't there yet.
    Alias output(std::uint32_t output) {
        Alias& value = outputs_[output];
        if (value.ref < 0) {
            for (const Term& term : system_.row(output)) define(term.var);
            value = sum(system_.row(output));
        }
        return value;
    }

    // A node for the sum of two values, of which the second may be zero.
    Alias join(const Alias& wide, const Alias& narrow) { return narrow.ref < 0 ? wide : combine(wide, narrow); }

    const std::vector<NodeRow>& nodes() const { return nodes_; }

private:
    // A term of a sum that is under way, ordered by width, then by age.
    struct Part {
        int width;
        std::uint32_t age;
        Alias value;

        bool operator<(const Part& other) const { return std::pair(width, age) > std::pair(other.width, other.age); }
    };

    bool known(Var var) const { return values_[var].ref >= 0; }

    void define(Var var) {
        each_unknown_below(
            system_, var, [&](Var one) { return known(one); },
            [&](Var next) { values_[next] = sum(system_.row(system_.row_of(next))); });
    }

    Alias sum(const Row& terms) {
        std::priority_queue<Part> parts;
        std::uint32_t age = 0;
        const auto add = [&](const Alias& value) { parts.push({width_of(value), age++, value}); };
        const auto take = [&] {
            const Alias value = parts.top().value;
            parts.pop();
            return value;
        };
        for (const Term& term : terms) {
            add(through(values_[term.var], {0, term.shift, term.negative}));
        }
        while (parts.size() > 1) {
            const Alias first = take();
            add(combine(take(), first));
        }
        return parts.empty() ? Alias{} : take();
    }

    int width_of(const Alias& value) const {
        return intervals_[static_cast<std::size_t>(value.ref)].width() + value.shift;
    }

    // A node for the sum of two values; `wide` is the first operand where the signs leave the choice.
    Alias combine(Alias wide, Alias narrow) {
        if (wide.negative != narrow.negative ? wide.negative != 0 : wide.shift > narrow.shift) std::swap(wide, narrow);
        const bool subtract = wide.negative != narrow.negative;
        const std::uint16_t common = std::min(wide.shift, narrow.shift);
        const int a_shift = wide.shift - common, b_shift = narrow.shift - common;
        const auto number = static_cast<std::int32_t>(intervals_.size());
        intervals_.push_back(combined(intervals_[static_cast<std::size_t>(wide.ref)], a_shift,
                                      intervals_[static_cast<std::size_t>(narrow.ref)], b_shift, subtract));
        nodes_.push_back({wide.ref, a_shift, narrow.ref, b_shift, subtract});
        return {number, common, static_cast<std::uint16_t>(subtract ? 0 : wide.negative)};
    }

    const Expressions& system_;
    std::vector<Interval> intervals_;
    std::vector<Alias> values_;   // of variables
    std::vector<Alias> outputs_;  // of output rows
    std::vector<NodeRow> nodes_;
};

}  // namespace adder_graph
