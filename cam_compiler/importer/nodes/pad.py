"""Padding and cropping of any dimension of a sample: with a constant, or with elements of its own."""

from __future__ import annotations

from fractions import Fraction
from math import prod

from cam_compiler.importer.context import Call, handles
from cam_compiler.importer.layouts import inverse
from cam_compiler.importer.pools import affine_only, padded
from cam_compiler.importer.values import Activation, Value
from cam_compiler.importer.windows import FittedWindow
from dialects.support.window import Window

MAX_EXTENT = 1 << 20
"""Elements of a padded dimension."""
MODES = ("constant", "edge", "reflect", "wrap")


def _pads(call: Call, rank: int) -> list[tuple[int, int]]:
    """How many elements come before and after each dimension of a sample."""
    node = call.node
    given = call.optional(1, "pads")
    pads = given.integers(node) if given is not None else node.integers("pads") or []
    axes = call.optional(3, "axes")
    stated = list(range(rank + 1)) if axes is None else axes.integers(node)
    if any(not -rank - 1 <= axis <= rank for axis in stated):
        raise node.error(f"axes {stated} are outside a tensor of {rank + 1} dimensions")
    chosen = [axis % (rank + 1) for axis in stated]
    if len(pads) != 2 * len(chosen) or len(set(chosen)) != len(chosen):
        raise node.error(f"its pads are {pads}", hint=f"two numbers for each of {len(chosen)} dimensions")
    full = [(0, 0)] * (rank + 1)
    for axis, before, after in zip(chosen, pads, pads[len(chosen) :], strict=False):
        full[axis] = (before, after)
    if any(full[0]):
        raise node.error(f"its pads are {pads}", hint="the batch can't be padded")
    return full[1:]


def _mirrored(extent: int, before: int, after: int, mode: str) -> tuple[int, ...]:
    """Which elements a dimension consists of after padding it with its own."""
    wanted = range(-before, extent + after)
    if mode == "edge":
        return tuple(min(max(index, 0), extent - 1) for index in wanted)
    if mode == "wrap" or extent == 1:
        return tuple(index % extent for index in wanted)
    period = 2 * (extent - 1)
    return tuple(min(index % period, period - index % period) for index in wanted)


@handles("Pad")
def pad(call: Call) -> Value:
    """Negative pads crop. A convolution or pooling after constant padding takes it over."""
    node, value = call.node, call.activation()
    mode = node.text("mode", "constant")
    if mode not in MODES:
        raise node.error(f"its mode is '{mode}'", hint=f"one of {', '.join(MODES)}")
    pads = _pads(call, len(value.shape))
    for axis, (before, after) in enumerate(pads):
        extent = value.shape[axis]
        if extent + min(before, 0) + min(after, 0) < 1:
            raise node.error(f"its pads {before} and {after} leave nothing of {extent} elements")
        if extent + before + after > MAX_EXTENT:
            raise node.error(f"it pads to {extent + before + after} elements", hint=f"at most {MAX_EXTENT} a dimension")
        kept = tuple(range(max(0, -before), extent - max(0, -after)))
        if mode == "constant":
            value = call.builder.taken(value, axis, kept, node)
        else:
            part = _mirrored(len(kept), max(before, 0), max(after, 0), mode)
            value = call.builder.taken(value, axis, tuple(kept[index] for index in part), node)
    borders = {axis: (max(b, 0), max(a, 0)) for axis, (b, a) in enumerate(pads) if b > 0 or a > 0}
    return value if mode != "constant" or not borders else _bordered(call, value, borders)


def _bordered(call: Call, value: Activation, borders: dict[int, tuple[int, int]]) -> Activation:
    """The tensor with constant borders, two dimensions at a time as if they were those of an image."""
    node, builder = call.node, call.builder
    constant = call.optional(2, "constant")
    target = Fraction(node.real("value", 0.0)) if constant is None else constant.scalar(node)
    source, left = affine_only(call, value), dict(borders)
    while left:
        # Of the last two dimensions, as long as an image needs nothing else.
        rank = len(source.shape)
        pair = sorted(left)[-2:]
        behind = tuple(axis for axis in range(max(rank - 2, 1), rank))
        if not set(pair) <= set(behind):
            behind = tuple(pair)
        to_image = (*(axis for axis in range(rank) if axis not in behind), *behind)
        image = builder.transposed(source, to_image)
        sizes = [image.shape[rank - len(behind) + index] for index in range(len(behind))]
        sides = [left.pop(axis, (0, 0)) for axis in behind] + [(0, 0)] * (2 - len(behind))
        pads = (sides[0][0], sides[1][0], sides[0][1], sides[1][1])
        height, width = (*sizes, 1)[:2]
        flat = call.reshaped(image, (prod(image.shape[: rank - len(behind)]), height, width))
        fit = FittedWindow(Window((1, 1), pads=pads), (height, width), pads)
        result = padded(call, flat, fit, target)
        grown = (*image.shape[: rank - len(behind)], *result.shape[1 : 1 + len(behind)])
        source = builder.transposed(call.reshaped(result, grown), inverse(to_image))
    return source
