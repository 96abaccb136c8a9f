// The lowest and the highest number that a value may be, and the bits that hold it.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

namespace native {

struct Interval {
    // Where arithmetic stops: a sum or a shifted end beyond it becomes it.
    static constexpr int64_t kMost = int64_t{1} << 62;

    int64_t low = 0, high = 0;

    bool operator==(const Interval&) const = default;

    // All numbers of so many bits, 1 to 63; or, unsigned, 0 to 63.
    static constexpr Interval of_width(int width, bool is_signed) {
        const auto most = int64_t((uint64_t{1} << (is_signed ? width - 1 : width)) - 1);
        return {is_signed ? -most - 1 : 0, most};
    }

    constexpr bool is_signed() const { return low < 0; }
    constexpr bool holds(int64_t number) const { return low <= number && number <= high; }
    constexpr bool holds(const Interval& other) const { return low <= other.low && other.high <= high; }

    // Bits of two's complement, or of an unsigned number where none is negative; at least one.
    constexpr int width() const {
        return std::max(1, int(std::bit_width(uint64_t(std::max(high, ~low)))) + is_signed());
    }

    constexpr Interval operator+(const Interval& other) const {
        return {within(within(low) + within(other.low)), within(within(high) + within(other.high))};
    }
    constexpr Interval operator-() const { return {-within(high), -within(low)}; }
    constexpr Interval operator-(const Interval& other) const { return *this + -other; }
    constexpr Interval operator<<(int shift) const { return {shifted(low, shift), shifted(high, shift)}; }

    // Shifted to the left, or, below zero, to the right, rounding down.
    constexpr Interval moved(int by) const { return by < 0 ? Interval{low >> -by, high >> -by} : *this << by; }

private:
    static constexpr int64_t within(int64_t number) { return std::clamp(number, -kMost, kMost); }

    static constexpr int64_t shifted(int64_t number, int shift) {
        const int64_t reach = shift <= 62 ? kMost >> shift : 0;
        if (number > reach) return kMost;
        if (number < -reach) return -kMost;
        return reach ? int64_t(uint64_t(number) << shift) : 0;
    }
};

// (a << a_shift) + (b << b_shift), or minus.
constexpr Interval combined(const Interval& a, int a_shift, const Interval& b, int b_shift, bool subtract) {
    return subtract ? (a << a_shift) - (b << b_shift) : (a << a_shift) + (b << b_shift);
}

}  // namespace native
