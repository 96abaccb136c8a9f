// The bit loop that is being put together: its members, the columns that they hold, and the rules of sharing a sweep.
#pragma once

#include <array>
#include <tuple>

#include "columns.hpp"
#include "dependences.hpp"

namespace placement {

constexpr int most_start = 63;  // as the binary form has it

// Sweeps so far: steps in time, in which all columns shift together, and steps of all columns.
struct Shifts {
    int64_t steps = 0, column_steps = 0;
};

class Loop {
public:
    struct Use {
        int phase = no_phase, first = 0, reach = 0, beyond = 0;
        bool held = false;
    };

    struct Member {
        Statement item;
        int start;
    };

    Loop(std::size_t slots, int columns) : uses_(slots), holders_(columns, -1) {}

    bool holds(int32_t slot) const { return uses_[slot].held; }
    int32_t holder(int column) const { return holders_[column]; }
    const std::vector<Member>& members() const { return members_; }
    const std::vector<int32_t>& slots() const { return slots_; }
    int carries() const { return carries_; }

    void add_slot() { uses_.emplace_back(); }

    // The start of a statement on the loop's clock: a slot's offsets have the same step for all members. Empty if
    // there is none.
    // `lead` is how much later than the statement its sum's growth starts.
    std::optional<int> start_of(const Statement& item, const Accesses& found, int lead) const {
        std::optional<int> start;
        for (const Access& access : found) {
            const Use& use = uses_[access.slot];
            if (!use.held || use.phase == no_phase || access.phase == no_phase) continue;
            const int mine = use.phase - access.phase;
            if (start && *start != mine) return {};
            start = mine;
        }
        if (!start) start = item.sum >= 0 || (item.result >= 0 && !item.makes_flag()) ? item.offset : 0;
        const int span = std::max(latest_, *start + lead) - std::min(earliest_, *start);
        if (*start < -most_start || span > most_start) return {};
        return start;
    }

    // Whether a sign that is read beyond its value stays where it is.
    bool keeps_signs(const Accesses& found) const {
        for (const Access& access : found) {
            const Use& use = uses_[access.slot];
            if (!use.held) continue;
            if (use.beyond && (access.reach > use.beyond || (access.beyond && access.beyond != use.beyond))) return false;
            if (access.beyond && use.reach > access.beyond) return false;
        }
        return true;
    }

    void hold(const Access& access, int column, int start) {
        Use& use = uses_[access.slot];
        if (!use.held) {
            use = {no_phase, access.first, access.reach, access.beyond, true};
            slots_.push_back(access.slot);
            holders_[column] = access.slot;
        }
        if (access.phase != no_phase) use.phase = start + access.phase;
        use.first = std::min(use.first, access.first);
        use.reach = std::max(use.reach, access.reach);
        use.beyond = std::max(use.beyond, access.beyond);
    }

    void add(const Statement& item, int start) {
        members_.push_back({item, start});
        earliest_ = std::min(earliest_, start);
        latest_ = std::max(latest_, start);
        carries_ += item.carries();
    }

    // Sweeps the columns and lets go of them; adds what that takes to `shifts`.
    void sweep(std::vector<Column>& columns, const std::vector<Place>& places, Shifts& shifts) {
        std::array<int, 4 * (most_start + 1)> seeks{};
        for (const int32_t slot : slots_) {
            const Use& use = uses_[slot];
            const Place place = places[slot];
            const int seek = std::abs(columns[place.column].port - place.domain - use.first);
            const int begin = use.phase == no_phase ? 0 : use.phase + use.first - earliest_;
            shifts.column_steps += seek + use.reach - 1 - use.first;
            seeks[begin] = std::max(seeks[begin], seek);
            for (int step = 1; step < use.reach - use.first; ++step) seeks[begin + step] = std::max(seeks[begin + step], 1);
            columns[place.column].port = place.domain + use.reach - 1;
            holders_[place.column] = -1;
            uses_[slot] = {};
        }
        for (const int seek : seeks) shifts.steps += seek;
        members_.clear();
        slots_.clear();
        carries_ = 0;
        earliest_ = INT_MAX;
        latest_ = INT_MIN;
    }

    int earliest() const { return earliest_; }

private:
    std::vector<Use> uses_;          // by slot
    std::vector<int32_t> holders_;   // the slot of each column, or -1
    std::vector<Member> members_;
    std::vector<int32_t> slots_;
    int carries_ = 0, earliest_ = INT_MAX, latest_ = INT_MIN;
};

}  // namespace placement
