// An order of statements in bit loops, before anything has a place.
#pragma once

#include "dependences.hpp"

namespace placement {

// A statement of a bit loop, with its values and widths settled.
struct Member {
    Statement item;
    Accesses found;
    int start;  // of its bit 0, on the loop's clock
};

// Domains [lo, hi] of a slot, from its first one, that a bit loop sweeps.
struct Touch {
    int32_t slot;
    int lo, hi;
};

enum class Fit { spread, tight, packed };

struct Settings {
    int columns = 256, domains = 64;
    bool bundles = true;
    int window = 64;  // statements by which the making of a value may overtake the oldest statement
    Fit fit = Fit::spread;
    int seek_weight = 8, crowd_weight = 8;  // of the placer: steps to the port, bits of a column in use
};

struct Plan {
    std::vector<Member> members;
    std::vector<Touch> touches;
    std::vector<std::size_t> member_ends, touch_ends;  // of each bit loop
    std::vector<Value> values;
    std::vector<int16_t> slots;  // width of each

    void end_loop() {
        member_ends.push_back(members.size());
        touch_ends.push_back(touches.size());
    }

    std::size_t loops() const { return member_ends.size(); }
};

}  // namespace placement
