// Statements as tables: the binary program with the names and places of its values (dialects/rtm/placed.py).
#pragma once

#include "code.hpp"
#include "writer.hpp"

namespace placement {

constexpr int64_t word_count = 2, name_count = 4, value_count = 5;

struct Tables {
    std::vector<uint64_t> words;    // two an instruction, as dialects/machine/code.py has them
    std::vector<int32_t> names;     // result, old, a, b of each instruction; -1 for none
    std::vector<int32_t> values;    // number, column, first domain, width, signed
    std::vector<int64_t> segments;  // instructions of each
};

inline ap::Operand operand_of(const Placed& from, int32_t number, int shift) {
    if (number < 0) return {};
    const Value& value = from.values[number];
    const Place place = from.places[value.slot];
    const int below = std::max(0, -shift);
    return {place.column, place.domain + below, value.width - below, value.is_signed, std::max(0, shift)};
}

// Values are numbered in the order in which they are made.
inline Tables to_tables(const Placed& from, std::size_t segments) {
    Tables out;
    out.segments.assign(segments, 0);
    std::vector<int32_t> number_of(from.values.size(), -1);
    for (std::size_t i = 0; i < from.code.size(); ++i) {
        const Statement& item = from.code[i];
        ++out.segments[item.segment];
        Place target{0, 0};
        if (item.result >= 0) {
            const Value& value = from.values[item.result];
            target = from.places[value.slot];
            number_of[item.result] = static_cast<int32_t>(out.values.size() / value_count);
            for (const int32_t field : {number_of[item.result], target.column, target.domain,
                                        static_cast<int32_t>(value.width), static_cast<int32_t>(value.is_signed)})
                out.values.push_back(field);
            target.domain += item.offset;
        }
        ap::Instruction code;
        code.op = item.op;
        code.last = item.last;
        code.start = item.start;
        code.width = item.width;
        code.dst = {target.column, target.domain};
        code.carry = {from.carries[i].column, from.carries[i].domain};
        const ap::Operands& has = item.operands();
        if (has.a_swept || has.a_flag) code.a = operand_of(from, item.a, item.a_shift);
        if (has.b_swept) code.b = operand_of(from, item.b, item.b_shift);
        code.imm = static_cast<int32_t>(item.imm);
        for (const uint64_t word : code.pack()) out.words.push_back(word);
        for (const int32_t name : {item.result, item.old, item.a, item.b})
            out.names.push_back(name < 0 ? -1 : number_of[name]);
    }
    return out;
}

}  // namespace placement
