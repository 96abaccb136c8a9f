// The Python module dialects._placed_check: what rtm and ap programs must obey, and the shifts that they cost.
//
// Everything here reads binary records (dialects/machine/code.py) and tables made from the instruction table; nothing
// executes data.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <memory>
#include <optional>
#include <tuple>

#include "loops.hpp"
#include "names.hpp"

namespace nb = nanobind;
using namespace placed;

namespace {

using Words = nb::ndarray<const uint64_t, nb::shape<-1, 2>, nb::c_contig, nb::device::cpu>;
using Bounds = nb::ndarray<const int64_t, nb::shape<-1>, nb::c_contig, nb::device::cpu>;
using Operand9 = nb::ndarray<const uint8_t, nb::shape<32, 9>, nb::c_contig, nb::device::cpu>;
using Touches = nb::ndarray<const uint8_t, nb::shape<32, 32, 4>, nb::c_contig, nb::device::cpu>;
using Ids = nb::ndarray<const int32_t, nb::shape<-1, 4>, nb::c_contig, nb::device::cpu>;
using Places = nb::ndarray<const int32_t, nb::shape<-1, 5>, nb::c_contig, nb::device::cpu>;
using Matrix = nb::ndarray<nb::numpy, int64_t, nb::ndim<2>>;
using Failure = std::tuple<bool, size_t, std::string>;

Program make_program(const Words& code, const Bounds& bounds, const Operand9& operands, const Touches& touches,
                     int columns, int domains) {
    return {code.data(),     code.shape(0),  bounds.data(), bounds.shape(0),
            operands.data(), touches.data(), columns,       domains};
}

Matrix to_matrix(std::vector<int64_t> elements, size_t rows, size_t columns) {
    auto held = std::make_unique<std::vector<int64_t>>(std::move(elements));
    nb::capsule owner(held.get(), [](void* data) noexcept { delete static_cast<std::vector<int64_t>*>(data); });
    return Matrix(held.release()->data(), {rows, columns}, owner);
}

// For each segment: bit loops, shift steps, column steps, columns of the widest loop, the furthest domain; then steps
// and ports by column. For the program: writes by column and domain.
std::pair<std::optional<Failure>, std::tuple<Matrix, Matrix, Matrix, Matrix>>
shifts(Words code, Bounds bounds, Operand9 operands, Touches touches, int columns, int domains) {
    Swept found;
    std::optional<Failure> failure;
    try {
        nb::gil_scoped_release released;
        found = sweep(make_program(code, bounds, operands, touches, columns, domains));
    } catch (const Problem& problem) {
        failure = Failure{problem.of_value, problem.number, problem.text};
    }
    std::vector<int64_t> totals, steps, ports;
    for (const Shifts& item : found.segments) {
        totals.insert(totals.end(), {item.loops, item.shift_steps, item.column_steps, item.widest, item.furthest});
        steps.insert(steps.end(), item.of_column.begin(), item.of_column.end());
        ports.insert(ports.end(), item.ports.begin(), item.ports.end());
    }
    found.writes.resize(size_t(columns) * size_t(domains));
    size_t rows = found.segments.size(), wide = size_t(columns);
    return {failure,
            {to_matrix(totals, rows, 5), to_matrix(steps, rows, wide), to_matrix(ports, rows, wide),
             to_matrix(std::move(found.writes), wide, size_t(domains))}};
}

std::pair<std::optional<Failure>, std::pair<int64_t, int64_t>> check(Words code, Bounds bounds, Ids ids, Places places,
                                                                     Bounds place_bounds, Operand9 operands,
                                                                     Touches touches, int columns, int domains) {
    static_assert(sizeof(Names) == 16 && sizeof(Row) == 20);
    try {
        nb::gil_scoped_release released;
        Program program = make_program(code, bounds, operands, touches, columns, domains);
        Facts facts = check_names(program, {reinterpret_cast<const Names*>(ids.data()), ids.shape(0)},
                                  {reinterpret_cast<const Row*>(places.data()), places.shape(0)},
                                  {place_bounds.data(), place_bounds.shape(0)});
        sweep(program);
        check_order(program);
        return {std::nullopt, {facts.values, facts.peak_bits}};
    } catch (const Problem& problem) {
        return {Failure{problem.of_value, problem.number, problem.text}, {0, 0}};
    }
}

// Whether no instruction breaks a rule, and no bit loop if asked for.
bool lawful(Words code, Operand9 operands, Touches touches, int columns, int domains, bool loops) {
    const int64_t bounds[] = {0, int64_t(code.shape(0))};
    try {
        nb::gil_scoped_release released;
        Program program(code.data(), code.shape(0), bounds, 2, operands.data(), touches.data(), columns, domains);
        if (!program.is_lawful()) return false;
        if (loops) sweep(program);
        return true;
    } catch (const Problem&) {
        return false;
    }
}

}  // namespace

NB_MODULE(_placed_check, m) {
    m.doc() = "Legality of placed code and the shifts that AP code costs.";
    m.def("shifts", &shifts, nb::arg("code").noconvert(), nb::arg("bounds").noconvert(),
          nb::arg("operands").noconvert(), nb::arg("touches").noconvert(), nb::arg("columns"), nb::arg("domains"));
    m.def("lawful", &lawful, nb::arg("code").noconvert(), nb::arg("operands").noconvert(),
          nb::arg("touches").noconvert(), nb::arg("columns"), nb::arg("domains"), nb::arg("loops"));
    m.def("check", &check, nb::arg("code").noconvert(), nb::arg("bounds").noconvert(), nb::arg("ids").noconvert(),
          nb::arg("places").noconvert(), nb::arg("place_bounds").noconvert(), nb::arg("operands").noconvert(),
          nb::arg("touches").noconvert(), nb::arg("columns"), nb::arg("domains"));
}
