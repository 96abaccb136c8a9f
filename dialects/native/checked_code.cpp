#include "checked_code.hpp"

#include <cstring>

namespace ap {

PassTable::PassTable(const uint8_t* bytes) {
    static_assert(sizeof(Variant) == 10);
    std::memcpy(variants_.data(), bytes, sizeof variants_);
}

CheckedCode::CheckedCode(const uint64_t* words, std::size_t count, std::vector<std::size_t> bounds,
                         const uint8_t* passes, int columns, int domains)
    : segments(std::move(bounds)), columns(columns), domains(domains), passes_(passes) {
    if (columns < 1 || domains < 1 || columns > kMaxColumns || domains > kMaxDomains)
        throw std::invalid_argument("impossible geometry");
    const bool whole = !segments.empty() && segments.front() == 0 && segments.back() == count &&
                       std::is_sorted(segments.begin(), segments.end());
    if (!whole) throw std::invalid_argument("the segments don't cover the program");
    code.resize(count);
    for (std::size_t number = 0; number < count; ++number) {
        if (!Instruction::is_instruction(words + 2 * number)) throw Problem{number, "it has no valid opcode word"};
        code[number] = Instruction::unpack(words + 2 * number);
        if (std::string problem = outside(code[number], columns, domains); !problem.empty())
            throw Problem(number, std::move(problem));
    }
    for (const std::size_t end : segments)
        if (end > 0 && !code[end - 1].last) throw Problem{end - 1, "the last bit loop of the segment is never ended"};
}

void CheckedCode::check_rules() const {
    for (std::size_t number = 0; number < code.size(); ++number)
        if (std::string problem = broken_rule(code[number]); !problem.empty())
            throw Problem(number, std::move(problem));
    for (std::size_t number = 0; number < code.size(); ++number) {
        const bool shared = !code[number].last || (number > 0 && !code[number - 1].last);
        if (shared && code[number].operands().second_carry)
            throw Problem(number, "a sum of three numbers is a bit loop by itself");
    }
}

}  // namespace ap
