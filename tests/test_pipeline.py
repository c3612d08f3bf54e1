"""The stage machine: what is done, kept, redone, and what a changed or damaged input does."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from trigforge.config import RunConfig
from trigforge.errors import InputError
from trigforge.pipeline import Run, Stage, execute, open_run
from trigforge.sim.collisions import CollisionConfig
from trigforge.ui import Reporter, Update


class Kitchen:
    """Three stages that write files and remember what they did."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.intact = True
        settings = {
            "a": lambda c: str(c.collisions.seed),
            "b": lambda c: "",
            "c": lambda c: str(c.rates.target_rate_khz),
        }
        needs = {"a": (), "b": ("a",), "c": ("b",)}
        self.stages = {
            name: Stage(name, needs[name], (name,), settings[name], self.cook(name), intact=lambda run: self.intact)
            for name in "abc"
        }

    def cook(self, name: str):
        def work(run: Run, update: Update) -> str:
            update(0.5, "half")
            self.done.append(name)
            run.path(name).write_text(name)
            return f"made {name}"

        return work

    def serve(self, run: Run, *targets: str, redo: tuple[str, ...] = ()) -> list[str]:
        self.done = []
        self.log = io.StringIO()
        execute(run, self.stages, targets, Reporter(Console(file=self.log)), redo)
        return self.done


@pytest.fixture
def kitchen() -> Kitchen:
    return Kitchen()


def run_with(folder: Path, seed: int = 1, rate: float = 10.0) -> Run:
    """A run of a configuration; its lock is given back at once."""
    config = RunConfig(collisions=CollisionConfig(seed=seed))
    config = config.model_copy(update={"rates": config.rates.model_copy(update={"target_rate_khz": rate})})
    with open_run(config, folder / "run", folder / "projects") as run:
        return run


def test_only_what_a_target_needs_is_done(kitchen: Kitchen, tmp_path: Path) -> None:
    assert kitchen.serve(run_with(tmp_path), "b") == ["a", "b"]


def test_finished_stages_are_kept(kitchen: Kitchen, tmp_path: Path) -> None:
    kitchen.serve(run_with(tmp_path), "b")
    assert kitchen.serve(run_with(tmp_path), "c") == ["c"]
    assert "kept  made a" in kitchen.log.getvalue()


def test_a_changed_setting_redoes_what_depends_on_it(kitchen: Kitchen, tmp_path: Path) -> None:
    kitchen.serve(run_with(tmp_path), "c")
    assert kitchen.serve(run_with(tmp_path, rate=5.0), "c") == ["c"]
    assert kitchen.serve(run_with(tmp_path, seed=2, rate=5.0), "c") == ["a", "b", "c"]


def test_a_lost_file_and_a_damaged_record_are_made_again(kitchen: Kitchen, tmp_path: Path) -> None:
    run = run_with(tmp_path)
    kitchen.serve(run, "c")
    run.path("b").unlink()
    assert kitchen.serve(run, "c") == ["b"]
    run.path("stages", "a.json").write_text("{")
    assert kitchen.serve(run, "c") == ["a"]


def test_what_lies_outside_the_run_must_be_intact(kitchen: Kitchen, tmp_path: Path) -> None:
    run = run_with(tmp_path)
    kitchen.serve(run, "a")
    kitchen.intact = False
    assert kitchen.serve(run, "a") == ["a"]


def test_redo_is_unconditional(kitchen: Kitchen, tmp_path: Path) -> None:
    run = run_with(tmp_path)
    kitchen.serve(run, "c")
    assert kitchen.serve(run, "c", redo=("b",)) == ["b"]


def test_a_failed_stage_leaves_no_record(kitchen: Kitchen, tmp_path: Path) -> None:
    def fail(run: Run, update: Update) -> str:
        raise RuntimeError("burnt")

    stage = kitchen.stages["b"]
    kitchen.stages["b"] = Stage("b", stage.needs, stage.outputs, stage.settings, fail)
    run = run_with(tmp_path)
    with pytest.raises(RuntimeError, match="burnt"):
        kitchen.serve(run, "c")
    assert run.path("stages", "a.json").is_file()
    assert not run.path("stages", "b.json").exists()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"output folder .*file/run must be writable: Not a directory; choose another"):
        open_run(RunConfig(), tmp_path / "file" / "run", tmp_path).__enter__()


def test_two_runs_in_one_folder_are_refused(tmp_path: Path) -> None:
    with open_run(RunConfig(), tmp_path / "run", tmp_path / "projects"):
        with pytest.raises(InputError, match=r"/run must not be in use by another trigforge process; wait for it or"):
            open_run(RunConfig(), tmp_path / "run", tmp_path / "projects").__enter__()
        with pytest.raises(InputError, match=r"projects/vae_small_l1/build must not be in use"):
            open_run(RunConfig(), tmp_path / "other", tmp_path / "projects").__enter__()
    with open_run(RunConfig(), tmp_path / "run", tmp_path / "projects") as run:
        assert run.path("run.json").is_file()
