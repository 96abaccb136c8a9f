// A decoded and checked AP program, and the vectors that it receives and sends.
#pragma once

#include <cstdint>
#include <vector>

#include "checked_code.hpp"
#include "step.hpp"

namespace camc {

class Program : public CheckedCode {
public:
    // As CheckedCode, and Problem where an instruction breaks a rule.
    Program(const uint64_t* words, size_t count, std::vector<size_t> segments, const uint8_t* passes, int columns,
            int domains);

    // Throws Problem where an instruction names a vector beyond the given numbers of inputs and outputs.
    void check_vectors(size_t inputs, size_t outputs) const;

    // The vectors that instructions receive, ascending, and the greatest width of one.
    const std::vector<int32_t>& inputs() const { return inputs_; }
    int input_bits() const { return input_bits_; }
    // Whether an instruction sends a vector.
    bool sends(size_t vector) const { return vector < sends_.size() && sends_[vector]; }

private:
    size_t last_input_ = 0, last_output_ = 0;  // the instructions with the greatest vector numbers
    bool has_input_ = false, has_output_ = false;
    int input_bits_ = 1;
    std::vector<int32_t> inputs_;
    std::vector<bool> sends_;

    void find_vectors();
};

}  // namespace camc
