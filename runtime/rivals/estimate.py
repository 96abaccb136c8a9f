"""What a rival's model says of one network: energy by component, times, arrays, and what its figures rest on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dialects.machine.target import read_toml
from dialects.support.errors import TargetError
from runtime.cost.technology import Parameter, read_parameter


@dataclass(frozen=True)
class Estimate:
    """Figures of one image on one machine; None where its model doesn't say."""

    machine: str
    setting: str
    energy_fj: Mapping[str, float]
    """by component"""
    latency_ns: float | None
    """of one image"""
    images_per_second: float | None
    """with the layers of successive images overlapping where the machine does that"""
    area_mm2: float | None
    arrays: int
    exact: str
    """whether the machine computes the network's own integers"""
    rests_on: tuple[str, ...]
    """parameters that are recalled, assumed or fitted rather than published"""
    marked: tuple[str, ...] = ()
    """which of energy, latency and area rest on them"""

    @property
    def total_fj(self) -> float:
        return sum(self.energy_fj.values())


@dataclass(frozen=True)
class Setting:
    """Named numbers of a rival, each with its unit in its name, its source and its status."""

    name: str
    description: str
    parameters: Mapping[str, Parameter]

    def __getitem__(self, name: str) -> float:
        return self.parameters[name].value

    @property
    def unconfirmed(self) -> tuple[str, ...]:
        """Parameters that are not published as they stand."""
        return tuple(name for name, entry in self.parameters.items() if entry.status != "published")

    def marked(self, figures: Mapping[str, str]) -> tuple[str, ...]:
        """The figures that rest on these: `figures` by parameter, the energy where none is named."""
        return tuple(dict.fromkeys(figures.get(name, "energy") for name in self.unconfirmed))


def load_settings(path: Path, names: tuple[str, ...]) -> dict[str, Setting]:
    """The settings of a rival's file: the first one holds all `names`, the others hold what they change.

    Raises TargetError where the file is malformed, or where a number is missing or unknown.
    """
    data = read_toml(path, "rival", [])
    found: dict[str, Setting] = {}
    base: dict[str, Parameter] = {}
    for name, table in data.items():
        setting = _setting(name, table, names, base, path)
        base = base or dict(setting.parameters)
        found[name] = setting
    return found


def _setting(name: str, table: Any, names: tuple[str, ...], base: Mapping[str, Parameter], path: Path) -> Setting:
    place = f"{path}, [{name}]"
    if not isinstance(table, dict):
        raise TargetError("a setting is a table of numbers", place=place)
    stated: dict[str, Any] = {**table}  # pyright: ignore[reportUnknownArgumentType]
    description = str(stated.pop("description", ""))
    if unknown := sorted(stated.keys() - set(names)):
        raise TargetError(f"unknown key '{unknown[0]}'", place=place, hint=f"known keys are {', '.join(names)}")
    parameters = {**base, **{key: read_parameter(key, value, path) for key, value in stated.items()}}
    if missing := [key for key in names if key not in parameters]:
        raise TargetError(f"missing: {', '.join(missing)}", place=place)
    return Setting(name, description, {key: parameters[key] for key in names})
