// Prefix instructions on the planes of a part of the rows; for one instruction set, as lanes.hpp.
#pragma once

#include "sums.hpp"

namespace camc::CAMC_ISA {

// Writes the number in the rows whose A is first told from the immediate, from above, by a bit that makes it greater (or
// less), and whose D is zero. `changed` is told of the rows in which cells change.
template <bool Greater, int Words, class Changed>
CAMC_INLINE void set_whole(const Step& step, Planes<Words> planes, const Changed& changed) {
    using Part = typename Register<Words>::type;
    Part open = all<Part>(true), found{};
    for (int i = 0; i < whole_bits(step); ++i) open &= ~Part(planes[step.dst + uint32_t(i)]);
    for (int i = step.a_bits; i-- > step.bit;) {
        const bool imm = int64_t(step.imm) >> i & 1, decides = Greater != (step.a_signed && i == step.a_bits - 1);
        const Part a = planes[step.a + uint32_t(i)];
        if (imm != decides && i < step.bit + step.bits) found |= open & (decides ? a : ~a);
        open &= imm ? a : ~a;
    }
    for (int i = 0; i < whole_bits(step); ++i) {
        if (!(whole_number(step) >> i & 1)) continue;
        Cell<Words> dst = planes[step.dst + uint32_t(i)];
        changed(found);
        dst = Part(dst) | found;
    }
}

}  // namespace camc::CAMC_ISA
