"""What an import kept, changed and dropped: nothing is lost without being counted."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medenv.records.record import Record

__all__ = ["ImportReport", "Tally"]


def _nothing() -> Mapping[str, int]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The account of one import."""

    format: str
    records: int = 0
    rows_dropped: Mapping[str, int] = field(default_factory=_nothing)
    """Why a row of the source is none of the records wanted, to how often."""
    facts_kept: int = 0
    facts_dropped: Mapping[str, int] = field(default_factory=_nothing)
    """Reason to count."""
    facts_merged: int = 0
    """Statements that repeated another of the same record."""
    exams_kept: int = 0
    unmapped_keys: Mapping[str, int] = field(default_factory=_nothing)
    """Keys of the source that no rule knows, to how often they came; what stood under them was kept under a default."""
    leaks: Mapping[str, int] = field(default_factory=_nothing)
    """What was done about texts that named the diagnosis, to how often."""
    identifiers: Mapping[str, int] = field(default_factory=_nothing)
    """Kinds of identifiers removed, to how often."""
    caregivers: int = 0
    """Records in which a caregiver speaks for the patient."""
    ages_capped: int = 0
    """Ages over 89, set to 89 as HIPAA Safe Harbor asks."""
    notes: tuple[str, ...] = ()
    """What holds for every record of this format."""

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data, counts with the highest first."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {
            name: dict(sorted(value.items(), key=lambda item: (-item[1], item[0])))
            if isinstance(value, Mapping)
            else list(value)
            if isinstance(value, tuple)
            else value
            for name, value in values.items()
        }


class Tally:
    """Counts while an import runs; `report` freezes it."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.rows_dropped: Counter[str] = Counter()
        self.facts_dropped: Counter[str] = Counter()
        self.unmapped_keys: Counter[str] = Counter()
        self.leaks: Counter[str] = Counter()
        self.identifiers: Counter[str] = Counter()

    def drop_row(self, reason: str) -> tuple[Record, ...]:
        """Counts a row that is none of the records wanted, and gives what becomes of it: no record."""
        self.rows_dropped[reason] += 1
        return ()

    def count(self, record: Record) -> None:
        """Counts what a record holds."""
        self.counts.update(
            records=1,
            facts_kept=len(record.facts),
            exams_kept=len(record.exams),
            caregivers=int(record.speaker == "caregiver"),
        )

    def report(self, format: str, notes: tuple[str, ...] = ()) -> ImportReport:
        """The counts so far.

        Args:
            format: The id of the importer.
            notes: What holds for every record of the format.
        """
        return ImportReport(
            format=format,
            notes=notes,
            rows_dropped=MappingProxyType(dict(self.rows_dropped)),
            facts_dropped=MappingProxyType(dict(self.facts_dropped)),
            unmapped_keys=MappingProxyType(dict(self.unmapped_keys)),
            leaks=MappingProxyType(dict(self.leaks)),
            identifiers=MappingProxyType(dict(self.identifiers)),
            **{name: self.counts[name] for name in _COUNTED},
        )


_COUNTED = ("records", "facts_kept", "facts_merged", "exams_kept", "caregivers", "ages_capped")
