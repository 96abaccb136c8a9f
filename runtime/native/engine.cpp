// Runs binary AP programs bit by bit on blocks of rows; see schedule.hpp and kernels.cpp.
//
// Rows are independent, so a block of up to 2,048 rows runs the whole program with its bit planes in cache, and blocks of
// all programs that don't wait for each other are shared out to threads. What doesn't depend on the data (passes,
// shifts) is counted once a program.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "memory.hpp"
#include "movement.hpp"
#include "parallel.hpp"
#include "program.hpp"
#include "quantise.hpp"
#include "schedule.hpp"

namespace nb = nanobind;

namespace camc {

#ifdef CAMC_X86
namespace avx512 {
extern const Kernels kernels;
}
namespace avx2 {
extern const Kernels kernels;
}
#endif
namespace plain {
extern const Kernels kernels;
}

namespace {

static_assert(std::endian::native == std::endian::little, "programs and vectors are read as little-endian words");

using Words = nb::ndarray<const uint64_t, nb::shape<-1, 2>, nb::c_contig, nb::device::cpu>;
using Array = nb::ndarray<nb::ro, nb::device::cpu>;
using Results = nb::ndarray<nb::device::cpu, nb::c_contig>;
using Bytes = nb::ndarray<const uint8_t, nb::shape<-1>, nb::c_contig, nb::device::cpu>;
using Offsets = nb::ndarray<const int32_t, nb::shape<-1>, nb::c_contig, nb::device::cpu>;

// The kernels of the instruction sets that this machine has, the widest first.
std::vector<const Kernels*> available() {
  std::vector<const Kernels*> sets;
#ifdef CAMC_X86
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vpopcntdq"))
    sets.push_back(&avx512::kernels);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt")) sets.push_back(&avx2::kernels);
#endif
  sets.push_back(&plain::kernels);
  return sets;
}

const Kernels& kernels_of(const std::string& set) {
  for (const Kernels* kernels : available())
    if (set == kernels->name) return *kernels;
  throw std::invalid_argument("this machine has no instruction set '" + set + "'");
}

// Receives a vector ahead of the program, see schedule.hpp.
Step receive(int32_t vector, int bits) {
  Step step{};
  step.op = kIn;
  step.first = true;
  step.bits = uint8_t(bits);
  step.dst = uint32_t(received_plane(vector, bits));
  step.imm = vector;
  return step;
}

template <class Any>
int bytes_of(const Any& array) {
  nb::dlpack::dtype type = array.dtype();
  bool known = type.code == uint8_t(nb::dlpack::dtype_code::Int) && type.lanes == 1 &&
               (type.bits == 8 || type.bits == 16 || type.bits == 32 || type.bits == 64);
  if (!known) throw std::invalid_argument("expected signed integers of 8, 16, 32 or 64 bits");
  return type.bits / 8;
}

template <int Rank>
Tensor<Rank> tensor_of(const Array& array) {
  Tensor<Rank> tensor{static_cast<const uint8_t*>(array.data()), bytes_of(array), {}, {}};
  if (array.ndim() != Rank) throw std::invalid_argument("expected a tensor of " + std::to_string(Rank) + " dimensions");
  for (int axis = 0; axis < Rank; ++axis) {
    tensor.shape[axis] = int64_t(array.shape(size_t(axis)));
    tensor.strides[axis] = array.stride(size_t(axis)) * tensor.bytes;
  }
  return tensor;
}

// A tensor that programs read.
struct Input {
  Movement movement;

  Input(const Array& tensor, int bits, int threads, const std::string& set)
      : movement(tensor_of<2>(tensor), bits, threads, kernels_of(set).pack) {}
  Input(const Array& images, std::array<int64_t, 2> kernel, std::array<int64_t, 2> strides, std::array<int64_t, 4> pads,
        std::array<int64_t, 2> dilations, int64_t pad, int bits, int threads, const std::string& set)
      : movement(tensor_of<4>(images),
                 {{kernel[0], kernel[1]}, {strides[0], strides[1]}, {pads[0], pads[1], pads[2], pads[3]}, {dilations[0], dilations[1]}},
                 pad, bits, threads, kernels_of(set).pack) {}
};

class Engine {
 public:
  Engine(Words code, Offsets segments, Bytes table, Offsets starts, int columns, int domains)
      : program_({code.data(), code.shape(0)}, {segments.data(), segments.shape(0)},
                 {table.data(), table.shape(0), starts.data(), starts.shape(0)}, columns, domains),
        counts_(program_.static_counts()), schedule_(program_) {}

  std::vector<Counts> counts() const { return counts_; }
  int output_bytes() const { return schedule_.output_bytes; }
  int input_bits() const { return program_.input_bits(); }

  // Memory for outputs (vectors, rows); zero in vectors that the program doesn't send.
  nb::ndarray<nb::numpy> outputs(size_t count, size_t rows) const {
    size_t bytes = size_t(output_bytes()), line = rows * bytes;
    if (line && count > (size_t{1} << 40) / line) throw std::invalid_argument("outputs of an impossible size");
    auto* memory = new Memory(std::max<size_t>(count * line, 1));
    nb::capsule owner(memory, [](void* kept) noexcept { delete static_cast<Memory*>(kept); });
    for (size_t vector = 0; vector < count; ++vector)
      if (!program_.sends(vector)) std::memset(static_cast<char*>(memory->data()) + vector * line, 0, line);
    size_t shape[] = {count, rows};
    nb::dlpack::dtype type{uint8_t(nb::dlpack::dtype_code::Int), uint8_t(8 * bytes), 1};
    return nb::ndarray<nb::numpy>(memory->data(), 2, shape, owner, nullptr, type);
  }

  const Program& program() const { return program_; }
  const Schedule& schedule() const { return schedule_; }
  // The steps for runs that count nothing, and those that receive their vectors; made when they are first needed.
  const std::vector<Step>& fused() const { return fuse_once(), fused_; }
  const std::vector<Step>& receives() const { return fuse_once(), receives_; }
  int64_t unkeyed(size_t segment) const { return counts_[segment][kUnkeyed]; }

 private:
  Program program_;
  std::vector<Counts> counts_;
  Schedule schedule_;
  mutable std::once_flag fuse_;
  mutable std::vector<Step> fused_, receives_;

  void fuse_once() const {
    std::call_once(fuse_, [&] {
      fused_ = fuse(schedule_, input_bits());
      for (int32_t vector : program_.inputs())
        if (is_received(vector, input_bits())) receives_.push_back(receive(vector, input_bits()));
    });
  }
};

// A program, what it reads and where it writes, (vectors, rows).
using Job = std::tuple<const Engine*, std::vector<const Input*>, Results>;

// A job, checked, and how its rows are cut into blocks.
class Work {
 public:
  Work(const Job& job, bool trace)
      : engine_(*std::get<0>(job)), schedule_(engine_.schedule()), inputs_(std::get<1>(job)),
        steps_(trace ? schedule_.steps : engine_.fused()),
        segments_(trace ? schedule_.segments : std::vector<size_t>{0, steps_.size()}), outputs_(std::get<2>(job)) {
    if (outputs_.ndim() != 2 || bytes_of(outputs_) != engine_.output_bytes())
      throw std::invalid_argument("outputs don't fit the program");
    samples_ = int64_t(outputs_.shape(1));
    size_t vectors = 0;
    for (const Input* input : inputs_) {
      if (input->movement.rows() != samples_) throw std::invalid_argument("inputs and outputs need the same rows");
      sources_.push_back(input->movement.source());
      vectors += sources_.back().vectors;
    }
    if (samples_ < 1) throw std::invalid_argument("expected at least one row");
    engine_.program().check_vectors(vectors, outputs_.shape(0));
  }

  int64_t samples() const { return samples_; }
  int64_t blocks(int words) const { return (samples_ + 64 * words - 1) / (64 * words); }
  int64_t steps() const { return int64_t(steps_.size()); }
  uint32_t planes() const { return schedule_.planes; }
  size_t segments() const { return segments_.size() - 1; }
  int bits() const { return engine_.input_bits(); }
  const std::vector<Step>& receives() const { return engine_.receives(); }
  // Whether what one receives the other can read.
  bool receives_with(const Work& other) const { return bits() == other.bits() && inputs_ == other.inputs_; }

  Block block(int64_t number, int words, void* planes) const {
    Block block{};
    block.planes = planes;
    block.words = words;
    block.sources = sources_.data();
    block.source_count = sources_.size();
    block.first = number * 64 * words;
    block.rows = std::min<int64_t>(64 * words, samples_ - block.first);
    return block;
  }

  void run(Block block, RunBlock run_block, Traced* traced) const {
    size_t plane = size_t(block.words) * 8;
    auto clear = [&](size_t begin, size_t end) {
      std::memset(static_cast<char*>(block.planes) + begin * plane, 0, (end - begin) * plane);
    };
    // Tracing counts what a first write toggles, too.
    if (traced) clear(0, schedule_.planes);
    for (auto [begin, end] : schedule_.cleared) clear(begin, end);
    block.steps = steps_.data();
    block.segments = segments_.data();
    block.segment_count = segments();
    block.outputs = outputs_.data();
    block.output_bytes = schedule_.output_bytes;
    block.samples = samples_;
    block.traced = traced;
    run_block(block);
  }

 private:
  const Engine& engine_;
  const Schedule& schedule_;
  const std::vector<const Input*>& inputs_;
  const std::vector<Step>& steps_;
  std::vector<size_t> segments_;
  const Results& outputs_;
  int64_t samples_;
  std::vector<Source> sources_;
};

// Jobs that find what they read in the same received planes, as parts of a layer do.
class Group {
 public:
  std::vector<size_t> jobs;

  Group(std::vector<size_t> jobs, const std::vector<Step>& steps) : jobs(std::move(jobs)), steps_(steps) {}

  // How many planes there are, counted down from the first.
  int64_t planes() const { return steps_.empty() ? 0 : -int64_t(int32_t(steps_.back().dst)); }

  void receive(Block block, RunBlock run_block) const {
    size_t segments[] = {0, steps_.size()};
    block.steps = steps_.data();
    block.segments = segments;
    block.segment_count = 1;
    run_block(block);
  }

 private:
  std::vector<Step> steps_;
};

// Puts jobs of the same inputs into a group if many of them read the same vectors, which are received once then. In
// tracing, steps receive in their turn.
std::vector<Group> group(const std::vector<Work>& all, bool trace) {
  std::vector<Group> groups;
  if (trace) {
    for (size_t job = 0; job < all.size(); ++job) groups.emplace_back(std::vector{job}, std::vector<Step>{});
    return groups;
  }
  std::vector<std::vector<size_t>> alike;
  for (size_t job = 0; job < all.size(); ++job) {
    auto fits = [&](const std::vector<size_t>& jobs) { return all[job].receives_with(all[jobs[0]]); };
    auto found = std::find_if(alike.begin(), alike.end(), fits);
    (found == alike.end() ? alike.emplace_back() : *found).push_back(job);
  }
  for (std::vector<size_t>& jobs : alike) {
    int32_t vectors = 0;
    size_t read = 0;
    for (size_t job : jobs) {
      const std::vector<Step>& steps = all[job].receives();
      if (!steps.empty()) vectors = std::max(vectors, steps.back().imm + 1);
      read += steps.size();
    }
    if (2 * read >= 3 * size_t(vectors)) {
      std::vector<Step> steps;
      for (int32_t vector = 0; vector < vectors; ++vector) steps.push_back(receive(vector, all[jobs[0]].bits()));
      groups.emplace_back(std::move(jobs), steps);
    } else {
      for (size_t job : jobs) groups.emplace_back(std::vector{job}, all[job].receives());
    }
  }
  return groups;
}

// The block size with which all work is done soonest. A step costs about as much as the bits of ten words of rows,
// besides those bits; a thread's planes should mostly stay in the second cache.
int block_size(const std::vector<Work>& all, int threads, int64_t planes) {
  constexpr int64_t kStep = 10, kCache = 2 << 20;
  auto time = [&](int words) {
    // Threads take blocks in order, each as soon as it is free.
    std::vector<int64_t> busy(size_t(threads), 0);
    for (const Work& work : all) {
      int64_t blocks = work.blocks(words), rounds = blocks / threads, cost = work.steps() * (kStep + words);
      for (int64_t& thread : busy) thread += rounds * cost;
      for (int64_t rest = blocks % threads; rest > 0; --rest) *std::min_element(busy.begin(), busy.end()) += cost;
    }
    return *std::max_element(busy.begin(), busy.end());
  };
  int best = 0;
  for (int size = 1; size < kSizeCount; ++size)
    if (planes * kSizes[size] * 8 <= kCache && time(kSizes[size]) < time(kSizes[best])) best = size;
  return best;
}

// A block of a job.
struct Piece {
  size_t group, job;
  int64_t number;
};

// The working memory of a thread, and for which block it holds what a group receives.
struct Planes {
  Memory memory;
  size_t group;
  int64_t number = -1;
};

// Written and toggled cells of each job and segment, if they are to be traced. All blocks of all jobs are shared out.
std::vector<std::vector<std::pair<int64_t, int64_t>>> run(const std::vector<Job>& jobs, int threads, bool trace,
                                                          const std::string& set) {
  const Kernels& kernels = kernels_of(set);
  if (threads < 1) throw std::invalid_argument("expected at least one thread");
  std::vector<Work> all;
  std::vector<std::vector<Traced>> totals;
  int64_t planes = 0, received = 0;
  for (const Job& job : jobs) {
    all.emplace_back(job, trace);
    planes = std::max<int64_t>(planes, all.back().planes());
    totals.emplace_back(trace ? all.back().segments() : 0);
  }
  std::vector<Group> groups = group(all, trace);
  for (const Group& group : groups) received = std::max(received, (group.planes() + 7) / 8 * 8);
  int size = block_size(all, threads, planes + received), words = kSizes[size];
  std::vector<Piece> pieces;
  for (size_t group = 0; group < groups.size(); ++group)
    for (int64_t number = 0; number < all[groups[group].jobs[0]].blocks(words); ++number)
      for (size_t job : groups[group].jobs) pieces.push_back({group, job, number});
  {
    nb::gil_scoped_release release;
    std::mutex guard;
    auto make = [&] { return Planes{Memory(size_t(planes + received) * size_t(words) * 8), 0}; };
    parallel(int64_t(pieces.size()), threads, make, [&](int64_t at, Planes& mine) {
      auto [of, job, number] = pieces[size_t(at)];
      void* first = static_cast<char*>(mine.memory.data()) + received * words * 8;
      Block block = all[job].block(number, words, first);
      if (!trace) {
        if (mine.number != number || mine.group != of) groups[of].receive(block, kernels.plain[size]);
        mine.group = of, mine.number = number;
        return all[job].run(block, kernels.plain[size], nullptr);
      }
      std::vector<Traced> traced(all[job].segments());
      all[job].run(block, kernels.traced[size], traced.data());
      std::lock_guard<std::mutex> lock(guard);
      for (size_t segment = 0; segment < traced.size(); ++segment) {
        totals[job][segment].written += traced[segment].written;
        totals[job][segment].toggled += traced[segment].toggled;
      }
    });
  }
  std::vector<std::vector<std::pair<int64_t, int64_t>>> result(jobs.size());
  for (size_t job = 0; job < jobs.size(); ++job)
    for (size_t segment = 0; segment < totals[job].size(); ++segment) {
      const Traced& found = totals[job][segment];
      result[job].emplace_back(found.written + std::get<0>(jobs[job])->unkeyed(segment) * all[job].samples(), found.toggled);
    }
  return result;
}

using Table = nb::ndarray<const double, nb::shape<-1, -1>, nb::c_contig, nb::device::cpu>;
using Flags = nb::ndarray<const bool, nb::shape<-1>, nb::c_contig, nb::device::cpu>;
template <class Item>
using Tensor3 = nb::ndarray<Item, nb::shape<-1, -1, -1>, nb::c_contig, nb::device::cpu>;

// Steps of real numbers (samples, channels, rest): low + count of thresholds reached, or high - count where `down`.
template <class Real, class Code>
void quantise(Tensor3<const Real> values, Table thresholds, Flags down, int64_t low, int64_t high, Tensor3<Code> codes, int threads) {
  int64_t samples = int64_t(values.shape(0)), channels = int64_t(values.shape(1)), rest = int64_t(values.shape(2));
  bool fits = int64_t(codes.shape(0)) == samples && int64_t(codes.shape(1)) == channels && int64_t(codes.shape(2)) == rest &&
              (thresholds.shape(0) == 1 || int64_t(thresholds.shape(0)) == channels) && down.shape(0) == thresholds.shape(0);
  if (!fits) throw std::invalid_argument("thresholds don't fit the values");
  int64_t levels = int64_t(thresholds.shape(1)), size = samples * channels * rest;
  nb::gil_scoped_release release;
  std::vector<Steps> steps;
  for (size_t row = 0; row < thresholds.shape(0); ++row) steps.emplace_back(thresholds.data() + int64_t(row) * levels, levels);
  constexpr int64_t kPiece = 1 << 14;
  parallel((size + kPiece - 1) / kPiece, threads, [&](int64_t number) {
    int64_t begin = number * kPiece, end = std::min(begin + kPiece, size);
    for (int64_t i = begin; i < end;) {
      size_t row = steps.size() == 1 ? 0 : size_t(i / rest % channels);
      int64_t stop = std::min(end, (i / rest + 1) * rest);
      bool falls = down.data()[row];
      for (; i < stop; ++i) {
        int64_t count = steps[row].count(double(values.data()[i]));
        codes.data()[i] = Code(falls ? high - count : low + count);
      }
    }
  });
}

template <class Real, class Code>
void define_quantise(nb::module_& m) {
  m.def("quantise", &quantise<Real, Code>, nb::arg("values").noconvert(), nb::arg("thresholds").noconvert(),
        nb::arg("down").noconvert(), nb::arg("low"), nb::arg("high"), nb::arg("codes").noconvert(), nb::arg("threads"));
}

std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (const Kernels* kernels : available()) names.emplace_back(kernels->name);
  return names;
}

}  // namespace

}  // namespace camc

NB_MODULE(_engine, m) {
  using camc::Engine, camc::Input;
  m.doc() = "Executes binary AP programs bit by bit, with the outputs and counts of the golden simulator.";
  m.def("instruction_sets", &camc::instruction_sets);
  camc::define_quantise<float, int8_t>(m);
  camc::define_quantise<float, int16_t>(m);
  camc::define_quantise<float, int64_t>(m);
  camc::define_quantise<double, int8_t>(m);
  camc::define_quantise<double, int16_t>(m);
  camc::define_quantise<double, int64_t>(m);
  nb::class_<Input>(m, "Input")
      .def(nb::init<const camc::Array&, int, int, const std::string&>(), nb::arg("tensor"), nb::arg("bits"),
           nb::arg("threads"), nb::arg("instruction_set"))
      .def(nb::init<const camc::Array&, std::array<int64_t, 2>, std::array<int64_t, 2>, std::array<int64_t, 4>,
                    std::array<int64_t, 2>, int64_t, int, int, const std::string&>(),
           nb::arg("images"), nb::arg("kernel"), nb::arg("strides"), nb::arg("pads"), nb::arg("dilations"), nb::arg("pad"),
           nb::arg("bits"), nb::arg("threads"), nb::arg("instruction_set"))
      .def_prop_ro("rows", [](const Input& input) { return input.movement.rows(); });
  nb::class_<Engine>(m, "Engine")
      .def(nb::init<camc::Words, camc::Offsets, camc::Bytes, camc::Offsets, int, int>(), nb::arg("code").noconvert(),
           nb::arg("segments").noconvert(), nb::arg("table").noconvert(), nb::arg("starts").noconvert(), nb::arg("columns"),
           nb::arg("domains"))
      .def_prop_ro("counts", &Engine::counts)
      .def_prop_ro("output_bytes", &Engine::output_bytes)
      .def_prop_ro("input_bits", &Engine::input_bits)
      .def_prop_ro("touched_planes", [](const Engine& engine) { return camc::touched_planes(engine.fused()); })
      .def("outputs", &Engine::outputs, nb::arg("count"), nb::arg("rows"));
  m.def("run", &camc::run, nb::arg("jobs").noconvert(), nb::arg("threads"), nb::arg("trace"), nb::arg("instruction_set"));
}
