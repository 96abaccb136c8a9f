#include "program.hpp"

#include <algorithm>
#include <string>

namespace camc {

namespace {

constexpr int kMostSent = 1 << 20;  // vectors that are known to be sent are below, whatever numbers a program names

}  // namespace

Program::Program(const uint64_t* words, size_t count, std::vector<size_t> segments, const uint8_t* passes, int columns,
                 int domains)
    : CheckedCode(words, count, std::move(segments), passes, columns, domains) {
    if (this->segments.size() < 2) throw std::invalid_argument("the program has no segment");
    check_rules();
    find_vectors();
}

void Program::find_vectors() {
    for (size_t i = 0; i < code.size(); ++i) {
        if (!code[i].operands().vector) continue;
        bool input = code[i].op == kIn;
        size_t& last = input ? last_input_ : last_output_;
        bool& any = input ? has_input_ : has_output_;
        if (!any || code[i].imm > code[last].imm) last = i;
        any = true;
        if (input) {
            input_bits_ = std::max(input_bits_, code[i].width);
            inputs_.push_back(code[i].imm);
        } else if (code[i].imm < kMostSent) {
            sends_.resize(std::max(sends_.size(), size_t(code[i].imm) + 1));
            sends_[size_t(code[i].imm)] = true;
        }
    }
    std::sort(inputs_.begin(), inputs_.end());
    inputs_.erase(std::unique(inputs_.begin(), inputs_.end()), inputs_.end());
}

void Program::check_vectors(size_t inputs, size_t outputs) const {
    auto refuse = [&](size_t number) {
        throw Problem(number, "there is no vector " + std::to_string(code[number].imm));
    };
    if (has_input_ && size_t(code[last_input_].imm) >= inputs) refuse(last_input_);
    if (has_output_ && size_t(code[last_output_].imm) >= outputs) refuse(last_output_);
}

}  // namespace camc
