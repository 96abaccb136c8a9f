// Straight-line code over values in slots: what is scheduled into bit loops and placed in columns.
//
// A statement is one instruction of the AP (dialects/machine/isa.py) whose operands are values rather than places.
// Values that continue each other in place share a slot; a slot gets one place, as wide as its widest value.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

namespace placement {

// The binary opcodes of dialects/machine/isa.py.
enum class Op : uint8_t { set = 1, set_if, copy, ext, add_ip, sub_ip, add, sub, cmp_ge, in, out, cmp_gev, copy_if };

// The largest number of so many bits, up to 63.
inline int64_t most_of(int width) { return static_cast<int64_t>((uint64_t{1} << width) - 1); }

struct Span {
    static constexpr int64_t most = int64_t{1} << 62;  // ends stop here

    int64_t lo = 0, hi = 0;

    static int64_t within(int64_t number) { return std::clamp(number, -most, most); }

    Span operator+(const Span& other) const {
        return {within(within(lo) + within(other.lo)), within(within(hi) + within(other.hi))};
    }
    Span operator-() const { return {-within(hi), -within(lo)}; }
    Span operator<<(int shift) const {
        const int64_t reach = shift < 62 ? most >> shift : 0;
        return {std::clamp(lo, -reach, reach) << shift, std::clamp(hi, -reach, reach) << shift};
    }

    bool is_signed() const { return lo < 0; }
    int width() const {
        const int64_t magnitude = lo < 0 && ~lo > hi ? ~lo : hi;
        return std::max(1, static_cast<int>(std::bit_width(static_cast<uint64_t>(magnitude))) + (lo < 0));
    }
};

struct Value {
    int32_t slot = -1;
    int16_t width = 0;
    bool is_signed = false;
    Span span;  // what it may hold

    static Value of(int32_t slot, Span span) {
        return {slot, static_cast<int16_t>(span.width()), span.is_signed(), span};
    }
};

struct Statement {
    Op op{};
    bool last = true;    // its bit loop ends with it
    int16_t start = 0;   // step of the bit loop at which bit 0 is processed
    int16_t width = 0;   // bit steps
    int16_t offset = 0;  // first domain of the destination, from its slot's first one
    int16_t a_shift = 0, b_shift = 0;
    int32_t segment = 0;
    int32_t result = -1;     // the value that is made
    int32_t old = -1;        // the value that it is made from in place
    int32_t a = -1, b = -1;  // sources; the flag of SET_IF is a, that of COPY_IF is b
    int32_t sum = -1;        // the sum that it adds a term to: width, old value and result depend on the terms' order
    int64_t imm = 0;

    bool carries() const {
        return op == Op::add_ip || op == Op::sub_ip || op == Op::add || op == Op::sub || op == Op::ext;
    }
    bool makes_flag() const { return op == Op::cmp_ge || op == Op::cmp_gev; }
    // Whether the code names a second source, where that of other statements has an immediate.
    bool has_b() const { return op == Op::add || op == Op::sub || op == Op::cmp_gev; }
    // Whether a source is processed bit by bit rather than as a flag.
    bool sweeps_a() const { return op != Op::set_if; }
    bool sweeps_b() const { return op != Op::copy_if; }
};

// Terms that are added to one slot in any order: the value that they are added to, its range so far, the last value.
struct Sum {
    int32_t slot = -1, current = -1, final = -1, remaining = 0;
    Span span;
};

struct Statements {
    std::vector<Statement> code;
    std::vector<Value> values;
    std::vector<int16_t> slots;  // width of each
    std::vector<Sum> sums;
    bool full = false;  // sums have their final width from the start

    int32_t new_slot() {
        slots.push_back(0);
        return static_cast<int32_t>(slots.size()) - 1;
    }

    int32_t new_value(const Value& value) {
        widen(value.slot, value.width);
        values.push_back(value);
        return static_cast<int32_t>(values.size()) - 1;
    }

    // A term whose shift is beyond the last value of its sum changes none of that value's bits, and must not be the
    // last.
    void drop_void_terms() {
        std::erase_if(code, [&](Statement& item) {
            if (item.sum < 0 || item.offset < values[sums[item.sum].final].width) return false;
            if (sums[item.sum].remaining > 1) {
                --sums[item.sum].remaining;
                return true;
            }
            item.a = -1;
            item.offset = 0;
            return false;
        });
    }

    void widen(int32_t slot, int width) { slots[slot] = std::max(slots[slot], static_cast<int16_t>(width)); }
};

struct Place {
    int32_t column = -1, domain = -1;
};

}  // namespace placement
