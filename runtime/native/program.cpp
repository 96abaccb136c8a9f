#include "program.hpp"

#include <cstdlib>

namespace camc {

namespace {

constexpr int kMaxColumns = 2048, kMaxDomains = 256;
constexpr int kMostSent = 1 << 20;  // vectors that are known to be sent are below, whatever numbers a program names

// The bounds of one segment: where each column's port stands, and what a step of a loop needs.
class Ports {
public:
    explicit Ports(int columns) : at_(size_t(columns), 0), needed_(size_t(columns), -1) {}

    void need(size_t number, Cell cell) {
        int& domain = needed_[cell.column];
        if (domain < 0) touched_.push_back(cell.column);
        if (domain >= 0 && domain != cell.domain)
            Program::fail(number, "two bits that are needed together meet in column c" + std::to_string(cell.column));
        domain = cell.domain;
    }

    // Moves one column at once; returns its distance. A step of a single instruction needs each column once.
    int move(Cell cell) {
        int distance = std::abs(at_[cell.column] - cell.domain);
        at_[cell.column] = cell.domain;
        return distance;
    }

    void align(Counts& counts) {
        int longest = 0;
        for (int column : touched_) {
            int distance = move({column, needed_[column]});
            needed_[column] = -1;
            counts[kColumnSteps] += distance;
            longest = std::max(longest, distance);
        }
        touched_.clear();
        counts[kShiftSteps] += longest;
    }

private:
    std::vector<int> at_, needed_, touched_;
};

void add_passes(Counts& counts, const Variant& variant) {
    counts[kSearches] += variant.searches;
    counts[kWrites] += variant.writes;
    counts[kKeyed] += variant.keyed;
    counts[kUnkeyed] += variant.unkeyed;
    counts[kMoved] += variant.moves;
}

}  // namespace

Program::Program(std::pair<const uint64_t*, size_t> words, std::pair<const int32_t*, size_t> segment_starts,
                 const Table& table, int columns, int domains)
    : columns(columns), domains(domains) {
    if (columns < 1 || domains < 1 || columns > kMaxColumns || domains > kMaxDomains)
        throw std::invalid_argument("impossible geometry");
    read_table(table);
    decode(words);
    for (size_t i = 0; i < segment_starts.second; ++i) segments.push_back(size_t(segment_starts.first[i]));
    check_segments();
    for (size_t i = 0; i < code.size(); ++i) check(code[i], i);
    find_vectors();
}

void Program::decode(std::pair<const uint64_t*, size_t> words) {
    code.resize(words.second);
    for (size_t i = 0; i < words.second; ++i) {
        uint64_t first = words.first[2 * i], second = words.first[2 * i + 1];
        const Operands& has = operands_[size_t(opcode_of(first))];
        if (!has.known || !is_whole(first)) fail(i, "no valid opcode word");
        code[i] = ap::decode(first, second, has.immediate);
    }
}

// Nine flags an opcode, then for each pass: keys, writes, and (role, value) pairs of both.
void Program::read_table(const Table& table) {
    size_t at = 0;
    auto next = [&] {
        if (at >= table.size) throw std::invalid_argument("the instruction table is truncated");
        return table.data[at++];
    };
    if (table.size < kOpcodes * Operands::kBytes) throw std::invalid_argument("the instruction table is truncated");
    for (Operands& row : operands_) {
        row.read(table.data + at);
        at += Operands::kBytes;
    }
    for (size_t op = kOps; op < kOpcodes; ++op)
        if (operands_[op].known) throw std::invalid_argument("the instruction table has an unknown opcode");
    std::vector<Variant> passes;
    while (at < table.size) {
        Variant pass;
        int keys = next(), writes = next();
        if (keys > 4 || writes > 4 || writes < 1) throw std::invalid_argument("a pass has too many columns");
        for (int k = 0; k < keys + writes; ++k) {
            uint8_t role = next();
            next();
            if (role >= kPassRoles) throw std::invalid_argument("a pass names an unknown role");
            (k < keys ? pass.read : pass.written) |= uint8_t(1 << role);
        }
        bool latched = (pass.read | pass.written) >> kLatch & 1;
        pass.moves = latched;
        pass.searches = keys && !(pass.read >> kLatch & 1);
        pass.keyed = pass.searches ? keys : 0;
        pass.writes = !(pass.written >> kLatch & 1);
        pass.unkeyed = keys ? 0 : writes;
        pass.read &= uint8_t(~(1 << kLatch));
        pass.written &= uint8_t(~(1 << kLatch));
        passes.push_back(pass);
    }
    bool ordered = table.count == kOpcodes * kVariants + 1 && table.starts[0] == 0 &&
                   table.starts[table.count - 1] == int64_t(passes.size()) &&
                   std::is_sorted(table.starts, table.starts + table.count);
    if (!ordered) throw std::invalid_argument("the instruction table is malformed");
    for (size_t index = 0; index < variants_.size(); ++index) {
        Variant& sum = variants_[index];
        for (int pass = table.starts[index]; pass < table.starts[index + 1]; ++pass) {
            const Variant& item = passes[size_t(pass)];
            sum.read |= item.read;
            sum.written |= item.written;
            sum.searches += item.searches;
            sum.writes += item.writes;
            sum.keyed += item.keyed;
            sum.unkeyed += item.unkeyed;
            sum.moves += item.moves;
        }
    }
}

void Program::check_segments() const {
    bool ordered = segments.size() >= 2 && segments.front() == 0 && segments.back() == code.size() &&
                   std::is_sorted(segments.begin(), segments.end());
    if (!ordered) throw std::invalid_argument("the segments don't cover the program");
    for (size_t i = 1; i < segments.size(); ++i)
        if (segments[i] > 0 && !code[segments[i] - 1].last)
            fail(segments[i] - 1, "the last bit loop of a segment is never ended");
}

// The rules of `check` in dialects/machine/isa.py.
void Program::check(const Instruction& item, size_t number) const {
    if (item.width < 1) fail(number, "its width is zero");
    std::array<int, kRoles> column;
    for (Role role : {kDst, kA, kB, kCarry}) {
        auto [cell, width] = place_of(item, role);
        column[role] = width ? cell.column : -1 - role;
        if (width && (cell.column >= columns || cell.domain + width > domains))
            fail(number, "c" + std::to_string(cell.column) + "[" + std::to_string(cell.domain) + ":" +
                             std::to_string(cell.domain + width) + "] lies outside the array");
    }
    auto meet = [&](Role role, Role other) {
        if (column[role] == column[other])
            fail(number, "two bits that are needed together meet in column c" + std::to_string(column[role]));
    };
    for (Role other : {kA, kB, kCarry}) meet(kDst, other);
    for (Role other : {kA, kB}) meet(kCarry, other);
    // Both sources may be the same value, as in D = A + A.
    if (item.a != item.b) meet(kA, kB);
    int width = item.op == kCmpGev ? compared_width(item.a, item.b) : item.a.width;
    bool compares = item.op == kCmpGe || item.op == kCmpGev;
    if (compares || item.op == kOut) {
        if (item.width != width) fail(number, "its width is not that of its sources");
        if (item.a.shift || item.b.shift) fail(number, "a source of it can't be shifted");
    }
    if (item.op == kSetIf && (item.a.width != 1 || item.a.is_signed || item.a.shift))
        fail(number, "its flag is no single cell");
    if (item.op == kCmpGe) {
        int bits = std::min(width - item.a.is_signed, 32);
        int64_t limit = int64_t{1} << bits, low = item.a.is_signed ? -limit : 0;
        if (item.imm < low || item.imm >= limit) fail(number, "its immediate is no value of its source");
    }
    if (operands(item).vector && item.imm < 0) fail(number, "there is no vector " + std::to_string(item.imm));
}

void Program::find_vectors() {
    for (size_t i = 0; i < code.size(); ++i) {
        if (!operands(code[i]).vector) continue;
        bool input = operands(code[i]).dst_swept;
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
    auto refuse = [&](size_t number) { fail(number, "there is no vector " + std::to_string(code[number].imm)); };
    if (has_input_ && size_t(code[last_input_].imm) >= inputs) refuse(last_input_);
    if (has_output_ && size_t(code[last_output_].imm) >= outputs) refuse(last_output_);
}

std::vector<Counts> Program::static_counts() const {
    std::vector<Counts> result;
    Ports ports(columns);
    for (size_t segment = 0; segment + 1 < segments.size(); ++segment) {
        Counts counts{};
        counts[kInstructions] = int64_t(segments[segment + 1] - segments[segment]);
        for (size_t at = segments[segment], end; at < segments[segment + 1]; at = end) {
            end = loop_end(at);
            ++counts[kLoops];
            for (int step = 0, steps = loop_steps(at, end); step < steps; ++step) {
                int longest = 0;
                for (size_t member = at; member < end; ++member) {
                    const Instruction& item = code[member];
                    int bit = step - item.start;
                    if (bit < 0 || bit >= item.width) continue;
                    const Variant& variant = variant_of(item, bit);
                    add_passes(counts, variant);
                    auto cells = cells_of(item, bit);
                    for (Role role : {kDst, kA, kB, kCarry}) {
                        if (!(variant.used() >> role & 1)) continue;
                        if (end - at > 1) {
                            ports.need(member, cells[role]);
                        } else {
                            int distance = ports.move(cells[role]);
                            counts[kColumnSteps] += distance;
                            longest = std::max(longest, distance);
                        }
                    }
                }
                counts[kShiftSteps] += longest;
                ports.align(counts);
            }
        }
        result.push_back(counts);
    }
    return result;
}

}  // namespace camc
