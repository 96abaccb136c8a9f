// Which instructions of a segment the stream has in a short form; dialects/machine/stream.py says how they look.
#pragma once

#include "code.hpp"

namespace ap {

class Stream {
public:
    // Of an instruction that is a bit loop by itself, the words of 16 bits of its short form; 0 where it is long.
    int short_words(const Instruction& item) {
        const int words = item.operands().second_carry ? 2 : 1;
        if (words_ < 0 || words_ + words > kMostWords || !fits(item)) return long_form(item);
        words_ += words;
        if (words == 1) single_ = item.a.column;
        return words;
    }

    // After a long instruction, the last one of its bit loop.
    int long_form(const Instruction& item) {
        head_ = item;
        single_ = item.a.column;
        words_ = adds(item) ? 0 : -1;
        return 0;
    }

private:
    static constexpr int kMostWords = 63, kFurthest = 3, kFar = 64;

    Instruction head_;
    int single_ = 0;  // the column of A of the last one that adds one number, or of the long one
    int words_ = -1;  // since the long one; -1 where none can follow

    static bool adds(const Instruction& item) {
        return item.op == kAddIp || item.op == kSubIp || item.operands().second_carry;
    }

    bool fits(const Instruction& item) const {
        if (!adds(item) || !item.across || item.a.width == 0) return false;
        Instruction other = head_;
        other.op = item.op;
        other.dst.column = item.dst.column;
        other.a.column = item.a.column;
        other.b = item.b;
        if (other != item) return false;
        if (!item.operands().second_carry) {
            const int further = item.a.column - single_;
            return further >= 0 && further <= kFurthest * item.a.width && further % item.a.width == 0;
        }
        Operand b = item.a;
        b.column = item.b.column;
        return b == item.b && near(item.a.column, item.a.width) && near(item.b.column, item.a.width);
    }

    bool near(int column, int width) const {
        const int further = column - head_.a.column;
        return further % width == 0 && further >= -kFar * width && further < kFar * width;
    }
};

}  // namespace ap
