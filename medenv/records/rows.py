"""Rows: what a file of records holds, one JSON object, table row or text at a time, each with its place."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medenv.errors import RecordError
from medenv.records.record_store import SUFFIXES, RecordStore

__all__ = ["Row", "read_rows"]

LONGEST_LINE = 64 * 2**20
"""In bytes. A longer line of JSON is no record but a file gone wrong."""
LARGEST_DOCUMENT = 512 * 2**20
"""In bytes; a .json file is read whole, and lines (.jsonl) are the way to hold more."""


@dataclass(frozen=True, slots=True)
class Row:
    """One JSON object, row of a table or text of a source."""

    data: Mapping[str, Any]
    where: str
    """The file and line it stands in, for error messages."""
    path: Path
    """The file it stands in, for formats with files beside it."""


def read_rows(
    path: Path, suffixes: tuple[str, ...] | None = None, companions: frozenset[str] = frozenset()
) -> Iterator[Row]:
    """The rows of a file, or of all files of a folder and its subfolders in name order, read as they are asked for.

    A .json file holds one object or a list of them, a .jsonl file one object a line, a .csv file one under each column
    name of its first line (all values texts), and a .txt file is one object with its content under "note". A .sqlite or
    .db file is a record store, whose records are read one at a time.

    Args:
        path: The file or folder.
        suffixes: Which files of a folder are read; .json, .jsonl and .csv unless told otherwise.
        companions: Names of files of a folder that hold no records themselves.

    Raises:
        RecordError: The path is missing, empty or unreadable, or a file is not UTF-8 or not what its suffix says.
    """
    try:
        if path.is_dir():
            chosen = suffixes or (".json", ".jsonl", ".csv")
            found = (p for p in path.rglob("*") if p.suffix.lower() in chosen and p.name not in companions)
            files = sorted(p for p in found if p.is_file())
            if not files:
                raise RecordError(f"{path}: expected a folder with {_either(chosen)} files, got one without")
            for file in files:
                yield from _file_rows(file)
            return
        if not path.exists():
            raise RecordError(
                f"expected 'library', 'synthetic', or the path of a file or folder of records, got {str(path)!r}, "
                "which does not exist"
            )
        yield from _file_rows(path)
    except OSError as error:
        raise RecordError(f"{path}: expected a readable file or folder, got {error.strerror or error}") from None
    except ValueError as error:  # a path the operating system does not take, such as one with a null byte
        if isinstance(error, RecordError):
            raise
        raise RecordError(f"expected a path, got {str(path)!r}: {error}") from None


def _file_rows(path: Path) -> Iterator[Row]:
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        raise RecordError(f"{path}: expected a {_either(tuple(_READERS))} file, got {suffix or 'no suffix'}")
    found = False
    for row in _READERS[suffix](path):
        if not isinstance(row.data, dict):
            raise RecordError(f"{row.where}: field $: expected a JSON object, got {_kind(row.data)}")
        found = True
        yield row
    if not found:
        raise RecordError(f"{path}: expected at least one record, got an empty file")


def _json_lines(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE + 1), b""), start=1):
            where = f"{path}, line {number}"
            if len(line) > LONGEST_LINE:
                raise RecordError(f"{where}: expected a line of at most {LONGEST_LINE:,} bytes, got a longer one")
            if (text := _decoded(line, path, number)).strip():
                yield Row(_parsed(text, where), where, path)


def _json_document(path: Path) -> Iterator[Row]:
    if (size := path.stat().st_size) > LARGEST_DOCUMENT:
        raise RecordError(f"{path}: expected a file of at most {LARGEST_DOCUMENT:,} bytes, got {size:,}; use .jsonl")
    if not (text := _decoded(path.read_bytes(), path)).strip():
        return
    data = _parsed(text, str(path))
    if not isinstance(data, list):
        yield Row(data, str(path), path)
        return
    for number, item in enumerate(data, start=1):
        yield Row(item, f"{path}, item {number}", path)


def _table(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        numbered = enumerate(iter(lambda: file.readline(LONGEST_LINE + 1), b""), start=1)
        table = csv.reader((_decoded(line, path, number) for number, line in numbered), strict=True)
        try:
            columns = next(table, [])
            if repeated := sorted({name for name in columns if columns.count(name) > 1}):
                raise RecordError(f"{path}, line 1: expected column names of their own, got {repeated[0]!r} twice")
            for cells in table:
                where = f"{path}, line {table.line_num}"
                if cells and len(cells) != len(columns):
                    raise RecordError(f"{where}: expected {len(columns)} columns, got {len(cells)}")
                if cells:
                    yield Row(dict(zip(columns, cells, strict=True)), where, path)
        except csv.Error as error:
            raise RecordError(f"{path}, line {table.line_num}: expected a row of a table, got {error}") from None


def _text(path: Path) -> Iterator[Row]:
    if text := _decoded(path.read_bytes(), path).strip():
        yield Row({"note": text}, str(path), path)


def _store(path: Path) -> Iterator[Row]:
    for number, content in enumerate(RecordStore(path).contents(), start=1):
        where = f"{path}, record {number}"
        yield Row(_parsed(_decoded(content, path), where), where, path)


_READERS: Mapping[str, Callable[[Path], Iterator[Row]]] = {
    ".json": _json_document,
    ".jsonl": _json_lines,
    ".csv": _table,
    ".txt": _text,
    **dict.fromkeys(SUFFIXES, _store),
}


def _decoded(content: bytes, path: Path, line: int = 1) -> str:
    try:
        return content.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        line += content.count(b"\n", 0, error.start)
        raise RecordError(
            f"{path}, line {line}: expected UTF-8, got the byte 0x{content[error.start]:02x} ({error.reason})"
        ) from None


def _parsed(text: str, where: str) -> Any:
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


def _either(names: tuple[str, ...]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))
