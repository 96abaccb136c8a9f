// Placed code back to statements without places, so that it can be scheduled and placed anew.
#pragma once

#include <span>

#include "tables.hpp"

namespace placement {

struct Source {
    std::span<const uint64_t> words;
    std::span<const int32_t> names, values;  // values numbered 0, 1, ...
    std::span<const int64_t> segments;
};

class Reading {
public:
    explicit Reading(const Source& source) : source_(source), readers_(source.values.size() / value_count, 0) {
        const std::size_t count = source_.words.size() / word_count;
        for (std::size_t i = 0; i < count; ++i)
            for (const int field : {1, 2, 3})
                if (const int32_t value = name(i, field); value >= 0) ++readers_[value];
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

    int32_t name(std::size_t i, int field) const { return source_.names[i * name_count + field]; }
    void make_values() {
        const std::size_t count = readers_.size();
        out_.values.resize(count);
        sum_of_.assign(count, -1);
        grown_from_.assign(count, -1);
        for (std::size_t i = 0; i < source_.words.size() / word_count; ++i) {
            const int32_t result = name(i, 0);
            if (result < 0) continue;
            const int32_t* row = &source_.values[result * value_count];
            const int width = row[3];
            const bool is_signed = row[4] != 0;
            Value& value = out_.values[result];
            value.slot = name(i, 1) >= 0 ? out_.values[name(i, 1)].slot : out_.new_slot();
            value.width = static_cast<int16_t>(width);
            value.is_signed = is_signed;
            value.span = Interval::of_width(width, is_signed);
            out_.widen(value.slot, width);
        }
    }

    void read(std::size_t i, int32_t segment) {
        const uint64_t* words = &source_.words[i * word_count];
        Statement item;
        const ap::Instruction code = ap::Instruction::unpack(words);
        item.op = code.op;
        item.width = static_cast<int16_t>(code.width);
        item.segment = segment;
        item.result = name(i, 0);
        item.old = name(i, 1);
        item.a = name(i, 2);
        item.b = name(i, 3);
        if (item.a >= 0 && item.sweeps_a()) item.a_shift = shift_of(item.a, code.a);
        if (item.b >= 0 && item.sweeps_b()) item.b_shift = shift_of(item.b, code.b);
        item.imm = code.imm;
        drop_unread(item);
        if (item.result >= 0 && !item.makes_flag())
            item.offset = static_cast<int16_t>(code.dst.domain - source_.values[item.result * value_count + 2]);
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

    // How a value is shifted where it is read; below zero where it is read from one of its bits on.
    int16_t shift_of(int32_t value, const ap::Operand& operand) const {
        const int below = operand.domain - source_.values[value * value_count + 2];
        return static_cast<int16_t>(operand.shift - below);
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
