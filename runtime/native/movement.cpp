#include "movement.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "parallel.hpp"

namespace camc {

namespace {

constexpr int64_t kMost = int64_t{1} << 40;  // bytes that a copy may take at most, so that no product overflows

int64_t product(std::initializer_list<int64_t> factors) {
  int64_t result = 1;
  for (int64_t factor : factors) {
    if (factor < 0 || (factor && result > kMost / factor)) throw std::invalid_argument("windows of an impossible size");
    result *= factor;
  }
  return result;
}

// One padded line of an image, its items sorted by their position modulo the window's stride: so the items that a
// window's element meets at consecutive positions lie side by side.
template <class Item>
void copy_line(const uint8_t* from, int64_t width, int64_t stride, int64_t left, int64_t phases, int64_t columns, Item pad,
               Item* to) {
  if (phases == 1 && stride == sizeof(Item) && from) {
    std::fill_n(to, left, pad);
    std::memcpy(to + left, from, size_t(width) * sizeof(Item));
    std::fill_n(to + left + width, columns - left - width, pad);
    return;
  }
  std::fill_n(to, columns * phases, pad);
  if (!from) return;
  for (int64_t phase = 0; phase < phases; ++phase) {
    int64_t x = phase < left ? (phase - left) % phases : phase - left;
    if (x < 0) x += phases;
    Item* line = to + phase * columns + (x + left) / phases;
    for (; x < width; x += phases, ++line) std::memcpy(line, from + x * stride, sizeof(Item));
  }
}

}  // namespace

Movement::Movement(const Tensor<2>& tensor) : data_(tensor.data), rows_(tensor.shape[0]) {
  source_ = {tensor.bytes, 1, std::max<int64_t>(rows_, 1), 0, 0, tensor.strides[0], false};
  for (int64_t feature = 0; feature < tensor.shape[1]; ++feature) offsets_.push_back(feature * tensor.strides[1]);
}

Movement::Movement(const Tensor<4>& images, const Window& window, int64_t pad, int threads) {
  auto [samples, channels, height, width] = images.shape;
  const auto& [top, left, bottom, right] = window.pads;
  constexpr int64_t kLargest = 1 << 20;
  for (int64_t size : {window.kernel[0], window.kernel[1], window.strides[0], window.strides[1], window.dilations[0],
                       window.dilations[1]})
    if (size < 1 || size > kLargest) throw std::invalid_argument("kernel, strides and dilations are at least 1");
  for (int64_t size : window.pads)
    if (size < 0 || size > kLargest) throw std::invalid_argument("pads are at least 0");
  int64_t lines = height + top + bottom, items = width + left + right;
  int64_t down = (lines - (window.kernel[0] - 1) * window.dilations[0] - 1) / window.strides[0] + 1;
  int64_t across = (items - (window.kernel[1] - 1) * window.dilations[1] - 1) / window.strides[1] + 1;
  bool fits = lines > (window.kernel[0] - 1) * window.dilations[0] && items > (window.kernel[1] - 1) * window.dilations[1];
  if (!fits) throw std::invalid_argument("no window fits into the image");
  int64_t phases = window.strides[1], columns = (items + phases - 1) / phases, bytes = images.bytes;
  int64_t line = product({columns, phases, bytes}), image = product({line, lines}), channel = product({image, samples});
  rows_ = product({samples, down, across});
  int64_t size = product({channel, channels});
  copy_ = Memory(size_t(size) + kSlack);
  uint8_t* base = static_cast<uint8_t*>(copy_.data());
  data_ = base;
  source_ = {images.bytes, down, across, image, line * window.strides[0], bytes, true};
  product({channels, window.kernel[0], window.kernel[1], int64_t(sizeof(int64_t))});
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t y = 0; y < window.kernel[0]; ++y)
      for (int64_t x = 0; x < window.kernel[1]; ++x) {
        int64_t at = x * window.dilations[1];
        offsets_.push_back(c * channel + y * window.dilations[0] * line + (at % phases * columns + at / phases) * bytes);
      }
  auto copy = [&](int64_t number) {
    int64_t c = number / samples, n = number % samples;
    for (int64_t y = 0; y < lines; ++y) {
      const uint8_t* from = images.data + n * images.strides[0] + c * images.strides[1] + (y - top) * images.strides[2];
      if (y < top || y >= top + height) from = nullptr;
      uint8_t* to = base + c * channel + n * image + y * line;
      switch (bytes) {
        case 1:
          copy_line(from, width, images.strides[3], left, phases, columns, int8_t(pad), reinterpret_cast<int8_t*>(to));
          break;
        case 2:
          copy_line(from, width, images.strides[3], left, phases, columns, int16_t(pad), reinterpret_cast<int16_t*>(to));
          break;
        case 4:
          copy_line(from, width, images.strides[3], left, phases, columns, int32_t(pad), reinterpret_cast<int32_t*>(to));
          break;
        default:
          copy_line(from, width, images.strides[3], left, phases, columns, pad, reinterpret_cast<int64_t*>(to));
      }
    }
  };
  // A small copy takes less time than starting a thread.
  constexpr int64_t kSmall = 1 << 18;
  parallel(channels * samples, size < kSmall ? 1 : threads, copy);
}

}  // namespace camc
