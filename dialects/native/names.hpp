// The named values of placed code: made before they are read, at one place, and never two in one place at a time.
#pragma once

#include <span>

#include "checked_code.hpp"

namespace placed {

using namespace ap;

// What a statement makes and reads, by id; -1 is no value (or the constant zero).
struct Names {
    int32_t result, old, a, b;
};

// Where a value lies, as a segment states it.
struct Row {
    int32_t id, column, domain, width, is_signed;
};

struct Facts {
    int64_t values = 0, peak_bits = 0;
};

// Throws Problem for the first statement that breaks a rule of names, records or lifetimes.
Facts check_names(const CheckedCode& program, std::span<const Names> names, std::span<const Row> rows,
                  std::span<const int64_t> row_bounds);

}  // namespace placed
