// Bit planes of a block of rows in the registers of one instruction set, and the logic of a bit on them.
//
// Compiled once for each instruction set, each time in a namespace of its own (CAMC_ISA) and without inline functions
// of the standard library, so that no code for one set can be linked into another.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__GNUC__)
#define CAMC_INLINE inline __attribute__((always_inline))
#define CAMC_FLAT __attribute__((always_inline))
#define CAMC_BARRIER __asm__ volatile("" ::: "memory")
#define CAMC_UNROLL _Pragma("GCC unroll 8")
#else
#define CAMC_INLINE inline
#define CAMC_FLAT
#define CAMC_BARRIER
#define CAMC_UNROLL
#endif

namespace camc::CAMC_ISA {

#if defined(__AVX512F__)
inline constexpr int kRegisterWords = 8;
#elif defined(__AVX2__)
inline constexpr int kRegisterWords = 4;
#elif defined(__GNUC__)
inline constexpr int kRegisterWords = 2;
#else
inline constexpr int kRegisterWords = 1;
#endif

template <int Words>
struct Register;
template <>
struct Register<1> {
#if defined(__AVX512VL__)
    // In the lower half, as a vector register has any function of three bits.
    typedef uint64_t type __attribute__((vector_size(16), may_alias));
#else
    using type = uint64_t;
#endif
};
#if defined(__GNUC__)
template <>
struct Register<2> {
    typedef uint64_t type __attribute__((vector_size(16), may_alias));
};
template <>
struct Register<4> {
    typedef uint64_t type __attribute__((vector_size(32), may_alias));
};
template <>
struct Register<8> {
    typedef uint64_t type __attribute__((vector_size(64), may_alias));
};
#endif

// All bits of a register the same.
template <class Part>
CAMC_INLINE Part all(bool value) {
    return Part{} - uint64_t(value);
}

// Any function of three bits by its truth table, bit 4x + 2y + z of which is f(x, y, z).
template <int Table, class Part>
CAMC_INLINE Part logic(Part x, Part y, Part z) {
#if defined(__AVX512F__)
    if constexpr (sizeof(Part) == 64) return (Part)_mm512_ternarylogic_epi64((__m512i)x, (__m512i)y, (__m512i)z, Table);
#endif
#if defined(__AVX512VL__)
    if constexpr (sizeof(Part) == 32) return (Part)_mm256_ternarylogic_epi64((__m256i)x, (__m256i)y, (__m256i)z, Table);
    if constexpr (sizeof(Part) == 16) return (Part)_mm_ternarylogic_epi64((__m128i)x, (__m128i)y, (__m128i)z, Table);
#endif
    static_assert(Table == 0x96 || Table == 0xE8 || Table == 0x8E || Table == 0xCA, "a function without a formula");
    if constexpr (Table == 0x96) return x ^ y ^ z;
    if constexpr (Table == 0xE8) return (x & y) | (z & (x ^ y));
    if constexpr (Table == 0x8E) return (y & z) | (~x & (y ^ z));
    return z ^ (x & (y ^ z));
}

template <class Part>
CAMC_INLINE Part parity(Part x, Part y, Part z) {
    return logic<0x96>(x, y, z);
}
// The carry of x + y + z.
template <class Part>
CAMC_INLINE Part carry_of(Part x, Part y, Part z) {
    return logic<0xE8>(x, y, z);
}
// The borrow of x - y - z.
template <class Part>
CAMC_INLINE Part borrow_of(Part x, Part y, Part z) {
    return logic<0x8E>(x, y, z);
}
// Where x then y, else z.
template <class Part>
CAMC_INLINE Part choose(Part x, Part y, Part z) {
    return logic<0xCA>(x, y, z);
}

// Counts bits, each word of a register in a counter of its own.
template <int Words>
class Tally {
    using Part = typename Register<Words>::type;

public:
    CAMC_INLINE void add(Part rows) { sum_ += bits_of(rows); }

    CAMC_INLINE int64_t take() {
        uint64_t words[sizeof(Part) / 8], total = 0;
        std::memcpy(words, &sum_, sizeof words);
        for (uint64_t word : words) total += word;
        sum_ = Part{};
        return int64_t(total);
    }

private:
    Part sum_{};

    static CAMC_INLINE Part bits_of(Part x) {
#if defined(__AVX512VPOPCNTDQ__)
        if constexpr (sizeof(Part) == 64) return (Part)_mm512_popcnt_epi64((__m512i)x);
#endif
#if defined(__AVX512VPOPCNTDQ__) && defined(__AVX512VL__)
        if constexpr (sizeof(Part) == 32) return (Part)_mm256_popcnt_epi64((__m256i)x);
        if constexpr (sizeof(Part) == 16) return (Part)_mm_popcnt_epi64((__m128i)x);
#endif
#if defined(__POPCNT__)
        if constexpr (sizeof(Part) == 8) return Part(__builtin_popcountll((unsigned long long)x));
#endif
        // Sums of the bits in pairs, in fours, in bytes, then of the bytes of each word.
        x = x - (x >> 1 & (Part{} + 0x5555555555555555u));
        x = (x & (Part{} + 0x3333333333333333u)) + (x >> 2 & (Part{} + 0x3333333333333333u));
        x = (x + (x >> 4)) & (Part{} + 0x0F0F0F0F0F0F0F0Fu);
        x = x + (x >> 8);
        x = x + (x >> 16);
        return (x + (x >> 32)) & (Part{} + 0x7Fu);
    }
};

// Bit `bit` of each of 64 bytes.
CAMC_INLINE uint64_t bits_of_bytes(const uint8_t* bytes, int bit) {
#if defined(__AVX512BW__)
    return _mm512_test_epi8_mask(_mm512_loadu_si512(bytes), _mm512_set1_epi8(char(1 << bit)));
#elif defined(__AVX2__)
    uint64_t words[2];
    // The bit moves to the top of its byte, where movemask looks.
    for (int half = 0; half < 2; ++half) {
        __m256i x = _mm256_loadu_si256((const __m256i*)(bytes + 32 * half));
        words[half] = uint32_t(_mm256_movemask_epi8(_mm256_sll_epi16(x, _mm_cvtsi32_si128(7 - bit))));
    }
    return words[0] | words[1] << 32;
#else
    uint64_t word = 0;
    for (int group = 0; group < 8; ++group) {
        uint64_t eight = 0;
        for (int i = 0; i < 8; ++i) eight |= uint64_t(bytes[8 * group + i]) << (8 * i);
        // The product gathers the lowest bit of each byte in its top byte.
        word |= ((eight >> bit & 0x0101010101010101u) * 0x0102040810204080u >> 56) << (8 * group);
    }
    return word;
#endif
}

// 64 bytes whose bits 0 to `count` - 1 are those of the given words, and whose further bits are zero.
CAMC_INLINE void bytes_of_bits(const uint64_t* words, int count, uint8_t* bytes) {
#if defined(__AVX512BW__)
    // A word is the mask of the bytes that get its bit.
    __m512i sum = _mm512_setzero_si512();
    for (int bit = 0; bit < count; ++bit)
        sum = _mm512_mask_add_epi8(sum, words[bit], sum, _mm512_set1_epi8(char(1 << bit)));
    _mm512_storeu_si512(bytes, sum);
#elif defined(__AVX2__)
    // Each byte gets the eight bits among which its own is, and keeps that one.
    const __m256i spread = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i own = _mm256_set1_epi64x(int64_t(0x8040201008040201u));
    for (int half = 0; half < 2; ++half) {
        __m256i sum = _mm256_setzero_si256();
        for (int bit = 0; bit < count; ++bit) {
            __m256i eights = _mm256_shuffle_epi8(_mm256_set1_epi32(int(words[bit] >> (32 * half))), spread);
            __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(eights, own), own);
            sum = _mm256_or_si256(sum, _mm256_and_si256(set, _mm256_set1_epi8(char(1 << bit))));
        }
        _mm256_storeu_si256((__m256i*)(bytes + 32 * half), sum);
    }
#else
    for (int group = 0; group < 8; ++group) {
        uint64_t eight = 0;
        for (int bit = 0; bit < count; ++bit) {
            // Spread eight bits over eight bytes, then make each byte that is not zero a one.
            uint64_t x = (words[bit] >> (8 * group) & 0xFF) * 0x0101010101010101u & 0x8040201008040201u;
            eight |= ((x + 0x7F7F7F7F7F7F7F7Fu) >> 7 & 0x0101010101010101u) << bit;
        }
        for (int i = 0; i < 8; ++i) bytes[8 * group + i] = uint8_t(eight >> (8 * i));
    }
#endif
}

}  // namespace camc::CAMC_ISA
