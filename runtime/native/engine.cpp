// Runs binary AP programs bit by bit on blocks of rows: the Python module. See jobs.hpp, schedule.hpp and kernels.cpp.
//
// What doesn't depend on the data (passes, shifts) is counted once per program.
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
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "input.hpp"
#include "jobs.hpp"
#include "memory.hpp"
#include "numpy.hpp"
#include "parallel.hpp"
#include "quantise.hpp"

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

using CodeWords = nb::ndarray<const uint64_t, nb::shape<-1, 2>, nb::c_contig, nb::device::cpu>;
using Results = nb::ndarray<nb::device::cpu, nb::c_contig>;
using Passes = nb::ndarray<const uint8_t, nb::shape<32, 64, 10>, nb::c_contig, nb::device::cpu>;
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

class Engine {
public:
    Engine(CodeWords code, Offsets segments, Passes passes, int columns, int domains)
        : prepared_(code.data(), code.shape(0),
                    std::vector<size_t>(segments.data(), segments.data() + segments.shape(0)), passes.data(), columns,
                    domains) {}

    const Prepared& prepared() const { return prepared_; }
    int output_bytes() const { return prepared_.schedule().output_bytes; }

    using CountRow = std::array<int64_t, sizeof(Counts) / sizeof(int64_t)>;
    // Of each segment, in the order of their declaration.
    std::vector<CountRow> counts() const {
        std::vector<CountRow> all;
        for (const Counts& counts : prepared_.counts()) all.push_back(std::bit_cast<CountRow>(counts));
        return all;
    }

    // Memory for outputs (vectors, rows); zero in vectors that the program doesn't send.
    nb::ndarray<nb::numpy> outputs(size_t count, size_t rows) const {
        size_t bytes = size_t(output_bytes()), line = rows * bytes;
        if (line && count > (size_t{1} << 40) / line) throw std::invalid_argument("outputs of an impossible size");
        auto memory = std::make_unique<Memory>(std::max<size_t>(count * line, 1));
        void* data = memory->data();
        for (size_t vector = 0; vector < count; ++vector)
            if (!prepared_.program().sends(vector)) std::memset(static_cast<char*>(data) + vector * line, 0, line);
        size_t shape[] = {count, rows};
        nb::dlpack::dtype type{uint8_t(nb::dlpack::dtype_code::Int), uint8_t(8 * bytes), 1};
        return nb::ndarray<nb::numpy>(data, 2, shape, native::owner_of(std::move(memory)), nullptr, type);
    }

private:
    Prepared prepared_;
};

using Work = std::tuple<const Engine*, std::vector<const Input*>, Results>;

std::vector<std::vector<Cells>> run_all(const std::vector<Work>& all, int threads, bool trace,
                                                              const std::string& set) {
    const Kernels& kernels = kernels_of(set);
    if (threads < 1) throw std::invalid_argument("expected at least one thread");
    std::vector<Job> jobs;
    for (const auto& [engine, inputs, outputs] : all) {
        if (outputs.ndim() != 2 || bytes_of(outputs) != engine->output_bytes())
            throw std::invalid_argument("outputs don't fit the program");
        jobs.push_back({&engine->prepared(), {}, outputs.data(), outputs.shape(0), int64_t(outputs.shape(1))});
        for (const Input* input : inputs) jobs.back().inputs.push_back(&input->movement);
    }
    nb::gil_scoped_release release;
    return run(jobs, threads, trace, kernels);
}

using Thresholds = nb::ndarray<const double, nb::shape<-1, -1>, nb::c_contig, nb::device::cpu>;
using Flags = nb::ndarray<const bool, nb::shape<-1>, nb::c_contig, nb::device::cpu>;
template <class Item>
using Tensor3 = nb::ndarray<Item, nb::shape<-1, -1, -1>, nb::c_contig, nb::device::cpu>;

// Steps of real numbers (samples, channels, rest): low + count of thresholds reached, or high - count where `down`.
template <class Real, class Code>
void quantise(Tensor3<const Real> values, Thresholds thresholds, Flags down, int64_t low, int64_t high,
              Tensor3<Code> codes, int threads) {
    int64_t samples = int64_t(values.shape(0)), channels = int64_t(values.shape(1)), rest = int64_t(values.shape(2));
    bool fits =
        int64_t(codes.shape(0)) == samples && int64_t(codes.shape(1)) == channels && int64_t(codes.shape(2)) == rest &&
        (thresholds.shape(0) == 1 || int64_t(thresholds.shape(0)) == channels) && down.shape(0) == thresholds.shape(0);
    if (!fits) throw std::invalid_argument("thresholds don't fit the values");
    int64_t levels = int64_t(thresholds.shape(1)), size = samples * channels * rest;
    nb::gil_scoped_release release;
    std::vector<Steps> steps;
    for (size_t row = 0; row < thresholds.shape(0); ++row)
        steps.emplace_back(thresholds.data() + int64_t(row) * levels, levels);
    constexpr int64_t kPiece = 1 << 14;
    native::parallel((size + kPiece - 1) / kPiece, threads, [&](int64_t number) {
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
          nb::arg("down").noconvert(), nb::arg("low"), nb::arg("high"), nb::arg("codes").noconvert(),
          nb::arg("threads"));
}

std::vector<std::string> instruction_sets() {
    std::vector<std::string> names;
    for (const Kernels* kernels : available()) names.emplace_back(kernels->name);
    return names;
}

}  // namespace

const Kernels& kernels_of(const std::string& set) {
    for (const Kernels* kernels : available())
        if (set == kernels->name) return *kernels;
    throw std::invalid_argument("this machine has no instruction set '" + set + "'");
}

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
             nb::arg("images"), nb::arg("kernel"), nb::arg("strides"), nb::arg("pads"), nb::arg("dilations"),
             nb::arg("pad"), nb::arg("bits"), nb::arg("threads"), nb::arg("instruction_set"))
        .def_prop_ro("rows", [](const Input& input) { return input.movement.rows(); });
    nb::class_<Engine>(m, "Engine")
        .def(nb::init<camc::CodeWords, camc::Offsets, camc::Passes, int, int>(), nb::arg("code").noconvert(),
             nb::arg("segments").noconvert(), nb::arg("passes").noconvert(), nb::arg("columns"), nb::arg("domains"))
        .def_prop_ro("counts", &Engine::counts)
        .def_prop_ro("output_bytes", &Engine::output_bytes)
        .def_prop_ro("input_bits", [](const Engine& engine) { return engine.prepared().program().input_bits(); })
        .def_prop_ro("touched_planes",
                     [](const Engine& engine) { return camc::touched_planes(engine.prepared().fused()); })
        .def("outputs", &Engine::outputs, nb::arg("count"), nb::arg("rows"));
    m.def("run", &camc::run_all, nb::arg("jobs").noconvert(), nb::arg("threads"), nb::arg("trace"),
          nb::arg("instruction_set"));
    camc::define_counting(m);
}
