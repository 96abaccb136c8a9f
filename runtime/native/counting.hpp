// Counted searches on bit planes: what the kernels of each instruction set do for the engine of counted programs.
//
// A bit of a plane is a row of the result. A pair of searches, for weights of 1 and for weights of 0, adds a bit of an
// input up in the rows of the array whose cells match the one alone, and takes it off in those that match the other one
// alone: what matches both, a don't-care, cancels out, and what matches neither isn't there. So vertical counters of
// carry-save adders go through the array's rows that are left, for as many rows of the result as a register has bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "step.hpp"

namespace camc {

inline constexpr int kCounterBits = 63;  // the most that sums have

// Vectors [begin, end) of sources, for a block of rows: `bits` planes of `words` words each, one vector after another.
struct Receive {
    const Source* sources;
    uint32_t begin, end;
    int64_t first, rows;  // `first` is a multiple of 64
    int words, bits;
    uint64_t* planes;  // of all vectors, from vector 0 on
};

// A bit of an input as it is counted: which of its planes, and what it is worth, 1 << level or the negative of it.
struct CountedBit {
    int32_t plane, level;
    bool negative;
};

// Numbers of vectors, in groups of kTogether, which end with vectors of zeros.
struct Vectors {
    const uint32_t* numbers;
    size_t count;
};
inline constexpr size_t kTogether = 8;

// Opcodes, as dialects/machine/counting.py has them.
enum CountOp : int64_t { kCount = 19, kCountAdd, kMatch, kTake, kTakeAdd, kTakeSub, kTakeMax, kStore };

// An instruction of the loop; a stride is that of vectors.
struct CountStep {
    int64_t op, q, n, width, is_signed, shift, imm, stride;
};

// A table: what it answers to each key, or, without answers, its rows: bits that each cares for, and what they are.
struct Answers {
    const uint16_t* answers;
    const int64_t *keys, *keys_end;
};

// What an accumulator does in a step. Where `low` and `high` aren't known to hold for the result they are checked.
struct LaneStep {
    const CountStep* step;
    const CountedBit* counted;
    size_t counted_bits;
    Vectors up, down;
    int levels;  // of the sum, planes in two's complement
    Answers table;
    int64_t vector;  // that is taken, or stored
    int64_t low, high;
    bool checked;
};

// The loop for one accumulator, on a block of rows.
struct Lane {
    const LaneStep* steps;
    size_t step_count;
    const uint64_t* planes;  // of the inputs, as they were received; a word beyond the last one can be read
    int words, bits;
    bool wide;      // integers of 64 bits, not 32
    int64_t count;  // rows
    void* outputs;  // (vectors, rows), from the block's first row on
    int output_bytes;
    int64_t output_rows;
};

// The step whose result leaves its range, or none, and what it reaches.
struct Beyond {
    const LaneStep* step;
    int64_t least, most;
};

// The kernels of an instruction set; words are 1, 2 or 4.
struct CountingKernels {
    const char* name;
    void (*receive)(const Receive&);
    Beyond (*run)(const Lane&);
};

inline constexpr int kBlockWords = 4;

}  // namespace camc
