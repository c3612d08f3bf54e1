"""Settings shared by all tests."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from trigforge.errors import MissingToolError

settings.register_profile("trigforge", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("trigforge")


SLOW_FILES = (
    "test_reference_projects.py",
    "test_cli_train.py",
    "models/test_train.py",
    "test_report.py",
    "models/test_architectures.py",
    "hls4ml_backend/test_backend.py",
    "test_cli.py",
    "sim/test_collisions_dataset.py",
)
"""Files with few slow tests: they begin, so that no worker is left alone with one of them in the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of slow files first, the order within files kept."""
    places = {name: place for place, name in enumerate(SLOW_FILES)}
    root = Path(__file__).parent

    def place(item: pytest.Item) -> int:
        return places.get(str(item.path.relative_to(root)), len(places))

    items.sort(key=place)


def _left_out() -> Generator[None, object, object]:
    """Skips what needs a tool that is not here; the summary then has one line a tool. In CI it is an error."""
    try:
        return (yield)
    except MissingToolError as error:
        if os.environ.get("TRIGFORGE_REQUIRE_TOOLS") == "1":
            raise
        pytest.skip(f"left out: {error}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, object, object]:
    return (yield from _left_out())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    return (yield from _left_out())


@pytest.fixture(scope="session")
def public_data() -> Path:
    """The folder of public test files (ROOT, correctionlib, HEPData)."""
    named = os.environ.get("TRIGFORGE_TEST_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"public test data not found: set TRIGFORGE_TEST_DATA (looked in {folder})")
    return folder
