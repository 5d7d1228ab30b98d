"""The record store: records in one SQLite file, read one at a time, so that a set of millions takes no memory.

What stands where:

    about     one row: how many records there are, their schema and fingerprint, the report of the import as JSON, and a
              dictionary
    records   place (from 0 on), id, split, and the digest of the content
    contents  place, the content (the record as JSON, compressed by zlib with that dictionary), and its CRC-32, which
              begins with the place

The application id of the file is `APPLICATION` and its user version `VERSION`. A store is written whole and never
changed after that, so readers take no lock, and any number of threads and processes may read it, also from a folder
that they cannot write to.

Every record went through all gates (schema, firewall, de-identification) when it was written. When it is drawn, its CRC
finds what was damaged since, and the firewall stands as for every record. `medenv records check` goes through all gates
again, and compares id, split, digest and fingerprint, which finds what was altered, taken out or moved.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import cached_property
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from medenv.errors import RecordError
from medenv.records.content import content_of, digest_of
from medenv.records.deidentify import check_record
from medenv.records.record import SCHEMA_ID, Record, Split, build_record, check_data, record_to_dict
from medenv.records.record_set import SPLITS, Places, split_of, split_of_id

if TYPE_CHECKING:
    from medenv.records.importers.report import ImportReport

__all__ = ["SUFFIXES", "Entry", "RecordStore", "entry_of", "write_store"]

SUFFIXES = (".sqlite", ".db")
"""How the name of a store ends."""

APPLICATION = 0x6D656472
"""The bytes "medr"."""
VERSION = 1
PAGE = 16384
"""In bytes. Between contents, pages of the usual 4096 would leave much of their room empty."""
DICTIONARY = 32768
"""In bytes, which is as far back as zlib looks. What records have in common halves what is left of them."""
LARGEST = 64 * 2**20
"""In bytes; what unpacks to more is no record."""
NEAR = 24
"""How many ids before and after one are looked at for the one meant."""
_ALTERED = (zlib.error, LookupError, TypeError, ValueError, AttributeError, RecursionError)
"""What reading raises where something else stands in the place of a record."""

_TABLES = """
CREATE TABLE about (
    records INTEGER NOT NULL, schema TEXT NOT NULL, fingerprint TEXT NOT NULL, report TEXT, dictionary BLOB NOT NULL
);
CREATE TABLE records (
    place INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, split TEXT NOT NULL, digest BLOB NOT NULL
);
CREATE TABLE contents (place INTEGER PRIMARY KEY, crc INTEGER NOT NULL, content BLOB NOT NULL);
"""


class Entry(NamedTuple):
    """What a file holds of one record."""

    id: str
    split: Split
    content: bytes


def entry_of(record: Record) -> Entry:
    """The entry of a record, which goes through all gates once more, wherever it comes from.

    Raises:
        RecordError: The record does not fit the schema.
        DeidentificationError: It holds an identifier of a person.
    """
    data = record_to_dict(record)
    check_data(data)
    check_record(record)
    return Entry(record.id, split_of(record), content_of(data))


def write_store(path: Path, entries: Iterable[Entry], report: Callable[[], ImportReport | None]) -> int:
    """Writes a new store, one entry at a time; the same entries give the same bytes.

    Args:
        path: The file, which must not exist. What a killed run leaves there cannot be opened.
        entries: The records, in order.
        report: Gives the report of the import; called after the last entry.

    Returns:
        How many records were written.

    Raises:
        RecordError: Two records share an id, or there is none.
        OSError: The file cannot be written.
    """
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.executescript(
                f"PRAGMA page_size = {PAGE}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
                f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; BEGIN; {_TABLES}"
            )
            count, fingerprint, dictionary = _insert(connection, iter(entries))
            told = json.dumps(made.as_dict()) if (made := report()) is not None else None
            about = (count, SCHEMA_ID, fingerprint, told, dictionary)
            connection.execute("INSERT INTO about VALUES (?, ?, ?, ?, ?)", about)
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise OSError(str(error)) from None
    return count


def _insert(connection: sqlite3.Connection, entries: Iterator[Entry]) -> tuple[int, str, bytes]:
    first: list[Entry] = []
    dictionary = b""
    while len(dictionary) < DICTIONARY and (entry := next(entries, None)) is not None:
        first.append(entry)
        dictionary = (dictionary + entry.content)[:DICTIONARY]
    count, fingerprint = 0, hashlib.sha256()
    for id, split, content in chain(first, entries):
        packing = zlib.compressobj(zdict=dictionary)
        packed, digest = packing.compress(content) + packing.flush(), digest_of(content)
        try:
            connection.execute("INSERT INTO records VALUES (?, ?, ?, ?)", (count, id, split, digest))
        except sqlite3.IntegrityError:
            raise RecordError(f"expected every record to have its own id, got {id!r} twice") from None
        connection.execute("INSERT INTO contents VALUES (?, ?, ?)", (count, zlib.crc32(packed, count), packed))
        fingerprint.update(digest)
        count += 1
    if not count:
        raise RecordError("expected at least one record to be written, got none")
    return count, fingerprint.hexdigest(), dictionary


class RecordStore:
    """The records of a store, as a `RecordSet` wants them. Opening takes the same time however many there are.

    It may be shared by threads, survives a fork and is pickled as its path: each thread of each process reads by a
    connection of its own.

    Args:
        path: The file.
        fingerprint: Of the store wanted, where it must be a certain one.

    Raises:
        RecordError: The file is missing, is no store, was cut short, or is another store than the one wanted.
    """

    def __init__(self, path: str | os.PathLike[str], fingerprint: str | None = None) -> None:
        self._path = Path(os.path.abspath(path))
        self._own = threading.local()
        self._about = self._connect(fingerprint)
        self.report = self._about.report

    def __reduce__(self) -> tuple[type[RecordStore], tuple[Path, str]]:
        return RecordStore, (self._path, self._about.fingerprint)

    def __len__(self) -> int:
        return self._about.records

    def record(self, place: int) -> Record:
        """The record at a place.

        Raises:
            RecordError: What stands there is damaged.
            LeakError: The record names its diagnosis outside `truth`.
        """
        found = list(self._rows("SELECT crc, content FROM contents WHERE place = ?", place))
        try:
            ((crc, packed),) = found
            return build_record(json.loads(self._unpacked(place, crc, packed)))
        except RecordError as error:
            raise type(error)(f"{self._path}: {error}") from None
        except _ALTERED:
            raise self._altered(place) from None

    def contents(self) -> Iterator[bytes]:
        """The contents in order, each compared with its id, split and digest.

        Raises:
            RecordError: A content is not the one written; or, at the end, they are not those written, in that order.
        """
        fingerprint = hashlib.sha256()
        sql = "SELECT id, split, digest, crc, content FROM records JOIN contents USING (place) WHERE place = ?"
        for place in range(len(self)):
            found = list(self._rows(sql, place))
            try:
                ((id, split, digest, crc, packed),) = found
                content = self._unpacked(place, crc, packed)
                data = json.loads(content)
                written = digest_of(content), data["id"], split_of_id(data["id"], data["provenance"].get("split"))
            except _ALTERED:
                raise self._altered(place) from None
            if written != (digest, id, split):
                raise self._altered(place)
            fingerprint.update(digest)
            yield content
        if fingerprint.hexdigest() != self._about.fingerprint:
            raise RecordError(f"{self._path}: expected the records that were written in their order, got others")

    def place(self, id: str) -> int | None:
        """The place of an id; none where no record has it."""
        found: list[tuple[int]] = list(self._rows("SELECT place FROM records WHERE id = ?", _bindable(id)))
        return found[0][0] if found else None

    def near(self, id: str) -> Iterator[str]:
        """The ids that stand next to this one in the order of the alphabet, among which a mistyped one may be meant."""
        for beside in ("< ? ORDER BY id DESC", ">= ? ORDER BY id"):
            for (found,) in self._rows(f"SELECT id FROM records WHERE id {beside} LIMIT {NEAR}", _bindable(id)):
                yield found

    def ids(self, places: Places) -> Iterator[str]:
        """The ids at some places."""
        return self._column("id", places)

    def digests(self, places: Places) -> Iterator[bytes]:
        """The digests of the contents at some places."""
        return self._column("digest", places)

    def splits(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """For each place the split of its record, as its number in `SPLITS`."""
        return self._splits

    @cached_property
    def _splits(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        numbers = {split: number for number, (split, _) in enumerate(SPLITS)}
        try:
            found = (numbers[split] for (split,) in self._rows("SELECT split FROM records ORDER BY place"))
            return np.fromiter(found, np.uint8, len(self))
        except (KeyError, ValueError) as error:
            if isinstance(error, RecordError):
                raise
            raise RecordError(f"{self._path}: expected a split of every record, got {error}") from None

    def _column(self, name: str, places: Places) -> Iterator[Any]:
        if not len(places):
            return iter(())
        first, last = int(np.min(places)), int(np.max(places))
        sql = f"SELECT {name} FROM records WHERE place BETWEEN ? AND ? ORDER BY place"
        values = [value for (value,) in self._rows(sql, first, last)]
        if len(values) != last - first + 1:
            raise RecordError(f"{self._path}: expected the records that were written, got some of them")
        return (values[place - first] for place in places)

    def _unpacked(self, place: int, crc: int, packed: bytes) -> bytes:
        if zlib.crc32(packed, place) != crc:
            raise ValueError("another CRC")
        unpacking = zlib.decompressobj(zdict=self._about.dictionary)
        content = unpacking.decompress(packed, LARGEST)
        if not unpacking.eof:
            raise ValueError("cut short, or too large")
        return content

    def _altered(self, place: int) -> RecordError:
        return RecordError(f"{self._path}: expected the record that was written at place {place}, got another or none")

    def _rows(self, sql: str, *values: int | str) -> Iterator[Any]:
        try:
            if getattr(self._own, "process", None) != os.getpid():
                self._connect(self._about.fingerprint)
            yield from self._own.connection.execute(sql, values)
        except sqlite3.Error as error:
            raise _unlike(self._path, error) from None

    def _connect(self, fingerprint: str | None) -> _About:
        if not self._path.exists():
            raise RecordError(f"{self._path}: expected a record store, got no file")
        try:
            uri = f"{self._path.as_uri()}?mode=ro&immutable=1"
            connection = sqlite3.connect(uri, uri=True, factory=_Connection, check_same_thread=False)
            about = _read_about(self._path, connection)
        except sqlite3.Error as error:
            raise _unlike(self._path, error) from None
        if fingerprint not in (None, about.fingerprint):
            raise RecordError(f"{self._path}: expected the store that was opened before, got another in its place")
        self._own.connection, self._own.process = connection, os.getpid()
        return about


class _Connection(sqlite3.Connection):
    def __del__(self) -> None:
        self.close()


class _About(NamedTuple):
    records: int
    fingerprint: str
    dictionary: bytes
    report: ImportReport | None


def _read_about(path: Path, connection: sqlite3.Connection) -> _About:
    """The account that a store gives of itself; from then on it is known to be one, and whole."""
    ((application,),) = connection.execute("PRAGMA application_id")
    ((format,),) = connection.execute("PRAGMA user_version")
    if application != APPLICATION:
        raise RecordError(f"{path}: expected a record store, got an SQLite file of another kind")
    if format != VERSION:
        raise RecordError(f"{path}: expected a record store of version {VERSION}, got version {format}")
    try:
        ((records, schema, fingerprint, report, dictionary),) = connection.execute(
            "SELECT records, schema, fingerprint, report, dictionary FROM about"
        )
        ((last,),) = connection.execute("SELECT max(place) FROM records")
        ((pages,),) = connection.execute("PRAGMA page_count")
        if (records, path.stat().st_size, type(dictionary)) != (last + 1, pages * PAGE, bytes):
            raise ValueError
        if schema != SCHEMA_ID:
            raise RecordError(f"{path}: expected records of the schema {SCHEMA_ID!r}, got {schema!r}")
        return _About(records, str(fingerprint), dictionary, None if report is None else _report(report))
    except (TypeError, ValueError, AttributeError) as error:
        if isinstance(error, RecordError):
            raise
        raise RecordError(f"{path}: expected a whole record store, got one that is not as it was written") from None


def _unlike(path: Path, error: sqlite3.Error) -> RecordError:
    return RecordError(f"{path}: expected a record store that can be read, got: {error}")


def _bindable(id: str) -> str:
    return id.encode(errors="replace").decode()  # a lone surrogate, which stands in no id, cannot be asked for


def _report(told: str) -> ImportReport:
    from medenv.records.importers.report import ImportReport

    kinds: dict[type, Callable[[Any], Any]] = {dict: MappingProxyType, list: tuple}
    data = json.loads(told)
    return ImportReport(**{name: kinds.get(type(value), lambda same: same)(value) for name, value in data.items()})
