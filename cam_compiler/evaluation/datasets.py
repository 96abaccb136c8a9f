"""Labelled data sets for `camc evaluate`, read piece by piece: arrays (.npz, .npy), IDX files, folders of images."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import IO, Protocol, cast

import numpy as np

from dialects.support.errors import FileError, InputError
from dialects.support.files import check_file
from dialects.support.tensors import IntArray
from runtime.files import DAMAGED, check_archive, is_refused
from runtime.values import Value

_IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_PIECE = 1 << 22
_HEADER = 1 << 16
"""Bytes of the header of an .npy file."""
_IMAGE = 1 << 28
"""Bytes of an image."""
_LABELS = 1 << 25
"""Images of a data set."""


class DataSet(Protocol):
    """Images with a class each."""

    @property
    def labels(self) -> IntArray: ...

    @property
    def described(self) -> str:
        """The images as they are stored, for people."""
        ...

    @property
    def digest(self) -> str:
        """Changes with the data."""
        ...

    def read(self, begin: int, end: int) -> Value:
        """Images from `begin` to `end`; raises InputError where they can't be read."""
        ...


@dataclass
class Stream:
    """An array in a file, read front to back; seeking is possible, though slow where the file is compressed."""

    place: str
    open: Callable[[], IO[bytes]]
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]

    @cached_property
    def file(self) -> IO[bytes]:
        return self.open()

    @property
    def stride(self) -> int:
        """Bytes of an image."""
        return prod(self.shape[1:]) * self.dtype.itemsize

    def read(self, begin: int, end: int) -> Value:
        size = (end - begin) * self.stride
        try:
            if self.file.tell() != self.offset + begin * self.stride:
                self.file.seek(self.offset + begin * self.stride)
            data = self.file.read(size)
        except DAMAGED as error:
            raise _unreadable(error, f"images {begin} to {end - 1} can't be read", self.place) from error
        if len(data) != size:
            raise InputError(
                f"the file ends within images {begin} to {end - 1} of {self.shape[0]}",
                place=self.place,
                hint="it is truncated; make or fetch it again",
            )
        return np.frombuffer(data, self.dtype).reshape(-1, *self.shape[1:])

    def read_labels(self) -> IntArray:
        if len(self.shape) != 1 or self.dtype.kind not in "iu":
            raise InputError(
                f"expected one class number per image, found {shape_text(self.shape)} {self.dtype}", place=self.place
            )
        if self.shape[0] > _LABELS:
            raise InputError(f"it holds {self.shape[0]} labels", place=self.place, hint=f"at most {_LABELS}")
        return self.read(0, self.shape[0]).astype(np.int64)


@dataclass
class Arrays:
    """Images and labels from streams."""

    images: Stream
    labels: IntArray
    paths: tuple[Path, ...]

    @property
    def described(self) -> str:
        return f"{self.images.place}, {shape_text(self.images.shape[1:])} {self.images.dtype}"

    @property
    def digest(self) -> str:
        return file_digest(*self.paths)

    def read(self, begin: int, end: int) -> Value:
        return self.images.read(begin, end)


def shape_text(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "a scalar"


def file_digest(*paths: Path) -> str:
    """Of the contents of files; raises InputError where one can't be read."""
    digest = hashlib.blake2b(digest_size=16)
    for path in paths:
        check_file(path)
        try:
            with path.open("rb") as file:
                while piece := file.read(_PIECE):
                    digest.update(piece)
        except OSError as error:
            raise FileError.of(error, "read", str(path)) from error
        digest.update(b"|")
    return digest.hexdigest()


def open_data(data: Path, images: str | None, labels: str | None, elements: int) -> DataSet:
    """Images from .npz, .npy or IDX files, whose labels are an array or another file.

    `elements` is the number of values that the network takes, by which images are found among the arrays of an .npz.
    """
    if not os.path.lexists(data):
        raise FileError("there is no such file or folder", place=str(data))
    check_file(data)
    if data.suffix == ".npz":
        return _from_npz(data, images, labels, elements)
    if images:
        raise InputError("only an .npz file has arrays with names", place="--images")
    stream = _array_file(data)
    if len(stream.shape) < 2 or not stream.shape[0]:
        raise InputError(f"expected images, found {shape_text(stream.shape)} {stream.dtype}", place=str(data))
    if labels is None:
        raise InputError("its images have no classes", place=str(data), hint="give --labels FILE (.npy or IDX)")
    return _arrays(stream, _array_file(Path(labels)).read_labels(), labels, (data, Path(labels)))


def _arrays(images: Stream, labels: IntArray, labels_place: str, paths: tuple[Path, ...]) -> Arrays:
    if len(labels) != images.shape[0]:
        raise InputError(f"{len(labels)} labels for {images.shape[0]} images", place=labels_place)
    return Arrays(images, labels, paths)


def _from_npz(path: Path, images: str | None, labels: str | None, elements: int) -> Arrays:
    streams = _npz_streams(path)
    listed = ", ".join(f"'{name}' ({shape_text(one.shape)} {one.dtype})" for name, one in streams.items())
    candidates = [
        name for name, one in streams.items() if len(one.shape) > 1 and prod(one.shape[1:]) == elements and one.shape[0]
    ]
    chosen = _choose(path, "images", images, candidates, listed, streams)
    if labels is not None and labels not in streams and Path(labels).exists():
        return _arrays(chosen, _array_file(Path(labels)).read_labels(), labels, (path, Path(labels)))
    fitting = [name for name, one in streams.items() if one.shape == chosen.shape[:1] and one.dtype.kind in "iu"]
    classes = _choose(path, "labels", labels, fitting, listed, streams)
    return _arrays(chosen, classes.read_labels(), classes.place, (path,))


def _choose(
    path: Path, what: str, name: str | None, candidates: list[str], listed: str, streams: dict[str, Stream]
) -> Stream:
    if name is not None:
        if name not in streams:
            raise InputError(f"there is no array '{name}'", place=str(path), hint=f"its arrays are {listed or 'none'}")
        return streams[name]
    if len(candidates) != 1:
        found = "several arrays may be" if candidates else "no array fits as"
        hint = f"name it with --{what}; the arrays are {listed or 'none'}"
        raise InputError(f"{found} the {what}", place=str(path), hint=hint)
    return streams[candidates[0]]


def _npz_streams(path: Path) -> dict[str, Stream]:
    streams: dict[str, Stream] = {}
    try:
        archive = zipfile.ZipFile(path)
        check_archive(archive, path)
        for member in archive.namelist():
            if member.endswith(".npy"):
                with archive.open(member) as file:
                    place = f"{path}, '{member[:-4]}'"
                    streams[member[:-4]] = _npy_stream(place, file, lambda member=member: archive.open(member))
    except DAMAGED as error:
        raise _unreadable(error, "no .npz file, or a damaged one", str(path)) from error
    return streams


def _unreadable(error: Exception, message: str, place: str) -> FileError | InputError:
    """What an error while data is read means: the system doesn't let it be read, or it is damaged."""
    if is_refused(error):
        return FileError.of(error, "read", place)
    return InputError(f"{message}: {error}", place=place)


def _npy_stream(place: str, file: IO[bytes], reopen: Callable[[], IO[bytes]]) -> Stream:
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise InputError(f"version {version} of .npy is not known", place=place)
    if version != (1, 0):
        # Newer headers say their length in four bytes, and are read as a whole.
        begin = file.tell()
        if int.from_bytes(file.read(4), "little") > _HEADER:
            raise InputError("its header is too long", place=place)
        file.seek(begin)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, in_columns, dtype = read(file)
    if dtype.hasobject:
        raise InputError("it holds Python objects, which are never loaded", place=place, hint="save plain numbers")
    if in_columns and len(shape) > 1:
        raise InputError("it is stored column by column", place=place, hint="save np.ascontiguousarray of it")
    return _stream(place, reopen, file.tell(), shape, dtype)


def _stream(
    place: str, reopen: Callable[[], IO[bytes]], offset: int, shape: tuple[int, ...], dtype: np.dtype[np.generic]
) -> Stream:
    """Raises InputError for an array that holds nothing, or images that are too large."""
    stream = Stream(place, reopen, offset, shape, dtype)
    if min(shape[1:], default=1) < 1 or stream.stride > _IMAGE:
        raise InputError(f"it holds {shape_text(shape)} numbers", place=place, hint=f"images of 1 to {_IMAGE} bytes")
    return stream


def _array_file(path: Path) -> Stream:
    """The array of an .npy or an IDX file."""
    check_file(path)
    try:
        if path.suffix == ".npy":
            with path.open("rb") as file:
                stream = _npy_stream(str(path), file, lambda: path.open("rb"))
        elif path.suffix == ".npz":
            raise InputError("name a file with a single array", place=str(path), hint=".npy or IDX")
        else:
            stream = _idx_stream(path)
    except DAMAGED as error:
        raise _unreadable(error, "can't be read", str(path)) from error
    expected = stream.offset + prod(stream.shape[:1]) * stream.stride
    if path.suffix != ".gz" and path.stat().st_size != expected:
        raise InputError(
            f"{path.stat().st_size} bytes, its header says {expected}",
            place=str(path),
            hint="it is truncated or damaged",
        )
    return stream


def _idx_stream(path: Path) -> Stream:
    """The IDX format of MNIST: two zeros, a type, the number of dimensions, the sizes, the data; big-endian."""

    def reopen() -> IO[bytes]:
        return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")

    with reopen() as file:
        head = file.read(4)
        if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _IDX_TYPES or not head[3]:
            raise InputError(
                "not a data set that can be read",
                place=str(path),
                hint="give an .npz, .npy or IDX file (.gz too), or a folder with one subfolder per class",
            )
        shape = struct.unpack(f">{head[3]}I", file.read(4 * head[3]))
        return _stream(str(path), reopen, 4 + 4 * head[3], shape, np.dtype(_IDX_TYPES[head[2]]))
