// The Python module dialects._graph: what adder graphs compute, from their tables alone.
#include "graph.hpp"
#include "numpy.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

namespace nb = nanobind;
using namespace adder_graph;

namespace {

using Ranges = nb::ndarray<const std::int64_t, nb::shape<-1, 2>, nb::c_contig, nb::device::cpu>;
using Nodes = nb::ndarray<const std::int32_t, nb::shape<-1, 5>, nb::c_contig, nb::device::cpu>;
using Outputs = nb::ndarray<const std::int32_t, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;
using Matrix = native::Matrix<std::int64_t>;

constexpr std::size_t kMaxInputs = std::size_t{1} << 24;

Matrix coefficients(std::size_t inputs, const Nodes& nodes, const Outputs& outputs) {
    if (inputs > kMaxInputs) throw nb::value_error("too many inputs");
    const Graph graph{inputs, {nodes.data(), nodes.size()}, {outputs.data(), outputs.size()}};
    std::vector<std::int64_t> matrix;
    {
        nb::gil_scoped_release release;
        matrix = expand(graph);
    }
    return native::to_numpy<std::int64_t>(std::move(matrix), outputs.shape(0), inputs);
}

Matrix bounds(const Ranges& ranges, const Nodes& nodes) {
    const std::size_t inputs = ranges.shape(0), count = inputs + nodes.shape(0);
    std::vector<Interval> intervals(inputs);
    for (std::size_t input = 0; input < inputs; ++input) intervals[input] = {ranges(input, 0), ranges(input, 1)};
    {
        nb::gil_scoped_release release;
        intervals = value_intervals({inputs, {nodes.data(), nodes.size()}, {}}, intervals);
    }
    return native::to_numpy<std::int64_t>(std::move(intervals), count, 2);
}

}  // namespace

NB_MODULE(_graph, module) {
    module.doc() = "What adder graphs compute, from their tables alone.";
    module.def("coefficients", &coefficients, nb::arg("inputs"), nb::arg("nodes").noconvert(),
               nb::arg("outputs").noconvert(), "The matrix (outputs, inputs) of a graph, modulo 2**64.");
    module.def("bounds", &bounds, nb::arg("ranges").noconvert(), nb::arg("nodes").noconvert(),
               "The lowest and the highest number of every value, inputs first, by interval arithmetic.");
}
