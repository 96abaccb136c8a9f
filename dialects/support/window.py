"""Sliding windows of convolution and pooling, and the gathering of their elements into rows (im2col)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.signedinteger]
"""Integers of any width; the results have the width of what is given."""


@dataclass(frozen=True, slots=True)
class Window:
    """Kernel, strides and dilations (height, width), pads (top, left, bottom, right), as ONNX counts them."""

    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)

    @property
    def size(self) -> int:
        """Elements of a window in one channel."""
        return self.kernel[0] * self.kernel[1]

    @property
    def padded(self) -> bool:
        return any(self.pads)

    @property
    def pointwise(self) -> bool:
        """Each window is the element at its own position."""
        return self == Window((1, 1))

    def positions(self, height: int, width: int) -> tuple[int, int]:
        """Windows that fit vertically and horizontally into an image with pads; 0 or less where none does."""
        spans = [(k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True)]
        sizes = (height + self.pads[0] + self.pads[2], width + self.pads[1] + self.pads[3])
        down, across = ((size - span) // s + 1 for size, span, s in zip(sizes, spans, self.strides, strict=True))
        return down, across

    def problem(self) -> str | None:
        """What is malformed, if anything."""
        if min(*self.kernel, *self.strides, *self.dilations) < 1:
            return "kernel, strides and dilations are at least 1"
        return "pads are at least 0" if min(self.pads) < 0 else None

    def gather(self, images: Ints, pad: int) -> Ints:
        """Rows (samples * positions, channels * window elements) of images (samples, channels, height, width).

        Rows are ordered by sample, then position in row-major order; columns by channel, then window element.
        """
        top, left, bottom, right = self.pads
        if not np.iinfo(images.dtype).min <= pad <= np.iinfo(images.dtype).max:
            images = images.astype(np.int64)
        padded = np.pad(images, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=pad)
        down, across = self.positions(images.shape[2], images.shape[3])
        (dy, dx), (sy, sx) = self.dilations, self.strides
        parts = [
            padded[:, :, y * dy : y * dy + (down - 1) * sy + 1 : sy, x * dx : x * dx + (across - 1) * sx + 1 : sx]
            for y in range(self.kernel[0])
            for x in range(self.kernel[1])
        ]
        stacked = np.stack(parts, axis=2)
        samples, channels = images.shape[:2]
        return stacked.transpose(0, 3, 4, 1, 2).reshape(samples * down * across, channels * self.size)


@dataclass(frozen=True)
class Windows:
    """The rows that a window gathers from images; an engine reads them where they are, others gather them once."""

    images: Ints
    window: Window
    pad: int

    def __post_init__(self) -> None:
        limits = np.iinfo(self.images.dtype)
        if not limits.min <= self.pad <= limits.max:
            object.__setattr__(self, "images", self.images.astype(np.int64))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and their features."""
        samples, channels, height, width = self.images.shape
        down, across = self.window.positions(height, width)
        return samples * down * across, channels * self.window.size

    def __len__(self) -> int:
        return self.shape[0]

    def array(self) -> Ints:
        return self._rows

    @cached_property
    def _rows(self) -> Ints:
        return self.window.gather(self.images, self.pad)


Rows = Ints | Windows
"""Rows of features, or where to gather them."""


def scatter(rows: Ints, height: int, width: int) -> Ints:
    """Images (samples, channels, height, width) from rows (samples * positions, channels)."""
    return rows.reshape(-1, height, width, rows.shape[1]).transpose(0, 3, 1, 2)
