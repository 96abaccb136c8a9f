"""Errors that a file of textual IR expects: comments beside the lines that are wrong, as MLIR's tests have them.

    %a = ternary.matmul ...   // expected-error {{weights with 3 columns}}
    // expected-error@+1 {{overwrites}}
    // expected-error@unknown {{arrays of 64 columns}}

`@+N`, `@-N`, `@above` and `@below` are lines from the comment's; `@unknown` is an error that has no line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from xdsl.dialects.builtin import FileLineColLoc
from xdsl.utils.exceptions import ParseError

from dialects.support.errors import MismatchError
from dialects.support.verify import OperationError

_COMMENT = re.compile(r"//\s*expected-error(?:@([+-]\d+|above|below|unknown))?\s*\{\{(.*?)\}\}")
_NEAR = {"above": -1, "below": 1}


@dataclass(frozen=True)
class Expected:
    """An error that should come: a part of its message, and its line, None where it has none."""

    text: str
    line: int | None
    place: str

    def fits(self, error: Exception, line: int | None) -> bool:
        return self.text in str(error) and (line is None or self.line == line)


def expected_errors(text: str, name: str, first_line: int) -> list[Expected]:
    """The errors that a text, from a line of a file on, expects."""
    found: list[Expected] = []
    for number, content in enumerate(text.split("\n"), start=first_line):
        for comment in _COMMENT.finditer(content):
            at = comment[1]
            offset = 0 if at is None else _NEAR[at] if at in _NEAR else 0 if at == "unknown" else int(at)
            found.append(Expected(comment[2], None if at == "unknown" else number + offset, f"{name}:{number}"))
    return found


def line_of(error: BaseException | None, first_line: int) -> int | None:
    """The line of a file that an error is about, if it names one; a parser counts from the part's first line."""
    while error is not None:
        if isinstance(error, ParseError):
            return error.span.get_location().line + first_line - 1
        if isinstance(error, OperationError) and isinstance(error.op.location, FileLineColLoc):
            return error.op.location.line.data
        error = error.__cause__
    return None


def check_expected(expected: list[Expected], error: Exception | None, first_line: int) -> None:
    """Raises MismatchError where the error isn't the only one that is expected."""
    if error is None:
        raise MismatchError(f"no error says '{expected[0].text}'", place=expected[0].place)
    line = line_of(error, first_line)
    others = [each for each in expected if not each.fits(error, line)]
    if others:
        where = "" if line is None else f" in line {line}"
        raise MismatchError(
            f"expected '{others[0].text}', found an error{where}: {error}",
            place=others[0].place,
            hint="one error is reported per part of a file; --split-input-file cuts it at lines `// -----`",
        )
