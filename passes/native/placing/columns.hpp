// The columns of an array while slots come and go: free intervals of domains, and where each port stands.
#pragma once

#include <algorithm>
#include <climits>
#include <cstdlib>

#include <vector>

namespace placement {

class Column {
public:
    struct Gap {
        int begin, end;

        int size() const { return end - begin; }
    };

    explicit Column(int domains) : gaps_{{0, domains}}, room_(domains) {}

    int port = 0;

    int room() const { return room_; }
    const std::vector<Gap>& gaps() const { return gaps_; }

    // Distance from the port to the nearest free domain, and that domain; there must be one.
    std::pair<int, int> nearest() const {
        std::pair<int, int> found{INT_MAX, -1};
        for (const Gap& gap : gaps_) {
            const int domain = std::clamp(port, gap.begin, gap.end - 1);
            found = std::min(found, {std::abs(domain - port), domain});
        }
        return found;
    }

    void take(int domain, int width) {
        room_ -= width;
        const auto at = std::find_if(gaps_.begin(), gaps_.end(), [&](const Gap& gap) { return domain < gap.end; });
        const Gap gap = *at;
        auto next = gaps_.erase(at);
        if (domain + width < gap.end) next = gaps_.insert(next, {domain + width, gap.end});
        if (gap.begin < domain) gaps_.insert(next, {gap.begin, domain});
    }

    void give(int domain, int width) {
        room_ += width;
        auto at = std::find_if(gaps_.begin(), gaps_.end(), [&](const Gap& gap) { return gap.begin > domain; });
        at = gaps_.insert(at, {domain, domain + width});
        if (at + 1 != gaps_.end() && at->end == (at + 1)->begin) {
            at->end = (at + 1)->end;
            gaps_.erase(at + 1);
        }
        if (at != gaps_.begin() && (at - 1)->end == at->begin) {
            (at - 1)->end = at->end;
            gaps_.erase(at);
        }
    }

private:
    std::vector<Gap> gaps_;  // ascending
    int room_;
};

}  // namespace placement
