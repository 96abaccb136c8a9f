// Weights as canonical signed digits, and rows that are equal up to sign and shift merged into one.
#pragma once

#include <algorithm>
#include <map>
#include <span>
#include <tuple>
#include <utility>

#include "terms.hpp"

namespace adder_graph {

// A value with a shift and a sign; no value at all is zero.
struct Alias {
    std::int32_t ref = -1;
    std::uint16_t shift = 0;
    std::uint16_t negative = 0;
};

// The canonical signed digits of one row of weights: the fewest terms, no two neighbouring shifts of an input.
inline Row digits_of(std::span<const std::int64_t> weights) {
    Row terms;
    for (std::size_t input = 0; input < weights.size(); ++input) {
        std::int64_t rest = weights[input];
        for (std::uint16_t shift = 0; rest != 0; rest /= 2, ++shift) {
            if (rest % 2 == 0) continue;
            // Of the two signs, the one that makes the next digit zero.
            const std::int64_t digit = (rest & 3) == 1 ? 1 : -1;
            terms.push_back({static_cast<Var>(input), shift, static_cast<std::uint16_t>(digit < 0)});
            rest -= digit;
        }
    }
    return terms;
}

struct DistinctRows {
    std::vector<Row> rows;
    std::vector<Alias> outputs;  // of each row of the matrix, in terms of `rows`
    int max_shift = 0;
};

// Takes the common power of two out of the row, and the sign that makes its first term positive.
inline Alias normalise(Row& terms) {
    std::uint16_t shift = terms.front().shift;
    for (const Term& term : terms) shift = std::min(shift, term.shift);
    const std::uint16_t negative = terms.front().negative;
    for (Term& term : terms) {
        term.shift = static_cast<std::uint16_t>(term.shift - shift);
        term.negative ^= negative;
    }
    return {-1, shift, negative};
}

struct RowLess {
    bool operator()(const Row& a, const Row& b) const {
        const auto key = [](const Term& term) { return std::tuple(term.var, term.shift, term.negative); };
        return std::ranges::lexicographical_compare(a, b, {}, key, key);
    }
};

// Collects the rows of a matrix, each distinct one once.
class RowSet {
public:
    // One more row of the matrix, which may be empty.
    void add(Row terms) {
        Alias& alias = found_.outputs.emplace_back();
        if (terms.empty()) return;
        alias = normalise(terms);
        const auto number = static_cast<std::int32_t>(found_.rows.size());
        const auto [at, is_new] = known_.try_emplace(terms, Alias{number, 0, alias.negative});
        // The first of equal rows keeps its sign, so that few outputs are negated.
        alias.negative ^= at->second.negative;
        alias.ref = at->second.ref;
        if (!is_new) return;
        for (Term& term : terms) {
            found_.max_shift = std::max(found_.max_shift, static_cast<int>(term.shift));
            term.negative ^= at->second.negative;
        }
        found_.rows.push_back(std::move(terms));
    }

    DistinctRows take() { return std::move(found_); }

private:
    std::map<Row, Alias, RowLess> known_;
    DistinctRows found_;
};

inline DistinctRows distinct_rows(std::span<const std::int64_t> weights, std::size_t outputs, std::size_t inputs) {
    RowSet rows;
    for (std::size_t output = 0; output < outputs; ++output)
        rows.add(digits_of(weights.subspan(output * inputs, inputs)));
    return rows.take();
}

}  // namespace adder_graph
