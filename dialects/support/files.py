"""Files that somebody else gives: only those that end, and that hold no more than can be worked with, are read."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import BinaryIO

from dialects.support.errors import FileError

MOST = 1 << 31
"""bytes of a file that is read as a whole"""
_PIECE = 1 << 24
_STREAMS = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")
"""How a shell names what another process writes; such a pipe is read as a file, any other may never end."""
_KINDS = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}


def check_file(path: Path) -> None:
    """Raises FileError where an input isn't there, or is something else than a file."""
    name = str(path)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise FileError("there is no such file", place=name) from error
    except OSError as error:
        # A loop of links, say.
        raise FileError.of(error, "read", name) from error
    if name == os.devnull or name.startswith(_STREAMS):
        return
    for is_kind, called in _KINDS.items():
        if is_kind(mode):
            raise FileError(f"it is {called}", place=name, hint="give the name of a file")


def read_file(path: Path, most: int = MOST) -> bytes:
    """The bytes of a file; raises FileError where it can't be read, or holds more than `most` bytes."""
    check_file(path)
    try:
        if path.stat().st_size > most:
            raise _too_large(most, str(path))
        with path.open("rb") as file:
            return _whole(file, str(path), most, text=False)
    except OSError as error:
        raise FileError.of(error, "read", str(path)) from error


def read_text(path: Path | str, most: int = MOST) -> str:
    """The text of a file, or of standard input, which is called `-`; raises FileError as `read_file` does, or where it
    is no text."""
    name = str(path)
    try:
        if name == "-":
            return _whole(sys.stdin.buffer, name, most, text=True).decode()
        check_file(path := Path(path))
        with path.open("rb") as file:
            return _whole(file, name, most, text=True).decode()
    except OSError as error:
        raise FileError.of(error, "read", name) from error
    except UnicodeDecodeError as error:
        raise FileError(f"can't be read: it is no text: {error}", place=name) from error


def _too_large(most: int, name: str) -> FileError:
    return FileError(f"it has more than {most:,} bytes", place=name)


def _whole(file: BinaryIO, name: str, most: int, *, text: bool) -> bytes:
    pieces: list[bytes] = []
    left = most
    while piece := file.read(_PIECE):
        pieces.append(piece)
        left -= len(piece)
        if left < 0:
            raise _too_large(most, name)
        if text and b"\0" in piece:
            # A sparse file costs nothing on the disk, and memory when it is read.
            raise FileError("can't be read: it is no text: it holds zero bytes", place=name)
    return b"".join(pieces)
