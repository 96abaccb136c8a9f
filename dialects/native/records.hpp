// A program as the checks see it: its instructions, and the cells that each bit of them needs and writes.
#pragma once

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "code.hpp"

namespace placed {

using namespace ap;

// A bit mask of roles that a bit step searches, and one of those that it writes; how often it writes D and C.
struct Touched {
    uint8_t read = 0, written = 0, dst_writes = 0, carry_writes = 0;
};

// A broken rule: the instruction, counted through all segments, and what is wrong with it. In the text, {7} stands for
// instruction 7 and its value. With `of_value`, the number is that of a row of the values' table instead.
struct Problem {
    size_t number;
    std::string text;
    bool of_value = false;
};

inline std::string text_of(int64_t column, int64_t domain, int64_t width = 1, bool is_signed = false) {
    std::string text("c");
    text.append(std::to_string(column)).append("[").append(std::to_string(domain));
    if (width != 1) text.append(":").append(std::to_string(domain + width));
    return text.append(is_signed ? "]s" : "]");
}

inline std::string text_of(Cell cell) { return text_of(cell.column, cell.domain); }

class Program {
public:
    std::vector<Instruction> code;
    std::vector<size_t> segments;
    int columns, domains;

    Program(const uint64_t* words, size_t count, const int64_t* bounds, size_t bound_count, const uint8_t* operands,
            const uint8_t* touches, int columns, int domains);

    const Operands& operands(const Instruction& item) const { return operands_[size_t(item.op)]; }

    size_t loop_end(size_t at) const { return ap::loop_end(code, at); }
    int loop_steps(size_t at, size_t end) const { return ap::loop_steps(code, at, end); }

    // Whether every instruction obeys the rules of dialects/machine/isa.py for a single one.
    bool is_lawful() const;

    // Every cell that bit `bit` of an instruction needs: visit(cell, writes), the passes that write it.
    template <class Visit>
    void cells_of(const Instruction& item, int bit, Visit&& visit) const {
        const Operands& has = operands(item);
        Touched touched = touched_[size_t(item.op) * kVariants + has.variant_of(item, bit)];
        auto cells = has.cells_of(item, bit);
        for (Role role : {kDst, kA, kB, kCarry})
            if ((touched.read | touched.written) >> role & 1)
                visit(cells[role], role == kDst ? touched.dst_writes : role == kCarry ? touched.carry_writes : 0);
    }

private:
    std::array<Operands, kOpcodes> operands_{};
    std::array<Touched, kOpcodes * kVariants> touched_{};

    void check_bounds(size_t number) const;
    bool meets_itself(const Instruction& item) const;
};

}  // namespace placed
