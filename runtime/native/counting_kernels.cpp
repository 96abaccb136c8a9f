// The kernels of counted programs (counting.hpp), for one instruction set (CAMC_ISA).
#include "counting.hpp"
#include "fetch.hpp"
#include "lanes.hpp"

namespace camc::CAMC_ISA {

namespace {

template <class Part>
CAMC_INLINE Part load(const uint64_t* words) {
    Part part;
    std::memcpy(&part, words, sizeof part);
    return part;
}

// A window's element is its channel's planes from `shift` rows on: a word of it lies in two neighbouring words of the
// plane. Rows whose window hangs over the image's edge have the pad.
void receive_planes(const Receive& work, const Source& source, const Element& element, const uint64_t* data,
                    uint64_t* to) {
    int shift = int(element.shift & 63), last = 8 * source.bytes - 1;
    for (int word = 0; word < work.words; ++word) {
        int64_t at = work.first / 64 + word;
        uint64_t valid = element.nowhere ? 0 : ~uint64_t{0};
        if (element.down_mask) valid &= element.down_mask[at];
        if (element.across_mask) valid &= element.across_mask[at];
        const uint64_t* from = data + at + (element.shift >> 6);
        for (int bit = 0; bit < work.bits; ++bit) {
            int read = bit < last ? bit : last;
            const uint64_t* words = from + read * source.plane_words;
            // In two shifts, as one by 64 rows is undefined.
            uint64_t value = words[0] >> shift | words[1] << 1 << (63 - shift);
            uint64_t pad = source.pad >> read & 1 ? ~uint64_t{0} : 0;
            to[bit * work.words + word] = (value & valid) | (pad & ~valid);
        }
    }
}

void receive_items(const Receive& work, const Source& source, const uint8_t* data, uint64_t* to) {
    alignas(64) uint8_t bytes[64 * 8 + Fetch::kChunk] = {};
    int last = 8 * source.bytes - 1;
    Fetch::Start start = Fetch::start_of(source, work.first);
    for (int bit = 0; bit < work.bits; ++bit) {
        int read = bit < last ? bit : last;
        if (bit <= last && bit % 8 == 0) Fetch::copy(source, start, data, work.rows, read / 8, bytes);
        for (int word = 0; word < work.words; ++word)
            to[bit * work.words + word] = bits_of_bytes(bytes + 64 * word, read & 7);
    }
}

void receive(const Receive& work) {
    const Source* source = work.sources;
    uint32_t before = 0;
    for (uint32_t number = work.begin; number < work.end; ++number) {
        for (; number - before >= source->vectors; ++source) before += source->vectors;
        uint32_t vector = number - before;
        const Element& element = source->elements[vector % source->element_count];
        const uint8_t* data = source->data + vector / source->element_count * source->channel_stride + element.offset;
        uint64_t* to = work.planes + size_t(number) * size_t(work.bits * work.words);
        if (source->plane_words)
            receive_planes(work, *source, element, (const uint64_t*)data, to);
        else
            receive_items(work, *source, data, to);
    }
}

// Carry-save adders that count bits of planes, from one level of a sum on.
template <int W>
class Adders {
    using Part = typename Register<W>::type;

public:
    CAMC_INLINE Adders(const uint64_t* planes, size_t stride, Part* levels, int count)
        : planes_(planes), stride_(stride), levels_(levels), count_(count) {}

    void add(Vectors vectors) {
        // Levels that the sum doesn't have are nothing: it is right modulo its last one.
        Part spare[4] = {};
        for (int i = 0; i < 3; ++i) spare[i] = i < count_ ? levels_[i] : Part{};
        ones_ = spare[0], twos_ = spare[1], fours_ = spare[2];
        size_t i = 0;
        if (count_ > 3) {
            Part eights = levels_[3];
            for (; i + 2 * kTogether <= vectors.count; i += 2 * kTogether) {
                Part first = eight(vectors.numbers + i), second = eight(vectors.numbers + i + kTogether);
                carry(carry_of(eights, first, second), 4);
                eights = parity(eights, first, second);
            }
            levels_[3] = eights;
        }
        for (; i < vectors.count; i += kTogether) carry(eight(vectors.numbers + i), 3);
        spare[0] = ones_, spare[1] = twos_, spare[2] = fours_;
        for (int level = 0; level < 3 && level < count_; ++level) levels_[level] = spare[level];
    }

private:
    const uint64_t* planes_;
    size_t stride_;
    Part* levels_;
    int count_;
    Part ones_{}, twos_{}, fours_{};

    CAMC_INLINE Part at(uint32_t number) const { return load<Part>(planes_ + number * stride_); }

    // Adds three bits where one is: the sum stays, the carry is what comes back.
    static CAMC_INLINE Part add_two(Part& sum, Part x, Part y) {
        Part over = carry_of(sum, x, y);
        sum = parity(sum, x, y);
        return over;
    }

    CAMC_INLINE Part four(const uint32_t* numbers) {
        Part first = add_two(ones_, at(numbers[0]), at(numbers[1]));
        return add_two(twos_, first, add_two(ones_, at(numbers[2]), at(numbers[3])));
    }

    CAMC_INLINE Part eight(const uint32_t* numbers) {
        Part first = four(numbers);
        return add_two(fours_, first, four(numbers + 4));
    }

    CAMC_INLINE void carry(Part over, int level) {
        for (; level < count_; ++level) {
            Part next = levels_[level] & over;
            levels_[level] ^= over;
            over = next;
        }
    }
};

// Words from `word` on of a sum, as many as the register takes.
template <int W>
void sum_part(const Weighted& work, int word, uint64_t* planes) {
    using Part = typename Register<W>::type;
    Part levels[kCounterBits + 1] = {};
    for (int taken_off = 0; taken_off < 2; ++taken_off) {
        for (size_t i = 0; i < work.counted_bits; ++i) {
            const CountedBit& bit = work.counted[i];
            if (bit.level >= work.levels) continue;
            Adders<W> adders(work.planes + bit.plane * work.words + word, size_t(work.bits * work.words),
                             levels + bit.level, work.levels - bit.level);
            adders.add(bool(taken_off) != bit.negative ? work.down : work.up);
        }
        // x - y is the complement of (the complement of x) + y.
        for (int level = 0; level < work.levels; ++level) levels[level] = ~levels[level];
    }
    for (int level = 0; level < work.levels; ++level)
        std::memcpy(planes + level * work.words + word, &levels[level], 8 * W);
}

template <int Words>
void sum_of(const Weighted& work, uint64_t* planes) {
    constexpr int kPart = Words < kRegisterWords ? Words : kRegisterWords;
    for (int word = 0; word < Words; word += kPart) sum_part<kPart>(work, word, planes);
}

void sum(const Weighted& work, uint64_t* planes) {
    switch (work.words) {
    case 1: return sum_of<1>(work, planes);
    case 2: return sum_of<2>(work, planes);
    case 4: return sum_of<4>(work, planes);
    default: return sum_of<8>(work, planes);
    }
}

void expand(const uint64_t* planes, int levels, int words, int64_t* to) {
    int unused = 64 - levels;
    for (int word = 0; word < words; ++word, to += 64) {
        for (int i = 0; i < 64; ++i) to[i] = 0;
        for (int begin = 0; begin < levels; begin += 8) {
            int count = levels - begin < 8 ? levels - begin : 8;
            uint64_t bits[8];
            for (int i = 0; i < count; ++i) bits[i] = planes[(begin + i) * words + word];
            uint8_t bytes[64];
            bytes_of_bits(bits, count, bytes);
            for (int i = 0; i < 64; ++i) to[i] |= int64_t(uint64_t(bytes[i]) << begin);
        }
        for (int i = 0; i < 64; ++i) to[i] = int64_t(uint64_t(to[i]) << unused) >> unused;
    }
}

}  // namespace

extern const CountingKernels counting;
const CountingKernels counting = {CAMC_ISA_NAME, receive, sum, expand};

}  // namespace camc::CAMC_ISA
