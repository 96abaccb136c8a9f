#include "loops.hpp"
#include "stream.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace ap {

namespace {

// The port of each column, and what a step needs under it.
class Ports {
public:
    explicit Ports(int columns)
        : at_(std::size_t(columns), 0), needed_(std::size_t(columns), -1), needed_by_(std::size_t(columns), 0),
          loop_of_(std::size_t(columns), -1) {}

    const std::vector<int>& at() const { return at_; }

    // Throws Problem where the step needs another domain of the column.
    void need(Cell cell, std::size_t member, int step) {
        const auto column = std::size_t(cell.column);
        if (needed_[column] < 0) {
            touched_.push_back(cell.column);
            needed_[column] = cell.domain;
            needed_by_[column] = member;
        } else if (needed_[column] != cell.domain) {
            throw Problem{member, meeting(cell, member, step)};
        }
    }

    // Moves the columns to what the step of a loop needs, at the expense of the opcodes of the members that needed them
    // first; returns the columns that the loop needed for the first time.
    int align(const std::vector<Instruction>& code, Counts* opcodes, int64_t* steps, int64_t loop) {
        int longest = 0, fresh = 0;
        std::size_t latest = 0;
        for (const int touched : touched_) {
            const auto column = std::size_t(touched);
            const int domain = std::exchange(needed_[column], -1), distance = std::abs(at_[column] - domain);
            at_[column] = domain;
            steps[column] += distance;
            const auto opcode = std::size_t(code[needed_by_[column]].op);
            opcodes[opcode].column_steps += distance;
            opcodes[opcode].furthest = std::max(opcodes[opcode].furthest, int64_t(domain));
            if (distance > longest) longest = distance, latest = opcode;
            fresh += std::exchange(loop_of_[column], loop) != loop;
        }
        touched_.clear();
        opcodes[latest].shift_steps += longest;
        return fresh;
    }

private:
    std::vector<int> at_, needed_;  // domains; -1: the step doesn't need the column
    std::vector<std::size_t> needed_by_;
    std::vector<int64_t> loop_of_;  // the last loop that needed the column
    std::vector<int> touched_;      // columns that the step needs

    std::string meeting(Cell cell, std::size_t member, int step) const {
        const std::size_t by = needed_by_[std::size_t(cell.column)];
        return "domains " + std::to_string(needed_[std::size_t(cell.column)]) + " and " + std::to_string(cell.domain) +
               " of column c" + std::to_string(cell.column) + " are needed together at step " + std::to_string(step) +
               " of the bit loop" + (by == member ? "" : ", the other one by {" + std::to_string(by) + "}");
    }
};

// With `kDetailed`, also steps, ports and writes; without, they stay empty.
template <bool kDetailed>
class Sweep {
public:
    explicit Sweep(const CheckedCode& program) : program_(program), ports_(program.columns) {
        steps_.resize(std::size_t(program.columns));
        if constexpr (kDetailed)
            found_.writes.assign(std::size_t(program.columns) * std::size_t(program.domains), 0);
    }

    Swept run() {
        for (std::size_t segment = 0; segment + 1 < program_.segments.size(); ++segment) {
            const std::size_t begin = program_.segments[segment], end = program_.segments[segment + 1];
            found_.opcodes.resize((segment + 1) * kOpcodes);
            opcodes_ = found_.opcodes.data() + segment * kOpcodes;
            Stream stream;
            for (std::size_t at = begin, stop; at < end; at = stop) {
                stop = program_.loop_end(at);
                const int words = stop - at == 1 ? stream.short_words(program_.code[at]) : stream.long_form(program_.code[stop - 1]);
                opcodes_[program_.code[at].op].shorts += words > 0;
                opcodes_[program_.code[at].op].short_words += words;
                loop(at, stop);
            }
            found_.segments.emplace_back();
            for (std::size_t opcode = 0; opcode < kOpcodes; ++opcode) found_.segments.back().add(opcodes_[opcode]);
            if constexpr (kDetailed) {
                found_.steps.insert(found_.steps.end(), steps_.begin(), steps_.end());
                found_.ports.insert(found_.ports.end(), ports_.at().begin(), ports_.at().end());
                std::fill(steps_.begin(), steps_.end(), 0);
            }
        }
        return std::move(found_);
    }

private:
    const CheckedCode& program_;
    Ports ports_;
    Swept found_;
    Counts* opcodes_ = nullptr;   // of the segment
    std::vector<int64_t> steps_;  // of each column in the segment
    int64_t number_ = 0;          // of the loop

    void loop(std::size_t at, std::size_t stop) {
        Counts& counts = opcodes_[program_.code[at].op];
        int64_t columns = 0;
        for (int step = 0, count = program_.loop_steps(at, stop); step < count; ++step) {
            for (std::size_t member = at; member < stop; ++member) {
                const int bit = step - program_.code[member].start;
                if (bit >= 0 && bit < program_.code[member].width) work(member, bit, step);
            }
            columns += ports_.align(program_.code, opcodes_, steps_.data(), number_);
        }
        ++counts.loops;
        counts.widest = std::max(counts.widest, columns);
        ++number_;
    }

    void work(std::size_t member, int bit, int step) {
        const Instruction& item = program_.code[member];
        const Variant& variant = program_.variant_of(item, bit);
        Counts& counts = opcodes_[item.op];
        counts.instructions += bit == 0;
        counts.searches += variant.searches;
        counts.writes += variant.writes;
        counts.keyed += CheckedCode::keyed(item, bit, variant);
        counts.unkeyed += variant.unkeyed;
        counts.moved += variant.moves;
        counts.sent += item.op == kOut ? variant.moves : 0;
        program_.each_cell(item, bit, variant, [&](Cell cell, int writes) {
            ports_.need(cell, member, step);
            if constexpr (kDetailed)
                found_.writes[std::size_t(cell.column) * std::size_t(program_.domains) + std::size_t(cell.domain)] +=
                    writes;
        });
    }
};

// The latest step at which earlier members of a loop search or write a cell, and at which they write it.
struct Latest {
    int any = -1, written = -1;
    size_t any_by = 0, written_by = 0;
};

class Order {
public:
    explicit Order(const CheckedCode& program)
        : program_(program), latest_(size_t(program.columns) * size_t(program.domains)) {}

    void loop(size_t at, size_t stop) {
        for (size_t member = at; member < stop; ++member) {
            each(member, [&](Cell cell, bool written, int step) { compare(member, cell, written, step); });
            each(member, [&](Cell cell, bool written, int step) { note(member, cell, written, step); });
        }
        for (size_t cell : touched_) latest_[cell] = {};
        touched_.clear();
    }

private:
    const CheckedCode& program_;
    std::vector<Latest> latest_;
    std::vector<size_t> touched_;

    template <class Visit>
    void each(size_t member, Visit&& visit) {
        const Instruction& item = program_.code[member];
        for (int bit = 0; bit < item.width; ++bit)
            program_.each_cell(item, bit, [&](Cell cell, int writes) { visit(cell, writes > 0, item.start + bit); });
    }

    size_t index(Cell cell) const { return size_t(cell.column) * size_t(program_.domains) + size_t(cell.domain); }

    void compare(size_t member, Cell cell, bool written, int step) const {
        const Latest& before = latest_[index(cell)];
        int latest = written ? before.any : before.written;
        if (latest <= step) return;
        size_t other = written ? before.any_by : before.written_by;
        bool writes = before.written == latest && before.written_by == other;
        throw Problem{member, "it " + std::string(written ? "writes " : "reads ") + text_of(cell) + " at step " +
                                  std::to_string(step) + " of the bit loop, before {" + std::to_string(other) + "} " +
                                  (writes ? "writes" : "reads") + " it at step " + std::to_string(latest)};
    }

    void note(size_t member, Cell cell, bool written, int step) {
        Latest& mine = latest_[index(cell)];
        if (mine.any < 0) touched_.push_back(index(cell));
        if (step >= mine.any) mine.any = step, mine.any_by = member;
        if (written && step >= mine.written) mine.written = step, mine.written_by = member;
    }
};

}  // namespace

void Counts::add(const Counts& other) {
    instructions += other.instructions, loops += other.loops;
    searches += other.searches, writes += other.writes, keyed += other.keyed, unkeyed += other.unkeyed;
    shift_steps += other.shift_steps, column_steps += other.column_steps;
    moved += other.moved, sent += other.sent, shorts += other.shorts, short_words += other.short_words;
    widest = std::max(widest, other.widest), furthest = std::max(furthest, other.furthest);
}

Swept sweep(const CheckedCode& program) { return Sweep<true>(program).run(); }

Swept sweep_counts(const CheckedCode& program) { return Sweep<false>(program).run(); }

void check_carries(const CheckedCode& program) {
    constexpr auto kNone = std::size_t(-1);
    std::vector<std::size_t> taken(std::size_t(program.columns) * std::size_t(program.domains), kNone);
    const auto by = [&](const Instruction& item) -> std::size_t& {
        return taken[std::size_t(item.carry.column) * std::size_t(program.domains) + std::size_t(item.carry.domain)];
    };
    for (std::size_t at = 0, stop; at < program.code.size(); at = stop) {
        stop = program.loop_end(at);
        for (std::size_t member = at; stop - at > 1 && member < stop; ++member) {
            const Instruction& item = program.code[member];
            if (!item.operands().own_carry) continue;
            // What an earlier loop has taken is free again.
            if (by(item) != kNone && by(item) >= at)
                throw Problem{member, "its carry " + text_of(item.carry) + " is also that of {" +
                                          std::to_string(by(item)) + "} in the same bit loop"};
            by(item) = member;
        }
    }
}

void check_order(const CheckedCode& program) {
    Order order(program);
    for (size_t at = 0; at < program.code.size();) {
        size_t stop = program.loop_end(at);
        if (stop - at > 1) order.loop(at, stop);
        at = stop;
    }
}

}  // namespace ap
