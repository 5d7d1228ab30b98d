"""Loading: from a name, a file, a folder or records in memory to one checked record set."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, TypeAlias

from medenv.errors import RecordError
from medenv.records.deidentify import check_record
from medenv.records.importers import Importer, Row, importers
from medenv.records.importers.report import ImportReport
from medenv.records.record import Record, record_from_dict
from medenv.records.record_set import RecordSet

__all__ = ["Source", "load_records", "read_rows", "recognise"]

Source: TypeAlias = "str | os.PathLike[str] | RecordSet | Iterable[Record]"
SYNTHETIC_RECORDS = 512
SUFFIXES = (".json", ".jsonl")


def load_records(source: Source = "library", format: str | None = None) -> RecordSet:
    """Loads records and checks every one: the schema, the firewall, and the de-identification gate.

    Args:
        source: "library" (the bundled cases); "synthetic", "synthetic:N" or "synthetic:N:SEED" (cases made from the
            bundled knowledge; 512 from seed 0 unless told otherwise); the path of a .json file (one record or a list of
            them), of a .jsonl file (one a line), or of a folder of such files; a record set, which comes back as it is;
            or records.
        format: The id of an importer; without one the format is recognised, and all rows must be of the same one.

    Returns:
        All records of the source. There is no partial result: whatever cannot be read or does not fit raises.

    Raises:
        RecordError: The source is missing, empty or unreadable, or holds something that is no record; the message is
            one line that names the file, the line and the field.
        DeidentificationError: A record holds an identifier of a person.
        LeakError: A record names its diagnosis outside `truth`.
        UnknownIdError: No importer is registered under `format`.
    """
    if isinstance(source, RecordSet):
        return source
    if isinstance(source, str) and source == "library":
        return _library()
    if isinstance(source, str) and source.split(":")[0] == "synthetic":
        return _synthetic(source)
    if isinstance(source, (str, os.PathLike)):
        return _from_path(Path(source), format)
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
        return _from_path(folder, None)


@cache
def _synthetic(source: str) -> RecordSet:
    from medenv.records.synthesis import synthesise

    parts = source.split(":")[1:]
    if len(parts) > 2 or not all(part.isascii() and part.isdigit() for part in parts) or parts[:1] == ["0"]:
        raise RecordError(f"expected 'synthetic', 'synthetic:N' or 'synthetic:N:SEED', N at least 1, got {source!r}")
    count, seed = (*map(int, parts), *(SYNTHETIC_RECORDS, 0)[len(parts) :])
    return _checked(RecordSet(synthesise(count, seed=seed)))


def _from_path(path: Path, format: str | None) -> RecordSet:
    rows = read_rows(path)
    format = format or recognise(rows)
    records, report = importers.get(format).read(rows)
    if len(records) != len(rows):
        raise RecordError(f"{path}: expected {len(rows)} records from format {format!r}, got {len(records)}")
    for row, record in zip(rows, records, strict=True):
        try:
            check_record(record)
        except RecordError as error:
            raise type(error)(f"{row.where}: {error}") from None
    places: dict[str, str] = {}
    for row, record in zip(rows, records, strict=True):
        if record.id in places:
            first = places[record.id]
            raise RecordError(f"{row.where}: field $.id: expected an id of its own, got {record.id!r} as in {first}")
        places[record.id] = row.where
    return RecordSet(records, report)


def recognise(rows: Sequence[Row]) -> str:
    """The id of the format that rows are of.

    Raises:
        RecordError: A row is of no known format, or of another than the rows before it.
    """
    chosen: str | None = None
    for row in rows:
        format = next((id for id in importers if importers.get(id).recognises(row.data)), None)
        if format is None:
            keys = ", ".join(map(repr, list(row.data)[:5])) or "none"
            raise RecordError(
                f"{row.where}: field $: expected a record of format {' or '.join(map(repr, importers))}, "
                f"got an object with the keys {keys}"
            )
        if chosen not in (None, format):
            raise RecordError(f"{row.where}: expected {chosen!r} like the rows before it, got {format!r}")
        chosen = format
    if chosen is None:
        raise RecordError("expected at least one record, got none")
    return chosen


def read_rows(path: Path) -> list[Row]:
    """The JSON objects of a .json or .jsonl file, or of all such files of a folder and its subfolders, in name order.

    Raises:
        RecordError: The path is missing, empty or unreadable, or a file is not UTF-8, not JSON or no list of objects.
    """
    try:
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
            if not files:
                raise RecordError(f"{path}: expected a folder with .json or .jsonl files, got one without")
            return [row for file in files for row in _file_rows(file)]
        if not path.exists():
            raise RecordError(
                f"expected 'library', 'synthetic', or the path of a file or folder of records, got {str(path)!r}, "
                "which does not exist"
            )
        if path.suffix.lower() not in SUFFIXES:
            raise RecordError(f"{path}: expected a .json or .jsonl file, got {path.suffix or 'no suffix'}")
        return list(_file_rows(path))
    except OSError as error:
        raise RecordError(f"{path}: expected a readable file or folder, got {error.strerror or error}") from None
    except ValueError as error:  # a path the operating system does not take, such as one with a null byte
        if isinstance(error, RecordError):
            raise
        raise RecordError(f"expected a path, got {str(path)!r}: {error}") from None


def _file_rows(path: Path) -> Iterator[Row]:
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise RecordError(
            f"{path}, line {line}: expected UTF-8, got the byte 0x{content[error.start]:02x} ({error.reason})"
        ) from None
    found = False
    for row in _lines(path, text) if path.suffix.lower() == ".jsonl" else _document(path, text):
        if not isinstance(row.data, dict):
            raise RecordError(f"{row.where}: field $: expected a JSON object, got {_kind(row.data)}")
        found = True
        yield row
    if not found:
        raise RecordError(f"{path}: expected at least one record, got an empty file")


def _lines(path: Path, text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield Row(_parse(line, f"{path}, line {number}"), f"{path}, line {number}")


def _document(path: Path, text: str) -> Iterator[Row]:
    if not text.strip():
        return
    data = _parse(text, str(path))
    if not isinstance(data, list):
        yield Row(data, str(path))
        return
    for number, item in enumerate(data, start=1):
        yield Row(item, f"{path}, item {number}")


def _parse(text: str, where: str) -> Any:
    try:
        data = json.loads(text, object_pairs_hook=_no_repeats, parse_constant=_no_constant)
        json.dumps(data, ensure_ascii=False).encode()  # refuses lone surrogates, which no file could be written with
    except json.JSONDecodeError as error:
        place = f"{where}, column {error.colno}" if ", line " in where else f"{where}, line {error.lineno}"
        hint = " (for one record a line the file must end in .jsonl)" if error.msg == "Extra data" else ""
        raise RecordError(f"{place}: expected JSON, got a file that breaks there: {error.msg}{hint}") from None
    except (ValueError, RecursionError) as error:
        reason = "nesting too deep" if isinstance(error, RecursionError) else " ".join(str(error).split())[:200]
        raise RecordError(f"{where}: expected JSON, got {reason}") from None
    return data


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} twice in one object")
    return data


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name}, which is no JSON number")


def _kind(value: Any) -> str:
    names = {list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _read_native(rows: Sequence[Row]) -> tuple[list[Record], ImportReport | None]:
    records = []
    for row in rows:
        try:
            records.append(record_from_dict(row.data))
        except RecordError as error:
            raise type(error)(f"{row.where}: {error}") from None
    return records, None


NATIVE = Importer(recognises=lambda data: str(data.get("schema")).startswith("medenv.record/"), read=_read_native)
"""The importer of medenv's own record format."""
