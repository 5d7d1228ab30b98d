"""Importers: each turns the rows of one format into records, and says what it kept, changed and dropped.

Example:
    >>> medenv.records.importers.register("clinic-notes", "my_package.notes:IMPORTER")
    >>> medenv.load_records("notes.jsonl", format="clinic-notes")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from medenv.records.importers.report import ImportReport
from medenv.records.record import Record
from medenv.registry import Registry

__all__ = ["ImportReport", "Importer", "Row", "importers", "register"]


@dataclass(frozen=True, slots=True)
class Row:
    """One JSON object of a source."""

    data: Mapping[str, Any]
    where: str
    """The file and line it stands in, for error messages."""


Read: TypeAlias = Callable[[Sequence[Row]], tuple[Sequence[Record], ImportReport | None]]


@dataclass(frozen=True, slots=True)
class Importer:
    """One format of source files."""

    recognises: Callable[[Mapping[str, Any]], bool]
    """Whether a row looks like one of this format."""
    read: Read
    """Turns the rows of a source into records, one for each row, and an account of it.

    It raises `RecordError`, naming the row's `where`, for a row that cannot be made into a record.
    """


importers: Registry[Importer] = Registry("record format")
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
