// Items of a tensor as the rows of a vector, and their bits packed into planes; for one instruction set, as lanes.hpp.
#pragma once

#include "lanes.hpp"
#include "step.hpp"

namespace camc::CAMC_ISA {

namespace {

// Byte `group` of items of a vector, for the rows of a block.
class Fetch {
public:
    // Where in the source the block's first row is.
    struct Start {
        int64_t sample, run, item;
    };

    static CAMC_INLINE Start start_of(const Source& source, int64_t row) {
        int64_t run = row / source.across;
        return {run / source.down, run % source.down, row % source.across};
    }

    static CAMC_INLINE void copy(const Source& source, Start at, const uint8_t* data, int64_t rows, int group,
                                 uint8_t* to) {
        while (rows > 0) {
            const uint8_t* from = data + at.sample * source.sample_stride + at.run * source.run_stride +
                                  at.item * source.item_stride + group;
            int64_t count = source.across - at.item < rows ? source.across - at.item : rows;
            if (source.item_stride != 1)
                for (int64_t i = 0; i < count; ++i) to[i] = from[i * source.item_stride];
            else if (source.slack)
                // Whole chunks, also beyond the run: the next run overwrites them.
                for (int64_t i = 0; i < count; i += kChunk) copy_chunk(to + i, from + i);
            else
                std::memcpy(to, from, size_t(count));
            to += count;
            rows -= count;
            at.item = 0;
            if (++at.run == source.down) at.run = 0, ++at.sample;
        }
    }

    static constexpr int kChunk = kSlack < 32 ? kSlack : 32;

private:
    static CAMC_INLINE void copy_chunk(uint8_t* to, const uint8_t* from) {
        std::memcpy(to, from, kChunk);
        // Or a compiler makes one call of memcpy of the few chunks of a run.
        CAMC_BARRIER;
    }
};

void pack(const Source& source, const uint8_t* vector, int64_t begin, int64_t end, uint64_t* planes) {
    constexpr int64_t kRows = 4096;
    alignas(64) uint8_t bytes[kRows + Fetch::kChunk];
    for (int64_t row = begin; row < end; row += kRows) {
        int64_t count = end - row < kRows ? end - row : kRows;
        Fetch::Start start = Fetch::start_of(source, row);
        for (int group = 0; 8 * group < source.planes; ++group) {
            Fetch::copy(source, start, vector, count, group, bytes);
            for (int bit = 0; bit < 8 && 8 * group + bit < source.planes; ++bit) {
                uint64_t* to = planes + (8 * group + bit) * source.plane_words + row / 64;
                for (int64_t i = 0; i < count; i += 64) to[i / 64] = bits_of_bytes(bytes + i, bit);
            }
        }
    }
}

}  // namespace

}  // namespace camc::CAMC_ISA
