"""Matrices that accumulators add up by themselves: each output takes a few inputs, all outputs in the same way."""

from __future__ import annotations

import numpy as np

from dialects.apv.count import Term, Terms
from dialects.support.tensors import IntArray
from passes.adder_graphs.sums import signed_digits

MOST_TERMS = 128


def terms_of(weights: IntArray) -> Terms | None:
    """The terms of a matrix (outputs, inputs), if its rows are the same digits at inputs that are evenly spaced.

    None where they aren't, or where that takes more than a few terms.
    """
    outputs = len(weights)
    counts = np.count_nonzero(weights, axis=1)
    if not counts[0] or (counts != counts[0]).any() or counts[0] > MOST_TERMS or weights.shape[1] == counts[0]:
        return None
    places = np.nonzero(weights)[1].reshape(outputs, -1)
    values = weights[np.arange(outputs)[:, None], places]
    steps = places[1] - places[0] if outputs > 1 else np.ones(counts[0], dtype=np.int64)
    even = (places == places[0] + np.arange(outputs)[:, None] * steps).all()
    if not even or (steps < 1).any() or (values != values[0]).any():
        return None
    digits = signed_digits(values[:1])
    found = [
        Term("add" if sign > 0 else "sub", int(places[0, column]), int(steps[column]), int(shift))
        for column, shift, sign in zip(digits.columns, digits.shifts, digits.signs, strict=True)
    ]
    first = next((number for number, term in enumerate(found) if term.kind == "add"), None)
    if first is None or len(found) > MOST_TERMS:
        return None
    rest = [term for number, term in enumerate(found) if number != first]
    return Terms((found[first]._replace(kind="take"), *rest))
