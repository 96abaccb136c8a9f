// Candidate pairs in buckets by score, of bounded number.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <vector>

namespace adder_graph {

// Buckets are the leading bits of the score as a float: a logarithmic scale without a logarithm.
constexpr int kFractionBits = 6;
constexpr int kLowestExponent = -40;
constexpr int kBuckets = 80 << kFractionBits;

inline int bucket_of(float score) {
    const auto bits = static_cast<std::int32_t>(std::bit_cast<std::uint32_t>(score) >> (23 - kFractionBits));
    const int bucket = bits - ((127 + kLowestExponent) << kFractionBits);
    return bucket < 0 ? 0 : bucket >= kBuckets ? kBuckets - 1 : bucket;
}

// A queue of packed pairs with stale upper bounds of their scores. When it is full, the worst bucket is given up, and
// `incomplete` tells that candidates must be generated anew once the rest is used up.
class Candidates {
public:
    explicit Candidates(std::size_t capacity) : capacity_(capacity), buckets_(kBuckets) {}

    bool incomplete() const { return incomplete_; }

    void push(std::uint64_t pair, int bucket) {
        if (bucket < floor_) {
            incomplete_ = true;
            return;
        }
        if (size_ >= capacity_ && !give_up_below(bucket)) return;
        buckets_[static_cast<std::size_t>(bucket)].push_back(pair);
        ++size_;
        top_ = std::max(top_, bucket);
    }

    struct Popped {
        std::uint64_t pair;
        int bucket;
    };

    std::optional<Popped> pop() {
        if (size_ == 0) return std::nullopt;
        while (buckets_[static_cast<std::size_t>(top_)].empty()) --top_;
        auto& bucket = buckets_[static_cast<std::size_t>(top_)];
        const std::uint64_t pair = bucket.back();
        bucket.pop_back();
        --size_;
        return Popped{pair, top_};
    }

    // Ready for generating all candidates anew.
    void reset() {
        floor_ = 0;
        top_ = -1;
        incomplete_ = false;
    }

private:
    // Makes room for a pair of this bucket by giving up worse ones; false if there are none.
    bool give_up_below(int bucket) {
        incomplete_ = true;
        for (; floor_ < bucket; ++floor_) {
            auto& worst = buckets_[static_cast<std::size_t>(floor_)];
            if (worst.empty()) continue;
            size_ -= worst.size();
            std::vector<std::uint64_t>().swap(worst);
            ++floor_;
            return true;
        }
        return false;
    }

    std::size_t capacity_;
    std::size_t size_ = 0;
    int floor_ = 0;
    int top_ = -1;
    bool incomplete_ = false;
    std::vector<std::vector<std::uint64_t>> buckets_;
};

}  // namespace adder_graph
