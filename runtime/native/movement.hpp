// The vectors that a program receives: a matrix of any strides, or windows of images.
#pragma once

#include <cstdint>
#include <vector>

#include "memory.hpp"
#include "step.hpp"

namespace camc {

// A tensor of signed integers of 8, 16, 32 or 64 bits; strides in bytes.
template <int Rank>
struct Tensor {
    const uint8_t* data;
    int bytes;
    int64_t shape[Rank], strides[Rank];
};

// Kernel, strides and dilations are (height, width), pads top, left, bottom, right, as in dialects/support/window.py.
struct Window {
    int64_t kernel[2], strides[2], pads[4], dilations[2];
};

// A tensor as rows and vectors.
class Movement {
public:
    // Rows and features, copied as bit planes of the lowest `bits` bits.
    Movement(const Tensor<2>& tensor, int bits, int threads, Pack pack);

    // Rows are positions of the window, by sample and row-major; vectors its elements, by channel. Copies the images,
    // as planes of their lowest `bits` bits where each position of the window has its place in the image, as it has
    // with the usual pads.
    Movement(const Tensor<4>& images, const Window& window, int64_t pad, int bits, int threads, Pack pack);

    int64_t rows() const { return rows_; }
    const Source& source() const { return source_; }

private:
    void copy_padded(const Tensor<4>& images, const Window& window, int64_t pad, int threads);
    void copy_planes(const Tensor<4>& images, const Window& window, int threads, Pack pack);

    Source source_{};
    int64_t rows_ = 0;
    std::vector<Element> elements_;
    Memory copy_, masks_[2];
};

}  // namespace camc
