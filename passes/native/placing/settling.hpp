// Members of bit loops move to other loops that sweep their slots anyway, so that fewer sweeps are left.
//
// The scheduler decides in one go from the oldest statement on, and takes what is ready. Here the whole plan is known:
// an input goes to the loop of its first reader, a sum's last term to the loop of its reader, and so on, within what
// the data flow, the steps of the slots and the columns of an array allow.
#pragma once

#include "loops.hpp"

namespace placement {

class Settling {
public:
    Settling(const Plan& plan, const Settings& settings)
        : plan_(plan), columns_(static_cast<std::size_t>(settings.columns)), before_(plan.members.size()),
          after_(plan.members.size()), loop_of_(plan.members.size()), users_(plan.slots.size()), loops_(plan.loops()) {
        for (const Member& member : plan_.members)
            for (const Access& access : member.found) users_.count(access.slot);
        users_.seal();
        std::size_t at = 0;
        for (std::size_t loop = 0; loop < plan.loops(); ++loop)
            for (; at < plan.member_ends[loop]; ++at) {
                const Member& member = plan_.members[at];
                loop_of_[at] = static_cast<int32_t>(loop);
                loops_[loop].members.push_back(static_cast<int32_t>(at));
                loops_[loop].carries += member.item.carries();
                loops_[loop].segment = member.item.segment;
                loops_[loop].reach(member.start);
                for (const Access& access : member.found) {
                    const std::span<const User> users = users_[access.slot];
                    loops_[loop].slots += users.empty() || users.back().loop != loop_of_[at];
                    users_.add(access.slot, {loop_of_[at], static_cast<int32_t>(at), access, member.start});
                }
            }
        find_links();
    }

    Plan run() {
        for (int pass = 0; pass < most_passes; ++pass) {
            bool moved = false;
            for (std::size_t i = 0; i < plan_.members.size(); ++i) moved |= improve(static_cast<int32_t>(i));
            if (!moved) break;
        }
        return result();
    }

private:
    static constexpr int most_passes = 4;
    static constexpr int touch_cost = 2;  // of a sweep besides its way there and back

    struct Link {
        int32_t other;
        bool strict;  // not in the same loop
    };

    struct LoopState {
        std::vector<int32_t> members;
        std::size_t slots = 0, carries = 0;
        int32_t segment = 0;
        int earliest = INT_MAX, latest = INT_MIN;  // starts of all that have been members

        void reach(int start) {
            earliest = std::min(earliest, start);
            latest = std::max(latest, start);
        }
    };

    // How a member of a loop uses a slot.
    struct User {
        int32_t loop, number;
        Access access;
        int start;

        static bool earlier(const User& user, int32_t loop) { return user.loop < loop; }
    };

    // How a loop sweeps a slot.
    struct Sweep {
        int count = 0, first = INT_MAX, reach = 0, phase = no_phase, beyond = 0;

        int cost() const { return count == 0 ? 0 : 2 * (reach - 1 - first) + touch_cost; }

        void add(const Access& access, int start) {
            ++count;
            first = std::min(first, access.first);
            reach = std::max(reach, access.reach);
            beyond = std::max(beyond, access.beyond);
            if (access.phase != no_phase) phase = start + access.phase;
        }
    };

    Plan plan_;
    std::size_t columns_;
    Lists<Link> before_, after_;  // of each member
    std::vector<int32_t> loop_of_;
    Lists<User> users_;  // of each slot, by loop
    std::vector<LoopState> loops_;
    std::vector<int32_t> targets_;

    // A sign that is read beyond its value is read after its own step.
    bool reads_beyond(const Member& member, int32_t value) const {
        for (const Access& access : member.found)
            if (access.slot == plan_.values[value].slot && access.beyond) return true;
        return false;
    }

    void find_links() {
        Lists<int32_t> readers(plan_.values.size());
        for (const Member& member : plan_.members)
            for (const int32_t value : {member.item.a, member.item.b})
                if (value >= 0) readers.count(value);
        readers.seal();
        each_link(readers, [&](int32_t before, int32_t after, bool) {
            after_.count(before);
            before_.count(after);
        });
        before_.seal();
        after_.seal();
        each_link(readers, [&](int32_t before, int32_t after, bool strict) {
            after_.add(before, {after, strict});
            before_.add(after, {before, strict});
        });
    }

    template <typename Use>
    void each_link(Lists<int32_t>& readers, Use use) const {
        readers.clear();
        std::vector<int32_t> maker(plan_.values.size(), -1);
        const auto link = [&](int32_t before, int32_t after, bool strict) {
            if (before >= 0 && before != after) use(before, after, strict);
        };
        for (std::size_t i = 0; i < plan_.members.size(); ++i) {
            const auto number = static_cast<int32_t>(i);
            const Statement& item = plan_.members[i].item;
            for (const int32_t value : {item.a, item.b, item.old}) {
                if (value < 0) continue;
                const int32_t made = maker[value];
                link(made, number, made >= 0 && plan_.members[made].item.makes_flag());
                if (value != item.old) readers.add(value, number);
            }
            if (item.old >= 0)
                for (const int32_t reader : readers[item.old])
                    link(reader, number, reads_beyond(plan_.members[reader], item.old));
            if (item.result >= 0) maker[item.result] = number;
        }
    }

    Sweep sweep_of(int32_t slot, int32_t loop, int32_t without) const {
        Sweep found;
        const std::span<const User> users = users_[slot];
        for (auto at = std::lower_bound(users.begin(), users.end(), loop, User::earlier);
             at != users.end() && at->loop == loop; ++at)
            if (at->number != without) found.add(at->access, at->start);
        return found;
    }

    // The loops that a member may be in: from the first to the last one.
    std::pair<int32_t, int32_t> window(int32_t number) const {
        int32_t first = 0, last = static_cast<int32_t>(loops_.size()) - 1;
        for (const Link& link : before_[number]) first = std::max(first, loop_of_[link.other] + link.strict);
        for (const Link& link : after_[number]) last = std::min(last, loop_of_[link.other] - link.strict);
        return {first, last};
    }

    bool improve(int32_t number) {
        const Member& member = plan_.members[number];
        const int32_t here = loop_of_[number];
        int saved = 0;
        for (const Access& access : member.found) {
            Sweep rest = sweep_of(access.slot, here, number);
            const int before = rest.cost();
            rest.add(access, member.start);
            saved += rest.cost() - before;
        }
        if (saved == 0) return false;
        const auto [first, last] = window(number);
        if (first == last) return false;
        targets_.clear();
        for (const Access& access : member.found)
            for (const User& user : users_[access.slot])
                if (user.loop != here && user.loop >= first && user.loop <= last &&
                    loops_[user.loop].segment == member.item.segment)
                    targets_.push_back(user.loop);
        std::sort(targets_.begin(), targets_.end());
        targets_.erase(std::unique(targets_.begin(), targets_.end()), targets_.end());
        int32_t best = -1;
        int best_start = 0;
        for (const int32_t loop : targets_) {
            const auto [cost, start] = cost_in(member, loop);
            if (cost < saved) {
                saved = cost;
                best = loop;
                best_start = start;
            }
        }
        if (best < 0) return false;
        move(number, best, best_start);
        return true;
    }

    // What the member adds to the sweeps of a loop, and its start there.
    std::pair<int, int> cost_in(const Member& member, int32_t loop) const {
        constexpr std::pair<int, int> impossible{INT_MAX, 0};
        std::size_t fresh = 0;
        int cost = 0, start = no_phase;
        for (const Access& access : member.found) {
            Sweep sweep = sweep_of(access.slot, loop, -1);
            const int before = sweep.cost();
            fresh += sweep.count == 0;
            if (sweep.count > 0) {
                if (sweep.beyond && (access.reach > sweep.beyond || (access.beyond && access.beyond != sweep.beyond)))
                    return impossible;
                if (access.beyond && sweep.reach > access.beyond) return impossible;
                if (sweep.phase != no_phase && access.phase != no_phase) {
                    const int mine = sweep.phase - access.phase;
                    if (start != no_phase && start != mine) return impossible;
                    start = mine;
                }
            }
            sweep.add(access, 0);
            cost += sweep.cost() - before;
        }
        if (start == no_phase) start = member.start;
        const LoopState& state = loops_[loop];
        if (state.slots + fresh + state.carries + member.item.carries() > columns_) return impossible;
        if (std::max(state.latest, start) - std::min(state.earliest, start) > most_start) return impossible;
        return {cost, start};
    }

    void move(int32_t number, int32_t loop, int start) {
        Member& member = plan_.members[number];
        const int32_t here = loop_of_[number];
        for (const Access& access : member.found) {
            loops_[here].slots -= sweep_of(access.slot, here, number).count == 0;
            loops_[loop].slots += sweep_of(access.slot, loop, -1).count == 0;
            users_.erase_if(access.slot, [&](const User& user) { return user.number == number; });
        }
        std::erase(loops_[here].members, number);
        loops_[here].carries -= member.item.carries();
        loops_[loop].carries += member.item.carries();
        loop_of_[number] = loop;
        loops_[loop].reach(start);
        member.start = start;
        // What it waits for lies in earlier loops or, if it comes from a later one, in this loop.
        auto& members = loops_[loop].members;
        members.insert(loop < here ? members.end() : members.begin(), number);
        for (const Access& access : member.found) {
            const std::span<const User> users = users_[access.slot];
            const auto at = std::lower_bound(users.begin(), users.end(), loop + 1, User::earlier);
            users_.insert(access.slot, static_cast<std::size_t>(at - users.begin()), {loop, number, access, start});
        }
    }

    Plan result() {
        Plan out;
        Loop loop(plan_.slots.size());
        for (const LoopState& state : loops_) {
            if (state.members.empty()) continue;
            for (const int32_t number : state.members) {
                loop.add(plan_.members[number]);
                out.members.push_back(plan_.members[number]);
            }
            for (const int32_t slot : loop.slots()) out.touches.push_back(loop.touch_of(slot));
            out.end_loop();
            loop.clear();
        }
        out.values = std::move(plan_.values);
        out.slots = std::move(plan_.slots);
        return out;
    }
};

}  // namespace placement
