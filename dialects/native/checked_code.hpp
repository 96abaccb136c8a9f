// Code that was decoded and lies inside its array, with the passes that each bit of an instruction takes.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "rules.hpp"

namespace ap {

// A broken rule: the instruction, counted through all segments, and what is wrong with it. In the text, {7} stands for
// instruction 7. With `of_value`, the number is that of a row of the values' table instead.
struct Problem : std::invalid_argument {
    std::size_t number;
    std::string text;
    bool of_value;

    Problem(std::size_t number, std::string text, bool of_value = false)
        : std::invalid_argument("instruction " + std::to_string(number) + ": " + named(text)), number(number),
          text(std::move(text)), of_value(of_value) {}

private:
    // The text with the names of the instructions that it refers to.
    static std::string named(const std::string& text) {
        std::string result;
        for (const char character : text)
            if (character == '{')
                result += "instruction ";
            else if (character != '}')
                result += character;
        return result;
    }
};

// The passes of a bit summed up, as dialects/machine/tables.py has them. Sets of roles have a bit for each role.
struct Variant {
    uint8_t read, written;
    uint8_t searches, writes;
    uint8_t keyed;                     // cells that the searches look at
    uint8_t unkeyed;                   // cells written in all rows, by passes without a key
    uint8_t moves;                     // bits between a column and the global buffer
    uint8_t dst_writes, carry_writes, second_writes;  // writes of these cells

    uint8_t used() const { return read | written; }
    bool uses(Role role) const { return used() >> role & 1; }
    int writes_of(Role role) const {
        return role == kDst ? dst_writes : role == kCarry ? carry_writes : role == kSecond ? second_writes : 0;
    }
};

// The variants of each opcode's bit: an index has a bit for each thing that may be known of it beforehand.
class PassTable {
public:
    static constexpr std::size_t kVariants = 64;

    // Variants as they stand in the table, opcode by opcode.
    explicit PassTable(const uint8_t* bytes);

    const Variant& of(const Instruction& item, int bit) const {
        return variants_[std::size_t(item.op) * kVariants + index(item, bit)];
    }

private:
    std::array<Variant, kOpcodes * kVariants> variants_;

    static std::size_t index(const Instruction& item, int bit) {
        const Operands& has = item.operands();
        const bool a_zero = has.a_swept && item.a.is_zero(bit), b_zero = has.b_swept && item.b.is_zero(bit);
        // Beyond its 32 bits an immediate repeats its sign.
        const bool imm = has.immediate && !has.vector && (int64_t(item.imm) >> bit & 1);
        const bool sign = (item.a.is_signed || item.b.is_signed) && bit == item.width - 1;
        return std::size_t(a_zero | b_zero << 1 | imm << 2 | (bit == 0) << 3 | sign << 4 | item.lean << 5);
    }
};

class CheckedCode {
public:
    std::vector<Instruction> code;
    std::vector<std::size_t> segments;  // where each begins, and the end
    int columns, domains;

    // Throws Problem where an instruction is none or lies outside the array, or a segment doesn't end its last bit
    // loop.
    CheckedCode(const uint64_t* words, std::size_t count, std::vector<std::size_t> segments, const uint8_t* passes,
                int columns, int domains);

    const Variant& variant_of(const Instruction& item, int bit) const { return passes_.of(item, bit); }

    // Every cell that bit `bit` of an instruction needs: visit(cell, writes), the passes that write it.
    template <class Visit>
    void each_cell(const Instruction& item, int bit, Visit&& visit) const {
        each_cell(item, bit, variant_of(item, bit), visit);
    }

    // The same where the bit's variant is at hand.
    template <class Visit>
    static void each_cell(const Instruction& item, int bit, const Variant& variant, Visit&& visit) {
        if (item.operands().dst_whole) return each_prefix_cell(item, bit, variant, visit);
        const auto cells = cells_of(item, bit);
        for (const Role role : kEveryRole)
            if (variant.uses(role)) visit(cells[role], variant.writes_of(role));
    }

    // Those of a prefix instruction: the bits of A from this one on, and all of D.
    template <class Visit>
    static void each_prefix_cell(const Instruction& item, int bit, const Variant& variant, Visit&& visit) {
        if (!variant.searches) return;
        for (int above = bit; above < item.width; ++above) visit(item.a.cell_at(above, item.across), 0);
        for (int of_dst = 0; of_dst < item.carry.domain; ++of_dst)
            visit(item.dst.after(of_dst, item.across), item.carry.column >> of_dst & 1);
    }

    // Cells that the searches of a bit look at.
    static int keyed(const Instruction& item, int bit, const Variant& variant) {
        if (!item.operands().dst_whole) return variant.keyed;
        return variant.searches ? item.width - bit + item.carry.domain : 0;
    }

    // Behind the last member of the bit loop that begins at an instruction.
    std::size_t loop_end(std::size_t at) const {
        while (!code[at].last) ++at;
        return at + 1;
    }

    // Steps of the bit loop of some members.
    int loop_steps(std::size_t at, std::size_t end) const {
        int steps = 0;
        for (; at < end; ++at) steps = std::max(steps, code[at].start + code[at].width);
        return steps;
    }

    // Throws Problem for the first instruction that breaks a rule; that all lie inside the array is known.
    void check_rules() const;

private:
    PassTable passes_;
};

}  // namespace ap
