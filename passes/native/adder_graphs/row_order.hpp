// The order of rows of a system in which few bits are alive at a time.
#pragma once

#include <algorithm>
#include <queue>
#include <span>
#include <vector>

#include "expressions.hpp"
#include "interval.hpp"

namespace adder_graph {

using native::Interval;

// The range of every variable of a system, by interval arithmetic: the same in whatever order its terms are summed.
class VariableRanges {
public:
    VariableRanges(const Expressions& system, std::span<const Interval> inputs)
        : system_(system), found_(inputs.begin(), inputs.end()) {
        found_.resize(system.vars(), kUnknown);
        for (Var var = system.inputs(); var < system.vars(); ++var)
            each_unknown_below(
                system, var, [&](Var one) { return known(one); }, [&](Var next) { found_[next] = sum_of(next); });
    }

    int width(Var var) const { return found_[var].width(); }

private:
    static constexpr Interval kUnknown{0, -1};

    bool known(Var var) const { return found_[var].low <= found_[var].high; }

    Interval sum_of(Var var) const {
        Interval sum{0, 0};
        for (const Term& term : system_.row(system_.row_of(var)))
            sum = combined(sum, 0, found_[term.var], term.shift, term.negative != 0);
        return sum;
    }

    const Expressions& system_;
    std::vector<Interval> found_;
};

// How many terms of the rows from `first` on name each variable.
inline std::vector<std::uint32_t> variable_uses(const Expressions& system, std::uint32_t first) {
    std::vector<std::uint32_t> uses(system.vars());
    for (std::uint32_t row = first; row < system.row_count(); ++row)
        for (const Term& term : system.row(row)) ++uses[term.var];
    return uses;
}

// Next comes the row that adds the least to the bits alive: what it needs first, less what it needs last.
class RowOrder {
public:
    // Of the given rows; `uses` says how many terms read each variable before it dies.
    RowOrder(const Expressions& system, std::span<const Interval> inputs, std::vector<std::uint32_t> rows,
             std::vector<std::uint32_t> uses)
        : system_(system), rows_(std::move(rows)), uses_(std::move(uses)), above_(system.vars()),
          computed_(system.vars()), seen_(system.vars()), done_(rows_.size()), growths_(rows_.size()),
          updated_(rows_.size()) {
        const VariableRanges ranges(system, inputs);
        for (Var var = 0; var < system.vars(); ++var) widths_.push_back(ranges.width(var));
        for (std::uint32_t number = 0; number < rows_.size(); ++number) {
            ++time_;
            list_below(rows_[number], number);
        }
    }

    std::vector<std::uint32_t> run() {
        for (std::uint32_t number = 0; number < rows_.size(); ++number) enqueue(number);
        std::vector<std::uint32_t> order;
        while (order.size() < rows_.size()) {
            const auto [growth, number] = queue_.top();
            queue_.pop();
            if (done_[number] != 0 || growth != growths_[number]) continue;
            done_[number] = 1;
            order.push_back(rows_[number]);
            changed_.clear();
            compute(rows_[number]);
            update();
        }
        return order;
    }

private:
    // Least growth first, of equal ones the first row.
    using Entry = std::pair<std::int64_t, std::uint32_t>;

    void enqueue(std::uint32_t number) {
        ++time_;
        growths_[number] = bits_of(rows_[number]);
        queue_.push({growths_[number], number});
    }

    // Growths anew of the rows that need a changed variable, each row once.
    void update() {
        ++step_;
        for (const Var var : changed_) {
            for (const std::uint32_t number : above_[var]) {
                if (updated_[number] == step_ || done_[number] != 0) continue;
                updated_[number] = step_;
                enqueue(number);
            }
        }
    }

    bool is_input(Var var) const { return var < system_.inputs(); }

    // Notes row `number` of those to be ordered at all variables that it needs.
    void list_below(std::uint32_t row, std::uint32_t number) {
        for (const Term& term : system_.row(row)) {
            if (seen_[term.var] == time_) continue;
            seen_[term.var] = time_;
            above_[term.var].push_back(number);
            if (!is_input(term.var)) list_below(system_.row_of(term.var), number);
        }
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
                if (!is_input(term.var)) bits += bits_of(system_.row_of(term.var));
            }
        }
        return bits;
    }

    void compute(std::uint32_t row) {
        for (const Term& term : system_.row(row)) {
            const bool is_new = computed_[term.var] == 0;
            if (is_new) {
                computed_[term.var] = 1;
                if (!is_input(term.var)) compute(system_.row_of(term.var));
            }
            if (--uses_[term.var] == 1 || is_new) changed_.push_back(term.var);
        }
    }

    const Expressions& system_;
    std::vector<std::uint32_t> rows_;
    std::vector<std::uint32_t> uses_;                // terms still to be computed that name a variable
    std::vector<std::vector<std::uint32_t>> above_;  // rows that need a variable, directly or not
    std::vector<char> computed_;
    std::vector<std::uint32_t> seen_;     // the last time at which a visit came by a variable
    std::vector<char> done_;              // of rows
    std::vector<std::int64_t> growths_;   // of rows
    std::vector<std::uint32_t> updated_;  // the last step at which a row's growth changed
    std::vector<int> widths_;
    std::vector<Var> changed_;
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue_;  // stale entries are passed over
    std::uint32_t time_ = 0;
    std::uint32_t step_ = 0;
};

}  // namespace adder_graph
