"""Synthesis in bulk: many records, drawn by several processes at once and handed on in order."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection

from medenv.errors import MedenvError, RunError
from medenv.records.record_store import Entry, entry_of
from medenv.records.synthesis import synthesise

__all__ = ["synthesise_entries"]

CHUNK = 64
"""How many records a process hands over at once."""


def synthesise_entries(
    count: int, seed: int, *, conditions: Sequence[str] | None = None, jobs: int = 1
) -> Iterator[Entry]:
    """The entries of the records that `synthesise` draws, each through all gates.

    Args:
        count: How many records, at least 1.
        seed: Any integer.
        conditions: Ids to which the true conditions are restricted.
        jobs: How many processes draw them, at least 1; it changes no entry.

    Raises:
        RunError: `count` or `jobs` is out of range, or a process died.
        UnknownIdError: A condition that the knowledge base does not hold.
    """
    if count < 1 or jobs < 1:
        raise RunError(f"expected a count and jobs of at least 1, got {count} and {jobs}")
    synthesise(0, seed, conditions=conditions)
    jobs = min(jobs, -(-count // CHUNK))
    return _side_by_side(count, seed, conditions, jobs) if jobs > 1 else _entries(0, count, seed, conditions)


def _entries(start: int, count: int, seed: int, conditions: Sequence[str] | None) -> Iterator[Entry]:
    for index in range(start, start + count, CHUNK):
        size = min(CHUNK, start + count - index)
        yield from map(entry_of, synthesise(size, seed, conditions=conditions, start=index))


def _side_by_side(count: int, seed: int, conditions: Sequence[str] | None, jobs: int) -> Iterator[Entry]:
    """Process k of n draws the chunks k, k + n, k + 2n, ..., each when the one before has been taken."""
    spawning = multiprocessing.get_context("spawn")
    workers = []
    try:
        for number in range(jobs):
            reader, writer = spawning.Pipe(duplex=False)
            starts = range(number * CHUNK, count, jobs * CHUNK)
            worker = spawning.Process(target=_work, args=(writer, starts, count, seed, conditions), daemon=True)
            worker.start()
            writer.close()  # so that reading ends when the process does
            workers.append((worker, reader))
        for chunk in range(-(-count // CHUNK)):
            made = workers[chunk % jobs][1].recv()
            if isinstance(made, MedenvError):
                raise made
            yield from made
    except (EOFError, OSError):
        raise RunError("expected all processes to live, got one that died, perhaps for want of memory") from None
    finally:
        for worker, reader in workers:
            reader.close()
            worker.terminate()
            worker.join()


def _work(writer: Connection, starts: range, count: int, seed: int, conditions: Sequence[str] | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the parent's to deal with
    with suppress(BrokenPipeError):  # the parent is gone, or wants no more
        try:
            for start in starts:
                writer.send(list(_entries(start, min(CHUNK, count - start), seed, conditions)))
        except MedenvError as error:
            writer.send(error)
