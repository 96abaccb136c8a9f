"""Files of the command line: arrays in, arrays and reports out."""

from __future__ import annotations

import argparse
import io
import os
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np

from dialects.support.errors import FileError, InputError, UsageError
from dialects.support.files import check_file
from dialects.support.text import on_one_line
from runtime.files import DAMAGED, check_archive, is_refused
from runtime.values import Value


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


def npz_bytes(arrays: Mapping[str, Value]) -> bytes:
    """An .npz archive with any names, even such as `file`, which numpy's own writer refuses.

    Equal arrays give equal bytes.
    """
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            info = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
    return stream.getvalue()


def read_arrays(path: Path) -> dict[str, Value]:
    """The arrays of an .npz file by name, or of an .npy file under an empty name."""
    check_file(path)
    try:
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                check_archive(archive, path)
        # An .npy file is mapped, so that of a large one no more is in memory than is worked with.
        loaded: Any = np.load(path, allow_pickle=False, mmap_mode="r")
        arrays: dict[str, Any] = {"": loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
    except MemoryError as error:
        raise InputError("it claims more than memory holds", place=str(path)) from error
    except DAMAGED as error:
        if is_refused(error):
            raise FileError.of(error, "read", str(path)) from error
        raise InputError(f"no .npy or .npz file of numbers: {_found(str(error))}", place=str(path)) from error
    if others := [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]:
        raise InputError(f"'{others[0]}' is no array", place=str(path))
    if not arrays:
        raise InputError("it holds no array", place=str(path))
    return arrays


def _found(said: str) -> str:
    """What numpy says of a file, for people."""
    # It would advise to load pickled objects, which may do anything.
    if "pickle" in said or "Python objects" in said:
        return "it holds Python objects, which are never loaded"
    return "it ends before its numbers do" if said.startswith("mmap length") else said


def read_numbers(path: Path) -> dict[str, Value]:
    """The same for results, which are real numbers; raises InputError for complex ones, texts and others."""
    arrays = read_arrays(path)
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            place = f"{path}, '{on_one_line(name)}'" if name else str(path)
            raise InputError(f"it holds {array.dtype}, which aren't real numbers", place=place)
    return arrays
