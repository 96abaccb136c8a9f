// A list for each of many numbers, all in one array: counted first, then filled in the same order.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace placement {

template <typename T>
class Lists {
public:
    explicit Lists(std::size_t lists) : ends_(lists + 1, 0) {}

    // One more element of a list; returns how many it has now.
    std::size_t count(int32_t list) { return ++ends_[static_cast<std::size_t>(list) + 1]; }

    // All are counted.
    void seal() {
        std::size_t begin = 0;
        for (std::size_t& end : ends_) begin = std::exchange(end, begin) + begin;
        items_.resize(begin);
    }

    void add(int32_t list, const T& item) { items_[ends_[static_cast<std::size_t>(list) + 1]++] = item; }

    std::span<const T> operator[](int32_t list) const {
        const auto at = static_cast<std::size_t>(list);
        return {items_.data() + ends_[at], items_.data() + ends_[at + 1]};
    }

private:
    std::vector<std::size_t> ends_;  // of the list before each; while filling, of its elements so far
    std::vector<T> items_;
};

}  // namespace placement
