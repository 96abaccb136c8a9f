"""Files: written whole or not at all, and what reading damaged ones may raise."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from tokenize import TokenError

from dialects.support.errors import ProgramError

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


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all; raises ProgramError where that can't be done."""
    try:
        if path.parent == Path("/dev") or (path.exists() and not path.is_file() and not path.is_dir()):
            # A device or a pipe, such as /dev/stdout, stays what it is.
            path.write_bytes(data)
        else:
            _replace(path.resolve(), data)
    except OSError as error:
        raise ProgramError(f"can't be written: {error.strerror}", place=str(path)) from error


def _replace(path: Path, data: bytes) -> None:
    # Of this process, as another one may write the same file.
    partial = path.parent / f".{path.name}.{os.getpid()}.partial"
    try:
        with partial.open("wb") as file:
            # In pieces, so that the user can interrupt it.
            for begin in range(0, len(data), _PIECE):
                file.write(data[begin : begin + _PIECE])
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
