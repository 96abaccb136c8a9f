"""Packed attributes: large unrolled data as one attribute that prints as readable lines.

    #dialect.name<{
      one line
      another line
    }>

In the generic form the same is one string, `#dialect.name<"one line\\0Aanother line">`, which tools that don't know the
dialect read, too.

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

_OPEN, _CLOSE, _OPEN_STRING = "<{", "}>", '<"'


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
        if source.startswith(_OPEN_STRING, start):
            return cls._parse_string(parser)
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

    @classmethod
    def _parse_string(cls, parser: AttrParser) -> ValueT:
        with parser.in_angle_brackets():
            begin = parser.pos
            text = parser.parse_str_literal()
            try:
                return cls.value_class.from_text(text)  # pyright: ignore[reportReturnType]
            except TextError as error:
                parser.raise_error(error.message, begin, parser.pos)

    def print_parameter(self, printer: Printer) -> None:
        if printer.print_generic_format:
            # Tools that don't know the dialect take a string, whatever it holds, and no line that isn't balanced.
            with printer.in_angle_brackets():
                printer.print_string_literal("\n".join(self._lines()))
            return
        printer.print_string(_OPEN)
        with printer.indented():
            for line in self._lines():
                printer.print_string("\n" + line)
        printer.print_string("\n" + _CLOSE)

    def _lines(self) -> list[str]:
        lines = self.data.to_text().splitlines()
        most = _shown.get()
        if most is not None and len(lines) > most + 1:
            lines[most:] = [f"... {len(lines) - most:,} lines more"]
        return lines
