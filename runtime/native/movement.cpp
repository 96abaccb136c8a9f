#include "movement.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <stdexcept>

#include "parallel.hpp"

namespace camc {

namespace {

constexpr int64_t kMost = int64_t{1} << 40;  // bytes that a copy may take at most, so that no product overflows

int64_t product(std::initializer_list<int64_t> factors) {
    int64_t result = 1;
    for (int64_t factor : factors) {
        if (factor < 0 || (factor && result > kMost / factor))
            throw std::invalid_argument("windows of an impossible size");
        result *= factor;
    }
    return result;
}

// One padded line of an image, its items sorted by their position modulo the window's stride: so the items that a
// window's element meets at consecutive positions lie side by side.
template <class Item>
void copy_line(const uint8_t* from, int64_t width, int64_t stride, int64_t left, int64_t phases, int64_t columns,
               Item pad, Item* to) {
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

// Threads for a copy of so many bytes: a small one takes less time than starting a thread.
int copying(int64_t size, int threads) { return size < 1 << 18 ? 1 : threads; }

int64_t words_of(int64_t rows) { return (rows + 63) / 64; }

constexpr int64_t kLargestBlock = kSizes[kSizeCount - 1];

void set_bits(uint64_t* words, int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end;) {
        int64_t count = std::min(end - at, 64 - at % 64);
        words[at / 64] |= (~uint64_t{0} >> (64 - count)) << (at % 64);
        at += count;
    }
}

// A window's elements along one axis of images whose items are sorted by their position modulo the stride: in which
// part an element lies, and how far behind the item that has the number of the window's position.
class Axis {
public:
    struct Place {
        int64_t part, offset;
        const uint64_t* mask = nullptr;  // rows where it lies within the image, null if in all
        bool nowhere = false;
    };

    std::vector<Place> places;  // of the elements
    int64_t parts = 0;          // parts in which there are elements

    Axis(const Window& window, int axis, int64_t positions) : positions_(positions) {
        int64_t stride = window.strides[axis];
        for (int64_t i = 0; i < window.kernel[axis]; ++i) {
            int64_t at = i * window.dilations[axis] - window.pads[axis], phase = (at % stride + stride) % stride;
            auto known = std::find(phases_.begin(), phases_.end(), phase);
            Place place{known - phases_.begin(), (at - phase) / stride};
            if (known == phases_.end()) phases_.push_back(phase);
            place.nowhere = place.offset <= -positions || place.offset >= positions;
            places.push_back(place);
        }
        parts = int64_t(phases_.size());
    }

    int64_t phase(int64_t part) const { return phases_[size_t(part)]; }

    int64_t furthest() const {
        int64_t most = 0;
        for (const Place& place : places)
            if (!place.nowhere) most = std::max(most, std::abs(place.offset));
        return most;
    }

    // Masks for `count` times all positions, each of `length` rows; returns the memory that they are in.
    Memory mask(int64_t count, int64_t length, int64_t words) {
        std::vector<int64_t> offsets;
        for (const Place& place : places)
            if (!place.nowhere && place.offset) offsets.push_back(place.offset);
        std::sort(offsets.begin(), offsets.end());
        offsets.erase(std::unique(offsets.begin(), offsets.end()), offsets.end());
        Memory memory(offsets.size() * size_t(words) * 8);
        auto* to = static_cast<uint64_t*>(memory.data());
        std::fill_n(to, offsets.size() * size_t(words), 0);
        for (int64_t offset : offsets) {
            int64_t begin = std::max<int64_t>(-offset, 0), end = positions_ - std::max<int64_t>(offset, 0);
            for (int64_t i = 0; i < count; ++i)
                set_bits(to, (i * positions_ + begin) * length, (i * positions_ + end) * length);
            for (Place& place : places)
                if (place.offset == offset) place.mask = to;
            to += words;
        }
        return memory;
    }

private:
    int64_t positions_;
    std::vector<int64_t> phases_;
};

uint32_t count_of(std::initializer_list<int64_t> factors) {
    int64_t count = product(factors);
    if (count > std::numeric_limits<int32_t>::max()) throw std::invalid_argument("windows of an impossible size");
    return uint32_t(count);
}

}  // namespace

Movement::Movement(const Tensor<2>& tensor, int bits, int threads, Pack pack) : rows_(tensor.shape[0]), elements_(1) {
    int64_t features = tensor.shape[1], plane = std::max<int64_t>(words_of(rows_), 1);
    source_.elements = elements_.data();
    source_.element_count = 1;
    source_.vectors = count_of({features});
    source_.bytes = tensor.bytes;
    source_.down = 1;
    source_.across = std::max<int64_t>(rows_, 1);
    source_.item_stride = tensor.strides[0];
    source_.planes = std::clamp(bits, 1, 8 * tensor.bytes);
    source_.plane_words = plane;
    source_.channel_stride = source_.planes * plane * 8;
    int64_t size = product({features, source_.planes, plane});
    copy_ = Memory(size_t(size + kLargestBlock + 1) * 8);
    auto* first = static_cast<uint64_t*>(copy_.data());
    std::fill_n(first + size, kLargestBlock + 1, 0);
    source_.data = reinterpret_cast<const uint8_t*>(first);
    // In tiles, so that features that lie side by side are read from a first-level cache.
    constexpr int64_t kRows = 512, kFeatures = 64;
    int64_t across = (features + kFeatures - 1) / kFeatures, tiles = (rows_ + kRows - 1) / kRows * across;
    native::parallel(tiles, copying(size * 8, threads), [&](int64_t tile) {
        int64_t row = tile / across * kRows, begin = tile % across * kFeatures;
        for (int64_t feature = begin; feature < std::min(begin + kFeatures, features); ++feature)
            pack(source_, tensor.data + feature * tensor.strides[1], row, std::min(row + kRows, rows_),
                 first + feature * source_.planes * plane);
    });
}

Movement::Movement(const Tensor<4>& images, const Window& window, int64_t pad, int bits, int threads, Pack pack) {
    auto [samples, channels, height, width] = images.shape;
    const auto& [top, left, bottom, right] = window.pads;
    constexpr int64_t kLargest = 1 << 20;
    for (int64_t size : {window.kernel[0], window.kernel[1], window.strides[0], window.strides[1], window.dilations[0],
                         window.dilations[1]})
        if (size < 1 || size > kLargest) throw std::invalid_argument("kernel, strides and dilations are at least 1");
    for (int64_t size : window.pads)
        if (size < 0 || size > kLargest) throw std::invalid_argument("pads are at least 0");
    int64_t lines = height + top + bottom, items = width + left + right;
    bool fits =
        lines > (window.kernel[0] - 1) * window.dilations[0] && items > (window.kernel[1] - 1) * window.dilations[1];
    if (!fits) throw std::invalid_argument("no window fits into the image");
    int64_t down = (lines - (window.kernel[0] - 1) * window.dilations[0] - 1) / window.strides[0] + 1;
    int64_t across = (items - (window.kernel[1] - 1) * window.dilations[1] - 1) / window.strides[1] + 1;
    rows_ = product({samples, down, across});
    source_.vectors = count_of({channels, window.kernel[0], window.kernel[1]});
    source_.element_count = uint32_t(window.kernel[0] * window.kernel[1]);
    source_.bytes = images.bytes;
    source_.down = down;
    source_.across = across;
    source_.pad = pad;
    source_.planes = std::clamp(bits, 1, 8 * images.bytes);
    if (down * window.strides[0] == height && across * window.strides[1] == width)
        copy_planes(images, window, threads, pack);
    else
        copy_padded(images, window, pad, threads);
    source_.elements = elements_.data();
}

// The items as bit planes: a window's element at all positions is the same planes, shifted by its offset.
void Movement::copy_planes(const Tensor<4>& images, const Window& window, int threads, Pack pack) {
    auto [samples, channels, height, width] = images.shape;
    int64_t down = source_.down, across = source_.across, bits = source_.planes,
            plane = std::max<int64_t>(words_of(rows_), 1);
    Axis lines(window, 0, down), items(window, 1, across);
    source_.plane_words = plane;
    Source part = source_;
    part.sample_stride = images.strides[0];
    part.run_stride = images.strides[2] * window.strides[0];
    part.item_stride = images.strides[3] * window.strides[1];
    // Without gaps between them all items are one run.
    if (part.run_stride == across * part.item_stride && part.sample_stride == down * part.run_stride)
        part.across = std::max<int64_t>(rows_, 1), part.down = 1;
    // What is read before the first and beyond the last plane is masked out, or beyond the last row.
    int64_t guard = (lines.furthest() * across + items.furthest()) / 64 + 1, tail = guard + kLargestBlock + 1;
    int64_t size = product({channels, lines.parts, items.parts, bits, plane});
    copy_ = Memory(size_t(guard + size + tail) * 8);
    auto* first = static_cast<uint64_t*>(copy_.data());
    std::fill_n(first, guard, 0);
    first += guard;
    std::fill_n(first + size, tail, 0);
    int64_t parts = lines.parts * items.parts;
    native::parallel(channels * parts, copying(size * 8, threads), [&](int64_t number) {
        int64_t channel = number / parts, y = lines.phase(number % parts / items.parts),
                x = items.phase(number % items.parts);
        const uint8_t* data = images.data + channel * images.strides[1] + y * images.strides[2] + x * images.strides[3];
        pack(part, data, 0, rows_, first + number * bits * plane);
    });
    masks_[0] = lines.mask(samples, across, plane + kLargestBlock);
    masks_[1] = items.mask(samples * down, 1, plane + kLargestBlock);
    source_.data = reinterpret_cast<const uint8_t*>(first);
    source_.channel_stride = parts * bits * plane * 8;
    for (const Axis::Place& y : lines.places)
        for (const Axis::Place& x : items.places) {
            bool nowhere = y.nowhere || x.nowhere;
            int64_t shift = nowhere ? 0 : y.offset * across + x.offset;
            elements_.push_back({(y.part * items.parts + x.part) * bits * plane * 8, shift, y.mask, x.mask, nowhere});
        }
}

// The items with their pads, for windows that leave out items of the image or have more positions.
void Movement::copy_padded(const Tensor<4>& images, const Window& window, int64_t pad, int threads) {
    auto [samples, channels, height, width] = images.shape;
    const auto& [top, left, bottom, right] = window.pads;
    int64_t lines = height + top + bottom, items = width + left + right;
    int64_t phases = window.strides[1], columns = (items + phases - 1) / phases, bytes = images.bytes;
    int64_t line = product({columns, phases, bytes}), image = product({line, lines}),
            channel = product({image, samples});
    int64_t size = product({channel, channels});
    copy_ = Memory(size_t(size) + kSlack);
    uint8_t* base = static_cast<uint8_t*>(copy_.data());
    source_.sample_stride = image;
    source_.run_stride = line * window.strides[0];
    source_.item_stride = bytes;
    source_.slack = true;
    source_.data = base;
    source_.channel_stride = channel;
    for (int64_t y = 0; y < window.kernel[0]; ++y)
        for (int64_t x = 0; x < window.kernel[1]; ++x) {
            int64_t at = x * window.dilations[1];
            elements_.push_back({y * window.dilations[0] * line + (at % phases * columns + at / phases) * bytes, 0,
                                 nullptr, nullptr, false});
        }
    auto copy = [&](int64_t number) {
        int64_t c = number / samples, n = number % samples;
        for (int64_t y = 0; y < lines; ++y) {
            const uint8_t* from =
                images.data + n * images.strides[0] + c * images.strides[1] + (y - top) * images.strides[2];
            if (y < top || y >= top + height) from = nullptr;
            uint8_t* to = base + c * channel + n * image + y * line;
            switch (bytes) {
            case 1:
                copy_line(from, width, images.strides[3], left, phases, columns, int8_t(pad),
                          reinterpret_cast<int8_t*>(to));
                break;
            case 2:
                copy_line(from, width, images.strides[3], left, phases, columns, int16_t(pad),
                          reinterpret_cast<int16_t*>(to));
                break;
            case 4:
                copy_line(from, width, images.strides[3], left, phases, columns, int32_t(pad),
                          reinterpret_cast<int32_t*>(to));
                break;
            default:
                copy_line(from, width, images.strides[3], left, phases, columns, pad, reinterpret_cast<int64_t*>(to));
            }
        }
    };
    native::parallel(channels * samples, copying(size, threads), copy);
}

}  // namespace camc
