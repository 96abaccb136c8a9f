// What a statement touches in its columns, and which statements wait for which.
#pragma once

#include <array>
#include <climits>
#include <optional>
#include <utility>

#include "lists.hpp"
#include "statements.hpp"

namespace placement {

constexpr int no_phase = INT_MIN;

// How a statement uses a slot: offsets [first, reach), the one at `offset` at step start + phase + offset of the loop.
struct Access {
    int32_t slot = -1;
    int phase = no_phase;  // none for a flag, which is used at every step
    int first = 0, reach = 1;
    int beyond = 0;  // width of a value whose sign is read beyond it, else 0
};

class Accesses {
public:
    void add(const Access& access) {
        if (access.reach > access.first) items_[count_++] = access;
    }
    const Access* begin() const { return items_.data(); }
    const Access* end() const { return items_.data() + count_; }

private:
    std::array<Access, 3> items_;
    int count_ = 0;
};

// The range of a sum when it has taken a term.
inline Interval span_with(const Statements& all, const Statement& item) {
    const Interval term = item.a < 0 ? Interval{} : all.values[item.a].span.moved(item.a_shift) << item.offset;
    return all.sums[item.sum].span + (item.op == ap::kAddIp ? term : -term);
}

// The width of a sum when it has taken a term. Bits beyond the slot's width may be cut: the last value fits it.
inline int sum_width(const Statements& all, const Statement& item) {
    const Sum& sum = all.sums[item.sum];
    if (sum.remaining == 1) return std::max<int>(all.values[sum.final].width, item.offset + 1);
    const int most = all.slots[sum.slot];
    return all.full ? most : std::clamp(span_with(all, item).width(), item.offset + 1, most);
}

inline Accesses accesses(const Statements& all, const Statement& item) {
    Accesses found;
    int width = item.width;
    if (item.sum >= 0) {
        width = sum_width(all, item) - item.offset;
        found.add({all.sums[item.sum].slot, -item.offset, item.offset, item.offset + width, 0});
    } else if (item.result >= 0) {
        const int32_t slot = all.values[item.result].slot;
        found.add(item.makes_flag() ? Access{slot} : Access{slot, -item.offset, item.offset, item.offset + width, 0});
    }
    const auto source = [&](int32_t number, int shift, bool swept) {
        const Value& value = all.values[number];
        if (!swept) return found.add({value.slot});
        const bool beyond = value.is_signed && width - shift > value.width;
        found.add({value.slot, shift, std::max(0, -shift), std::min<int>(value.width, width - shift),
                   beyond ? value.width : 0});
    };
    if (item.a >= 0) source(item.a, item.a_shift, item.sweeps_a());
    if (item.b >= 0 && item.b != item.a) source(item.b, item.b_shift, item.sweeps_b());
    return found;
}

// The order that the values force upon the statements; terms of a sum have none among themselves.
class Dependences {
public:
    struct Successor {
        int32_t number;
        bool strict;  // not in the same bit loop
    };

    explicit Dependences(const Statements& all)
        : successors(all.code.size()), waits(all.code.size(), 0), maker_(all.values.size()),
          readers_(all.values.size()), terms_(all.sums.size()), sum_of_(all.values.size(), -1) {
        for (std::size_t i = 0; i < all.sums.size(); ++i) sum_of_[all.sums[i].final] = static_cast<int32_t>(i);
        for (const Statement& item : all.code) {
            for (const int32_t source : {item.a, item.b})
                if (source >= 0) readers_.count(source);
            if (item.sum >= 0) terms_.count(item.sum);
        }
        readers_.seal();
        terms_.seal();
        each_link(all, [&](int32_t from, int32_t to, bool) {
            successors.count(from);
            ++waits[to];
        });
        successors.seal();
        each_link(all, [&](int32_t from, int32_t to, bool strict) { successors.add(from, {to, strict}); });
    }

    Lists<Successor> successors;
    std::vector<int32_t> waits;  // predecessors of each statement

private:
    std::vector<int32_t> maker_;
    Lists<int32_t> readers_, terms_;
    std::vector<int32_t> sum_of_;  // the sum whose last value a value is

    template <typename Link>
    void each_link(const Statements& all, Link link) {
        std::fill(maker_.begin(), maker_.end(), -1);
        readers_.clear();
        terms_.clear();
        for (std::size_t i = 0; i < all.code.size(); ++i) visit(all, static_cast<int32_t>(i), link);
    }

    template <typename Link>
    void after_maker(const Statements& all, int32_t value, int32_t number, Link& link) {
        // A flag is complete only after the last bit.
        if (maker_[value] >= 0) link(maker_[value], number, all.code[maker_[value]].makes_flag());
        if (sum_of_[value] >= 0)
            for (const int32_t term : terms_[sum_of_[value]]) link(term, number, false);
    }

    // Bit k of a value is read before the same step overwrites it, but its sign may be read again later.
    static bool reads_beyond(const Statements& all, const Statement& item, int32_t number) {
        const Value& value = all.values[number];
        if (item.sum >= 0) return value.is_signed;
        return value.is_signed && ((item.a == number && item.width - item.a_shift > value.width) ||
                                   (item.b == number && item.width - item.b_shift > value.width));
    }

    template <typename Link>
    void visit(const Statements& all, int32_t number, Link& link) {
        const Statement& item = all.code[number];
        for (const int32_t source : {item.a, item.b}) {
            if (source < 0) continue;
            after_maker(all, source, number, link);
            readers_.add(source, number);
        }
        if (item.old >= 0) {
            after_maker(all, item.old, number, link);
            for (const int32_t reader : readers_[item.old])
                if (reader != number) link(reader, number, reads_beyond(all, all.code[reader], item.old));
        }
        if (item.sum >= 0) {
            after_maker(all, all.sums[item.sum].current, number, link);
            // A term that begins at a higher bit than the one before stays behind it: in front, it would make the sum
            // wide on which the lower one is added then.
            if (const std::span<const int32_t> terms = terms_[item.sum]; !terms.empty()) {
                const Statement& before = all.code[terms.back()];
                if (before.offset + before.a_shift < item.offset + item.a_shift) link(terms.back(), number, false);
            }
            terms_.add(item.sum, number);
        }
        if (item.result >= 0) maker_[item.result] = number;
    }
};

}  // namespace placement
