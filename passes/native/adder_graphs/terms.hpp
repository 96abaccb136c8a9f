// Terms and rows: the expressions that common-subexpression elimination rewrites.
#pragma once

#include <cstdint>
#include <vector>

namespace adder_graph {

// Number of a variable: inputs first, then shared subexpressions.
using Var = std::uint32_t;

// Plus or minus a variable times two to the power of `shift`.
struct Term {
    Var var;
    std::uint16_t shift;
    std::uint16_t negative;

    bool operator==(const Term&) const = default;
};

using Row = std::vector<Term>;

// A two-term pattern: left + (right << offset), or minus if `negative`, at any common shift and with any common sign.
// An offset below zero shifts `left` instead. left < right, or left == right and offset > 0, so that equal patterns
// are equal values.
struct Pair {
    Var left;
    Var right;
    int offset;
    bool negative;
};

// The pattern that two terms form.
inline Pair pair_of(Var a, Var b, int offset, bool negative) {
    if (a < b || (a == b && offset > 0)) return {a, b, offset, negative};
    return {b, a, -offset, negative};
}

// Pairs wait in queues by the million: 28 + 28 bits of variables, 7 of offset, 1 of sign.
constexpr int kVarBits = 28;
constexpr int kOffsetBias = 64;
constexpr Var kMaxVars = Var{1} << kVarBits;

inline std::uint64_t pack(const Pair& pair) {
    return std::uint64_t{pair.left} << 36 | std::uint64_t{pair.right} << 8 |
           static_cast<std::uint64_t>(pair.offset + kOffsetBias) << 1 | (pair.negative ? 1U : 0U);
}

inline Pair unpack(std::uint64_t bits) {
    return {static_cast<Var>(bits >> 36), static_cast<Var>(bits >> 8) & (kMaxVars - 1),
            static_cast<int>(bits >> 1 & 127) - kOffsetBias, (bits & 1) != 0};
}

}  // namespace adder_graph
