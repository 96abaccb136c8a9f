// AP cycles of an addition, by bits. The numbers come from the instruction table of dialects/machine/isa.py.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <stdexcept>

#include "interval.hpp"

namespace adder_graph {

// One operand: a value of that many bits, repeated beyond them if signed, read as value << shift.
struct Source {
    int width;
    bool is_signed;
    int shift;

    bool known_zero(int bit) const { return bit < shift || (!is_signed && bit >= shift + width); }
};

inline Source source_of(const Interval& interval, int shift) { return {interval.width(), interval.is_signed(), shift}; }

enum class Operation : std::uint8_t { add, sub, add_in_place, sub_in_place };

class Costs {
public:
    static constexpr std::size_t kEntries = 32 + 3;

    // Cycles of a bit of each operation, [operation][first bit][a present][b present]; then of a bit that is set, of
    // an extension's sign, and of each bit that repeats it.
    explicit Costs(std::span<const std::int64_t> table) {
        if (table.size() != kEntries) throw std::invalid_argument("expected a table of 35 costs");
        std::copy(table.begin(), table.end(), cycles_.begin());
    }

    std::int64_t out_of_place(bool subtract, int width, const Source& a, const Source& b) const {
        const Operation operation = subtract ? Operation::sub : Operation::add;
        std::int64_t sum = 0;
        for (int bit = 0; bit < width; ++bit) sum += at(operation, bit == 0, !a.known_zero(bit), !b.known_zero(bit));
        return sum;
    }

    // The destination's bits below the shift of the source stay as they are.
    std::int64_t in_place(bool subtract, int width, const Source& source) const {
        const Operation operation = subtract ? Operation::sub_in_place : Operation::add_in_place;
        std::int64_t sum = 0;
        for (int bit = source.shift; bit < width; ++bit)
            sum += at(operation, bit == source.shift, !source.known_zero(bit), false);
        return sum;
    }

    // To make a value valid on more bits of its place.
    std::int64_t extension(const Interval& value, int width) const {
        const int missing = width - value.width();
        if (missing <= 0) return 0;
        return value.is_signed() ? cycles_[33] + missing * cycles_[34] : missing * cycles_[32];
    }

private:
    std::int64_t at(Operation operation, bool first, bool a, bool b) const {
        return cycles_[static_cast<std::size_t>(operation) * 8 + first * 4U + a * 2U + b];
    }

    std::array<std::int64_t, kEntries> cycles_;
};

}  // namespace adder_graph
