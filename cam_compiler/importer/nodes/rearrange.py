"""Operators that repeat or reorder the elements of a sample: resizing to the nearest, depth to space, tiling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from math import ceil, floor, prod

from cam_compiler.importer.constants import Constant, axes_of
from cam_compiler.importer.context import Call, handles
from cam_compiler.importer.values import Activation, Value
from dialects.support.errors import ModelError

MAX_VALUES = 1 << 26
"""Values of a sample."""
HALF = Fraction(1, 2)
MODES = ("DCR", "CRD")
"""Whether the blocks' columns or the channels vary faster."""
ACCEPTED = "the nearest element, by whole factors up or down, all but the batch and the channels at most"


def picked(call: Call, value: Activation, indices: list[list[int]]) -> Activation:
    """The elements of every dimension of the samples that are listed for it."""
    for axis, wanted in enumerate(indices):
        value = call.builder.taken(value, axis, tuple(wanted), call.node)
    return value


# ---- resizing

_WHERE: dict[str, Callable[[int, int, int, Fraction], Fraction]] = {
    "asymmetric": lambda at, size, result, scale: at / scale,
    "half_pixel": lambda at, size, result, scale: (at + HALF) / scale - HALF,
    "pytorch_half_pixel": lambda at, size, result, scale: (at + HALF) / scale - HALF if result > 1 else Fraction(0),
    "align_corners": lambda at, size, result, scale: Fraction(at * (size - 1), max(1, result - 1)),
    "half_pixel_symmetric": lambda at, size, result, scale: (
        Fraction(size, 2) * (1 - Fraction(result) / (scale * size)) + (at + HALF) / scale - HALF
    ),
}
"""Which place of the input, counted in its elements, an element of the result stands for."""

_NEAREST: dict[str, Callable[[Fraction], int]] = {
    "round_prefer_floor": lambda place: ceil(place - HALF),
    "round_prefer_ceil": lambda place: floor(place + HALF),
    "floor": floor,
    "ceil": ceil,
}


def _choice(call: Call, name: str, default: str, known: Mapping[str, object]) -> str:
    found = call.node.text(name, default)
    if found not in known:
        raise call.node.error(f"its {name} is '{found}'", hint=f"one of {', '.join(known)}")
    return found


def _nearest(call: Call, value: Activation, scales: list[Fraction], sizes: list[int], old: bool) -> Activation:
    """Of every element of the result the nearest one of the input; `scales` and `sizes` are those of a sample."""
    node = call.node
    if node.text("mode", "nearest") != "nearest":
        raise node.error(f"its mode is '{node.text('mode', '')}'", hint=ACCEPTED)
    where = "asymmetric" if old else _choice(call, "coordinate_transformation_mode", "half_pixel", _WHERE)
    nearest = "floor" if old else _choice(call, "nearest_mode", "round_prefer_floor", _NEAREST)
    if prod(sizes) > MAX_VALUES:
        raise node.error(f"it makes samples of {prod(sizes)} values", hint=f"at most {MAX_VALUES} are possible")
    wanted: list[list[int]] = []
    for size, result, scale in zip(value.shape, sizes, scales, strict=True):
        if result < 1 or (scale.denominator != 1 and scale.numerator != 1):
            raise node.error(f"it makes {result} of {size} elements, by a factor of {float(scale):g}", hint=ACCEPTED)
        places = (_WHERE[where](at, size, result, scale) for at in range(result))
        wanted.append([min(max(_NEAREST[nearest](place), 0), size - 1) for place in places])
    return picked(call, value, wanted)


def _of_samples(call: Call, value: Activation, given: list[Fraction], batch: Fraction | None) -> list[Fraction]:
    """The numbers of the dimensions of a sample, of those of the tensor; the batch keeps its size."""
    if len(given) != len(value.shape) + 1:
        raise call.node.error(f"it states {len(given)} dimensions for a tensor of {len(value.shape) + 1}")
    if batch is not None and given[0] != batch:
        raise call.node.error(f"it resizes the batch by a factor of {float(given[0]):g}", hint=ACCEPTED)
    return given[1:]


def _scaled(call: Call, value: Activation, scales: list[Fraction], old: bool) -> Activation:
    factors = _of_samples(call, value, scales, Fraction(1))
    sizes = [floor(size * factor) for size, factor in zip(value.shape, factors, strict=True)]
    return _nearest(call, value, factors, sizes, old)


def _numbers(call: Call, constant: Constant | None) -> list[Fraction] | None:
    return None if constant is None or not constant.raw.size else list(constant.exact(call.node).flat)


def _completed(call: Call, value: Activation, given: list[Fraction], rest: list[Fraction]) -> list[Fraction]:
    """Numbers of all dimensions, of those of the operator's `axes`."""
    axes = axes_of(call.node, None)
    if axes is None:
        return given
    full = list(rest)
    for axis, number in zip(axes, given, strict=True):
        full[axis] = number
    return full


@handles("Upsample")
def upsample(call: Call) -> Value:
    scales = _numbers(call, call.constant(1, "scales"))
    return _scaled(call, call.activation(), scales or [], old=True)


@handles("Resize")
def resize(call: Call) -> Value:
    """By scales or to sizes, to the nearest element."""
    node, value, old = call.node, call.activation(), call.context.opset < 11
    scales, sizes = _numbers(call, call.optional(1 if old else 2, "scales")), None
    if scales is None:
        given = call.optional(3, "sizes")
        if given is not None and given.symbolic:
            entries: list[object] = list(given.raw.reshape(-1))
            sizes = [Fraction(entry) if isinstance(entry, int) else Fraction(1) for entry in entries]
        else:
            sizes = _numbers(call, given)
    full = [Fraction(size) for size in (1, *value.shape)]
    if scales is not None:
        return _scaled(call, value, _completed(call, value, scales, [Fraction(1)] * len(full)), old)
    if sizes is None:
        raise node.error("it has neither scales nor sizes")
    if (policy := node.text("keep_aspect_ratio_policy", "stretch")) != "stretch":
        raise node.error(f"its keep_aspect_ratio_policy is '{policy}'", hint="stretch")
    whole = _of_samples(call, value, _completed(call, value, sizes, full), None)
    factors = [size / extent for size, extent in zip(whole, value.shape, strict=True)]
    return _nearest(call, value, factors, [int(size) for size in whole], old)


# ---- blocks of an image


def _block(call: Call, value: Activation) -> tuple[int, tuple[int, int, int]]:
    size = call.node.integer("blocksize", 0)
    if len(value.shape) != 3 or size < 1:
        shown = ", ".join(["batch", *map(str, value.shape)])
        raise call.node.error(
            f"its blocksize is {size}, its input ({shown})", hint="images (batch, channels, height, width)"
        )
    return size, (value.shape[0], value.shape[1], value.shape[2])


def _unfit(call: Call, value: Activation, size: int) -> ModelError:
    shown = ", ".join(["batch", *map(str, value.shape)])
    return call.node.error(f"its input is ({shown}), which has no whole blocks of {size} by {size}")


def spread(call: Call, value: Activation, size: tuple[int, int], *, columns_first: bool) -> Activation:
    """Channels as blocks of rows and columns; the channel changes fastest or, `columns_first`, slowest."""
    channels, height, width = value.shape
    (down, across), depth = size, channels // prod(size)
    if columns_first:
        parts, order = (depth, down, across, height, width), (0, 3, 1, 4, 2)
    else:
        parts, order = (down, across, depth, height, width), (2, 3, 0, 4, 1)
    turned = call.builder.transposed(call.reshaped(value, parts), order)
    return call.reshaped(turned, (depth, height * down, width * across))


@handles("DepthToSpace")
def depth_to_space(call: Call) -> Value:
    value = call.activation()
    size, (channels, _, _) = _block(call, value)
    mode = call.node.text("mode", "DCR")
    if mode not in MODES:
        raise call.node.error(f"its mode is '{mode}'", hint=" or ".join(MODES))
    if channels % (size * size):
        raise _unfit(call, value, size)
    return spread(call, value, (size, size), columns_first=mode == "CRD")


@handles("SpaceToDepth")
def space_to_depth(call: Call) -> Value:
    value = call.activation()
    size, (channels, height, width) = _block(call, value)
    if height % size or width % size:
        raise _unfit(call, value, size)
    mode = call.node.text("mode", "DCR")
    if mode not in MODES:
        raise call.node.error(f"its mode is '{mode}'", hint=" or ".join(MODES))
    parts = call.reshaped(value, (channels, height // size, size, width // size, size))
    turned = call.builder.transposed(parts, (2, 4, 0, 1, 3) if mode == "DCR" else (0, 2, 4, 1, 3))
    return call.reshaped(turned, (size * size * channels, height // size, width // size))


# ---- repetition


@handles("Tile")
def tile(call: Call) -> Value:
    value, repeats = call.activation(), call.constant(1, "repeats").integers(call.node)
    if len(repeats) != len(value.shape) + 1 or repeats[0] != 1 or min(repeats) < 1:
        raise call.node.error(f"its repeats are {repeats}", hint="one number per dimension, and 1 for the batch")
    if prod(value.shape) * prod(repeats) > MAX_VALUES:
        raise call.node.error(f"its repeats are {repeats}", hint=f"samples of at most {MAX_VALUES} values")
    return picked(call, value, [list(range(n)) * times for n, times in zip(value.shape, repeats[1:], strict=True)])


@handles("Expand")
def expand(call: Call) -> Value:
    """Dimensions of one element repeated, as numpy broadcasts them."""
    value, target = call.activation(), call.constant(1, "shape")
    entries: list[object] = list(target.raw.reshape(-1)) if target.symbolic else list(target.integers(call.node))
    rank = len(value.shape) + 1
    shown = ", ".join(["batch", *map(str, value.shape)])
    wrong = call.node.error(
        f"it expands ({shown}) to {entries}", hint="the same number of dimensions, and the batch as it is"
    )
    full = [1] * (rank - len(entries)) + entries
    first, sizes = full[0], [entry for entry in full[1:] if isinstance(entry, int)]
    batch = not isinstance(first, int) or first == 1 or first in call.context.batches
    if len(full) != rank or len(sizes) != rank - 1 or not batch:
        raise wrong
    fits = zip(value.shape, sizes, strict=True)
    if any(wanted not in (1, extent) and extent != 1 for extent, wanted in fits) or min(sizes, default=1) < 1:
        raise wrong
    if prod(max(pair) for pair in zip(value.shape, sizes, strict=True)) > MAX_VALUES:
        raise call.node.error(f"it expands to {entries}", hint=f"samples of at most {MAX_VALUES} values")
    return picked(
        call,
        value,
        [
            [0] * wanted if extent == 1 else list(range(extent))
            for extent, wanted in zip(value.shape, sizes, strict=True)
        ],
    )
