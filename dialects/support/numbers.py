"""Numbers as they are written on the command line and in annotations, exactly."""

from __future__ import annotations

import re
from fractions import Fraction

_LONGEST = 400
"""characters of a number"""
_NUMBER = re.compile(
    r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?(?:/(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?)?", re.ASCII | re.IGNORECASE
)


def exact_number(text: str) -> Fraction:
    """The number of `0.5`, `1e-3` or `1/255`; raises ValueError for another text, or too many digits to work with."""
    if len(text) > _LONGEST or not _NUMBER.fullmatch(text):
        raise ValueError("no number")
    top, _, bottom = text.partition("/")
    divisor = Fraction(bottom or 1)
    if not divisor:
        raise ValueError("a division by zero")
    return Fraction(top) / divisor


def whole_number(text: str, most: int) -> int | None:
    """The number from 1 to `most` that a text is; None where it is none."""
    if not (text.isascii() and text.isdecimal()) or len(text.lstrip("0")) > len(str(most)):
        return None
    return number if 1 <= (number := int(text)) <= most else None
