"""Files: written whole or not at all, and what reading damaged ones may raise."""

from __future__ import annotations

import os
import secrets
import struct
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from tokenize import TokenError
from typing import TypeGuard

from dialects.support.errors import FileError

DAMAGED = (
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    RuntimeError,
    LookupError,
    TypeError,
    ValueError,
    SyntaxError,
    AttributeError,
    OverflowError,
    EOFError,
    TokenError,
)
"""What zipfile, gzip, json and numpy raise for damaged bytes: a bad deflate stream, an unknown method, a lost key,
a header that doesn't end."""

_PIECE = 1 << 24
_FREE, _RATIO = 1 << 26, 100
"""Bytes that an archive may unpack to, and how many more for each byte of its own."""


def is_refused(error: Exception) -> TypeGuard[OSError]:
    """Whether it is the system that doesn't let a file be read, and not what is in it."""
    return isinstance(error, OSError) and error.errno is not None


def check_archive(archive: zipfile.ZipFile, path: Path) -> None:
    """Raises ValueError where the members of an archive would unpack to far more than it could hold of real data."""
    held, size = path.stat().st_size, sum(member.file_size for member in archive.infolist())
    if size > _FREE + _RATIO * held:
        raise ValueError(f"its members would take {size:,} bytes")
    if any(member.compress_size > held for member in archive.infolist()):
        raise ValueError("a member claims to be larger than the archive")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all; raises FileError where that can't be done.

    A file that is there keeps its mode, and a link to it keeps pointing: the file that it names is replaced.
    """
    try:
        if path.parent == Path("/dev") or (path.exists() and not path.is_file() and not path.is_dir()):
            # A device or a pipe, such as /dev/stdout, stays what it is.
            _write_into(path, data)
        else:
            _replace(Path(os.path.realpath(path)), data)
    except OSError as error:
        raise FileError.of(error, "written", str(path)) from error


def _write_into(path: Path, data: bytes) -> None:
    """Write into a device or a pipe; raises OSError for a pipe that nobody reads, which would wait for ever."""
    descriptor = os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
    os.set_blocking(descriptor, True)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def _replace(path: Path, data: bytes) -> None:
    mode = path.stat().st_mode & 0o777 if path.exists() else None
    # In the same folder, so that it can take the file's place. Nobody can guess its name and put a link there.
    partial = path.with_name(f".{secrets.token_hex(8)}.partial")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(partial, flags, 0o666 if mode is None else mode & 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            # In pieces, so that the user can interrupt it.
            for begin in range(0, len(data), _PIECE):
                file.write(data[begin : begin + _PIECE])
        if mode is not None:
            partial.chmod(mode)
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
