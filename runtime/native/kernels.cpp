// The engine's inner loop: the bits of an instruction as logic on bit planes, for one instruction set (CAMC_ISA).
//
// An instruction's look-up-table passes of a bit, taken together, are a function of the bits before it (no pass creates
// a state that a later one matches), so the rows that each pass tags, and with them the written and toggled cells,
// follow from the same logic. tests/test_engine.py compares all of it with the golden simulator's passes.
#include "fetch.hpp"
#include "lanes.hpp"
#include "prefixes.hpp"
#include "step.hpp"
#include "sums.hpp"

namespace camc::CAMC_ISA {

namespace {

// Runs a block part by part, as many rows at a time as a register holds: the bits of a step stay in registers.
template <int W, bool Trace>
class Runner {
    using Part = typename Register<W>::type;

    using Planes = CAMC_ISA::Planes<W>;
    using Cell = CAMC_ISA::Cell<W>;

public:
    explicit CAMC_INLINE Runner(const Block& block) : block_(block), parts_(block.words / W) {
        while (8 << log_bytes_ < 64 * block.words) ++log_bytes_;
        for (size_t i = 0; i < block.source_count; ++i)
            if (i < kStarts) starts_[i] = Fetch::start_of(block.sources[i], block.first);
        for (int i = 0; i < block.words; ++i) {
            int64_t left = block.rows - 64 * i;
            enabled_[i] = left >= 64 ? ~uint64_t{0} : left > 0 ? (uint64_t{1} << left) - 1 : 0;
        }
    }

    CAMC_INLINE void run() {
        for (size_t segment = 0; segment < block_.segment_count; ++segment) {
            const Step *step = block_.steps + block_.segments[segment],
                       *end = block_.steps + block_.segments[segment + 1];
            if constexpr (Trace)
                for (; step != end; ++step) {
                    execute(*step);
                    if (step + 1 == end || step[1].op != step->op) note(block_.traced[segment * kOpcodes + step->op]);
                }
            else
                while (step != end) {
#define CAMC_SUMS(terms)                                                              \
    case kSum + terms - 1:                                                            \
        each_part([&](Planes planes) CAMC_FLAT { sum<false, terms>(step, planes); }); \
        step += terms;                                                                \
        break;                                                                        \
    case kDifference + terms - 1:                                                     \
        each_part([&](Planes planes) CAMC_FLAT { sum<true, terms>(step, planes); });  \
        step += terms;                                                                \
        break;
                    switch (step->op) {
                        CAMC_SUMS(1)
                        CAMC_SUMS(2)
                        CAMC_SUMS(3)
                        CAMC_SUMS(4)
                        CAMC_SUMS(5)
                        CAMC_SUMS(6)
                        CAMC_SUMS(7)
                        CAMC_SUMS(8)
                    default: execute(*step++);
                    }
                }
        }
    }

private:
    static constexpr size_t kStarts = 16;

    const Block& block_;
    int parts_, log_bytes_ = 0;
    int part_ = 0;  // the one that is being worked on
    // A bit for each row that the block has; what happens in rows beyond is not counted.
    alignas(64) uint64_t enabled_[kSizes[kSizeCount - 1]] = {};
    Fetch::Start starts_[kStarts];
    // Cells that a tagged write changed, that one wrote, and that any write toggled.
    Tally<W> changed_, written_, toggled_;

    CAMC_INLINE Part enabled() const { return *(const Part*)(enabled_ + part_ * W); }

    // Takes the tallies of steps of one opcode.
    CAMC_INLINE void note(Traced& traced) {
        const int64_t both = changed_.take();
        traced.written += both + written_.take();
        traced.toggled += both + toggled_.take();
    }

    CAMC_INLINE void changed(Part rows) {
        if constexpr (Trace) changed_.add(rows & enabled());
    }
    CAMC_INLINE void written(Part rows) {
        if constexpr (Trace) written_.add(rows & enabled());
    }
    CAMC_INLINE void toggled(Part rows) {
        if constexpr (Trace) toggled_.add(rows & enabled());
    }

    template <class Run>
    CAMC_INLINE void each_part(const Run& run) {
        for (part_ = 0; part_ < parts_; ++part_) run(Planes((char*)block_.planes + part_ * sizeof(Part), log_bytes_));
    }

    CAMC_INLINE void execute(const Step& given) {
        if (given.op == kIn) return receive(given);
        if (given.op == kOut) return send(given);
        const Step step = given;  // apart from the planes, so that no write to them can change it
        switch (step.op) {
        case kSet: return each_part([&](Planes planes) CAMC_FLAT { set(step, planes); });
        case kSetIf: return each_part([&](Planes planes) CAMC_FLAT { set_if(step, planes); });
        case kCopy: return each_part([&](Planes planes) CAMC_FLAT { copy(step, planes); });
        case kExt: return each_part([&](Planes planes) CAMC_FLAT { extend(step, planes); });
        case kAddIp: return each_part([&](Planes planes) CAMC_FLAT { accumulate<false>(step, planes); });
        case kSubIp: return each_part([&](Planes planes) CAMC_FLAT { accumulate<true>(step, planes); });
        case kAddAdd: return each_part([&](Planes planes) CAMC_FLAT { accumulate_two<kAddAdd>(step, planes); });
        case kSubSub: return each_part([&](Planes planes) CAMC_FLAT { accumulate_two<kSubSub>(step, planes); });
        case kAddSub: return each_part([&](Planes planes) CAMC_FLAT { accumulate_two<kAddSub>(step, planes); });
        case kAdd: return each_part([&](Planes planes) CAMC_FLAT { combine<false>(step, planes); });
        case kSub: return each_part([&](Planes planes) CAMC_FLAT { combine<true>(step, planes); });
        case kCmpGe: return each_part([&](Planes planes) CAMC_FLAT { compare_immediate(step, planes); });
        case kSetGt: return each_part([&](Planes planes) CAMC_FLAT { set_prefixes<true>(step, planes); });
        case kSetLt: return each_part([&](Planes planes) CAMC_FLAT { set_prefixes<false>(step, planes); });
        case kCmpGev: return each_part([&](Planes planes) CAMC_FLAT { compare(step, planes); });
        default: return each_part([&](Planes planes) CAMC_FLAT { copy_if(step, planes); });
        }
    }

    // The carry before the first bit of a step.
    CAMC_INLINE Part carry(const Step& step, Planes planes) {
        if (!step.first) return planes[step.carry];
        reset(step, planes[step.carry]);
        return Part{};
    }

    // Cells that a pass toggles which writes all rows, or, of a lean instruction, no other cells.
    CAMC_INLINE void reset(const Step& step, Part rows) {
        if constexpr (Trace) step.lean ? changed(rows) : toggled(rows);
    }

    CAMC_INLINE void store(const Step& step, Cell plane, Part value) {
        reset(step, Part(plane) ^ value);
        plane = value;
    }

    CAMC_INLINE void set(const Step& step, Planes planes) {
        for (int i = 0; i < step.bits; ++i) store(step, planes[step.dst + i], all<Part>(int64_t(step.imm) >> i & 1));
    }

    CAMC_INLINE void set_if(const Step& step, Planes planes) {
        Part flag = planes[step.a];
        for (int i = 0; i < step.bits; ++i) {
            if (!step.lean) written(flag);
            Cell dst = planes[step.dst + i];
            store(step, dst, choose<Part>(flag, all<Part>(int64_t(step.imm) >> i & 1), dst));
        }
    }

    // Clears a plane, then writes it in some rows.
    CAMC_INLINE void clear_and_set(const Step& step, Cell plane, Part value) {
        reset(step, plane);
        changed(value);
        plane = value;
    }

    CAMC_INLINE void copy(const Step& step, Planes planes) {
        Sweep a(step.a, step.a_bits, step.a_signed);
        for (int i = 0; i < step.bits; ++i) clear_and_set(step, planes[step.dst + i], planes[a.at(uint32_t(i))]);
    }

    CAMC_INLINE void extend(const Step& step, Planes planes) {
        Part sign = planes[step.first ? step.dst : step.carry];
        if (step.first) clear_and_set(step, planes[step.carry], sign);
        for (int i = step.first; i < step.bits; ++i) clear_and_set(step, planes[step.dst + i], sign);
    }

    // A full adder on planes: each bit of a register is a row. D changes in the rows where A + carry is odd, the
    // carry where the next one differs from it.
    template <bool Subtract>
    CAMC_INLINE Part accumulate_bit(Cell dst, Part a, Part carry) {
        Part before = dst, next = Subtract ? borrow_of(before, a, carry) : carry_of(before, a, carry);
        changed(a ^ carry);
        changed(carry ^ next);
        dst = parity(before, a, carry);
        return next;
    }

    // First the bits that A has, then those in which it is zero or repeats its sign, which is one plane for all.
    template <bool Subtract>
    CAMC_INLINE void accumulate(const Step& step, Planes planes) {
        Part carry = this->carry(step, planes);
        Sweep a(step.a, step.a_bits, step.a_signed);
        int i = 0;
        for (; i < step.a_bits; ++i) carry = accumulate_bit<Subtract>(planes[step.dst + i], planes[step.a + i], carry);
        Part beyond = planes[a.rest];
        for (; i < step.bits; ++i) carry = accumulate_bit<Subtract>(planes[step.dst + i], beyond, carry);
        planes[step.carry] = carry;
    }

    template <Op Operation>
    CAMC_INLINE void accumulate_two(const Step& step, Planes planes) {
        Part carry = this->carry(step, planes), second{};
        if (step.first)
            reset(step, planes[step.second]);
        else
            second = planes[step.second];
        add_two<Operation>(step, planes, carry, second, [&](Part rows) CAMC_FLAT { changed(rows); });
        planes[step.carry] = carry;
        planes[step.second] = second;
    }

    // The same out of place: D is cleared in all rows, then set where the sum's bit is one.
    template <bool Subtract>
    CAMC_INLINE Part combine_bit(const Step& step, Cell dst, Part a, Part b, Part carry) {
        Part next = Subtract ? borrow_of(a, b, carry) : carry_of(a, b, carry);
        clear_and_set(step, dst, parity(a, b, carry));
        changed(carry ^ next);
        return next;
    }

    template <bool Subtract>
    CAMC_INLINE void combine(const Step& step, Planes planes) {
        Part carry = this->carry(step, planes);
        Sweep a(step.a, step.a_bits, step.a_signed), b(step.b, step.b_bits, step.b_signed);
        int i = 0, common = step.a_bits < step.b_bits ? step.a_bits : step.b_bits;
        for (; i < common; ++i)
            carry = combine_bit<Subtract>(step, planes[step.dst + i], planes[step.a + i], planes[step.b + i], carry);
        for (; i < step.bits; ++i)
            carry = combine_bit<Subtract>(step, planes[step.dst + i], planes[a.at(uint32_t(i))], planes[b.at(uint32_t(i))],
                                          carry);
        planes[step.carry] = carry;
    }

    // The result of a comparison before the first bit of a step; all ones at bit 0.
    CAMC_INLINE Part result(const Step& step, Planes planes) {
        if (!step.first) return planes[step.dst];
        reset(step, ~Part(planes[step.dst]));
        return all<Part>(true);
    }

    // A pass that writes a bit of the result in some rows; bit 0 has no pass that writes the one that is there.
    CAMC_INLINE Part tagged_write(const Step& step, Part before, Part rows, bool value, bool issued) {
        Part after = value ? before | rows : before & ~rows;
        if (issued) {
            if (!step.lean) written(rows);
            reset(step, before ^ after);
        }
        return after;
    }

    CAMC_INLINE void compare_immediate(const Step& step, Planes planes) {
        Part result = this->result(step, planes);
        if constexpr (!Trace) {
            // A one of A sets the result where the immediate has a zero, a zero of A clears it where that has a one:
            // the majority of the result, A and the immediate's complement; at the sign bit that of the other two
            // complements.
            const Part choice[] = {all<Part>(true), Part{}};
            int64_t imm = step.imm;
            int plain = step.bits - step.sign, i = 0;
            for (; i < plain; ++i) result = carry_of<Part>(result, planes[step.a + i], choice[imm >> i & 1]);
            if (step.sign) result = carry_of(result, ~Part(planes[step.a + i]), choice[~imm >> i & 1]);
        } else {
            for (int i = 0; i < step.bits; ++i) {
                bool imm = int64_t(step.imm) >> i & 1, sign = step.sign && i == step.bits - 1,
                     known = step.first && i == 0;
                bool value = imm == sign;
                Part a = planes[step.a + i];
                result = tagged_write(step, result, imm ? ~a : a, value, !(known && value));
            }
        }
        planes[step.dst] = result;
    }

    template <bool Greater>
    CAMC_INLINE void set_prefixes(const Step& step, Planes planes) {
        set_whole<Greater>(step, planes, [&](Part rows) CAMC_FLAT { changed(rows); });
    }

    CAMC_INLINE void compare(const Step& step, Planes planes) {
        Sweep a(step.a, step.a_bits, step.a_signed), b(step.b, step.b_bits, step.b_signed);
        Part result = this->result(step, planes);
        for (int i = 0; i < step.bits; ++i) {
            Part x = planes[a.at(uint32_t(i))], y = planes[b.at(uint32_t(i))];
            bool sign = step.sign && i == step.bits - 1, known = step.first && i == 0;
            // Two passes, x1y0 then x0y1; the first leaves the result unknown if it is issued and clears.
            result = tagged_write(step, result, x & ~y, !sign, !known || sign);
            result = tagged_write(step, result, y & ~x, sign, !known || !sign || !step.a_none);
        }
        planes[step.dst] = result;
    }

    CAMC_INLINE void copy_if(const Step& step, Planes planes) {
        Sweep a(step.a, step.a_bits, step.a_signed);
        Part flag = planes[step.carry];
        for (int i = 0; i < step.bits; ++i) {
            if (!step.lean) written(flag);
            Cell dst = planes[step.dst + i];
            store(step, dst, choose<Part>(flag, planes[a.at(uint32_t(i))], dst));
        }
    }

    // The number of the source that a vector is of, which becomes the vector's number in it.
    CAMC_INLINE size_t source_of(uint32_t& vector) const {
        size_t number = 0;
        for (; vector >= block_.sources[number].vectors; ++number) vector -= block_.sources[number].vectors;
        return number;
    }

    void receive(const Step& step) {
        uint32_t vector = uint32_t(step.imm);
        size_t number = source_of(vector);
        const Source& source = block_.sources[number];
        const Element& element = source.elements[vector % source.element_count];
        const uint8_t* data = source.data + vector / source.element_count * source.channel_stride + element.offset;
        if (source.plane_words)
            each_part([&](Planes planes)
                          CAMC_FLAT { receive_planes(step, element, source, (const uint64_t*)data, planes); });
        else
            receive_items(step, source, number < kStarts ? starts_[number] : Fetch::start_of(source, block_.first),
                          data);
    }

    static CAMC_INLINE Part load(const uint64_t* words) {
        Part part;
        std::memcpy(&part, words, sizeof part);
        return part;
    }

    // A window's element is its channel's planes from `shift` rows on: a word of it lies in two neighbouring words of
    // the plane. Rows whose window hangs over the image's edge have the pad.
    CAMC_INLINE void receive_planes(const Step& step, const Element& element, const Source& source,
                                    const uint64_t* data, Planes planes) {
        int64_t word = block_.first / 64 + part_ * W;
        Part valid = all<Part>(!element.nowhere);
        if (element.down_mask) valid &= load(element.down_mask + word);
        if (element.across_mask) valid &= load(element.across_mask + word);
        const uint64_t* from = data + word + (element.shift >> 6);
        int shift = int(element.shift & 63), last = 8 * source.bytes - 1;
        for (int i = 0; i < step.bits; ++i) {
            // Beyond its items' type a vector repeats the sign.
            int bit = step.bit + i < last ? step.bit + i : last;
            const uint64_t* words = from + bit * source.plane_words;
            // In two shifts, as one by 64 rows is undefined.
            Part value = load(words) >> shift | load(words + 1) << 1 << (63 - shift);
            clear_and_set(step, planes[step.dst + i], choose(valid, value, all<Part>(source.pad >> bit & 1)));
        }
    }

    void receive_items(const Step& step, const Source& source, Fetch::Start start, const uint8_t* data) {
        alignas(64) uint8_t bytes[64 * kSizes[kSizeCount - 1] + Fetch::kChunk];
        int last = 8 * source.bytes - 1, end = step.bit + step.bits;
        for (int begin = step.bit; begin < end; begin = (begin | 7) + 1) {
            if (begin <= last || begin == step.bit)
                Fetch::copy(source, start, data, block_.rows, (begin < last ? begin : last) / 8, bytes);
            for (int i = begin; i < end && i <= (begin | 7); ++i)
                each_part([&](Planes planes) CAMC_FLAT {
                    uint64_t words[sizeof(Part) / 8] = {};
                    for (int word = 0; word < W; ++word)
                        words[word] = bits_of_bytes(bytes + 64 * (part_ * W + word), i < last ? i & 7 : last & 7);
                    clear_and_set(step, planes[step.dst + uint32_t(i - step.bit)], load(words));
                });
        }
    }

    const uint64_t* words_of(uint32_t plane) const {
        return (const uint64_t*)((const char*)block_.planes + (ptrdiff_t(int32_t(plane)) << log_bytes_));
    }

    void send(const Step& step) {
        char* to = (char*)block_.outputs + (int64_t(step.imm) * block_.samples + block_.first) * block_.output_bytes;
        // Only in outputs of 64 bits can an instruction be cut into its bits.
        if (block_.output_bytes == 8 && step.bits == 1) return send_bit(step, words_of(step.a), (int64_t*)to);
        switch (block_.output_bytes) {
        case 1: return send_all(step, (int8_t*)to);
        case 2: return send_all(step, (int16_t*)to);
        case 4: return send_all(step, (int32_t*)to);
        default: return send_all(step, (int64_t*)to);
        }
    }

    // Adds one bit to the items, unsigned, as several members of a loop may add to one vector until it wraps.
    void send_bit(const Step& step, const uint64_t* words, int64_t* items) {
        for (int64_t row = 0; row < block_.rows; ++row) {
            uint64_t set = (words[row / 64] >> (row % 64) & 1) << step.bit,
                     before = step.bit ? uint64_t(items[row]) : 0;
            items[row] = int64_t(step.sign ? before - set : before + set);
        }
    }

    template <class Item>
    void send_all(const Step& step, Item* items) {
        Sweep a(step.a, step.a_bits, step.a_signed);
        const uint64_t* planes[8 * sizeof(Item)];
        for (int bit = 0; bit < int(8 * sizeof(Item)); ++bit) planes[bit] = words_of(a.at(uint32_t(bit)));
        int groups = step.a_signed ? int(sizeof(Item)) : (step.a_bits + 7) / 8;
        for (int64_t row = 0; row < block_.rows; row += 64) {
            uint64_t sums[64] = {};
            uint8_t bytes[64];
            for (int group = 0; group < groups; ++group) {
                int bits = step.a_signed || step.a_bits > 8 * group + 8 ? 8 : step.a_bits - 8 * group;
                uint64_t words[8];
                for (int bit = 0; bit < bits; ++bit) words[bit] = planes[8 * group + bit][row / 64];
                bytes_of_bits(words, bits, bytes);
                if constexpr (sizeof(Item) > 1)
                    for (int i = 0; i < 64; ++i) sums[i] |= uint64_t(bytes[i]) << (8 * group);
            }
            int64_t count = block_.rows - row;
            if constexpr (sizeof(Item) > 1)
                for (int64_t i = 0; i < 64 && i < count; ++i) items[row + i] = Item(sums[i]);
            else if (count >= 64)
                std::memcpy(items + row, bytes, 64);
            else
                std::memcpy(items + row, bytes, size_t(count));
        }
    }
};

template <int Words, bool Trace>
void run_block(const Block& block) {
    Runner<(Words < kRegisterWords ? Words : kRegisterWords), Trace>(block).run();
}

#define CAMC_SIZES(trace)                                                                      \
    {                                                                                          \
        run_block<kSizes[0], trace>, run_block<kSizes[1], trace>, run_block<kSizes[2], trace>, \
            run_block<kSizes[3], trace>, run_block<kSizes[4], trace>                           \
    }

}  // namespace

extern const Kernels kernels;
const Kernels kernels = {CAMC_ISA_NAME, CAMC_SIZES(false), CAMC_SIZES(true), pack};

}  // namespace camc::CAMC_ISA
