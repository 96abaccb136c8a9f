#include "schedule.hpp"

#include <unordered_map>

namespace camc {

namespace {

// Planes of the cells in use, column by column, or domain by domain where most instructions run across columns, or one
// that needs all of its bits together.
class Layout {
public:
    explicit Layout(const Program& program)
        : across_(2 * std::count_if(program.code.begin(), program.code.end(),
                                    [](const Instruction& item) { return item.across; }) >
                      int64_t(program.code.size()) ||
                  std::any_of(program.code.begin(), program.code.end(),
                              [](const Instruction& item) { return item.operands().dst_whole; })),
          base_(size_t(across_ ? program.domains : program.columns)) {
        std::vector<std::pair<int, int>> used(base_.size(), {std::max(program.domains, program.columns), 0});
        for (const Instruction& item : program.code)
            for (Role role : kEveryRole) {
                auto [cell, width] = place_of(item, role);
                for (int bit = 0; bit < width; ++bit) {
                    auto [line, at] = position(cell.after(bit, item.across));
                    auto& [low, high] = used[size_t(line)];
                    low = std::min(low, at);
                    high = std::max(high, at + 1);
                }
            }
        for (size_t line = 0; line < base_.size(); ++line) {
            auto [low, high] = used[line];
            if (low >= high) continue;
            base_[line] = int64_t(planes_) - low;
            // An odd number of planes, so that equal domains of the columns don't share a set of the cache.
            planes_ += uint32_t(high - low) | 1;
        }
    }

    uint32_t plane(Cell cell) const {
        auto [line, at] = position(cell);
        return uint32_t(base_[size_t(line)] + at);
    }
    uint32_t planes() const { return planes_; }
    // Whether the bits of an instruction's values lie in planes one after another.
    bool in_sequence(const Instruction& item) const { return item.across == across_; }

private:
    bool across_;
    std::vector<int64_t> base_;
    uint32_t planes_ = 1;

    std::pair<int, int> position(Cell cell) const {
        return across_ ? std::pair{cell.domain, cell.column} : std::pair{cell.column, cell.domain};
    }
};

// Which members of a bit loop have to run bit by bit together. In a loop, step s of all members comes before step s + 1
// of any. Running one member after another turns round the order of an earlier member's later step and a later
// member's earlier step; that is the same unless both touch a cell (or a vector of the output) and one writes it.
class Hazards {
public:
    explicit Hazards(const Program& program) : program_(program), cells_(size_t(program.columns) * program.domains) {}

    // For each member of the loop, whether it must run together with the next one.
    const std::vector<bool>& find(size_t at, size_t end) {
        ++loop_;
        joined_.assign(end - at, false);
        for (size_t number = at; number < end; ++number) {
            const Instruction& item = program_.code[number];
            for (int bit = 0; bit < item.width; ++bit) {
                program_.each_cell(item, bit, [&](Cell cell, int writes) {
                    Use& use = cells_[size_t(cell.column) * program_.domains + cell.domain];
                    touch(use, number - at, item.start + bit, writes > 0);
                });
            }
            if (item.op == kOut) send(number - at, item);
        }
        return joined_;
    }

private:
    struct Use {
        uint32_t loop = 0;
        uint32_t first = 0;                     // the first member that uses it
        int last_read = -1, last_written = -1;  // the last steps in which members so far did
    };

    void touch(Use& use, size_t member, int step, bool write) {
        if (use.loop != loop_) use = {loop_, uint32_t(member), -1, -1};
        if (use.last_written > step || (write && use.last_read > step))
            for (size_t i = use.first; i < member; ++i) joined_[i] = true;
        int& last = write ? use.last_written : use.last_read;
        last = std::max(last, step);
    }

    // All members that send to one vector run together, as the first bit of each clears it.
    void send(size_t member, const Instruction& item) {
        Use& use = vectors_[item.imm];
        if (use.loop != loop_) use = {loop_, uint32_t(member), -1, -1};
        for (size_t i = use.first; i < member; ++i) joined_[i] = true;
    }

    const Program& program_;
    std::vector<Use> cells_;
    std::unordered_map<int32_t, Use> vectors_;
    uint32_t loop_ = 0;
    std::vector<bool> joined_;
};

class Builder {
public:
    Builder(const Program& program, Schedule& schedule)
        : program_(program), layout_(program), hazards_(program), schedule_(schedule), written_(layout_.planes()),
          cleared_(layout_.planes()) {}

    void build() {
        schedule_.planes = layout_.planes();
        schedule_.steps.reserve(program_.code.size());
        for (size_t segment = 0; segment + 1 < program_.segments.size(); ++segment) {
            schedule_.segments.push_back(schedule_.steps.size());
            for (size_t at = program_.segments[segment], end; at < program_.segments[segment + 1]; at = end)
                add_loop(at, end = program_.loop_end(at));
        }
        schedule_.segments.push_back(schedule_.steps.size());
        cleared_[0] = true;
        for (uint32_t plane = 0; plane < layout_.planes(); ++plane) {
            if (!cleared_[plane]) continue;
            if (schedule_.cleared.empty() || schedule_.cleared.back().second != plane)
                schedule_.cleared.push_back({plane, plane});
            ++schedule_.cleared.back().second;
        }
    }

private:
    void add_loop(size_t at, size_t end) {
        if (end - at == 1) return add_whole(program_.code[at]);
        const std::vector<bool>& joined = hazards_.find(at, end);
        for (size_t group = at, stop; group < end; group = stop) {
            for (stop = group; joined[stop - at]; ++stop) {
            }
            ++stop;
            if (stop - group == 1) {
                add_whole(program_.code[group]);
                continue;
            }
            for (int step = 0, steps = program_.loop_steps(group, stop); step < steps; ++step)
                for (size_t number = group; number < stop; ++number) {
                    const Instruction& item = program_.code[number];
                    int bit = step - item.start;
                    if (bit >= 0 && bit < item.width) add(item, bit, bit + 1);
                }
        }
    }

    void add_whole(const Instruction& item) {
        if (layout_.in_sequence(item)) return add(item, 0, item.width);
        for (int bit = 0; bit < item.width; ++bit) add(item, bit, bit + 1);
    }

    // Bits [begin, end) of an instruction, cut where a shifted source begins.
    void add(const Instruction& item, int begin, int end) {
        const Operands& row = item.operands();
        std::array<int, 4> cuts = {begin, end, end, end};
        if (row.a_swept && item.a.width) cuts[1] = std::clamp(item.a.shift, begin, end);
        if (row.b_swept && item.b.width) cuts[2] = std::clamp(item.b.shift, begin, end);
        if (cuts[1] > cuts[2]) std::swap(cuts[1], cuts[2]);
        for (int i = 0; i < 3; ++i)
            if (cuts[i] < cuts[i + 1]) add_part(item, cuts[i], cuts[i + 1]);
    }

    // Both sources are zero because of their shift in all of the bits, or in none.
    void add_part(const Instruction& item, int begin, int end) {
        const Operands& row = item.operands();
        Step step{};
        step.op = uint8_t(item.op);
        step.first = begin == 0;
        step.sign = (item.a.is_signed || item.b.is_signed) && end == item.width;
        step.bit = uint8_t(begin);
        step.bits = uint8_t(end - begin);
        step.lean = item.lean;
        if (row.dst_swept || row.dst_cell)
            step.dst = layout_.plane(item.dst.after(row.dst_swept ? begin : 0, item.across));
        if (row.carry) step.carry = layout_.plane(item.carry);
        if (row.second_carry) step.second = layout_.plane(second_carry(item));
        if (row.a_flag) step.a = layout_.plane({item.a.column, item.a.domain});
        if (row.a_swept) {
            auto [first, bits, is_signed] = source(item.a, item.across, begin, end);
            step.a = first, step.a_bits = bits, step.a_signed = is_signed;
        }
        if (row.b_swept) {
            auto [first, bits, is_signed] = source(item.b, item.across, begin, end);
            step.b = first, step.b_bits = bits, step.b_signed = is_signed;
        }
        step.a_none = row.a_swept && !item.a.width;
        if (row.immediate) step.imm = row.vector ? item.imm : int32_t(int64_t(item.imm) >> begin);
        if (row.dst_whole) {
            step.dst = layout_.plane(item.dst);
            step.a = layout_.plane({item.a.column, item.a.domain});
            step.a_bits = uint8_t(item.width);
            step.carry = uint32_t(item.carry.column) | uint32_t(item.carry.domain) << 16;
            step.imm = item.imm;
        }
        if (item.op == kOut) fit_output(item, begin == 0 && end == item.width);
        note_planes(step);
        schedule_.steps.push_back(step);
    }

    // The first plane, the number of bits that move, and whether the last plane is repeated; the last plane is
    // always first + bits - 1.
    struct Sweep {
        uint32_t first;
        uint8_t bits;
        bool is_signed;
    };

    Sweep source(const Operand& operand, bool across, int begin, int end) const {
        int index = begin - operand.shift;
        if (!operand.width || index < 0) return {0, 0, false};
        int from = std::min(index, operand.width), bits = std::min(operand.width - from, end - begin);
        // Behind the last bit is what follows its plane.
        const int last = std::min(from, operand.width - 1);
        const Cell cell = Cell{operand.column, operand.domain}.after(last, across);
        return {layout_.plane(cell) + uint32_t(from - last), uint8_t(bits), operand.is_signed};
    }

    void fit_output(const Instruction& item, bool whole) {
        int width = item.width + !item.a.is_signed;
        // Bits that are added one by one may add up to anything.
        int bytes = !whole || width > 32 ? 8 : width > 16 ? 4 : width > 8 ? 2 : 1;
        schedule_.output_bytes = std::max(schedule_.output_bytes, bytes);
    }

    // Which planes are read before they are written.
    void note_planes(const Step& step) {
        auto read = [&](uint32_t first, int count) {
            for (uint32_t plane = first; plane < first + uint32_t(count); ++plane)
                if (!written_[plane]) cleared_[plane] = true;
        };
        visit(step, read, [&](uint32_t first, int count) { std::fill_n(written_.begin() + first, count, true); });
    }

    const Program& program_;
    Layout layout_;
    Hazards hazards_;
    Schedule& schedule_;
    std::vector<bool> written_, cleared_;
};

}  // namespace

Schedule::Schedule(const Program& program) { Builder(program, *this).build(); }

}  // namespace camc
