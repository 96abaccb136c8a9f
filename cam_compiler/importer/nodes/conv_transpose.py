"""ConvTranspose with constant weights: one convolution that has an output for each phase of the strides.

Along one dimension with stride s, element q * s + r of the result is the sum over j of x[q - j] * w[j * s + r]: phase r
is a convolution with every s-th weight. The phases are outputs of one convolution, whose blocks `spread` lays out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cam_compiler.importer.arithmetic.exact import ZERO
from cam_compiler.importer.constants import Constant
from cam_compiler.importer.context import Call, handles
from cam_compiler.importer.convolutions import convolve
from cam_compiler.importer.images import rank_of
from cam_compiler.importer.nodes.conv import biased, constant_weights
from cam_compiler.importer.nodes.rearrange import MAX_VALUES, picked, spread
from cam_compiler.importer.values import Activation, Value

MODES = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")


@dataclass(frozen=True)
class Axis:
    """One spatial dimension: `size` elements become `length`, after the first `start` ones, which are cut off."""

    size: int
    kernel: int
    stride: int
    dilation: int
    start: int
    length: int

    @property
    def covered(self) -> int:
        """Elements that the kernel reaches."""
        return (self.size - 1) * self.stride + (self.kernel - 1) * self.dilation + 1

    @property
    def taps(self) -> int:
        """Weights of a phase, zeros between and behind them included."""
        return -(-((self.kernel - 1) * self.dilation + 1) // self.stride)

    @property
    def blocks(self) -> int:
        """Elements of every phase."""
        return max(-(-(self.start + self.length) // self.stride), self.size)

    @property
    def pads(self) -> tuple[int, int]:
        """Zeros in front of and behind the elements."""
        return self.taps - 1, self.blocks - self.size

    def places(self) -> NDArray[np.int64]:
        """Which weight (phases, taps) stands where, the last one first; -1 where there is none."""
        phases, taps = np.ogrid[: self.stride, : self.taps]
        spot = (self.taps - 1 - taps) * self.stride + phases
        found = spot // self.dilation
        return np.where((spot % self.dilation == 0) & (found < self.kernel), found, -1)


def _numbers(call: Call, name: str, count: int, default: int) -> list[int]:
    values = call.node.integers(name) or [default] * count
    if len(values) != count or min(values) < default:
        raise call.node.error(f"its {name} are {values}", hint=f"{count} numbers of at least {default}")
    return values


def _cut(call: Call, mode: str, axis: Axis, wanted: int | None) -> Axis:
    """The dimension, uncut so far, to a length that output_shape states or auto_pad asks for, as onnxruntime has it."""
    length = axis.size * axis.stride if wanted is None else wanted
    surplus = axis.length - length
    if surplus < 0 and (wanted is None or axis.length - axis.covered - surplus >= axis.stride):
        raise call.node.error(
            f"it has {axis.length} positions in a dimension that shall have {length}",
            hint="explicit pads and output_padding, as exporters write them",
        )
    total = max(surplus, 0)
    return replace(axis, start=total // 2 if mode == "SAME_UPPER" else total - total // 2, length=length)


def _axes(call: Call, value: Activation, kernel: tuple[int, ...]) -> list[Axis]:
    """The spatial dimensions; raises ModelError where the attributes are malformed or leave nothing."""
    node, rank = call.node, len(kernel)
    mode, shape = node.text("auto_pad", "") or MODES[0], node.integers("output_shape")
    if mode not in MODES:
        raise node.error(f"its auto_pad is '{mode}'", hint=f"one of {', '.join(MODES)}")
    if shape is not None and len(shape) not in (rank, rank + 2):
        raise node.error(f"its output_shape is {shape}", hint=f"the sizes of {rank} dimensions")
    stated = node.integers("kernel_shape")
    if stated is not None and tuple(stated) != kernel:
        raise node.error(f"its kernel_shape is {stated}, its weights have the kernel {list(kernel)}")
    strides, dilations = _numbers(call, "strides", rank, 1), _numbers(call, "dilations", rank, 1)
    more, pads = _numbers(call, "output_padding", rank, 0), _numbers(call, "pads", 2 * rank, 0)
    axes: list[Axis] = []
    for index, size in enumerate(value.shape[1:]):
        axis = Axis(size, kernel[index], strides[index], dilations[index], 0, 0)
        axis = replace(axis, length=axis.covered + more[index])
        if shape is not None or mode.startswith("SAME"):
            axis = _cut(call, mode, axis, None if shape is None else shape[index - rank])
        elif mode == MODES[0]:
            axis = replace(axis, start=pads[index], length=axis.length - pads[index] - pads[index + rank])
        axes.append(axis)
    lengths = [axis.length for axis in axes]
    if min(lengths) < 1 or value.shape[0] * np.prod([float(length) for length in lengths]) > MAX_VALUES:
        raise node.error(f"its result has {lengths} positions", hint=f"at least 1 a dimension, at most {MAX_VALUES}")
    return axes


def _kernels(weights: Constant, groups: int, axes: list[Axis]) -> Constant:
    """Weights (channels, outputs a group, kernel) of one convolution (outputs * phases, channels a group, taps)."""
    channels, outputs, *kernel = weights.shape
    down, across = (axis.places() for axis in (*axes, Axis(1, 1, 1, 1, 0, 1))[:2])
    rows, columns = down[:, :, np.newaxis, np.newaxis], across[np.newaxis, np.newaxis]

    def arranged(array: NDArray[Any]) -> NDArray[Any]:
        """From (outputs, channels a group, row phases, row taps, column phases, column taps)."""
        turned = array.transpose(0, 2, 4, 1, 3, 5)
        taps = turned.shape[4 : 4 + len(kernel)]
        return turned.reshape(-1, channels // groups, *taps)

    def phases(array: NDArray[Any]) -> NDArray[Any]:
        parts = array.reshape(groups, channels // groups, outputs, kernel[0], -1).swapaxes(1, 2)
        parts = parts.reshape(groups * outputs, channels // groups, kernel[0], -1)
        return arranged(parts[:, :, np.maximum(rows, 0), np.maximum(columns, 0)])

    there = (rows >= 0) & (columns >= 0)
    kept = arranged(np.broadcast_to(there, (groups * outputs, channels // groups, *there.shape)))

    def blanked(array: NDArray[Any]) -> NDArray[Any]:
        found = array.copy()
        found[~kept] = ZERO if array.dtype == object else 0
        return found

    gathered = weights.restructured(phases)
    rounded = None if gathered.rounded is None else blanked(gathered.rounded)
    return replace(gathered, raw=blanked(gathered.raw), rounded=rounded)


@handles("ConvTranspose")
def conv_transpose(call: Call) -> Value:
    """Weights are (channels, outputs a group, kernel dimensions)."""
    node, value, weights = call.node, call.activation(), constant_weights(call, 1)
    rank, groups = rank_of(call, value), node.integer("group", 1)
    channels = value.shape[0]
    if weights.raw.ndim != rank + 2 or 0 in weights.shape or weights.shape[0] != channels:
        raise node.error(
            f"its weights have shape {weights.shape}, its input {channels} channels and {rank} spatial dimensions",
            hint="weights (channels, outputs a group, kernel dimensions)",
        )
    if groups < 1 or channels % groups:
        raise node.error(f"its input has {channels} channels in {groups} groups")
    axes = _axes(call, value, weights.shape[2:])
    pads = [axis.pads[0] for axis in axes] + [axis.pads[1] for axis in axes]
    inner = replace(node, attributes={"group": groups, "pads": pads})
    phases = convolve(Call(call.context, inner), value, _kernels(weights, groups, axes))
    if rank == 1:
        phases = call.reshaped(phases, (*phases.shape, 1))
    strides = (axes[0].stride, axes[1].stride if rank == 2 else 1)
    whole = spread(call, phases, strides, columns_first=True)
    if rank == 1:
        whole = call.reshaped(whole, whole.shape[:2])
    wanted = [list(range(axis.start, axis.start + axis.length)) for axis in axes]
    return biased(call, picked(call, whole, [list(range(whole.shape[0])), *wanted]), call.optional(2, "bias"))
