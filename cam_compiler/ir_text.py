"""Textual IR to modules: xDSL's parser, but for what it takes from text that was written in bad faith, or isn't ASCII.

Of its lexer, three things are made good here: a string that is never closed took it exponential time, a string with
escapes beyond ASCII (as its printer writes `é`) was no string any more, and an integer of many digits or of other
digits than 0 to 9 ended in an error of Python's.
"""

from __future__ import annotations

import re

from xdsl.context import Context
from xdsl.dialects.builtin import FileLineColLoc, IntAttr, ModuleOp, StringAttr, UnknownLoc
from xdsl.ir import Operation
from xdsl.parser import Parser
from xdsl.parser.generic_parser import ParserState
from xdsl.utils.exceptions import ParseError
from xdsl.utils.lexer import Input, Position, Token
from xdsl.utils.mlir_lexer import MLIRLexer, MLIRToken, MLIRTokenKind, StringLiteral

from dialects.support.errors import IRError
from dialects.support.text import shortened

MAX_DIGITS = 1 << 12
"""Digits of a number; Python itself takes a few more."""
_AROUND = 60
"""characters of a long line that are shown before and behind an error"""


class _Lexer(MLIRLexer):
    # Possessive: what a repetition has taken it doesn't give back.
    _unescaped_characters_regex = re.compile(r'"(?:[^"\\\n\v\f]++|\\(?:["nt\\]|[0-9A-Fa-f]{2}))*+"')

    def lex(self) -> MLIRToken:
        token = super().lex()
        if token.kind in (MLIRTokenKind.INTEGER_LIT, MLIRTokenKind.FLOAT_LIT):
            if not token.text.isascii():
                raise ParseError(token.span, "expected the digits 0 to 9")
            if len(token.text) > MAX_DIGITS:
                raise ParseError(token.span, f"a number has {len(token.text)} digits; at most {MAX_DIGITS} are read")
        return token

    def _lex_string_literal(self, start_pos: Position) -> MLIRToken:
        token = super()._lex_string_literal(start_pos)
        if token.kind is MLIRTokenKind.BYTES_LIT:
            literal = StringLiteral.from_span(token.span)
            try:
                literal.bytes_contents.decode()
            except UnicodeDecodeError:
                return token
            return Token(MLIRTokenKind.STRING_LIT, literal)
        return token


class TextParser(Parser):
    """xDSL's parser with the lexer of this file; operations without a location of their own get that in the text."""

    def __init__(self, ctx: Context, text: str, name: str = "<unknown>", first_line: int = 1):
        super().__init__(ctx, "", name)
        self._parser_state = ParserState(_Lexer(Input(text, name)))
        self._file = StringAttr(name)
        self._line, self._counted = first_line, 0

    def parse_optional_operation(self) -> Operation | None:
        begin = self._current_token.span.start
        # Operations come in the order of the text, so that each of its characters is looked at once.
        self._line += self._current_token.span.input.content.count("\n", self._counted, begin)
        self._counted, line = begin, self._line
        op = super().parse_optional_operation()
        if op and isinstance(op.location, UnknownLoc):
            op.location = FileLineColLoc(self._file, IntAttr(line), IntAttr(1))
        return op


def parse_module(text: str, name: str, ctx: Context, *, implicit: bool = True, first_line: int = 1) -> ModuleOp:
    """The module of a text; raises xDSL's ParseError, or IRError where its parser gives up.

    With `implicit`, operations without a module around them get one. The text may be a part of a file, from
    `first_line` on.
    """
    try:
        return TextParser(ctx, text, name, first_line).parse_module(implicit)
    except RecursionError as error:
        raise IRError("it is nested too deeply", place=name) from error


def described(error: ParseError) -> str:
    """The message of a parser's error; of a long line, what is near the error."""
    text = str(error)
    if len(text) < 20 * _AROUND:
        return text
    span = error.span
    place = span.get_location()
    content = span.input.content
    if isinstance(content, bytes):
        return shortened(text)
    begin, end = span.input.get_start_of_line(span.start), span.input.get_end_of_line(span.start)
    first, last = max(begin, span.start - _AROUND), min(end, span.start + _AROUND)
    line = ("..." if first > begin else "") + content[first:last] + ("..." if last < end else "")
    mark = " " * (span.start - first + (3 if first > begin else 0)) + "^"
    return f"{place}\n    {line}\n    {mark}\n    {shortened(error.msg)}"
