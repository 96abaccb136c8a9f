// The Python module dialects._placed_check: what rtm and ap programs must obey, and the shifts that they cost.
//
// Everything here reads binary records (dialects/machine/code.py) and the passes of the instruction table; nothing
// executes data.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <tuple>

#include "loops.hpp"
#include "names.hpp"
#include "numpy.hpp"
#include "stream.hpp"

namespace nb = nanobind;
using namespace placed;

namespace {

using CodeWords = nb::ndarray<const uint64_t, nb::shape<-1, 2>, nb::c_contig, nb::device::cpu>;
using Bounds = nb::ndarray<const int64_t, nb::shape<-1>, nb::c_contig, nb::device::cpu>;
using Passes = nb::ndarray<const uint8_t, nb::shape<32, 64, 10>, nb::c_contig, nb::device::cpu>;
using Ids = nb::ndarray<const int32_t, nb::shape<-1, 4>, nb::c_contig, nb::device::cpu>;
using Places = nb::ndarray<const int32_t, nb::shape<-1, 6>, nb::c_contig, nb::device::cpu>;
using native::Matrix;
using Failure = std::tuple<bool, std::size_t, std::string>;

CheckedCode checked(const CodeWords& code, const Bounds& bounds, const Passes& passes, int columns, int domains) {
    std::vector<std::size_t> segments(bounds.data(), bounds.data() + bounds.shape(0));
    return {code.data(), code.shape(0), std::move(segments), passes.data(), columns, domains};
}

Failure failure_of(const Problem& problem) { return {problem.of_value, problem.number, problem.text}; }

// For each segment its counts, in their order; then steps and ports by column, and the counts of each opcode. For the
// program: writes by column and domain.
std::pair<std::optional<Failure>,
          std::tuple<Matrix<int64_t>, Matrix<int64_t>, Matrix<int64_t>, Matrix<int64_t>, Matrix<int64_t>>>
count(CodeWords code, Bounds bounds, Passes passes, int columns, int domains) {
    Swept found;
    std::optional<Failure> failure;
    try {
        nb::gil_scoped_release released;
        const CheckedCode program = checked(code, bounds, passes, columns, domains);
        program.check_rules();
        check_carries(program);
        found = sweep(program);
    } catch (const Problem& problem) {
        failure = failure_of(problem);
    }
    const auto wide = std::size_t(columns);
    const std::size_t rows = found.segments.size(), written = found.writes.size() / std::size_t(domains);
    constexpr std::size_t kNumbers = sizeof(Counts) / sizeof(int64_t);
    return {failure,
            {native::to_numpy<int64_t>(std::move(found.segments), rows, kNumbers),
             native::to_numpy<int64_t>(std::move(found.steps), rows, wide),
             native::to_numpy<int64_t>(std::move(found.ports), rows, wide),
             native::to_numpy<int64_t>(std::move(found.opcodes), rows * kOpcodes, kNumbers),
             native::to_numpy<int64_t>(std::move(found.writes), written, std::size_t(domains))}};
}

std::pair<std::optional<Failure>, std::pair<int64_t, int64_t>> check(CodeWords code, Bounds bounds, Ids ids,
                                                                     Places places, Bounds place_bounds, Passes passes,
                                                                     int columns, int domains) {
    try {
        nb::gil_scoped_release released;
        const CheckedCode program = checked(code, bounds, passes, columns, domains);
        const Facts facts = check_names(program, {reinterpret_cast<const Names*>(ids.data()), ids.shape(0)},
                                        {reinterpret_cast<const Row*>(places.data()), places.shape(0)},
                                        {place_bounds.data(), place_bounds.shape(0)});
        check_carries(program);
        sweep_counts(program);
        check_order(program);
        return {std::nullopt, {facts.values, facts.peak_bits}};
    } catch (const Problem& problem) {
        return {failure_of(problem), {0, 0}};
    }
}

// The first broken rule of an instruction, and of a bit loop if asked for.
std::optional<Failure> broken(CodeWords code, Passes passes, int columns, int domains, bool loops) {
    try {
        nb::gil_scoped_release released;
        const CheckedCode program(code.data(), code.shape(0), {0, code.shape(0)}, passes.data(), columns, domains);
        program.check_rules();
        if (loops) {
            check_carries(program);
            sweep_counts(program);
        }
        return std::nullopt;
    } catch (const Problem& problem) {
        return failure_of(problem);
    }
}

// Of each instruction of a segment, the words of its short form in the stream; 0 for a long one.
Matrix<uint8_t> short_words(CodeWords code) {
    std::vector<uint8_t> found(code.shape(0), 0);
    Stream stream;
    bool inside = false;
    for (std::size_t number = 0; number < found.size(); ++number) {
        const Instruction item = Instruction::unpack(code.data() + 2 * number);
        const bool alone = item.last && !inside;
        if (item.last) found[number] = uint8_t(alone ? stream.short_words(item) : stream.long_form(item));
        inside = !item.last;
    }
    const std::size_t count = found.size();
    return native::to_numpy<uint8_t>(std::move(found), count, 1);
}

// The operands of an opcode in the order of their declaration, for the tests.
std::vector<bool> operands(unsigned op) {
    const Operands& has = kOperands.at(op);
    return {has.known, has.dst_swept,    has.dst_cell,  has.a_swept, has.a_flag,   has.b_swept, has.dst_whole,
            has.carry, has.second_carry, has.immediate, has.vector,  has.own_carry};
}

using Fields = std::vector<int64_t>;

// The fields of an instruction in the order of its words, and the immediate; none if the words are no instruction.
std::optional<Fields> unpack(uint64_t first, uint64_t second) {
    const Words words{first, second};
    if (!Instruction::is_instruction(words.data())) return std::nullopt;
    const Instruction item = Instruction::unpack(words.data());
    Fields fields{item.op,         item.last,       item.start,        item.width,
                  item.dst.column, item.dst.domain, item.carry.column, item.carry.domain,
                  item.across,     item.lean};
    for (const Operand& operand : {item.a, item.b})
        fields.insert(fields.end(), {operand.column, operand.domain, operand.width, operand.is_signed, operand.shift});
    fields.push_back(item.imm);
    return fields;
}

// The words of an instruction that `unpack` takes apart.
std::pair<uint64_t, uint64_t> repack(uint64_t first, uint64_t second) {
    const Words words{first, second}, again = Instruction::unpack(words.data()).pack();
    return {again[0], again[1]};
}

}  // namespace

NB_MODULE(_placed_check, m) {
    m.doc() = "Legality of placed code and the shifts that AP code costs.";
    m.def("count", &count, nb::arg("code").noconvert(), nb::arg("bounds").noconvert(), nb::arg("passes").noconvert(),
          nb::arg("columns"), nb::arg("domains"));
    m.def("broken", &broken, nb::arg("code").noconvert(), nb::arg("passes").noconvert(), nb::arg("columns"),
          nb::arg("domains"), nb::arg("loops"));
    m.def("check", &check, nb::arg("code").noconvert(), nb::arg("bounds").noconvert(), nb::arg("ids").noconvert(),
          nb::arg("places").noconvert(), nb::arg("place_bounds").noconvert(), nb::arg("passes").noconvert(),
          nb::arg("columns"), nb::arg("domains"));
    m.def("short_words", &short_words, nb::arg("code").noconvert());
    m.def("operands", &operands, nb::arg("op"));
    m.def("unpack", &unpack, nb::arg("first"), nb::arg("second"));
    m.def("repack", &repack, nb::arg("first"), nb::arg("second"));
}
