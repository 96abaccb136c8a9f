// Fuses additions: all that is added to a value between two uses of it becomes one sum, done bit by bit in registers.
//
// A sum is put off until something reads its value, or is about to write a plane that it has yet to read. So every read
// still finds what the program's order leaves there. Two things of the program's memory are left out where nothing can
// see them: carries that are never read, and zeros above a sum that the sum itself overwrites.
//
// Vectors are received before the program runs (see engine.cpp), and read where they are: a received value is copied
// to its place only where something changes it there, or reads it beside something else.
#include <algorithm>
#include <cstdint>

#include "schedule.hpp"

namespace camc {

namespace {

class Fuser {
public:
    Fuser(const Schedule& schedule, int input_bits)
        : schedule_(schedule), planes_(schedule.planes), input_bits_(input_bits), writer_(schedule.planes, kNone),
          readers_(schedule.planes, kNone), received_(schedule.planes, 0), zero_(schedule.planes, false) {}

    std::vector<Step> fuse() {
        find_dead_carries();
        result_.reserve(schedule_.steps.size());
        for (size_t number = 0; number < schedule_.steps.size(); ++number) {
            Step step = schedule_.steps[number];
            step.carry_dead = dead_[number];
            add(step);
        }
        for (uint32_t sum = 0; sum < sums_.size(); ++sum) finish(sum);
        return std::move(result_);
    }

private:
    static constexpr uint32_t kNone = ~uint32_t{0};

    // A sum that has been put off: its first step and those that add to it.
    struct Sum {
        Step steps[kMostTerms];
        int terms = 0;  // 0: nothing is put off

        const Step& first() const { return steps[0]; }
        int bits() const { return steps[terms - 1].bits; }
    };

    // A sum that reads a plane; the next one of the same plane follows.
    struct Reader {
        uint32_t sum, next;
    };

    static bool adds(const Step& step) { return (step.op >= kAddIp && step.op <= kSub) || adds_two(step.op); }

    void find_dead_carries() {
        std::vector<bool> live(planes_, false);
        dead_.assign(schedule_.steps.size(), false);
        for (size_t number = schedule_.steps.size(); number-- > 0;) {
            const Step& step = schedule_.steps[number];
            dead_[number] = adds(step) && !live[step.carry] && !(adds_two(step.op) && live[step.second]);
            visit(
                step, [](uint32_t, int) {},
                [&](uint32_t first, int count) { std::fill_n(live.begin() + first, count, false); });
            visit(
                step, [&](uint32_t first, int count) { std::fill_n(live.begin() + first, count, true); },
                [](uint32_t, int) {});
        }
    }

    void add(const Step& given) {
        if (adds(given) && given.first && given.carry_dead)
            return adds_two(given.op) ? add_terms(given) : add_term(given);
        if (given.op == kIn && is_received(given.imm, input_bits_)) return receive(given);
        Step step = given;
        if (step.op != kSetIf) find_received(step.a, step.a_bits, step.a_signed);
        if (step.op == kAdd || step.op == kSub || step.op == kCmpGev || adds_two(step.op))
            find_received(step.b, step.b_bits, step.b_signed);
        visit(
            step, [&](uint32_t first, int count) { before_read(first, count); },
            [&](uint32_t first, int count) { before_write(first, count); });
        bool clears = step.op == kSet && !(step.imm & int32_t(~uint64_t{0} >> (64 - std::min<int>(step.bits, 32))));
        if (clears)
            std::fill_n(zero_.begin() + step.dst, step.bits, true);
        else
            result_.push_back(step);
    }

    // The planes stand for those of the vector.
    void receive(const Step& step) {
        before_write(step.dst, step.bits);
        for (int i = 0; i < step.bits; ++i)
            received_[step.dst + i] = received_plane(step.imm, input_bits_) + step.bit + i;
    }

    // Names the received planes that a source's planes stand for, if all of them do.
    void find_received(uint32_t& first, int bits, bool is_signed) const {
        source(first, bits, is_signed, [&](uint32_t plane, int count) {
            int32_t found = received_[plane];
            for (int i = 0; i < count; ++i)
                if (!received_[plane + i] || received_[plane + i] != found + i) return;
            first += uint32_t(found) - plane;
        });
    }

    // Of two numbers that are added to a third one, one after the other.
    void add_terms(const Step& given) {
        Step one = given, two = given;
        one.op = given.op == kSubSub ? kSubIp : kAddIp;
        two.op = given.op == kAddAdd ? kAddIp : kSubIp;
        two.a = given.b, two.a_bits = given.b_bits, two.a_signed = given.b_signed;
        add_term(one);
        add_term(two);
    }

    void add_term(const Step& given) {
        Step step = given;
        bool in_place = step.op == kAddIp || step.op == kSubIp;
        // A difference is B - A, so the sources of SUB, A - B, change places.
        if (step.op == kSub) {
            std::swap(step.a, step.b);
            std::swap(step.a_bits, step.b_bits);
            bool is_signed = step.a_signed;
            step.a_signed = step.b_signed;
            step.b_signed = is_signed;
        }
        bool subtracts = step.op == kSub || step.op == kSubIp;
        step.op = subtracts ? kDifference : kSum;
        before_source(step.a, step.a_bits, step.a_signed);
        if (in_place && extend(step)) return;
        if (in_place) start_in_place(step);
        before_source(step.b, step.b_bits, step.b_signed);
        before_write(step.dst, step.bits);
        uint32_t number = free_sum();
        Sum& sum = sums_[number];
        sum.steps[0] = step;
        sum.terms = 1;
        claim(number, step.dst, step.bits);
        note_readers(number, step);
        if (!in_place)
            source(step.b, step.b_bits, step.b_signed,
                   [&](uint32_t first, int count) { note_reader(number, first, count); });
    }

    // The planes of a source that a step reads: its bits, or behind them the sign alone, or none.
    template <class Use>
    static void source(uint32_t first, int bits, bool is_signed, const Use& use) {
        if (bits)
            use(first, bits);
        else if (is_signed)
            use(first - 1, 1);
    }

    // Adds a step to the sum of its destination, if one is put off and can take it.
    bool extend(const Step& step) {
        uint32_t number = writer_[step.dst];
        if (number == kNone) return false;
        Sum& sum = sums_[number];
        int bits = sum.bits();
        if (sum.first().dst != step.dst || sum.first().op != step.op || sum.terms == kMostTerms || step.bits < bits)
            return false;
        if (step.bits > bits) {
            // The planes above are zero, as is what the sum starts from there.
            if (sum.first().b_signed) return false;
            for (int bit = bits; bit < step.bits; ++bit)
                if (!zero_[step.dst + bit]) return false;
            before_write(step.dst + bits, step.bits - bits);
            claim(number, step.dst + bits, step.bits - bits);
        }
        sum.steps[sum.terms++] = step;
        note_readers(number, step);
        return true;
    }

    // A sum that starts from its destination, of which the uppermost planes may be known to be zero.
    void start_in_place(Step& step) {
        int bits = step.bits;
        before_sum(step.dst, bits);
        while (bits > 0 && zero_[step.dst + bits - 1]) --bits;
        step.b = step.dst;
        step.b_bits = uint8_t(bits);
        step.b_signed = false;
    }

    void before_sum(uint32_t first, int count) {
        for (uint32_t plane = first; plane < first + uint32_t(count); ++plane)
            if (writer_[plane] != kNone) finish(writer_[plane]);
    }

    void before_source(uint32_t& first, int bits, bool is_signed) {
        find_received(first, bits, is_signed);
        source(first, bits, is_signed, [&](uint32_t plane, int count) { before_read(plane, count); });
    }

    void before_read(uint32_t first, int count) {
        if (is_received(first)) return;
        before_sum(first, count);
        for (uint32_t plane = first; plane < first + uint32_t(count); ++plane) write_late(plane);
    }

    void before_write(uint32_t first, int count) {
        before_sum(first, count);
        for (uint32_t plane = first; plane < first + uint32_t(count); ++plane) {
            for (uint32_t reader = readers_[plane]; reader != kNone; reader = list_[reader].next)
                finish(list_[reader].sum);
            readers_[plane] = kNone;
            zero_[plane] = false;
            received_[plane] = 0;
        }
    }

    // Writes a plane that stands for zeros or for a received plane.
    void write_late(uint32_t plane) {
        if (!zero_[plane] && !received_[plane]) return;
        Step step{};
        step.op = zero_[plane] ? kSet : kCopy;
        step.first = true;
        step.bits = 1;
        step.dst = plane;
        step.a = uint32_t(received_[plane]);
        step.a_bits = received_[plane] != 0;
        result_.push_back(step);
        zero_[plane] = false;
        received_[plane] = 0;
    }

    void claim(uint32_t sum, uint32_t first, int count) { std::fill_n(writer_.begin() + first, count, sum); }

    void note_readers(uint32_t sum, const Step& step) {
        source(step.a, step.a_bits, step.a_signed, [&](uint32_t first, int count) { note_reader(sum, first, count); });
    }

    void note_reader(uint32_t sum, uint32_t first, int count) {
        if (is_received(first)) return;
        for (uint32_t plane = first; plane < first + uint32_t(count); ++plane) {
            list_.push_back({sum, readers_[plane]});
            readers_[plane] = uint32_t(list_.size() - 1);
        }
    }

    uint32_t free_sum() {
        sums_.emplace_back();
        return uint32_t(sums_.size() - 1);
    }

    void finish(uint32_t number) {
        Sum& sum = sums_[number];
        if (!sum.terms) return;
        claim(kNone, sum.first().dst, sum.bits());
        sum.steps[0].op += uint8_t(sum.terms - 1);
        result_.insert(result_.end(), sum.steps, sum.steps + sum.terms);
        sum.terms = 0;
    }

    const Schedule& schedule_;
    uint32_t planes_;
    int input_bits_;
    // By plane: the sum that will write it, and the first in the list of those that read it.
    std::vector<uint32_t> writer_, readers_;
    std::vector<int32_t> received_;  // by plane: the received plane that it stands for, or 0
    std::vector<bool> zero_, dead_;  // planes that stand for zeros that were not written; steps with dead carries
    std::vector<Sum> sums_;
    std::vector<Reader> list_;
    std::vector<Step> result_;
};

}  // namespace

std::vector<Step> fuse(const Schedule& schedule, int input_bits) { return Fuser(schedule, input_bits).fuse(); }

int64_t touched_planes(const std::vector<Step>& steps) {
    int64_t count = 0;
    auto use = [&](uint32_t, int planes) { count += planes; };
    for (size_t at = 0; at < steps.size(); ++at) {
        if (steps[at].op < kSum) {
            visit(steps[at], use, use);
            continue;
        }
        count += steps[at].b_bits;
        for (int left = (steps[at].op - kSum) % kMostTerms; left >= 0; --left, ++at) count += steps[at].a_bits;
        count += steps[--at].bits;
    }
    return count;
}

}  // namespace camc
