// The named values of placed code: made before they are read, at one place, and never two in one place at a time.
#pragma once

#include <span>

#include "checked_code.hpp"
#include "records.hpp"

namespace placed {

using namespace ap;

struct Facts {
    int64_t values = 0, peak_bits = 0;
};

// Throws Problem for the first statement that breaks a rule of names, records or lifetimes.
Facts check_names(const CheckedCode& program, std::span<const Names> names, std::span<const Row> rows,
                  std::span<const int64_t> row_bounds);

}  // namespace placed
