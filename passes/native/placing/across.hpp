// Statements in the order that they have, each value across neighbouring columns in one domain, so that nothing is
// swept: values that have a place are put there, all others near the ports of the columns that are left for them.
#pragma once

#include <cstdlib>
#include <span>
#include <utility>

#include "placer.hpp"
#include "writer.hpp"

namespace placement {

class Across {
public:
    // `places` are those of the first values, column -1 where one has none; those go to columns from `first` on, but
    // for the last column, which is the carries'.
    Across(Statements code, std::span<const Place> places, int columns, int domains, int first)
        : code_(std::move(code)), given_(places), columns_(columns), domains_(domains), first_(first),
          taken_(std::size_t(columns) * std::size_t(domains), 0), ports_(std::size_t(columns), 0),
          last_(code_.slots.size(), 0) {
        for (std::size_t at = 0; at < code_.code.size(); ++at)
            for (const int32_t value : values_of(code_.code[at]))
                if (value >= 0) last_[std::size_t(slot_of(value))] = at;
        dying_.resize(code_.code.size());
        out_.places.resize(code_.slots.size());
        out_.across = true;
    }

    // Throws NoPlace where there is no room.
    Placed run() {
        for (std::size_t at = 0; at < code_.code.size(); ++at) {
            const Statement& item = code_.code[at];
            if (item.result >= 0 && place_of(item.result).column < 0) bear(item);
            for (const auto [one, two] : {std::pair{item.result, item.a}, {item.result, item.b}, {item.a, item.b}})
                if (one >= 0 && two >= 0 && meet(one, two)) throw NoPlace{width_of(two)};
            for (const int32_t value : {item.a, item.b, item.result})
                if (value >= 0) move_ports(value);
            const bool flag = item.op == ap::kCopyIf;
            out_.carries.push_back(flag ? place_of(item.b) : item.carries() ? Place{columns_ - 1, 0} : Place{0, 0});
            for (const int32_t slot : dying_[at]) occupy(slot, false);
        }
        out_.code = std::move(code_.code);
        out_.values = std::move(code_.values);
        return std::move(out_);
    }

private:
    Statements code_;
    std::span<const Place> given_;
    int columns_, domains_, first_;
    std::vector<uint8_t> taken_;  // by column and domain
    std::vector<int> ports_;
    std::vector<std::size_t> last_;             // of each slot, the last statement that uses it
    std::vector<std::vector<int32_t>> dying_;   // slots by the last statement that uses them
    Placed out_;

    static std::array<int32_t, 4> values_of(const Statement& item) { return {item.result, item.old, item.a, item.b}; }

    int32_t slot_of(int32_t value) const { return code_.values[std::size_t(value)].slot; }
    Place& place_of(int32_t value) { return out_.places[std::size_t(slot_of(value))]; }

    uint8_t& taken(int column, int domain) {
        return taken_[std::size_t(column) * std::size_t(domains_) + std::size_t(domain)];
    }

    int width_of(int32_t value) const { return code_.values[std::size_t(value)].width; }

    bool holds(int32_t value, int column) {
        const int first = place_of(value).column;
        return column >= first && column < first + width_of(value);
    }

    // Whether two values have a column in common, in which they lie in different domains.
    bool meet(int32_t one, int32_t two) {
        const Place first = place_of(one), second = place_of(two);
        return first.domain != second.domain && (holds(one, second.column) || holds(two, first.column));
    }

    void bear(const Statement& item) {
        const int32_t value = item.result;
        const bool given = std::size_t(value) < given_.size() && given_[std::size_t(value)].column >= 0;
        place_of(value) = given ? given_[std::size_t(value)] : free_place(item);
        occupy(slot_of(value), true);
        dying_[last_[std::size_t(slot_of(value))]].push_back(slot_of(value));
    }

    void occupy(int32_t slot, bool used) {
        const Place place = out_.places[std::size_t(slot)];
        for (int column = place.column; column < place.column + code_.slots[std::size_t(slot)]; ++column) {
            if (column >= columns_ - 1 || (used && taken(column, place.domain)))
                throw std::logic_error("a value across columns has a place that is taken");
            taken(column, place.domain) = used;
        }
    }

    void move_ports(int32_t value) {
        const Place place = place_of(value);
        for (int bit = 0; bit < code_.values[std::size_t(value)].width; ++bit)
            ports_[std::size_t(place.column + bit)] = place.domain;
    }

    // Free columns side by side that are fewest steps away, beside those of the operands.
    Place free_place(const Statement& item) {
        const int width = code_.slots[std::size_t(slot_of(item.result))];
        const auto apart = [&](int column) {
            return (item.a < 0 || !holds(item.a, column)) && (item.b < 0 || !holds(item.b, column));
        };
        Place best;
        int least = INT_MAX;
        for (int domain = 0; domain < domains_; ++domain)
            for (int column = first_, run = 0, steps = 0; column < columns_ - 1 && least > 0; ++column) {
                const auto away = [&](int of) { return std::abs(ports_[std::size_t(of)] - domain); };
                run = taken(column, domain) || !apart(column) ? 0 : run + 1;
                steps = run == 0 ? 0 : steps + away(column);
                if (run > width) steps -= away(column - width), run = width;
                if (run < width || steps >= least) continue;
                least = steps;
                best = {column - width + 1, domain};
            }
        if (best.column < 0) throw NoPlace{width};
        return best;
    }
};

}  // namespace placement
