// The system that is rewritten: a row of terms for each output and for each shared subexpression, indexed by variable.
#pragma once

#include <stdexcept>

#include "occurrences.hpp"

namespace adder_graph {

// One change to the system, for undoing it.
struct Change {
    enum class Kind : std::uint8_t { add_term, remove_term, new_var, free_var } kind;
    std::uint32_t row;
    Term term;
};

// Rows 0 .. outputs - 1 are the outputs; the definition of a subexpression `v` is row outputs + v - inputs. All rows
// are partitions of the signed digits of what they stand for: rewriting regroups digits and never cancels any.
class Expressions {
public:
    Expressions(std::uint32_t inputs, std::uint32_t outputs) : inputs_(inputs), outputs_(outputs) {
        rows_.resize(outputs);
        places_.resize(inputs);
    }

    std::uint32_t inputs() const { return inputs_; }
    std::uint32_t outputs() const { return outputs_; }
    std::uint32_t vars() const { return static_cast<std::uint32_t>(places_.size()); }
    std::uint32_t row_of(Var var) const { return outputs_ + var - inputs_; }
    Var var_of(std::uint32_t row) const { return row - outputs_ + inputs_; }
    std::uint32_t row_count() const { return static_cast<std::uint32_t>(rows_.size()); }
    const Row& row(std::uint32_t number) const { return rows_[number]; }
    const Places& places(Var var) const { return places_[var]; }

    // Additions that the system needs: one less than terms, for each row that has any.
    std::int64_t additions() const { return terms_ - filled_rows_; }

    void add(std::uint32_t row, const Term& term) {
        record({Change::Kind::add_term, row, term});
        put(row, term);
    }

    void remove(std::uint32_t row, const Term& term) {
        record({Change::Kind::remove_term, row, term});
        take(row, term);
    }

    Var new_var() {
        Var var = vars();
        if (free_.empty()) {
            if (var + 1 >= kMaxVars) throw std::length_error("too many shared subexpressions");
            places_.emplace_back();
            rows_.emplace_back();
        } else {
            var = free_.back();
            free_.pop_back();
        }
        record({Change::Kind::new_var, 0, {var, 0, 0}});
        return var;
    }

    // Forgets a subexpression that no row uses and whose definition has been emptied.
    void free_var(Var var) {
        record({Change::Kind::free_var, 0, {var, 0, 0}});
        free_.push_back(var);
    }

    // Puts the terms of every row in order of their variables.
    void sort_rows() {
        for (Row& row : rows_)
            std::ranges::sort(row, {}, [](const Term& term) { return std::pair(term.var, term.shift); });
    }

    // From now on definitions are indexed as well, and changes recorded: what a search needs and greedy does not.
    void begin_search() {
        for (std::uint32_t row = outputs_; row < row_count(); ++row)
            for (const Term& term : rows_[row]) places_[term.var].add(row, term.shift, term.negative != 0);
        searching_ = true;
    }

    void commit() { changes_.clear(); }

    void undo() {
        for (; !changes_.empty(); changes_.pop_back()) revert(changes_.back());
    }

    const std::vector<Change>& changes() const { return changes_; }

private:
    void record(const Change& change) {
        if (searching_) changes_.push_back(change);
    }

    bool indexed(std::uint32_t row) const { return searching_ || row < outputs_; }

    void put(std::uint32_t row, const Term& term) {
        Row& terms = rows_[row];
        filled_rows_ += terms.empty();
        ++terms_;
        terms.push_back(term);
        if (indexed(row)) places_[term.var].add(row, term.shift, term.negative != 0);
    }

    void take(std::uint32_t row, const Term& term) {
        Row& terms = rows_[row];
        const auto at = std::find(terms.begin(), terms.end(), term);
        if (at == terms.end()) throw std::logic_error("a term to be removed is missing");
        *at = terms.back();
        terms.pop_back();
        --terms_;
        filled_rows_ -= terms.empty();
        if (indexed(row)) places_[term.var].remove(row, term.shift, term.negative != 0);
    }

    void revert(const Change& change) {
        switch (change.kind) {
        case Change::Kind::add_term: return take(change.row, change.term);
        case Change::Kind::remove_term: return put(change.row, change.term);
        case Change::Kind::new_var: return free_.push_back(change.term.var);
        case Change::Kind::free_var: return free_.pop_back();
        }
    }

    std::uint32_t inputs_;
    std::uint32_t outputs_;
    std::vector<Row> rows_;
    std::vector<Places> places_;
    std::vector<Var> free_;
    std::vector<Change> changes_;
    std::int64_t terms_ = 0;
    std::int64_t filled_rows_ = 0;
    bool searching_ = false;
};

// Calls `compute(var)` for every variable at or below `start` that isn't known, deepest first; on a stack of its own,
// as chains of definitions can be long.
template <typename Known, typename Compute>
void each_unknown_below(const Expressions& system, Var start, Known known, Compute compute) {
    if (known(start)) return;
    std::vector<Var> pending(1, start);
    while (!pending.empty()) {
        const Var next = pending.back();
        const std::size_t before = pending.size();
        if (!known(next))
            for (const Term& term : system.row(system.row_of(next)))
                if (!known(term.var)) pending.push_back(term.var);
        if (pending.size() > before) continue;
        pending.pop_back();
        if (!known(next)) compute(next);
    }
}

}  // namespace adder_graph
