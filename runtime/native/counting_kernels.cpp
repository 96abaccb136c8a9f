// The kernels of counted programs (counting.hpp), for one instruction set (CAMC_ISA).
#include <type_traits>

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
template <int Words>
void receive_planes(const Receive& work, const Source& source, const Element& element, const uint64_t* data,
                    uint64_t* to) {
    int shift = int(element.shift & 63), last = 8 * source.bytes - 1;
    int64_t at = work.first / 64;
    uint64_t valid[Words];
    for (int word = 0; word < Words; ++word) {
        valid[word] = element.nowhere ? 0 : ~uint64_t{0};
        if (element.down_mask) valid[word] &= element.down_mask[at + word];
        if (element.across_mask) valid[word] &= element.across_mask[at + word];
    }
    const uint64_t* from = data + at + (element.shift >> 6);
    for (int bit = 0; bit < work.bits; ++bit, to += Words) {
        int read = bit < last ? bit : last;
        const uint64_t* words = from + read * source.plane_words;
        uint64_t pad = source.pad >> read & 1 ? ~uint64_t{0} : 0, found[Words];
        // In two shifts, as one by 64 rows is undefined.
        for (int word = 0; word < Words; ++word) found[word] = words[word] >> shift | words[word + 1] << 1 << (63 - shift);
        for (int word = 0; word < Words; ++word) to[word] = (found[word] & valid[word]) | (pad & ~valid[word]);
    }
}

void receive_items(const Receive& work, const Source& source, const uint8_t* data, uint64_t* to) {
    alignas(64) uint8_t bytes[64 * kBlockWords + Fetch::kChunk] = {};
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
        if (source->plane_words && work.words == 1)
            receive_planes<1>(work, *source, element, (const uint64_t*)data, to);
        else if (source->plane_words && work.words == 2)
            receive_planes<2>(work, *source, element, (const uint64_t*)data, to);
        else if (source->plane_words)
            receive_planes<kBlockWords>(work, *source, element, (const uint64_t*)data, to);
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

// Words from `word` on of the planes of a weighted sum.
template <int W>
void sum_part(const Lane& lane, const LaneStep& step, int word, uint64_t* planes) {
    using Part = typename Register<W>::type;
    Part levels[kCounterBits + 1] = {};
    for (int taken_off = 0; taken_off < 2; ++taken_off) {
        for (size_t i = 0; i < step.counted_bits; ++i) {
            const CountedBit& bit = step.counted[i];
            if (bit.level >= step.levels) continue;
            Adders<W> adders(lane.planes + bit.plane * lane.words + word, size_t(lane.bits * lane.words),
                             levels + bit.level, step.levels - bit.level);
            adders.add(bool(taken_off) != bit.negative ? step.down : step.up);
        }
        // x - y is the complement of (the complement of x) + y.
        for (int level = 0; level < step.levels; ++level) levels[level] = ~levels[level];
    }
    for (int level = 0; level < step.levels; ++level)
        std::memcpy(planes + level * lane.words + word, &levels[level], 8 * W);
}

template <int Words>
void sum_of(const Lane& lane, const LaneStep& step, uint64_t* planes) {
    constexpr int kPart = Words < kRegisterWords ? Words : kRegisterWords;
    for (int word = 0; word < Words; word += kPart) sum_part<kPart>(lane, step, word, planes);
}

void sum(const Lane& lane, const LaneStep& step, uint64_t* planes) {
    switch (lane.words) {
    case 1: return sum_of<1>(lane, step, planes);
    case 2: return sum_of<2>(lane, step, planes);
    default: return sum_of<kBlockWords>(lane, step, planes);
    }
}

// Integers of planes in two's complement, one for each row, shifted.
template <class Number>
void expand(const uint64_t* planes, int levels, int words, int64_t shift, Number* to) {
    using Unsigned = std::make_unsigned_t<Number>;
    constexpr int kBits = 8 * sizeof(Number);
    int unused = levels < kBits ? kBits - levels : 0;
    for (int word = 0; word < words; ++word, to += 64) {
        Unsigned sums[64] = {};
        for (int begin = 0; begin < levels; begin += 8) {
            int count = levels - begin < 8 ? levels - begin : 8;
            uint64_t bits[8];
            for (int i = 0; i < count; ++i) bits[i] = planes[(begin + i) * words + word];
            alignas(64) uint8_t bytes[64];
            bytes_of_bits(bits, count, bytes);
            for (int i = 0; i < 64; ++i) sums[i] |= Unsigned(Unsigned(bytes[i]) << begin);
        }
        for (int i = 0; i < 64; ++i) to[i] = Number(Unsigned(Number(sums[i] << unused) >> unused) << shift);
    }
}

template <class Number>
class Loop {
public:
    explicit Loop(const Lane& lane) : lane_(lane) {}

    Beyond run() {
        for (const LaneStep* step = lane_.steps; step != lane_.steps + lane_.step_count; ++step) {
            Number* to = step->step->op == kCount || step->step->op == kTake ? q_ : taken_;
            switch (step->step->op) {
            case kCount:
            case kCountAdd: {
                uint64_t sums[(kCounterBits + 1) * kBlockWords];
                sum(lane_, *step, sums);
                expand(sums, step->levels, lane_.words, step->step->shift, to);
                break;
            }
            case kMatch: match(*step); break;
            case kStore: break;
            default:
                expand(lane_.planes + step->vector * lane_.bits * lane_.words, lane_.bits, lane_.words,
                       step->step->shift, to);
            }
            combine(step->step->op);
            if (step->checked)
                if (Beyond found = check(*step); found.step) return found;
            if (step->step->op == kStore) store(*step);
        }
        return {};
    }

private:
    const Lane& lane_;
    alignas(64) Number q_[64 * kBlockWords] = {}, taken_[64 * kBlockWords];

    void combine(int64_t op) {
        int64_t count = 64 * lane_.words;
        if (op == kCountAdd || op == kTakeAdd)
            for (int64_t row = 0; row < count; ++row) q_[row] += taken_[row];
        else if (op == kTakeSub)
            for (int64_t row = 0; row < count; ++row) q_[row] -= taken_[row];
        else if (op == kTakeMax)
            for (int64_t row = 0; row < count; ++row) q_[row] = q_[row] < taken_[row] ? taken_[row] : q_[row];
    }

    Beyond check(const LaneStep& step) const {
        int64_t least = q_[0], most = q_[0];
        for (int64_t row = 1; row < lane_.count; ++row) {
            least = q_[row] < least ? q_[row] : least;
            most = q_[row] > most ? q_[row] : most;
        }
        if (least < step.low || most > step.high) return {&step, least, most};
        return {};
    }

    void match(const LaneStep& step) {
        int64_t width = step.step->width;
        auto mask = Number(width >= 8 * int64_t(sizeof(Number)) ? -1 : (int64_t{1} << width) - 1);
        if (const uint16_t* answers = step.table.answers) {
            auto first = Number(step.step->imm);
            int64_t count = 64 * lane_.words;
            for (int64_t row = 0; row < count; ++row) q_[row] = Number(first + answers[q_[row] & mask]);
            return;
        }
        for (int64_t row = 0; row < lane_.count; ++row) {
            int64_t key = q_[row] & mask, found = 0;
            for (const int64_t* line = step.table.keys; line != step.table.keys_end; line += 2)
                found += (key & line[0]) == line[1];
            q_[row] = Number(step.step->imm + found);
        }
    }

    template <class Item>
    void put(const LaneStep& step) const {
        Item* to = (Item*)lane_.outputs + step.vector * lane_.output_rows;
        // Items of a byte could be anything that is read here, so they get a block of their own.
        Item items[64 * kBlockWords];
        for (int64_t row = 0; row < 64 * kBlockWords; ++row) items[row] = Item(q_[row]);
        std::memcpy(to, items, size_t(lane_.count) * sizeof(Item));
    }

    void store(const LaneStep& step) const {
        switch (lane_.output_bytes) {
        case 1: return put<int8_t>(step);
        case 2: return put<int16_t>(step);
        case 4: return put<int32_t>(step);
        default: return put<int64_t>(step);
        }
    }
};

Beyond run(const Lane& lane) { return lane.wide ? Loop<int64_t>(lane).run() : Loop<int32_t>(lane).run(); }

}  // namespace

extern const CountingKernels counting;
const CountingKernels counting = {CAMC_ISA_NAME, receive, run};

}  // namespace camc::CAMC_ISA
