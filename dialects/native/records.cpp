#include "records.hpp"

#include <algorithm>

namespace placed {

Program::Program(const uint64_t* words, size_t count, const int64_t* bounds, size_t bound_count,
                 const uint8_t* operands, const uint8_t* touches, int columns, int domains)
    : columns(columns), domains(domains) {
    if (columns < 1 || domains < 1 || columns > 2048 || domains > 256)
        throw std::invalid_argument("impossible geometry");
    for (Operands& row : operands_) {
        row.read(operands);
        operands += Operands::kBytes;
    }
    for (Touched& row : touched_) {
        row.read = *touches++;
        row.written = *touches++;
        row.dst_writes = *touches++;
        row.carry_writes = *touches++;
    }
    bool ordered = bound_count > 0 && bounds[0] == 0 && bounds[bound_count - 1] == int64_t(count) &&
                   std::is_sorted(bounds, bounds + bound_count);
    if (!ordered) throw std::invalid_argument("the segments don't cover the program");
    segments.assign(bounds, bounds + bound_count);
    code.resize(count);
    for (size_t i = 0; i < count; ++i) {
        const Operands& has = operands_[size_t(opcode_of(words[2 * i]))];
        if (!has.known || !is_whole(words[2 * i])) throw Problem{i, "it has no valid opcode word"};
        code[i] = decode(words[2 * i], words[2 * i + 1], has.immediate);
        check_bounds(i);
    }
    for (size_t end : segments)
        if (end > 0 && !code[end - 1].last) throw Problem{end - 1, "the last bit loop of the segment is never ended"};
}

// The array's limits, which keep everything behind them inside its tables.
void Program::check_bounds(size_t number) const {
    const Instruction& item = code[number];
    if (item.width < 1) throw Problem{number, "its width is zero"};
    for (Role role : {kDst, kA, kB, kCarry}) {
        auto [cell, width] = operands(item).place_of(item, role);
        if (width && (cell.column >= columns || cell.domain + width > domains))
            throw Problem{number, text_of(cell.column, cell.domain, width) + " lies outside " +
                                      std::to_string(columns) + " columns of " + std::to_string(domains) + " domains"};
    }
}

// Whether two cells that it needs together lie in one column. Both sources may be the same value.
bool Program::meets_itself(const Instruction& item) const {
    for (Role role : {kA, kB, kCarry})
        for (int before = kDst; before < role; ++before) {
            auto [cell, width] = operands(item).place_of(item, role);
            auto [other, other_width] = operands(item).place_of(item, Role(before));
            const bool same = role == kB && before == kA && item.a == item.b;
            if (width && other_width && cell.column == other.column && !same) return true;
        }
    return false;
}

bool Program::is_lawful() const {
    return std::all_of(code.begin(), code.end(), [&](const Instruction& item) {
        if (meets_itself(item)) return false;
        const Operand &a = item.a, &b = item.b;
        // Beyond 40 bits it holds all that an immediate may be.
        const int64_t half = int64_t{1} << std::min(item.width - a.is_signed, 40);
        switch (item.op) {
        case kCmpGe:
            return item.width == a.width && a.shift == 0 && item.imm < half && item.imm >= (a.is_signed ? -half : 0);
        case kCmpGev: return item.width == compared_width(a, b) && a.shift == 0 && b.shift == 0;
        case kOut: return item.width == a.width && a.shift == 0 && item.imm >= 0;
        case kIn: return item.imm >= 0;
        case kSetIf: return a.width == 1 && !a.is_signed && a.shift == 0;
        default: return true;
        }
    });
}

}  // namespace placed
