// Bit loops: which statements share a sweep of their columns, and in which order. Places come later (placer.hpp).
//
// A loop grows from the oldest statement that is ready, always by the slot whose sweep serves the most statements for
// its length, as far as an array has columns for its slots and carries.
#pragma once

#include <functional>
#include <queue>

#include "loops.hpp"

namespace placement {

constexpr int expected_seek = 5;   // steps before a sweep
constexpr int lookahead = 5;       // users of a slot, fewer than which are asked when it had best be swept
constexpr int term_window = 4096;  // sums take less room the sooner their terms are added
constexpr int most_fill = 92;      // percent of an array's bits that values of sharing loops take

class Scheduler {
public:
    Scheduler(const Statements& source, const Settings& settings)
        : all_(source), settings_(settings), graph_(source), done_(source.code.size(), 0),
          ready_of_(source.slots.size()), users_(source.slots.size()), unused_(source.slots.size(), 0),
          gain_(source.slots.size(), 0), key_(source.slots.size(), 0), born_(source.slots.size(), 0),
          loop_(source.slots.size()), most_live_(int64_t{settings.columns} * settings.domains * most_fill / 100) {
        for (std::size_t i = 0; i < all_.code.size(); ++i)
            for (const Access& access : accesses(all_, all_.code[i])) {
                ready_of_.count(access.slot);
                if (++unused_[access.slot] <= lookahead) users_.count(access.slot);
            }
        ready_of_.seal();
        users_.seal();
        std::vector<int32_t> asked(all_.slots.size(), 0);
        for (std::size_t i = 0; i < all_.code.size(); ++i)
            for (const Access& access : accesses(all_, all_.code[i]))
                if (++asked[access.slot] <= lookahead) users_.add(access.slot, static_cast<int32_t>(i));
    }

    Plan run() {
        const auto total = static_cast<int32_t>(all_.code.size());
        for (int32_t number = 0; number < total; ++number)
            if (graph_.waits[number] == 0) make_ready(number);
        while (true) {
            while (oldest_ < total && done_[oldest_]) ++oldest_;
            if (oldest_ == total) break;
            if (settings_.bundles) advance_window();
            take(oldest_);
            if (settings_.bundles) grow();
            close();
        }
        plan_.values = std::move(all_.values);
        plan_.slots = std::move(all_.slots);
        return std::move(plan_);
    }

private:
    using Key = std::pair<int64_t, int32_t>;
    template <typename T>
    using Lowest = std::priority_queue<T, std::vector<T>, std::greater<T>>;

    Statements all_;
    Settings settings_;
    Dependences graph_;
    std::vector<uint8_t> done_;
    Lists<int32_t> ready_of_;      // statements of each slot that are ready
    Lists<int32_t> users_;         // the first ones of each slot
    std::vector<int32_t> unused_;  // uses of each slot that are still to come
    std::vector<int32_t> gain_;    // statements that the loop could take if it held a slot
    std::vector<int64_t> key_;
    std::vector<uint8_t> born_;
    Loop loop_;
    int64_t most_live_, live_ = 0;  // bits of values
    int32_t oldest_ = 0;
    std::vector<int32_t> near_, deferred_, served_;
    Lowest<int32_t> far_terms_, far_others_, free_;
    Lowest<Key> slots_;
    bool growing_ = false;
    Plan plan_;

    bool is_near(int32_t number) const {
        return number <
               oldest_ + (all_.code[number].sum >= 0 ? std::max(term_window, settings_.window) : settings_.window);
    }

    void make_ready(int32_t number) {
        if (!settings_.bundles) return;  // the oldest statement is always ready
        for (const Access& access : accesses(all_, all_.code[number])) ready_of_.add(access.slot, number);
        if (is_near(number)) {
            near_.push_back(number);
            if (growing_) weigh(number);
        } else {
            (all_.code[number].sum >= 0 ? far_terms_ : far_others_).push(number);
        }
    }

    void advance_window() {
        std::erase_if(near_, [&](int32_t number) { return done_[number] != 0; });
        for (auto* far : {&far_terms_, &far_others_})
            while (!far->empty() && is_near(far->top())) {
                near_.push_back(far->top());
                far->pop();
            }
    }

    // The slots that a statement needs besides those that the loop holds or that are yet to be born; -1 for none,
    // -2 for several.
    int32_t lacking(int32_t number) const {
        int32_t lacks = -1;
        for (const Access& access : accesses(all_, all_.code[number]))
            if (!loop_.holds(access.slot) && born_[access.slot]) lacks = lacks == -1 ? access.slot : -2;
        return lacks;
    }

    // Sorts a ready statement by what the loop lacks for it.
    void weigh(int32_t number) {
        const int32_t slot = lacking(number);
        if (slot == -1) free_.push(number);
        if (slot < 0) return;
        if (gain_[slot]++ == 0) served_.push_back(slot);
        key_[slot] = 64 * (all_.slots[slot] + expected_seek) / gain_[slot];
        slots_.push({key_[slot], slot});
    }

    // Takes into the loop what costs least, until nothing more fits.
    void grow() {
        growing_ = true;
        for (std::size_t i = 0; i < near_.size(); ++i)
            if (!done_[near_[i]]) weigh(near_[i]);
        std::size_t seed = 0;
        while (true) {
            if (!free_.empty()) {
                const int32_t number = free_.top();
                free_.pop();
                if (!done_[number]) try_take(number);
            } else if (!slots_.empty()) {
                const auto [key, slot] = slots_.top();
                slots_.pop();
                if (!loop_.holds(slot) && key == key_[slot]) serve(slot);
            } else if (seed < near_.size()) {
                const int32_t number = near_[seed++];
                if (!done_[number]) try_take(number);
            } else {
                break;
            }
        }
        growing_ = false;
        for (const int32_t slot : served_) gain_[slot] = 0;
        served_.clear();
    }

    // Takes one of the statements that only lack this slot; the others follow for free.
    void serve(int32_t slot) {
        for (std::size_t i = 0; i < ready_of_[slot].size(); ++i) {
            const int32_t number = ready_of_[slot][i];
            if (!done_[number] && is_near(number) && lacking(number) == slot && try_take(number)) return;
        }
    }

    // How a sum is made valid on more bits before it takes a term: from which of its domains on, or -1.
    int growth_of(const Statement& item) const {
        if (item.sum < 0) return -1;
        const Value& before = all_.values[all_.sums[item.sum].current];
        if (sum_width(all_, item) <= before.width) return -1;
        return before.is_signed ? before.width - 1 : before.width;
    }

    bool try_take(int32_t number) {
        const Statement& item = all_.code[number];
        if (!loop_.members().empty() && loop_.members().front().item.segment != item.segment) return false;
        const Accesses found = accesses(all_, item);
        const int growth = growth_of(item);
        const Loop::Fixed fixed = loop_.fixed_start(found);
        if (!fixed.possible || !loop_.keeps_signs(found) || !has_room(item, found, growth)) return false;
        const int start = fixed.start ? *fixed.start : wanted_start(item, found);
        if (!loop_.reaches(start, std::max(0, growth - item.offset))) return false;
        take(number, found, start);
        return true;
    }

    static int default_start(const Statement& item) {
        return item.sum >= 0 || (item.result >= 0 && !item.makes_flag()) ? item.offset : 0;
    }

    // The start that lets a later statement, which also uses a slot that the loop holds, come into the loop.
    int wanted_start(const Statement& item, const Accesses& found) const {
        for (const Access& access : found) {
            if (access.phase == no_phase) continue;
            const std::span<const int32_t> users = users_[access.slot];
            if (users.size() == lookahead) continue;  // of many users, each may want another step
            for (std::size_t i = 0; i < users.size(); ++i) {
                if (done_[users[i]]) continue;
                const Accesses theirs = accesses(all_, all_.code[users[i]]);
                const Loop::Fixed fixed = loop_.fixed_start(theirs);
                if (!fixed.possible || !fixed.start) continue;
                for (const Access& other : theirs)
                    if (other.slot == access.slot && other.phase != no_phase)
                        return *fixed.start + other.phase - access.phase;
            }
        }
        return default_start(item);
    }

    // Whether there are columns left for its values and carries, and bits for those that are born.
    bool has_room(const Statement& item, const Accesses& found, int growth) const {
        std::size_t columns = loop_.slots().size() + loop_.carries() + item.carries();
        columns += growth >= 0 && all_.values[all_.sums[item.sum].current].is_signed;
        int64_t bits = 0;
        for (const Access& access : found) {
            columns += !loop_.holds(access.slot);
            if (!born_[access.slot]) bits += all_.slots[access.slot];
        }
        return columns <= static_cast<std::size_t>(settings_.columns) && (bits == 0 || live_ + bits <= most_live_);
    }

    // The first statement of a loop, whatever room there is.
    void take(int32_t number) {
        const Statement& item = all_.code[number];
        const Accesses found = accesses(all_, item);
        take(number, found, default_start(item));
    }

    void take(int32_t number, const Accesses& found, int start) {
        done_[number] = 1;
        std::array<int32_t, 3> fresh;
        std::size_t count = 0;
        for (const Access& access : found) {
            if (!loop_.holds(access.slot)) fresh[count++] = access.slot;
            if (!born_[access.slot]) live_ += all_.slots[access.slot];
            born_[access.slot] = 1;
            --unused_[access.slot];
        }
        if (all_.code[number].sum >= 0)
            add_term(all_.code[number], found, start);
        else
            loop_.add({all_.code[number], found, start});
        if (growing_)
            for (std::size_t i = 0; i < count; ++i) {
                // What else uses it now costs less.
                ready_of_.erase_if(fresh[i], [&](int32_t other) { return done_[other] != 0; });
                for (const int32_t other : ready_of_[fresh[i]])
                    if (is_near(other)) weigh(other);
            }
        for (const auto& [next, strict] : graph_.successors[number]) {
            if (strict)
                deferred_.push_back(next);
            else if (--graph_.waits[next] == 0)
                make_ready(next);
        }
    }

    void add_term(Statement item, const Accesses& found, int start) {
        Sum& sum = all_.sums[item.sum];
        const Value before = all_.values[sum.current];
        const int width = sum_width(all_, item);
        if (const int growth = growth_of(item); growth >= 0) {
            Statement extend;
            extend.op = before.is_signed ? ap::kExt : ap::kSet;
            extend.segment = item.segment;
            extend.offset = static_cast<int16_t>(growth);
            extend.width = static_cast<int16_t>(width - growth);
            extend.old = sum.current;
            Value wider = before;
            wider.width = static_cast<int16_t>(width);
            extend.result = sum.current = all_.new_value(wider);
            Accesses grown;
            grown.add({sum.slot, -growth, growth, width, 0});
            loop_.add({extend, grown, start - item.offset + growth});
        }
        sum.span = span_with(all_, item);
        item.width = static_cast<int16_t>(width - item.offset);
        item.old = sum.current;
        if (--sum.remaining == 0) {
            item.result = sum.final;
        } else {
            item.result = all_.new_value({sum.slot, static_cast<int16_t>(width), sum.span.is_signed(), sum.span});
        }
        sum.current = item.result;
        loop_.add({item, found, start});
    }

    void close() {
        if (settings_.bundles) {
            for (const int32_t slot : loop_.slots()) plan_.touches.push_back(loop_.touch_of(slot));
            plan_.members.insert(plan_.members.end(), loop_.members().begin(), loop_.members().end());
            plan_.end_loop();
        } else {
            for (const Member& member : loop_.members()) {
                plan_.members.push_back(member);
                for (const Access& access : member.found)
                    plan_.touches.push_back({access.slot, access.first, access.reach - 1});
                plan_.end_loop();
            }
        }
        for (const int32_t slot : loop_.slots())
            if (unused_[slot] == 0) live_ -= all_.slots[slot];
        loop_.clear();
        for (const int32_t number : deferred_)
            if (--graph_.waits[number] == 0) make_ready(number);
        deferred_.clear();
        slots_ = {};
    }
};

}  // namespace placement
