"""Packed attributes: large unrolled data as one attribute that prints as readable lines.

    #dialect.name<{
      one line
      another line
    }>

A million xDSL operations would cost minutes and gigabytes; a packed attribute costs what its bytes cost.
The value inside is a frozen dataclass that knows its own text; this module only carries that text through
xDSL's parser and printer.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, Self, TypeVar

from xdsl.ir import Data
from xdsl.parser import AttrParser
from xdsl.printer import Printer

from dialects.support.errors import TextError

_OPEN, _CLOSE = "<{", "}>"


_shown: ContextVar[int | None] = ContextVar("shown", default=None)


@contextmanager
def elided(lines: int | None) -> Generator[None]:
    """Inside, packed attributes print at most so many of their lines; such text is for reading, and isn't read back."""
    token = _shown.set(lines)
    try:
        yield
    finally:
        _shown.reset(token)


class TextValue(Protocol):
    """A hashable value with a textual form of whole lines."""

    def to_text(self) -> str: ...

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Raises `TextError` where the text is malformed."""
        ...


ValueT = TypeVar("ValueT", bound=TextValue)


class PackedAttr(Data[ValueT], ABC):
    """Base of all packed attributes; a subclass says in `value_class` what it holds."""

    value_class: type[TextValue]

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> ValueT:
        start = parser.pos
        source = parser.lexer.input.content
        if not source.startswith(_OPEN, start):
            parser.raise_error(f"expected '{_OPEN}' and the lines of #{cls.name}")
        begin = start + len(_OPEN)
        end = source.find(_CLOSE, begin)
        if end < 0:
            parser.raise_error(f"'{_OPEN}' of #{cls.name} is never closed by '{_CLOSE}'")
        try:
            value = cls.value_class.from_text(source[begin:end])
        except TextError as error:
            place = begin + error.offset
            parser.raise_error(error.message, place, min(place + 1, len(source)))
        parser._resume_from(end + len(_CLOSE))  # pyright: ignore[reportPrivateUsage]
        return value  # pyright: ignore[reportReturnType]

    def print_parameter(self, printer: Printer) -> None:
        printer.print_string(_OPEN)
        with printer.indented():
            lines = self.data.to_text().splitlines()
            most = _shown.get()
            if most is not None and len(lines) > most + 1:
                lines[most:] = [f"... {len(lines) - most:,} lines more"]
            for line in lines:
                printer.print_string("\n" + line)
        printer.print_string("\n" + _CLOSE)
