"""The tensors that depend on the network's input, as the importer sees them between two nodes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto
from xdsl.ir import SSAValue

from cam_compiler.importer.arithmetic.exact import (
    IDENTITY,
    ZERO,
    Bound,
    ObjectArray,
    Piece,
    affine,
    clamped,
    each,
    filled,
)
from cam_compiler.importer.arithmetic.float_operations import FloatChain
from cam_compiler.importer.arithmetic.functions import Chain
from cam_compiler.importer.arithmetic.quantizers import Quantiser
from cam_compiler.importer.arithmetic.steps import IDENTITY_STEP
from cam_compiler.importer.arithmetic.thresholds import Channel
from cam_compiler.importer.constants import FLOATS, Constant
from cam_compiler.importer.model import Node
from dialects.support.tensors import IntArray


@dataclass(frozen=True)
class Origin:
    """The node that an operation stands for: its exact name, and a readable name of its result."""

    layer: str
    hint: str

    @staticmethod
    def of(node: Node) -> Origin:
        return Origin(node.name, node.name)


@dataclass(frozen=True)
class Term:
    """A summand slope * base of a pending sum; all arrays have a sample's number of dimensions."""

    base: SSAValue
    slopes: ObjectArray
    lows: IntArray
    highs: IntArray


@dataclass(frozen=True)
class Activation:
    """outer(step(inner(before(base)))), element by element; without a step, outer(before(base)).

    Where there are `terms`, it is a function of their real sum, which gets its integers once the next quantiser is
    known (sums.py); `base` is only the first of them then.

    `base` is an operation's result: integers with the ranges lows..highs, or the numbers of a float input (lows and
    highs are None, `kind` is its numpy type). `shape` is that of a sample; `before`, `inner`, `steps`, `outer`, `lows`
    and `highs` have its number of dimensions and broadcast to it.
    """

    base: SSAValue
    shape: tuple[int, ...]
    outer: ObjectArray
    origin: Origin
    elem_type: int = TensorProto.FLOAT
    before: ObjectArray | None = None
    inner: ObjectArray | None = None
    steps: ObjectArray | None = None
    lows: IntArray | None = None
    highs: IntArray | None = None
    kind: type[np.floating[Any]] | None = None
    terms: tuple[Term, ...] = ()
    host: str = ""
    """the operator at the network's end that the host computes it with, if any"""
    unbatched: bool = False
    """has the model, which takes a single sample, left out the batch dimension?"""
    executed: FloatChain | None = None
    """what executors compute from `base` to what the step rounds, or to the tensor where there is no step, up to the
    network's first quantiser; None further on, where exact arithmetic holds"""
    merged: int = 0
    """how many dimensions of a sample the model has merged with the batch, as Reshape to (-1, features) does"""
    batch_axis: int = 0
    """where the model has the batch among the dimensions"""

    @property
    def regular(self) -> bool:
        """Is the batch the first dimension, and nothing else in it?"""
        return not (self.merged or self.batch_axis)

    @property
    def integral(self) -> bool:
        return self.elem_type not in FLOATS

    @property
    def full_shape(self) -> tuple[int, ...]:
        """The shape that the model has for a batch of one sample."""
        shape = self.shape[self.merged :]
        return (*shape[: self.batch_axis], 1, *shape[self.batch_axis :])

    def affine(self, scale: ObjectArray | Fraction, shift: ObjectArray | Fraction) -> Activation:
        return replace(self, outer=affine(self.outer, scale, shift))

    def clamped(self, low: Bound, high: Bound, node: Node) -> Activation:
        origin = self.origin if self.steps is not None else Origin.of(node)
        return replace(self, outer=clamped(self.outer, low, high), origin=origin)

    def curved(self, curves: ObjectArray, node: Node) -> Activation:
        """The tensor after functions other than clamps and scales: chains that broadcast to a sample."""
        folded = self.folded()
        assert folded.before is not None
        before = each(lambda first, then: Chain((*first.stages, *then.stages)), folded.before, curves)
        return replace(folded, before=before, origin=Origin.of(node))

    def typed(self, elem_type: int) -> Activation:
        return replace(self, elem_type=elem_type)

    @property
    def whole(self) -> bool:
        """Does it hold nothing but integers, by its form?"""
        if (self.kind is not None or self.terms or self.before is not None) and self.steps is None:
            return False
        return all(_whole(piece) for piece in self.outer.flat)

    def channels(self) -> NDArray[np.object_]:
        """The function of every element, in the smallest shape that holds the different ones."""
        inner = filled((1,) * len(self.shape), IDENTITY) if self.inner is None else self.inner
        steps = filled((1,) * len(self.shape), IDENTITY_STEP) if self.steps is None else self.steps
        channels = each(Channel, inner, steps, self.outer)
        if self.before is None:
            return channels
        return each(lambda channel, before: channel._replace(before=before), channels, self.before)

    @property
    def pending(self) -> bool:
        """Is it anything but integers with an affine meaning?"""
        stated = self.steps is not None or self.before is not None or bool(self.terms)
        return stated or any(piece.clamps for piece in self.outer.flat)

    def folded(self) -> Activation:
        """The same tensor with its quantiser among what comes before the next one."""
        stages = each(lambda channel: channel.before.then(channel.inner, channel.step, channel.outer), self.channels())
        if self.steps is None:
            stages = each(lambda channel: channel.before.then(channel.outer), self.channels())
        outer = identity_pieces(len(self.shape))
        return replace(self, before=stages, inner=None, steps=None, outer=outer, executed=None)


def _whole(piece: Piece) -> bool:
    parts = (piece.slope, piece.offset, piece.low or ZERO, piece.high or ZERO)
    return all(part.denominator == 1 for part in parts)


def identity_pieces(rank: int) -> ObjectArray:
    return filled((1,) * rank, IDENTITY)


def per_sample(node: Node, value: Activation, constant: NDArray[Any]) -> NDArray[Any]:
    """A constant operand in the dimensions of a sample; raises ModelError where it would enlarge the tensor."""
    full = value.full_shape
    rank = len(full)
    padded = constant.reshape((1,) * (rank - constant.ndim) + constant.shape) if constant.ndim < rank else constant
    fits = padded.ndim == rank and all(size in (1, extent) for size, extent in zip(padded.shape, full, strict=True))
    if not fits:
        shown = ", ".join(["batch", *map(str, value.shape)])
        raise node.error(
            f"its constant of shape {constant.shape} does not fit a tensor ({shown})",
            hint="a scalar, or one value per channel or feature, the same for all samples",
        )
    sample = np.squeeze(padded, axis=value.batch_axis)
    return sample.reshape((1,) * value.merged + sample.shape)


def with_quantiser(node: Node, value: Activation, quantiser: Quantiser) -> Activation:
    """A quantiser on a tensor, whose own quantiser it takes over."""
    if value.steps is not None:
        value = value.folded()
    scale, shift = per_sample(node, value, quantiser.scale), per_sample(node, value, quantiser.shift)
    gain, offset = per_sample(node, value, quantiser.gain), per_sample(node, value, quantiser.offset)
    inner = affine(value.outer, each(lambda size: 1 / size, scale), shift)
    executed = value.executed
    if not quantiser.executed and any(item != 1 for item in scale.flat) | any(item != 0 for item in shift.flat):
        # Nobody says how executors scale here.
        executed = None
    if executed is not None:
        executed += tuple(step.changed(lambda item: per_sample(node, value, item)) for step in quantiser.executed)
    return replace(
        value,
        executed=executed,
        inner=inner,
        steps=per_sample(node, value, quantiser.steps),
        outer=affine(identity_pieces(len(value.shape)), gain, offset),
        origin=Origin.of(node),
        elem_type=quantiser.elem_type,
    )


Value = Constant | Activation
