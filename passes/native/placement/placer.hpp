// A column and a domain for every slot, once it is known which bit loops sweep it.
//
// The way of a column's port is the sequence of its sweeps. A slot goes where its own sweeps make the ways of all ports
// least longer, now and in every later loop: where its domains are free from its first loop to its last one, and where
// no other slot of the column is swept by the same loop as far as possible.
#pragma once

#include <cstdlib>

#include "plan.hpp"

namespace placement {

// No place is left for a value of `width` bits.
struct NoPlace {
    int width;
};

class Placer {
public:
    Placer(const Plan& plan, const Settings& settings)
        : plan_(plan), settings_(settings), slots_(plan.slots.size()), columns_(settings.columns),
          places_(plan.slots.size()), meets_(settings.columns, -1) {
        for (std::size_t loop = 0, at = 0; loop < plan.loops(); ++loop)
            for (; at < plan.touch_ends[loop]; ++at) {
                const Touch& touch = plan.touches[at];
                Slot& slot = slots_[touch.slot];
                if (slot.sweeps.empty()) order_.push_back(touch.slot);
                slot.sweeps.push_back({static_cast<int32_t>(loop), touch.lo, touch.hi});
            }
        for (const Member& member : plan.members)
            for (const Access& one : member.found)
                for (const Access& other : member.found)
                    if (one.slot != other.slot) slots_[one.slot].partners.push_back(other.slot);
        for (Slot& slot : slots_) {
            std::sort(slot.partners.begin(), slot.partners.end());
            slot.partners.erase(std::unique(slot.partners.begin(), slot.partners.end()), slot.partners.end());
        }
    }

    std::vector<Place> run() {
        for (const int32_t slot : order_) put(slot);
        return std::move(places_);
    }

private:
    // Costs in eighths of a step: another slot swept by the same loop splits the loop, one of the same instruction
    // has to be copied.
    static constexpr int64_t conflict = 1000, meeting = int64_t{1} << 40;

    struct Sweep {
        int32_t loop;
        int first, last;  // domains
    };

    struct Slot {
        std::vector<Sweep> sweeps;      // domains from the slot's first one
        std::vector<int32_t> partners;  // slots that share an instruction with it

        int32_t birth() const { return sweeps.front().loop; }
        int32_t death() const { return sweeps.back().loop; }
    };

    struct Held {
        int begin, end;
        int32_t death;
    };

    struct Column {
        std::vector<Sweep> sweeps;  // by loop
        std::size_t passed = 0;     // of the sweeps, those before the birth of the slot at hand
        std::vector<Held> held;     // by first domain: slots that live still
        int32_t next_death = INT32_MAX;
        int crowd = 0;              // domains held

        // Lets go of what has died before a birth; births come in order.
        void advance(int32_t birth) {
            while (passed < sweeps.size() && sweeps[passed].loop < birth) ++passed;
            if (next_death >= birth) return;
            std::erase_if(held, [&](const Held& one) { return one.death < birth; });
            next_death = INT32_MAX;
            crowd = 0;
            for (const Held& one : held) count(one);
        }

        void count(const Held& one) {
            next_death = std::min(next_death, one.death);
            crowd += one.end - one.begin;
        }
    };

    // Sweeps of a slot between two of a column.
    struct Run {
        int from, to;  // where the port comes from, and goes to if it goes anywhere
        bool goes;
        int first, last;
    };

    struct Gap {
        int begin, end;
    };

    struct Best {
        int64_t cost = INT64_MAX;
        int column = -1, domain = -1;
    };

    const Plan& plan_;
    Settings settings_;
    std::vector<Slot> slots_;
    std::vector<Column> columns_;
    std::vector<Place> places_;
    std::vector<int32_t> order_;  // of births
    std::vector<int32_t> meets_;  // of each column, the last slot that has a partner there
    std::vector<Run> runs_;
    std::vector<Gap> gaps_;

    void put(int32_t number) {
        const Slot& slot = slots_[number];
        const int width = plan_.slots[number];
        for (const int32_t partner : slot.partners)
            if (const int column = places_[partner].column; column >= 0) meets_[column] = number;
        Best best;
        for (int column = 0; column < settings_.columns; ++column) {
            try_column(number, column, best);
            if (settings_.fit == Fit::packed && best.cost < meeting) break;
        }
        if (best.column < 0) throw NoPlace{width};
        places_[number] = {best.column, best.domain};
        Column& column = columns_[best.column];
        const Held held{best.domain, best.domain + width, slot.death()};
        const auto after = std::upper_bound(column.held.begin(), column.held.end(), held,
                                            [](const Held& a, const Held& b) { return a.begin < b.begin; });
        column.held.insert(after, held);
        column.count(held);
        add_sweeps(column, slot.sweeps, best.domain);
    }

    static bool earlier(const Sweep& a, const Sweep& b) { return a.loop < b.loop; }

    static void add_sweeps(Column& column, const std::vector<Sweep>& sweeps, int domain) {
        std::vector<Sweep>& all = column.sweeps;
        const auto count = static_cast<std::ptrdiff_t>(all.size());
        for (const Sweep& sweep : sweeps) all.push_back({sweep.loop, sweep.first + domain, sweep.last + domain});
        const auto passed = static_cast<std::ptrdiff_t>(column.passed);
        std::inplace_merge(all.begin() + passed, all.begin() + count, all.end(), earlier);
    }

    void try_column(int32_t number, int index, Best& best) {
        const Slot& slot = slots_[number];
        Column& column = columns_[index];
        column.advance(slot.birth());
        const int width = plan_.slots[number];
        int64_t fixed = int64_t{settings_.crowd_weight} * column.crowd + (meets_[index] == number ? meeting : 0);
        if (fixed >= best.cost) return;
        find_gaps(column, width);
        if (gaps_.empty()) return;
        fixed += find_runs(slot, column, best.cost - fixed);
        if (fixed >= best.cost) return;
        for (const Gap& gap : gaps_)
            // Values stay at the ends of a gap, so that what is left of it stays in one piece.
            for (const int domain : {gap.begin, gap.end - width}) {
                const int64_t cost = fixed + fit(gap, domain) + settings_.seek_weight * detour(domain);
                if (cost < best.cost) best = {cost, index, domain};
            }
    }

    int64_t fit(const Gap& gap, int domain) const {
        switch (settings_.fit) {
            case Fit::packed:
                return domain;
            case Fit::tight:
                return int64_t{1} << 10 | (gap.end - gap.begin) << 10;
            default:
                return 0;
        }
    }

    // Free domains, as far as the slot fits.
    void find_gaps(const Column& column, int width) {
        gaps_.clear();
        int reached = 0;
        for (const Held& held : column.held) {
            if (held.begin - reached >= width) gaps_.push_back({reached, held.begin});
            reached = held.end;
        }
        if (settings_.domains - reached >= width) gaps_.push_back({reached, settings_.domains});
    }

    // Sorts the slot's sweeps into the column's; returns the part of the cost that doesn't depend on the domain, or less
    // of it that reaches the limit.
    int64_t find_runs(const Slot& slot, const Column& column, int64_t limit) {
        runs_.clear();
        int64_t within = 0, conflicts = 0;
        const auto begin = column.sweeps.begin(), end = column.sweeps.end();
        auto next = begin + static_cast<std::ptrdiff_t>(column.passed);
        bool fresh = true;
        for (const Sweep& sweep : slot.sweeps) {
            for (; next != end && next->loop < sweep.loop; ++next) fresh = true;
            if (next != end && next->loop == sweep.loop && conflict * ++conflicts >= limit) return limit;
            if (fresh)
                runs_.push_back({next == begin ? 0 : (next - 1)->last, next == end ? 0 : next->first, next != end, sweep.first, sweep.last});
            else
                within += std::abs(runs_.back().last - sweep.first);
            runs_.back().last = sweep.last;
            fresh = false;
        }
        return settings_.seek_weight * within + conflict * conflicts;
    }

    // How much longer the way of the column's port gets with the slot at a domain.
    int64_t detour(int domain) const {
        int64_t longer = 0;
        for (const Run& run : runs_) {
            longer += std::abs(run.from - domain - run.first);
            if (run.goes) longer += std::abs(run.to - domain - run.last) - std::abs(run.from - run.to);
        }
        return longer;
    }
};

}  // namespace placement
