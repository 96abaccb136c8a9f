// The input quantiser: how many ascending thresholds a real number has reached.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace camc {

// Counts thresholds by a guess that is exact where they are evenly spaced, as they nearly always are.
class Steps {
public:
    Steps(const double* thresholds, int64_t count) : thresholds_(thresholds), count_(count) {
        if (count < 1) return;
        first_ = thresholds[0];
        double spacing = (thresholds[count - 1] - first_) / double(std::max<int64_t>(count - 1, 1));
        if (std::isfinite(first_) && std::isfinite(spacing) && spacing > 0 && std::isfinite(1 / spacing))
            slope_ = 1 / spacing;
    }

    // The number of thresholds t with value >= t.
    int64_t count(double value) const {
        double guess = (value - first_) * slope_ + 1;
        // Written so that a guess that is not a number is 0.
        int64_t at = guess > 0 ? guess < double(count_) ? int64_t(guess) : count_ : 0;
        for (int tries = 0; tries < 4; ++tries) {
            if (at > 0 && !(value >= thresholds_[at - 1]))
                --at;
            else if (at < count_ && value >= thresholds_[at])
                ++at;
            else
                return at;
        }
        return std::upper_bound(thresholds_, thresholds_ + count_, value) - thresholds_;
    }

private:
    const double* thresholds_;
    int64_t count_;
    double first_ = 0, slope_ = 0;
};

}  // namespace camc
