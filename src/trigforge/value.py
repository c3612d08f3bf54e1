"""`Value`: the frozen, schema-checked, comparable and savable base of every configuration and product."""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import InputError


class Value(BaseModel):
    """A frozen value; unknown keys are errors, equality is by content, JSON is its file format."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, ser_json_inf_nan="strings")

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, in hexadecimal."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def save(self, path: Path) -> None:
        """Write the value as JSON; the file is complete or not there."""
        write_atomic(path, self.model_dump_json(indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a value that `save` wrote, or a TOML file of the same keys.

        Raises `InputError` that names the file, the key, what was found and what was expected.
        """
        return cls.parse(read_mapping(path), where=str(path))

    @classmethod
    def parse(cls, data: dict[str, Any], where: str) -> Self:
        """Check `data` against the schema; `where` names its origin in errors."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise InputError(f"{where}: {explain(error, cls)}") from None


def explain(error: ValidationError, schema: type[BaseModel]) -> str:
    """Say the first problems of a failed validation in one line, each with its key and the value found."""
    parts, seen = [], []  # type: list[str], list[tuple[int | str, ...]]
    for problem in error.errors()[:3]:
        if any(earlier[: len(problem["loc"])] == problem["loc"] for earlier in seen):
            continue  # a list that is said to be too short because one of its items is wrong
        seen.append(problem["loc"])
        key = ".".join(str(step) for step in problem["loc"]) or "the file"
        if problem["type"] == "extra_forbidden":
            known = ", ".join(sorted(_keys_at(schema, problem["loc"][:-1])))
            parts.append(f"unknown key {key!r}; known keys here: {known}")
        elif problem["type"] == "missing":
            parts.append(f"key {key!r} is missing")
        elif problem["type"] == "value_error":
            parts.append(f"{key}: {problem['ctx']['error']}")
        else:
            parts.append(f"{key} = {problem['input']!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}")
    return "; ".join(parts)


def _keys_at(schema: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    current: Any = schema
    for step in location:
        if isinstance(step, str) and isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(step)
            current = field.annotation if field else None
            members = [a for a in getattr(current, "__args__", ()) if isinstance(a, type) and issubclass(a, BaseModel)]
            current = members[0] if len(members) == 1 else members or current
        elif isinstance(current, list):  # a union, told apart by a field whose only value is the step
            current = next((m for m in current if any(f.default == step for f in m.model_fields.values())), None)
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a TOML or JSON file whose top level is a table."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} must be a text file (TOML or JSON), but it is binary") from None
    try:
        data = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        kind = "TOML" if path.suffix == ".toml" else "JSON"
        raise InputError(f"{path} must be {kind}: {error}") from None
    if not isinstance(data, dict):
        raise InputError(f"{path} must hold a table at its top level, not a {type(data).__name__}")
    return data


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader, a full disk or a kill never leaves half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if isinstance(content, bytes):
            scratch.write_bytes(content)
        else:
            scratch.write_text(content, encoding="utf-8")
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
