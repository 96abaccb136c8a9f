// What is stored beside binary code: which values each instruction makes and reads, and where these lie.
//
// The same rows as NAMES and VALUES of dialects/rtm/placed.py.
#pragma once

#include <algorithm>
#include <cstdint>

#include "rules.hpp"

namespace ap {

// What a statement makes, changes in place and reads, by number; -1 is no value (or the constant zero).
struct Names {
    int32_t result, old, a, b;
};

// A value and where it lies.
struct Row {
    int32_t id, column, domain, width, is_signed, across;

    Cell first() const { return {column, domain}; }

    // The value as it is read: shifted to the left, or, below zero, from one of its bits on.
    Operand operand(int shift) const {
        const int below = std::max(0, -shift);
        const Cell from = first().after(below, across != 0);
        return {from.column, from.domain, width - below, is_signed != 0, std::max(0, shift)};
    }

    // The inverse: how the value is shifted where it is read so.
    int shift_of(const Operand& operand) const {
        return operand.shift - (across ? operand.column - column : operand.domain - domain);
    }
};

static_assert(sizeof(Words) == 16 && sizeof(Names) == 16 && sizeof(Row) == 24);

}  // namespace ap
