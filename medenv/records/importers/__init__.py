"""Importers: each turns the rows of one format into records, and says what it kept, changed and dropped.

A format of one's own is registered by a call, or by a package under the entry point group `medenv.record_formats`.

Example:
    >>> medenv.records.importers.register("clinic-notes", "my_package.notes:IMPORTER")
    >>> medenv.load_records("notes.jsonl", format="clinic-notes")
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from medenv.records.importers.report import ImportReport, Tally
from medenv.records.record import Record
from medenv.records.rows import Row
from medenv.registry import Registry

__all__ = ["ImportReport", "Importer", "Row", "Tally", "importers", "register"]

Read: TypeAlias = Callable[[Row, Tally], Iterable[Record]]


@dataclass(frozen=True, slots=True)
class Importer:
    """One format of source files."""

    recognises: Callable[[Mapping[str, Any]], bool]
    """Whether a row looks like one of this format."""
    read: Read
    """Turns a row into its records, and counts what it changed and dropped.

    A row that is none of the records wanted (a question that asks for no diagnosis, say) gives nothing and is counted
    by `Tally.drop_row`. A row that should be a record and cannot be made into one raises `RecordError`, whose message
    begins with the field; the file and line are put before it.
    """
    notes: tuple[str, ...] = ()
    """What holds for every record of the format, for the report."""
    suffixes: tuple[str, ...] = (".json", ".jsonl")
    """Which files of a folder hold rows of this format, where the format is named."""
    companions: frozenset[str] = frozenset()
    """Names of files beside the rows that the importer reads itself."""


importers: Registry[Importer] = Registry("record format", group="medenv.record_formats")
"""The formats `load_records` knows; it tries them in the order of registration."""


def register(id: str, importer: Importer | str, *, replace: bool = False) -> None:
    """Adds a format.

    Args:
        id: What `load_records(..., format=...)` calls it.
        importer: The importer, or an import string such as `package.module:NAME` loaded when it is used.
        replace: Whether it may take the place of a registered one.

    Raises:
        ValueError: The id is taken and `replace` is false.
    """
    importers.register(id, importer, replace=replace)


register("medenv.record/1", "medenv.records.loading:NATIVE")
register("agentclinic", "medenv.records.importers.agentclinic:AGENTCLINIC")
register("ddxplus", "medenv.records.importers.ddxplus:DDXPLUS")
register("fhir", "medenv.records.importers.fhir:FHIR")
register("ai-hospital", "medenv.records.importers.ai_hospital:AI_HOSPITAL")
register("mediq", "medenv.records.importers.mediq:MEDIQ")
register("avey", "medenv.records.importers.avey:AVEY")
register("clinical-notes", "medenv.records.importers.clinical_notes:CLINICAL_NOTES")
