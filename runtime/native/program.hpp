// A decoded and checked AP program, and the passes of each of its bits from the instruction table.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace camc {

struct Cell {
  int column = 0, domain = 0;
};

struct Operand {
  int column = 0, domain = 0, width = 0;
  bool is_signed = false;
  int shift = 0;
};

struct Instruction {
  int op = 0;
  bool last = true;
  int start = 0, width = 0;
  Cell dst, carry;
  Operand a, b;
  int32_t imm = 0;
};

// Roles of the columns in a pass, in the order in which the table numbers them.
enum Role : uint8_t { kDst, kA, kB, kCarry, kLatch, kRoles };
using Roles = std::array<Cell, kRoles>;

struct Bit {
  uint8_t role, value;
};

struct Pass {
  int keys = 0, writes = 0;
  std::array<Bit, 4> key{}, write{};
};

// What of an opcode the engine has to know; one byte each in the table, see runtime/engine.py.
struct Opcode {
  bool valid = false, dst_swept = false, dst_cell = false, a_swept = false, a_flag = false, b_swept = false, carry = false,
       immediate = false, vector = false;
};

class Program {
 public:
  std::vector<Instruction> code;
  std::vector<size_t> segments;
  int columns, domains;

  Program(std::pair<const uint64_t*, size_t> words, std::pair<const int32_t*, size_t> segment_starts,
          std::pair<const uint8_t*, size_t> table, std::pair<const int32_t*, size_t> starts, int columns, int domains)
      : columns(columns), domains(domains) {
    if (columns < 1 || domains < 1 || columns > 2048 || domains > 256) throw std::invalid_argument("impossible geometry");
    read_table(table, starts);
    decode(words);
    for (size_t i = 0; i < segment_starts.second; ++i) segments.push_back(size_t(segment_starts.first[i]));
    check_segments();
    for (size_t i = 0; i < code.size(); ++i) check(code[i], i);
  }

  // The number of a variant: what is known beforehand about one bit of an instruction.
  static int variant(bool a_zero, bool b_zero, bool imm, bool first, bool sign) {
    return a_zero | b_zero << 1 | imm << 2 | first << 3 | sign << 4;
  }

  std::pair<const Pass*, const Pass*> passes_of(const Instruction& item, int bit) const {
    const Opcode& row = opcodes_[item.op];
    bool a_zero = row.a_swept && is_zero(item.a, bit), b_zero = row.b_swept && is_zero(item.b, bit);
    // Beyond its 32 bits an immediate repeats its sign.
    bool imm = row.immediate && !row.vector && (int64_t(item.imm) >> bit & 1);
    bool sign = (item.a.is_signed || item.b.is_signed) && bit == item.width - 1;
    int index = item.op * kVariants + variant(a_zero, b_zero, imm, bit == 0, sign);
    return {passes_.data() + starts_[index], passes_.data() + starts_[index + 1]};
  }

  size_t loop_end(size_t at) const {
    while (!code[at].last) ++at;
    return at + 1;
  }

  int loop_steps(size_t at, size_t end) const {
    int steps = 0;
    for (; at < end; ++at) steps = std::max(steps, code[at].start + code[at].width);
    return steps;
  }

  void check_vectors(size_t inputs, size_t outputs) const {
    for (size_t i = 0; i < code.size(); ++i) {
      if (!opcodes_[code[i].op].vector) continue;
      size_t limit = opcodes_[code[i].op].dst_swept ? inputs : outputs;
      if (code[i].imm < 0 || size_t(code[i].imm) >= limit) fail(i, "there is no vector " + std::to_string(code[i].imm));
    }
  }

  // For each segment: instructions, bit loops, searches, writes, keyed cells, shift steps, column steps, moved bits.
  std::vector<std::vector<int64_t>> static_counts() const;

  friend Roles roles_of(const Program& program, const Instruction& item, int bit);

 private:
  static constexpr int kOpcodes = 32, kVariants = 32;
  std::array<Opcode, kOpcodes> opcodes_{};
  std::vector<Pass> passes_;
  std::vector<int32_t> starts_;

  [[noreturn]] static void fail(size_t number, const std::string& problem) {
    throw std::invalid_argument("instruction " + std::to_string(number) + ": " + problem);
  }

  static bool is_zero(const Operand& operand, int bit) {
    int index = bit - operand.shift;
    return index < 0 || operand.width == 0 || (index >= operand.width && !operand.is_signed);
  }

  void read_table(std::pair<const uint8_t*, size_t> table, std::pair<const int32_t*, size_t> starts);
  void decode(std::pair<const uint64_t*, size_t> words);
  void check_segments() const;
  void check(const Instruction& item, size_t number) const;
  void check_loop(size_t at, size_t end) const;
  void check_place(size_t number, int column, int domain, int width) const;
};

inline Cell cell_at(const Operand& operand, int bit) {
  int index = std::clamp(bit - operand.shift, 0, std::max(operand.width - 1, 0));
  return {operand.column, operand.domain + index};
}

inline Roles roles_of(const Program& program, const Instruction& item, int bit) {
  const Opcode& row = program.opcodes_[item.op];
  Roles cells{};
  cells[kDst] = {item.dst.column, item.dst.domain + (row.dst_swept ? bit : 0)};
  cells[kA] = row.a_flag ? Cell{item.a.column, item.a.domain} : cell_at(item.a, bit);
  cells[kB] = cell_at(item.b, bit);
  cells[kCarry] = item.carry;
  return cells;
}

}  // namespace camc
