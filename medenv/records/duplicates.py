"""Duplicates: what comes twice in one set of records, word for word or nearly so."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from medenv.records.similarity import HashSet, SetIndex, jaccard, normalised, statements

if TYPE_CHECKING:
    from medenv.records.record import Record

__all__ = ["NEAR_DUPLICATE", "Duplicates", "repeated_facts"]

NEAR_DUPLICATE = Fraction(9, 10)
"""From this share of common statements on, two records count as nearly the same (Jaccard index, 0 to 1)."""


class Duplicates:
    """Takes records one at a time and keeps no more of them than hashes of what they state."""

    def __init__(self) -> None:
        self._sets: list[HashSet] = []
        self._ids: list[str] = []

    def add(self, record: Record) -> None:
        """Takes in one record."""
        self._sets.append(statements(record))
        self._ids.append(record.id)

    def pairs(self) -> Iterator[tuple[str, str, Fraction]]:
        """Each record that another before it is like, with that one and the share of statements they have in common.

        Of several it is the first with all the same statements, or else the first that is nearly the same.
        """
        index = SetIndex(self._sets)
        first: dict[bytes, int] = {}
        for place, said in enumerate(self._sets):
            same = first.setdefault(said.tobytes(), place)
            if same < place:
                yield self._ids[place], self._ids[same], Fraction(1)
                continue
            for other, common in index.holding(said, NEAR_DUPLICATE, below=place):
                if (share := jaccard(common, said, self._sets[other])) >= NEAR_DUPLICATE:
                    yield self._ids[place], self._ids[other], share
                    break


def repeated_facts(record: Record) -> Iterator[tuple[str, str, bool]]:
    """Each fact of a record that states what one before it does, with that one, and whether only numbers differ."""
    first: dict[str, tuple[str, str]] = {}
    for fact in record.facts:
        exact = normalised(fact.statement)
        id, stated = first.setdefault(normalised(fact.statement, numbers=False), (fact.id, exact))
        if id != fact.id:
            yield fact.id, id, stated != exact
