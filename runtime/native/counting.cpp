// Runs counted programs on blocks of rows of the result: what each search pair counts, tables, accumulators, stores.
//
// Accumulators don't depend on each other, so a thread runs the whole loop for some accumulators of a part on one block
// of rows. What a block's inputs are is received once for all of them.
#include "counting.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "input.hpp"
#include "memory.hpp"
#include "parallel.hpp"

namespace nb = nanobind;

namespace camc {

#ifdef CAMC_X86
namespace avx512 {
extern const CountingKernels counting;
}
namespace avx2 {
extern const CountingKernels counting;
}
#endif
namespace plain {
extern const CountingKernels counting;
}

namespace {

template <typename Number, int Columns>
using Table = nb::ndarray<const Number, nb::shape<-1, Columns>, nb::c_contig, nb::device::cpu>;
template <typename Number>
using Line = nb::ndarray<const Number, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

constexpr int64_t kLanes = 16, kReceived = 64, kPlaneBytes = int64_t{1} << 25;

// Of an accumulator of a step: bounds of vectors that are added and taken off, or where the answers of its table are and
// the greatest of them, or bounds of the table's rows.
struct Held {
    int64_t begin, middle, end;
};

struct Part {
    int64_t begin, end;  // of the outputs
    int64_t size() const { return end - begin; }
};

template <class Record, class Numbers>
std::vector<Record> records(const Numbers& numbers) {
    std::vector<Record> found(numbers.shape(0));
    if (!found.empty()) std::memcpy(static_cast<void*>(found.data()), numbers.data(), found.size() * sizeof(Record));
    return found;
}

const CountingKernels& counting_of(const std::string& set) {
#ifdef CAMC_X86
    for (const CountingKernels* kernels : {&avx512::counting, &avx2::counting})
        if (set == kernels->name) return *kernels;
#endif
    if (set != plain::counting.name) throw std::invalid_argument("there is no instruction set '" + set + "'");
    return plain::counting;
}

std::string text(int64_t number) { return std::to_string(number); }

// What an integer may be, as far as 61 bits go: numbers beyond are only known to be large.
struct Span {
    int64_t low, high;

    static constexpr int64_t kMost = int64_t{1} << 60;

    static Span of(int64_t bits, bool is_signed) {
        if (bits > 60) return {is_signed ? -kMost : 0, kMost};
        return {is_signed ? -(int64_t{1} << (bits - 1)) : 0, (int64_t{1} << (bits - is_signed)) - 1};
    }
    Span times(int64_t shift) const {
        auto shifted = [&](int64_t value) {
            return shift > 60 || std::abs(value) > kMost >> shift ? value < 0 ? -kMost : value ? kMost : 0
                                                                  : value * (int64_t{1} << shift);
        };
        return {shifted(low), shifted(high)};
    }
    Span operator+(Span other) const { return {low + other.low, high + other.high}; }
    Span operator-(Span other) const { return {low - other.high, high - other.low}; }
    Span with(Span other) const { return {std::min(low, other.low), std::max(high, other.high)}; }
    Span within(Span other) const { return {std::max(low, other.low), std::min(high, other.high)}; }
    bool holds(Span other) const { return low <= other.low && other.high <= high; }
};

const char* name_of(int64_t op) {
    static const char* names[] = {"count", "count_add", "match", "take", "take_add", "take_sub", "take_max", "store"};
    return names[op - kCount];
}

class CountingEngine {
public:
    // steps: op, accumulators (first, how many), width, sign, shift, immediate, stride. counted: the bits of counts,
    // by step: step, plane, level, negative. held: for each count and match by part and accumulator three numbers,
    // bounds in `vectors`; or the first of the answers and the greatest one, then 0; or bounds in `keys`, then 1.
    CountingEngine(Table<int64_t, 8> steps, Table<int64_t, 2> parts, Table<int32_t, 4> counted, Table<int64_t, 3> held,
                   Line<uint32_t> vectors, Line<uint16_t> answers, Table<int64_t, 2> keys, int64_t inputs, int accumulator_bits)
        : steps_(records<CountStep>(steps)), parts_(records<Part>(parts)), held_(records<Held>(held)),
          vectors_(vectors.data(), vectors.data() + vectors.shape(0)),
          answers_(answers.data(), answers.data() + answers.shape(0)), keys_(keys.data(), keys.data() + keys.size()),
          inputs_(inputs), accumulator_bits_(accumulator_bits), counted_(steps_.size()) {
        for (size_t i = 0; i < counted.shape(0); ++i)
            counted_.at(size_t(counted(i, 0))).push_back({counted(i, 1), counted(i, 2), counted(i, 3) != 0});
        int64_t at = 0;
        for (const CountStep& step : steps_) {
            first_.push_back(at);
            if (step.op == kCount || step.op == kCountAdd || step.op == kMatch) at += step.n * int64_t(parts_.size());
            accumulators_ = std::max(accumulators_, step.q + step.n);
            if (step.op < kCount || step.op > kStore) throw std::invalid_argument("an opcode that counts nothing");
        }
        bool fits = at == int64_t(held_.size());
        for (uint32_t vector : vectors_) fits = fits && vector <= inputs_;
        if (!fits) throw std::invalid_argument("vectors and steps don't fit together");
    }

    // Into outputs (vectors, rows); adds to `toggled` (2, inputs, bits) how often each bit of each input changes from one
    // row to the next, and how often at the end of a run: `sample_rows` rows are a sample, cut into runs of `run_rows`.
    void run(const std::vector<const Input*>& inputs, nb::ndarray<nb::device::cpu, nb::c_contig> outputs,
             std::optional<nb::ndarray<int64_t, nb::shape<2, -1, -1>, nb::c_contig, nb::device::cpu>> toggled,
             int bits, int64_t sample_rows, int64_t run_rows, int threads, const std::string& set) const {
        kernels_of(set);
        if (bits < 1 || bits > 64) throw std::invalid_argument("inputs have 1 to 64 bits");
        Run run{*this, counting_of(set), {}, 0, 0, bits, outputs.data(), bytes_of(outputs)};
        int64_t vectors = 0;
        for (const Input* input : inputs) {
            run.sources.push_back(input->movement.source());
            run.rows = input->movement.rows();
            vectors += run.sources.back().vectors;
            if (run.rows != inputs[0]->movement.rows()) throw std::invalid_argument("inputs need the same rows");
        }
        if (vectors != inputs_ || outputs.ndim() != 2 || int64_t(outputs.shape(0)) != parts_.back().end ||
            int64_t(outputs.shape(1)) != run.rows)
            throw std::invalid_argument("inputs or outputs of another size than the program's");
        if (toggled && (int64_t(toggled->shape(1)) != inputs_ || toggled->shape(2) != size_t(bits)))
            throw std::invalid_argument("counts of another size than the inputs");
        int64_t* changes = toggled ? toggled->data() : nullptr;
        nb::gil_scoped_release release;
        run.words = run.rows <= 64 ? 1 : run.rows <= 128 ? 2 : kBlockWords;
        run.all(threads);
        if (changes) run.count_changes(changes, sample_rows, run_rows, threads);
    }

private:
    std::vector<CountStep> steps_;
    std::vector<Part> parts_;
    std::vector<Held> held_;
    std::vector<uint32_t> vectors_;
    std::vector<uint16_t> answers_;
    std::vector<int64_t> keys_;
    int64_t inputs_;
    int accumulator_bits_;
    std::vector<std::vector<CountedBit>> counted_;
    std::vector<int64_t> first_;  // of each step, in held_
    int64_t accumulators_ = 0;

    // One run on rows.
    struct Run {
        const CountingEngine& engine;
        const CountingKernels& kernels;
        std::vector<Source> sources;
        int64_t rows;
        int words, bits;
        void* outputs;
        int output_bytes;

        int64_t block_words() const { return (engine.inputs_ + 1) * bits * words; }

        Receive receive(int64_t block, int64_t begin, uint64_t* to) const {
            int64_t first = block * 64 * words;
            return {sources.data(), uint32_t(begin), uint32_t(std::min(begin + kReceived, engine.inputs_)),
                    first, std::min<int64_t>(64 * words, rows - first), words, bits, to};
        }

        // Blocks in groups whose inputs memory is held for.
        void all(int threads) {
            int64_t blocks = (rows + 64 * words - 1) / (64 * words), size = block_words();
            int64_t together = std::clamp<int64_t>(kPlaneBytes / (8 * size), std::min<int64_t>(threads, blocks), blocks);
            Memory memory(size_t(together * size + kBlockWords) * 8);
            auto* planes = static_cast<uint64_t*>(memory.data());
            int64_t receives = (engine.inputs_ + kReceived - 1) / kReceived;
            int64_t chunks = (engine.accumulators_ + kLanes - 1) / kLanes, parts = int64_t(engine.parts_.size());
            for (int64_t begin = 0; begin < blocks; begin += together) {
                int64_t count = std::min(together, blocks - begin);
                native::parallel(count * receives, threads, [&](int64_t number) {
                    int64_t block = number / receives;
                    uint64_t* to = planes + block * size;
                    kernels.receive(receive(begin + block, number % receives * kReceived, to));
                    if (number % receives == 0)
                        std::fill_n(to + engine.inputs_ * bits * words, bits * words, 0);
                });
                auto steps = [] { return std::vector<LaneStep>(); };
                native::parallel(count * parts * chunks, threads, steps, [&](int64_t number, auto& to) {
                    int64_t block = number / (parts * chunks), rest = number % (parts * chunks);
                    int64_t lane = rest % chunks * kLanes, end = std::min(lane + kLanes, engine.accumulators_);
                    for (; lane < end; ++lane) execute(begin + block, planes + block * size, rest / chunks, lane, to);
                });
            }
        }

        // The whole loop for one accumulator of a part, on the rows of a block.
        void execute(int64_t block, const uint64_t* given, int64_t part, int64_t lane, std::vector<LaneStep>& to) const {
            int64_t first = block * 64 * words;
            bool wide = steps_of(part, lane, to);
            Lane work{to.data(), to.size(),    given,
                      words,     bits,         wide,
                      std::min<int64_t>(64 * words, rows - first),
                      static_cast<char*>(outputs) + first * output_bytes,
                      output_bytes, rows};
            Beyond found = kernels.run(work);
            if (!found.step) return;
            throw std::invalid_argument(std::string(name_of(found.step->step->op)) + " reaches " + text(found.least) +
                                        ".." + text(found.most) + ", beyond " + text(found.step->low) + ".." +
                                        text(found.step->high));
        }

        // What one accumulator of a part does, and whether that needs 64 bits.
        bool steps_of(int64_t number_of_part, int64_t lane, std::vector<LaneStep>& to) const {
            const Part& part = engine.parts_[size_t(number_of_part)];
            const Span narrow{INT32_MIN, INT32_MAX}, allowed = Span::of(engine.accumulator_bits_, true);
            Span q{0, 0};
            bool wide = false;
            to.clear();
            for (size_t number = 0; number < engine.steps_.size(); ++number) {
                const CountStep& step = engine.steps_[number];
                int64_t of_step = lane - step.q;
                if (of_step < 0 || of_step >= step.n) continue;
                if (step.op == kStore ? step.imm + of_step >= part.size() : step.op >= kTake && lane >= part.size())
                    continue;
                LaneStep found{};
                found.step = &step;
                size_t held = size_t(engine.first_[number] + number_of_part * step.n + of_step);
                Span taken = q;
                if (step.op <= kCountAdd)
                    taken = weigh(found, number, engine.held_[held]);
                else if (step.op == kMatch)
                    taken = look_up(found, engine.held_[held]);
                else if (step.op != kStore)
                    taken = take(found, part, of_step);
                else
                    found.vector = part.begin + step.imm + of_step;
                Span reached = step.op == kCountAdd || step.op == kTakeAdd ? q + taken
                               : step.op == kTakeSub                       ? q - taken
                               : step.op == kTakeMax                       ? q.with(taken)
                                                                           : taken;
                wide |= !narrow.holds(taken) || !narrow.holds(reached);
                Span limit = step.op == kStore ? Span::of(step.width, step.is_signed) : allowed;
                found.low = limit.low, found.high = limit.high;
                found.checked = !limit.holds(reached);
                q = reached.within(limit);
                to.push_back(found);
            }
            return wide;
        }

        Span weigh(LaneStep& found, size_t number, const Held& held) const {
            const uint32_t* vectors = engine.vectors_.data();
            found.counted = engine.counted_[number].data();
            found.counted_bits = engine.counted_[number].size();
            found.up = {vectors + held.begin, size_t(held.middle - held.begin)};
            found.down = {vectors + held.middle, size_t(held.end - held.middle)};
            // What the sum reaches, with all bits set in all rows of either kind, and a sign.
            int levels = int(found.step->width) + std::bit_width(std::max(found.up.count, found.down.count)) + 1;
            found.levels = std::min(levels, kCounterBits);
            return Span::of(found.levels, true).times(found.step->shift);
        }

        Span look_up(LaneStep& found, const Held& held) const {
            int64_t most = held.middle;
            if (held.end) {
                found.table = {nullptr, engine.keys_.data() + 2 * held.begin, engine.keys_.data() + 2 * held.middle};
                most -= held.begin;
            } else {
                found.table = {engine.answers_.data() + held.begin, nullptr, nullptr};
            }
            return {found.step->imm, found.step->imm + most};
        }

        Span take(LaneStep& found, const Part& part, int64_t of_step) const {
            found.vector = found.step->imm + found.step->stride * (part.begin + of_step);
            if (found.vector < 0 || found.vector >= engine.inputs_)
                throw std::invalid_argument("a vector that isn't there");
            return Span::of(bits, true).times(found.step->shift);
        }

        // Runs begin and end with zeros in all cells.
        void count_changes(int64_t* changes, int64_t sample_rows, int64_t run_rows, int threads) const {
            int64_t all_words = (rows + 63) / 64;
            std::vector<uint64_t> firsts(size_t(all_words), 0), lasts(size_t(all_words), 0);
            for (int64_t row = 0; row < rows; ++row) {
                int64_t of_sample = row % sample_rows;
                if (of_sample % run_rows == 0) firsts[size_t(row / 64)] |= uint64_t{1} << (row % 64);
                if ((of_sample + 1) % run_rows == 0 || of_sample + 1 == sample_rows)
                    lasts[size_t(row / 64)] |= uint64_t{1} << (row % 64);
            }
            int64_t receives = (engine.inputs_ + kReceived - 1) / kReceived;
            native::parallel(receives, threads, [&](int64_t number) {
                int64_t begin = number * kReceived, end = std::min(begin + kReceived, engine.inputs_);
                int64_t planes_of = (end - begin) * bits;
                std::vector<uint64_t> before(size_t(planes_of), 0);
                Memory memory(size_t(block_words() + kBlockWords) * 8);
                auto* given = static_cast<uint64_t*>(memory.data());
                for (int64_t block = 0; block * words < all_words; ++block) {
                    kernels.receive(receive(block, begin, given));
                    for (int64_t plane = 0; plane < planes_of; ++plane)
                        for (int64_t word = 0; word < words && block * words + word < all_words; ++word) {
                            size_t at = size_t(block * words + word);
                            int64_t left = rows - int64_t(at) * 64;
                            uint64_t there = left >= 64 ? ~uint64_t{0} : (uint64_t{1} << left) - 1;
                            uint64_t held = given[(begin * bits + plane) * words + word] & there;
                            uint64_t earlier = (held << 1 | before[size_t(plane)] >> 63) & ~firsts[at];
                            int64_t number_of = begin * bits + plane;
                            changes[number_of] += std::popcount((held ^ earlier) & there);
                            changes[engine.inputs_ * bits + number_of] += std::popcount(held & lasts[at]);
                            before[size_t(plane)] = held;
                        }
                }
            });
        }
    };
};

// Of each key of so many bits, how many rows of a table match it: bits that a row cares for, and what they are.
void matches(Line<int64_t> cares, Line<int64_t> bits, nb::ndarray<uint16_t, nb::ndim<1>, nb::c_contig> found) {
    size_t rows = cares.shape(0), keys = found.shape(0);
    if (bits.shape(0) != rows || rows >= 1 << 16 || !std::has_single_bit(keys))
        throw std::invalid_argument("expected bits for each row, and all keys of some bits");
    for (size_t row = 0; row < rows; ++row) {
        uint64_t care = uint64_t(cares(row)), bit = uint64_t(bits(row)), free = (keys - 1) & ~care;
        if (bit >= keys || (bit & ~care)) continue;
        for (uint64_t rest = free;; rest = (rest - 1) & free) {
            ++found.data()[bit | rest];
            if (!rest) break;
        }
    }
}

}  // namespace

void define_counting(nb::module_& m) {
    nb::class_<CountingEngine>(m, "CountingEngine")
        .def(nb::init<Table<int64_t, 8>, Table<int64_t, 2>, Table<int32_t, 4>, Table<int64_t, 3>, Line<uint32_t>,
                      Line<uint16_t>, Table<int64_t, 2>, int64_t, int>(),
             nb::arg("steps"), nb::arg("parts"), nb::arg("counted"), nb::arg("held"), nb::arg("vectors"),
             nb::arg("answers"), nb::arg("keys"), nb::arg("inputs"), nb::arg("accumulator_bits"))
        .def("run", &CountingEngine::run, nb::arg("inputs"), nb::arg("outputs").noconvert(),
             nb::arg("toggled").noconvert().none(), nb::arg("bits"), nb::arg("sample_rows"), nb::arg("run_rows"), nb::arg("threads"),
             nb::arg("instruction_set"));
    m.def("matches", &matches, nb::arg("cares"), nb::arg("bits"), nb::arg("found").noconvert());
}

}  // namespace camc
