// Emits a group row by row: each row is one sum, which is added to the running sums of its outputs.
#pragma once

#include "group.hpp"

namespace adder_graph {

class Schedule {
public:
    Schedule(Layer& layer, std::vector<Alias>& totals, const Group& group, const std::vector<std::uint32_t>& order)
        : layer_(layer), totals_(totals), group_(group), order_(order), system_(group.system()),
          values_(system_.vars()), uses_(variable_uses(system_, 0)), readers_(system_.outputs()) {
        const std::vector<Alias>& aliases = group.aliases();
        for (std::uint32_t row = 0; row < aliases.size(); ++row)
            if (aliases[row].ref >= 0) readers_[static_cast<std::size_t>(aliases[row].ref)].push_back(row);
        // A row of a single term is read as that term, once for each output.
        for (std::uint32_t row = 0; row < system_.outputs(); ++row)
            if (system_.row(row).size() == 1)
                uses_[system_.row(row).front().var] += static_cast<std::uint32_t>(readers_[row].size()) - 1;
        for (Var input = 0; input < system_.inputs(); ++input) {
            values_[input] = {static_cast<std::int32_t>(group.begin + input), 0, 0};
            layer_.expect(values_[input], uses_[input]);
        }
    }

    void run() {
        for (const std::uint32_t row : order_) {
            const Row& terms = system_.row(row);
            for (const Term& term : terms) define(term.var);
            const Alias value = sum(terms);
            if (terms.size() > 1) layer_.expect(value, static_cast<std::uint32_t>(readers_[row].size()));
            for (const std::uint32_t reader : readers_[row]) accumulate(reader, value);
        }
    }

private:
    void define(Var var) {
        each_unknown_below(
            system_, var, [&](Var one) { return values_[one].ref >= 0; },
            [&](Var next) {
                values_[next] = sum(system_.row(system_.row_of(next)));
                layer_.expect(values_[next], uses_[next]);
            });
    }

    Alias sum(const Row& terms) {
        std::vector<Alias> parts;
        for (const Term& term : terms) parts.push_back(through(values_[term.var], {0, term.shift, term.negative}));
        return RowSum(layer_)(std::move(parts));
    }

    void accumulate(std::uint32_t row, const Alias& value) {
        const Alias& alias = group_.aliases()[row];
        layer_.accumulate(totals_[row / group_.parts], through(value, {0, alias.shift, alias.negative}));
    }

    Layer& layer_;
    std::vector<Alias>& totals_;
    const Group& group_;
    const std::vector<std::uint32_t>& order_;
    const Expressions& system_;
    std::vector<Alias> values_;                        // of variables
    std::vector<std::uint32_t> uses_;                  // of variables
    std::vector<std::vector<std::uint32_t>> readers_;  // of each distinct row, the rows that equal it
};

}  // namespace adder_graph
