// The bit loop that is being put together: its members, the slots that they sweep, and the rules of sharing a sweep.
#pragma once

#include "plan.hpp"

namespace placement {

constexpr int most_start = 63;  // as the binary form has it

class Loop {
public:
    explicit Loop(std::size_t slots) : uses_(slots) {}

    void add_slot() { uses_.emplace_back(); }
    bool holds(int32_t slot) const { return uses_[slot].held; }
    const std::vector<Member>& members() const { return members_; }
    const std::vector<int32_t>& slots() const { return slots_; }
    int carries() const { return carries_; }

    // What the slots that the loop holds say about the start of a statement on its clock, as a slot's offsets have the
    // same step for all members: nothing, or when, or that there is none.
    struct Fixed {
        bool possible = true;
        std::optional<int> start;
    };

    Fixed fixed_start(const Accesses& found) const {
        Fixed fixed;
        for (const Access& access : found) {
            const Use& use = uses_[access.slot];
            if (!use.held || use.phase == no_phase || access.phase == no_phase) continue;
            const int mine = use.phase - access.phase;
            fixed.possible &= !fixed.start || *fixed.start == mine;
            fixed.start = mine;
        }
        return fixed;
    }

    // Whether a statement may start then; `lead` is how much later than the statement its sum's growth starts.
    bool reaches(int start, int lead) const {
        return start >= -most_start && std::max(latest_, start + lead) - std::min(earliest_, start) <= most_start;
    }

    // Whether a sign that is read beyond its value stays where it is.
    bool keeps_signs(const Accesses& found) const {
        for (const Access& access : found) {
            const Use& use = uses_[access.slot];
            if (!use.held) continue;
            if (use.beyond && (access.reach > use.beyond || (access.beyond && access.beyond != use.beyond)))
                return false;
            if (access.beyond && use.reach > access.beyond) return false;
        }
        return true;
    }

    void add(const Member& member) {
        members_.push_back(member);
        earliest_ = std::min(earliest_, member.start);
        latest_ = std::max(latest_, member.start);
        carries_ += member.item.carries();
        for (const Access& access : member.found) hold(access, member.start);
    }

    // How a slot is swept, from its first domain on.
    Touch touch_of(int32_t slot) const { return {slot, uses_[slot].first, uses_[slot].reach - 1}; }

    int step_of(int32_t slot) const {
        const Use& use = uses_[slot];
        return use.phase == no_phase ? 0 : use.phase + use.first - earliest_;
    }

    int earliest() const { return earliest_; }

    void clear() {
        for (const int32_t slot : slots_) uses_[slot] = {};
        members_.clear();
        slots_.clear();
        carries_ = 0;
        earliest_ = INT_MAX;
        latest_ = INT_MIN;
    }

private:
    struct Use {
        int phase = no_phase, first = 0, reach = 0, beyond = 0;
        bool held = false;
    };

    std::vector<Use> uses_;  // by slot
    std::vector<Member> members_;
    std::vector<int32_t> slots_;
    int carries_ = 0, earliest_ = INT_MAX, latest_ = INT_MIN;

    void hold(const Access& access, int start) {
        Use& use = uses_[access.slot];
        if (!use.held) {
            use = {no_phase, access.first, access.reach, access.beyond, true};
            slots_.push_back(access.slot);
        }
        if (access.phase != no_phase) use.phase = start + access.phase;
        use.first = std::min(use.first, access.first);
        use.reach = std::max(use.reach, access.reach);
        use.beyond = std::max(use.beyond, access.beyond);
    }
};

}  // namespace placement
