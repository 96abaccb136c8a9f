// Scheduling and placement of straight-line code, bound to Python: passes/placing/placement.py says what goes in and
// comes out.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cmath>
#include <cstring>
#include <mutex>

#include "numpy.hpp"
#include "parallel.hpp"
#include "placing/across.hpp"
#include "placing/lowering.hpp"
#include "placing/reading.hpp"
#include "placing/scheduler.hpp"
#include "placing/settling.hpp"
#include "placing/tables.hpp"
#include "placing/writer.hpp"

namespace nb = nanobind;

namespace {

using namespace placement;
using Longs = nb::ndarray<const int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using CodeWords = nb::ndarray<const uint64_t, nb::shape<-1, 2>, nb::c_contig, nb::device::cpu>;
using NameRows = nb::ndarray<const int32_t, nb::shape<-1, 4>, nb::c_contig, nb::device::cpu>;
using ValueRows = nb::ndarray<const int32_t, nb::shape<-1, 6>, nb::c_contig, nb::device::cpu>;
using Choice = std::tuple<int, bool, int, int, int>;  // window, bundles, fit, seek and crowd weights

double cost_of(const Shifts& shifts, const std::string& objective) {
    if (objective == "energy") return static_cast<double>(shifts.column_steps);
    if (objective == "latency") return static_cast<double>(shifts.steps);
    return std::log1p(static_cast<double>(shifts.column_steps)) + std::log1p(static_cast<double>(shifts.steps));
}

Placed placed(Plan plan, const Settings& settings) {
    std::vector<Place> places = Placer(plan, settings).run();
    return Writer(std::move(plan), std::move(places), settings).run();
}

// The best of the choices, of equally good ones the first; none where no choice finds a place for every value, and
// then the width of one without. Threads don't change it.
std::pair<std::optional<Placed>, int> best_of(const Statements& code, int columns, int domains,
                                              const std::vector<Choice>& choices, const std::string& objective,
                                              int threads) {
    std::vector<std::optional<Placed>> found(choices.size());
    std::mutex lock;
    std::size_t best = choices.size();
    int width = 0;
    native::parallel(static_cast<int64_t>(choices.size()), threads, [&](int64_t number) {
        const auto index = static_cast<std::size_t>(number);
        const auto [window, bundles, fit, seek, crowd] = choices[index];
        std::optional<Placed> mine;
        int lacking = 0;
        try {
            const Settings settings{columns, domains, bundles, window, static_cast<Fit>(fit), seek, crowd};
            Plan plan = Scheduler(code, settings).run();
            try {
                if (settings.bundles) mine = placed(Settling(plan, settings).run(), settings);
            } catch (const NoPlace&) {
                // As the scheduler has left it, it may still fit.
            }
            if (!mine) mine = placed(std::move(plan), settings);
        } catch (const NoPlace& problem) {
            lacking = problem.width;
        }
        const std::scoped_lock held(lock);
        width = std::max(width, lacking);
        if (!mine) return;
        const double cost = cost_of(mine->shifts, objective);
        const double least = best < choices.size() ? cost_of(found[best]->shifts, objective) : 0;
        if (best < choices.size() && (cost > least || (cost == least && index > best))) return;
        if (best < choices.size()) found[best].reset();
        best = index;
        found[best] = std::move(mine);
    });
    if (best == choices.size()) return {std::nullopt, width};
    return {std::move(found[best]), 0};
}

// The most bits of a row that are in use at a time, in the order of the statements.
int64_t peak_bits(const Statements& code) {
    std::vector<int64_t> change(code.code.size() + 1, 0), first(code.slots.size(), -1), last(code.slots.size(), 0);
    for (std::size_t i = 0; i < code.code.size(); ++i)
        for (const Access& access : accesses(code, code.code[i])) {
            if (first[access.slot] < 0) first[access.slot] = static_cast<int64_t>(i);
            last[access.slot] = static_cast<int64_t>(i);
        }
    for (std::size_t slot = 0; slot < code.slots.size(); ++slot) {
        if (first[slot] < 0) continue;
        change[first[slot]] += code.slots[slot];
        change[last[slot] + 1] -= code.slots[slot];
    }
    int64_t live = 0, peak = 0;
    for (const int64_t bits : change) peak = std::max(peak, live += bits);
    return peak;
}

nb::tuple as_tuple(Tables tables) {
    const std::size_t count = tables.names.size(), values = tables.values.size();
    return nb::make_tuple(native::to_numpy<uint64_t>(std::move(tables.words), count, 2),
                          native::to_numpy<int32_t>(std::move(tables.names), count, 4),
                          native::to_numpy<int32_t>(std::move(tables.values), values, 6), tables.segments);
}

// `read` makes the statements, while Python goes on with other work.
template <typename Read>
nb::tuple schedule(Read read, std::size_t segments, int columns, int domains, const std::vector<Choice>& choices,
                   const std::string& objective, int threads) {
    Statements code;
    Tables tables;
    int width = 0;
    {
        nb::gil_scoped_release released;
        code = read();
        auto [best, lacking] = best_of(code, columns, domains, choices, objective, threads);
        if (best) tables = to_tables(*best, segments);
        width = best ? 0 : lacking;
    }
    if (width > 0) {
        const int widest = code.slots.empty() ? 0 : *std::max_element(code.slots.begin(), code.slots.end());
        return nb::make_tuple(width, widest, peak_bits(code));
    }
    return as_tuple(std::move(tables));
}

Statements lowered(const Longs& operations, const Longs& spans, const Longs& thresholds, bool full,
                   const Thrift& thrift, int64_t standing = 0) {
    static_assert(sizeof(Operation) == 11 * sizeof(int64_t) && sizeof(Interval) == 16 && sizeof(Threshold) == 16);
    if (operations.shape(1) != 11 || spans.shape(1) != 2 || thresholds.shape(1) != 2)
        throw std::invalid_argument("the tables have wrong shapes");
    std::vector<Operation> rows(operations.shape(0));
    std::vector<Interval> ranges(spans.shape(0));
    std::vector<Threshold> entries(thresholds.shape(0));
    if (!rows.empty()) std::memcpy(rows.data(), operations.data(), rows.size() * sizeof(Operation));
    if (!ranges.empty()) std::memcpy(static_cast<void*>(ranges.data()), spans.data(), ranges.size() * sizeof(Interval));
    if (!entries.empty()) std::memcpy(entries.data(), thresholds.data(), entries.size() * sizeof(Threshold));
    return Lowering(rows, std::move(ranges), entries, full, thrift, standing).run();
}

nb::tuple place_operations(const Longs& operations, const Longs& spans, const Longs& thresholds, bool full,
                           bool by_output, int64_t limit, std::size_t segments, int columns, int domains,
                           const std::vector<Choice>& choices, const std::string& objective, int threads) {
    return schedule(
        [&] {
            return lowered(operations, spans, thresholds, full, {by_output, limit});
        },
        segments, columns, domains, choices, objective, threads);
}

// `places` has column and domain of each value, or -1. Values below `standing` are continued by one another only.
nb::tuple place_across(const Longs& operations, const Longs& spans, const Longs& thresholds, const Longs& places,
                       int64_t standing, std::size_t segments, int columns, int domains, int first) {
    if (places.shape(1) != 2) throw std::invalid_argument("the tables have wrong shapes");
    std::vector<Place> given(places.shape(0));
    for (std::size_t i = 0; i < given.size(); ++i)
        given[i] = {static_cast<int32_t>(places(i, 0)), static_cast<int32_t>(places(i, 1))};
    Tables tables;
    try {
        nb::gil_scoped_release released;
        Statements code = lowered(operations, spans, thresholds, true, {}, standing);
        tables = to_tables(Across(std::move(code), given, columns, domains, first).run(), segments);
    } catch (const NoPlace& problem) {
        return nb::make_tuple(problem.width, problem.width, int64_t{columns} * domains);
    }
    return as_tuple(std::move(tables));
}

nb::tuple place_code(const CodeWords& words, const NameRows& names, const ValueRows& values,
                     const std::vector<int64_t>& segments, int columns, int domains, const std::vector<Choice>& choices,
                     const std::string& objective, int threads) {
    const Source source{{reinterpret_cast<const ap::Words*>(words.data()), words.shape(0)},
                        {reinterpret_cast<const ap::Names*>(names.data()), names.shape(0)},
                        {reinterpret_cast<const ap::Row*>(values.data()), values.shape(0)},
                        segments};
    return schedule([&] { return Reading(source).run(); }, segments.size(), columns, domains, choices, objective,
                    threads);
}

}  // namespace

NB_MODULE(_placing, module) {
    module.def("place_operations", &place_operations, nb::kw_only(), nb::arg("operations"), nb::arg("spans"),
               nb::arg("thresholds"), nb::arg("full"), nb::arg("by_output"), nb::arg("limit"), nb::arg("segments"),
               nb::arg("columns"), nb::arg("domains"), nb::arg("choices"), nb::arg("objective"), nb::arg("threads"));
    module.def("place_across", &place_across, nb::kw_only(), nb::arg("operations"), nb::arg("spans"),
               nb::arg("thresholds"), nb::arg("places"), nb::arg("standing"), nb::arg("segments"), nb::arg("columns"),
               nb::arg("domains"), nb::arg("first"));
    module.def("place_code", &place_code, nb::kw_only(), nb::arg("words"), nb::arg("names"), nb::arg("values"),
               nb::arg("segments"), nb::arg("columns"), nb::arg("domains"), nb::arg("choices"), nb::arg("objective"),
               nb::arg("threads"));
}
