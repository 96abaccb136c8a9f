"""A folder of images as a data set: one subfolder per class, in the order of their names; decoded by Pillow."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dialects.support.errors import FileError, InputError
from dialects.support.tensors import IntArray
from runtime.files import DAMAGED, is_refused
from runtime.values import Value

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".ppm", ".pgm")

MAX_PIXELS = 1 << 26

Size = tuple[int, int] | int
"""Height and width, or the length of the shorter side."""


@dataclass
class ImageFolder:
    """Images of a folder, in grey or in colour, resized (bilinear) and cut out of the centre if asked to."""

    path: Path
    channels: int
    resize: Size | None
    crop: Size | None

    def __post_init__(self) -> None:
        try:
            import PIL.Image as library
        except ImportError as error:
            hint = 'pip install "cam-compiler[images]", or put the images into an .npz file'
            raise InputError("reading images needs Pillow", place=str(self.path), hint=hint) from error
        self._library = library
        if self.channels not in (1, 3):
            raise InputError(f"the network takes {self.channels} channels, an image has 1 or 3", place=str(self.path))
        self.classes = [entry.name for entry in _entries(self.path) if entry.is_dir()]
        # Names are all that is kept of a million images.
        self.names: list[str] = []
        counts: list[int] = []
        for folder in self.classes:
            entries = _entries(self.path / folder)
            found = [entry.name for entry in entries if entry.name.lower().endswith(SUFFIXES) and entry.is_file()]
            self.names += found
            counts.append(len(found))
        self.labels: IntArray = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
        if not self.names:
            raise InputError(
                "it holds no images",
                place=str(self.path),
                hint=f"one subfolder per class, with {', '.join(SUFFIXES)} files",
            )

    @property
    def described(self) -> str:
        return f"{self.path}, {len(self.classes)} classes"

    @property
    def digest(self) -> str:
        digest = hashlib.blake2b(digest_size=16)
        for number, label in enumerate(self.labels.tolist()):
            file = self._file(number)
            stat = file.stat()
            name = file.relative_to(self.path).as_posix()
            # A name may hold bytes that are no text.
            digest.update(f"{name}|{label}|{stat.st_size}|{stat.st_mtime_ns}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()

    def read(self, begin: int, end: int) -> Value:
        images: list[Value] = []
        for file in map(self._file, range(begin, end)):
            images.append(self._decode(file))
            if images[-1].shape != images[0].shape:
                first, here = ("x".join(map(str, image.shape)) for image in (images[0], images[-1]))
                raise InputError(
                    f"its size is {here}, that of others {first}", place=str(file), hint="give --resize or --crop"
                )
        return np.stack(images)

    def _file(self, number: int) -> Path:
        return self.path / self.classes[int(self.labels[number])] / self.names[number]

    def _decode(self, file: Path) -> Value:
        """Channels, height, width of bytes."""
        try:
            with self._library.open(file) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise InputError(
                        f"it has {image.width}x{image.height} pixels", place=str(file), hint=f"at most {MAX_PIXELS}"
                    )
                if image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA"):
                    raise InputError(
                        f"its mode is {image.mode}", place=str(file), hint="save it with 8 bits per channel"
                    )
                pixels = self._cut(image.convert("L" if self.channels == 1 else "RGB"), file)
                array = np.asarray(pixels, dtype=np.uint8)
        except (*DAMAGED, MemoryError, self._library.DecompressionBombError) as error:
            if is_refused(error):
                raise FileError.of(error, "read", str(file)) from error
            raise InputError(f"can't be read: {error}", place=str(file)) from error
        return array[None] if self.channels == 1 else array.transpose(2, 0, 1)

    def _cut(self, image: Image, file: Path) -> Image:
        if self.resize is not None:
            width, height = image.size
            short = min(width, height)
            if isinstance(self.resize, int):
                wanted = (max(1, width * self.resize // short), max(1, height * self.resize // short))
            else:
                wanted = (self.resize[1], self.resize[0])
            if wanted[0] * wanted[1] > MAX_PIXELS:
                found = f"it would be resized to {wanted[0]}x{wanted[1]} pixels"
                raise InputError(found, place=str(file), hint=f"at most {MAX_PIXELS}")
            image = image.resize(wanted, self._library.Resampling.BILINEAR)
        if self.crop is not None:
            high, wide = (self.crop, self.crop) if isinstance(self.crop, int) else self.crop
            width, height = image.size
            if wide > width or high > height:
                raise InputError(f"{height}x{width} is too small to cut {high}x{wide} from it", place=str(file))
            left, top = (width - wide) // 2, (height - high) // 2
            image = image.crop((left, top, left + wide, top + high))
        return image


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder, in order, but for hidden entries; raises FileError where it can't be read."""
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if not entry.name.startswith(".")]
        return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise FileError.of(error, "read", str(folder)) from error
