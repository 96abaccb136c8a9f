// When inputs are loaded, and an order of the operations that needs little memory.
#pragma once

#include <algorithm>
#include <set>
#include <utility>

#include "operations.hpp"

namespace placement {

// Each output with all that it takes before the next one. All operations come into one segment then, that of most of
// them.
inline std::vector<Operation> by_output(const std::vector<Operation>& operations, std::size_t values) {
    std::vector<int64_t> maker(values, -1), counts;
    for (std::size_t i = 0; i < operations.size(); ++i) {
        if (operations[i].result >= 0) maker[operations[i].result] = static_cast<int64_t>(i);
        counts.resize(std::max(counts.size(), static_cast<std::size_t>(operations[i].segment) + 1));
        counts[operations[i].segment] += operations[i].kind != Kind::load;
    }
    const int64_t segment = std::max_element(counts.begin(), counts.end()) - counts.begin();
    std::vector<uint8_t> done(operations.size(), 0);
    std::vector<Operation> order;
    std::vector<std::size_t> waiting;
    for (std::size_t i = 0; i < operations.size(); ++i) {
        if (operations[i].kind == Kind::store) waiting.push_back(i);
        while (!waiting.empty()) {
            const std::size_t at = waiting.back();
            const auto missing = [&](int64_t value) { return value >= 0 && !done[maker[value]]; };
            if (done[at]) {
                waiting.pop_back();
            } else if (missing(operations[at].a)) {
                waiting.push_back(static_cast<std::size_t>(maker[operations[at].a]));
            } else if (missing(operations[at].b)) {
                waiting.push_back(static_cast<std::size_t>(maker[operations[at].b]));
            } else {
                done[at] = 1;
                order.push_back(operations[at]);
                order.back().segment = segment;
                waiting.pop_back();
            }
        }
    }
    return order;
}

// Loads inputs just before their first use, in the segment of that, and none that isn't used. Where values take more
// than `limit` bits, inputs are dropped, first those that are used again last, and loaded again for their next use.
class Loading {
public:
    Loading(const std::vector<Operation>& operations, std::vector<Interval>& spans, int64_t limit)
        : operations_(operations), spans_(spans), limit_(limit), inputs_(spans.size()) {
        for (const Operation& operation : operations)
            if (operation.kind == Kind::load) inputs_[operation.result].load = &operation;
        if (limit == INT64_MAX) return;
        uses_.resize(spans.size());
        for (std::size_t i = 0; i < operations.size(); ++i)
            each_source(operations[i], [&](int64_t value) { uses_[value].push_back(static_cast<int64_t>(i)); });
        for (auto& uses : uses_) std::reverse(uses.begin(), uses.end());
    }

    std::vector<Operation> run() {
        for (const Operation& operation : operations_) {
            if (operation.kind == Kind::load) continue;
            each_source(operation, [&](int64_t value) { fetch(value, operation.segment); });
            Operation& item = out_.emplace_back(operation);
            for (int64_t* source : {&item.a, &item.b})
                if (*source >= 0 && inputs_[*source].load) *source = inputs_[*source].name;
            if (uses_.empty()) continue;
            each_source(operation, [&](int64_t value) { pass(value); });
            if (operation.result >= 0 && !uses_[operation.result].empty()) live_ += width(operation.result);
            while (live_ > limit_ && !held_.empty()) drop(held_.rbegin()->second);
        }
        return std::move(out_);
    }

private:
    struct Input {
        const Operation* load = nullptr;
        int64_t name = -1;  // the value that holds it, the latest one
        bool held = false;
    };

    const std::vector<Operation>& operations_;
    std::vector<Interval>& spans_;
    int64_t limit_, live_ = 0;
    std::vector<Input> inputs_;               // by value, as the given operations have it
    std::vector<std::vector<int64_t>> uses_;  // of each value, those to come, the next one last; none without a limit
    std::set<std::pair<int64_t, int64_t>> held_;  // inputs, by their next use
    std::vector<Operation> out_;

    template <typename Visit>
    static void each_source(const Operation& operation, Visit&& visit) {
        if (operation.a >= 0) visit(operation.a);
        if (operation.b >= 0 && operation.b != operation.a) visit(operation.b);
    }

    int width(int64_t value) const { return spans_[value].width(); }

    void fetch(int64_t value, int64_t segment) {
        Input& input = inputs_[value];
        if (!input.load || input.held) return;
        Operation& load = out_.emplace_back(*input.load);
        load.segment = segment;
        if (input.name >= 0) {
            load.result = static_cast<int64_t>(spans_.size());
            spans_.push_back(Interval(spans_[value]));
        }
        input.name = load.result;
        input.held = true;
        if (uses_.empty()) return;
        live_ += width(value);
        held_.insert({uses_[value].back(), value});
    }

    // A use of a value is over.
    void pass(int64_t value) {
        const bool input = inputs_[value].load != nullptr;
        if (input) held_.erase({uses_[value].back(), value});
        uses_[value].pop_back();
        if (uses_[value].empty())
            live_ -= width(value);
        else if (input)
            held_.insert({uses_[value].back(), value});
    }

    void drop(int64_t value) {
        held_.erase({uses_[value].back(), value});
        inputs_[value].held = false;
        live_ -= width(value);
    }
};

}  // namespace placement
