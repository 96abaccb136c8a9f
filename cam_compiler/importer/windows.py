"""Sliding windows of ONNX operators: kernel, strides, dilations, pads, auto_pad and ceil_mode as one window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cam_compiler.importer.model import Node
from dialects.support.tensors import IntArray
from dialects.support.window import Window

MAX_POSITIONS = 1 << 16
"""Positions of a window along one dimension."""
MAX_ELEMENTS = 1 << 16
"""Elements of a window in one channel."""
MAX_NUMBER = 1 << 16
"""The greatest extent of a kernel, stride, dilation or pad."""


@dataclass(frozen=True)
class FittedWindow:
    """A window over images of a known size.

    `window` has no more padding at the end than its last position reaches, so that ceil_mode and pads that no window
    meets need no further thought; `declared` are the pads that the node states.
    """

    window: Window
    size: tuple[int, int]
    declared: tuple[int, int, int, int]

    @property
    def positions(self) -> tuple[int, int]:
        return self.window.positions(*self.size)

    def counts(self, include_pads: bool) -> IntArray:
        """Elements (height, width) that each position covers: those of the image, and those of declared pads if asked.

        What lies beyond the declared pads, where ceil_mode lets the last window reach, never counts.
        """
        down, across = (self._covered(axis, include_pads) for axis in (0, 1))
        return np.outer(down, across)

    def _covered(self, axis: int, include_pads: bool) -> IntArray:
        """Elements of each position along one dimension."""
        window, extent = self.window, self.size[axis]
        before, after = (self.declared[axis], self.declared[axis + 2]) if include_pads else (0, 0)
        first = np.arange(self.positions[axis]) * window.strides[axis] - window.pads[axis]
        # Of an element first + i * dilation it counts whether it lies from -before to extent + after - 1.
        step, count = window.dilations[axis], window.kernel[axis]
        low = np.clip(-((first + before) // step), 0, count)
        high = np.clip(-((first - extent - after) // step), 0, count)
        return np.maximum(high - low, 0)


def _pair(node: Node, name: str, rank: int) -> tuple[int, int]:
    values = node.integers(name) or [1] * rank
    if len(values) != rank or min(values) < 1 or max(values) > MAX_NUMBER:
        raise node.error(f"its {name} are {values}", hint=f"{rank} numbers of at least 1, at most {MAX_NUMBER}")
    return values[0], values[1] if rank == 2 else 1


def check_size(node: Node, kernel: tuple[int, int]) -> None:
    """Raises ModelError for a window that no array could take."""
    if kernel[0] * kernel[1] > MAX_ELEMENTS:
        raise node.error(f"its window has {kernel[0]} x {kernel[1]} elements", hint=f"at most {MAX_ELEMENTS}")


def fitted(node: Node, size: tuple[int, int], kernel: tuple[int, int], rank: int) -> FittedWindow:
    """The node's window over images (height, width); `rank` 1 stands for sequences (length, 1).

    Raises ModelError where the attributes are malformed or no window fits.
    """
    check_size(node, kernel)
    strides, dilations = _pair(node, "strides", rank), _pair(node, "dilations", rank)
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    starts, ends, counts = [0, 0], [0, 0], [0, 0]
    mode = node.text("auto_pad", "NOTSET") or "NOTSET"
    stated = _stated_pads(node, rank) if mode == "NOTSET" else [0, 0, 0, 0]
    for axis, (extent, span, stride) in enumerate(zip(size, spans, strides, strict=True)):
        if mode in ("SAME_UPPER", "SAME_LOWER"):
            counts[axis] = -(-extent // stride)
            total = max((counts[axis] - 1) * stride + span - extent, 0)
            starts[axis] = total // 2 if mode == "SAME_UPPER" else total - total // 2
            ends[axis] = total - starts[axis]
        elif mode in ("NOTSET", "VALID"):
            starts[axis], ends[axis] = stated[axis], stated[axis + 2]
            ceiled = bool(node.integer("ceil_mode", 0))
            counts[axis] = _positions(extent, starts[axis], ends[axis], span, stride, ceiled)
        else:
            raise node.error(f"auto_pad is '{mode}'", hint="NOTSET, VALID, SAME_UPPER or SAME_LOWER")
    if min(counts) < 1:
        raise node.error(f"its window of {kernel} does not fit into an image of {size}")
    if max(counts) > MAX_POSITIONS:
        raise node.error(f"it has {counts[0]} x {counts[1]} positions", hint=f"at most {MAX_POSITIONS} a dimension")
    needed = [
        max(0, (count - 1) * stride + span - extent - start)
        for count, stride, span, extent, start in zip(counts, strides, spans, size, starts, strict=True)
    ]
    window = Window(kernel, strides, (starts[0], starts[1], needed[0], needed[1]), dilations)
    return FittedWindow(window, size, (starts[0], starts[1], ends[0], ends[1]))


def _stated_pads(node: Node, rank: int) -> list[int]:
    """Top, left, bottom, right."""
    pads = node.integers("pads") or [0] * 2 * rank
    if len(pads) != 2 * rank or min(pads) < 0 or max(pads) > MAX_NUMBER:
        raise node.error(f"its pads are {pads}", hint=f"{2 * rank} numbers of at least 0, at most {MAX_NUMBER}")
    return pads if rank == 2 else [pads[0], 0, pads[1], 0]


def _positions(extent: int, start: int, end: int, span: int, stride: int, ceiled: bool) -> int:
    room = extent + start + end - span
    if room < 0:
        return 0
    count = (-(-room // stride) if ceiled else room // stride) + 1
    # A window that would begin beyond the image and its leading pads is left out.
    return count - 1 if ceiled and (count - 1) * stride >= extent + start else count


def kernel_of(node: Node, rank: int) -> tuple[int, int]:
    """The kernel_shape of a pooling operator."""
    if node.integers("kernel_shape") is None:
        raise node.error("its kernel_shape is missing")
    return _pair(node, "kernel_shape", rank)
