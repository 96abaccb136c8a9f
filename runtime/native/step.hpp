// The engine's internal form of a program: bits of instructions with their planes resolved, run one after another.
#pragma once

#include <cstddef>
#include <cstdint>

namespace camc {

// The opcodes of dialects/isa.py.
enum Op : uint8_t {
  kSet = 1,
  kSetIf,
  kCopy,
  kExt,
  kAddIp,
  kSubIp,
  kAdd,
  kSub,
  kCmpGe,
  kIn,
  kOut,
  kCmpGev,
  kCopyIf,
  kOps
};

// A number of bits of one instruction. Sources move for `a_bits` and `b_bits` bits, then stay on their last plane if
// signed or are zero. A step that is not the first of its instruction goes on from the carry or result in its cell.
struct Step {
  uint8_t op;
  bool first : 1;
  bool sign : 1;  // the last bit weighs negative
  bool a_signed : 1;
  bool b_signed : 1;
  bool a_none : 1;  // A is the constant zero, of no bits
  uint8_t bit;      // the number of the first bit
  uint8_t bits, a_bits, b_bits;
  uint32_t dst, a, carry;
  union {
    uint32_t b;
    int32_t imm;  // the bits from `bit` on; of IN and OUT the number of the vector
  };
};

// Where a vector's items are: rows are samples of `down` runs of `across` items.
struct Source {
  int bytes;  // of an item, a little-endian signed integer
  int64_t down, across;
  int64_t sample_stride, run_stride, item_stride;  // in bytes
  bool slack;                                      // kSlack bytes beyond the last item of any run can be read
  int64_t plane_words;  // not 0: the vectors are bit planes of 8 * bytes bits, each of so many words
  int64_t pad;          // of bit planes, what stands where a row has no item
};

inline constexpr int kSlack = 64;

// Row r of a vector of bit planes is bit r + shift of the planes, or the pad in rows that one of the masks leaves out.
// All of it can be read for as many rows as the largest block has.
struct Vector {
  const uint8_t* data;
  int32_t source;
  int64_t shift;
  const uint64_t *down_mask, *across_mask;  // null where they leave out no row
  bool nowhere;                             // the pad in all rows
};

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
  const Source* sources;
  size_t source_count;
  const Vector* inputs;
  int64_t first, rows;
  void* outputs;  // (vectors, samples)
  int output_bytes;
  int64_t samples;
  Traced* traced;  // by segment; only where counts are traced
};

// Block sizes in 64-bit words of rows.
inline constexpr int kSizes[] = {1, 4, 8, 16, 32};
inline constexpr int kSizeCount = 5;

using RunBlock = void (*)(const Block&);
// Bits of `rows` rows of a vector from a row on (a multiple of 64), into all planes of the source.
using Pack = void (*)(const Source&, const uint8_t* data, int64_t row, int64_t rows, uint64_t* planes);

// The kernels of an instruction set.
struct Kernels {
  const char* name;
  RunBlock plain[kSizeCount], traced[kSizeCount];
  Pack pack;
};

}  // namespace camc
