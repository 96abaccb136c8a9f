#include "records.hpp"

namespace placed {

namespace {

int64_t field(uint64_t word, int at, int bits) { return int64_t(word >> at & ((uint64_t{1} << bits) - 1)); }

Operand operand(uint64_t half) {
  return {int(field(half, 0, 11)), int(field(half, 11, 8)), int(field(half, 19, 6)), field(half, 25, 1) != 0,
          int(field(half, 26, 6))};
}

// The bit layout is that of dialects/code.py.
Record record(uint64_t first, uint64_t second, bool immediate) {
  Record item;
  item.op = int(field(first, 0, 5));
  item.last = field(first, 5, 1) != 0;
  item.start = int(field(first, 6, 6));
  item.width = int(field(first, 12, 6));
  item.dst = {int(field(first, 18, 11)), int(field(first, 29, 8))};
  item.carry = {int(field(first, 37, 11)), int(field(first, 48, 8))};
  item.a = operand(second & 0xFFFFFFFF);
  if (immediate)
    item.imm = int32_t(uint32_t(second >> 32));
  else
    item.b = operand(second >> 32);
  return item;
}

}  // namespace

Program::Program(const uint64_t* words, size_t count, const int64_t* bounds, size_t bound_count,
                 const uint8_t* operands, const uint8_t* touches, int columns, int domains)
    : columns(columns), domains(domains) {
  if (columns < 1 || domains < 1 || columns > 2048 || domains > 256) throw std::invalid_argument("impossible geometry");
  for (Operands& row : operands_)
    for (bool* flag : {&row.known, &row.dst_swept, &row.dst_cell, &row.a_swept, &row.a_flag, &row.b_swept, &row.carry,
                       &row.immediate, &row.vector})
      *flag = *operands++ != 0;
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
    size_t op = size_t(field(words[2 * i], 0, 5));
    if (!operands_[op].known || words[2 * i] >> 56) throw Problem{i, "it has no valid opcode word"};
    code[i] = record(words[2 * i], words[2 * i + 1], operands_[op].immediate);
    check_bounds(i);
  }
  for (size_t end : segments)
    if (end > 0 && !code[end - 1].last) throw Problem{end - 1, "the last bit loop of the segment is never ended"};
}

// The array's limits, which keep everything behind them inside its tables.
void Program::check_bounds(size_t number) const {
  const Record& item = code[number];
  const Operands& has = operands(item);
  auto inside = [&](int column, int domain, int width) {
    if (column >= columns || domain + width > domains)
      throw Problem{number, text_of(column, domain, width) + " lies outside " + std::to_string(columns) + " columns of " +
                                std::to_string(domains) + " domains"};
  };
  if (item.width < 1) throw Problem{number, "its width is zero"};
  if (has.dst_swept || has.dst_cell) inside(item.dst.column, item.dst.domain, has.dst_swept ? item.width : 1);
  if (has.a_flag || (has.a_swept && item.a.width)) inside(item.a.column, item.a.domain, has.a_flag ? 1 : item.a.width);
  if (has.b_swept && item.b.width) inside(item.b.column, item.b.domain, item.b.width);
  if (has.carry) inside(item.carry.column, item.carry.domain, 1);
}

}  // namespace placed
