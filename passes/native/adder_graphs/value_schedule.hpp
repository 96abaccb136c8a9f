// Emits a group value by value: an input or a shared value is added, as soon as it is there, to the partial sums of all
// outputs that it belongs to, so that few values wait. A partial sum that would become too wide goes to the running sum
// of its output, and begins anew.
#pragma once

#include "group.hpp"

namespace adder_graph {

class ValueSchedule {
public:
    // Partial sums grow up to `widest` bits.
    ValueSchedule(Layer& layer, std::vector<Alias>& totals, const Group& group, const std::vector<std::uint32_t>& order,
                  int widest)
        : layer_(layer), totals_(totals), group_(group), order_(order), system_(group.system()), widest_(widest),
          values_(system_.vars()), targets_(system_.vars()), uses_(variable_uses(system_, system_.outputs())),
          partials_(2 * totals.size()) {
        const std::vector<Alias>& aliases = group.aliases();
        for (std::uint32_t row = 0; row < aliases.size(); ++row) {
            if (aliases[row].ref < 0) continue;
            for (const Term& term : system_.row(static_cast<std::uint32_t>(aliases[row].ref)))
                targets_[term.var].push_back(
                    {static_cast<std::uint32_t>(row / group.parts),
                     through({0, term.shift, term.negative}, {0, aliases[row].shift, aliases[row].negative})});
        }
    }

    void run() {
        for (const std::uint32_t row : order_)
            each_unknown_below(
                system_, system_.var_of(row), [&](Var var) { return var < system_.inputs() || known(var); },
                [&](Var var) { define(var); });
        for (Var input = 0; input < system_.inputs(); ++input) bring(input);
        for (std::size_t partial = 0; partial < partials_.size(); ++partial) finish(partial);
    }

private:
    // An output that a variable counts towards, with the term's shift and sign.
    struct Target {
        std::uint32_t output;
        Alias term;
    };

    struct Partial {
        Alias value;
        bool is_sum = false;  // of two values or more, and nobody else's
    };

    bool known(Var var) const { return values_[var].ref >= 0; }

    void bring(Var input) {
        if (!known(input)) add_everywhere(input, {static_cast<std::int32_t>(group_.begin + input), 0, 0});
    }

    void define(Var var) {
        std::vector<Alias> parts;
        for (const Term& term : system_.row(system_.row_of(var))) {
            if (term.var < system_.inputs()) bring(term.var);
            parts.push_back(through(values_[term.var], {0, term.shift, term.negative}));
        }
        if (!parts.empty()) add_everywhere(var, RowSum(layer_)(std::move(parts)));
    }

    void add_everywhere(Var var, const Alias& value) {
        values_[var] = value;
        layer_.expect(value, static_cast<std::uint32_t>(targets_[var].size()) + uses_[var]);
        for (const Target& target : targets_[var]) add(target.output, through(value, target.term));
    }

    // Positive and negative terms have sums of their own, which stay unsigned where the terms are.
    void add(std::uint32_t output, Alias term) {
        const std::size_t number = 2 * output + term.negative;
        Partial& partial = partials_[number];
        term.negative = 0;
        if (partial.is_sum && layer_.sum_width(partial.value, term) > widest_) finish(number);
        if (partial.value.ref < 0) {
            partial.value = term;
            return;
        }
        partial = {layer_.sum(partial.value, term), true};
        layer_.expect(partial.value, 1);
    }

    void finish(std::size_t number) {
        const Alias value = std::exchange(partials_[number], {}).value;
        if (value.ref < 0) return;
        layer_.accumulate(totals_[number / 2], through(value, {0, 0, static_cast<std::uint16_t>(number % 2)}));
    }

    Layer& layer_;
    std::vector<Alias>& totals_;
    const Group& group_;
    const std::vector<std::uint32_t>& order_;
    const Expressions& system_;
    int widest_;
    std::vector<Alias> values_;                 // of variables
    std::vector<std::vector<Target>> targets_;  // of variables
    std::vector<std::uint32_t> uses_;           // of variables, by definitions
    std::vector<Partial> partials_;             // of each output, of positive and of negative terms
};

}  // namespace adder_graph
