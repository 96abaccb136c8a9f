// The Python module passes._adder_graphs: adder graphs of few additions for constant integer matrices.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <string>

#include "adder_graphs/evaluation.hpp"
#include "adder_graphs/grouping.hpp"
#include "numpy.hpp"

namespace nb = nanobind;
using namespace adder_graph;

namespace {

using Weights = nb::ndarray<const std::int64_t, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Rows = nb::ndarray<const std::int32_t, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Column = nb::ndarray<const std::int64_t, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Table = native::Matrix<std::int32_t>;

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

int checked_threads(int threads) {
    if (threads < 1) throw nb::value_error("expected at least one thread");
    return threads;
}

std::pair<Table, Table> to_tables(Tables tables) {
    const std::size_t nodes = tables.nodes.size(), outputs = tables.outputs.size();
    return {native::to_numpy<std::int32_t>(std::move(tables.nodes), nodes, 5),
            native::to_numpy<std::int32_t>(std::move(tables.outputs), outputs, 3)};
}

std::vector<std::pair<Table, Table>> share_many(const std::vector<Weights>& matrices,
                                                const std::vector<Weights>& ranges,
                                                const std::vector<std::int64_t>& steps, std::uint64_t seed,
                                                int threads) {
    if (matrices.size() != ranges.size() || matrices.size() != steps.size())
        throw nb::value_error("expected ranges and a number of steps for each matrix");
    checked_threads(threads);
    std::vector<Kernel> kernels;
    for (std::size_t number = 0; number < matrices.size(); ++number)
        kernels.push_back(checked_kernel(number, matrices[number], ranges[number], steps[number]));
    std::vector<Tables> solved(kernels.size());
    {
        nb::gil_scoped_release release;
        native::parallel(static_cast<std::int64_t>(kernels.size()), threads, [&](std::int64_t number) {
            solved[static_cast<std::size_t>(number)] = solve(kernels[static_cast<std::size_t>(number)], seed);
        });
    }
    std::vector<std::pair<Table, Table>> tables;
    for (Tables& one : solved) tables.push_back(to_tables(std::move(one)));
    return tables;
}

// A layer whose inputs share in groups. Not for several threads at a time.
class PyGroupedLayer {
public:
    PyGroupedLayer(const Weights& matrix, const Weights& ranges, std::size_t groups, bool by_sign, int threads)
        : threads_(checked_threads(threads)) {
        const Kernel kernel = checked_kernel(0, matrix, ranges, 0);
        if (groups < 1 || groups > std::max<std::size_t>(1, kernel.inputs))
            throw nb::value_error("expected at least one group and at most one per input");
        nb::gil_scoped_release release;
        layer_.emplace(kernel, groups, by_sign, threads);
    }

    void search(std::int64_t steps, std::uint64_t seed) {
        nb::gil_scoped_release release;
        layer_->search(steps, seed, threads_);
    }

    std::tuple<Table, Table, std::int64_t, std::int64_t> solve(const Column& costs, bool by_value,
                                                               std::int64_t budget_bits, bool resident) const {
        const Costs table({costs.data(), costs.size()});
        Solved solved;
        {
            nb::gil_scoped_release release;
            solved =
                layer_->solve(table, by_value ? Order::by_value : Order::by_row, {budget_bits, resident}, threads_);
        }
        auto [nodes, outputs] = to_tables(std::move(solved.tables));
        return {nodes, outputs, solved.cost.cycles, solved.cost.live_bits};
    }

private:
    int threads_;
    std::optional<GroupedLayer> layer_;
};

std::pair<std::int64_t, std::int64_t> evaluate(const Weights& ranges, const Rows& nodes, const Rows& outputs,
                                               const Column& costs, bool resident) {
    if (nodes.shape(1) != 5 || outputs.shape(1) != 3) throw nb::value_error("expected tables of 5 and of 3 columns");
    const Graph graph{ranges.shape(0), {nodes.data(), nodes.size()}, {outputs.data(), outputs.size()}};
    if (ranges.shape(1) != 2) throw nb::value_error("expected a lowest and a highest value for each input");
    const Kernel inputs{0, graph.inputs, {}, {ranges.data(), ranges.size()}, 0};
    const Costs table({costs.data(), costs.size()});
    nb::gil_scoped_release release;
    const Evaluation found = Evaluator(graph, intervals_of(inputs), table, resident).run();
    return {found.cycles, found.live_bits};
}

}  // namespace

NB_MODULE(_adder_graphs, module) {
    module.doc() = "Adder graphs of few additions for constant integer matrices.";
    module.def("share_many", &share_many, nb::arg("matrices").noconvert(), nb::arg("ranges").noconvert(),
               nb::arg("steps"), nb::kw_only(), nb::arg("seed"), nb::arg("threads"),
               "Node and output tables for matrices (outputs, inputs) of int64 and ranges (inputs, 2).\n\n"
               "After greedy sharing, each kernel's number of steps of search follows. Neither threads nor repetition\n"
               "change the result.");
    nb::class_<PyGroupedLayer>(module, "GroupedLayer",
                               "A layer whose inputs share in groups, which are accumulated one after the other.")
        .def(nb::init<const Weights&, const Weights&, std::size_t, bool, int>(), nb::arg("matrix").noconvert(),
             nb::arg("ranges").noconvert(), nb::kw_only(), nb::arg("groups"), nb::arg("by_sign"), nb::arg("threads"),
             "Shares greedily.")
        .def("search", &PyGroupedLayer::search, nb::arg("steps"), nb::kw_only(), nb::arg("seed"),
             "Shares more by that many steps of search in all.")
        .def("solve", &PyGroupedLayer::solve, nb::arg("costs").noconvert(), nb::kw_only(), nb::arg("by_value"),
             nb::arg("budget_bits"), nb::arg("resident"), "Tables of nodes and outputs, cycles and live bits.");
    module.def("evaluate", &evaluate, nb::arg("ranges").noconvert(), nb::arg("nodes").noconvert(),
               nb::arg("outputs").noconvert(), nb::arg("costs").noconvert(), nb::kw_only(), nb::arg("resident"),
               "AP cycles besides shifting, and the most bits of a row that are alive at a time.");
}
