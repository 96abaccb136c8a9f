// Operations over column vectors before anything has a place, as passes/placing/vector_code.py makes them.
#pragma once

#include "statements.hpp"

namespace placement {

enum class Kind : int64_t { load = 1, constant, sum, maximum, steps, store, shifted, clamped };

// One row of the table of operations; -1 is no value, or the constant zero.
struct Operation {
    Kind kind;
    int64_t segment, result, a, a_shift, b, b_shift, subtract, imm, table_begin, table_end;
};

struct Threshold {
    int64_t bound, number;
};

}  // namespace placement
