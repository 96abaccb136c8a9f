// Emits a group of a layer's inputs: each row is one sum, which is added to the running sums of its outputs.
#pragma once

#include <limits>
#include <span>
#include <tuple>
#include <vector>

#include "layer.hpp"
#include "row_order.hpp"
#include "sharing.hpp"

namespace adder_graph {

// Neighbouring inputs whose rows share terms. Row `parts * output + part` of the matrix counts towards `output`.
struct Group {
    std::size_t begin;  // the first input
    std::size_t parts;
    Sharing sharing;
    std::vector<std::uint32_t> order;  // of the distinct rows
};

class Schedule {
public:
    Schedule(Layer& layer, std::vector<Alias>& totals, const Group& group)
        : layer_(layer), totals_(totals), group_(group), system_(group.sharing.system()), values_(system_.vars()),
          uses_(variable_uses(system_)), readers_(system_.outputs()) {
        for (std::uint32_t row = 0; row < aliases().size(); ++row)
            if (aliases()[row].ref >= 0) readers_[static_cast<std::size_t>(aliases()[row].ref)].push_back(row);
        // A row of a single term is read as that term, once for each output.
        for (std::uint32_t row = 0; row < system_.outputs(); ++row)
            if (system_.row(row).size() == 1)
                uses_[system_.row(row).front().var] += static_cast<std::uint32_t>(readers_[row].size()) - 1;
        for (Var input = 0; input < system_.inputs(); ++input) {
            values_[input] = {static_cast<std::int32_t>(group.begin + input), 0, 0};
            layer_.expect(values_[input], uses_[input]);
        }
    }

    void run() {
        for (const std::uint32_t row : group_.order) {
            const Row& terms = system_.row(row);
            for (const Term& term : terms) define(term.var);
            const Alias value = sum(terms);
            if (terms.size() > 1) layer_.expect(value, static_cast<std::uint32_t>(readers_[row].size()));
            for (const std::uint32_t reader : readers_[row]) accumulate(reader, value);
        }
    }

private:
    const std::vector<Alias>& aliases() const { return group_.sharing.distinct().outputs; }
    bool known(Var var) const { return values_[var].ref >= 0; }

    template <typename Parts>
    static auto block_of(Parts& parts, std::size_t block, std::size_t count) {
        const std::size_t begin = parts.size() * block / count, end = parts.size() * (block + 1) / count;
        return std::span(parts).subspan(begin, end - begin);
    }

    // Computes the subexpressions below `var`, deepest first; on a stack of its own, as chains can be long.
    void define(Var var) {
        pending_.assign(1, var);
        while (!pending_.empty()) {
            const Var next = pending_.back();
            const std::size_t before = pending_.size();
            if (!known(next))
                for (const Term& term : system_.row(system_.row_of(next)))
                    if (!known(term.var)) pending_.push_back(term.var);
            if (pending_.size() > before) continue;
            pending_.pop_back();
            if (known(next)) continue;
            values_[next] = sum(system_.row(system_.row_of(next)));
            layer_.expect(values_[next], uses_[next]);
        }
    }

    void accumulate(std::uint32_t row, const Alias& value) {
        Alias& total = totals_[row / group_.parts];
        const Alias term = through(value, {0, aliases()[row].shift, aliases()[row].negative});
        if (total.ref < 0) {
            total = term;
            return;
        }
        total = layer_.sum(total, term);
        layer_.expect(total, 1);
    }

    // Signed terms cost most where the sum is wide, so they come first; of each kind, narrow ones. Long sums are cut
    // into blocks, so that most terms meet narrow sums.
    Alias sum(const Row& terms) {
        std::vector<Alias> parts;
        for (const Term& term : terms) parts.push_back(through(values_[term.var], {0, term.shift, term.negative}));
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
    std::vector<Alias>& totals_;
    const Group& group_;
    const Expressions& system_;
    std::vector<Alias> values_;                        // of variables
    std::vector<std::uint32_t> uses_;                  // of variables
    std::vector<std::vector<std::uint32_t>> readers_;  // of each distinct row, the rows that equal it
    std::vector<Var> pending_;
};

}  // namespace adder_graph
