"""Products of tensors with constant matrices: one integer product for each summand of the tensor and of the weights."""

from __future__ import annotations

from math import prod

import numpy as np

from cam_compiler.importer.arithmetic.sums import MAX_SUM
from cam_compiler.importer.arithmetic.weights import constant_part, weights_of
from cam_compiler.importer.builder import Builder, check_word
from cam_compiler.importer.constants import Constant
from cam_compiler.importer.linear import joined, offsets_of, part_hints, terms_of, total
from cam_compiler.importer.model import Node
from cam_compiler.importer.values import Activation, Origin, Term
from dialects import ternary
from dialects.support.ranges import Range
from dialects.support.tensors import IntArray, IntMatrix


def matmul(builder: Builder, value: Activation, constant: Constant, node: Node) -> Activation:
    """The product of a tensor (batch, inputs) and a constant (inputs, outputs)."""
    features = value.shape[-1] if value.shape else 0
    if not value.shape or prod(value.shape) != features:
        shown = ", ".join(["batch", *map(str, value.shape)])
        raise node.error(f"its input is ({shown})", hint="a product takes (batch, features); flatten its input")
    if constant.raw.ndim != 2 or constant.shape[0] != features or 0 in constant.shape:
        raise node.error(f"its weights have shape {constant.shape}, its input has {features} features")
    ready = builder.reshaped(builder.linear(value, node), (features,), node)
    products = [
        (term, part)
        for term in terms_of(ready)
        for part in weights_of(node, constant, np.broadcast_to(term.slopes, ready.shape))
    ]
    terms: list[Term] = []
    for (term, part), hint in zip(products, part_hints(node.name, len(products)), strict=True):
        matrix = IntMatrix.from_array(part.integers)
        lows, highs = checked_ranges(node, matrix, ternary.range_of(term.base))
        base = builder.add(ternary.MatmulOp(term.base, matrix, node.name), hint)
        terms.append(Term(base, part.scales, lows, highs))
    constants = constant_part(node, constant, np.broadcast_to(offsets_of(ready), ready.shape))
    like = Activation(terms[0].base, (constant.shape[1],), ready.outer, Origin.of(node))
    return joined(builder, total(like, terms, constants, Origin.of(node)), node)


def checked_ranges(node: Node, matrix: IntMatrix, span: Range) -> tuple[IntArray, IntArray]:
    """The ranges of all outputs; raises ModelError where a sum could leave exact arithmetic."""
    check_word(span, node.place)
    bound = int(np.abs(matrix.array).max()) * max(abs(span.lo), abs(span.hi)) * matrix.columns
    if bound > MAX_SUM:
        raise node.error(f"its sums could reach {bound}", hint="weights and activations of fewer bits")
    return matrix.output_ranges(span)
