#include "names.hpp"

namespace placed {

namespace {

constexpr size_t kMostNumbers = 1 << 20;  // or sixteen times as many as there are values: tables are by number
constexpr int64_t kNever = -1;

struct Value {
    int column = 0, domain = 0, width = 0;
    bool is_signed = false, across = false;
    int32_t stated_in = -1;     // the last segment whose table has it
    int32_t made_in = -1;       // the segment with its statement
    int64_t made = kNever;      // the statement that makes it
    int64_t consumed = kNever;  // the statement that overwrites it in place
    int64_t last_loop = kNever;
    int32_t root = -1;  // the first of the values that continue each other in place

    Cell first() const { return {column, domain}; }
    Cell cell(int bit) const { return first().after(bit, across); }
    // Bits from the first one to a cell.
    int bits_to(Cell to) const { return across ? to.column - column : to.domain - domain; }
    int end_column() const { return column + (across ? width : 1); }
    Operand operand(int shift = 0) const { return {column, domain, width, is_signed, shift}; }
    std::string place() const { return text_of(column, domain, width, is_signed, across); }
};

class Checker {
public:
    Checker(const CheckedCode& program, std::span<const Names> names, std::span<const Row> rows,
            std::span<const int64_t> row_bounds)
        : program_(program), names_(names), rows_(rows) {
        if (names.size() != program.code.size() || row_bounds.size() != program.segments.size() || row_bounds[0] != 0 ||
            row_bounds.back() != int64_t(rows.size()) || !std::is_sorted(row_bounds.begin(), row_bounds.end()))
            throw std::invalid_argument("names and values don't fit the program");
        const size_t numbers = std::max(kMostNumbers, 16 * rows.size());
        int32_t greatest = -1;
        for (size_t row = 0; row < rows.size(); ++row) {
            if (rows[row].id < 0 || size_t(rows[row].id) >= numbers)
                throw Problem{row, "the number of a value is 0 to " + std::to_string(numbers - 1), true};
            greatest = std::max(greatest, rows[row].id);
        }
        values_.resize(size_t(greatest) + 1);
        loops_.reserve(program.code.size());
        for (size_t number = 0; number < program.code.size(); ++number)
            loops_.push_back(number == 0 ? 0 : loops_.back() + program.code[number - 1].last);
        for (size_t segment = 0; segment + 1 < program.segments.size(); ++segment)
            read_segment(int32_t(segment), size_t(row_bounds[segment]), size_t(row_bounds[segment + 1]));
    }

    // Lifetimes are counted in bit loops: the members of one are interleaved, so a place serves one value per loop, or
    // values that continue each other.
    Facts check_lifetimes() {
        const int64_t loops = loops_.empty() ? 0 : loops_.back() + 1;
        std::vector<int64_t> owner(size_t(program_.columns) * size_t(program_.domains), kNever);
        std::vector<int64_t> until(owner.size(), kNever), change(size_t(loops) + 1, 0);
        Facts facts;
        for (size_t number = 0; number < names_.size(); ++number) {
            const Instruction& item = program_.code[number];
            if (item.operands().own_carry) take_carry(owner, number, item.carry);
            if (names_[number].result < 0) continue;
            ++facts.values;
            const Value& value = values_[size_t(names_[number].result)];
            for (int bit = 0; bit < value.width; ++bit) {
                size_t cell = index(value.cell(bit));
                check_owner(owner[cell], number, value.cell(bit), value.root);
                owner[cell] = int64_t(names_[number].result) << 1;
                // The live bits are those of the places, whichever values of a chain lie there.
                int64_t from = std::max(loops_[number], until[cell] + 1);
                if (from > value.last_loop) continue;
                ++change[size_t(from)];
                --change[size_t(value.last_loop) + 1];
                until[cell] = value.last_loop;
            }
        }
        int64_t live = 0;
        for (int64_t step : change) facts.peak_bits = std::max(facts.peak_bits, live += step);
        return facts;
    }

private:
    const CheckedCode& program_;
    std::span<const Names> names_;
    std::span<const Row> rows_;
    std::vector<Value> values_;
    std::vector<int64_t> loops_;  // the bit loop of each instruction

    static std::string name(int32_t id) { return std::string("%").append(std::to_string(id)); }

    std::string at(int32_t id) const {
        return name(id) + " at " + values_[size_t(id)].place();
    }

    static std::string reference(int64_t number) { return std::string("{").append(std::to_string(number)).append("}"); }

    size_t index(Cell cell) const { return size_t(cell.column) * size_t(program_.domains) + size_t(cell.domain); }

    void read_segment(int32_t segment, size_t first_row, size_t end_row) {
        const size_t begin = program_.segments[size_t(segment)], end = program_.segments[size_t(segment) + 1];
        for (size_t number = begin; number < end; ++number) {
            int32_t id = names_[number].result;
            if (id < 0) continue;
            if (size_t(id) >= values_.size()) throw Problem{number, name(id) + " has no place"};
            Value& value = values_[size_t(id)];
            if (value.made != kNever)
                throw Problem{number, name(id) + " is made by " + reference(value.made) + " already"};
            value.made_in = segment;
        }
        for (size_t row = first_row; row < end_row; ++row) read_row(segment, row, first_row, begin);
        for (size_t number = begin; number < end; ++number) read_statement(segment, number);
    }

    void read_row(int32_t segment, size_t row, size_t first_row, size_t begin) {
        const Row& stated = rows_[row];
        Value& value = values_[size_t(stated.id)];
        if (row > first_row && rows_[row - 1].id >= stated.id)
            throw Problem{row, "the table of values is not ascending at " + name(stated.id), true};
        value.stated_in = segment;
        if (value.made == kNever) {
            if (value.made_in != segment) throw Problem{row, "no statement before makes " + name(stated.id), true};
            const int64_t bits = stated.width - 1, end_column = stated.column + (stated.across ? bits : 0),
                          end_domain = stated.domain + (stated.across ? 0 : bits);
            if (stated.column < 0 || stated.domain < 0 || stated.width < 1 || end_column >= program_.columns ||
                end_domain >= program_.domains)
                throw Problem{row,
                              text_of(stated.column, stated.domain, stated.width, false, stated.across != 0) +
                                  " lies outside " +
                                  std::to_string(program_.columns) + " columns of " + std::to_string(program_.domains) +
                                  " domains",
                              true};
            value.column = stated.column;
            value.domain = stated.domain;
            value.width = stated.width;
            value.is_signed = stated.is_signed != 0;
            value.across = stated.across != 0;
            return;
        }
        std::string there =
            text_of(stated.column, stated.domain, stated.width, stated.is_signed != 0, stated.across != 0);
        if (value.place() != there)
            throw Problem{row,
                          name(stated.id) + " is said to be live at " + there + ", " + reference(value.made) +
                              " makes " + at(stated.id),
                          true};
        if (value.consumed != kNever)
            throw Problem{
                row, name(stated.id) + " is no longer live: " + reference(value.consumed) + " overwrites it in place",
                true};
        if (begin < loops_.size()) value.last_loop = std::max(value.last_loop, loops_[begin]);
    }

    void read_statement(int32_t segment, size_t number) {
        const Names& names = names_[number];
        for (int32_t id : {names.old, names.a, names.b}) use(segment, number, id);
        if (names.result >= 0) {
            Value& value = values_[size_t(names.result)];
            if (value.made != kNever)
                throw Problem{number, name(names.result) + " is made by " + reference(value.made) + " already"};
            if (value.stated_in != segment) throw Problem{number, name(names.result) + " has no place"};
            value.made = int64_t(number);
            value.last_loop = loops_[number];
            value.root = names.result;
        }
        check_columns(number);
        if (std::string problem = mismatch(program_.code[number], names); !problem.empty())
            throw Problem{number, problem};
        if (names.old >= 0) {
            values_[size_t(names.old)].consumed = int64_t(number);
            values_[size_t(names.result)].root = values_[size_t(names.old)].root;
        }
    }

    void use(int32_t segment, size_t number, int32_t id) {
        if (id < 0) return;
        if (size_t(id) >= values_.size() || values_[size_t(id)].made == kNever)
            throw Problem{number, "it reads " + name(id) + ", which no statement before makes"};
        Value& value = values_[size_t(id)];
        if (value.stated_in != segment)
            throw Problem{number, "it reads " + name(id) + " of an earlier segment, which is not listed as live"};
        if (value.consumed != kNever)
            throw Problem{number,
                          "it reads " + at(id) + ", which " + reference(value.consumed) + " has overwritten in place"};
        value.last_loop = loops_[number];
    }

    // Everything that one statement needs lies in columns of its own, but for a value that is both of its sources.
    void check_columns(size_t number) const {
        const Instruction& item = program_.code[number];
        const Names& names = names_[number];
        const bool carries = item.operands().own_carry;
        const int32_t ids[] = {names.result, names.a, names.b};
        for (int one = 0; one < 3; ++one) {
            if (ids[one] < 0) continue;
            const Value& value = values_[size_t(ids[one])];
            if (carries && item.carry.column >= value.column && item.carry.column < value.end_column())
                throw Problem{number, at(ids[one]) + " and the carry at " + text_of(item.carry) +
                                          " are needed together in column c" + std::to_string(item.carry.column)};
            for (int two = one + 1; two < 3; ++two) {
                if (ids[two] < 0) continue;
                const Value& other = values_[size_t(ids[two])];
                const int column = std::max(value.column, other.column);
                if (column >= std::min(value.end_column(), other.end_column())) continue;
                bool same = ids[one] == ids[two] && one == 1 && item.a == item.b;
                if (!same)
                    throw Problem{number, at(ids[one]) + " and " + at(ids[two]) + " are needed together in column c" +
                                              std::to_string(column)};
            }
        }
    }

    const Value& of(int32_t id) const { return values_[size_t(id)]; }

    // What of a record differs from what its names say, or nothing.
    std::string mismatch(const Instruction& item, const Names& names) const {
        const bool in_place =
            item.op == kExt || item.op == kAddIp || item.op == kSubIp || item.op == kSetIf || item.op == kCopyIf;
        const bool extends = item.op == kSet && names.old >= 0;
        if ((names.result < 0) != (item.op == kOut))
            return item.op == kOut ? "an output makes no value" : "it makes no value";
        if ((names.old >= 0) != (in_place || extends))
            return in_place ? "it changes no value" : "it is not done in place";
        if (names.old >= 0) {
            if (names.old == names.result) return "it makes the value that it changes, " + name(names.old);
            if (of(names.old).first() != of(names.result).first())
                return at(names.result) + " is made in place of " + at(names.old) + ", which begins elsewhere";
            bool widens = item.op == kExt || extends;
            if (widens && of(names.result).width <= of(names.old).width)
                return at(names.result) + " extends " + at(names.old) + ", which is not narrower";
            if (!widens && of(names.result).width > of(names.old).width)
                return at(names.result) + " is made in place of " + at(names.old) +
                       ", which is narrower; extend that first";
        }
        if (item.lean) return "that it writes only what changes is said of machine code, not here";
        if (item.operands().dst_whole) return "a search for prefixes is an instruction of machine code, not here";
        if (item.operands().second_carry) return "the sum of three numbers is an instruction of machine code, not here";
        if (std::string problem = orientation_mismatch(item, names); !problem.empty()) return problem;
        if (std::string problem = operands_mismatch(item, names); !problem.empty()) return problem;
        if (names.result >= 0) return destination_mismatch(item, names);
        return item.width == of(names.a).width
                   ? ""
                   : "it is as wide as " + at(names.a) + ", its record has " + std::to_string(item.width) + " bits";
    }

    // All that a statement works on bit by bit lies across columns, or all of it along tracks. A flag is neither.
    std::string orientation_mismatch(const Instruction& item, const Names& names) const {
        const Operands& has = item.operands();
        const bool swept[] = {has.dst_swept, has.a_swept, has.b_swept};
        const int32_t ids[] = {names.result, names.a, names.b};
        for (int role = 0; role < 3; ++role) {
            if (ids[role] < 0 || of(ids[role]).across == (swept[role] && item.across)) continue;
            return at(ids[role]) + (of(ids[role]).across ? " lies across columns" : " lies along its track") +
                   (swept[role] ? ", its record has it otherwise" : ", a flag is a single cell");
        }
        return "";
    }

    std::string destination_mismatch(const Instruction& item, const Names& names) const {
        const Value& value = of(names.result);
        const int old = names.old >= 0 ? of(names.old).width : 0;
        int skip = 0, width = value.width;
        switch (item.op) {
        case kSet:
            if (names.old < 0) break;
            if (of(names.old).is_signed) return "zeros extend an unsigned value, found " + at(names.old);
            if (item.imm != 0) return "zeros extend a value, the record sets " + std::to_string(item.imm);
            skip = old, width = value.width - old;
            break;
        case kExt:
            if (!of(names.old).is_signed || !value.is_signed)
                return "a sign extension takes and makes a signed value, found " + at(names.old) + " and " +
                       at(names.result);
            skip = old - 1, width = value.width - old + 1;
            break;
        case kAddIp:
        case kSubIp:
            // The record begins at the first bit that a shifted source reaches.
            if (item.a.shift == 0 && names.a >= 0) skip = value.bits_to(item.dst);
            if (skip < 0 || skip >= value.width ||
                (skip > 0 && Cell{item.a.column, item.a.domain} != of(names.a).first()) ||
                (item.a.shift > 0 && item.a.shift < value.width))
                return "its record does not begin at the first bit of " + at(names.result) + " that its source reaches";
            width = value.width - skip;
            break;
        case kSetIf:
            skip = value.bits_to(item.dst), width = item.width;
            if (skip < 0 || skip + width > value.width) return "it sets bits outside of " + at(names.result);
            break;
        case kCmpGe: width = item.a.width; break;
        case kCmpGev: width = compared_width(item.a, item.b); break;
        default: break;
        }
        if ((item.op == kCmpGe || item.op == kCmpGev) && (value.width != 1 || value.is_signed))
            return "a comparison makes an unsigned bit, found " + at(names.result);
        if (item.dst == value.cell(skip) && item.width == width) return "";
        return at(names.result) + " is made of " + std::to_string(width) + " bits at " + text_of(value.cell(skip)) +
               ", its record makes " + std::to_string(item.width) +
               " at " + text_of(item.dst);
    }

    std::string operands_mismatch(const Instruction& item, const Names& names) const {
        const Operands& has = item.operands();
        const bool flagged = item.op == kSetIf || item.op == kCopyIf;
        if ((names.a >= 0 && !has.a_swept && !has.a_flag) || (names.b >= 0 && !has.b_swept && item.op != kCopyIf))
            return "it names a source that it doesn't take";
        if (flagged) {
            int32_t flag = item.op == kSetIf ? names.a : names.b;
            if (flag < 0) return "it names no flag";
            if (of(flag).width != 1 || of(flag).is_signed) return "a flag is an unsigned bit, found " + at(flag);
            Cell cell = item.op == kSetIf ? Cell{item.a.column, item.a.domain} : item.carry;
            if (of(flag).first() != cell) return "the flag is " + at(flag) + ", its record reads " + text_of(cell);
        }
        if ((item.op == kOut || item.op == kCmpGe) && names.a < 0) return "it names no source";
        bool spare = (!has.carry && item.carry != Cell{}) || (!has.a_swept && !has.a_flag && item.a != Operand{}) ||
                     (!has.b_swept && item.b != Operand{}) || (item.op == kOut && item.dst != Cell{});
        if (spare) return "its record has an operand that the statement doesn't have";
        if (has.a_swept && item.a != expected(item.a, names.a)) return source_mismatch(item.a, names.a);
        if (has.b_swept && item.b != expected(item.b, names.b)) return source_mismatch(item.b, names.b);
        return "";
    }

    // The value, shifted as the record has it, or what is left of it from the bit on with which the record begins.
    Operand expected(const Operand& operand, int32_t id) const {
        if (id < 0) return {};
        const Value& value = of(id);
        const int below = value.bits_to({operand.column, operand.domain});
        if (below <= 0 || below >= value.width) return value.operand(operand.shift);
        const Cell from = value.cell(below);
        return {from.column, from.domain, value.width - below, value.is_signed, 0};
    }

    std::string source_mismatch(const Operand& operand, int32_t id) const {
        return "it names " + (id < 0 ? "zero" : at(id)) + ", its record reads " +
               (operand.width ? text_of(operand.column, operand.domain, operand.width, operand.is_signed) : "zero");
    }

    // An owner is twice a value's id, or twice the number of the statement with a carry there, plus one.
    void check_owner(int64_t owner, size_t number, Cell cell, int32_t root) const {
        if (owner == kNever) return;
        const bool carry = owner & 1;
        const int64_t loop = loops_[number], other = owner >> 1;
        const bool alive = carry ? loops_[size_t(other)] == loop : of(int32_t(other)).last_loop >= loop;
        if (!alive || (!carry && root >= 0 && of(int32_t(other)).root == root)) return;
        std::string mine = root >= 0 ? at(names_[number].result) : "its carry";
        std::string theirs = carry ? "the carry of " + reference(other)
                                   : at(int32_t(other)) + " of " + reference(of(int32_t(other)).made);
        throw Problem{number, mine + " overwrites " + theirs + " in " + text_of(cell) + ", which is still needed"};
    }

    void take_carry(std::vector<int64_t>& owner, size_t number, Cell cell) const {
        check_owner(owner[index(cell)], number, cell, -1);
        owner[index(cell)] = int64_t(number) << 1 | 1;
    }
};

}  // namespace

Facts check_names(const CheckedCode& program, std::span<const Names> names, std::span<const Row> rows,
                  std::span<const int64_t> row_bounds) {
    return Checker(program, names, rows, row_bounds).check_lifetimes();
}

}  // namespace placed
