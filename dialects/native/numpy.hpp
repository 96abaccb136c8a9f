// Native vectors as numpy arrays, which own what they show.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

namespace native {

// What keeps an object alive as long as Python sees it.
template <typename Object>
nanobind::capsule owner_of(std::unique_ptr<Object> object) {
    return nanobind::capsule(object.release(), [](void* kept) noexcept { delete static_cast<Object*>(kept); });
}

template <typename Number>
using Matrix = nanobind::ndarray<nanobind::numpy, Number, nanobind::ndim<2>>;

// A matrix of the elements, row by row; an element is one number, or a record of several.
template <typename Number, typename Element>
Matrix<Number> to_numpy(std::vector<Element> elements, std::size_t rows, std::size_t columns) {
    static_assert(sizeof(Element) % sizeof(Number) == 0 && alignof(Element) == alignof(Number));
    if (elements.size() * sizeof(Element) != rows * columns * sizeof(Number))
        throw std::logic_error("a matrix of another size than its elements");
    auto kept = std::make_unique<std::vector<Element>>(std::move(elements));
    Element* data = kept->data();
    return Matrix<Number>(reinterpret_cast<Number*>(data), {rows, columns}, owner_of(std::move(kept)));
}

}  // namespace native
