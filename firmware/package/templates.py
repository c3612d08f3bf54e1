"""The fixed files of packages: real C, C++ and make in `templates/`; those named `.in` have `@key@`s to fill in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

TEMPLATES: Final = Path(__file__).with_name("templates")

Files = dict[str, str]
"""Contents by path, relative to a package's folder."""


def template(path: str, **values: str) -> str:
    """A file of `templates/`, with a value for each of its `@key@`s; a key without a value is a `KeyError`."""
    text = (TEMPLATES / path).read_text(encoding="utf-8")
    return re.sub(r"@(\w+)@", lambda key: values[key[1]], text) if path.endswith(".in") else text


def write_files(files: Files, folder: Path) -> None:
    """Write files to a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
