"""Event files to contract words, in a stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from trigforge.contract import InputContract, OutOfRange
from trigforge.errors import InputError
from trigforge.events.files import Chunk, iterate_chunks, read_chunk
from trigforge.fixed import IntArray

THREADS = 2
"""Threads that read and encode; each holds one row group."""


def iterate_words(path: Path, contract: InputContract, policy: OutOfRange = OutOfRange.SATURATE) -> Iterator[IntArray]:
    """Contract words int64 (n, words) of a file or of a folder of parts, row group by row group and in order.

    Two threads work ahead by a row group each. `InputError` names the file and what is wrong in it.
    """
    pool, pending = ThreadPoolExecutor(THREADS), deque[Future[IntArray]]()
    try:
        for chunk in iterate_chunks(path):
            pending.append(pool.submit(_encode, chunk, contract, policy))
            if len(pending) > THREADS:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _encode(chunk: Chunk, contract: InputContract, policy: OutOfRange) -> IntArray:
    events = read_chunk(chunk, [c.name for c in contract.collections])
    try:
        return contract.encode(events, policy)
    except InputError as error:
        raise InputError(f"event file {chunk.file}: {error}") from None
