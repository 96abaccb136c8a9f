// The values that a column takes, and the bits that hold them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace adder_graph {

// Doubles: only widths are read off the ends, and sums of weighted inputs may be large.
struct Interval {
    double low;
    double high;

    bool is_signed() const { return low < 0; }

    // Bits of two's complement, or of an unsigned number where none is negative; at least one.
    int width() const {
        const double most = std::max(high, -low - 1);
        return std::max(1, (most >= 1 ? std::ilogb(most) + 1 : 0) + is_signed());
    }
};

// (a << a_shift) + (b << b_shift), or minus.
inline Interval combined(const Interval& a, int a_shift, const Interval& b, int b_shift, bool subtract) {
    const double a_scale = std::ldexp(1.0, a_shift), b_scale = std::ldexp(subtract ? -1.0 : 1.0, b_shift);
    const double first = b.low * b_scale, second = b.high * b_scale;
    return {a.low * a_scale + std::min(first, second), a.high * a_scale + std::max(first, second)};
}

}  // namespace adder_graph
