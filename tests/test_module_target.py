"""The machine of a module: every field of it survives compiling, dumping and going on, and can't be contradicted."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cam_compiler.cli import main
from dialects.machine.target import Target, bundled_targets, load_target

CUSTOM = Target(
    "custom",
    'a "machine" of <{its}> own\n',
    3,
    40,
    24,
    2,
    3,
    4,
    5,
    6,
    counter=True,
    accumulators=77,
    accumulator_bits=19,
)
"""No field is as another target has it."""


def as_file(target: Target, folder: Path) -> str:
    lines = [line for line in target.to_text().splitlines() if not line.startswith("name = ")]
    path = folder / f"{target.name}.toml"
    path.write_text("\n".join(lines))
    return str(path)


def report(model: Path, folder: Path) -> Any:
    path = folder / "report.json"
    assert main(["run", str(model), "--input", str(folder / "x.npy"), "--report", str(path)]) == 0
    return json.loads(path.read_text())


@pytest.mark.parametrize("name", [*bundled_targets(), "custom"])
def test_a_dump_reports_what_the_program_reports(name: str, small_file: Path, tmp_path: Path) -> None:
    target = load_target(name) if name in bundled_targets() else CUSTOM
    stated = name if name in bundled_targets() else as_file(CUSTOM, tmp_path)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((9, 1, 3)).astype(np.float32))
    command = ["compile", str(small_file), "--target", stated]
    assert main([*command, "-o", str(tmp_path / "net.camx"), "--dump-ir", str(tmp_path / "dumps")]) == 0
    expected = report(tmp_path / "net.camx", tmp_path)
    assert expected["target"] == asdict(target)
    dumps = sorted((tmp_path / "dumps").iterdir())
    assert len(dumps) > 4
    # The last dump runs as it is, the first one is compiled for the machine that it names.
    for dump in (dumps[0], dumps[-1]):
        assert report(dump, tmp_path) == expected
    assert main(["compile", str(dumps[-1]), "-o", str(tmp_path / "again.camx")]) == 0
    assert (tmp_path / "again.camx").read_bytes() == (tmp_path / "net.camx").read_bytes()


def test_another_machine_contradicts_placed_code(
    small_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    placed, fields = tmp_path / "placed.mlir", asdict(CUSTOM)
    assert main(["compile", str(small_file), "--target", as_file(CUSTOM, tmp_path), "-o", str(placed)]) == 0
    for field in fields.keys() - {"name", "description"}:
        another = not fields[field] if isinstance(fields[field], bool) else fields[field] + 1
        other = replace(CUSTOM, name="other", **{field: another})
        assert main(["compile", str(placed), "--target", as_file(other, tmp_path), "-o", str(tmp_path / "a.camx")]) != 0
        error = capsys.readouterr().err
        assert f"placed for {field} = {fields[field]}, target other has {another}" in error
    same = as_file(replace(CUSTOM, name="same", description=""), tmp_path)
    assert main(["compile", str(placed), "--target", same, "-o", str(tmp_path / "a.camx")]) == 0
