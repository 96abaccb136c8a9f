"""Technology files: what a search, a write, a shift, a moved or a fetched bit costs; every number with its source.

A file is TOML with one table per number: `value` (unit in the table's name), `source`, optionally `status`
("published", the default, "recalled" or "assumed") and `nanowires = true` where the value is for one nanowire, of which
a cell of the target has several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dialects.machine.target import read_toml
from dialects.support.errors import TargetError

_FOLDER = Path(__file__).parent / "technologies"
_NAMES = (
    "search_fj_per_bit",
    "write_fj_per_bit",
    "shift_fj_per_bit",
    "move_fj_per_bit",
    "fetch_fj_per_bit",
    "broadcast_fj_per_bit",
    "search_ps",
    "write_ps",
    "shift_ps",
    "move_ps",
)
_MOST = 1e15
_STATUS = ("published", "recalled", "assumed")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number, in the unit that its name says, and where it is from."""

    value: float
    source: str
    status: str = "published"
    nanowires: bool = False
    """the value is for one nanowire of a cell"""


@dataclass(frozen=True, slots=True)
class Technology:
    """The numbers of one file."""

    name: str
    description: str
    parameters: Mapping[str, Parameter]

    def cost(self, name: str, nanowires_per_cell: int) -> float:
        """The value of a parameter for one cell."""
        parameter = self.parameters[name]
        return parameter.value * (nanowires_per_cell if parameter.nanowires else 1)

    @property
    def unconfirmed(self) -> list[str]:
        """Parameters that are recalled or assumed rather than published."""
        return [name for name, parameter in self.parameters.items() if parameter.status != "published"]


def bundled_technologies() -> list[str]:
    """Names of the technology files that come with camc."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_technology(name_or_path: str) -> Technology:
    """A bundled technology by name, or one from a TOML file; raises TargetError where it is malformed."""
    path = _FOLDER / f"{name_or_path}.toml"
    if not path.is_file():
        path = Path(name_or_path)
    data = dict(read_toml(path, "technology", bundled_technologies()))
    description = data.pop("description", "")
    if unknown := sorted(data.keys() - set(_NAMES)):
        raise TargetError(f"unknown key '{unknown[0]}'", place=str(path), hint=f"known keys are {', '.join(_NAMES)}")
    if missing := [name for name in _NAMES if name not in data]:
        raise TargetError(f"missing: {', '.join(missing)}", place=str(path))
    parameters = {name: read_parameter(name, data[name], path) for name in _NAMES}
    return Technology(path.stem, str(description), parameters)


def read_parameter(name: str, table: Any, path: Path) -> Parameter:
    """One number of a TOML file with its source and status; raises TargetError where it is malformed."""
    place = f"{path}, [{name}]"
    if not isinstance(table, dict) or not {"value", "source"} <= table.keys():
        raise TargetError("a number needs a value and its source", place=place, hint='value = 1.0 and source = "..."')
    entry: dict[str, Any] = {**table}  # pyright: ignore[reportUnknownArgumentType]
    if unknown := sorted(entry.keys() - {"value", "source", "status", "nanowires"}):
        raise TargetError(f"unknown key '{unknown[0]}'", place=place)
    value = entry["value"]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST:
        raise TargetError(f"expected a number from 0 to {_MOST:g}, found {value!r}", place=place)
    if not isinstance(entry["source"], str) or not entry["source"].strip():
        raise TargetError("the source is empty", place=place)
    if entry.get("status", "published") not in _STATUS:
        raise TargetError(f"status must be one of {', '.join(_STATUS)}, found {entry['status']!r}", place=place)
    if not isinstance(entry.get("nanowires", False), bool):
        raise TargetError(f"nanowires must be true or false, found {entry['nanowires']!r}", place=place)
    return Parameter(float(value), entry["source"], entry.get("status", "published"), entry.get("nanowires", False))
