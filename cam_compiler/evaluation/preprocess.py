"""From stored images to a network's input, exactly: (x * scale - mean) / std in rational arithmetic, rounded once.

Nothing is done that isn't stated. Every value is the float nearest to the exact result, which double precision finds
for nearly all of them; where its error could change the rounding, fractions decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dialects.support.errors import InputError
from dialects.support.tensors import FloatArray
from runtime.network import InputSpec
from runtime.values import Value

LAYOUTS = {"chw": (0, 1, 2, 3), "hwc": (0, 3, 1, 2), "hw": (0, 1, 2)}
"""How a stored image lies; its axes in the order in which networks take them."""


@dataclass(frozen=True)
class Preprocess:
    """What is done to images: the axes put in order, then scale, mean and standard deviation (by channel)."""

    layout: str | None = None
    scale: Fraction = Fraction(1)
    mean: tuple[Fraction, ...] = (Fraction(0),)
    std: tuple[Fraction, ...] = (Fraction(1),)

    @property
    def described(self) -> str:
        parts = [f"layout {self.layout}"] if self.layout else []
        parts += [f"scale {self.scale}"] if self.scale != 1 else []
        parts += [f"mean {','.join(map(str, self.mean))}"] if any(self.mean) else []
        parts += [f"std {','.join(map(str, self.std))}"] if self.std != (1,) else []
        return ", ".join(parts) or "as they are"

    @property
    def _affine(self) -> bool:
        return self.scale != 1 or any(self.mean) or self.std != (1,)

    def __call__(self, images: Value, spec: InputSpec, begin: int) -> Value:
        """Images, of which the first has the number `begin`, as the network takes them; raises InputError."""
        if images.dtype.kind not in "iuf" or images.dtype.itemsize > 8:
            raise InputError(f"images of type {images.dtype} are no numbers that can be read")
        if images.dtype.kind == "f" and not np.isfinite(images).all():
            wrong = int(np.argwhere(~np.isfinite(images))[0][0])
            raise InputError("it holds values that are not finite numbers", place=f"image {begin + wrong}")
        ordered = _fitted(self._ordered(images), spec.shape[1:])
        if np.dtype(spec.dtype).kind == "i":
            if self._affine or ordered.dtype.kind == "f":
                raise InputError("the network takes integers as they are, without scale, mean and std")
            return ordered
        if not self._affine:
            return ordered.astype(spec.dtype)
        channels = ordered.shape[1] if ordered.ndim > 2 else 1
        for name, values in (("--mean", self.mean), ("--std", self.std)):
            if len(values) not in (1, channels):
                raise InputError(f"{len(values)} values for {channels} channels", place=name)
        result = np.empty(ordered.shape, dtype=spec.dtype)
        for channel in range(channels):
            at = (slice(None), channel) if ordered.ndim > 2 else (slice(None),)
            mean, std = (values[channel % len(values)] for values in (self.mean, self.std))
            result[at] = affine(ordered[at], self.scale / std, mean / std, spec.dtype)
        return result

    def _ordered(self, images: Value) -> Value:
        axes = LAYOUTS.get(self.layout or "")
        if axes is None:
            return images
        if images.ndim != len(axes):
            raise InputError(f"images {_text(images.shape[1:])} aren't of layout {self.layout}", place="--layout")
        ordered = images.transpose(axes)
        return ordered[:, None] if self.layout == "hw" else ordered


def _fitted(images: Value, shape: Sequence[int]) -> Value:
    """Images in the network's shape: a channel axis is put before height and width, and a vector is read row by row."""
    found = images.shape[1:]
    if all(size in (-1, here) for size, here in zip(shape, found, strict=False)) and len(shape) == len(found):
        return images
    if (1, *found) == tuple(shape) or (len(shape) == 1 and np.prod(found) == shape[0]):
        return images.reshape(len(images), *shape)
    orders = [name for name, axes in LAYOUTS.items() if tuple(_reordered(found, axes)) == tuple(shape)]
    hint = f"give --layout {orders[0]}" if orders else "sizes must match; images of a folder can be resized and cut"
    raise InputError(f"images are {_text(found)}, the network takes {_text(shape)}", hint=hint)


def _reordered(shape: Sequence[int], axes: Sequence[int]) -> list[int]:
    return [shape[axis - 1] for axis in axes[1:]] if len(axes) == len(shape) + 1 else []


def _text(shape: Sequence[int]) -> str:
    return "x".join("any" if size < 0 else str(size) for size in shape)


def affine(values: Value, factor: Fraction, offset: Fraction, dtype: str) -> Value:
    """values * factor - offset, each rounded once to the nearest `dtype`."""
    given: FloatArray = values.astype(np.float64)
    product = given * float(factor)
    near = product - float(offset)
    # Three roundings in double precision, and those of the two constants.
    error = (np.abs(product) + abs(float(offset))) * 2.0**-50
    low, high = (near - error).astype(dtype), (near + error).astype(dtype)
    open_ = (low != high) | (np.abs(given) > 2.0**53)
    if open_.any():
        distinct, where = np.unique(values[open_], return_inverse=True)
        exact = [nearest(Fraction(value) * factor - offset, dtype) for value in distinct.tolist()]
        low[open_] = np.array(exact, dtype=dtype)[where]
    return low


def nearest(value: Fraction, dtype: str) -> float:
    """The float of a type that is nearest to a number, the even one of two."""
    kind = np.dtype(dtype).type
    middle = kind(float(value))
    around: list[NDArray[np.floating]] = [
        np.nextafter(middle, kind(-np.inf)),
        middle,
        np.nextafter(middle, kind(np.inf)),
    ]
    finite = [one for one in around if np.isfinite(one)]
    return float(
        min(finite, key=lambda one: (abs(Fraction(float(one)) - value), int(one.view(f"i{one.itemsize}")) & 1))
    )
