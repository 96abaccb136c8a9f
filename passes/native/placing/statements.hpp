// Straight-line code over values in slots: what is scheduled into bit loops and placed in columns.
//
// A statement is one instruction of the AP (dialects/machine/isa.py) whose operands are values rather than places.
// Values that continue each other in place share a slot; a slot gets one place, as wide as its widest value.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "interval.hpp"
#include "rules.hpp"

namespace placement {

using ap::Op;
using native::Interval;

struct Value {
    int32_t slot = -1;
    int16_t width = 0;
    bool is_signed = false;
    Interval span;  // what it may hold

    static Value of(int32_t slot, Interval span) {
        return {slot, static_cast<int16_t>(span.width()), span.is_signed(), span};
    }
};

struct Statement {
    Op op{};
    bool last = true;                  // its bit loop ends with it
    int16_t start = 0;                 // step of the bit loop at which bit 0 is processed
    int16_t width = 0;                 // bit steps
    int16_t offset = 0;                // first domain of the destination, from its slot's first one
    int16_t a_shift = 0, b_shift = 0;  // below zero a source is read from that bit on
    int32_t segment = 0;
    int32_t result = -1;     // the value that is made
    int32_t old = -1;        // the value that it is made from in place
    int32_t a = -1, b = -1;  // sources; the flag of SET_IF is a, that of COPY_IF is b
    int32_t sum = -1;        // the sum that it adds a term to: width, old value and result depend on the terms' order
    int64_t imm = 0;

    const ap::Operands& operands() const { return ap::operands_of(op); }
    bool carries() const { return operands().own_carry; }
    bool makes_flag() const { return operands().dst_cell; }
    // Whether a source is processed bit by bit rather than as a flag.
    bool sweeps_a() const { return operands().a_swept; }
    bool sweeps_b() const { return operands().b_swept; }
};

// Terms that are added to one slot in any order: the value that they are added to, its range so far, the last value.
struct Sum {
    int32_t slot = -1, current = -1, final = -1, remaining = 0;
    Interval span;
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
