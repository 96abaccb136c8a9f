"""Files of the command line: which outputs can be written, and texts in."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

from dialects.support.errors import FileError, IRError, UsageError


def check_output(path: Path | None, suffixes: Sequence[str] = (), options: argparse.Namespace | None = None) -> None:
    """Refuse an output that can't be written before anything long is done.

    Raises UsageError for another suffix and for a file that another one of the options names, FileError for a file
    that the system wouldn't write.
    """
    if path is None:
        return
    if suffixes and path.suffix not in suffixes:
        raise UsageError(f"its name must end in {' or '.join(suffixes)}", place=str(path))
    if options and any(value is not path and _is_same(path, value) for value in vars(options).values()):
        raise UsageError(
            "the same file is given as an input or as another output", place=str(path), hint="choose another name"
        )
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        # Its name is too long, say.
        raise FileError.of(error, "written", str(path)) from error
    if path.is_dir():
        raise FileError("it is a folder", place=str(path), hint="give the name of a file")
    # A link keeps pointing, so it is written where that does.
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        raise FileError("its folder does not exist", place=str(path))
    if not os.access(folder, os.W_OK):
        raise FileError("its folder can't be written to", place=str(path))


def _is_same(path: Path, other: object) -> bool:
    """Whether an option's value names the file, under whatever name."""
    if isinstance(other, list):
        return any(_is_same(path, item) for item in cast(list[object], other))
    if not isinstance(other, str | Path):
        return False
    with suppress(OSError, ValueError):
        return path.samefile(other) and path.is_file()
    return isinstance(other, Path) and os.path.realpath(path) == os.path.realpath(other)


def read_text(name: str) -> str:
    """The text of a file, or of standard input, which is called `-`; raises FileError, or IRError where it is none."""
    try:
        return (sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()).decode()
    except FileNotFoundError as error:
        raise FileError("there is no such file", place=name) from error
    except OSError as error:
        raise FileError.of(error, "read", name) from error
    except UnicodeDecodeError as error:
        raise IRError(f"can't be read: it is no text: {error}", place=name) from error
