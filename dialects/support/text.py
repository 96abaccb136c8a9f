"""Text that somebody else wrote, such as a name in a model, made safe to show.

Control and escape characters would reach the terminal, those of bidirectional text would turn a line round, and a
newline in a name would begin a line of its own in a listing. They are shown as escapes: `\\x1b`, `\\u202e`, `\\n`.
"""

from __future__ import annotations

import re

_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Control characters but for tab and newline, separators of lines, what sets the direction of text, lone surrogates."""

LONGEST = 1 << 10
"""characters of a line in a message; of a longer one both ends are shown"""


def printable(text: str) -> str:
    """The text with hidden characters as escapes; newlines and tabs stay."""
    return _HIDDEN.sub(_escaped, text)


def on_one_line(name: str) -> str:
    """The same for a name, which has no newlines and tabs either."""
    return printable(name).replace("\n", "\\n").replace("\t", "\\t")


def shortened(text: str, longest: int = LONGEST) -> str:
    """The text with its long lines cut in the middle."""
    return "\n".join(_cut(line, longest) for line in text.split("\n"))


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return {10: "\\n", 13: "\\r", 9: "\\t"}.get(code) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def _cut(line: str, longest: int) -> str:
    if len(line) <= longest:
        return line
    return f"{line[: longest // 2]} ... {line[-(longest // 2) :]}"
