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

// A weighted sum for a block of rows, of the vectors that are added and of those that are taken off.
struct Weighted {
    const uint64_t* planes;  // a word beyond the last one can be read
    int words, bits;         // of each vector, as they were received
    const CountedBit* counted;
    size_t counted_bits;
    Vectors up, down;
    int levels;  // planes of the sum, two's complement
};

// The kernels of an instruction set; words are 1, 2, 4 or 8.
struct CountingKernels {
    const char* name;
    void (*receive)(const Receive&);
    void (*sum)(const Weighted&, uint64_t* planes);
    // Integers of planes in two's complement, one for each of 64 * words rows.
    void (*expand)(const uint64_t* planes, int levels, int words, int64_t* to);
};

}  // namespace camc
