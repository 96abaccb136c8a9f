// Sums and differences of many terms on the planes of a part of the rows; for one instruction set, as lanes.hpp.
#pragma once

#include "lanes.hpp"
#include "step.hpp"

namespace camc::CAMC_ISA {

// A plane's words in one part of the rows.
template <int Words>
struct Cell {
    using Part = typename Register<Words>::type;

    char* words;

    CAMC_INLINE operator Part() const {
#if defined(__AVX512VL__)
        if constexpr (Words == 1) return (Part)_mm_loadl_epi64((const __m128i*)words);
#endif
        return *(const Part*)words;
    }
    CAMC_INLINE void operator=(Part value) const {
#if defined(__AVX512VL__)
        if constexpr (Words == 1) return _mm_storel_epi64((__m128i*)words, (__m128i)value);
#endif
        *(Part*)words = value;
    }
};

// The planes of one part of the rows; those of received vectors have negative numbers.
template <int Words>
class Planes {
public:
    CAMC_INLINE Planes(void* first, int log_bytes) : first_((char*)first), log_bytes_(log_bytes) {}
    CAMC_INLINE Cell<Words> operator[](uint32_t plane) const {
        // Blocks of fewer words than a register has are of one part.
        if constexpr (Words < kRegisterWords) return {first_ + ptrdiff_t(int32_t(plane)) * (8 * Words)};
        return {first_ + (ptrdiff_t(int32_t(plane)) << log_bytes_)};
    }

private:
    char* first_;
    int log_bytes_;
};

// A source of a step, which moves for some bits and then stays.
struct Sweep {
    uint32_t first, bits, rest;

    CAMC_INLINE Sweep() {}
    CAMC_INLINE Sweep(uint32_t first, int bits, bool is_signed)
        : first(first), bits(uint32_t(bits)), rest(is_signed ? first + uint32_t(bits) - 1 : 0) {}
    CAMC_INLINE uint32_t at(uint32_t bit) const { return bit < bits ? first + bit : rest; }
};

// Adds one bit of a term to the sum's bit, or subtracts it; the term's own carry goes on to its next bit.
template <bool Subtract, class Part>
CAMC_INLINE Part term(Part value, Part a, Part& carry) {
    Part next = Subtract ? borrow_of(value, a, carry) : carry_of(value, a, carry), sum = parity(value, a, carry);
    carry = next;
    return sum;
}

// The further bits: those up to the width of term `From`, which all terms from it on have, then those of the next ones.
// Terms are in the order of their widths, so the ones before are complete.
template <bool Subtract, int Terms, int From, int Words, class Part>
CAMC_INLINE void sum_rest(const Step* steps, Planes<Words> planes, uint32_t i, const Sweep& first, const Sweep* a,
                          Part* carry) {
    for (uint32_t end = steps[From].bits; i < end; ++i) {
        Part value = planes[first.at(i)];
        CAMC_UNROLL
        for (int k = From; k < Terms; ++k) value = term<Subtract, Part>(value, planes[a[k].at(i)], carry[k]);
        planes[steps->dst + i] = value;
    }
    if constexpr (From + 1 < Terms) sum_rest<Subtract, Terms, From + 1>(steps, planes, i, first, a, carry);
}

// All terms of a bit, then of the next one: their carries and the sum's bit stay in registers.
template <bool Subtract, int Terms, int Words>
CAMC_INLINE void sum(const Step* steps, Planes<Words> planes) {
    using Part = typename Register<Words>::type;
    Part carry[Terms] = {};
    uint32_t dst = steps->dst, common = steps->b_bits;
    Sweep first(steps->b, steps->b_bits, steps->b_signed), a[Terms];
    for (int k = 0; k < Terms; ++k) {
        a[k] = Sweep(steps[k].a, steps[k].a_bits, steps[k].a_signed);
        if (a[k].bits < common) common = a[k].bits;
    }
    // As long as no source has ended, planes follow each other and nothing is looked up.
    uint32_t i = 0;
    for (; i < common; ++i) {
        Part value = planes[first.first + i];
        CAMC_UNROLL
        for (int k = 0; k < Terms; ++k) value = term<Subtract, Part>(value, planes[a[k].first + i], carry[k]);
        planes[dst + i] = value;
    }
    sum_rest<Subtract, Terms, 0>(steps, planes, i, first, a, carry);
}

// The sum of a bit of D, A and B and a carry of two cells; the complements of a number that is subtracted, or of the
// sum, make it one of five bits, of which twos are carried on. `changed` is told of the rows in which cells change.
template <Op Operation, class Part, int Words, class Changed>
CAMC_INLINE void add_two_bits(Cell<Words> dst, Part a, Part b, Part& carry, Part& second, const Changed& changed) {
    const Part before = dst, d = Operation == kSubSub ? ~before : before, y = Operation == kAddSub ? ~b : b,
               other = Operation == kAddSub ? ~second : second;
    const Part some = parity(a, y, d), one = carry_of(a, y, d), two = carry_of(some, carry, other),
               sum = parity(some, carry, other), after = Operation == kSubSub ? ~sum : sum;
    const Part next = Operation == kAddSub ? one & two : one | two,
               next_second = Operation == kAddSub ? ~(one | two) : one & two;
    changed(before ^ after);
    changed(carry ^ next);
    changed(second ^ next_second);
    dst = after, carry = next, second = next_second;
}

// Adds two numbers to a third one, or subtracts them.
template <Op Operation, class Part, int Words, class Changed>
CAMC_INLINE void add_two(const Step& step, Planes<Words> planes, Part& carry, Part& second, const Changed& changed) {
    Sweep a(step.a, step.a_bits, step.a_signed), b(step.b, step.b_bits, step.b_signed);
    for (int i = 0; i < step.bits; ++i)
        add_two_bits<Operation, Part>(planes[step.dst + i], planes[a.at(uint32_t(i))], planes[b.at(uint32_t(i))], carry,
                                      second, changed);
}

}  // namespace camc::CAMC_ISA
