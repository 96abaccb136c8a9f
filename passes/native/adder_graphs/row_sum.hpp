// The sum of the terms of a row: narrow ones first, in blocks, in place.
#pragma once

#include <algorithm>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "layer.hpp"

namespace adder_graph {

class RowSum {
    template <typename Parts>
    static auto block_of(Parts& parts, std::size_t block, std::size_t count) {
        const std::size_t begin = parts.size() * block / count, end = parts.size() * (block + 1) / count;
        return std::span(parts).subspan(begin, end - begin);
    }

public:
    explicit RowSum(Layer& layer) : layer_(layer) {}

    // Signed terms cost most where the sum is wide, so they come first; of each kind, narrow ones. Long sums are cut
    // into blocks, so that most terms meet narrow sums.
    Alias operator()(std::vector<Alias> parts) {
        std::ranges::stable_sort(parts, {}, [&](const Alias& part) {
            const Interval& interval = layer_.interval(part);
            return std::pair(!interval.is_signed(), interval.width() + part.shift);
        });
        const std::size_t count = best_blocks(parts);
        std::vector<Alias> blocks;
        for (std::size_t block = 0; block < count; ++block) {
            blocks.push_back(running_sum(block_of(parts, block, count)));
            if (count > 1) layer_.expect(blocks.back(), 1);
        }
        return running_sum(blocks);
    }

private:
    // Starts from the youngest term that dies: its place becomes as wide as the sum, for all of its life.
    Alias running_sum(std::span<Alias> parts) {
        auto start = parts.begin();
        for (auto part = parts.begin(); part != parts.end(); ++part)
            if (layer_.dies(*part) && (!layer_.dies(*start) || part->ref > start->ref)) start = part;
        std::rotate(parts.begin(), start, start + 1);
        Alias total = parts.front();
        for (std::size_t part = 1; part < parts.size(); ++part) {
            if (part > 1) layer_.expect(total, 1);
            total = layer_.sum(total, parts[part]);
        }
        return total;
    }

    std::size_t best_blocks(const std::vector<Alias>& parts) const {
        std::size_t best = 1;
        std::int64_t least = std::numeric_limits<std::int64_t>::max();
        for (std::size_t count = 1; count == 1 || 3 * count <= parts.size(); ++count) {
            const std::int64_t cycles = cycles_in_blocks(parts, count);
            if (cycles >= least) break;
            least = cycles;
            best = count;
        }
        return best;
    }

    std::int64_t cycles_in_blocks(const std::vector<Alias>& parts, std::size_t count) const {
        std::int64_t cycles = 0;
        Interval total{0, 0};
        for (std::size_t block = 0; block < count; ++block) {
            Interval sum{0, 0};
            bool first = true, second = false;
            for (const Alias& part : block_of(parts, block, count)) {
                const Interval seen = combined({0, 0}, 0, layer_.interval(part), part.shift, part.negative != 0);
                if (first)
                    sum = seen;
                else
                    cycles += layer_.added(sum, seen, !second);
                second = std::exchange(first, false);
            }
            if (block == 0)
                total = sum;
            else
                cycles += layer_.added(total, sum, true);
        }
        return cycles;
    }

    Layer& layer_;
};

}  // namespace adder_graph
