// The Python module passes._adder_graph: adder graphs of few additions for constant integer matrices.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <exception>
#include <memory>
#include <string>
#include <system_error>
#include <thread>

#include "expansion.hpp"
#include "kernel.hpp"

namespace nb = nanobind;
using namespace adder_graph;

namespace {

using Weights = nb::ndarray<const std::int64_t, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Rows = nb::ndarray<const std::int32_t, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Matrix = nb::ndarray<nb::numpy, std::int64_t, nb::ndim<2>>;
using Table = nb::ndarray<nb::numpy, std::int32_t, nb::ndim<2>>;

constexpr std::int64_t kWeightLimit = std::int64_t{1} << 30;
constexpr std::size_t kMaxRows = std::size_t{1} << 24;

// Python's messages name the kernel by its place in the list.
[[noreturn]] void reject(std::size_t number, const std::string& why) {
    std::string text("kernel ");
    text.append(std::to_string(number)).append(": ").append(why);
    throw nb::value_error(text.c_str());
}

Kernel checked_kernel(std::size_t number, const Weights& weights, const Weights& ranges, std::int64_t steps) {
    const std::size_t outputs = weights.shape(0), inputs = weights.shape(1);
    if (ranges.shape(0) != inputs || ranges.shape(1) != 2)
        reject(number, "expected a lowest and a highest value for each input");
    if (outputs > kMaxRows || inputs > kMaxRows) reject(number, "too many outputs or inputs");
    const Kernel kernel{outputs, inputs, {weights.data(), outputs * inputs}, {ranges.data(), 2 * inputs}, steps};
    if (steps < 0) reject(number, "expected a number of steps that isn't negative");
    for (const std::int64_t weight : kernel.weights)
        if (weight < -kWeightLimit || weight > kWeightLimit) reject(number, "a weight exceeds 2**30");
    for (std::size_t input = 0; input < inputs; ++input)
        if (kernel.ranges[2 * input] > kernel.ranges[2 * input + 1]) reject(number, "a range is empty");
    return kernel;
}

// Solves every kernel; threads take the next one each, and share nothing else.
std::vector<Tables> solve_all(const std::vector<Kernel>& kernels, std::uint64_t seed, int threads) {
    std::vector<Tables> solved(kernels.size());
    std::vector<std::exception_ptr> errors(kernels.size());
    std::atomic<std::size_t> next{0};
    const auto work = [&] {
        for (std::size_t at = next++; at < kernels.size(); at = next++) {
            try {
                solved[at] = solve(kernels[at], seed);
            } catch (...) {
                errors[at] = std::current_exception();
            }
        }
    };
    std::vector<std::thread> others;
    for (int other = 1; other < threads; ++other) {
        try {
            others.emplace_back(work);
        } catch (const std::system_error&) {
            break;  // the threads there are do it all
        }
    }
    work();
    for (std::thread& other : others) other.join();
    for (const std::exception_ptr& error : errors)
        if (error) std::rethrow_exception(error);
    return solved;
}

// A two-dimensional array that owns the elements it is given.
template <typename Array, typename Element>
Array to_array(std::vector<Element> elements, std::size_t rows, std::size_t columns) {
    auto held = std::make_unique<std::vector<Element>>(std::move(elements));
    nb::capsule owner(held.get(), [](void* data) noexcept { delete static_cast<std::vector<Element>*>(data); });
    return Array(held.release()->data(), {rows, columns}, owner);
}

std::vector<std::pair<Table, Table>> share_many(const std::vector<Weights>& matrices,
                                                const std::vector<Weights>& ranges,
                                                const std::vector<std::int64_t>& steps, std::uint64_t seed,
                                                int threads) {
    if (matrices.size() != ranges.size() || matrices.size() != steps.size())
        throw nb::value_error("expected ranges and a number of steps for each matrix");
    if (threads < 1) throw nb::value_error("expected at least one thread");
    std::vector<Kernel> kernels;
    for (std::size_t number = 0; number < matrices.size(); ++number)
        kernels.push_back(checked_kernel(number, matrices[number], ranges[number], steps[number]));
    const int useful = static_cast<int>(std::min<std::size_t>(static_cast<std::size_t>(threads), kernels.size()));
    std::vector<Tables> solved;
    {
        nb::gil_scoped_release release;
        solved = solve_all(kernels, seed, useful);
    }
    std::vector<std::pair<Table, Table>> tables;
    for (const Tables& one : solved) tables.emplace_back(to_array<Table>(one.nodes, one.nodes.size(), 5),
                            to_array<Table>(one.outputs, one.outputs.size(), 3));
    return tables;
}

Matrix coefficients(std::size_t inputs, const Rows& nodes, const Rows& outputs) {
    if (nodes.shape(1) != 5 || outputs.shape(1) != 3) throw nb::value_error("expected tables of 5 and of 3 columns");
    if (inputs > kMaxRows) throw nb::value_error("too many inputs");
    const Graph graph{inputs, {nodes.data(), nodes.size()}, {outputs.data(), outputs.size()}};
    std::vector<std::int64_t> matrix;
    {
        nb::gil_scoped_release release;
        matrix = expand(graph);
    }
    return to_array<Matrix>(std::move(matrix), outputs.shape(0), inputs);
}

}  // namespace

NB_MODULE(_adder_graph, module) {
    module.doc() = "Adder graphs of few additions for constant integer matrices.";
    module.def("share_many", &share_many, nb::arg("matrices").noconvert(), nb::arg("ranges").noconvert(),
               nb::arg("steps"), nb::kw_only(), nb::arg("seed"), nb::arg("threads"),
               "Node and output tables for matrices (outputs, inputs) of int64 and ranges (inputs, 2).\n\n"
               "After greedy sharing, each kernel's number of steps of search follows. Neither threads nor repetition\n"
               "change the result.");
    module.def("coefficients", &coefficients, nb::arg("inputs"), nb::arg("nodes").noconvert(),
               nb::arg("outputs").noconvert(),
               "The matrix (outputs, inputs) that tables of nodes and outputs compute, modulo 2**64.");
}
