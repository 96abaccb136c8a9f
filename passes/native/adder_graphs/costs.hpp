// AP cycles of an addition, by bits. The numbers come from the instruction table of dialects/machine/isa.py.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <stdexcept>

#include "code.hpp"
#include "interval.hpp"

namespace adder_graph {

using native::Interval;

// A value as an operand, wherever it lies.
inline ap::Operand source_of(const Interval& interval, int shift) {
    return {0, 0, interval.width(), interval.is_signed(), shift};
}

class Costs {
public:
    static constexpr std::size_t kEntries = 32 + 3;

    // Cycles of a bit of the four operations from ADD_IP on, [operation][first bit][a present][b present]; then of a
    // bit that is set, of an extension's sign, and of each bit that repeats it.
    explicit Costs(std::span<const std::int64_t> table) {
        if (table.size() != kEntries) throw std::invalid_argument("expected a table of 35 costs");
        std::copy(table.begin(), table.end(), cycles_.begin());
    }

    std::int64_t out_of_place(bool subtract, int width, const ap::Operand& a, const ap::Operand& b) const {
        const ap::Op op = subtract ? ap::kSub : ap::kAdd;
        std::int64_t sum = 0;
        for (int bit = 0; bit < width; ++bit) sum += at(op, bit == 0, !a.is_zero(bit), !b.is_zero(bit));
        return sum;
    }

    // The destination's bits below the shift of the source stay as they are.
    std::int64_t in_place(bool subtract, int width, const ap::Operand& source) const {
        const ap::Op op = subtract ? ap::kSubIp : ap::kAddIp;
        std::int64_t sum = 0;
        for (int bit = source.shift; bit < width; ++bit)
            sum += at(op, bit == source.shift, !source.is_zero(bit), false);
        return sum;
    }

    // To make a value valid on more bits of its place.
    std::int64_t extension(const Interval& value, int width) const {
        const int missing = width - value.width();
        if (missing <= 0) return 0;
        return value.is_signed() ? cycles_[33] + missing * cycles_[34] : missing * cycles_[32];
    }

private:
    std::int64_t at(ap::Op op, bool first, bool a, bool b) const {
        return cycles_[static_cast<std::size_t>(op - ap::kAddIp) * 8 + first * 4U + a * 2U + b];
    }

    std::array<std::int64_t, kEntries> cycles_;
};

}  // namespace adder_graph
