"""A deterministic hypothesis profile; test modules import their helpers from camc_testing.py beside this file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

# Test folders are no packages (import-mode=importlib), so their helpers need a place on the path.
sys.path.insert(0, str(Path(__file__).parent))

from camc_testing import SMALL_NETWORK
from lit_testing import LitFile, is_lit_test

settings.register_profile(
    "camc",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=60,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
settings.load_profile("camc")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests begin first, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """The lit tests are tests of pytest, one per file."""
    return LitFile.from_parent(parent, path=file_path) if is_lit_test(file_path) else None


@pytest.fixture
def small_file(tmp_path: Path) -> Path:
    """The small network as an .mlir file."""
    path = tmp_path / "small.mlir"
    path.write_text(SMALL_NETWORK)
    return path
