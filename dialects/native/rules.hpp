// The rules of a single instruction, which checkers, the engine and the placer share.
//
// The reference is `check` in dialects/machine/isa.py; tests/test_native_rules.py compares every verdict and message.
#pragma once

#include <string>
#include <utility>

#include "code.hpp"
#include "interval.hpp"

namespace ap {

inline constexpr int kMaxColumns = 2048, kMaxDomains = 256, kMaxWidth = 63, kMaxPrefixBits = 8;

// Roles of the columns of an instruction, in the order in which dialects/machine/tables.py numbers them.
enum Role : uint8_t { kDst, kA, kB, kCarry, kSecond, kRoles };
inline constexpr std::array kEveryRole = {kDst, kA, kB, kCarry, kSecond};

// The second cell of a carry of two.
inline Cell second_carry(const Instruction& item) { return {item.carry.column + 1, item.carry.domain}; }

// Bits over which two values are compared: all of both, and a sign for an unsigned one beside a signed one.
template <class Value>
int compared_width(const Value& a, const Value& b) {
    const bool mixed = a.is_signed != b.is_signed;
    return std::max(a.width + (mixed && !a.is_signed), b.width + (mixed && !b.is_signed));
}

// The first cell and the number of bits of the place of a role; none if the instruction has no such place.
inline std::pair<Cell, int> place_of(const Instruction& item, Role role) {
    const Operands& has = item.operands();
    switch (role) {
    case kDst: return {item.dst, has.dst_whole ? item.carry.domain : has.dst_swept ? item.width : has.dst_cell};
    case kA: return {{item.a.column, item.a.domain}, has.a_flag ? 1 : has.a_swept ? item.a.width : 0};
    case kB: return {{item.b.column, item.b.domain}, has.b_swept ? item.b.width : 0};
    case kCarry: return {item.carry, has.carry};
    case kSecond: return {second_carry(item), has.second_carry};
    default: return {{}, 0};
    }
}

// The cells at a bit, by role; only those of the roles that its passes name mean something.
inline std::array<Cell, kRoles> cells_of(const Instruction& item, int bit) {
    const Operands& has = item.operands();
    return {item.dst.after(has.dst_swept ? bit : 0, item.across),
            has.a_flag ? Cell{item.a.column, item.a.domain} : item.a.cell_at(bit, item.across),
            item.b.cell_at(bit, item.across), item.carry, second_carry(item)};
}

inline std::string text_of(int64_t column, int64_t domain, int64_t width = 1, bool is_signed = false,
                           bool across = false) {
    std::string text("c");
    text.append(std::to_string(column));
    if (across) text.append(":").append(std::to_string(column + width));
    text.append("[").append(std::to_string(domain));
    if (width != 1 && !across) text.append(":").append(std::to_string(domain + width));
    return text.append(is_signed ? "]s" : "]");
}

inline std::string text_of(Cell cell) { return text_of(cell.column, cell.domain); }

// What of the instruction has no place in the array; empty if nothing.
inline std::string outside(const Instruction& item, int columns, int domains) {
    if (item.width < 1 || item.width > kMaxWidth)
        return "a width is 1 to " + std::to_string(kMaxWidth) + " bits, found " + std::to_string(item.width);
    for (const Role role : kEveryRole) {
        const auto [cell, width] = place_of(item, role);
        const Cell end = cell.after(width - 1, item.across);
        if (width && (end.column >= columns || end.domain >= domains)) {
            std::string text("c");
            text.append(std::to_string(cell.column));
            if (item.across) text.append(":").append(std::to_string(end.column + 1));
            text.append("[").append(std::to_string(cell.domain));
            if (!item.across) text.append(":").append(std::to_string(end.domain + 1));
            text.append("] lies outside ").append(std::to_string(columns)).append(" columns of ");
            return text.append(std::to_string(domains)).append(" domains");
        }
    }
    return {};
}

// The column in which two places that are needed together meet, or -1. Both sources may be the same value.
inline int meeting_column(const Instruction& item) {
    struct Span {
        int begin, end;
    };
    std::array<Span, kRoles> columns;
    for (const Role role : kEveryRole) {
        const auto [cell, width] = place_of(item, role);
        columns[role] = {cell.column, width ? cell.column + (item.across ? width : 1) : -1};
    }
    const auto meeting = [&](Role one, Role other) {
        const int column = std::max(columns[one].begin, columns[other].begin);
        return column < std::min(columns[one].end, columns[other].end) ? column : -1;
    };
    for (const auto& [one, other] : {std::pair{kDst, kA}, {kDst, kB}, {kDst, kCarry}, {kCarry, kA}, {kCarry, kB},
                                     {kDst, kSecond}, {kSecond, kA}, {kSecond, kB}})
        if (const int column = meeting(one, other); column >= 0) return column;
    return item.a != item.b ? meeting(kA, kB) : -1;
}

// What is wrong with widths, shifts and the immediate; empty if nothing.
inline std::string wrong_fields(const Instruction& item) {
    const bool compares = item.op == kCmpGe || item.op == kCmpGev;
    const bool prefix = item.operands().dst_whole;
    if ((prefix || item.op == kCmpGe || item.op == kOut) && item.width != item.a.width)
        return "its width " + std::to_string(item.width) + " is not that of its source, " +
               std::to_string(item.a.width);
    if (item.op == kCmpGev && item.width != compared_width(item.a, item.b))
        return "its sources are compared over " + std::to_string(compared_width(item.a, item.b)) + " bits";
    if ((prefix || compares || item.op == kOut) && (item.a.shift || item.b.shift)) return "a source of it can't be shifted";
    if (item.op == kSetIf && (item.a.width != 1 || item.a.is_signed || item.a.shift))
        return "its flag is a single cell, neither signed nor shifted";
    if ((prefix || item.op == kCmpGe) && !native::Interval::of_width(item.width, item.a.is_signed).holds(item.imm))
        return "the immediate " + std::to_string(item.imm) + " is no value of the " + std::to_string(item.width) +
               "-bit source";
    if (prefix && !item.across) return "it works across columns, so that all bits are under ports together";
    const int number = item.carry.column, bits = item.carry.domain;
    if (prefix && (bits < 1 || bits > kMaxPrefixBits))
        return "it sets 1 to " + std::to_string(kMaxPrefixBits) + " bits, found " + std::to_string(bits);
    if (prefix && (number < 1 || number >= 1 << bits))
        return "the number " + std::to_string(number) + " is none of " + std::to_string(bits) + " bits above 0";
    if (item.operands().vector && item.imm < 0)
        return "a vector's number can't be negative, found " + std::to_string(item.imm);
    return {};
}

// The rule that keeps an instruction inside the array from running; empty if none does.
inline std::string broken_rule(const Instruction& item) {
    if (const int column = meeting_column(item); column >= 0)
        return "two bits that are needed together meet in column c" + std::to_string(column);
    return wrong_fields(item);
}

}  // namespace ap
