// Turns a program into the engine's steps: planes for the places in use, bit loops in an order that can be run fast.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "program.hpp"

namespace camc {

struct Schedule {
    std::vector<Step> steps;
    std::vector<size_t> segments;                        // the steps where they start, and the end
    uint32_t planes = 1;                                 // plane 0 is zero and never written
    std::vector<std::pair<uint32_t, uint32_t>> cleared;  // planes [begin, end) that are read before they are written
    int output_bytes = 1;                                // of an item of the outputs, so that every value fits

    explicit Schedule(const Program& program);
};

// Where nothing is counted, vectors are received before the program runs, each with the greatest width of any, in
// planes with negative numbers; but for those beyond a limit, so that they take little memory.
inline constexpr int64_t kMostReceived = 1 << 20;

inline bool is_received(int64_t vector, int bits) { return (vector + 1) * bits <= kMostReceived; }
inline bool is_received(uint32_t plane) { return int32_t(plane) < 0; }
inline int32_t received_plane(int64_t vector, int bits) { return int32_t(-(vector + 1) * bits); }

// The same steps in another order, with which fewer planes are read and written, for runs that count nothing; see
// fuse.cpp.
std::vector<Step> fuse(const Schedule& schedule, int input_bits);

// How many planes the steps read and write.
int64_t touched_planes(const std::vector<Step>& steps);

}  // namespace camc
