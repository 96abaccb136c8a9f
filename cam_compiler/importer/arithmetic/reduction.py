"""Integers in nearly the ratio of given numbers, by reducing a lattice.

Multipliers a_1..a_k whose errors |a_i - a_1 r_i| w_i are small together, though a_1 is small too, are short vectors of
a lattice (Lenstra, Lenstra, Lovász, Factoring Polynomials with Rational Coefficients, Math. Ann. 261, 1982, which
approximates several numbers by fractions of one denominator in this way).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

_BITS = 96
"""Fractional bits of the lattice's numbers."""
_SLACK = Fraction(3, 4)
Vector = list[int]


def multipliers_near(
    ratios: Sequence[Fraction], widths: Sequence[int], least: Fraction
) -> Iterator[list[tuple[int, ...]]]:
    """Multipliers (a_1, ..., a_k) for ratios r_2..r_k and their weights w_2..w_k, ever larger and nearer.

    The first ones have an a_1 of about `least`. Each time all vectors of a reduced basis with positive numbers.
    """
    scales = [width << _BITS for width in widths]
    lines = [-round(ratio * scale) for ratio, scale in zip(ratios, scales, strict=True)]
    count = len(ratios)
    basis: list[Vector] = [[int(row == column) for column in range(count + 1)] for row in range(count + 1)]
    cost = max(1, int(Fraction(1 << _BITS) * max(widths) / max(least, Fraction(1))))
    while cost:

        def coordinates(vector: Vector, cost: int = cost) -> Vector:
            rest = (vector[0] * line + own * scale for line, own, scale in zip(lines, vector[1:], scales, strict=True))
            return [vector[0] * cost, *rest]

        _reduce(basis, [coordinates(vector) for vector in basis])
        signed = (vector if vector[0] > 0 else [-part for part in vector] for vector in basis)
        yield sorted(tuple(vector) for vector in signed if min(vector) > 0)
        cost //= 2


def _reduce(basis: list[Vector], rows: list[Vector]) -> None:
    """Makes a basis reduced, in place; `rows` are its vectors in the coordinates that count, and change with it."""
    size = len(basis)
    _, projections, norms = _orthogonalised(rows)
    at = 1
    while at < size:
        for other in range(at - 1, -1, -1):
            factor = round(projections[at][other])
            if factor:
                for table in (basis, rows):
                    table[at] = [a - factor * b for a, b in zip(table[at], table[other], strict=True)]
                for index in range(other):
                    projections[at][index] -= factor * projections[other][index]
                projections[at][other] -= factor
        if norms[at] >= (_SLACK - projections[at][at - 1] ** 2) * norms[at - 1]:
            at += 1
        else:
            for table in (basis, rows):
                table[at], table[at - 1] = table[at - 1], table[at]
            _, projections, norms = _orthogonalised(rows)
            at = max(at - 1, 1)


def _orthogonalised(rows: Sequence[Vector]) -> tuple[list[list[Fraction]], list[list[Fraction]], list[Fraction]]:
    """Gram and Schmidt's vectors, the factors that they were made with, and their squared lengths."""
    vectors: list[list[Fraction]] = []
    factors: list[list[Fraction]] = []
    norms: list[Fraction] = []
    for row in rows:
        vector, own = [Fraction(part) for part in row], list[Fraction]()
        for other, norm in zip(vectors, norms, strict=True):
            factor = sum((a * b for a, b in zip(row, other, strict=True)), Fraction(0)) / norm
            own.append(factor)
            vector = [a - factor * b for a, b in zip(vector, other, strict=True)]
        vectors.append(vector)
        factors.append(own)
        norms.append(sum((part * part for part in vector), Fraction(0)))
    return vectors, factors, norms
