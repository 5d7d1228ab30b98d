"""Provenance: what a set of records does not say about where it comes from, and under which licences it may be used.

The licences are data: `licences.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medenv.records.record import Record

__all__ = ["Provenances", "conditions"]


class Provenances:
    """Takes records one at a time and keeps one of each provenance, with how many have it."""

    def __init__(self) -> None:
        self._licences: dict[str, _Seen] = {}
        self._sources: dict[tuple[str, bool], _Seen] = {}

    def add(self, record: Record) -> None:
        """Takes in one record."""
        origin = record.provenance
        self._licences.setdefault(origin.licence, _Seen(record.id)).count += 1
        self._sources.setdefault((origin.source, origin.synthetic), _Seen(record.id)).count += 1

    def licence_problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the licences, each with the first record it is wrong with."""
        asked: dict[str, frozenset[str]] = {}
        for licence, seen in self._licences.items():
            if _says_nothing(licence):
                yield seen.first, f"expected a licence, got {licence!r}{seen.more}"
            elif (found := conditions(licence)) is None:
                yield seen.first, f"expected a licence by its SPDX id, such as 'CC-BY-4.0', got {licence!r}{seen.more}"
            elif found:
                asked[licence] = found
        if len(self._licences) > 1:
            for licence, found in asked.items():
                others = ", ".join(repr(other) for other in list(self._licences) if other != licence)
                yield (
                    self._licences[licence].first,
                    f"expected one set of conditions in a set, got {licence!r} ({', '.join(sorted(found))}) beside "
                    f"{others}{self._licences[licence].more}",
                )

    def source_problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the sources, each with the first record it is wrong with."""
        for (source, synthetic), seen in self._sources.items():
            if _says_nothing(source):
                whose = "a source" if synthetic else "the source of records that are said not to be synthetic"
                yield seen.first, f"expected {whose}, got {source!r}{seen.more}"


@dataclass(slots=True)
class _Seen:
    first: str
    count: int = 0

    @property
    def more(self) -> str:
        return f" ({self.count} records)" if self.count > 1 else ""


def conditions(licence: str) -> frozenset[str] | None:
    """What a licence asks for beyond credit, such as "share-alike"; none where the licence is not known.

    Args:
        licence: An SPDX id, an expression of such ids with AND and OR, or a "LicenseRef-" of one's own, of which no
            conditions are known.
    """
    choices = []
    for choice in re.split(r"\s+OR\s+", licence.strip(" ()")):
        asked: set[str] = set()
        for part in re.split(r"\s+AND\s+", choice.strip(" ()")):
            name = re.sub(r"\s+WITH\s.*", "", part).strip(" ()").casefold()
            if name not in _known() and not name.startswith("licenseref-"):
                return None
            asked |= _known().get(name, frozenset())
        choices.append(frozenset(asked))
    return min(choices, key=len)


def _says_nothing(text: str) -> bool:
    return text.strip().casefold() in _data()["none"]


@cache
def _data() -> Mapping[str, Any]:
    loaded: dict[str, Any] = json.loads(resources.files("medenv.records").joinpath("licences.json").read_text("utf-8"))
    return loaded


@cache
def _known() -> Mapping[str, frozenset[str]]:
    data = _data()
    names = {name for group in (data["free"], *data["conditions"].values()) for name in group}
    return {
        name.casefold(): frozenset(condition for condition, group in data["conditions"].items() if name in group)
        for name in names
    }
