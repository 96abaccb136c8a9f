// Rows are independent, so a block of up to 2,048 rows runs a whole program with its bit planes in cache, and blocks of
// all programs that don't wait for each other are shared out to threads.
#include "jobs.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "memory.hpp"
#include "parallel.hpp"

namespace camc {

namespace {

// Receives a vector ahead of the program, see schedule.hpp.
Step receive(int32_t vector, int bits) {
    Step step{};
    step.op = kIn;
    step.first = true;
    step.bits = uint8_t(bits);
    step.dst = uint32_t(received_plane(vector, bits));
    step.imm = vector;
    return step;
}

// A job, checked, and how its rows are cut into blocks.
class Work {
public:
    Work(const Job& job, bool trace)
        : job_(job), schedule_(job.program->schedule()), steps_(trace ? schedule_.steps : job.program->fused()),
          segments_(trace ? schedule_.segments : std::vector<size_t>{0, steps_.size()}) {
        size_t vectors = 0;
        for (const Movement* input : job.inputs) {
            if (input->rows() != job.rows) throw std::invalid_argument("inputs and outputs need the same rows");
            sources_.push_back(input->source());
            vectors += sources_.back().vectors;
        }
        if (job.rows < 1) throw std::invalid_argument("expected at least one row");
        job.program->program().check_vectors(vectors, job.vectors);
    }

    int64_t blocks(int words) const { return (job_.rows + 64 * words - 1) / (64 * words); }
    int64_t steps() const { return int64_t(steps_.size()); }
    uint32_t planes() const { return schedule_.planes; }
    size_t segments() const { return segments_.size() - 1; }
    int bits() const { return job_.program->program().input_bits(); }
    const std::vector<Step>& receives() const { return job_.program->receives(); }
    // Whether what one receives the other can read.
    bool receives_with(const Work& other) const { return bits() == other.bits() && job_.inputs == other.job_.inputs; }

    Block block(int64_t number, int words, void* planes) const {
        Block block{};
        block.planes = planes;
        block.words = words;
        block.sources = sources_.data();
        block.source_count = sources_.size();
        block.first = number * 64 * words;
        block.rows = std::min<int64_t>(64 * words, job_.rows - block.first);
        return block;
    }

    void run(Block block, RunBlock run_block, Traced* traced) const {
        size_t plane = size_t(block.words) * 8;
        auto clear = [&](size_t begin, size_t end) {
            std::memset(static_cast<char*>(block.planes) + begin * plane, 0, (end - begin) * plane);
        };
        // Tracing counts what a first write toggles, too.
        if (traced) clear(0, schedule_.planes);
        for (auto [begin, end] : schedule_.cleared) clear(begin, end);
        block.steps = steps_.data();
        block.segments = segments_.data();
        block.segment_count = segments();
        block.outputs = job_.outputs;
        block.output_bytes = schedule_.output_bytes;
        block.samples = job_.rows;
        block.traced = traced;
        run_block(block);
    }

private:
    const Job& job_;
    const Schedule& schedule_;
    const std::vector<Step>& steps_;
    std::vector<size_t> segments_;
    std::vector<Source> sources_;
};

// Jobs that find what they read in the same received planes, as parts of a layer do.
class Group {
public:
    std::vector<size_t> jobs;

    Group(std::vector<size_t> jobs, const std::vector<Step>& steps) : jobs(std::move(jobs)), steps_(steps) {}

    // How many planes there are, counted down from the first.
    int64_t planes() const { return steps_.empty() ? 0 : -int64_t(int32_t(steps_.back().dst)); }

    void receive(Block block, RunBlock run_block) const {
        size_t segments[] = {0, steps_.size()};
        block.steps = steps_.data();
        block.segments = segments;
        block.segment_count = 1;
        run_block(block);
    }

private:
    std::vector<Step> steps_;
};

// Puts jobs of the same inputs into a group if many of them read the same vectors, which are received once then. In
// tracing, steps receive in their turn.
std::vector<Group> group(const std::vector<Work>& all, bool trace) {
    std::vector<Group> groups;
    if (trace) {
        for (size_t job = 0; job < all.size(); ++job) groups.emplace_back(std::vector{job}, std::vector<Step>{});
        return groups;
    }
    std::vector<std::vector<size_t>> alike;
    for (size_t job = 0; job < all.size(); ++job) {
        auto fits = [&](const std::vector<size_t>& jobs) { return all[job].receives_with(all[jobs[0]]); };
        auto found = std::find_if(alike.begin(), alike.end(), fits);
        (found == alike.end() ? alike.emplace_back() : *found).push_back(job);
    }
    for (std::vector<size_t>& jobs : alike) {
        int32_t vectors = 0;
        size_t read = 0;
        for (size_t job : jobs) {
            const std::vector<Step>& steps = all[job].receives();
            if (!steps.empty()) vectors = std::max(vectors, steps.back().imm + 1);
            read += steps.size();
        }
        if (2 * read >= 3 * size_t(vectors)) {
            std::vector<Step> steps;
            for (int32_t vector = 0; vector < vectors; ++vector) steps.push_back(receive(vector, all[jobs[0]].bits()));
            groups.emplace_back(std::move(jobs), steps);
        } else {
            for (size_t job : jobs) groups.emplace_back(std::vector{job}, all[job].receives());
        }
    }
    return groups;
}

// The block size with which all work is done soonest. A step costs about as much as the bits of ten words of rows,
// besides those bits; a thread's planes should mostly stay in the second cache.
int block_size(const std::vector<Work>& all, int threads, int64_t planes) {
    constexpr int64_t kStep = 10, kCache = 2 << 20;
    auto time = [&](int words) {
        // Threads take blocks in order, each as soon as it is free.
        std::vector<int64_t> busy(size_t(threads), 0);
        for (const Work& work : all) {
            int64_t blocks = work.blocks(words), rounds = blocks / threads, cost = work.steps() * (kStep + words);
            for (int64_t& thread : busy) thread += rounds * cost;
            for (int64_t rest = blocks % threads; rest > 0; --rest) *std::min_element(busy.begin(), busy.end()) += cost;
        }
        return *std::max_element(busy.begin(), busy.end());
    };
    int best = 0;
    for (int size = 1; size < kSizeCount; ++size)
        if (planes * kSizes[size] * 8 <= kCache && time(kSizes[size]) < time(kSizes[best])) best = size;
    return best;
}

// A block of a job.
struct Piece {
    size_t group, job;
    int64_t number;
};

// The working memory of a thread, and for which block it holds what a group receives.
struct Planes {
    Memory memory;
    size_t group;
    int64_t number = -1;
};

}  // namespace

void Prepared::fuse_once() const {
    std::call_once(fuse_, [&] {
        int bits = program_.input_bits();
        fused_ = fuse(schedule_, bits);
        for (int32_t vector : program_.inputs())
            if (is_received(vector, bits)) receives_.push_back(receive(vector, bits));
    });
}

// All blocks of all jobs are shared out.
std::vector<std::vector<Cells>> run(const std::vector<Job>& jobs, int threads, bool trace,
                                                          const Kernels& kernels) {
    if (threads < 1) throw std::invalid_argument("expected at least one thread");
    std::vector<Work> all;
    std::vector<std::vector<Traced>> totals;
    int64_t planes = 0, received = 0;
    for (const Job& job : jobs) {
        all.emplace_back(job, trace);
        planes = std::max<int64_t>(planes, all.back().planes());
        totals.emplace_back(trace ? all.back().segments() * kOpcodes : 0);
    }
    std::vector<Group> groups = group(all, trace);
    for (const Group& group : groups) received = std::max(received, (group.planes() + 7) / 8 * 8);
    int size = block_size(all, threads, planes + received), words = kSizes[size];
    std::vector<Piece> pieces;
    for (size_t group = 0; group < groups.size(); ++group)
        for (int64_t number = 0; number < all[groups[group].jobs[0]].blocks(words); ++number)
            for (size_t job : groups[group].jobs) pieces.push_back({group, job, number});
    std::mutex guard;
    auto make = [&] { return Planes{Memory(size_t(planes + received) * size_t(words) * 8), 0}; };
    native::parallel(int64_t(pieces.size()), threads, make, [&](int64_t at, Planes& mine) {
        auto [of, job, number] = pieces[size_t(at)];
        void* first = static_cast<char*>(mine.memory.data()) + received * words * 8;
        Block block = all[job].block(number, words, first);
        if (!trace) {
            if (mine.number != number || mine.group != of) groups[of].receive(block, kernels.plain[size]);
            mine.group = of, mine.number = number;
            return all[job].run(block, kernels.plain[size], nullptr);
        }
        std::vector<Traced> traced(all[job].segments() * kOpcodes);
        all[job].run(block, kernels.traced[size], traced.data());
        std::lock_guard<std::mutex> lock(guard);
        for (size_t at = 0; at < traced.size(); ++at) {
            totals[job][at].written += traced[at].written;
            totals[job][at].toggled += traced[at].toggled;
        }
    });
    std::vector<std::vector<Cells>> result(jobs.size());
    for (size_t job = 0; job < jobs.size(); ++job)
        for (size_t at = 0; at < totals[job].size(); ++at) {
            if (at % kOpcodes == 0) result[job].emplace_back();
            const int64_t unkeyed = jobs[job].program->opcodes()[at].unkeyed * jobs[job].rows;
            result[job].back().emplace_back(totals[job][at].written + unkeyed, totals[job][at].toggled);
        }
    return result;
}

}  // namespace camc
