#include "records.hpp"

#include <algorithm>

namespace placed {

Program::Program(const uint64_t* words, size_t count, const int64_t* bounds, size_t bound_count,
                 const uint8_t* operands, const uint8_t* touches, int columns, int domains)
    : columns(columns), domains(domains) {
  if (columns < 1 || domains < 1 || columns > 2048 || domains > 256) throw std::invalid_argument("impossible geometry");
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
      throw Problem{number, text_of(cell.column, cell.domain, width) + " lies outside " + std::to_string(columns) +
                                " columns of " + std::to_string(domains) + " domains"};
  }
}

}  // namespace placed
