"""The wheel, built from the source distribution, holds every file of the packages."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("models", "firmware", "sim", "calibration", "tla", "src/trigforge")


def test_the_wheel_holds_every_tracked_file_of_the_packages(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    listed = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, check=True, capture_output=True, text=True)
    links = {f"src/trigforge/{name}" for name in PACKAGES}
    tracked = {
        "trigforge/" + path.removeprefix("src/trigforge/") for path in listed.stdout.splitlines() if path not in links
    }
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    assert {path for path in tracked if not path.endswith(".gitkeep")} <= packed
    assert not any(name.startswith(("tests/", "models/")) for name in packed)
    (source,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        assert any(name.endswith("/LICENSE") for name in archive.getnames())
