"""Packages that several tests compile only once."""

from __future__ import annotations

from pathlib import Path

import pytest

from trigforge.firmware.package import write_package

from .toys import made, toy_package


@pytest.fixture(scope="session")
def cmssw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cmssw") / "toy_v1"
    write_package("cmssw", toy_package("toy_v1", 1), folder)
    made(folder, "test")
    return folder


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("c") / "toy_v1"
    write_package("c", toy_package("toy_v1", 1), folder)
    made(folder, "test")
    return folder
