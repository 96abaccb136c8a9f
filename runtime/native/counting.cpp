// Counted searches on packed bits: the kernels of runtime/engines/counting.py.
//
// A word holds the bits of 64 rows of an array under one port. A search for two bits is an and of two words, the count
// of its tags a population count.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <stdexcept>

#include "parallel.hpp"

namespace nb = nanobind;

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__gnu_linux__) && !defined(CAMC_SANITIZE)
#define CAMC_CLONES __attribute__((target_clones("arch=icelake-server", "arch=haswell", "default")))
#else
#define CAMC_CLONES
#endif

namespace {

template <typename Number, int Dimensions>
using Given = nb::ndarray<const Number, nb::ndim<Dimensions>, nb::c_contig, nb::device::cpu>;
template <typename Number, int Dimensions>
using Result = nb::ndarray<Number, nb::ndim<Dimensions>, nb::c_contig, nb::device::cpu>;

constexpr int64_t kBlock = 64;  // rows of the result that a thread takes at a time

void expect(bool holds, const char* what) {
    if (!holds) throw std::invalid_argument(what);
}

struct Weights {
    const uint64_t* ones;
    const uint64_t* zeros;
    int64_t words;
};

// Adds to the sums of one output, for rows from begin to end, the tags of the searches for 1 less those of the searches
// for 0, of one bit whose plane is given.
CAMC_CLONES void add_bit(const uint64_t* plane, Weights weights, int64_t factor, int64_t begin, int64_t end,
                         int64_t* sums) {
    for (int64_t row = begin; row < end; ++row) {
        const uint64_t* held = plane + row * weights.words;
        int64_t found = 0;
        for (int64_t word = 0; word < weights.words; ++word)
            found += std::popcount(held[word] & weights.ones[word]) - std::popcount(held[word] & weights.zeros[word]);
        sums[row] += factor * found;
    }
}

// Adds to sums (outputs, rows) what the searches of all bits give; each bit has a factor.
void count(Given<uint64_t, 3> planes, Given<uint64_t, 2> ones, Given<uint64_t, 2> zeros, Given<int64_t, 1> factors,
           Result<int64_t, 2> sums, int threads) {
    int64_t bits = planes.shape(0), rows = planes.shape(1), words = planes.shape(2), outputs = ones.shape(0);
    expect(int64_t(ones.shape(1)) == words && int64_t(zeros.shape(0)) == outputs && int64_t(zeros.shape(1)) == words,
           "weights of another size than the rows");
    expect(int64_t(factors.shape(0)) == bits, "a factor for each bit");
    expect(int64_t(sums.shape(0)) == outputs && int64_t(sums.shape(1)) == rows, "sums of another size");
    const uint64_t *plane = planes.data(), *one = ones.data(), *zero = zeros.data();
    const int64_t* factor = factors.data();
    int64_t* sum = sums.data();
    nb::gil_scoped_release release;
    native::parallel((rows + kBlock - 1) / kBlock, threads, [&](int64_t block) {
        int64_t begin = block * kBlock, end = std::min(rows, begin + kBlock);
        for (int64_t output = 0; output < outputs; ++output)
            for (int64_t bit = 0; bit < bits; ++bit)
                add_bit(plane + bit * rows * words, {one + output * words, zero + output * words, words}, factor[bit],
                        begin, end, sum + output * rows);
    });
}

// The bits of inputs (rows, features) as planes (bits, rows, words): feature f is bit place[f] of its row's words.
template <typename Number>
void pack(Given<Number, 2> inputs, Given<int64_t, 1> features, Given<int64_t, 1> places, Result<uint64_t, 3> planes,
          int threads) {
    int64_t bits = planes.shape(0), rows = planes.shape(1), words = planes.shape(2), count = features.shape(0);
    int64_t width = inputs.shape(1);
    expect(int64_t(inputs.shape(0)) == rows, "planes of another number of rows");
    expect(int64_t(places.shape(0)) == count, "a place for each feature");
    const Number* input = inputs.data();
    const int64_t *feature = features.data(), *place = places.data();
    for (int64_t number = 0; number < count; ++number)
        expect(feature[number] >= 0 && feature[number] < width && place[number] >= 0 && place[number] < 64 * words,
               "a feature or a place that isn't there");
    uint64_t* plane = planes.data();
    nb::gil_scoped_release release;
    native::parallel((rows + kBlock - 1) / kBlock, threads, [&](int64_t block) {
        for (int64_t row = block * kBlock; row < std::min(rows, (block + 1) * kBlock); ++row)
            for (int64_t number = 0; number < count; ++number) {
                uint64_t value = uint64_t(int64_t(input[row * width + feature[number]]));
                uint64_t* word = plane + row * words + place[number] / 64;
                for (int64_t bit = 0; bit < bits; ++bit)
                    word[bit * rows * words] |= (value >> bit & 1) << (place[number] % 64);
            }
    });
}

// Of each key of so many bits, how many rows of a table match it: bits that a row cares for, and what they are.
void matches(Given<int64_t, 1> cares, Given<int64_t, 1> bits, Result<uint16_t, 1> found) {
    int64_t rows = cares.shape(0), keys = found.shape(0);
    expect(int64_t(bits.shape(0)) == rows && rows < 1 << 16, "bits for each row");
    uint16_t* count = found.data();
    for (int64_t row = 0; row < rows; ++row) {
        int64_t care = cares.data()[row], bit = bits.data()[row];
        for (int64_t key = 0; key < keys; ++key) count[key] += (key & care) == bit;
    }
}

}  // namespace

NB_MODULE(_counting, module) {
    module.def("count", &count, nb::arg("planes"), nb::arg("ones"), nb::arg("zeros"), nb::arg("factors"),
               nb::arg("sums"), nb::arg("threads"));
    module.def("pack", &pack<int8_t>);
    module.def("pack", &pack<int16_t>);
    module.def("pack", &pack<int32_t>);
    module.def("pack", &pack<int64_t>);
    module.def("matches", &matches);
}
