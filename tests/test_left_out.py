"""What the tests do where a tool is missing: left out with one line a tool, or a failure where tools are required."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest
from trigforge.errors import MissingToolError

@pytest.fixture
def absent():
    raise MissingToolError("Icarus must be installed, but none was found; apt-get install iverilog")

@pytest.mark.usefixtures("absent")
@pytest.mark.parametrize("number", range(3))
def test_with_a_fixture(number):
    raise AssertionError

def test_without_one():
    raise MissingToolError("GHDL must be installed, but none was found; apt-get install ghdl")

def test_of_the_error():
    with pytest.raises(MissingToolError):
        raise MissingToolError("anything")

def test_that_fails():
    raise ValueError
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "test_tools.py").write_text(TESTS)
    return tmp_path


def summary(folder: Path, **settings: str) -> list[str]:
    environment = {k: v for k, v in os.environ.items() if k != "TRIGFORGE_REQUIRE_TOOLS"} | settings
    command = [sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 1
    return run.stdout.split("short test summary info")[1].splitlines()[1:]


def test_a_missing_tool_leaves_its_tests_out_in_one_line(folder: Path) -> None:
    lines = summary(folder)
    left_out = sorted(line.split(": ", 1)[1] for line in lines if line.startswith("SKIPPED"))
    assert left_out == [
        "left out: GHDL must be installed, but none was found; apt-get install ghdl",
        "left out: Icarus must be installed, but none was found; apt-get install iverilog",
    ]
    assert sum(line.startswith("SKIPPED [3]") for line in lines) == 1
    assert "1 failed, 1 passed, 4 skipped" in lines[-1]


def test_where_tools_are_required_a_missing_one_fails(folder: Path) -> None:
    lines = summary(folder, TRIGFORGE_REQUIRE_TOOLS="1")
    assert "2 failed, 1 passed, 3 errors" in lines[-1]
    assert not any(line.startswith("SKIPPED") for line in lines)
