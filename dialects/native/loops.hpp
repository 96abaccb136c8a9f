// Bit loops step by step: which domain each column must bring under its port, and what that costs in shifts.
#pragma once

#include "records.hpp"

namespace placed {

// What a segment shifts; ports go on from segment to segment, from domain 0 of each column on.
struct Shifts {
    int64_t loops = 0, shift_steps = 0, column_steps = 0, widest = 0, furthest = 0;
    std::vector<int64_t> of_column, ports;
};

// What a program shifts, and how often it writes each cell of a row at most: (columns, domains).
struct Swept {
    std::vector<Shifts> segments;
    std::vector<int64_t> writes;
};

// Steps through all loops; throws Problem where a column is needed at two domains at once or members share a carry.
Swept sweep(const Program& program);

// Throws Problem where executing a loop's members bit by bit differs from executing them one after another.
void check_order(const Program& program);

}  // namespace placed
