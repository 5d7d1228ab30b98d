"""Checking: every problem of a source of records at once, where loading stops at the first."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from medenv.errors import DeidentificationError, LeakError, RecordError
from medenv.records.deidentify import identifiers_in_record
from medenv.records.importers import Row, Tally
from medenv.records.leaks import find_leaks, visible_texts
from medenv.records.loading import NATIVE, Import, Source, load_records
from medenv.records.record import Diagnosis, Record, record_from_dict
from medenv.schemas import validator

__all__ = ["Problem", "ProblemKind", "check_records"]

ProblemKind: TypeAlias = Literal["unreadable", "schema", "leak", "identifier", "licence", "duplicate"]
NO_LICENCE = frozenset(("", "?", "-", "n/a", "na", "none", "unknown", "unlicensed", "unspecified", "tbd", "todo"))
NO_DIAGNOSIS = "\u2205"  # stands in for the real one, so that a record with a leak can be looked at whole
NEAR_DUPLICATE = 0.9
"""From this share of common statements on, two records count as nearly the same (Jaccard index, 0 to 1)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a source of records."""

    record: str
    """The id of the record; where it has none, the place it stands at."""
    field: str
    kind: ProblemKind
    message: str
    fatal: bool = True
    """Whether the source cannot be loaded before it is mended."""


def check_records(source: Source = "library", format: str | None = None) -> list[Problem]:
    """Every problem of a source, in the order of its records.

    What keeps a source from loading is fatal: what is unreadable or does not fit the schema, leaks of the diagnosis,
    identifiers, and an id that comes twice. A licence that says nothing and records that are nearly the same are not.

    Args:
        source: What `load_records` takes.
        format: The id of an importer; without one the format is recognised.

    Raises:
        UnknownIdError: No importer is registered under `format`.
    """
    try:
        if isinstance(source, (str, os.PathLike)) and Path(source).exists():
            return list(_in_files(Path(source), format))
        records = load_records(source, format)
    except RecordError as error:
        return [_raised(str(source), error)]
    return [*(p for record in records for p in _in_record(record)), *_alike(list(records))]


def _in_files(path: Path, format: str | None) -> Iterator[Problem]:
    source = Import(path, format)
    records: list[Record] = []
    places: dict[str, str] = {}
    for row, importer in source.rows():
        if importer is NATIVE:
            yield from _in_data(row)
        try:
            made = list(importer.read(row, Tally()))
        except RecordError as error:
            if importer is not NATIVE:
                yield _raised(row.where, type(error)(f"{row.where}: {error}"))
            continue
        for record in made:
            yield from _in_record(record)
            if record.id in places:
                yield Problem(record.id, "id", "duplicate", f"{row.where}: the id is taken in {places[record.id]}")
            else:
                places[record.id] = row.where
                records.append(record)
    yield from _alike(records)


def _in_data(row: Row) -> Iterator[Problem]:
    """What is wrong with plain data that makes no record: the schema's complaints, repeated ids, and leaks."""
    data = row.data
    id = data["id"] if isinstance(data.get("id"), str) else row.where
    wrong = sorted(validator("medenv.records", "record").iter_errors(data), key=lambda error: error.json_path)
    for error in wrong:
        message = " ".join(error.message.split())[:300]
        yield Problem(id, error.json_path.removeprefix("$."), "schema", f"{row.where}: {message}")
    if wrong:
        return
    unique = True
    for key in ("facts", "exams"):
        ids = [item["id"] for item in data[key]]
        for repeated in sorted({i for i in ids if ids.count(i) > 1}):
            yield Problem(id, key, "schema", f"{row.where}: the id {repeated!r} comes twice")
            unique = False
    if unique:
        diagnosis = data["truth"]["diagnosis"]
        names = Diagnosis(diagnosis["name"], tuple(diagnosis.get("synonyms", ())))
        shell = record_from_dict({**data, "truth": {"diagnosis": {"name": NO_DIAGNOSIS}}})
        for field, text in visible_texts(shell):
            for found in find_leaks(text, names):
                message = f"{row.where}: a name of the diagnosis stands outside truth: {found!r}"
                yield Problem(id, field, "leak", message)


def _in_record(record: Record) -> Iterator[Problem]:
    for field, found in identifiers_in_record(record):
        place = f"characters {found.start} to {found.end}"
        yield Problem(record.id, field, "identifier", f"what looks like the {found.kind} of a person ({place})")
    licence = record.provenance.licence
    if licence.strip().casefold() in NO_LICENCE:
        yield Problem(record.id, "provenance.licence", "licence", f"expected a licence, got {licence!r}", fatal=False)


def _alike(records: list[Record]) -> Iterator[Problem]:
    """Pairs of records that say the same or nearly so, whatever their ids."""
    said = [_statements(record) for record in records]
    for place, record in enumerate(records):
        for before in range(place):
            common = len(said[place] & said[before])
            share = common / max(len(said[place] | said[before]), 1)
            if share >= NEAR_DUPLICATE:
                message = f"{share:.0%} of its statements are those of {records[before].id!r}"
                yield Problem(record.id, "", "duplicate", message, fatal=False)
                break


def _statements(record: Record) -> frozenset[str]:
    texts: Iterable[str] = (
        record.chief_complaint,
        f"{record.demographics.sex} {record.demographics.age}",
        *(f"{fact.topic} {fact.statement}" for fact in record.facts),
        *(f"{exam.name} {exam.result}" for exam in record.exams),
    )
    return frozenset(" ".join(text.casefold().split()) for text in texts)


def _raised(record: str, error: RecordError) -> Problem:
    kind: ProblemKind = "unreadable"
    if isinstance(error, LeakError):
        kind = "leak"
    elif isinstance(error, DeidentificationError):
        kind = "identifier"
    elif "field " in str(error):
        kind = "schema"
    message = str(error)
    field = message.partition("field ")[2].partition(":")[0] if "field " in message else ""
    return Problem(record, field, kind, message)
