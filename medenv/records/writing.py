"""Writing: a file of records, one a line or in a store, that is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from medenv.errors import RunError
from medenv.records.importers.report import ImportReport
from medenv.records.record_store import SUFFIXES, Entry, write_store

__all__ = ["write_records"]

Report: TypeAlias = Callable[[], ImportReport | None]


def write_records(out: Path, entries: Iterable[Entry], *, report: Report = lambda: None, replace: bool = False) -> int:
    """Writes records as they come, under another name until the last one is there.

    Args:
        out: The file: .jsonl for one record a line, .sqlite or .db for a record store.
        entries: The records in order, as `entry_of` makes them.
        report: Gives the report of the import, which a store keeps; called after the last entry.
        replace: Whether a file that exists is replaced.

    Returns:
        How many there are.

    Raises:
        RunError: The file exists, has another suffix or cannot be written.
        RecordError: Two records of a store share an id, or there is none to be written.
    """
    if (write := _WRITERS.get(out.suffix.lower())) is None:
        raise RunError(f"expected a file that ends in {', '.join(_WRITERS)}, got {str(out)!r}")
    if out.exists() and not replace:
        raise RunError(f"expected a new file, got {str(out)!r}, which exists (--force replaces it)")
    part = out.with_name(out.name + ".part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        try:
            count = write(part, entries, report)
            with open(part, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(part, out)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"expected a file that can be written, got {str(out)!r}: {error.strerror or error}") from None
    return count


def _write_lines(path: Path, entries: Iterable[Entry], report: Report) -> int:
    count = 0
    with open(path, "wb") as file:
        for entry in entries:
            file.write(entry.content + b"\n")
            count += 1
    return count


_WRITERS: Mapping[str, Callable[[Path, Iterable[Entry], Report], int]] = {
    ".jsonl": _write_lines,
    **dict.fromkeys(SUFFIXES, write_store),
}
