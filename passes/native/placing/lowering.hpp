// From operations over column vectors (passes/placing/vector_code.py) to statements.
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
    Lowering(const std::vector<Operation>& operations, std::vector<Interval> spans,
             std::span<const Threshold> thresholds, bool full, const Thrift& thrift, int64_t standing = 0)
        : spans_(std::move(spans)), thresholds_(thresholds), standing_(standing) {
        out_.full = full;
        if (standing > 0)
            operations_ = operations;  // Inputs are loaded where the caller wants them.
        else
            operations_ =
                Loading(thrift.by_output ? by_output(operations, spans_.size()) : operations, spans_, thrift.limit).run();
        last_.assign(spans_.size(), -1);
        reads_.assign(spans_.size(), 0);
        sum_of_.assign(spans_.size(), -1);
        for (std::size_t i = 0; i < operations_.size(); ++i) {
            for (const int64_t value : {operations_[i].result, operations_[i].a, operations_[i].b})
                if (value >= 0) last_[value] = static_cast<int64_t>(i);
            for (const int64_t value : {operations_[i].a, operations_[i].b})
                if (value >= 0) ++reads_[value];
        }
        make_values();
    }

    Statements run() {
        for (std::size_t i = 0; i < operations_.size(); ++i)
            lower(operations_[i], continues(operations_[i], static_cast<int64_t>(i)));
        out_.drop_void_terms();
        return std::move(out_);
    }

private:
    std::vector<Operation> operations_;
    std::vector<Interval> spans_;
    std::span<const Threshold> thresholds_;
    // Values below are continued in place by one another only; if there are any, terms of a sum are added as they come.
    int64_t standing_;
    std::vector<int64_t> last_, reads_;
    std::vector<int32_t> sum_of_;  // of each value that is the latest of a sum
    Statements out_;

    // The operand whose place the result takes over, or -1: it dies here and is not shifted.
    // In place, B = B + A and B = B - A have valid pass orders, B = A - B has none.
    int64_t continues(const Operation& operation, int64_t at) const {
        if (operation.kind != Kind::sum && operation.kind != Kind::maximum) return -1;
        if (operation.a == operation.b || operation.a < 0 || operation.b < 0) return -1;
        // A source that is shifted beyond the result leaves only the other one.
        if (spans_[operation.result].width() <= std::max(operation.a_shift, operation.b_shift)) return -1;
        const auto takes = [&](int64_t value, int64_t shift) {
            return shift == 0 && last_[value] == at && (value >= standing_ || operation.result < standing_);
        };
        if (takes(operation.a, operation.a_shift)) return operation.a;
        if (!operation.subtract && takes(operation.b, operation.b_shift)) return operation.b;
        return -1;
    }

    void make_values() {
        out_.values.resize(spans_.size());
        std::vector<Interval> hulls;
        for (std::size_t i = 0; i < operations_.size(); ++i) {
            const Operation& operation = operations_[i];
            if (operation.result < 0) continue;
            const Interval span = spans_[operation.result];
            const int64_t before = continues(operation, static_cast<int64_t>(i));
            const int32_t slot = before >= 0 ? out_.values[before].slot : out_.new_slot();
            if (before < 0) hulls.push_back(span);
            hulls[slot] = {std::min(hulls[slot].low, span.low), std::max(hulls[slot].high, span.high)};
            out_.values[operation.result] = Value::of(slot, span);
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

    Statement& add(Op op, const Operation& operation, int64_t result, int width) {
        Statement& item = out_.code.emplace_back();
        item.op = op;
        item.segment = static_cast<int32_t>(operation.segment);
        item.result = static_cast<int32_t>(result);
        item.width = static_cast<int16_t>(width);
        return item;
    }

    void lower(const Operation& operation, int64_t before) {
        switch (operation.kind) {
        case Kind::load:
            add(ap::kIn, operation, operation.result, value(operation.result).width).imm = operation.imm;
            break;
        case Kind::constant:
            add(ap::kSet, operation, operation.result, value(operation.result).width).imm = operation.imm;
            break;
        case Kind::store: {
            Statement& item = add(ap::kOut, operation, -1, value(operation.a).width);
            item.a = static_cast<int32_t>(operation.a);
            item.imm = operation.imm;
            break;
        }
        case Kind::steps: lower_steps(operation); break;
        case Kind::maximum: lower_maximum(operation, before); break;
        case Kind::shifted: copy(operation, operation.result, operation.a, operation.a_shift); break;
        case Kind::clamped: lower_clamped(operation); break;
        case Kind::sum: lower_sum(operation, before); break;
        }
    }

    void lower_sum(const Operation& operation, int64_t before) {
        const Value result = value(operation.result);
        if (before >= 0) {
            const bool first = before == operation.a;
            const int64_t source = first ? operation.b : operation.a,
                          shift = first ? operation.b_shift : operation.a_shift;
            if (reads_[before] == 1 && standing_ == 0)
                add_term(operation, before, source, shift);
            else
                accumulate(operation, extend(operation, before, result.width), source, shift);
        } else if (operation.a >= 0 && operation.a == operation.b && operation.a_shift != operation.b_shift &&
                   result.width > operation.b_shift) {
            // Two domains of one column would meet.
            const Interval span = value(operation.a).span.moved(static_cast<int>(operation.a_shift));
            const int32_t half = out_.new_value(Value::of(result.slot, span));
            copy(operation, half, operation.a, operation.a_shift);
            accumulate(operation, extend(operation, half, result.width), operation.b, operation.b_shift);
        } else if (operation.b < 0 || result.width <= operation.b_shift) {
            copy(operation, operation.result, operation.a, operation.a_shift);
        } else {
            Statement& item = add(operation.subtract ? ap::kSub : ap::kAdd, operation, operation.result, result.width);
            // A source of which the result keeps no bit is zero.
            item.a = static_cast<int32_t>(operation.a_shift < result.width ? operation.a : -1);
            item.b = static_cast<int32_t>(operation.b);
            item.a_shift = static_cast<int16_t>(item.a < 0 ? 0 : operation.a_shift);
            item.b_shift = static_cast<int16_t>(operation.b_shift);
        }
    }

    void copy(const Operation& operation, int64_t result, int64_t source, int64_t shift) {
        if (source < 0 || shift >= value(result).width) {
            add(ap::kSet, operation, result, value(result).width);
            return;
        }
        Statement& item = add(ap::kCopy, operation, result, value(result).width);
        item.a = static_cast<int32_t>(source);
        item.a_shift = static_cast<int16_t>(shift);
    }

    // result = old + or - (source << shift): a shift skips the low domains, which stay as they are; one to the right
    // skips those of the source.
    void accumulate(const Operation& operation, int64_t old, int64_t source, int64_t shift) {
        const int skipped = static_cast<int>(std::max<int64_t>(0, shift));
        Statement& item = add(operation.subtract ? ap::kSubIp : ap::kAddIp, operation, operation.result,
                              value(operation.result).width - skipped);
        item.old = static_cast<int32_t>(old);
        item.a = static_cast<int32_t>(source);
        item.a_shift = static_cast<int16_t>(shift - skipped);
        item.offset = static_cast<int16_t>(skipped);
    }

    // One more term of a sum whose value so far nothing else reads.
    void add_term(const Operation& operation, int64_t before, int64_t source, int64_t shift) {
        int32_t sum = sum_of_[before];
        if (sum < 0) {
            sum = static_cast<int32_t>(out_.sums.size());
            out_.sums.push_back({value(before).slot, static_cast<int32_t>(before), -1, 0, value(before).span});
        }
        Sum& it = out_.sums[sum];
        it.final = static_cast<int32_t>(operation.result);
        ++it.remaining;
        sum_of_[operation.result] = sum;
        const int skipped = static_cast<int>(std::max<int64_t>(0, shift));
        out_.widen(it.slot, skipped + 1);
        Statement& item = add(operation.subtract ? ap::kSubIp : ap::kAddIp, operation, -1, 1);
        item.sum = sum;
        item.a = static_cast<int32_t>(source);
        item.a_shift = static_cast<int16_t>(shift - skipped);
        item.offset = static_cast<int16_t>(skipped);
    }

    // The value, valid on more bits of its slot: its sign repeated, or the bits above an unsigned one cleared.
    int64_t extend(const Operation& operation, int64_t number, int width) {
        const Value before = value(number);
        if (width <= before.width) return number;
        Value wider = before;
        wider.width = static_cast<int16_t>(width);
        const int32_t result = out_.new_value(wider);
        const int offset = before.is_signed ? before.width - 1 : before.width;
        Statement& item = add(before.is_signed ? ap::kExt : ap::kSet, operation, result, width - offset);
        item.old = static_cast<int32_t>(number);
        item.offset = static_cast<int16_t>(offset);
        return result;
    }

    // The result holds one operand and takes the other one in the rows where that is greater. A value that the
    // result's width cuts is below the other operand's range, so it is replaced.
    void lower_maximum(const Operation& operation, int64_t before) {
        const Value result = value(operation.result);
        const int64_t kept = before >= 0 ? before : operation.a,
                      other = kept == operation.a ? operation.b : operation.a;
        int64_t old = 0;
        if (before >= 0) {
            old = extend(operation, kept, result.width);
        } else {
            old = out_.new_value(result);
            copy(operation, old, kept, 0);
        }
        const int64_t mine = before >= 0 ? old : kept;
        const int32_t flag = out_.new_value(Value::of(out_.new_slot(), {0, 1}));
        Statement& test = add(ap::kCmpGev, operation, flag, ap::compared_width(value(other), value(mine)));
        test.a = static_cast<int32_t>(other);
        test.b = static_cast<int32_t>(mine);
        Statement& item = add(ap::kCopyIf, operation, operation.result, result.width);
        item.old = static_cast<int32_t>(old);
        item.a = static_cast<int32_t>(other);
        item.b = flag;
    }

    // The source, read from a bit on, and in the rows where it is beyond the result's range the end of that.
    void lower_clamped(const Operation& operation) {
        const Value result = value(operation.result);
        const Interval source = spans_[operation.a].moved(static_cast<int>(operation.a_shift));
        const bool below = source.low<result.span.low, above = source.high> result.span.high;
        int32_t current = static_cast<int32_t>(below || above ? out_.new_value(result) : operation.result);
        if (below) {
            add(ap::kSet, operation, current, result.width).imm = result.span.low;
            const int32_t flag = reaches(operation, result.span.low, result.span.low + 1);
            const int32_t next = static_cast<int32_t>(above ? out_.new_value(result) : operation.result);
            Statement& item = add(ap::kCopyIf, operation, next, result.width);
            item.old = current;
            item.a = static_cast<int32_t>(operation.a);
            item.a_shift = static_cast<int16_t>(operation.a_shift);
            item.b = flag;
            current = next;
        } else {
            copy(operation, current, operation.a, operation.a_shift);
        }
        if (!above) return;
        const int32_t flag = reaches(operation, result.span.high, result.span.high + 1);
        Statement& item = add(ap::kSetIf, operation, operation.result, result.width);
        item.old = current;
        item.a = flag;
        item.imm = result.span.high & Interval::of_width(result.width, false).high;
    }

    // Whether the source, read from a bit on, is one of two bounds or more, whichever takes fewer bits to tell: zeros
    // at the end of a bound needn't be looked at.
    int32_t reaches(const Operation& operation, int64_t bound, int64_t other) {
        const int from = -static_cast<int>(operation.a_shift), most = value(operation.a).width - from - 1;
        // Of zero a sign tells all.
        const auto zeros_of = [](int64_t number) { return std::countr_zero(static_cast<uint64_t>(number)); };
        if (zeros_of(other) > zeros_of(bound)) bound = other;
        const int zeros = std::min(most, zeros_of(bound));
        const int32_t flag = out_.new_value(Value::of(out_.new_slot(), {0, 1}));
        Statement& test = add(ap::kCmpGe, operation, flag, value(operation.a).width - from - zeros);
        test.a = static_cast<int32_t>(operation.a);
        test.a_shift = static_cast<int16_t>(operation.a_shift - zeros);
        test.imm = bound >> zeros;
        return flag;
    }

    // Ascending thresholds: each row that has reached one gets the number beside it, by the bits that change.
    void lower_steps(const Operation& operation) {
        const Value result = value(operation.result);
        const int64_t mask = Interval::of_width(result.width, false).high;
        const auto entries = thresholds_.subspan(operation.table_begin, operation.table_end - operation.table_begin);
        int64_t number = operation.imm;
        int32_t current = static_cast<int32_t>(entries.empty() ? operation.result : out_.new_value(result));
        add(ap::kSet, operation, current, result.width).imm = number;
        for (const Threshold& entry : entries) {
            const int32_t flag = out_.new_value(Value::of(out_.new_slot(), {0, 1}));
            Statement& test = add(ap::kCmpGe, operation, flag, value(operation.a).width);
            test.a = static_cast<int32_t>(operation.a);
            test.imm = entry.bound;
            const int width =
                std::max(1, static_cast<int>(std::bit_width(static_cast<uint64_t>((number ^ entry.number) & mask))));
            const int64_t next = &entry == &entries.back() ? operation.result : out_.new_value(result);
            Statement& change = add(ap::kSetIf, operation, next, width);
            change.old = current;
            change.a = flag;
            change.imm = entry.number & Interval::of_width(width, false).high;
            current = static_cast<int32_t>(next);
            number = entry.number;
        }
    }
};

}  // namespace placement
