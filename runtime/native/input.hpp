// Tensors from Python as what programs read, and the instruction set that reads them.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "movement.hpp"

namespace camc {

using Array = nanobind::ndarray<nanobind::ro, nanobind::device::cpu>;

// The kernels of an instruction set; raises std::invalid_argument for one that this machine doesn't have.
const Kernels& kernels_of(const std::string& set);

template <class Any>
int bytes_of(const Any& array) {
    nanobind::dlpack::dtype type = array.dtype();
    bool known = type.code == uint8_t(nanobind::dlpack::dtype_code::Int) && type.lanes == 1 &&
                 (type.bits == 8 || type.bits == 16 || type.bits == 32 || type.bits == 64);
    if (!known) throw std::invalid_argument("expected signed integers of 8, 16, 32 or 64 bits");
    return type.bits / 8;
}

template <int Rank>
Tensor<Rank> tensor_of(const Array& array) {
    Tensor<Rank> tensor{static_cast<const uint8_t*>(array.data()), bytes_of(array), {}, {}};
    if (array.ndim() != Rank)
        throw std::invalid_argument("expected a tensor of " + std::to_string(Rank) + " dimensions");
    for (int axis = 0; axis < Rank; ++axis) {
        tensor.shape[axis] = int64_t(array.shape(size_t(axis)));
        tensor.strides[axis] = array.stride(size_t(axis)) * tensor.bytes;
    }
    return tensor;
}

// A tensor that programs read.
struct Input {
    Movement movement;

    Input(const Array& tensor, int bits, int threads, const std::string& set)
        : movement(tensor_of<2>(tensor), bits, threads, kernels_of(set).pack) {}
    Input(const Array& images, std::array<int64_t, 2> kernel, std::array<int64_t, 2> strides,
          std::array<int64_t, 4> pads, std::array<int64_t, 2> dilations, int64_t pad, int bits, int threads,
          const std::string& set)
        : movement(tensor_of<4>(images),
                   {{kernel[0], kernel[1]},
                    {strides[0], strides[1]},
                    {pads[0], pads[1], pads[2], pads[3]},
                    {dilations[0], dilations[1]}},
                   pad, bits, threads, kernels_of(set).pack) {}
};

// Adds the engine of counted programs to the Python module.
void define_counting(nanobind::module_& m);

}  // namespace camc
