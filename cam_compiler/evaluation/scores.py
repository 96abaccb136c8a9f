"""What outputs say about classes: which class, whether it is the right one, and how far two outputs agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from dialects.support.errors import InputError
from dialects.support.tensors import FloatArray, IntArray
from runtime.values import Value


def flat(output: Value) -> Value:
    """Class numbers, one integer per sample, without the axes of length one that ArgMax may keep."""
    return output.reshape(-1) if output.dtype.kind in "iu" and output.size == len(output) else output


def classes_of(output: Value) -> Value | None:
    """One class per sample: that of the greatest score, or the output itself where it holds class numbers.

    None where it is neither.
    """
    if output.ndim == 2 and flat(output) is output:
        return output.argmax(axis=1)
    return flat(output) if flat(output).ndim == 1 and output.dtype.kind in "iu" else None


def check_labels(labels: IntArray, output: Value, called: str) -> None:
    """Raises InputError where a label is none of the classes of which an output of the network says the scores.

    The place of the error is what a sample is `called`, with its number.
    """
    most = output.shape[1] if output.ndim == 2 and flat(output) is output else None
    wrong = np.flatnonzero((labels < 0) | (labels >= most if most is not None else False))
    if len(wrong):
        has = f", the network has {most} classes" if most is not None else ""
        raise InputError(
            f"its class is {labels[wrong[0]]}{has}",
            place=f"{called} {wrong[0]}",
            hint="classes are numbered from 0",
        )


def ranks(output: Value, labels: IntArray) -> IntArray:
    """How many classes come before that of the label; of equal scores the first class comes first.

    Where the output holds class numbers (see `flat`), 0 if one is right and 1 if not. Labels are classes of the
    network (see `check_labels`)."""
    if output.ndim == 1:
        return (output != labels).astype(np.int64)
    given: FloatArray = output.astype(np.float64)
    own = np.take_along_axis(given, labels[:, None], axis=1)
    earlier = np.arange(given.shape[1], dtype=np.int64)[None] < labels[:, None]
    return ((given > own) | ((given == own) & earlier)).sum(axis=1)


class Agreement(NamedTuple):
    """How far two outputs agree: their largest difference, and samples of the same class where they say classes."""

    largest_difference: float
    same_class: int | None

    @classmethod
    def of(cls, found: Value, expected: Value) -> Agreement:
        """The agreement of two outputs of the same shape."""
        gap = np.abs(found.astype(np.float64) - expected.astype(np.float64))
        one, other = classes_of(found), classes_of(expected)
        return cls(float(gap.max()), None if one is None or other is None else int((one == other).sum()))

    def line(self, source: str, samples: int, called: str = "samples") -> str:
        """The agreement with a source, as the commands print it."""
        same = "" if self.same_class is None else f", same class for {self.same_class} of {samples} {called}"
        return f"agreement with {source}: largest difference {self.largest_difference:.3g}{same}"


def accuracy_line(right: int, samples: int) -> str:
    """The accuracy, as the commands print it."""
    return f"accuracy: {right} of {samples} ({right / samples:.2%})"


def accuracy(outputs: Mapping[str, Value], labels: Value) -> str:
    """A line with the accuracy of a network's first output; raises InputError where labels don't fit it."""
    output = next(iter(outputs.values()))
    classes = classes_of(output)
    if classes is None or len(classes) != len(labels):
        raise InputError(f"{len(labels)} labels don't fit an output of shape {output.shape}")
    return accuracy_line(int((classes == labels).sum()), len(labels))


def agreement(outputs: Mapping[str, Value], expected: Mapping[str, Value], source: str) -> list[str]:
    """One line per expected output, by name, with its agreement; a single array without a name belongs to the only
    output."""
    pairs = dict(expected)
    if set(pairs) == {""} and len(outputs) == 1:
        pairs = {next(iter(outputs)): pairs[""]}
    lines: list[str] = []
    for name, value in pairs.items():
        found = outputs.get(name)
        if found is None:
            raise InputError(f"there is no output '{name}'", hint=f"outputs are {', '.join(outputs)}")
        if found.shape != value.shape:
            raise InputError(f"output '{name}' has shape {found.shape}, {source} {value.shape}")
        lines.append(Agreement.of(found, value).line(source, len(found)))
    return lines
