"""Loading: from a name, a file, a folder or records in memory to one checked record set."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import TypeAlias

from medenv.errors import RecordError
from medenv.records.deidentify import check_record
from medenv.records.importers import Importer, ImportReport, Row, Tally, importers
from medenv.records.record import SCHEMA_ID, Record, record_from_dict
from medenv.records.record_set import RecordSet
from medenv.records.record_store import SUFFIXES, RecordStore
from medenv.records.rows import read_rows

__all__ = ["Import", "Source", "load_records", "open_records"]

Source: TypeAlias = "str | os.PathLike[str] | RecordSet | Iterable[Record]"
SYNTHETIC_RECORDS = 512


def load_records(source: Source = "library", format: str | None = None) -> RecordSet:
    """Loads records and checks every one: the schema, the firewall, and the de-identification gate.

    Args:
        source: "library" (the bundled cases); "synthetic", "synthetic:N" or "synthetic:N:SEED" (cases made from the
            bundled knowledge; 512 from seed 0 unless told otherwise); the path of a .json file (one record or a list of
            them), a .jsonl file (one a line), a .csv table, a .txt note, or a folder of such files; a record store
            (.sqlite or .db), whose records went through the checks when it was written and are read as they are asked
            for; a record set, which comes back as it is; or records.
        format: The id of an importer; without one the format is recognised, and all rows must be of the same one.

    Returns:
        All records of the source, with the report of the import. There is no partial result: whatever cannot be read or
        does not fit raises, and what the format has no use for is counted in the report.

    Raises:
        RecordError: The source is missing, empty or unreadable, or holds something that is no record; the message is
            one line that names the file, the line and the field.
        DeidentificationError: A record holds an identifier of a person.
        LeakError: A record names its diagnosis outside `truth`.
        UnknownIdError: No importer is registered under `format`.
    """
    opened = open_records(source, format)
    if isinstance(opened, RecordSet):
        return opened
    records = list(opened)
    return RecordSet(records, opened.report)


def open_records(source: Source = "library", format: str | None = None) -> RecordSet | Import:
    """`load_records` for records that are wanted once, in order: those of a file or folder are made one at a time."""
    if isinstance(source, RecordSet):
        return source
    if isinstance(source, str) and source == "library":
        return _library()
    if isinstance(source, str) and source.split(":")[0] == "synthetic":
        return _synthetic(source)
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        stored = path.suffix.lower() in SUFFIXES and not path.is_dir()
        return _stored(path, format) if stored else Import(path, format)
    if not isinstance(source, Iterable) or isinstance(source, (bytes, Mapping)):
        raise RecordError(f"expected a path, a RecordSet or records, got {type(source).__name__}")
    return _checked(RecordSet(source))


def _checked(records: RecordSet) -> RecordSet:
    for record in records:
        check_record(record)
    return records


@cache
def _library() -> RecordSet:
    with resources.as_file(resources.files("medenv.records").joinpath("library")) as folder:
        return RecordSet(Import(folder, SCHEMA_ID))


@cache
def _synthetic(source: str) -> RecordSet:
    from medenv.records.synthesis import synthesise

    parts = source.split(":")[1:]
    if len(parts) > 2 or not all(part.isascii() and part.isdigit() for part in parts) or parts[:1] == ["0"]:
        raise RecordError(f"expected 'synthetic', 'synthetic:N' or 'synthetic:N:SEED', N at least 1, got {source!r}")
    count, seed = (*map(int, parts), *(SYNTHETIC_RECORDS, 0)[len(parts) :])
    return _checked(RecordSet(synthesise(count, seed=seed)))


def _stored(path: Path, format: str | None) -> RecordSet:
    if format is not None and importers.get(format) is not NATIVE:
        raise RecordError(f"{path}: expected {SCHEMA_ID!r} as the format of a record store, got {format!r}")
    return RecordSet.over(RecordStore(path))


class Import:
    """The records of a file or folder, made one at a time and checked as `load_records` does.

    Iterate once; `report` then holds the account of it.

    Args:
        path: The file or folder.
        format: The id of an importer; without one the format of the first row is that of all.

    Raises:
        UnknownIdError: No importer is registered under `format`.
    """

    def __init__(self, path: Path, format: str | None = None) -> None:
        self.path = path
        self.format = format
        self._importer = None if format is None else importers.get(format)
        self._tally = Tally()

    @property
    def report(self) -> ImportReport | None:
        """What was kept, changed and dropped so far; none for medenv's own format."""
        if self._importer in (None, NATIVE):
            return None
        return self._tally.report(str(self.format), self._importer.notes)

    def rows(self) -> Iterator[tuple[Row, Importer]]:
        """The rows with the importer that reads them.

        Raises:
            RecordError: The path cannot be read, or a row is of no known format or of another than the first.
        """
        named = self._importer
        suffixes = None if named is None else named.suffixes
        in_folders = [named] if named is not None else [importers.get(id) for id in importers if self.path.is_dir()]
        companions = frozenset(chain.from_iterable(importer.companions for importer in in_folders))
        for row in read_rows(self.path, suffixes, companions):
            if named is None:
                self._recognise(row)
            assert self._importer is not None
            yield row, self._importer

    def read(self, row: Row, importer: Importer) -> Iterator[Record]:
        """The records of a row, each through the de-identification gate.

        Raises:
            RecordError: The row cannot be made into a record; `DeidentificationError` and `LeakError` are kinds of it.
        """
        try:
            for record in importer.read(row, self._tally):
                check_record(record)
                self._tally.count(record)
                yield record
        except RecordError as error:
            raise type(error)(f"{row.where}: {error}") from None

    def __iter__(self) -> Iterator[Record]:
        places: dict[str, str] = {}
        for row, importer in self.rows():
            for record in self.read(row, importer):
                if first := places.get(record.id):
                    raise RecordError(
                        f"{row.where}: field $.id: expected an id of its own, got {record.id!r} as in {first}"
                    )
                places[record.id] = row.where
                yield record
        if not places:
            dropped = ", ".join(f"{reason} ({n})" for reason, n in self._tally.rows_dropped.items())
            raise RecordError(f"{self.path}: expected at least one record, got none; dropped: {dropped}")

    def _recognise(self, row: Row) -> None:
        if self._importer is not None and self._importer.recognises(row.data):
            return
        format = next((id for id in importers if importers.get(id).recognises(row.data)), None)
        if format is None:
            keys = ", ".join(map(repr, list(row.data)[:5])) or "none"
            raise RecordError(
                f"{row.where}: field $: expected a record of format {' or '.join(map(repr, importers))}, "
                f"got an object with the keys {keys}"
            )
        if self._importer is not None:
            raise RecordError(f"{row.where}: expected {self.format!r} like the rows before it, got {format!r}")
        self.format, self._importer = format, importers.get(format)


NATIVE = Importer(
    recognises=lambda data: str(data.get("schema")).startswith("medenv.record/"),
    read=lambda row, _: (record_from_dict(row.data),),
)
"""The importer of medenv's own record format."""
