"""Checking: every problem of a source of records at once, where loading stops at the first."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from medenv.errors import DeidentificationError, LeakError, RecordError
from medenv.records.deidentify import identifiers_in_record
from medenv.records.duplicates import Duplicates, repeated_facts
from medenv.records.hints import hints_in_texts
from medenv.records.importers import Importer, ImportReport, Row, Tally
from medenv.records.leaks import leaks_in_texts, visible_texts
from medenv.records.loading import NATIVE, Import, Source, open_records
from medenv.records.overlap import Others
from medenv.records.provenance import Provenances
from medenv.records.record import Diagnosis, Record, build_record
from medenv.records.record_set import RecordSet
from medenv.records.record_store import SUFFIXES
from medenv.schemas import validator

__all__ = ["Checked", "Problem", "ProblemKind", "check_records", "check_source"]

ProblemKind: TypeAlias = Literal[
    "unreadable", "schema", "leak", "identifier", "licence", "provenance", "duplicate", "overlap"
]
Track: TypeAlias = Callable[[Iterable[Any]], Iterable[Any]]
NO_DIAGNOSIS = Diagnosis("\u2205")
"""Stands in for the real one, so that a record with a leak can be looked at whole."""


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


@dataclass(frozen=True, slots=True)
class Checked:
    """What checking a source found."""

    problems: tuple[Problem, ...]
    records: int
    """How many records could be made, whatever else is wrong with them."""
    report: ImportReport | None
    """What the import kept, changed and dropped; none for records that were not imported."""

    @property
    def usable(self) -> bool:
        """Whether the source can be loaded."""
        return not any(problem.fatal for problem in self.problems)


def check_records(
    source: Source = "library", format: str | None = None, *, against: Source | None = None
) -> list[Problem]:
    """Every problem of a source: those of its records in their order, then those of the set.

    What keeps a source from loading is fatal: what is unreadable or does not fit the schema, leaks of the diagnosis,
    identifiers, and an id that comes twice. These are not: words that probably tell the diagnosis (see
    `medenv.records.hints`), a licence or source that says nothing, licences that do not go together, records that are
    nearly the same, facts that are stated twice, and what the source shares with another.

    Args:
        source: What `load_records` takes.
        format: The id of an importer; without one the format is recognised.
        against: Another source, to find what the two share (see `medenv.records.overlap`).

    Raises:
        UnknownIdError: No importer is registered under `format`.
    """
    return list(check_source(source, format, against=against).problems)


def check_source(
    source: Source = "library", format: str | None = None, *, against: Source | None = None, track: Track = iter
) -> Checked:
    """`check_records`, with how many records there are and the report of the import.

    No more than one record at a time is held in memory.

    Args:
        source: What `load_records` takes.
        format: The id of an importer; without one the format is recognised.
        against: Another source, to find what the two share.
        track: Wraps what is gone through, such as for a progress bar.

    Raises:
        UnknownIdError: No importer is registered under `format`.
    """
    problems: list[Problem] = []
    others = None
    if against is not None:
        try:
            others = Others(track(open_records(against)))
        except RecordError as error:
            problems.append(_raised(_name(against), error))
    checking = _Checking(others, "" if against is None else _name(against))
    try:
        opened = open_records(source, format)
        if isinstance(opened, RecordSet) and isinstance(source, (str, os.PathLike)):
            path = Path(source)
            opened = Import(path, format) if path.suffix.lower() in SUFFIXES else opened
        problems += checking.imported(opened, track) if isinstance(opened, Import) else checking.records(track(opened))
    except RecordError as error:
        problems.append(_raised(_name(source), error))
    problems += checking.whole()
    return Checked(tuple(problems), checking.count, checking.report)


def _name(source: Source) -> str:
    return str(source) if isinstance(source, (str, os.PathLike)) else "records"


class _Checking:
    """Goes through the records of one source and remembers what has to be looked at across them."""

    def __init__(self, others: Others | None, name_of_others: str) -> None:
        self.count = 0
        self.report: ImportReport | None = None
        self._others, self._name_of_others = others, name_of_others
        self._places: dict[str, str] = {}
        self._duplicates = Duplicates()
        self._provenances = Provenances()

    def records(self, records: Iterable[Record]) -> Iterator[Problem]:
        for record in records:
            self.count += 1
            yield from self._record(record, record.truth.diagnosis)

    def imported(self, source: Import, track: Track) -> Iterator[Problem]:
        tally = Tally()
        broken = False
        importer = NATIVE
        try:
            for row, importer in track(source.rows()):
                try:
                    records = tuple(importer.read(row, tally))
                except RecordError as error:
                    broken = True
                    yield from self._broken(row, importer, error)
                    continue
                for record in records:
                    tally.count(record)
                    self.count += 1
                    yield from self._in_place(record, record.truth.diagnosis, row.where)
        except RecordError as error:
            broken = True
            yield _raised(str(source.path), error)
        if importer is not NATIVE:
            self.report = tally.report(str(source.format), importer.notes)
        if not self.count and not broken:
            dropped = ", ".join(f"{reason} ({n})" for reason, n in tally.rows_dropped.items())
            message = f"{source.path}: expected at least one record, got none; dropped: {dropped}"
            yield Problem(str(source.path), "", "unreadable", message)

    def whole(self) -> Iterator[Problem]:
        """What is wrong with the set."""
        for record, message in self._provenances.licence_problems():
            yield Problem(record, "provenance.licence", "licence", message, fatal=False)
        for record, message in self._provenances.source_problems():
            yield Problem(record, "provenance.source", "provenance", message, fatal=False)
        for record, other, share in self._duplicates.pairs():
            message = f"{float(share):.0%} of its statements are those of {other!r}"
            yield Problem(record, "", "duplicate", message, fatal=False)

    def _in_place(self, record: Record, diagnosis: Diagnosis, where: str) -> Iterator[Problem]:
        if (first := self._places.setdefault(record.id, where)) is not where:
            yield Problem(record.id, "id", "duplicate", f"{where}: the id is taken in {first}")
        yield from self._record(record, diagnosis)

    def _record(self, record: Record, diagnosis: Diagnosis) -> Iterator[Problem]:
        for field, found in identifiers_in_record(record):
            place = f"characters {found.start} to {found.end}"
            yield Problem(record.id, field, "identifier", f"what looks like the {found.kind} of a person ({place})")
        if record.language.partition("-")[0] == "en":
            truth = dataclasses.replace(record.truth, diagnosis=diagnosis)
            for field, hint in hints_in_texts(visible_texts(record), truth):
                message = f"what probably tells the diagnosis: {hint.text!r} ({hint.why})"
                yield Problem(record.id, field, "leak", message, fatal=False)
        for fact, other, numbers in repeated_facts(record):
            message = f"states what {other!r} states{', with other numbers' if numbers else ''}"
            yield Problem(record.id, f"facts[{fact}]", "duplicate", message, fatal=False)
        if self._others is not None:
            for shared in self._others.shared_with(record):
                yield Problem(record.id, "", "overlap", f"{self._name_of_others}: {shared}", fatal=False)
        self._provenances.add(record)
        self._duplicates.add(record)

    def _broken(self, row: Row, importer: Importer, error: RecordError) -> Iterator[Problem]:
        """What is wrong with a row that makes no record."""
        if importer is not NATIVE:
            yield _raised(row.where, type(error)(f"{row.where}: {error}"))
        elif isinstance(error, LeakError):
            yield from self._leaky(row)
        else:
            yield from _misfit(row)

    def _leaky(self, row: Row) -> Iterator[Problem]:
        """The leaks of a record that fits the schema, and what else is wrong with it."""
        truth = row.data["truth"]
        diagnosis = Diagnosis(**{**truth["diagnosis"], "synonyms": tuple(truth["diagnosis"].get("synonyms", ()))})
        record = build_record({**row.data, "truth": {**truth, "diagnosis": {"name": NO_DIAGNOSIS.name}}})
        for field, found in dict.fromkeys(leaks_in_texts(visible_texts(record), diagnosis)):
            message = f"{row.where}: a name of the diagnosis stands outside truth: {found!r}"
            yield Problem(record.id, field, "leak", message)
        yield from self._in_place(record, diagnosis, row.where)


def _misfit(row: Row) -> Iterator[Problem]:
    """What is wrong with plain data that does not fit the schema, or in which ids come twice."""
    data = row.data
    id = data["id"] if isinstance(data.get("id"), str) else row.where
    wrong = sorted(validator("medenv.records", "record").iter_errors(data), key=lambda error: error.json_path)
    for error in wrong:
        message = " ".join(error.message.split())[:300]
        yield Problem(id, error.json_path.removeprefix("$."), "schema", f"{row.where}: {message}")
    for key in () if wrong else ("facts", "exams"):
        ids = [item["id"] for item in data[key]]
        for repeated in sorted({i for i in ids if ids.count(i) > 1}):
            yield Problem(id, key, "schema", f"{row.where}: the id {repeated!r} comes twice")


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
