"""Settings shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("trigforge", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("trigforge")


@pytest.fixture(scope="session")
def public_data() -> Path:
    """The folder of public test files (ROOT, correctionlib, HEPData)."""
    named = os.environ.get("TRIGFORGE_TEST_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"public test data not found: set TRIGFORGE_TEST_DATA (looked in {folder})")
    return folder
