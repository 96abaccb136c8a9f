// A column and a domain for every slot, once it is known which bit loops sweep it.
//
// The way of a column's port is the sequence of its sweeps. A slot goes where its own sweeps make the ways of all ports
// least longer, now and in every later loop: where its domains are free from its first loop to its last one, and where
// no other slot of the column is swept by the same loop as far as possible.
#pragma once

#include <cstdlib>

#include "lists.hpp"
#include "plan.hpp"

namespace placement {

// No place is left for a value of `width` bits.
struct NoPlace {
    int width;
};

class Placer {
public:
    Placer(const Plan& plan, const Settings& settings)
        : plan_(plan), settings_(settings), sweeps_(plan.slots.size()), partners_(plan.slots.size()),
          words_(settings.bundles ? (static_cast<std::size_t>(settings.columns) + 63) / 64 : 0),
          swept_(words_ * plan.loops()), blocked_((static_cast<std::size_t>(settings.columns) + 63) / 64),
          columns_(settings.columns), fronts_(settings.columns), places_(plan.slots.size()),
          meets_(settings.columns, -1) {
        for (Column& column : columns_) column.gaps.push_back({0, settings.domains});
        each_sweep([&](int32_t slot, const Sweep&) {
            if (sweeps_.count(slot) == 1) order_.push_back(slot);
        });
        sweeps_.seal();
        each_sweep([&](int32_t slot, const Sweep& sweep) { sweeps_.add(slot, sweep); });
        each_pair([&](int32_t slot, int32_t) { partners_.count(slot); });
        partners_.seal();
        each_pair([&](int32_t slot, int32_t partner) { partners_.add(slot, partner); });
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

    // The slot at hand.
    struct Slot {
        int32_t number;
        int width;
        std::span<const Sweep> sweeps;  // domains from the slot's first one
        int64_t within;                 // steps between one sweep and the next

        int32_t birth() const { return sweeps.front().loop; }
        int32_t death() const { return sweeps.back().loop; }
    };

    struct Held {
        int begin, end;
        int32_t death;
    };

    struct Gap {
        int begin, end;
    };

    struct Column {
        std::vector<Sweep> sweeps;  // by loop
        std::size_t passed = 0;     // of the sweeps, those before the birth of the slot at hand
        std::vector<Held> held;     // by first domain: slots that live still
        std::vector<Gap> gaps;      // between them
    };

    // What a column is judged by at first: much less than its lists, as all columns are looked at for every slot.
    struct Front {
        int32_t change = INT32_MAX;  // the loop after which something of this differs
        int32_t next = INT32_MAX;    // the loop of the next sweep
        int from = 0, to = 0;        // where the port stands, and the first domain of the next sweep
        int crowd = 0;               // domains held
    };

    // Sweeps of a slot between two of a column.
    struct Run {
        int from, to;  // where the port comes from, and goes to if it goes anywhere
        bool goes;
        int first, last;

        // How much longer the way of the column's port gets with the slot at a domain.
        int64_t detour(int domain) const {
            const int there = std::abs(from - domain - first);
            return goes ? there + std::abs(to - domain - last) - std::abs(from - to) : there;
        }

        // The same at the best of all domains.
        int64_t least() const { return goes ? std::abs((from - first) - (to - last)) - std::abs(from - to) : 0; }
    };

    struct Best {
        int64_t cost = INT64_MAX;
        int column = -1, domain = -1;
    };

    const Plan& plan_;
    Settings settings_;
    Lists<Sweep> sweeps_;            // of each slot
    Lists<int32_t> partners_;        // of each slot, those that share an instruction with it
    std::size_t words_;              // of a bit for each column; none where an instruction is a loop
    std::vector<uint64_t> swept_;    // of each loop, a bit for each column that it sweeps
    std::vector<uint64_t> blocked_;  // columns that a loop of the slot at hand sweeps
    std::vector<Column> columns_;
    std::vector<Front> fronts_;
    std::vector<Place> places_;
    std::vector<int32_t> order_;  // of births
    std::vector<int32_t> meets_;  // of each column, the last slot that has a partner there
    std::vector<Run> runs_;

    template <typename Use>
    void each_sweep(Use use) const {
        for (std::size_t loop = 0, at = 0; loop < plan_.loops(); ++loop)
            for (; at < plan_.touch_ends[loop]; ++at) {
                const Touch& touch = plan_.touches[at];
                use(touch.slot, Sweep{static_cast<int32_t>(loop), touch.lo, touch.hi});
            }
    }

    template <typename Use>
    void each_pair(Use use) const {
        for (const Member& member : plan_.members)
            for (const Access& one : member.found)
                for (const Access& other : member.found)
                    if (one.slot != other.slot) use(one.slot, other.slot);
    }

    void put(int32_t number) {
        const Slot slot{number, plan_.slots[number], sweeps_[number], within(sweeps_[number])};
        for (const int32_t partner : partners_[number])
            if (const int column = places_[partner].column; column >= 0) meets_[column] = number;
        find_blocked(slot);
        Best best;
        const int64_t crowd_weight = settings_.crowd_weight, stop = settings_.fit == Fit::packed ? meeting : INT64_MIN;
        const int columns = settings_.columns;
        const int32_t birth = slot.birth();
        for (int column = 0; column < columns && best.cost >= stop; ++column) {
            const Front& front = fronts_[column];
            if (front.change < birth) advance(column, birth);
            const int64_t fixed = crowd_weight * front.crowd + (meets_[column] == number ? meeting : 0);
            if (fixed < best.cost && (!is_blocked(column) || conflict < best.cost - fixed))
                try_column(slot, column, fixed, best);
        }
        if (best.column < 0) throw NoPlace{slot.width};
        places_[number] = {best.column, best.domain};
        hold(slot, best.column, best.domain);
    }

    static int64_t within(std::span<const Sweep> sweeps) {
        int64_t steps = 0;
        for (std::size_t i = 1; i < sweeps.size(); ++i) steps += std::abs(sweeps[i - 1].last - sweeps[i].first);
        return steps;
    }

    void find_blocked(const Slot& slot) {
        std::fill(blocked_.begin(), blocked_.end(), 0);
        for (const Sweep& sweep : slot.sweeps)
            for (std::size_t word = 0; word < words_; ++word)
                blocked_[word] |= swept_[words_ * static_cast<std::size_t>(sweep.loop) + word];
    }

    bool is_blocked(int column) const { return blocked_[static_cast<std::size_t>(column) / 64] >> (column % 64) & 1; }

    void hold(const Slot& slot, int index, int domain) {
        Column& column = columns_[index];
        const Held held{domain, domain + slot.width, slot.death()};
        const auto after = std::upper_bound(column.held.begin(), column.held.end(), held,
                                            [](const Held& a, const Held& b) { return a.begin < b.begin; });
        column.held.insert(after, held);
        // From the last sweep on, each goes behind those of the column that aren't later.
        std::vector<Sweep>& all = column.sweeps;
        std::size_t from = all.size();
        all.resize(all.size() + slot.sweeps.size());
        auto to = all.end();
        for (auto sweep = slot.sweeps.rbegin(); sweep != slot.sweeps.rend(); ++sweep) {
            while (from > 0 && all[from - 1].loop > sweep->loop) *--to = all[--from];
            *--to = {sweep->loop, sweep->first + domain, sweep->last + domain};
            if (words_ > 0)
                swept_[words_ * static_cast<std::size_t>(sweep->loop) + static_cast<std::size_t>(index) / 64] |=
                    uint64_t{1} << (index % 64);
        }
        look(index);
    }

    // Lets go of what has died before a birth; births come in order.
    void advance(int index, int32_t birth) {
        Column& column = columns_[index];
        while (column.passed < column.sweeps.size() && column.sweeps[column.passed].loop < birth) ++column.passed;
        std::erase_if(column.held, [&](const Held& one) { return one.death < birth; });
        look(index);
    }

    void look(int index) {
        Column& column = columns_[index];
        Front& front = fronts_[index] = {};
        if (column.passed > 0) front.from = column.sweeps[column.passed - 1].last;
        if (column.passed < column.sweeps.size()) {
            front.next = front.change = column.sweeps[column.passed].loop;
            front.to = column.sweeps[column.passed].first;
        }
        column.gaps.clear();
        int reached = 0;
        for (const Held& held : column.held) {
            front.change = std::min(front.change, held.death);
            front.crowd += held.end - held.begin;
            if (held.begin > reached) column.gaps.push_back({reached, held.begin});
            reached = held.end;
        }
        if (settings_.domains > reached) column.gaps.push_back({reached, settings_.domains});
    }

    // A column that costs this at least.
    void try_column(const Slot& slot, int index, int64_t fixed, Best& best) {
        const Front& front = fronts_[index];
        if (front.next > slot.death()) {
            fixed += settings_.seek_weight * slot.within;
            if (fixed >= best.cost) return;
            const Run run{front.from, front.to, front.next != INT32_MAX, slot.sweeps.front().first,
                          slot.sweeps.back().last};
            if (fixed + settings_.seek_weight * run.least() >= best.cost) return;
            try_gaps(slot, index, fixed, best, [&](int domain) { return run.detour(domain); });
        } else {
            fixed += find_runs(slot, columns_[index], best.cost - fixed);
            if (fixed >= best.cost) return;
            try_gaps(slot, index, fixed, best, [&](int domain) {
                int64_t longer = 0;
                for (const Run& run : runs_) longer += run.detour(domain);
                return longer;
            });
        }
    }

    template <typename Detour>
    void try_gaps(const Slot& slot, int index, int64_t fixed, Best& best, Detour detour) const {
        const bool any_fit = settings_.fit == Fit::spread;
        const int64_t seek_weight = settings_.seek_weight;
        for (const Gap& gap : columns_[index].gaps) {
            if (gap.end - gap.begin < slot.width) continue;
            const auto try_domain = [&](int domain) {
                const int64_t cost = fixed + (any_fit ? 0 : fit(gap, domain)) + seek_weight * detour(domain);
                if (cost < best.cost) best = {cost, index, domain};
            };
            // Values stay at the ends of a gap, so that what is left of it stays in one piece.
            try_domain(gap.begin);
            if (gap.end - gap.begin > slot.width) try_domain(gap.end - slot.width);
        }
    }

    int64_t fit(const Gap& gap, int domain) const {
        switch (settings_.fit) {
        case Fit::packed: return domain;
        case Fit::tight: return int64_t{1} << 10 | (gap.end - gap.begin) << 10;
        default: return 0;
        }
    }

    // Sorts the slot's sweeps into the column's; returns the part of the cost that doesn't depend on the domain, or
    // less of it that reaches the limit.
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
                runs_.push_back({next == begin ? 0 : (next - 1)->last, next == end ? 0 : next->first, next != end,
                                 sweep.first, sweep.last});
            else
                within += std::abs(runs_.back().last - sweep.first);
            runs_.back().last = sweep.last;
            fresh = false;
        }
        return settings_.seek_weight * within + conflict * conflicts;
    }
};

}  // namespace placement
