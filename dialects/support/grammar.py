"""What the lark grammars of the packed attributes share: loading them, and errors with a place in the text."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, cast

from dialects.support.errors import CamcError, TextError

MAX_DIGITS = 20
"""Digits of a number: as many as 64 bits have."""
_TOO_LONG = re.compile(rf"\d{{{MAX_DIGITS + 1},}}")


@cache
def _parser(grammar: Path, transformer: type[Any]) -> Any:
    from lark import Lark

    return Lark(grammar.read_text(), parser="lalr", transformer=transformer(), maybe_placeholders=True)


def refuse_long_numbers(text: str) -> None:
    """Raises TextError where a number in a text has more digits than any that the text can mean."""
    if found := _TOO_LONG.search(text):
        raise TextError(f"a number has {len(found[0])} digits; at most {MAX_DIGITS} are read", found.start())


def parse(grammar: Path, transformer: type[Any], text: str) -> Any:
    """Parse `text` by a grammar, a .lark file; raises TextError where it is malformed."""
    from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken, VisitError

    refuse_long_numbers(text)
    try:
        return _parser(grammar, transformer).parse(text)
    except VisitError as error:
        if isinstance(error.orig_exc, TextError):
            raise error.orig_exc from error
        if isinstance(error.orig_exc, CamcError):
            raise TextError(error.orig_exc.message, _begin(cast(Any, error).obj)) from error
        raise
    except (UnexpectedEOF, UnexpectedToken) as error:
        found: Any = getattr(error, "token", None)
        # lark's token for the end of the text stands where the last real token does.
        at: int = found.start_pos if found and found.start_pos is not None else len(text.rstrip())
        shown = f"'{found}'" if found else "the end"
        raise TextError(f"unexpected {shown}; expected one of {_expected(error)}", at) from error
    except UnexpectedCharacters as error:
        position: Any = error.pos_in_stream
        at = int(position)
        raise TextError(f"unexpected '{text[at]}'", at) from error
    except UnexpectedInput as error:
        raise TextError(str(error).splitlines()[0], 0) from error


def _begin(part: Any) -> int:
    """Where a part of the parse tree begins in the text."""
    place = getattr(getattr(part, "meta", None), "start_pos", None)
    return place if isinstance(place, int) else 0


def _expected(error: Any) -> str:
    names: set[str] = set(getattr(error, "accepts", None) or getattr(error, "expected", ()))
    return ", ".join(sorted(name.lower().replace("$end", "the end") for name in names)) or "nothing more"
