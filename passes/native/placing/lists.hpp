// A list for each of many numbers, all in one array: how long each may get is counted first.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace placement {

template <typename T>
class Lists {
public:
    explicit Lists(std::size_t lists) : begins_(lists + 1, 0), sizes_(lists, 0) {}

    // Room for one more element of a list; returns for how many there is room now.
    std::size_t count(int32_t list) { return ++begins_[static_cast<std::size_t>(list) + 1]; }

    // All are counted.
    void seal() {
        for (std::size_t i = 1; i < begins_.size(); ++i) begins_[i] += begins_[i - 1];
        items_.resize(begins_.back());
    }

    std::span<const T> operator[](int32_t list) const {
        const auto at = static_cast<std::size_t>(list);
        return {items_.data() + begins_[at], sizes_[at]};
    }

    void add(int32_t list, const T& item) {
        const auto at = static_cast<std::size_t>(list);
        items_[begins_[at] + sizes_[at]++] = item;
    }

    void insert(int32_t list, std::size_t index, const T& item) {
        add(list, item);
        const auto all = elements(list);
        std::rotate(all.begin() + static_cast<std::ptrdiff_t>(index), all.end() - 1, all.end());
    }

    template <typename Predicate>
    void erase_if(int32_t list, Predicate predicate) {
        const auto all = elements(list);
        sizes_[static_cast<std::size_t>(list)] =
            static_cast<std::size_t>(std::remove_if(all.begin(), all.end(), predicate) - all.begin());
    }

    void clear() { std::fill(sizes_.begin(), sizes_.end(), 0); }

private:
    std::vector<std::size_t> begins_, sizes_;
    std::vector<T> items_;

    std::span<T> elements(int32_t list) {
        const auto at = static_cast<std::size_t>(list);
        return {items_.data() + begins_[at], sizes_[at]};
    }
};

}  // namespace placement
