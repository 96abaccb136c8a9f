#include "program.hpp"

namespace camc {

namespace {

int64_t field(uint64_t word, int at, int bits) { return int64_t(word >> at & ((uint64_t{1} << bits) - 1)); }

Operand operand(uint64_t half) {
  return {int(field(half, 0, 11)), int(field(half, 11, 8)), int(field(half, 19, 6)), field(half, 25, 1) != 0,
          int(field(half, 26, 6))};
}

}  // namespace

// The bit layout is that of dialects/code.py.
void Program::decode(std::pair<const uint64_t*, size_t> words) {
  code.resize(words.second);
  for (size_t i = 0; i < words.second; ++i) {
    uint64_t first = words.first[2 * i], second = words.first[2 * i + 1];
    Instruction& item = code[i];
    item.op = int(field(first, 0, 5));
    if (!opcodes_[item.op].valid || first >> 56) fail(i, "no valid opcode word");
    item.last = field(first, 5, 1) != 0;
    item.start = int(field(first, 6, 6));
    item.width = int(field(first, 12, 6));
    item.dst = {int(field(first, 18, 11)), int(field(first, 29, 8))};
    item.carry = {int(field(first, 37, 11)), int(field(first, 48, 8))};
    item.a = operand(second & 0xFFFFFFFF);
    if (opcodes_[item.op].immediate)
      item.imm = int32_t(uint32_t(second >> 32));
    else
      item.b = operand(second >> 32);
  }
}

// Nine flags an opcode, then for each pass: keys, writes, and (role, value) pairs of both.
void Program::read_table(std::pair<const uint8_t*, size_t> table, std::pair<const int32_t*, size_t> starts) {
  size_t at = 0;
  auto next = [&] {
    if (at >= table.second) throw std::invalid_argument("the instruction table is truncated");
    return table.first[at++];
  };
  for (Opcode& row : opcodes_)
    for (bool* flag : {&row.valid, &row.dst_swept, &row.dst_cell, &row.a_swept, &row.a_flag, &row.b_swept, &row.carry,
                       &row.immediate, &row.vector})
      *flag = next() != 0;
  while (at < table.second) {
    Pass pass;
    pass.keys = next();
    pass.writes = next();
    if (pass.keys > 4 || pass.writes > 4 || pass.writes < 1) throw std::invalid_argument("a pass has too many columns");
    for (int k = 0; k < pass.keys; ++k) pass.key[k] = {next(), next()};
    for (int k = 0; k < pass.writes; ++k) pass.write[k] = {next(), next()};
    for (const auto& bits : {pass.key, pass.write})
      for (const Bit& bit : bits)
        if (bit.role >= kRoles) throw std::invalid_argument("a pass names an unknown role");
    passes_.push_back(pass);
  }
  starts_.assign(starts.first, starts.first + starts.second);
  bool ordered = starts_.size() == size_t(kOpcodes) * kVariants + 1 && starts_.front() == 0 &&
                 starts_.back() == int64_t(passes_.size()) && std::is_sorted(starts_.begin(), starts_.end());
  if (!ordered) throw std::invalid_argument("the instruction table is malformed");
}

void Program::check_segments() const {
  bool ordered = segments.size() >= 2 && segments.front() == 0 && segments.back() == code.size() &&
                 std::is_sorted(segments.begin(), segments.end());
  if (!ordered) throw std::invalid_argument("the segments don't cover the program");
  for (size_t i = 1; i < segments.size(); ++i)
    if (segments[i] > 0 && !code[segments[i] - 1].last) fail(segments[i] - 1, "the last bit loop of a segment is never ended");
}

void Program::check_place(size_t number, int column, int domain, int width) const {
  if (column >= columns || domain + width > domains)
    fail(number, "c" + std::to_string(column) + "[" + std::to_string(domain) + ":" + std::to_string(domain + width) +
                     "] lies outside the array");
}

// The bounds that memory safety needs; dialects/isa.py has the rules of the machine, which the assembler checks too.
void Program::check(const Instruction& item, size_t number) const {
  const Opcode& row = opcodes_[item.op];
  if (item.width < 1) fail(number, "its width is zero");
  if (row.dst_swept || row.dst_cell) check_place(number, item.dst.column, item.dst.domain, row.dst_swept ? item.width : 1);
  if (row.carry) check_place(number, item.carry.column, item.carry.domain, 1);
  if (row.a_flag) check_place(number, item.a.column, item.a.domain, 1);
  if (row.a_swept) check_place(number, item.a.column, item.a.domain, std::max(item.a.width, 1));
  if (row.b_swept) check_place(number, item.b.column, item.b.domain, std::max(item.b.width, 1));
}

std::vector<std::vector<int64_t>> Program::static_counts() const {
  enum { kInstructions, kLoops, kSearches, kWrites, kKeyed, kShiftSteps, kColumnSteps, kMoved, kCounts };
  std::vector<std::vector<int64_t>> result;
  std::vector<int> ports(size_t(columns), 0), needed(size_t(columns), -1);
  std::vector<int> touched;
  auto need = [&](size_t number, Cell cell) {
    if (needed[cell.column] < 0) touched.push_back(cell.column);
    if (needed[cell.column] >= 0 && needed[cell.column] != cell.domain)
      fail(number, "two bits that are needed together meet in column c" + std::to_string(cell.column));
    needed[cell.column] = cell.domain;
  };
  for (size_t segment = 0; segment + 1 < segments.size(); ++segment) {
    std::vector<int64_t> counts(kCounts, 0);
    counts[kInstructions] = int64_t(segments[segment + 1] - segments[segment]);
    for (size_t at = segments[segment]; at < segments[segment + 1];) {
      size_t end = loop_end(at);
      ++counts[kLoops];
      for (int step = 0, steps = loop_steps(at, end); step < steps; ++step) {
        for (size_t member = at; member < end; ++member) {
          const Instruction& item = code[member];
          int bit = step - item.start;
          if (bit < 0 || bit >= item.width) continue;
          Roles cells = roles_of(*this, item, bit);
          auto [begin, stop] = passes_of(item, bit);
          for (const Pass* pass = begin; pass != stop; ++pass) {
            for (int k = 0; k < pass->keys; ++k)
              if (pass->key[k].role != kLatch) need(member, cells[pass->key[k].role]);
            for (int k = 0; k < pass->writes; ++k)
              if (pass->write[k].role != kLatch) need(member, cells[pass->write[k].role]);
            bool latched = pass->keys && pass->key[0].role == kLatch, sent = pass->write[0].role == kLatch;
            if (pass->keys && !latched) ++counts[kSearches], counts[kKeyed] += pass->keys;
            counts[kWrites] += !sent;
            counts[kMoved] += latched || sent;
          }
        }
        int longest = 0;
        for (int column : touched) {
          int distance = std::abs(ports[column] - needed[column]);
          ports[column] = needed[column];
          needed[column] = -1;
          counts[kColumnSteps] += distance;
          longest = std::max(longest, distance);
        }
        touched.clear();
        counts[kShiftSteps] += longest;
      }
      at = end;
    }
    result.push_back(std::move(counts));
  }
  return result;
}

}  // namespace camc
