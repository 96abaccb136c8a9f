// Statements as tables: the binary program with the names and places of its values (dialects/rtm/placed.py).
#pragma once

#include "records.hpp"
#include "writer.hpp"

namespace placement {

struct Tables {
    std::vector<ap::Words> words;
    std::vector<ap::Names> names;   // of each instruction
    std::vector<ap::Row> values;    // in the order in which they are made, numbered so
    std::vector<int64_t> segments;  // instructions of each
};

inline ap::Row row_of(const Placed& from, int32_t id, const Value& value, bool across) {
    const Place place = from.places[value.slot];
    return {id, place.column, place.domain, value.width, value.is_signed, across};
}

inline ap::Operand operand_of(const Placed& from, int32_t number, int shift) {
    return number < 0 ? ap::Operand{} : row_of(from, number, from.values[number], from.across).operand(shift);
}

inline Tables to_tables(const Placed& from, std::size_t segments) {
    Tables out;
    out.segments.assign(segments, 0);
    std::vector<int32_t> number_of(from.values.size(), -1);
    const auto number = [&](int32_t value) { return value < 0 ? -1 : number_of[value]; };
    for (std::size_t i = 0; i < from.code.size(); ++i) {
        const Statement& item = from.code[i];
        ++out.segments[item.segment];
        ap::Instruction code;
        if (item.result >= 0) {
            number_of[item.result] = static_cast<int32_t>(out.values.size());
            const bool across = from.across && !item.makes_flag();
            out.values.push_back(row_of(from, number_of[item.result], from.values[item.result], across));
            code.dst = out.values.back().first().after(item.offset, across);
        }
        code.op = item.op;
        code.across = from.across;
        code.last = item.last;
        code.start = item.start;
        code.width = item.width;
        code.carry = {from.carries[i].column, from.carries[i].domain};
        const ap::Operands& has = item.operands();
        if (has.a_swept || has.a_flag) code.a = operand_of(from, item.a, item.a_shift);
        if (has.b_swept) code.b = operand_of(from, item.b, item.b_shift);
        code.imm = static_cast<int32_t>(item.imm);
        out.words.push_back(code.pack());
        out.names.push_back({number(item.result), number(item.old), number(item.a), number(item.b)});
    }
    return out;
}

}  // namespace placement
