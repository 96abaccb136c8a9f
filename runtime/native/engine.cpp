// The native simulator: the same searches, tagged writes and counts as runtime/simulator.py, block by block of rows.
//
// Rows are independent, so a block of 512 rows runs the whole program with its bit planes in cache, and blocks are
// shared out to threads. What doesn't depend on the data (passes, shifts) is counted once, by `static_counts`.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "program.hpp"

namespace nb = nanobind;

namespace {

using Words = nb::ndarray<const uint64_t, nb::shape<-1, 2>, nb::c_contig, nb::device::cpu>;
using Vectors = nb::ndarray<const int64_t, nb::shape<-1, -1>, nb::c_contig, nb::device::cpu>;
using Results = nb::ndarray<int64_t, nb::shape<-1, -1>, nb::c_contig, nb::device::cpu>;
using Table = nb::ndarray<const uint8_t, nb::shape<-1>, nb::c_contig, nb::device::cpu>;
using Offsets = nb::ndarray<const int32_t, nb::shape<-1>, nb::c_contig, nb::device::cpu>;

constexpr int kBlockWords = 8;
constexpr int kBlockRows = 64 * kBlockWords;

struct Block {
  uint64_t word[kBlockWords];
};

// One block of rows: its bit planes, the rows that hold samples, and the tags of the pass at work.
class Rows {
 public:
  Rows(const camc::Program& program, int64_t first, int64_t samples)
      : planes_(size_t(program.columns) * program.domains), first_(first), count_(std::min<int64_t>(samples - first, kBlockRows)) {
    for (int64_t row = 0; row < count_; ++row) enabled_.word[row / 64] |= uint64_t{1} << (row % 64);
  }

  Block& plane(const camc::Program& program, camc::Cell cell) {
    return planes_[size_t(cell.column) * program.domains + cell.domain];
  }

  void receive(const int64_t* vector, int bit) {
    tags_ = Block{};
    for (int64_t row = 0; row < count_; ++row)
      tags_.word[row / 64] |= uint64_t(vector[first_ + row] >> bit & 1) << (row % 64);
  }

  void send(int64_t* vector, int bit, bool negative) const {
    for (int64_t row = 0; row < count_; ++row) {
      // Unsigned, as several members of a loop may add to one vector until it wraps.
      uint64_t set = (tags_.word[row / 64] >> (row % 64) & 1) << bit, before = bit ? uint64_t(vector[first_ + row]) : 0;
      vector[first_ + row] = int64_t(negative ? before - set : before + set);
    }
  }

  void tag_all() { tags_ = enabled_; }

  void search(const Block& plane, bool value) {
    // Rows without a sample are never tagged: the tags start from the enabled rows.
    uint64_t flip = value ? 0 : ~uint64_t{0};
    for (int i = 0; i < kBlockWords; ++i) tags_.word[i] &= plane.word[i] ^ flip;
  }

  void write(Block& plane, bool value) const {
    if (value)
      for (int i = 0; i < kBlockWords; ++i) plane.word[i] |= tags_.word[i];
    else
      for (int i = 0; i < kBlockWords; ++i) plane.word[i] &= ~tags_.word[i];
  }

  int64_t tagged() const {
    int64_t total = 0;
    for (int i = 0; i < kBlockWords; ++i) total += std::popcount(tags_.word[i]);
    return total;
  }

 private:
  std::vector<Block> planes_;
  int64_t first_, count_;
  Block enabled_{}, tags_{};
};

// Runs one bit of one instruction; returns the cells written in tagged rows.
int64_t run_bit(const camc::Program& program, const camc::Instruction& item, int bit, Rows& rows, const int64_t* inputs,
                int64_t* outputs, int64_t samples) {
  int64_t written = 0;
  camc::Roles cells = camc::roles_of(program, item, bit);
  auto [begin, end] = program.passes_of(item, bit);
  for (const camc::Pass* pass = begin; pass != end; ++pass) {
    rows.tag_all();
    for (int k = 0; k < pass->keys; ++k) {
      if (pass->key[k].role == camc::kLatch)
        rows.receive(inputs + int64_t(item.imm) * samples, bit);
      else
        rows.search(rows.plane(program, cells[pass->key[k].role]), pass->key[k].value);
    }
    if (pass->write[0].role == camc::kLatch) {
      rows.send(outputs + int64_t(item.imm) * samples, bit, item.a.is_signed && bit == item.width - 1);
      continue;
    }
    written += rows.tagged() * pass->writes;
    for (int k = 0; k < pass->writes; ++k) rows.write(rows.plane(program, cells[pass->write[k].role]), pass->write[k].value);
  }
  return written;
}

// Runs all segments on one block; adds the written cells of each segment to `written`.
void run_block(const camc::Program& program, Rows& rows, const int64_t* inputs, int64_t* outputs, int64_t samples,
               std::vector<std::atomic<int64_t>>& written) {
  for (size_t segment = 0; segment + 1 < program.segments.size(); ++segment) {
    int64_t cells = 0;
    size_t at = program.segments[segment], stop = program.segments[segment + 1];
    while (at < stop) {
      size_t end = program.loop_end(at);
      int steps = program.loop_steps(at, end);
      for (int step = 0; step < steps; ++step)
        for (size_t member = at; member < end; ++member) {
          const camc::Instruction& item = program.code[member];
          int bit = step - item.start;
          if (bit >= 0 && bit < item.width) cells += run_bit(program, item, bit, rows, inputs, outputs, samples);
        }
      at = end;
    }
    written[segment] += cells;
  }
}

camc::Program make_program(Words code, Offsets segments, Table table, Offsets starts, int columns, int domains) {
  return camc::Program({code.data(), code.shape(0)}, {segments.data(), segments.shape(0)}, {table.data(), table.shape(0)},
                       {starts.data(), starts.shape(0)}, columns, domains);
}

std::vector<int64_t> run(Words code, Offsets segments, Table table, Offsets starts, int columns, int domains,
                         Vectors inputs, Results outputs, int threads) {
  camc::Program program = make_program(code, segments, table, starts, columns, domains);
  int64_t samples = int64_t(inputs.shape(1));
  if (samples < 1 || int64_t(outputs.shape(1)) != samples) throw std::invalid_argument("inputs and outputs need the same rows");
  if (threads < 1) throw std::invalid_argument("expected at least one thread");
  program.check_vectors(inputs.shape(0), outputs.shape(0));
  std::vector<std::atomic<int64_t>> written(segments.shape(0) - 1);
  {
    nb::gil_scoped_release release;
    std::atomic<int64_t> next{0};
    std::exception_ptr failure;
    std::mutex guard;
    auto work = [&] {
      try {
        for (int64_t first; (first = next.fetch_add(kBlockRows)) < samples;) {
          Rows rows(program, first, samples);
          run_block(program, rows, inputs.data(), outputs.data(), samples, written);
        }
      } catch (...) {
        std::lock_guard<std::mutex> lock(guard);
        failure = std::current_exception();
      }
    };
    int64_t blocks = (samples + kBlockRows - 1) / kBlockRows;
    std::vector<std::jthread> pool;
    for (int64_t extra = 1; extra < std::min<int64_t>(threads, blocks); ++extra) pool.emplace_back(work);
    work();
    pool.clear();
    if (failure) std::rethrow_exception(failure);
  }
  return {written.begin(), written.end()};
}

std::vector<std::vector<int64_t>> static_counts(Words code, Offsets segments, Table table, Offsets starts, int columns,
                                                int domains) {
  return make_program(code, segments, table, starts, columns, domains).static_counts();
}

}  // namespace

NB_MODULE(_engine, m) {
  m.doc() = "Executes binary AP programs: searches, tagged writes and counts, as the golden simulator does.";
  m.def("run", &run, nb::arg("code").noconvert(), nb::arg("segments").noconvert(), nb::arg("table").noconvert(),
        nb::arg("starts").noconvert(), nb::arg("columns"), nb::arg("domains"), nb::arg("inputs").noconvert(),
        nb::arg("outputs").noconvert(), nb::arg("threads"));
  m.def("static_counts", &static_counts, nb::arg("code").noconvert(), nb::arg("segments").noconvert(),
        nb::arg("table").noconvert(), nb::arg("starts").noconvert(), nb::arg("columns"), nb::arg("domains"));
}
