"""Child processes: logs, failures, time limits."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from trigforge.errors import CheckError, MissingToolError
from trigforge.sim.cosim.process import quote_log, run_logged


def test_output_is_logged_and_appended(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for word in ("one", "two"):
        run_logged(["sh", "-c", f"echo {word}; echo $NAME >&2; pwd"], tmp_path, {"NAME": "x"}, log, 10)
    assert log.read_text().split() == ["one", "x", str(tmp_path), "two", "x", str(tmp_path)]


def test_a_failure_quotes_the_end_of_the_log(tmp_path: Path) -> None:
    with pytest.raises(CheckError, match=r"sh must succeed, but ended with status 3; .*log ends: 5 \| 6 .*\| 10$") as e:
        run_logged(["sh", "-c", "seq 1 10; exit 3"], tmp_path, {"PATH": "/usr/bin:/bin"}, tmp_path / "log", 10)
    assert "\n" not in str(e.value)


def test_a_child_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    mark, start = tmp_path / "mark", time.monotonic()
    with pytest.raises(CheckError, match=r"sh must end within 0\.5 s; .*log ends: busy$"):
        run_logged(
            ["sh", "-c", f"echo busy; (sleep 2; touch {mark}) & wait"],
            tmp_path,
            {"PATH": "/usr/bin:/bin"},
            tmp_path / "log",
            0.5,
        )
    assert time.monotonic() - start < 2
    time.sleep(2)
    assert not mark.exists()


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingToolError, match="program no-such-tool must be installed"):
        run_logged(["no-such-tool"], tmp_path, {}, tmp_path / "log", 10)


def test_an_empty_log_says_so(tmp_path: Path) -> None:
    assert quote_log(tmp_path / "none").endswith("none ends: (empty)")
