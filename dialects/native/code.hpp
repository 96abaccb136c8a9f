// Binary AP code as all native parts read it: the opcodes and their operands, and instructions as two words.
//
// The Python tables are the reference: OPCODES in dialects/machine/isa.py, the layout in dialects/machine/code.py.
// tests/test_native_rules.py compares them with what stands here.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ap {

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
    kAddAdd,
    kSubSub,
    kAddSub = 28,  // those between are counted programs'
    kSetGt,
    kSetLt,
    kOps  // one more than the last opcode
};

// What the five bits of an opcode hold.
inline constexpr std::size_t kOpcodes = 32;

// Which operands an opcode has, from their letters: D, A, B swept over their bits; d, a, c a single cell; e a carry of two
// cells, the second one a column further; r a destination that is
// written as a whole; I immediate; J the number that it becomes.
struct Operands {
    bool known = false;  // whether there is such an opcode
    bool dst_swept = false, dst_cell = false, a_swept = false, a_flag = false, b_swept = false, carry = false;
    bool dst_whole = false;  // a prefix instruction, whose `carry` has the number and the bits of D
    bool immediate = false;
    bool vector = false;     // the immediate is the number of a vector
    bool second_carry = false;  // the carry has two cells
    bool own_carry = false;  // the carry cell is written, rather than a flag that is read

    constexpr Operands() = default;
    constexpr Operands(Op op, std::string_view letters)
        : known(true), dst_swept(has(letters, 'D')), dst_cell(has(letters, 'd')), a_swept(has(letters, 'A')),
          a_flag(has(letters, 'a')), b_swept(has(letters, 'B')), carry(has(letters, 'c') || has(letters, 'e')),
          dst_whole(has(letters, 'r')), immediate(has(letters, 'I')), vector(op == kIn || op == kOut), second_carry(has(letters, 'e')),
          own_carry(carry && op != kCopyIf) {}

private:
    static constexpr bool has(std::string_view letters, char letter) {
        return letters.find(letter) != std::string_view::npos;
    }
};

inline constexpr std::array<Operands, kOpcodes> kOperands = [] {
    std::array<Operands, kOpcodes> table{};
    for (const auto& [op, letters] : {std::pair<Op, std::string_view>{kSet, "DI"},
                                      {kSetIf, "DaI"},
                                      {kCopy, "DA"},
                                      {kExt, "Dc"},
                                      {kAddIp, "DAc"},
                                      {kSubIp, "DAc"},
                                      {kAdd, "DABc"},
                                      {kSub, "DABc"},
                                      {kCmpGe, "dAI"},
                                      {kIn, "DI"},
                                      {kOut, "AI"},
                                      {kCmpGev, "dAB"},
                                      {kCopyIf, "DAc"},
                                      {kAddAdd, "DABe"},
                                      {kSubSub, "DABe"},
                                      {kAddSub, "DABe"},
                                      {kSetGt, "rAIJ"},
                                      {kSetLt, "rAIJ"}})
        table[op] = Operands(op, letters);
    return table;
}();

constexpr const Operands& operands_of(Op op) { return kOperands[op]; }

struct Cell {
    int column = 0, domain = 0;

    bool operator==(const Cell&) const = default;

    // The cell of a value so many bits after this one.
    Cell after(int bits, bool across) const {
        return across ? Cell{column + bits, domain} : Cell{column, domain + bits};
    }
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

    Cell cell_at(int bit, bool across) const {
        return Cell{column, domain}.after(std::clamp(bit - shift, 0, std::max(width - 1, 0)), across);
    }
};

// Two words, from the least significant bit on:
//
//     word 0   opcode 5 | last 1 | start 6 | width 6 | dst column 11, domain 8 | carry column 11, domain 8
//              across 1 | lean 1
//     word 1   A: column 11, domain 8, width 6, signed 1, shift 6 | B: the same 32 bits, or the immediate
//
// The unused top of word 0 is zero.
using Words = std::array<uint64_t, 2>;

struct Instruction {
    Op op{};
    bool last = true;  // its bit loop ends with it
    int start = 0;     // the step of the bit loop at which bit 0 comes
    int width = 0;
    Cell dst, carry;
    Operand a, b;
    int32_t imm = 0;      // shares its bits with b
    bool across = false;  // bits lie in neighbouring columns, rather than along their tracks
    bool lean = false;    // writes only cells that change

    bool operator==(const Instruction&) const = default;

    const Operands& operands() const { return operands_of(op); }

    // Whether the words have a known opcode, and zeros where bits mean nothing.
    static bool is_instruction(const uint64_t* words) {
        return kOperands[Bits{words[0]}.take(kOpBits)].known && words[0] >> kUnused == 0;
    }

    // The inverse of `pack`, for words that are an instruction.
    static Instruction unpack(const uint64_t* words) {
        Instruction item;
        Bits first{words[0]}, second{words[1]};
        item.op = Op(first.take(kOpBits));
        item.last = first.take(1) != 0;
        item.start = first.take(kSmallBits);
        item.width = first.take(kSmallBits);
        for (Cell* cell : {&item.dst, &item.carry}) *cell = take_cell(first);
        item.across = first.take(1) != 0;
        item.lean = first.take(1) != 0;
        item.a = take_operand(second);
        if (item.operands().immediate)
            item.imm = int32_t(uint32_t(second.word));
        else
            item.b = take_operand(second);
        return item;
    }

    // Every field must fit its bits.
    Words pack() const {
        Bits first, second;
        first.put(op, kOpBits);
        first.put(last, 1);
        first.put(start, kSmallBits);
        first.put(width, kSmallBits);
        for (const Cell& cell : {dst, carry}) put_cell(first, cell);
        first.put(across, 1);
        first.put(lean, 1);
        put_operand(second, a);
        if (operands().immediate)
            second.put(uint32_t(imm), 32);
        else
            put_operand(second, b);
        return {first.word, second.word};
    }

private:
    static constexpr int kOpBits = 5, kSmallBits = 6, kColumnBits = 11, kDomainBits = 8, kUnused = 58;

    // Fields one after another: the next ones are taken off the low end, or put above those that are there.
    struct Bits {
        uint64_t word = 0;
        int used = 0;

        constexpr int take(int bits) {
            const int field = int(word & ((uint64_t{1} << bits) - 1));
            word >>= bits;
            return field;
        }
        constexpr void put(uint64_t field, int bits) {
            word |= field << used;
            used += bits;
        }
    };

    static Cell take_cell(Bits& from) {
        const int column = from.take(kColumnBits);
        return {column, from.take(kDomainBits)};
    }

    static void put_cell(Bits& to, const Cell& cell) {
        to.put(uint64_t(cell.column), kColumnBits);
        to.put(uint64_t(cell.domain), kDomainBits);
    }

    static Operand take_operand(Bits& from) {
        const Cell first = take_cell(from);
        const int width = from.take(kSmallBits);
        const bool is_signed = from.take(1) != 0;
        return {first.column, first.domain, width, is_signed, from.take(kSmallBits)};
    }

    static void put_operand(Bits& to, const Operand& operand) {
        put_cell(to, {operand.column, operand.domain});
        to.put(uint64_t(operand.width), kSmallBits);
        to.put(operand.is_signed, 1);
        to.put(uint64_t(operand.shift), kSmallBits);
    }
};

}  // namespace ap
