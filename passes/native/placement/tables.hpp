// Statements as tables: the binary program with the names and places of its values (dialects/placed.py).
#pragma once

#include "writer.hpp"

namespace placement {

constexpr int64_t word_count = 2, name_count = 4, value_count = 5;

struct Tables {
    std::vector<uint64_t> words;     // two an instruction, as dialects/code.py has them
    std::vector<int32_t> names;      // result, old, a, b of each instruction; -1 for none
    std::vector<int32_t> values;     // number, column, first domain, width, signed
    std::vector<int64_t> segments;   // instructions of each
};

inline uint64_t operand_bits(const Placed& from, int32_t number, int shift) {
    if (number < 0) return 0;
    const Value& value = from.values[number];
    const Place place = from.places[value.slot];
    return static_cast<uint64_t>(place.column) | static_cast<uint64_t>(place.domain) << 11 |
           static_cast<uint64_t>(value.width) << 19 | static_cast<uint64_t>(value.is_signed) << 25 |
           static_cast<uint64_t>(shift) << 26;
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
            for (const int32_t field : {number_of[item.result], target.column, target.domain, static_cast<int32_t>(value.width), static_cast<int32_t>(value.is_signed)})
                out.values.push_back(field);
            target.domain += item.offset;
        }
        uint64_t second = item.op == Op::set || item.op == Op::in ? 0 : operand_bits(from, item.a, item.a_shift);
        const bool two = item.op == Op::add || item.op == Op::sub || item.op == Op::cmp_gev;
        second |= (two ? operand_bits(from, item.b, item.b_shift) : static_cast<uint32_t>(item.imm)) << 32;
        out.words.push_back(static_cast<uint64_t>(item.op) | static_cast<uint64_t>(item.last) << 5 |
                            static_cast<uint64_t>(item.start) << 6 | static_cast<uint64_t>(item.width) << 12 |
                            static_cast<uint64_t>(target.column) << 18 | static_cast<uint64_t>(target.domain) << 29 |
                            static_cast<uint64_t>(from.carries[i].column) << 37 |
                            static_cast<uint64_t>(from.carries[i].domain) << 48);
        out.words.push_back(second);
        for (const int32_t name : {item.result, item.old, item.a, item.b}) out.names.push_back(name < 0 ? -1 : number_of[name]);
    }
    return out;
}

}  // namespace placement
