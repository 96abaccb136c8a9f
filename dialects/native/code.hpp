// Binary AP code as all native parts read it: the layout of dialects/machine/code.py, and the cells that a bit needs.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace ap {

struct Cell {
    int column = 0, domain = 0;

    bool operator==(const Cell&) const = default;
};

// A value that is read, as value << shift; beyond its bits it is zero, or repeats its sign.
struct Operand {
    int column = 0, domain = 0, width = 0;
    bool is_signed = false;
    int shift = 0;

    bool operator==(const Operand&) const = default;

    bool is_zero(int bit) const {
        const int index = bit - shift;
        return index < 0 || width == 0 || (index >= width && !is_signed);
    }

    Cell cell_at(int bit) const { return {column, domain + std::clamp(bit - shift, 0, std::max(width - 1, 0))}; }
};

// Bits over which two values are compared: all of both, and a sign for an unsigned one beside a signed one.
inline int compared_width(const Operand& a, const Operand& b) {
    const bool mixed = a.is_signed != b.is_signed;
    return std::max(a.width + (mixed && !a.is_signed), b.width + (mixed && !b.is_signed));
}

struct Instruction {
    int op = 0;
    bool last = true;  // its bit loop ends with it
    int start = 0;     // the step of the bit loop at which bit 0 comes
    int width = 0;
    Cell dst, carry;
    Operand a, b;
    int32_t imm = 0;  // shares its bits with b
};

// The opcodes of dialects/machine/isa.py.
enum Op : uint8_t {
    kSet = 1,
    kSetIf,
    kCopy,
    kExt,
    kAddIp,
    kSubIp,
    kAdd,
    kSub,
    kCmpGe,
    kIn,
    kOut,
    kCmpGev,
    kCopyIf,
    kOps
};

// First bits and numbers of bits of the fields.
namespace layout {

inline constexpr int kOp = 0, kOpBits = 5, kLast = 5, kStart = 6, kWidth = 12, kSmallBits = 6;
inline constexpr int kColumnBits = 11, kDomainBits = 8, kUnused = 56;
inline constexpr int kDstColumn = 18, kDstDomain = 29, kCarryColumn = 37, kCarryDomain = 48;
// Within the half of the second word that an operand takes.
inline constexpr int kOperandDomain = 11, kOperandWidth = 19, kSigned = 25, kShift = 26;
inline constexpr int kHalf = 32;

inline int field(uint64_t word, int at, int bits) { return int(word >> at & ((uint64_t{1} << bits) - 1)); }

inline Operand operand(uint64_t half) {
    return {field(half, 0, kColumnBits), field(half, kOperandDomain, kDomainBits),
            field(half, kOperandWidth, kSmallBits), field(half, kSigned, 1) != 0, field(half, kShift, kSmallBits)};
}

inline uint64_t bits(const Operand& from) {
    return uint64_t(from.column) | uint64_t(from.domain) << kOperandDomain | uint64_t(from.width) << kOperandWidth |
           uint64_t(from.is_signed) << kSigned | uint64_t(from.shift) << kShift;
}

}  // namespace layout

inline int opcode_of(uint64_t first) { return layout::field(first, layout::kOp, layout::kOpBits); }

// Whether the bits are zero that mean nothing.
inline bool is_whole(uint64_t first) { return first >> layout::kUnused == 0; }

inline Instruction decode(uint64_t first, uint64_t second, bool immediate) {
    using namespace layout;
    Instruction item;
    item.op = opcode_of(first);
    item.last = field(first, kLast, 1) != 0;
    item.start = field(first, kStart, kSmallBits);
    item.width = field(first, kWidth, kSmallBits);
    item.dst = {field(first, kDstColumn, kColumnBits), field(first, kDstDomain, kDomainBits)};
    item.carry = {field(first, kCarryColumn, kColumnBits), field(first, kCarryDomain, kDomainBits)};
    item.a = operand(second & 0xFFFFFFFF);
    if (immediate)
        item.imm = int32_t(uint32_t(second >> kHalf));
    else
        item.b = operand(second >> kHalf);
    return item;
}

inline std::array<uint64_t, 2> encode(const Instruction& item, bool immediate) {
    using namespace layout;
    const uint64_t first = uint64_t(item.op) << kOp | uint64_t(item.last) << kLast | uint64_t(item.start) << kStart |
                           uint64_t(item.width) << kWidth | uint64_t(item.dst.column) << kDstColumn |
                           uint64_t(item.dst.domain) << kDstDomain | uint64_t(item.carry.column) << kCarryColumn |
                           uint64_t(item.carry.domain) << kCarryDomain;
    return {first, bits(item.a) | (immediate ? uint64_t(uint32_t(item.imm)) : bits(item.b)) << kHalf};
}

// Roles of the columns of an instruction, in the order in which the tables of dialects/machine/tables.py number them.
enum Role : uint8_t { kDst, kA, kB, kCarry, kRoles };

constexpr std::size_t kOpcodes = 32, kVariants = 32;

// Which operands an opcode has; a byte each in the table.
struct Operands {
    bool known = false, dst_swept = false, dst_cell = false, a_swept = false, a_flag = false, b_swept = false,
         carry = false, immediate = false, vector = false;

    static constexpr std::size_t kBytes = 9;

    void read(const uint8_t* bytes) {
        for (bool* flag : {&known, &dst_swept, &dst_cell, &a_swept, &a_flag, &b_swept, &carry, &immediate, &vector})
            *flag = *bytes++ != 0;
    }

    // The first cell and the number of domains of the place of a role; none if the instruction has no such place.
    std::pair<Cell, int> place_of(const Instruction& item, Role role) const {
        switch (role) {
        case kDst: return {item.dst, dst_swept ? item.width : dst_cell};
        case kA: return {{item.a.column, item.a.domain}, a_flag ? 1 : a_swept ? item.a.width : 0};
        case kB: return {{item.b.column, item.b.domain}, b_swept ? item.b.width : 0};
        case kCarry: return {item.carry, carry};
        default: return {{}, 0};
        }
    }

    // What is known of a bit beforehand, as an index of the tables.
    std::size_t variant_of(const Instruction& item, int bit) const {
        const bool a_zero = a_swept && item.a.is_zero(bit), b_zero = b_swept && item.b.is_zero(bit);
        // Beyond its 32 bits an immediate repeats its sign.
        const bool imm = immediate && !vector && (int64_t(item.imm) >> bit & 1);
        const bool sign = (item.a.is_signed || item.b.is_signed) && bit == item.width - 1;
        return std::size_t(a_zero | b_zero << 1 | imm << 2 | (bit == 0) << 3 | sign << 4);
    }

    // The cells at a bit, by role; only those of the roles that its passes name mean something.
    std::array<Cell, kRoles> cells_of(const Instruction& item, int bit) const {
        return {Cell{item.dst.column, item.dst.domain + (dst_swept ? bit : 0)},
                a_flag ? Cell{item.a.column, item.a.domain} : item.a.cell_at(bit), item.b.cell_at(bit), item.carry};
    }
};

// Behind the last member of the bit loop that begins at an instruction.
inline std::size_t loop_end(const std::vector<Instruction>& code, std::size_t at) {
    while (!code[at].last) ++at;
    return at + 1;
}

// Steps of the bit loop of some members.
inline int loop_steps(const std::vector<Instruction>& code, std::size_t at, std::size_t end) {
    int steps = 0;
    for (; at < end; ++at) steps = std::max(steps, code[at].start + code[at].width);
    return steps;
}

}  // namespace ap
