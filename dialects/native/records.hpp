// Binary AP code as the checks see it: decoded instructions, their bit loops, and the cells that each bit needs.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace placed {

struct Cell {
  int column = 0, domain = 0;
  bool operator==(const Cell&) const = default;
};

struct Operand {
  int column = 0, domain = 0, width = 0;
  bool is_signed = false;
  int shift = 0;
  bool operator==(const Operand&) const = default;
};

enum Op : int { kSet = 1, kSetIf, kCopy, kExt, kAddIp, kSubIp, kAdd, kSub, kCmpGe, kIn, kOut, kCmpGev, kCopyIf };

struct Record {
  int op = 0;
  bool last = true;
  int start = 0, width = 0;
  Cell dst, carry;
  Operand a, b;
  int32_t imm = 0;
};

// Roles of the columns of an instruction, in the order in which the table numbers them.
enum Role : int { kDst, kA, kB, kCarry, kRoles };

// Which operands an opcode has; a byte each in the table, see dialects/placed_check.py.
struct Operands {
  bool known = false, dst_swept = false, dst_cell = false, a_swept = false, a_flag = false, b_swept = false, carry = false,
       immediate = false, vector = false;
};

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
  std::vector<Record> code;
  std::vector<size_t> segments;
  int columns, domains;

  Program(const uint64_t* words, size_t count, const int64_t* bounds, size_t bound_count, const uint8_t* operands,
          const uint8_t* touches, int columns, int domains);

  const Operands& operands(const Record& item) const { return operands_[size_t(item.op)]; }

  size_t loop_end(size_t at) const {
    while (!code[at].last) ++at;
    return at + 1;
  }

  int loop_steps(size_t at, size_t end) const {
    int steps = 0;
    for (; at < end; ++at) steps = std::max(steps, code[at].start + code[at].width);
    return steps;
  }

  // Every cell that bit `bit` of an instruction needs: visit(cell, writes), the passes that write it.
  template <class Visit>
  void cells_of(const Record& item, int bit, Visit&& visit) const {
    const Operands& has = operands(item);
    bool a_zero = has.a_swept && is_zero(item.a, bit), b_zero = has.b_swept && is_zero(item.b, bit);
    // Beyond its 32 bits an immediate repeats its sign.
    bool imm = has.immediate && !has.vector && (int64_t(item.imm) >> bit & 1);
    bool sign = (item.a.is_signed || item.b.is_signed) && bit == item.width - 1;
    int variant = a_zero | b_zero << 1 | imm << 2 | (bit == 0) << 3 | sign << 4;
    Touched touched = touched_[size_t(item.op) * kVariants + size_t(variant)];
    int used = touched.read | touched.written;
    if (used & 1 << kDst)
      visit(Cell{item.dst.column, item.dst.domain + (has.dst_swept ? bit : 0)}, int(touched.dst_writes));
    if (used & 1 << kA) visit(has.a_flag ? Cell{item.a.column, item.a.domain} : cell_at(item.a, bit), 0);
    if (used & 1 << kB) visit(cell_at(item.b, bit), 0);
    if (used & 1 << kCarry) visit(item.carry, int(touched.carry_writes));
  }

 private:
  static constexpr int kOpcodes = 32, kVariants = 32;
  std::array<Operands, kOpcodes> operands_{};
  std::array<Touched, kOpcodes * kVariants> touched_{};

  static bool is_zero(const Operand& operand, int bit) {
    int index = bit - operand.shift;
    return index < 0 || operand.width == 0 || (index >= operand.width && !operand.is_signed);
  }

  static Cell cell_at(const Operand& operand, int bit) {
    return {operand.column, operand.domain + std::clamp(bit - operand.shift, 0, std::max(operand.width - 1, 0))};
  }

  void check_bounds(size_t number) const;
};

}  // namespace placed
