// The engine's inner loop: the bits of an instruction as logic on bit planes, for one instruction set (CAMC_ISA).
//
// An instruction's look-up-table passes of a bit, taken together, are a function of the bits before it (no pass creates
// a state that a later one matches), so the rows that each pass tags, and with them the written and toggled cells,
// follow from the same logic. tests/test_engine.py compares all of it with the golden simulator's passes.
#include "lanes.hpp"
#include "step.hpp"

namespace camc::CAMC_ISA {

namespace {

// Byte `group` of items of a vector, for the rows of a block.
class Fetch {
 public:
  // Where in the source the block's first row is.
  struct Start {
    int64_t sample, run, item;
  };

  static CAMC_INLINE Start start_of(const Source& source, int64_t row) {
    int64_t run = row / source.across;
    return {run / source.down, run % source.down, row % source.across};
  }

  static CAMC_INLINE void copy(const Source& source, Start at, const uint8_t* data, int64_t rows, int group, uint8_t* to) {
    while (rows > 0) {
      const uint8_t* from =
          data + at.sample * source.sample_stride + at.run * source.run_stride + at.item * source.item_stride + group;
      int64_t count = source.across - at.item < rows ? source.across - at.item : rows;
      if (source.item_stride != 1)
        for (int64_t i = 0; i < count; ++i) to[i] = from[i * source.item_stride];
      else if (source.slack)
        // Whole chunks, also beyond the run: the next run overwrites them.
        for (int64_t i = 0; i < count; i += kChunk) std::memcpy(to + i, from + i, kChunk);
      else
        std::memcpy(to, from, size_t(count));
      to += count;
      rows -= count;
      at.item = 0;
      if (++at.run == source.down) at.run = 0, ++at.sample;
    }
  }

  static constexpr int kChunk = kSlack < 32 ? kSlack : 32;
};

template <int W, bool Trace>
class Runner {
  using Plane = Rows<W>;

 public:
  explicit CAMC_INLINE Runner(const Block& block) : block_(block), planes_((Plane*)block.planes) {
    for (size_t i = 0; i < block.source_count; ++i)
      if (i < kStarts) starts_[i] = Fetch::start_of(block.sources[i], block.first);
    uint64_t words[W];
    for (int i = 0; i < W; ++i) {
      int64_t left = block.rows - 64 * i;
      words[i] = left >= 64 ? ~uint64_t{0} : left > 0 ? (uint64_t{1} << left) - 1 : 0;
    }
    std::memcpy(&enabled_, words, sizeof words);
  }

  CAMC_INLINE void run() {
    for (size_t segment = 0; segment < block_.segment_count; ++segment) {
      const Step* end = block_.steps + block_.segments[segment + 1];
      for (const Step* step = block_.steps + block_.segments[segment]; step != end; ++step) execute(*step);
      if constexpr (Trace) {
        int64_t both = changed_.take();
        block_.traced[segment].written += both + written_.take();
        block_.traced[segment].toggled += both + toggled_.take();
      }
    }
  }

 private:
  static constexpr size_t kStarts = 16;

  const Block& block_;
  Plane* planes_;
  Plane enabled_;
  Fetch::Start starts_[kStarts];
  // Cells that a tagged write changed, that one wrote, and that any write toggled.
  Tally<W> changed_, written_, toggled_;

  CAMC_INLINE void changed(const Plane& rows) {
    if constexpr (Trace) changed_.add(rows & enabled_);
  }
  CAMC_INLINE void written(const Plane& rows) {
    if constexpr (Trace) written_.add(rows & enabled_);
  }
  CAMC_INLINE void toggled(const Plane& rows) {
    if constexpr (Trace) toggled_.add(rows & enabled_);
  }

  CAMC_INLINE void execute(const Step& step) {
    switch (step.op) {
      case kSet:
        return set(step);
      case kSetIf:
        return set_if(step);
      case kCopy:
        return copy(step);
      case kExt:
        return extend(step);
      case kAddIp:
        return accumulate<false>(step);
      case kSubIp:
        return accumulate<true>(step);
      case kAdd:
        return combine<false>(step);
      case kSub:
        return combine<true>(step);
      case kCmpGe:
        return compare_immediate(step);
      case kIn:
        return receive(step);
      case kOut:
        return send(step);
      case kCmpGev:
        return compare(step);
      default:
        return copy_if(step);
    }
  }

  // A source beyond the bits in which it moves: its last plane again if signed, else zero.
  CAMC_INLINE const Plane* rest(uint32_t first, int bits, bool is_signed) const {
    return planes_ + (is_signed ? first + uint32_t(bits) - 1 : 0);
  }

  // The carry before the first bit of a step.
  CAMC_INLINE Plane carry(const Step& step) {
    if (!step.first) return planes_[step.carry];
    toggled(planes_[step.carry]);
    return Plane::all(false);
  }

  CAMC_INLINE void store(Plane& plane, const Plane& value) {
    toggled(plane ^ value);
    plane = value;
  }

  CAMC_INLINE void set(const Step& step) {
    Plane* dst = planes_ + step.dst;
    for (int i = 0; i < step.bits; ++i) store(dst[i], Plane::all(int64_t(step.imm) >> i & 1));
  }

  CAMC_INLINE void set_if(const Step& step) {
    Plane* dst = planes_ + step.dst;
    Plane flag = planes_[step.a];
    for (int i = 0; i < step.bits; ++i) {
      written(flag);
      store(dst[i], choose(flag, Plane::all(int64_t(step.imm) >> i & 1), dst[i]));
    }
  }

  // Clears a plane, then writes it in some rows.
  CAMC_INLINE void clear_and_set(Plane& plane, const Plane& value) {
    toggled(plane);
    changed(value);
    plane = value;
  }

  CAMC_INLINE void copy(const Step& step) {
    Plane* dst = planes_ + step.dst;
    const Plane *a = planes_ + step.a, *beyond = rest(step.a, step.a_bits, step.a_signed);
    for (int i = 0; i < step.bits; ++i) clear_and_set(dst[i], i < step.a_bits ? a[i] : *beyond);
  }

  CAMC_INLINE void extend(const Step& step) {
    Plane* dst = planes_ + step.dst;
    Plane sign = step.first ? dst[0] : planes_[step.carry];
    if (step.first) clear_and_set(planes_[step.carry], sign);
    for (int i = step.first; i < step.bits; ++i) clear_and_set(dst[i], sign);
  }

  template <bool Subtract>
  CAMC_INLINE Plane accumulate_bit(Plane& dst, const Plane& a, const Plane& carry) {
    Plane before = dst, next = Subtract ? borrow_of(before, a, carry) : carry_of(before, a, carry);
    changed(a ^ carry);
    changed(carry ^ next);
    dst = parity(before, a, carry);
    return next;
  }

  template <bool Subtract>
  CAMC_INLINE void accumulate(const Step& step) {
    Plane* dst = planes_ + step.dst;
    const Plane* a = planes_ + step.a;
    Plane carry = this->carry(step);
    for (int i = 0; i < step.a_bits; ++i) carry = accumulate_bit<Subtract>(dst[i], a[i], carry);
    if (step.a_bits < step.bits) {
      Plane beyond = *rest(step.a, step.a_bits, step.a_signed);
      for (int i = step.a_bits; i < step.bits; ++i) carry = accumulate_bit<Subtract>(dst[i], beyond, carry);
    }
    planes_[step.carry] = carry;
  }

  template <bool Subtract>
  CAMC_INLINE Plane combine_bit(Plane& dst, const Plane& a, const Plane& b, const Plane& carry) {
    Plane next = Subtract ? borrow_of(a, b, carry) : carry_of(a, b, carry);
    clear_and_set(dst, parity(a, b, carry));
    changed(carry ^ next);
    return next;
  }

  template <bool Subtract>
  CAMC_INLINE void combine(const Step& step) {
    Plane* dst = planes_ + step.dst;
    const Plane *a = planes_ + step.a, *b = planes_ + step.b;
    Plane carry = this->carry(step);
    int i = 0, common = step.a_bits < step.b_bits ? step.a_bits : step.b_bits;
    for (; i < common; ++i) carry = combine_bit<Subtract>(dst[i], a[i], b[i], carry);
    if (i < step.bits) {
      const Plane *a_rest = rest(step.a, step.a_bits, step.a_signed), *b_rest = rest(step.b, step.b_bits, step.b_signed);
      for (; i < step.bits; ++i)
        carry = combine_bit<Subtract>(dst[i], i < step.a_bits ? a[i] : *a_rest, i < step.b_bits ? b[i] : *b_rest, carry);
    }
    planes_[step.carry] = carry;
  }

  // The result of a comparison before the first bit of a step; all ones at bit 0.
  CAMC_INLINE Plane result(const Step& step) {
    if (!step.first) return planes_[step.dst];
    toggled(~planes_[step.dst]);
    return Plane::all(true);
  }

  // A pass that writes a bit of the result in some rows; bit 0 has no pass that writes the one that is there.
  CAMC_INLINE Plane tagged_write(const Plane& before, const Plane& rows, bool value, bool issued) {
    Plane after = value ? before | rows : before & ~rows;
    if (issued) {
      written(rows);
      toggled(before ^ after);
    }
    return after;
  }

  CAMC_INLINE void compare_immediate(const Step& step) {
    const Plane* a = planes_ + step.a;
    Plane result = this->result(step);
    for (int i = 0; i < step.bits; ++i) {
      bool imm = int64_t(step.imm) >> i & 1, sign = step.sign && i == step.bits - 1, known = step.first && i == 0;
      bool value = imm == sign;
      result = tagged_write(result, imm ? ~a[i] : a[i], value, !(known && value));
    }
    planes_[step.dst] = result;
  }

  CAMC_INLINE void compare(const Step& step) {
    const Plane *a = planes_ + step.a, *b = planes_ + step.b;
    const Plane *a_rest = rest(step.a, step.a_bits, step.a_signed), *b_rest = rest(step.b, step.b_bits, step.b_signed);
    Plane result = this->result(step);
    for (int i = 0; i < step.bits; ++i) {
      Plane x = i < step.a_bits ? a[i] : *a_rest, y = i < step.b_bits ? b[i] : *b_rest;
      bool sign = step.sign && i == step.bits - 1, known = step.first && i == 0;
      // Two passes, x1y0 then x0y1; the first leaves the result unknown if it is issued and clears.
      result = tagged_write(result, x & ~y, !sign, !known || sign);
      result = tagged_write(result, y & ~x, sign, !known || !sign || !step.a_none);
    }
    planes_[step.dst] = result;
  }

  CAMC_INLINE void copy_if(const Step& step) {
    Plane* dst = planes_ + step.dst;
    const Plane *a = planes_ + step.a, *beyond = rest(step.a, step.a_bits, step.a_signed);
    Plane flag = planes_[step.carry];
    for (int i = 0; i < step.bits; ++i) {
      written(flag);
      store(dst[i], choose(flag, i < step.a_bits ? a[i] : *beyond, dst[i]));
    }
  }

  void receive(const Step& step) {
    const Vector& vector = block_.inputs[step.imm];
    const Source& source = block_.sources[vector.source];
    Fetch::Start start = vector.source < int(kStarts) ? starts_[vector.source] : Fetch::start_of(source, block_.first);
    alignas(64) uint8_t bytes[64 * W + Fetch::kChunk];
    Plane* dst = planes_ + step.dst;
    int last = 8 * source.bytes - 1, end = step.bit + step.bits;
    for (int begin = step.bit; begin < end; begin = (begin | 7) + 1) {
      // Beyond its items' type a vector repeats the sign.
      if (begin <= last || begin == step.bit)
        Fetch::copy(source, start, vector.data, block_.rows, (begin < last ? begin : last) / 8, bytes);
      for (int i = begin; i < end && i <= (begin | 7); ++i) {
        Plane& plane = dst[i - step.bit];
        toggled(plane);
        uint64_t* words = (uint64_t*)&plane;
        for (int word = 0; word < W; ++word) words[word] = bits_of_bytes(bytes + 64 * word, i < last ? i & 7 : last & 7);
        changed(plane);
      }
    }
  }

  void send(const Step& step) {
    const Plane* a = planes_ + step.a;
    char* to = (char*)block_.outputs + (int64_t(step.imm) * block_.samples + block_.first) * block_.output_bytes;
    // Only in outputs of 64 bits can an instruction be cut into its bits.
    if (block_.output_bytes == 8 && step.bits == 1) return send_bit(step, *a, (int64_t*)to);
    switch (block_.output_bytes) {
      case 1:
        return send_all(step, (int8_t*)to);
      case 2:
        return send_all(step, (int16_t*)to);
      case 4:
        return send_all(step, (int32_t*)to);
      default:
        return send_all(step, (int64_t*)to);
    }
  }

  // Adds one bit to the items, unsigned, as several members of a loop may add to one vector until it wraps.
  void send_bit(const Step& step, const Plane& plane, int64_t* items) {
    uint64_t words[W];
    std::memcpy(words, &plane, sizeof words);
    for (int64_t row = 0; row < block_.rows; ++row) {
      uint64_t set = (words[row / 64] >> (row % 64) & 1) << step.bit, before = step.bit ? uint64_t(items[row]) : 0;
      items[row] = int64_t(step.sign ? before - set : before + set);
    }
  }

  template <class Item>
  void send_all(const Step& step, Item* items) {
    const Plane* beyond = rest(step.a, step.a_bits, step.a_signed);
    const uint64_t* planes[8 * sizeof(Item)];
    for (int bit = 0; bit < int(8 * sizeof(Item)); ++bit)
      planes[bit] = (const uint64_t*)(bit < step.a_bits ? planes_ + step.a + bit : beyond);
    int groups = step.a_signed ? int(sizeof(Item)) : (step.a_bits + 7) / 8;
    for (int64_t row = 0; row < block_.rows; row += 64) {
      uint64_t sums[64] = {};
      uint8_t bytes[64];
      for (int group = 0; group < groups; ++group) {
        int bits = step.a_signed || step.a_bits > 8 * group + 8 ? 8 : step.a_bits - 8 * group;
        uint64_t words[8];
        for (int bit = 0; bit < bits; ++bit) words[bit] = planes[8 * group + bit][row / 64];
        bytes_of_bits(words, bits, bytes);
        if constexpr (sizeof(Item) > 1)
          for (int i = 0; i < 64; ++i) sums[i] |= uint64_t(bytes[i]) << (8 * group);
      }
      int64_t count = block_.rows - row;
      if constexpr (sizeof(Item) > 1)
        for (int64_t i = 0; i < 64 && i < count; ++i) items[row + i] = Item(sums[i]);
      else if (count >= 64)
        std::memcpy(items + row, bytes, 64);
      else
        std::memcpy(items + row, bytes, size_t(count));
    }
  }
};

template <int W, bool Trace>
void run_block(const Block& block) {
  Runner<W, Trace>(block).run();
}

}  // namespace

extern const Kernels kernels;
const Kernels kernels = {
    CAMC_ISA_NAME,
    {run_block<kSizes[0], false>, run_block<kSizes[1], false>, run_block<kSizes[2], false>, run_block<kSizes[3], false>, run_block<kSizes[4], false>},
    {run_block<kSizes[0], true>, run_block<kSizes[1], true>, run_block<kSizes[2], true>, run_block<kSizes[3], true>, run_block<kSizes[4], true>},
};

}  // namespace camc::CAMC_ISA
