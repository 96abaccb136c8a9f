"""Arrays of the command line: .npy and .npz files in and out."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dialects.support.errors import FileError, InputError
from dialects.support.text import on_one_line
from runtime.files import DAMAGED, check_archive
from runtime.values import Value


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
    try:
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                check_archive(archive, path)
        loaded: Any = np.load(path, allow_pickle=False)
        arrays: dict[str, Any] = {"": loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
    except FileNotFoundError as error:
        raise FileError("there is no such file", place=str(path)) from error
    except MemoryError as error:
        raise InputError("it claims more than memory holds", place=str(path)) from error
    except PermissionError as error:
        raise FileError.of(error, "read", str(path)) from error
    except DAMAGED as error:
        # numpy would advise to load pickled objects, which may do anything.
        found = "it holds Python objects, which are never loaded" if "pickle" in str(error) else str(error)
        raise InputError(f"no .npy or .npz file of numbers: {found}", place=str(path)) from error
    if others := [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]:
        raise InputError(f"'{others[0]}' is no array", place=str(path))
    if not arrays:
        raise InputError("it holds no array", place=str(path))
    return arrays


def read_numbers(path: Path) -> dict[str, Value]:
    """The same for results, which are real numbers; raises InputError for complex ones, texts and others."""
    arrays = read_arrays(path)
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            place = f"{path}, '{on_one_line(name)}'" if name else str(path)
            raise InputError(f"it holds {array.dtype}, which aren't real numbers", place=place)
    return arrays
