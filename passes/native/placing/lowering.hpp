// From steps over column vectors (passes/placing/vector_code.py) to statements.
#pragma once

#include <span>
#include <utility>

#include "memory.hpp"

namespace placement {

// How memory is saved where it is short.
struct Thrift {
    bool by_output = false;     // each output with all that it takes before the next one
    int64_t limit = INT64_MAX;  // bits of values above which inputs are dropped
};

class Lowering {
public:
    Lowering(const std::vector<Step>& steps, std::vector<Interval> spans, std::span<const Threshold> thresholds,
             bool full, const Thrift& thrift)
        : spans_(std::move(spans)), thresholds_(thresholds) {
        out_.full = full;
        steps_ = Loading(thrift.by_output ? by_output(steps, spans_.size()) : steps, spans_, thrift.limit).run();
        last_.assign(spans_.size(), -1);
        reads_.assign(spans_.size(), 0);
        sum_of_.assign(spans_.size(), -1);
        for (std::size_t i = 0; i < steps_.size(); ++i) {
            for (const int64_t value : {steps_[i].result, steps_[i].a, steps_[i].b})
                if (value >= 0) last_[value] = static_cast<int64_t>(i);
            for (const int64_t value : {steps_[i].a, steps_[i].b})
                if (value >= 0) ++reads_[value];
        }
        make_values();
    }

    Statements run() {
        for (std::size_t i = 0; i < steps_.size(); ++i) lower(steps_[i], continues(steps_[i], static_cast<int64_t>(i)));
        out_.drop_void_terms();
        return std::move(out_);
    }

private:
    std::vector<Step> steps_;
    std::vector<Interval> spans_;
    std::span<const Threshold> thresholds_;
    std::vector<int64_t> last_, reads_;
    std::vector<int32_t> sum_of_;  // of each value that is the latest of a sum
    Statements out_;

    // The operand whose place the result takes over, or -1: it dies here and is not shifted.
    // In place, B = B + A and B = B - A have valid pass orders, B = A - B has none.
    int64_t continues(const Step& step, int64_t at) const {
        if (step.kind != Kind::sum && step.kind != Kind::maximum) return -1;
        if (step.a == step.b || step.a < 0 || step.b < 0) return -1;
        // A source that is shifted beyond the result leaves only the other one.
        if (spans_[step.result].width() <= std::max(step.a_shift, step.b_shift)) return -1;
        if (step.a_shift == 0 && last_[step.a] == at) return step.a;
        if (step.b_shift == 0 && last_[step.b] == at && !step.subtract) return step.b;
        return -1;
    }

    void make_values() {
        out_.values.resize(spans_.size());
        std::vector<Interval> hulls;
        for (std::size_t i = 0; i < steps_.size(); ++i) {
            const Step& step = steps_[i];
            if (step.result < 0) continue;
            const Interval span = spans_[step.result];
            const int64_t before = continues(step, static_cast<int64_t>(i));
            const int32_t slot = before >= 0 ? out_.values[before].slot : out_.new_slot();
            if (before < 0) hulls.push_back(span);
            hulls[slot] = {std::min(hulls[slot].low, span.low), std::max(hulls[slot].high, span.high)};
            out_.values[step.result] = Value::of(slot, span);
            out_.widen(slot, span.width());
        }
        if (!out_.full) return;
        for (Value& value : out_.values) {
            if (value.slot < 0) continue;
            value.width = static_cast<int16_t>(hulls[value.slot].width());
            value.is_signed = hulls[value.slot].is_signed();
            out_.widen(value.slot, value.width);
        }
    }

    const Value& value(int64_t number) const { return out_.values[number]; }

    Statement& add(Op op, const Step& step, int64_t result, int width) {
        Statement& item = out_.code.emplace_back();
        item.op = op;
        item.segment = static_cast<int32_t>(step.segment);
        item.result = static_cast<int32_t>(result);
        item.width = static_cast<int16_t>(width);
        return item;
    }

    void lower(const Step& step, int64_t before) {
        switch (step.kind) {
        case Kind::load: add(ap::kIn, step, step.result, value(step.result).width).imm = step.imm; break;
        case Kind::constant: add(ap::kSet, step, step.result, value(step.result).width).imm = step.imm; break;
        case Kind::store: {
            Statement& item = add(ap::kOut, step, -1, value(step.a).width);
            item.a = static_cast<int32_t>(step.a);
            item.imm = step.imm;
            break;
        }
        case Kind::steps: lower_steps(step); break;
        case Kind::maximum: lower_maximum(step, before); break;
        case Kind::shifted: copy(step, step.result, step.a, step.a_shift); break;
        case Kind::clamped: lower_clamped(step); break;
        case Kind::sum: lower_sum(step, before); break;
        }
    }

    void lower_sum(const Step& step, int64_t before) {
        const Value result = value(step.result);
        if (before >= 0) {
            const bool first = before == step.a;
            const int64_t source = first ? step.b : step.a, shift = first ? step.b_shift : step.a_shift;
            if (reads_[before] == 1)
                add_term(step, before, source, shift);
            else
                accumulate(step, extend(step, before, result.width), source, shift);
        } else if (step.a >= 0 && step.a == step.b && step.a_shift != step.b_shift && result.width > step.b_shift) {
            // Two domains of one column would meet.
            const Interval span = value(step.a).span.moved(static_cast<int>(step.a_shift));
            const int32_t half = out_.new_value(Value::of(result.slot, span));
            copy(step, half, step.a, step.a_shift);
            accumulate(step, extend(step, half, result.width), step.b, step.b_shift);
        } else if (step.b < 0 || result.width <= step.b_shift) {
            copy(step, step.result, step.a, step.a_shift);
        } else {
            Statement& item = add(step.subtract ? ap::kSub : ap::kAdd, step, step.result, result.width);
            // A source of which the result keeps no bit is zero.
            item.a = static_cast<int32_t>(step.a_shift < result.width ? step.a : -1);
            item.b = static_cast<int32_t>(step.b);
            item.a_shift = static_cast<int16_t>(item.a < 0 ? 0 : step.a_shift);
            item.b_shift = static_cast<int16_t>(step.b_shift);
        }
    }

    void copy(const Step& step, int64_t result, int64_t source, int64_t shift) {
        if (source < 0 || shift >= value(result).width) {
            add(ap::kSet, step, result, value(result).width);
            return;
        }
        Statement& item = add(ap::kCopy, step, result, value(result).width);
        item.a = static_cast<int32_t>(source);
        item.a_shift = static_cast<int16_t>(shift);
    }

    // result = old + or - (source << shift): a shift skips the low domains, which stay as they are; one to the right
    // skips those of the source.
    void accumulate(const Step& step, int64_t old, int64_t source, int64_t shift) {
        const int skipped = static_cast<int>(std::max<int64_t>(0, shift));
        Statement& item =
            add(step.subtract ? ap::kSubIp : ap::kAddIp, step, step.result, value(step.result).width - skipped);
        item.old = static_cast<int32_t>(old);
        item.a = static_cast<int32_t>(source);
        item.a_shift = static_cast<int16_t>(shift - skipped);
        item.offset = static_cast<int16_t>(skipped);
    }

    // One more term of a sum whose value so far nothing else reads.
    void add_term(const Step& step, int64_t before, int64_t source, int64_t shift) {
        int32_t sum = sum_of_[before];
        if (sum < 0) {
            sum = static_cast<int32_t>(out_.sums.size());
            out_.sums.push_back({value(before).slot, static_cast<int32_t>(before), -1, 0, value(before).span});
        }
        Sum& it = out_.sums[sum];
        it.final = static_cast<int32_t>(step.result);
        ++it.remaining;
        sum_of_[step.result] = sum;
        const int skipped = static_cast<int>(std::max<int64_t>(0, shift));
        out_.widen(it.slot, skipped + 1);
        Statement& item = add(step.subtract ? ap::kSubIp : ap::kAddIp, step, -1, 1);
        item.sum = sum;
        item.a = static_cast<int32_t>(source);
        item.a_shift = static_cast<int16_t>(shift - skipped);
        item.offset = static_cast<int16_t>(skipped);
    }

    // The value, valid on more bits of its slot: its sign repeated, or the bits above an unsigned one cleared.
    int64_t extend(const Step& step, int64_t number, int width) {
        const Value before = value(number);
        if (width <= before.width) return number;
        Value wider = before;
        wider.width = static_cast<int16_t>(width);
        const int32_t result = out_.new_value(wider);
        const int offset = before.is_signed ? before.width - 1 : before.width;
        Statement& item = add(before.is_signed ? ap::kExt : ap::kSet, step, result, width - offset);
        item.old = static_cast<int32_t>(number);
        item.offset = static_cast<int16_t>(offset);
        return result;
    }

    // The result holds one operand and takes the other one in the rows where that is greater. A value that the
    // result's width cuts is below the other operand's range, so it is replaced.
    void lower_maximum(const Step& step, int64_t before) {
        const Value result = value(step.result);
        const int64_t kept = before >= 0 ? before : step.a, other = kept == step.a ? step.b : step.a;
        int64_t old = 0;
        if (before >= 0) {
            old = extend(step, kept, result.width);
        } else {
            old = out_.new_value(result);
            copy(step, old, kept, 0);
        }
        const int64_t mine = before >= 0 ? old : kept;
        const int32_t flag = out_.new_value(Value::of(out_.new_slot(), {0, 1}));
        Statement& test = add(ap::kCmpGev, step, flag, ap::compared_width(value(other), value(mine)));
        test.a = static_cast<int32_t>(other);
        test.b = static_cast<int32_t>(mine);
        Statement& item = add(ap::kCopyIf, step, step.result, result.width);
        item.old = static_cast<int32_t>(old);
        item.a = static_cast<int32_t>(other);
        item.b = flag;
    }

    // The source, read from a bit on, and in the rows where it is beyond the result's range the end of that.
    void lower_clamped(const Step& step) {
        const Value result = value(step.result);
        const Interval source = spans_[step.a].moved(static_cast<int>(step.a_shift));
        const bool below = source.low<result.span.low, above = source.high> result.span.high;
        int32_t current = static_cast<int32_t>(below || above ? out_.new_value(result) : step.result);
        if (below) {
            add(ap::kSet, step, current, result.width).imm = result.span.low;
            const int32_t flag = reaches(step, result.span.low, result.span.low + 1);
            const int32_t next = static_cast<int32_t>(above ? out_.new_value(result) : step.result);
            Statement& item = add(ap::kCopyIf, step, next, result.width);
            item.old = current;
            item.a = static_cast<int32_t>(step.a);
            item.a_shift = static_cast<int16_t>(step.a_shift);
            item.b = flag;
            current = next;
        } else {
            copy(step, current, step.a, step.a_shift);
        }
        if (!above) return;
        const int32_t flag = reaches(step, result.span.high, result.span.high + 1);
        Statement& item = add(ap::kSetIf, step, step.result, result.width);
        item.old = current;
        item.a = flag;
        item.imm = result.span.high & Interval::of_width(result.width, false).high;
    }

    // Whether the source, read from a bit on, is one of two bounds or more, whichever takes fewer bits to tell: zeros
    // at the end of a bound needn't be looked at.
    int32_t reaches(const Step& step, int64_t bound, int64_t other) {
        const int from = -static_cast<int>(step.a_shift), most = value(step.a).width - from - 1;
        // Of zero a sign tells all.
        const auto zeros_of = [](int64_t number) { return std::countr_zero(static_cast<uint64_t>(number)); };
        if (zeros_of(other) > zeros_of(bound)) bound = other;
        const int zeros = std::min(most, zeros_of(bound));
        const int32_t flag = out_.new_value(Value::of(out_.new_slot(), {0, 1}));
        Statement& test = add(ap::kCmpGe, step, flag, value(step.a).width - from - zeros);
        test.a = static_cast<int32_t>(step.a);
        test.a_shift = static_cast<int16_t>(step.a_shift - zeros);
        test.imm = bound >> zeros;
        return flag;
    }

    // Ascending thresholds: each row that has reached one gets the number beside it, by the bits that change.
    void lower_steps(const Step& step) {
        const Value result = value(step.result);
        const int64_t mask = Interval::of_width(result.width, false).high;
        const auto entries = thresholds_.subspan(step.table_begin, step.table_end - step.table_begin);
        int64_t number = step.imm;
        int32_t current = static_cast<int32_t>(entries.empty() ? step.result : out_.new_value(result));
        add(ap::kSet, step, current, result.width).imm = number;
        for (const Threshold& entry : entries) {
            const int32_t flag = out_.new_value(Value::of(out_.new_slot(), {0, 1}));
            Statement& test = add(ap::kCmpGe, step, flag, value(step.a).width);
            test.a = static_cast<int32_t>(step.a);
            test.imm = entry.bound;
            const int width =
                std::max(1, static_cast<int>(std::bit_width(static_cast<uint64_t>((number ^ entry.number) & mask))));
            const int64_t next = &entry == &entries.back() ? step.result : out_.new_value(result);
            Statement& change = add(ap::kSetIf, step, next, width);
            change.old = current;
            change.a = flag;
            change.imm = entry.number & Interval::of_width(width, false).high;
            current = static_cast<int32_t>(next);
            number = entry.number;
        }
    }
};

}  // namespace placement
