// A decoded and checked AP program, and what is known of each bit of an instruction from the instruction table.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "step.hpp"

namespace camc {

// Beyond the roles of columns, passes have the latch.
inline constexpr int kLatch = kRoles, kPassRoles = kLatch + 1;

// The passes of one variant of an opcode's bit, summed up. Sets of roles have a bit a role.
struct Variant {
    uint8_t read = 0, written = 0;
    int searches = 0, writes = 0, keyed = 0, moves = 0;
    int unkeyed = 0;  // cells written in all rows, by passes without a key

    uint8_t used() const { return read | written; }
};

struct Table {
    const uint8_t* data;
    size_t size;
    const int32_t* starts;
    size_t count;
};

// Counts of a segment that don't depend on the data, in this order.
enum Count { kInstructions, kLoops, kSearches, kWrites, kKeyed, kUnkeyed, kShiftSteps, kColumnSteps, kMoved, kCounts };
using Counts = std::array<int64_t, kCounts>;

class Program {
public:
    std::vector<Instruction> code;
    std::vector<size_t> segments;
    int columns, domains;

    Program(std::pair<const uint64_t*, size_t> words, std::pair<const int32_t*, size_t> segment_starts,
            const Table& table, int columns, int domains);

    const Operands& operands(const Instruction& item) const { return operands_[size_t(item.op)]; }

    const Variant& variant_of(const Instruction& item, int bit) const {
        return variants_[size_t(item.op) * kVariants + operands(item).variant_of(item, bit)];
    }

    std::array<Cell, kRoles> cells_of(const Instruction& item, int bit) const {
        return operands(item).cells_of(item, bit);
    }

    size_t loop_end(size_t at) const { return ap::loop_end(code, at); }
    int loop_steps(size_t at, size_t end) const { return ap::loop_steps(code, at, end); }

    std::pair<Cell, int> place_of(const Instruction& item, Role role) const {
        return operands(item).place_of(item, role);
    }

    // Raises where an instruction names a vector beyond the given numbers of inputs and outputs.
    void check_vectors(size_t inputs, size_t outputs) const;

    // The vectors that instructions receive, ascending, and the greatest width of one.
    const std::vector<int32_t>& inputs() const { return inputs_; }
    int input_bits() const { return input_bits_; }
    // Whether an instruction sends a vector.
    bool sends(size_t vector) const { return vector < sends_.size() && sends_[vector]; }

    // Raises where two domains of a column are needed at a time.
    std::vector<Counts> static_counts() const;

    [[noreturn]] static void fail(size_t number, const std::string& problem) {
        throw std::invalid_argument("instruction " + std::to_string(number) + ": " + problem);
    }

private:
    std::array<Operands, kOpcodes> operands_{};
    std::array<Variant, kOpcodes * kVariants> variants_{};
    size_t last_input_ = 0, last_output_ = 0;  // the instructions with the greatest vector numbers
    bool has_input_ = false, has_output_ = false;
    int input_bits_ = 1;
    std::vector<int32_t> inputs_;
    std::vector<bool> sends_;

    void read_table(const Table& table);
    void decode(std::pair<const uint64_t*, size_t> words);
    void check_segments() const;
    void check(const Instruction& item, size_t number) const;
    void find_vectors();
};

}  // namespace camc
