// A decoded and checked AP program, and what is known of each bit of an instruction from the instruction table.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "step.hpp"

namespace camc {

struct Cell {
  int column = 0, domain = 0;
};

struct Operand {
  int column = 0, domain = 0, width = 0;
  bool is_signed = false;
  int shift = 0;

  bool operator==(const Operand&) const = default;
};

struct Instruction {
  int op = 0;
  bool last = true;
  int start = 0, width = 0;
  Cell dst, carry;
  Operand a, b;
  int32_t imm = 0;
};

// Roles of the columns in a pass, in the order in which the table numbers them; the latch comes last.
enum Role : uint8_t { kDst, kA, kB, kCarry, kLatch, kRoles };

// What of an opcode the engine has to know; one byte each in the table, see runtime/engine.py.
struct Opcode {
  bool valid = false, dst_swept = false, dst_cell = false, a_swept = false, a_flag = false, b_swept = false, carry = false,
       immediate = false, vector = false;
};

// The passes of one variant of an opcode's bit, summed up. Sets of roles have a bit a role.
struct Variant {
  uint8_t read = 0, written = 0;
  int searches = 0, writes = 0, keyed = 0, moves = 0;
  int unkeyed = 0;  // cells written in all rows, by passes without a key

  uint8_t used() const { return read | written; }
};

struct Table {
  const uint8_t* data;
  size_t size;
  const int32_t* starts;
  size_t count;
};

// Counts of a segment that don't depend on the data, in this order.
enum Count { kInstructions, kLoops, kSearches, kWrites, kKeyed, kUnkeyed, kShiftSteps, kColumnSteps, kMoved, kCounts };
using Counts = std::array<int64_t, kCounts>;

class Program {
 public:
  std::vector<Instruction> code;
  std::vector<size_t> segments;
  int columns, domains;

  Program(std::pair<const uint64_t*, size_t> words, std::pair<const int32_t*, size_t> segment_starts, const Table& table,
          int columns, int domains);

  const Opcode& opcode(const Instruction& item) const { return opcodes_[item.op]; }

  const Variant& variant_of(const Instruction& item, int bit) const {
    const Opcode& row = opcodes_[item.op];
    bool a_zero = row.a_swept && is_zero(item.a, bit), b_zero = row.b_swept && is_zero(item.b, bit);
    // Beyond its 32 bits an immediate repeats its sign.
    bool imm = row.immediate && !row.vector && (int64_t(item.imm) >> bit & 1);
    bool sign = (item.a.is_signed || item.b.is_signed) && bit == item.width - 1;
    return variants_[item.op * kVariants + (a_zero | b_zero << 1 | imm << 2 | (bit == 0) << 3 | sign << 4)];
  }

  // The cells of D, A, B and C at a bit, by role; only those that the variant uses mean something.
  std::array<Cell, kLatch> cells_of(const Instruction& item, int bit) const {
    const Opcode& row = opcodes_[item.op];
    return {Cell{item.dst.column, item.dst.domain + (row.dst_swept ? bit : 0)},
            row.a_flag ? Cell{item.a.column, item.a.domain} : cell_at(item.a, bit), cell_at(item.b, bit), item.carry};
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

  // The first domain and the number of domains of the place of a role, none if the instruction has no such place.
  std::pair<Cell, int> place_of(const Instruction& item, Role role) const;

  // Raises where an instruction names a vector beyond the given numbers of inputs and outputs.
  void check_vectors(size_t inputs, size_t outputs) const;

  // The greatest width of a vector that an instruction receives, and whether one sends a vector.
  int input_bits() const { return input_bits_; }
  bool sends(size_t vector) const { return vector < sends_.size() && sends_[vector]; }

  // Raises where two domains of a column are needed at a time.
  std::vector<Counts> static_counts() const;

  [[noreturn]] static void fail(size_t number, const std::string& problem) {
    throw std::invalid_argument("instruction " + std::to_string(number) + ": " + problem);
  }

 private:
  static constexpr int kOpcodes = 32, kVariants = 32;
  std::array<Opcode, kOpcodes> opcodes_{};
  std::array<Variant, kOpcodes * kVariants> variants_{};
  size_t last_input_ = 0, last_output_ = 0;  // the instructions with the greatest vector numbers
  bool has_input_ = false, has_output_ = false;
  int input_bits_ = 1;
  std::vector<bool> sends_;

  static bool is_zero(const Operand& operand, int bit) {
    int index = bit - operand.shift;
    return index < 0 || operand.width == 0 || (index >= operand.width && !operand.is_signed);
  }

  static Cell cell_at(const Operand& operand, int bit) {
    int index = std::clamp(bit - operand.shift, 0, std::max(operand.width - 1, 0));
    return {operand.column, operand.domain + index};
  }

  void read_table(const Table& table);
  void decode(std::pair<const uint64_t*, size_t> words);
  void check_segments() const;
  void check(const Instruction& item, size_t number) const;
  void find_vectors();
};

}  // namespace camc
