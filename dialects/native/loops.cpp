#include "loops.hpp"

#include <cstdlib>

namespace placed {

namespace {

class Sweep {
public:
    explicit Sweep(const Program& program)
        : program_(program), ports_(size_t(program.columns), 0), needed_(size_t(program.columns), -1),
          needed_by_(size_t(program.columns), 0), loop_of_(size_t(program.columns), -1),
          carries_(size_t(program.columns) * size_t(program.domains), kNone), writes_(carries_.size(), 0) {}

    Shifts segment(size_t begin, size_t end) {
        Shifts result;
        result.of_column.assign(size_t(program_.columns), 0);
        for (size_t at = begin; at < end;) {
            size_t stop = program_.loop_end(at);
            loop(at, stop, result);
            at = stop;
        }
        result.ports.assign(ports_.begin(), ports_.end());
        return result;
    }

    const std::vector<int64_t>& writes() const { return writes_; }

private:
    static constexpr size_t kNone = size_t(-1);
    const Program& program_;
    std::vector<int> ports_, needed_;
    std::vector<size_t> needed_by_;
    std::vector<int64_t> loop_of_;
    std::vector<size_t> carries_;
    std::vector<int64_t> writes_;  // of each cell
    std::vector<int> touched_;
    int64_t number_ = 0;

    void loop(size_t at, size_t stop, Shifts& result) {
        if (stop - at > 1) check_carries(at, stop);
        int64_t columns = 0;
        for (int step = 0, steps = program_.loop_steps(at, stop); step < steps; ++step) {
            for (size_t member = at; member < stop; ++member) {
                const Instruction& item = program_.code[member];
                int bit = step - item.start;
                if (bit >= 0 && bit < item.width)
                    program_.cells_of(item, bit, [&](Cell cell, int written) {
                        need(cell, member, step);
                        writes_[index(cell)] += written;
                    });
            }
            int longest = 0;
            for (int column : touched_) {
                size_t at_column = size_t(column);
                int distance = std::abs(ports_[at_column] - needed_[at_column]);
                ports_[at_column] = needed_[at_column];
                result.furthest = std::max(result.furthest, int64_t(needed_[at_column]));
                needed_[at_column] = -1;
                result.of_column[at_column] += distance;
                result.column_steps += distance;
                longest = std::max(longest, distance);
                columns += loop_of_[at_column] != number_;
                loop_of_[at_column] = number_;
            }
            touched_.clear();
            result.shift_steps += longest;
        }
        ++result.loops;
        result.widest = std::max(result.widest, columns);
        ++number_;
    }

    void need(Cell cell, size_t member, int step) {
        size_t column = size_t(cell.column);
        if (needed_[column] < 0) {
            touched_.push_back(cell.column);
            needed_[column] = cell.domain;
            needed_by_[column] = member;
        } else if (needed_[column] != cell.domain) {
            std::string other =
                needed_by_[column] == member ? "" : ", the other one by {" + std::to_string(needed_by_[column]) + "}";
            throw Problem{member, "domains " + std::to_string(needed_[column]) + " and " + std::to_string(cell.domain) +
                                      " of column c" + std::to_string(cell.column) + " are needed together at step " +
                                      std::to_string(step) + " of the bit loop" + other};
        }
    }

    // The carry column of a conditional copy is a flag, which members may share.
    bool keeps_carry(const Instruction& item) const { return program_.operands(item).carry && item.op != kCopyIf; }

    size_t index(Cell cell) const { return size_t(cell.column) * size_t(program_.domains) + size_t(cell.domain); }
    size_t& carry(const Instruction& item) { return carries_[index(item.carry)]; }

    void check_carries(size_t at, size_t stop) {
        for (size_t member = at; member < stop; ++member) {
            const Instruction& item = program_.code[member];
            if (!keeps_carry(item)) continue;
            if (carry(item) != kNone)
                throw Problem{member, "its carry " + text_of(item.carry) + " is also that of {" +
                                          std::to_string(carry(item)) + "} in the same bit loop"};
            carry(item) = member;
        }
        for (size_t member = at; member < stop; ++member)
            if (keeps_carry(program_.code[member])) carry(program_.code[member]) = kNone;
    }
};

// The latest step at which earlier members of a loop search or write a cell, and at which they write it.
struct Latest {
    int any = -1, written = -1;
    size_t any_by = 0, written_by = 0;
};

class Order {
public:
    explicit Order(const Program& program)
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
    const Program& program_;
    std::vector<Latest> latest_;
    std::vector<size_t> touched_;

    template <class Visit>
    void each(size_t member, Visit&& visit) {
        const Instruction& item = program_.code[member];
        for (int bit = 0; bit < item.width; ++bit)
            program_.cells_of(item, bit, [&](Cell cell, int writes) { visit(cell, writes > 0, item.start + bit); });
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

Swept sweep(const Program& program) {
    Sweep sweep(program);
    Swept result;
    for (size_t segment = 0; segment + 1 < program.segments.size(); ++segment)
        result.segments.push_back(sweep.segment(program.segments[segment], program.segments[segment + 1]));
    result.writes = sweep.writes();
    return result;
}

void check_order(const Program& program) {
    Order order(program);
    for (size_t at = 0; at < program.code.size();) {
        size_t stop = program.loop_end(at);
        if (stop - at > 1) order.loop(at, stop);
        at = stop;
    }
}

}  // namespace placed
