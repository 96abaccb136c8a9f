// The engine's internal form of a program: bits of instructions with their planes resolved, run one after another.
#pragma once

#include <cstddef>
#include <cstdint>

#include "code.hpp"

namespace camc {

using namespace ap;

inline constexpr int kMostTerms = 8;  // of a sum or difference

// Only in fused steps: D = B + A or B - A, and as many of the steps that follow as the opcode says (kSum + 1: one) add
// to or subtract from D as well; no carry is kept.
enum FusedOp : uint8_t { kSum = kOps, kDifference = kSum + kMostTerms };

// A number of bits of one instruction. Sources move for `a_bits` and `b_bits` bits, then stay on their last plane if
// signed or are zero. A step that is not the first of its instruction goes on from the carry or result in its cell.
struct Step {
    uint8_t op;
    bool first : 1;
    bool sign : 1;  // the last bit weighs negative
    bool a_signed : 1;
    bool b_signed : 1;
    bool a_none : 1;      // A is the constant zero, of no bits
    bool carry_dead : 1;  // the carry that it leaves is never read
    bool lean : 1;        // only cells that change are written
    uint8_t bit;          // the number of the first bit
    uint8_t bits, a_bits, b_bits;
    uint32_t dst, a, carry, second;  // second: the second cell of the carry
    union {
        uint32_t b;
        int32_t imm;  // the bits from `bit` on; of IN and OUT the number of the vector
    };
};

inline bool adds_two(uint8_t op) { return op == kAddAdd || op == kSubSub || op == kAddSub; }

// Prefix instructions: `a` has all bits of A, `imm` all of the immediate, `carry` the number and the bits of D.
inline bool sets_whole(uint8_t op) { return op == kSetGt || op == kSetLt; }
inline int whole_bits(const Step& step) { return int(step.carry >> 16); }
inline uint32_t whole_number(const Step& step) { return step.carry & 0xFFFF; }

// Tells of the planes that a step reads, also to write them in some rows only, and of those that it writes.
template <class Read, class Write>
void visit(const Step& step, const Read& read, const Write& write) {
    if (sets_whole(step.op)) {
        read(step.a, int(step.a_bits));
        read(step.dst, whole_bits(step));
        return write(step.dst, whole_bits(step));
    }
    const bool two = adds_two(step.op);
    bool keeps = two || step.op == kSetIf || step.op == kAddIp || step.op == kSubIp || step.op == kCopyIf;
    bool compares = step.op == kCmpGe || step.op == kCmpGev;
    int bits = compares ? 1 : step.op == kOut ? 0 : step.bits;
    if (step.op == kSetIf) read(step.a, 1);
    if (step.a_bits)
        read(step.a, int(step.a_bits));
    else if (step.a_signed)
        read(step.a - 1, 1);
    if (two || step.op == kAdd || step.op == kSub || step.op == kCmpGev) {
        if (step.b_bits)
            read(step.b, int(step.b_bits));
        else if (step.b_signed)
            read(step.b - 1, 1);
    }
    if (keeps || (compares && !step.first)) read(step.dst, bits);
    if (step.op == kExt && step.first) read(step.dst, 1);
    bool carries = two || step.op == kAdd || step.op == kSub || step.op == kAddIp || step.op == kSubIp || step.op == kExt;
    if (step.op == kCopyIf || (carries && !step.first)) read(step.carry, 1);
    if (two && !step.first) read(step.second, 1);
    write(step.dst, bits);
    if (carries) write(step.carry, 1);
    if (two) write(step.second, 1);
}

// An element of a window, and with it one vector of each channel.
struct Element {
    int64_t offset;  // in bytes, from the channel's first item
    // Of bit planes: row r is bit r + shift, or the pad in rows that one of the masks leaves out (null: none) or in
    // all.
    int64_t shift;
    const uint64_t *down_mask, *across_mask;
    bool nowhere;
};

// Vectors of one tensor, by channel and element. A vector's rows are samples of `down` runs of `across` items, each a
// little-endian signed integer, or bit planes of them.
struct Source {
    const uint8_t* data;
    int64_t channel_stride;
    const Element* elements;
    uint32_t element_count, vectors;
    int bytes;  // of an item
    int64_t down, across;
    int64_t sample_stride, run_stride, item_stride;  // in bytes
    bool slack;                                      // kSlack bytes beyond the last item of any run can be read
    // Not 0: the lowest bits of the items as bit planes of so many words, which can be read for the largest block's
    // rows.
    int64_t plane_words;
    int planes;
    int64_t pad;
};

inline constexpr int kSlack = 64;

// The counts of a segment that depend on the data, without those of passes that write to all rows.
struct Traced {
    int64_t written = 0, toggled = 0;
};

// One block of rows to be run through all steps.
struct Block {
    const Step* steps;
    const size_t* segments;  // the steps where they start, and the end
    size_t segment_count;
    void* planes;  // aligned to 64 bytes, of `words` words each; plane 0 is zero
    int words;
    const Source* sources;  // of all inputs, one after another
    size_t source_count;
    int64_t first, rows;
    void* outputs;  // (vectors, samples)
    int output_bytes;
    int64_t samples;
    Traced* traced;  // by segment and opcode; only where counts are traced
};

// Block sizes in 64-bit words of rows.
inline constexpr int kSizes[] = {1, 4, 8, 16, 32};
inline constexpr int kSizeCount = 5;

using RunBlock = void (*)(const Block&);
// Packs the bits of rows [begin, end) of a vector into the planes of the source; `begin` is a multiple of 64.
using Pack = void (*)(const Source&, const uint8_t* vector, int64_t begin, int64_t end, uint64_t* planes);

// The kernels of an instruction set.
struct Kernels {
    const char* name;
    RunBlock plain[kSizeCount], traced[kSizeCount];
    Pack pack;
};

}  // namespace camc
