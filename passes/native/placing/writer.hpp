// Placed code from a plan and its places: carries get columns, and members that can't share a loop after all part.
#pragma once

#include <span>
#include <tuple>

#include "columns.hpp"
#include "loops.hpp"
#include "placer.hpp"

namespace placement {

// Sweeps: steps in time, in which all columns shift together, and steps of all columns.
struct Shifts {
    int64_t steps = 0, column_steps = 0;
};

struct Placed {
    std::vector<Statement> code;  // in order, with values and widths settled
    std::vector<Place> carries;   // of each statement
    std::vector<Value> values;
    std::vector<Place> places;  // of each slot
    Shifts shifts;
    bool across = false;  // values lie across columns
};

class Writer {
public:
    Writer(Plan plan, std::vector<Place> places, const Settings& settings)
        : plan_(std::move(plan)), settings_(settings), loop_(plan_.slots.size()),
          columns_(settings.columns, Column(settings.domains)), nearest_(settings.columns),
          holders_(settings.columns, -1), last_(plan_.slots.size(), 0), born_(plan_.slots.size(), 0),
          kept_(plan_.slots.size(), 0) {
        out_.places = std::move(places);
        for (std::size_t loop = 0, at = 0; loop < plan_.loops(); ++loop)
            for (; at < plan_.touch_ends[loop]; ++at) last_[plan_.touches[at].slot] = loop;
        for (int column = 0; column < settings.columns; ++column) look(column);
    }

    Placed run() {
        std::size_t member = 0, touch = 0;
        for (std::size_t loop = 0; loop < plan_.loops(); ++loop) {
            std::size_t first = touch;
            for (; touch < plan_.touch_ends[loop]; ++touch) bear(plan_.touches[touch].slot);
            std::vector<Member> waiting = write({plan_.members.data() + member, plan_.member_ends[loop] - member});
            member = plan_.member_ends[loop];
            while (!waiting.empty()) waiting = write(waiting);
            for (; first < touch; ++first)
                if (const int32_t slot = plan_.touches[first].slot; last_[slot] == loop) give_back(slot);
        }
        out_.values = std::move(plan_.values);
        return std::move(out_);
    }

private:
    // The free domain that is nearest to the port of a column; none where there is no room.
    struct Nearest {
        int distance = no_room, domain = -1;
    };

    static constexpr int no_room = INT_MAX;

    Plan plan_;
    Settings settings_;
    Loop loop_;
    std::vector<Column> columns_;
    std::vector<Nearest> nearest_;   // of each column
    int with_room_ = 0;              // columns
    std::vector<int32_t> holders_;   // the slot of each column in the loop, or -1
    std::vector<std::size_t> last_;  // the last loop of each slot
    std::vector<uint8_t> born_;
    std::vector<int64_t> kept_;  // of each slot, from which loop on a member that reads it waits, or writes it
    int64_t round_ = 0;
    std::vector<std::pair<int, int>> spare_;         // distance, column
    std::array<int, 4 * (most_start + 1)> steps_{};  // the longest way before each step of the loop
    Placed out_;

    int column_of(const Access& access) const { return out_.places[access.slot].column; }

    void bear(int32_t slot) {
        if (born_[slot]) return;
        born_[slot] = 1;
        columns_[out_.places[slot].column].take(out_.places[slot].domain, plan_.slots[slot]);
        look(out_.places[slot].column);
    }

    void give_back(int32_t slot) {
        columns_[out_.places[slot].column].give(out_.places[slot].domain, plan_.slots[slot]);
        look(out_.places[slot].column);
    }

    bool has_room(int column) const { return nearest_[column].distance != no_room; }

    // A column has changed: what lies in it, or where its port stands.
    void look(int column) {
        with_room_ -= has_room(column);
        nearest_[column] = {};
        if (columns_[column].room() > 0)
            std::tie(nearest_[column].distance, nearest_[column].domain) = columns_[column].nearest();
        with_room_ += has_room(column);
    }

    // Writes a loop of the members whose columns are apart; returns the others.
    std::vector<Member> write(std::span<const Member> members) {
        ++round_;
        int usable = with_room_;
        std::vector<Member> waiting;
        for (const Member& member : members) {
            if (!fits(member, usable)) {
                for (const Access& access : member.found) {
                    int64_t& kept = kept_[access.slot];
                    kept = std::max(kept, 2 * round_ + writes(member, access.slot));
                }
                waiting.push_back(member);
                continue;
            }
            for (const Access& access : member.found)
                if (!loop_.holds(access.slot)) {
                    holders_[column_of(access)] = access.slot;
                    usable -= has_room(column_of(access));
                }
            loop_.add(member);
        }
        if (!loop_.members().empty())
            close();
        else
            write_apart(waiting);
        return waiting;
    }

    bool writes(const Member& member, int32_t slot) const {
        return member.item.result >= 0 && plan_.values[member.item.result].slot == slot;
    }

    // Members stay in order with those before them that wait, if both use a slot and one writes it.
    bool fits(const Member& member, int usable) const {
        int used = 0;
        for (const Access* access = member.found.begin(); access != member.found.end(); ++access) {
            if (kept_[access->slot] >= 2 * round_ + !writes(member, access->slot)) return false;
            if (loop_.holds(access->slot)) continue;
            if (holders_[column_of(*access)] >= 0) return false;
            for (const Access* other = member.found.begin(); other != access; ++other)
                if (column_of(*other) == column_of(*access)) return false;
            used += has_room(column_of(*access));
        }
        return usable - used >= loop_.carries() + member.item.carries();
    }

    // Columns that the loop leaves alone, by the distance from the port to a free domain: as many as there are carries.
    void find_spare_columns() {
        spare_.clear();
        int at_port = 0;
        for (int column = 0; column < settings_.columns && at_port < loop_.carries(); ++column)
            if (holders_[column] < 0 && has_room(column)) {
                at_port += nearest_[column].distance == 0;
                spare_.emplace_back(nearest_[column].distance, column);
            }
        const auto end = spare_.begin() + loop_.carries();
        if (end < spare_.end()) std::nth_element(spare_.begin(), end, spare_.end());
        std::sort(spare_.begin(), end);
    }

    void close() {
        find_spare_columns();
        std::size_t next = 0;
        const auto& members = loop_.members();
        for (std::size_t i = 0; i < members.size(); ++i) {
            Statement item = members[i].item;
            item.start = static_cast<int16_t>(settings_.bundles ? members[i].start - loop_.earliest() : 0);
            item.last = i + 1 == members.size();
            Place carry{0, 0};
            if (item.carries()) {
                const auto [distance, column] = spare_[next++];
                carry = {column, nearest_[column].domain};
                columns_[column].port = carry.domain;
                nearest_[column].distance = 0;
                out_.shifts.column_steps += distance;
            } else if (item.op == ap::kCopyIf) {
                carry = out_.places[plan_.values[item.b].slot];
            }
            out_.code.push_back(item);
            out_.carries.push_back(carry);
        }
        sweep();
        loop_.clear();
    }

    void sweep() {
        int reached = 0;
        for (const int32_t slot : loop_.slots()) {
            const Touch touch = loop_.touch_of(slot);
            const Place place = out_.places[slot];
            int& port = columns_[place.column].port;
            const int seek = std::abs(port - place.domain - touch.lo), begin = loop_.step_of(slot);
            out_.shifts.column_steps += seek + touch.hi - touch.lo;
            const int end = begin + touch.hi - touch.lo;
            steps_[begin] = std::max(steps_[begin], seek);
            for (int step = begin + 1; step <= end; ++step) steps_[step] = std::max(steps_[step], 1);
            reached = std::max(reached, end);
            port = place.domain + touch.hi;
            holders_[place.column] = -1;
            look(place.column);
        }
        for (int step = 0; step <= reached; ++step) out_.shifts.steps += std::exchange(steps_[step], 0);
    }

    // Writes the first member, two of whose values lie in one column, with a copy of a source elsewhere.
    void write_apart(std::vector<Member>& waiting) {
        Member member = waiting.front();
        const int32_t moved = meeting_source(member);
        if (moved < 0) throw NoPlace{1};
        int32_t& source =
            member.item.a >= 0 && plan_.values[member.item.a].slot == moved ? member.item.a : member.item.b;
        Statement copy;
        copy.op = ap::kCopy;
        copy.segment = member.item.segment;
        copy.a = source;
        Value value = plan_.values[source];
        copy.width = value.width;
        value.slot = add_slot(member, value.width);
        copy.result = static_cast<int32_t>(plan_.values.size());
        plan_.values.push_back(value);
        source = copy.result;
        Accesses both, found;
        both.add({value.slot, 0, 0, value.width, 0});
        both.add({moved, 0, 0, value.width, 0});
        for (Access access : member.found) {
            if (access.slot == moved) access.slot = value.slot;
            found.add(access);
        }
        member.found = found;
        for (const Member& single : {Member{copy, both, 0}, member}) {
            ++round_;
            if (!fits(single, with_room_)) throw NoPlace{1};
            for (const Access& access : single.found) holders_[column_of(access)] = access.slot;
            loop_.add(single);
            close();
        }
        give_back(value.slot);
        waiting.erase(waiting.begin());
    }

    // A source of a member that lies in the column of another one of its values, or -1.
    int32_t meeting_source(const Member& member) const {
        const Value* target = member.item.result >= 0 ? &plan_.values[member.item.result] : nullptr;
        for (const Access* one = member.found.begin(); one != member.found.end(); ++one)
            for (const Access* other = member.found.begin(); other != one; ++other)
                if (column_of(*one) == column_of(*other))
                    return target && one->slot == target->slot ? other->slot : one->slot;
        return -1;
    }

    // A slot for a copy, in the column with the nearest free domains that none of the member's values is in.
    int32_t add_slot(const Member& member, int width) {
        std::tuple<int, int, int> best{INT_MAX, -1, -1};
        for (int column = 0; column < settings_.columns; ++column) {
            if (std::any_of(member.found.begin(), member.found.end(),
                            [&](const Access& access) { return column_of(access) == column; }))
                continue;
            for (const Column::Gap& gap : columns_[column].gaps())
                if (gap.size() >= width) {
                    const int domain = std::clamp(columns_[column].port, gap.begin, gap.end - width);
                    best = std::min(best, {std::abs(domain - columns_[column].port), column, domain});
                }
        }
        const auto [distance, column, domain] = best;
        if (column < 0) throw NoPlace{width};
        const auto slot = static_cast<int32_t>(plan_.slots.size());
        plan_.slots.push_back(static_cast<int16_t>(width));
        out_.places.push_back({column, domain});
        columns_[column].take(domain, width);
        look(column);
        loop_.add_slot();
        born_.push_back(1);
        kept_.push_back(0);
        return slot;
    }
};

}  // namespace placement
