// The order of the rows of a system in which few bits are alive at a time.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "expressions.hpp"
#include "interval.hpp"

namespace adder_graph {

// The range of every variable of a system, by interval arithmetic: the same in whatever order its terms are summed.
class VariableRanges {
public:
    VariableRanges(const Expressions& system, std::span<const Interval> inputs)
        : system_(system), found_(inputs.begin(), inputs.end()) {
        found_.resize(system.vars(), kUnknown);
        for (Var var = system.inputs(); var < system.vars(); ++var) define(var);
    }

    int width(Var var) const { return found_[var].width(); }

private:
    static constexpr Interval kUnknown{0, -1};

    bool known(Var var) const { return found_[var].low <= found_[var].high; }

    // On a stack of its own, as chains of definitions can be long.
    void define(Var start) {
        pending_.assign(1, start);
        while (!pending_.empty()) {
            const Var var = pending_.back();
            const std::size_t before = pending_.size();
            const Row& terms = system_.row(system_.row_of(std::max(var, system_.inputs())));
            if (!known(var))
                for (const Term& term : terms)
                    if (!known(term.var)) pending_.push_back(term.var);
            if (pending_.size() > before) continue;
            pending_.pop_back();
            if (known(var)) continue;
            Interval sum{0, 0};
            for (const Term& term : terms)
                sum = combined(sum, 0, found_[term.var], term.shift, term.negative != 0);
            found_[var] = sum;
        }
    }

    const Expressions& system_;
    std::vector<Interval> found_;
    std::vector<Var> pending_;
};

// How many terms name each variable.
inline std::vector<std::uint32_t> variable_uses(const Expressions& system) {
    std::vector<std::uint32_t> uses(system.vars());
    for (std::uint32_t row = 0; row < system.row_count(); ++row)
        for (const Term& term : system.row(row)) ++uses[term.var];
    return uses;
}

// Next comes the row that adds the least to the bits alive: what it needs first, less what it needs last.
class RowOrder {
public:
    RowOrder(const Expressions& system, std::span<const Interval> inputs)
        : system_(system), uses_(variable_uses(system)), rows_(system.vars()), computed_(system.vars()),
          seen_(system.vars()), updated_(system.outputs()) {
        const VariableRanges ranges(system, inputs);
        for (Var var = 0; var < system.vars(); ++var) widths_.push_back(ranges.width(var));
        for (std::uint32_t row = 0; row < system.outputs(); ++row) {
            ++time_;
            list_below(row, row);
        }
    }

    std::vector<std::uint32_t> run() {
        std::vector<std::uint32_t> waiting, order;
        for (std::uint32_t row = 0; row < system_.outputs(); ++row) {
            waiting.push_back(row);
            growths_.push_back(growth(row));
        }
        while (!waiting.empty()) {
            const auto next = std::ranges::min_element(waiting, {}, [&](std::uint32_t row) { return growths_[row]; });
            order.push_back(*next);
            waiting.erase(next);
            changed_.clear();
            compute(order.back());
            update();
        }
        return order;
    }

private:
    // Growths anew of the rows that need a changed variable, each row once.
    void update() {
        ++step_;
        for (const Var var : changed_) {
            for (const std::uint32_t row : rows_[var]) {
                if (updated_[row] == step_) continue;
                updated_[row] = step_;
                growths_[row] = growth(row);
            }
        }
    }

    // Notes `output` at all variables that it needs.
    void list_below(std::uint32_t row, std::uint32_t output) {
        for (const Term& term : system_.row(row)) {
            if (seen_[term.var] == time_) continue;
            seen_[term.var] = time_;
            rows_[term.var].push_back(output);
            if (term.var >= system_.inputs()) list_below(system_.row_of(term.var), output);
        }
    }

    std::int64_t growth(std::uint32_t row) {
        ++time_;
        return bits_of(row);
    }

    std::int64_t bits_of(std::uint32_t row) {
        std::int64_t bits = 0;
        for (const Term& term : system_.row(row)) {
            const bool again = seen_[term.var] == time_;
            seen_[term.var] = time_;
            if (computed_[term.var] != 0) {
                if (uses_[term.var] == 1) bits -= widths_[term.var];
            } else if (!again) {
                if (uses_[term.var] > 1) bits += widths_[term.var];
                if (term.var >= system_.inputs()) bits += bits_of(system_.row_of(term.var));
            }
        }
        return bits;
    }

    void compute(std::uint32_t row) {
        for (const Term& term : system_.row(row)) {
            const bool is_new = computed_[term.var] == 0;
            if (is_new) {
                computed_[term.var] = 1;
                if (term.var >= system_.inputs()) compute(system_.row_of(term.var));
            }
            if (--uses_[term.var] == 1 || is_new) changed_.push_back(term.var);
        }
    }

    const Expressions& system_;
    std::vector<std::uint32_t> uses_;                // terms still to be computed that name a variable
    std::vector<std::vector<std::uint32_t>> rows_;   // that need a variable, directly or not
    std::vector<char> computed_;
    std::vector<std::uint32_t> seen_;                // the last time at which a visit came by a variable
    std::vector<int> widths_;
    std::vector<std::int64_t> growths_;              // of rows
    std::vector<std::uint32_t> updated_;             // the last step at which a row's growth changed
    std::vector<Var> changed_;
    std::uint32_t time_ = 0;
    std::uint32_t step_ = 0;
};

}  // namespace adder_graph
