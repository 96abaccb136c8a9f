// Where a variable occurs: sparse bit sets over rows, one for each shift and sign, counted by popcount.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <utility>
#include <vector>

#include "terms.hpp"

namespace adder_graph {

// 64 rows at one shift. `key` orders blocks by shift, then by row, so that a shift by `offset` adds a constant to it.
struct Block {
    std::uint32_t key;
    std::uint64_t plus;
    std::uint64_t minus;
};

constexpr int kShiftBit = 26;

inline std::uint32_t key_of(std::uint32_t row, std::uint32_t shift) { return shift << kShiftBit | row >> 6; }

// One occurrence: the row, the shift and the sign of the term.
struct Place {
    std::uint32_t row;
    std::uint16_t shift;
    std::uint16_t negative;
};

// The occurrences of one variable.
class Places {
public:
    std::uint32_t degree() const { return degree_; }
    const std::vector<Block>& blocks() const { return blocks_; }

    void add(std::uint32_t row, std::uint32_t shift, bool negative) {
        Block& block = find_or_insert(key_of(row, shift));
        (negative ? block.minus : block.plus) |= std::uint64_t{1} << (row & 63);
        ++degree_;
    }

    void remove(std::uint32_t row, std::uint32_t shift, bool negative) {
        Block& block = find_or_insert(key_of(row, shift));
        (negative ? block.minus : block.plus) &= ~(std::uint64_t{1} << (row & 63));
        --degree_;
        // An empty block is dropped: rows come and go by the thousand during a search.
        if ((block.plus | block.minus) == 0) blocks_.erase(blocks_.begin() + (&block - blocks_.data()));
    }

    void list(std::vector<Place>& found) const;

private:
    Block& find_or_insert(std::uint32_t key) {
        auto at = std::lower_bound(blocks_.begin(), blocks_.end(), key,
                                   [](const Block& block, std::uint32_t wanted) { return block.key < wanted; });
        if (at == blocks_.end() || at->key != key) at = blocks_.insert(at, Block{key, 0, 0});
        return *at;
    }

    std::vector<Block> blocks_;
    std::uint32_t degree_ = 0;
};

// Calls `use(place)` for each row of a block in which the variable occurs.
template <typename Use>
void each_place(std::uint32_t key, std::uint64_t plus, std::uint64_t minus, Use use) {
    const auto shift = static_cast<std::uint16_t>(key >> kShiftBit);
    const std::uint32_t base = (key & ((1U << kShiftBit) - 1)) << 6;
    for (std::uint64_t bits = plus | minus; bits != 0; bits &= bits - 1) {
        const auto bit = static_cast<std::uint32_t>(std::countr_zero(bits));
        use(Place{base + bit, shift, static_cast<std::uint16_t>(minus >> bit & 1)});
    }
}

inline void Places::list(std::vector<Place>& found) const {
    found.clear();
    for (const Block& block : blocks_)
        each_place(block.key, block.plus, block.minus, [&](const Place& place) { found.push_back(place); });
}

// The two blocks' rows in which the pattern holds, by the sign of the left term.
inline std::pair<std::uint64_t, std::uint64_t> meet(const Block& left, const Block& right, bool negative) {
    if (negative) return {left.plus & right.minus, left.minus & right.plus};
    return {left.plus & right.plus, left.minus & right.minus};
}

// Calls `use(left block, right block)` for blocks of the same rows, `offset` shifts apart.
template <typename Use>
void each_meeting(const Places& left, const Places& right, int offset, Use use) {
    const auto delta = static_cast<std::uint32_t>(offset) << kShiftBit;
    const auto step = static_cast<std::int64_t>(offset) * (std::int64_t{1} << kShiftBit);
    const Block *a = left.blocks().data(), *a_end = a + left.blocks().size();
    const Block *b = right.blocks().data(), *b_end = b + right.blocks().size();
    while (a != a_end && b != b_end) {
        if (a->key + delta == b->key) {
            use(*a++, *b++);
            continue;
        }
        const bool behind = static_cast<std::int64_t>(a->key) + step < static_cast<std::int64_t>(b->key);
        a += behind;
        b += !behind;
    }
}

// How often the pattern of two different variables occurs.
inline std::uint32_t count_pair(const Places& left, const Places& right, int offset, bool negative) {
    std::uint32_t count = 0;
    each_meeting(left, right, offset, [&](const Block& a, const Block& b) {
        const auto [plus, minus] = meet(a, b, negative);
        // The two sets are disjoint: a row holds a variable at one shift with one sign.
        count += static_cast<std::uint32_t>(std::popcount(plus | minus));
    });
    return count;
}

// The occurrences, by the left term, that a pattern of two different variables has.
inline void list_pair(const Places& left, const Places& right, int offset, bool negative, std::vector<Place>& found) {
    found.clear();
    each_meeting(left, right, offset, [&](const Block& a, const Block& b) {
        const auto [plus, minus] = meet(a, b, negative);
        each_place(a.key, plus, minus, [&](const Place& place) { found.push_back(place); });
    });
}

// The same for a variable with itself: from the lowest shift on, each digit in at most one occurrence.
inline void list_self(const Places& places, int offset, bool negative, std::vector<Place>& found) {
    found.clear();
    std::vector<Block> rest = places.blocks();
    const auto delta = static_cast<std::uint32_t>(offset) << kShiftBit;
    std::size_t other = 0;
    for (Block& low : rest) {
        while (other < rest.size() && rest[other].key < low.key + delta) ++other;
        if (other == rest.size()) break;
        Block& high = rest[other];
        if (high.key != low.key + delta) continue;
        const auto [plus, minus] = meet(low, high, negative);
        each_place(low.key, plus, minus, [&](const Place& place) { found.push_back(place); });
        high.plus &= ~(plus | minus);
        high.minus &= ~(plus | minus);
    }
}

}  // namespace adder_graph
