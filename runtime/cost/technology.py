"""Technology files: what every block of the machine costs in energy, time and area; every number with its source.

A file is TOML with one table per number: `value`, `source`, and optionally `unit` (that of `parameters.toml`, which
lists what a file may state), `status`, `range` (two values between which the number may lie), `node` (nm) and
`nanowires = true` where the value is taken to be for one nanowire, of which a cell of the target has several. The
status is "published" (the default), "recalled" (from a source that could not be read again), "assumed", or "chosen" for
what a designer decides, such as the size of a buffer. `description` and `node` may stand above the tables. What a file
doesn't state has the default of `parameters.toml`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from dialects.machine.target import read_toml
from dialects.support.errors import TargetError

_FOLDER = Path(__file__).parent / "technologies"
_MOST = 1e15
_STATUS = ("published", "recalled", "assumed", "chosen")
_KEYS = ("value", "unit", "source", "status", "nanowires", "node", "range")
WHOLE_NUMBERS = ("row_segments", "arrays_per_tile", "tiles_per_bank")
"""parameters that are whole numbers from 1 on"""
LIMITS = {"sram_exponent": 2.0}
"""the greatest value of parameters for which it is not `_MOST`"""


class Kind(NamedTuple):
    """What a parameter is."""

    block: str
    unit: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number, in the unit of its kind, and where it is from."""

    value: float
    source: str
    status: str = "published"
    nanowires: bool = False
    """the value is taken to be for one nanowire of a cell, which is an assumption, whatever the status"""
    node: float | None = None
    """nm of the process that the number is from, if it is known"""
    range: tuple[float, float] | None = None
    """between which values it may lie, if that is known"""

    @property
    def confirmed(self) -> bool:
        """It is published, and for a cell, or it is for a designer to choose."""
        return self.status in ("published", "chosen") and not self.nanowires


@dataclass(frozen=True, slots=True)
class Technology:
    """The numbers of one file, and the defaults of those that it doesn't state."""

    name: str
    description: str
    parameters: Mapping[str, Parameter]
    stated: frozenset[str]
    """names of the parameters that are in the file"""

    def __getitem__(self, name: str) -> float:
        """The value of a parameter, as it is stated."""
        return self.parameters[name].value

    def cost(self, name: str, nanowires_per_cell: int) -> float:
        """The value of a parameter for one cell."""
        parameter = self.parameters[name]
        return parameter.value * (nanowires_per_cell if parameter.nanowires else 1)

    @property
    def unconfirmed(self) -> list[str]:
        """Parameters that are recalled, assumed, or assumed to be for one nanowire; zeros price nothing."""
        return [name for name, entry in self.parameters.items() if entry.value and not entry.confirmed]

    @property
    def nodes(self) -> list[float]:
        """The processes that the numbers come from, in nm."""
        return sorted({entry.node for entry in self.parameters.values() if entry.node and entry.value})


def bundled_technologies() -> list[str]:
    """Names of the technology files that come with camc."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


@cache
def kinds() -> Mapping[str, Kind]:
    """Everything that a technology can state, in the order of the machine's blocks."""
    return {name: Kind(table["block"], table["unit"], table["meaning"]) for name, table in _known().items()}


@cache
def _known() -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads((Path(__file__).parent / "parameters.toml").read_text(encoding="utf-8"))


def load_technology(name_or_path: str) -> Technology:
    """A bundled technology by name, or one from a TOML file; raises TargetError where it is malformed."""
    path = _FOLDER / f"{name_or_path}.toml"
    if not path.is_file():
        path = Path(name_or_path)
    data: dict[str, Any] = dict(read_toml(path, "technology", bundled_technologies()))
    description, node = str(data.pop("description", "")), data.pop("node", None)
    if node is not None:
        _check_node(node, str(path))
    known = _known()
    if unknown := sorted(data.keys() - known.keys()):
        near = [name for name in known if unknown[0].partition("_")[0] in name] or list(known)
        raise TargetError(f"unknown key '{unknown[0]}'", place=str(path), hint=f"known keys are {', '.join(near)}")
    if missing := [name for name, table in known.items() if "value" not in table and name not in data]:
        raise TargetError(
            f"missing: {', '.join(missing)}", place=str(path), hint="`camc tech rtsim` shows a file that is complete"
        )
    parameters: dict[str, Parameter] = {}
    for name, table in known.items():
        default = {key: value for key, value in table.items() if key not in ("block", "meaning")}
        entry = read_parameter(name, data.get(name, default), path, table["unit"])
        if name in data and entry.node is None:
            entry = replace(entry, node=node)
        if name in WHOLE_NUMBERS and (entry.value < 1 or entry.value % 1):
            found = f"expected a whole number from 1 on, found {entry.value:g}"
            raise TargetError(found, place=f"{path}, [{name}]", hint="value = 1")
        parameters[name] = entry
    for unit, what in (("ps", "time"), ("fJ", "energy")):
        if not any(parameters[name].value for name in data if known[name]["unit"] == unit):
            raise TargetError(f"every {what} that it states is 0", place=str(path), hint="state one that is greater")
    return Technology(path.stem, description, parameters, frozenset(data))


def read_parameter(name: str, table: Any, path: Path, unit: str | None = None) -> Parameter:
    """One number of a TOML file with its source and status; raises TargetError where it is malformed."""
    place = f"{path}, [{name}]"
    if not isinstance(table, dict) or not {"value", "source"} <= table.keys():
        raise TargetError("a number needs a value and its source", place=place, hint='value = 1.0 and source = "..."')
    entry: dict[str, Any] = {**table}  # pyright: ignore[reportUnknownArgumentType]
    if unknown := sorted(entry.keys() - set(_KEYS)):
        raise TargetError(f"unknown key '{unknown[0]}'", place=place, hint=f"known keys are {', '.join(_KEYS)}")
    value = _number(entry["value"], place, LIMITS.get(name, _MOST))
    if not isinstance(entry["source"], str) or not entry["source"].strip():
        raise TargetError("the source is empty", place=place, hint="say where the number is from")
    if entry.get("status", "published") not in _STATUS:
        raise TargetError(
            f"status must be one of {', '.join(_STATUS)}, found {entry['status']!r}",
            place=place,
            hint="docs/technology.md says what each means",
        )
    if not isinstance(entry.get("nanowires", False), bool):
        raise TargetError(
            f"nanowires must be true or false, found {entry['nanowires']!r}",
            place=place,
            hint="true: the value is for one nanowire of a cell",
        )
    if unit is not None and entry.get("unit", unit) != unit:
        raise TargetError(
            f"its unit is {unit}, found {entry['unit']!r}", place=place, hint=f"convert the value to {unit}"
        )
    _check_node(entry.get("node"), place)
    return Parameter(
        value,
        entry["source"],
        entry.get("status", "published"),
        entry.get("nanowires", False),
        entry.get("node"),
        _range(entry.get("range"), value, place, LIMITS.get(name, _MOST)),
    )


def _number(value: object, place: str, most: float = _MOST) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise TargetError(f"expected a number from 0 to {most:g}, found {value!r}", place=place, hint="value = 1.0")
    return float(value)


def _range(stated: Any, value: float, place: str, most: float) -> tuple[float, float] | None:
    if stated is None:
        return None
    ends: list[Any] = [*stated] if isinstance(stated, list) else []  # pyright: ignore[reportUnknownArgumentType]
    if len(ends) != 2:
        raise TargetError(f"a range is two numbers, found {stated!r}", place=place, hint="range = [1.0, 2.0]")
    low, high = (_number(end, place, most) for end in ends)
    if not low <= value <= high:
        raise TargetError(
            f"the value {value:g} lies outside its range {low:g} to {high:g}", place=place, hint="range = [least, most]"
        )
    return low, high


def _check_node(node: object, place: str) -> None:
    if node is not None and (isinstance(node, bool) or not isinstance(node, int | float) or not 0 < node <= 1e6):
        raise TargetError(f"a node is a length in nm, found {node!r}", place=place, hint="node = 22")
