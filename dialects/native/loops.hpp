// Bit loops step by step: what their passes are, and what it costs to bring their cells under the ports.
#pragma once

#include "checked_code.hpp"

namespace ap {

// Of a segment or of one opcode in it, whatever the data and the rows are; dialects/machine/census.py names them in the
// same order. Ports go on from segment to segment, from domain 0 of each column. A bit loop is its first member's; what
// a step of shifting takes is that of the members that are the first to need the columns.
struct Counts {
    int64_t instructions = 0, loops = 0;
    int64_t searches = 0, writes = 0, keyed = 0, unkeyed = 0;  // sums of the variants' numbers
    int64_t shift_steps = 0;                                   // in time: columns that move together count once
    int64_t column_steps = 0;                                  // of single columns
    int64_t moved = 0;                                         // the sum of the variants' moves
    int64_t sent = 0;                                          // those of them to the buffer
    int64_t shorts = 0;                                        // instructions that have the stream's short form
    int64_t short_words = 0;                                   // of 16 bits, that these take
    int64_t widest = 0;                                        // columns of the loop that needs the most
    int64_t furthest = 0;                                      // the domain

    void add(const Counts& other);
};

struct Swept {
    std::vector<Counts> segments;
    std::vector<Counts> opcodes;        // (segments, kOpcodes): their shares in the segments' counts
    std::vector<int64_t> steps, ports;  // (segments, columns): steps, and the domain under each port at the end
    std::vector<int64_t> writes;        // (columns, domains): passes that write a cell
};

// Steps through all loops; throws Problem where a column is needed at two domains at once.
Swept sweep(const CheckedCode& program);

// The same without what is known of single columns and cells.
Swept sweep_counts(const CheckedCode& program);

// Throws Problem where members of a loop have one carry cell.
void check_carries(const CheckedCode& program);

// Throws Problem where executing a loop's members bit by bit differs from executing them one after another.
void check_order(const CheckedCode& program);

}  // namespace ap
