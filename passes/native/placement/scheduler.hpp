// Bit loops: which statements share a sweep of their columns, in which order, and where new values go.
//
// A loop grows from the oldest statement that is ready, always by the slot whose sweep serves the most statements for
// its length. Places are given as values are born, in columns that the loop doesn't use yet; so a loop takes only
// statements whose values lie in columns apart, and what was placed stays where it is.
#pragma once

#include <functional>
#include <queue>

#include "loops.hpp"

namespace placement {

enum class Fit { spread, tight, packed };

struct Settings {
    int columns = 256, domains = 64;
    bool bundles = true;
    int window = 128;  // statements by which the making of a value may overtake the oldest statement
    Fit fit = Fit::spread;
    // Where `spread` places a value: distance from the port, its domain, bits of the column in use.
    int seek_weight = 4, domain_weight = 2, crowd_weight = 8;
};

struct Scheduled {
    std::vector<Statement> code;   // in order, with values and widths settled
    std::vector<Place> carries;    // of each statement
    std::vector<Value> values;
    std::vector<Place> places;     // of each slot
    Shifts shifts;
    int64_t loops = 0;
};

// No place is left for a value of `width` bits.
struct NoPlace {
    int width;
};

class Scheduler {
public:
    Scheduler(const Statements& source, const Settings& settings)
        : all_(source), settings_(settings), graph_(source), done_(source.code.size(), 0),
          ready_of_(source.slots.size()), users_(source.slots.size()), unused_(source.slots.size(), 0),
          gain_(source.slots.size(), 0), key_(source.slots.size(), 0), places_(source.slots.size()),
          columns_(settings.columns, Column(settings.domains)), loop_(source.slots.size(), settings.columns),
          usable_(settings.columns) {
        for (std::size_t i = 0; i < all_.code.size(); ++i)
            for (const Access& access : accesses(all_, all_.code[i])) {
                users_[access.slot].push_back(static_cast<int32_t>(i));
                ++unused_[access.slot];
            }
    }

    Scheduled run() {
        const auto total = static_cast<int32_t>(all_.code.size());
        for (int32_t number = 0; number < total; ++number)
            if (graph_.waits[number] == 0) make_ready(number);
        while (true) {
            while (oldest_ < total && done_[oldest_]) ++oldest_;
            if (oldest_ == total) break;
            if (settings_.bundles) advance_window();
            if (!try_take(oldest_)) {
                part(oldest_);
            } else if (settings_.bundles) {
                grow();
            }
            close();
        }
        out_.values = std::move(all_.values);
        out_.places = std::move(places_);
        return std::move(out_);
    }

private:
    using Key = std::pair<int64_t, int32_t>;
    template <typename T>
    using Lowest = std::priority_queue<T, std::vector<T>, std::greater<T>>;

    static constexpr int term_window = 4096;  // sums take less room the sooner their terms are added

    Statements all_;
    Settings settings_;
    Dependences graph_;
    std::vector<uint8_t> done_;
    std::vector<std::vector<int32_t>> ready_of_, users_;  // statements of each slot: those that are ready, all
    std::vector<int32_t> unused_;                         // uses of each slot that are still to come
    std::vector<int32_t> gain_;                           // statements that the loop could take if it held a slot
    std::vector<int64_t> key_;
    std::vector<Place> places_;
    std::vector<Column> columns_;
    Loop loop_;
    int usable_;  // columns with room for a carry that the loop doesn't hold
    int32_t oldest_ = 0;
    std::vector<int32_t> near_, deferred_, served_;
    Lowest<int32_t> far_terms_, far_others_, free_;
    Lowest<Key> slots_;
    std::vector<std::tuple<int, int, int>> spare_;  // distance, column, domain
    std::vector<uint8_t> meeting_;  // of each column: 1 if a value in it is used with the one to be placed, 2 if now
    bool growing_ = false;
    Scheduled out_;

    bool is_near(int32_t number) const {
        return number < oldest_ + (all_.code[number].sum >= 0 ? std::max(term_window, settings_.window) : settings_.window);
    }

    void make_ready(int32_t number) {
        if (!settings_.bundles) return;  // the oldest statement is always ready
        for (const Access& access : accesses(all_, all_.code[number])) ready_of_[access.slot].push_back(number);
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

    // The slots that a statement needs besides those that the loop holds or that are yet to be placed; -1 for none,
    // -2 for several.
    int32_t lacking(int32_t number) const {
        int32_t lacks = -1;
        for (const Access& access : accesses(all_, all_.code[number]))
            if (!loop_.holds(access.slot) && places_[access.slot].column >= 0) lacks = lacks == -1 ? access.slot : -2;
        return lacks;
    }

    // Sorts a ready statement by what the loop lacks for it.
    void weigh(int32_t number) {
        const int32_t slot = lacking(number);
        if (slot == -1) free_.push(number);
        if (slot < 0 || loop_.holder(places_[slot].column) >= 0) return;
        if (gain_[slot]++ == 0) served_.push_back(slot);
        const int64_t seek = std::abs(columns_[places_[slot].column].port - places_[slot].domain);
        key_[slot] = 64 * (all_.slots[slot] + seek) / gain_[slot];
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
        const auto start = loop_.start_of(item, found, std::max(0, growth - item.offset));
        if (!start || !loop_.keeps_signs(found) || !has_columns(item, found, growth)) return false;
        for (const Access& access : found)
            if (places_[access.slot].column < 0 && !place(access.slot, found)) return false;
        take(number, found, *start);
        return true;
    }

    // Whether the columns of all values are apart, and enough columns are left for carries.
    bool has_columns(const Statement& item, const Accesses& found, int growth) const {
        int used = 0;
        for (const Access* access = found.begin(); access != found.end(); ++access) {
            if (loop_.holds(access->slot)) continue;
            const int column = places_[access->slot].column;
            if (column < 0) {
                ++used;
                continue;
            }
            if (loop_.holder(column) >= 0) return false;
            for (const Access* other = found.begin(); other != access; ++other)
                if (places_[other->slot].column == column) return false;
            used += columns_[column].room() > 0;
        }
        const bool extends = growth >= 0 && all_.values[all_.sums[item.sum].current].is_signed;
        return usable_ - used >= loop_.carries() + item.carries() + extends;
    }

    bool place(int32_t slot, const Accesses& others) {
        meeting_.assign(columns_.size(), 0);
        // Values that meet this one in an instruction sooner or later are best kept in other columns.
        for (const int32_t user : users_[slot])
            if (!done_[user])
                for (const Access& access : accesses(all_, all_.code[user]))
                    if (const int column = places_[access.slot].column; column >= 0) meeting_[column] = 1;
        for (const Access& other : others)
            if (const int column = places_[other.slot].column; column >= 0) meeting_[column] = 2;
        return place_in(slot, 0) || place_in(slot, 1);
    }

    bool place_in(int32_t slot, int most_meeting) {
        const int width = all_.slots[slot];
        std::tuple<int, int, int, int> best{INT_MAX, 0, -1, -1};
        for (int column = 0; column < settings_.columns; ++column) {
            const Column& it = columns_[column];
            if (loop_.holder(column) >= 0 || it.room() < width || meeting_[column] > most_meeting) continue;
            const int crowd = settings_.domains - it.room();
            for (const Column::Gap& gap : it.gaps()) {
                if (gap.size() < width) continue;
                // Values stay at the ends of a gap, so that what is left of it stays in one piece.
                for (const int domain : {gap.begin, gap.end - width})
                    best = std::min(best, {score(it, gap, domain, crowd), crowd, column, domain});
            }
            if (settings_.fit == Fit::packed && std::get<2>(best) >= 0) break;
        }
        const auto [cost, crowd, column, domain] = best;
        if (column < 0) return false;
        columns_[column].take(domain, width);
        usable_ -= columns_[column].room() == 0;
        places_[slot] = {column, domain};
        return true;
    }

    int score(const Column& column, const Column::Gap& gap, int domain, int crowd) const {
        switch (settings_.fit) {
            case Fit::packed:
                return domain;
            case Fit::tight:
                return gap.size();
            default:
                return settings_.seek_weight * std::abs(domain - column.port) + settings_.domain_weight * domain +
                       settings_.crowd_weight * crowd;
        }
    }

    void take(int32_t number, const Accesses& found, int start) {
        done_[number] = 1;
        if (all_.code[number].sum >= 0)
            add_term(all_.code[number], start);
        else
            loop_.add(all_.code[number], start);
        for (const Access& access : found) {
            const bool fresh = !loop_.holds(access.slot);
            const int column = places_[access.slot].column;
            loop_.hold(access, column, start);
            --unused_[access.slot];
            if (!fresh) continue;
            usable_ -= columns_[column].room() > 0;
            // What else uses it now costs less.
            auto& waiting = ready_of_[access.slot];
            std::erase_if(waiting, [&](int32_t other) { return done_[other] != 0; });
            if (growing_)
                for (const int32_t other : waiting)
                    if (is_near(other)) weigh(other);
        }
        for (const auto& [next, strict] : graph_.successors[number]) {
            if (strict)
                deferred_.push_back(next);
            else if (--graph_.waits[next] == 0)
                make_ready(next);
        }
    }

    void add_term(Statement item, int start) {
        Sum& sum = all_.sums[item.sum];
        const Value before = all_.values[sum.current];
        const int width = sum_width(all_, item);
        if (const int growth = growth_of(item); growth >= 0) {
            Statement extend;
            extend.op = before.is_signed ? Op::ext : Op::set;
            extend.segment = item.segment;
            extend.offset = static_cast<int16_t>(growth);
            extend.width = static_cast<int16_t>(width - growth);
            extend.old = sum.current;
            Value wider = before;
            wider.width = static_cast<int16_t>(width);
            extend.result = sum.current = all_.new_value(wider);
            loop_.add(extend, start - item.offset + growth);
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
        loop_.add(item, start);
    }

    // Columns that the loop leaves alone, by the distance from the port to a free domain: the first are for carries.
    void find_spare_columns() {
        spare_.clear();
        std::size_t at_port = 0;
        const std::size_t needed = loop_.carries();
        for (int column = 0; column < settings_.columns && at_port < needed; ++column)
            if (loop_.holder(column) < 0 && columns_[column].room() > 0) {
                const auto [distance, domain] = columns_[column].nearest();
                at_port += distance == 0;
                spare_.push_back({distance, column, domain});
            }
        std::sort(spare_.begin(), spare_.end());
    }

    // Gives carries their places, writes the loop out, and frees what nothing uses any more.
    void close() {
        find_spare_columns();
        std::size_t next = 0;
        const auto& members = loop_.members();
        for (std::size_t i = 0; i < members.size(); ++i) {
            Statement item = members[i].item;
            item.start = static_cast<int16_t>(settings_.bundles ? members[i].start - loop_.earliest() : 0);
            item.last = !settings_.bundles || i + 1 == members.size();
            Place carry{0, 0};
            if (item.carries()) {
                const auto [distance, column, domain] = spare_[next++];
                carry = {column, domain};
                columns_[column].port = domain;
                out_.shifts.column_steps += distance;
            } else if (item.op == Op::copy_if) {
                carry = places_[all_.values[item.b].slot];
            }
            out_.code.push_back(item);
            out_.carries.push_back(carry);
        }
        ++out_.loops;
        const std::vector<int32_t> held = loop_.slots();
        loop_.sweep(columns_, places_, out_.shifts);
        for (const int32_t slot : held) {
            Column& column = columns_[places_[slot].column];
            if (unused_[slot] == 0) column.give(places_[slot].domain, all_.slots[slot]);
            usable_ += column.room() > 0;
        }
        for (const int32_t number : deferred_)
            if (--graph_.waits[number] == 0) make_ready(number);
        deferred_.clear();
        slots_ = {};
    }

    // Two values of a statement lie in one column: a copy of a source parts them.
    void part(int32_t number) {
        Statement& item = all_.code[number];
        int32_t* source = meeting(item);
        if (!source) throw NoPlace{width_of(item)};
        Statement copy;
        copy.op = Op::copy;
        copy.segment = item.segment;
        copy.a = *source;
        Value value = all_.values[copy.a];
        copy.width = value.width;
        value.slot = all_.new_slot();
        copy.result = all_.new_value(value);
        const int32_t made = static_cast<int32_t>(all_.code.size());
        *source = copy.result;
        all_.code.push_back(copy);
        done_.push_back(0);
        graph_.successors.emplace_back();
        graph_.waits.push_back(0);
        users_.push_back({number});
        unused_.push_back(2);  // of the source's uses, the copy takes one over
        ready_of_.push_back({number});
        gain_.push_back(0);
        key_.push_back(0);
        places_.emplace_back();
        loop_.add_slot();
        if (!try_take(made)) throw NoPlace{value.width};
    }

    // A source of a statement that lies in the column of another value of it.
    int32_t* meeting(Statement& item) const {
        const int32_t target = item.sum >= 0 ? all_.sums[item.sum].slot : item.result >= 0 ? all_.values[item.result].slot : -1;
        const Accesses found = accesses(all_, item);
        for (const Access* one = found.begin(); one != found.end(); ++one)
            for (const Access* other = found.begin(); other != one; ++other) {
                const int column = places_[one->slot].column;
                if (column < 0 || column != places_[other->slot].column) continue;
                const int32_t moved = one->slot == target ? other->slot : one->slot;
                return const_cast<int32_t*>(item.a >= 0 && all_.values[item.a].slot == moved ? &item.a : &item.b);
            }
        return nullptr;
    }

    int width_of(const Statement& item) const {
        int width = 1;
        for (const Access& access : accesses(all_, item))
            if (places_[access.slot].column < 0) width = std::max<int>(width, all_.slots[access.slot]);
        return width;
    }
};

}  // namespace placement
