// Runs programs that don't wait for each other on rows, block by block, on several threads.
#pragma once

#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "loops.hpp"
#include "movement.hpp"
#include "program.hpp"
#include "schedule.hpp"

namespace camc {

// A program in the forms in which it runs.
class Prepared {
public:
    template <class... Arguments>
    explicit Prepared(const Arguments&... arguments)
        : program_(arguments...), swept_(sweep_counts(program_)), schedule_(program_) {}

    const Program& program() const { return program_; }
    // Of each segment, without those that depend on the data.
    const std::vector<Counts>& counts() const { return swept_.segments; }
    // Likewise of each opcode of each segment.
    const std::vector<Counts>& opcodes() const { return swept_.opcodes; }
    const Schedule& schedule() const { return schedule_; }
    // The steps for runs that count nothing, and those that receive their vectors; made when they are first needed.
    const std::vector<Step>& fused() const { return fuse_once(), fused_; }
    const std::vector<Step>& receives() const { return fuse_once(), receives_; }

private:
    Program program_;
    Swept swept_;
    Schedule schedule_;
    mutable std::once_flag fuse_;
    mutable std::vector<Step> fused_, receives_;

    void fuse_once() const;
};

// A program, what it reads, and where it writes: an array (vectors, rows) of the schedule's output bytes.
struct Job {
    const Prepared* program;
    std::vector<const Movement*> inputs;
    void* outputs;
    size_t vectors;
    int64_t rows;
};

// Written and toggled cells of each job, segment and opcode, if they are to be traced.
using Cells = std::vector<std::pair<int64_t, int64_t>>;
std::vector<std::vector<Cells>> run(const std::vector<Job>& jobs, int threads, bool trace,
                                                          const Kernels& kernels);

}  // namespace camc
