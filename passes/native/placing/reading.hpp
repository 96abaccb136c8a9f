// Placed code back to statements without places, so that it can be scheduled and placed anew.
#pragma once

#include <span>

#include "tables.hpp"

namespace placement {

struct Source {
    std::span<const ap::Words> words;
    std::span<const ap::Names> names;
    std::span<const ap::Row> values;  // numbered 0, 1, ...
    std::span<const int64_t> segments;
};

class Reading {
public:
    explicit Reading(const Source& source) : source_(source), readers_(source.values.size(), 0) {
        for (const ap::Names& names : source_.names)
            for (const int32_t value : {names.old, names.a, names.b})
                if (value >= 0) ++readers_[value];
    }

    Statements run() {
        make_values();
        std::size_t at = 0;
        for (std::size_t segment = 0; segment < source_.segments.size(); ++segment)
            for (int64_t i = 0; i < source_.segments[segment]; ++i) read(at++, static_cast<int32_t>(segment));
        std::erase_if(out_.code, [](const Statement& item) { return item.segment < 0; });
        out_.drop_void_terms();
        return std::move(out_);
    }

private:
    Source source_;
    std::vector<int32_t> readers_;
    // Of each value: the sum that it is the latest of, what it was extended from.
    std::vector<int32_t> sum_of_, grown_from_;
    Statements out_;

    void make_values() {
        const std::size_t count = readers_.size();
        out_.values.resize(count);
        sum_of_.assign(count, -1);
        grown_from_.assign(count, -1);
        for (const ap::Names& names : source_.names) {
            if (names.result < 0) continue;
            const ap::Row& row = source_.values[names.result];
            Value& value = out_.values[names.result];
            value.slot = names.old >= 0 ? out_.values[names.old].slot : out_.new_slot();
            value.width = static_cast<int16_t>(row.width);
            value.is_signed = row.is_signed != 0;
            value.span = Interval::of_width(row.width, value.is_signed);
            out_.widen(value.slot, row.width);
        }
    }

    void read(std::size_t i, int32_t segment) {
        const ap::Instruction code = ap::Instruction::unpack(source_.words[i].data());
        const ap::Names& names = source_.names[i];
        Statement item;
        item.op = code.op;
        item.width = static_cast<int16_t>(code.width);
        item.segment = segment;
        item.result = names.result;
        item.old = names.old;
        item.a = names.a;
        item.b = names.b;
        if (item.a >= 0 && item.sweeps_a()) item.a_shift = shift_of(item.a, code.a);
        if (item.b >= 0 && item.sweeps_b()) item.b_shift = shift_of(item.b, code.b);
        item.imm = code.imm;
        drop_unread(item);
        if (item.result >= 0 && !item.makes_flag())
            item.offset = static_cast<int16_t>(code.dst.domain - source_.values[item.result].domain);
        const bool grows = (item.op == ap::kExt || item.op == ap::kSet) && item.old >= 0;
        if (grows && readers_[item.result] == 1 && readers_[item.old] == 1) {
            // Whether it is a sum that grows shows at its reader.
            grown_from_[item.result] = static_cast<int32_t>(out_.code.size());
        } else if ((item.op == ap::kAddIp || item.op == ap::kSubIp) && item.a >= 0 && readers_[item.old] == 1) {
            add_term(item);
            return;
        }
        out_.code.push_back(item);
    }

    int16_t shift_of(int32_t value, const ap::Operand& operand) const {
        return static_cast<int16_t>(source_.values[value].shift_of(operand));
    }

    // A source that is shifted beyond the result is zero.
    void drop_unread(Statement& item) {
        if (item.a_shift >= item.width) {
            if (item.op == ap::kCopy) item.op = ap::kSet;
            item.a = -1;
            item.a_shift = 0;
        }
        if (item.b_shift >= item.width) {
            item.b = -1;
            item.b_shift = 0;
        }
    }

    // Terms are added in any order as far as nothing reads what the sum is in between.
    void add_term(Statement item) {
        int32_t before = item.old;
        if (const int32_t grown = grown_from_[before]; grown >= 0) {
            before = out_.code[grown].old;
            out_.code[grown].segment = -1;  // the scheduler extends sums itself
        }
        int32_t sum = sum_of_[before];
        if (sum < 0) {
            sum = static_cast<int32_t>(out_.sums.size());
            const Value& value = out_.values[before];
            out_.sums.push_back({value.slot, before, -1, 0, value.span});
        }
        Sum& it = out_.sums[sum];
        it.final = item.result;
        ++it.remaining;
        sum_of_[item.result] = sum;
        item.sum = sum;
        item.old = item.result = -1;
        out_.code.push_back(item);
    }
};

}  // namespace placement
