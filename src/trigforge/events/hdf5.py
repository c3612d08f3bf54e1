"""HDF5 files for the readers: opened, looked into and read row by row with one-line errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from trigforge.events.reading import Source, present

FILTERS: Final = {305: "LZO", 307: "bzip2", 32001: "Blosc", 32004: "LZ4", 32015: "Zstandard", 32026: "Blosc2"}
"""Registered numbers of the compressions that HDF5 itself does not carry."""


@contextmanager
def open_hdf5(source: Source) -> Iterator[Any]:
    """The open HDF5 file of `source`."""
    import h5py

    present(source.path)
    with source.decoding("the HDF5 file"):
        file = h5py.File(source.path, "r")
    with file:
        yield file


def find_dataset(source: Source, file: Any, key: str, *, columns: tuple[int | None, ...] = ()) -> Any:
    """The dataset `key` whose axes after the first have the lengths `columns` (`None`: any)."""
    import h5py

    data = file.get(key)
    if not isinstance(data, h5py.Dataset):
        found = ", ".join(sorted(file.keys())) or "nothing"
        raise source.error(f"key {key!r} must be there; the file has {found}")
    wanted = len(columns) + 1
    if data.ndim != wanted or any(n is not None and n != m for n, m in zip(columns, data.shape[1:], strict=True)):
        raise source.error(f"key {key!r} must not have the shape {data.shape}")
    _require_filters(source, data, key)
    return data


def read_rows(source: Source, data: Any, first: int, last: int) -> npt.NDArray[Any]:
    """Rows `first` to `last` of a dataset."""
    with source.decoding(f"key {data.name.lstrip('/')!r}, rows {first} to {last},"):
        return np.asarray(data[first:last])


def read_names(source: Source, file: Any, key: str) -> list[str]:
    """The list of names in dataset `key`."""
    data = find_dataset(source, file, key)
    with source.decoding(f"key {key!r}"):
        return [n.decode() if isinstance(n, bytes) else str(n) for n in data[:]]


def _require_filters(source: Source, data: Any, key: str) -> None:
    """`InputError` naming the compression of `data` if neither HDF5 nor an installed `hdf5plugin` reads it."""
    from importlib import import_module, util

    import h5py

    properties = data.id.get_create_plist()
    numbers = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
    if all(h5py.h5z.filter_avail(n) for n in numbers):
        return
    if util.find_spec("hdf5plugin") is not None:
        import_module("hdf5plugin")  # its import registers the filters
    missing = [n for n in numbers if not h5py.h5z.filter_avail(n)]
    if missing:
        name = FILTERS.get(missing[0], "unknown")
        raise source.error(
            f"key {key!r} is compressed by HDF5 filter {missing[0]} ({name}): 'pip install hdf5plugin' reads it"
        )
