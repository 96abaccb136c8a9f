"""The target: what the machine is, in one frozen description read from a TOML file.

A target says geometry and cycles; what a search or a shift costs in energy and time is a technology's business
(runtime/cost/technology.py). Bundled targets are `dialects/machine/targets/*.toml`; a path to another file will do as
well."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from dialects.machine.isa import MAX_COLUMNS, MAX_DOMAINS, MAX_WIDTH
from dialects.support.errors import FileError, TargetError, TextError
from dialects.support.files import read_text

_MOST_DOTS = 1000
"""in a line"""
_MOST_TEXT = 1 << 22
"""bytes of a file"""
_MOST = 10**9
"""of anything that a target counts, so that counts and products of them stay numbers that can be read"""
_FOLDER = Path(__file__).parent / "targets"
MAX_ACCUMULATORS = 4095
"""what a counting instruction can name"""


@dataclass(frozen=True, slots=True)
class Geometry:
    """One array: `rows` SIMD lanes, `columns` cells per row, `domains` bits per cell of which one is under the port."""

    rows: int = 256
    columns: int = 256
    domains: int = 64

    def __str__(self) -> str:
        return f"{self.rows}x{self.columns}x{self.domains}"

    @property
    def bits_per_row(self) -> int:
        return self.columns * self.domains

    def problem(self) -> str | None:
        """What makes the geometry impossible, if anything."""
        limits = (("rows", self.rows, 1, 1 << 20), ("columns", self.columns, 4, MAX_COLUMNS))
        for name, value, low, high in (*limits, ("domains", self.domains, 1, MAX_DOMAINS)):
            if not low <= value <= high:
                return f"{name} must be {low} to {high}, found {value}"
        return None


@dataclass(frozen=True, slots=True)
class Target:
    """A machine: its arrays and how they are driven."""

    name: str
    description: str = ""
    rows: int = 256
    columns: int = 256
    domains: int = 64
    arrays: int = 1024
    """row blocks that can run at the same time; those of one program are fed by one instruction stream"""
    instruction_streams: int = 1024
    """programs that can run at the same time, each on arrays of its own"""
    nanowires_per_cell: int = 2
    search_cycles: int = 1
    write_cycles: int = 1
    buffer_bits_per_cycle: int = 256
    """bits that move between the global buffer and one array in a cycle"""
    shared_buffer_bits_per_cycle: int = 262144
    """bits that move between the global buffer and all arrays together in a cycle, which a schedule shares out"""
    moves_overlap: bool = False
    """a program moves its bits while it computes, so that the longer of both counts; else one after the other"""
    counter: bool = False
    """whether each array has a counter of tags at its edge, with accumulators (docs/counting.md)"""
    accumulators: int = 1024
    """of a group of arrays whose counts meet; the fields from here on mean something only with a counter"""
    accumulator_bits: int = 24
    counter_segments: int = 1
    """segments of an array's rows that are searched and counted by themselves; those that hold nothing stay off"""

    @property
    def geometry(self) -> Geometry:
        return Geometry(self.rows, self.columns, self.domains)

    def to_text(self) -> str:
        """One line for each field, as in a target file, with the name; those of the counter where there is one."""
        names = [field.name for field in fields(self)]
        stated = names if self.counter else names[: names.index("counter")]
        return "\n".join(f"{name} = {_toml(getattr(self, name))}" for name in stated)

    @classmethod
    def from_text(cls, text: str) -> Target:
        """The target of such lines; raises TextError where they are malformed or the machine is impossible."""
        try:
            data = tomllib.loads(text)
            name = data.pop("name", None)
            if not isinstance(name, str):
                raise TextError("the target has no name", 0)
            return make_target(name, data, "the module's target")
        except TargetError as error:
            raise TextError(error.message, 0) from error
        except (ValueError, RecursionError) as error:
            raise TextError(f"not valid TOML: {_said(error)}", 0) from error


def _toml(value: str | int) -> str:
    """A value as TOML has it; texts keep clear of the brackets that end a packed attribute."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f").replace(">", "\\u003e")


def _said(error: Exception) -> str:
    """What is wrong with a text, without what Python advises its programmer."""
    return str(error).partition(";")[0]


def bundled_targets() -> list[str]:
    """Names of the targets that come with camc."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_target(name_or_path: str) -> Target:
    """A bundled target by name, or one from a TOML file; raises TargetError for anything impossible."""
    path = _FOLDER / f"{name_or_path}.toml"
    if not path.is_file():
        path = Path(name_or_path)
    return make_target(path.stem, read_toml(path, "target", bundled_targets()), str(path))


def make_target(name: str, data: Mapping[str, Any], place: str) -> Target:
    """A target from its keys and values; raises TargetError at `place` for anything unknown or impossible."""
    known = {field.name: field for field in fields(Target) if field.name != "name"}
    for key, value in data.items():
        if key not in known:
            raise TargetError(f"unknown key '{key}'", place=place, hint=f"known keys are {', '.join(sorted(known))}")
        if key == "description":
            if not isinstance(value, str):
                raise TargetError(f"'{key}' must be a text, found {value!r}", place=place)
        elif isinstance(known[key].default, bool):
            if not isinstance(value, bool):
                raise TargetError(f"'{key}' must be true or false, found {value!r}", place=place)
        elif type(value) is not int or not 1 <= value <= _MOST:
            raise TargetError(f"'{key}' must be a whole number from 1 to {_MOST}, found {value!r}", place=place)
    target = Target(name=name, **data)
    if problem := target.geometry.problem():
        raise TargetError(f"impossible geometry: {problem}", place=place)
    for name, most in (("accumulators", MAX_ACCUMULATORS), ("accumulator_bits", MAX_WIDTH)):
        if getattr(target, name) > most:
            raise TargetError(f"'{name}' must be at most {most}, found {getattr(target, name)}", place=place)
    return target


def read_toml(path: Path, what: str, bundled: list[str]) -> Mapping[str, Any]:
    """The table of a TOML file; raises TargetError if it isn't there or isn't TOML."""
    hint = f"give the path of a .toml file or one of: {', '.join(bundled)}"
    try:
        if not path.exists():
            raise TargetError(f"there is no {what} '{path}'", hint=hint)
        text = read_text(path, _MOST_TEXT)
        if any(line.count(".") > _MOST_DOTS for line in text.splitlines()):
            # tomllib keeps every beginning of a dotted key.
            raise ValueError("a key has too many parts")
        return tomllib.loads(text)
    except OSError as error:
        raise FileError.of(error, "read", str(path)) from error
    except (ValueError, RecursionError) as error:
        # A number of many digits, or deep nesting, among them.
        raise TargetError(f"not valid TOML: {_said(error)}", place=str(path)) from error
