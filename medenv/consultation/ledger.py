"""The ledger: per turn, what was asked for and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from medenv.consultation.questions import Sign

__all__ = ["Ledger", "LedgerEntry"]


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What one turn did to the facts; all ids are fact ids."""

    asked: tuple[str, ...] = ()
    """Facts that a question of this turn asked for and that the patient took up."""
    disclosed: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()
    """Asked for, but not told: the disclosure rule wants more rapport."""
    repeated: tuple[str, ...] = ()
    """Asked for although already told in an earlier turn."""
    contradicted: tuple[str, ...] = ()
    invented: tuple[str, ...] = ()
    """Claims of the patient that no fact backs, in the patient's words."""
    unanswered: int = 0
    """Questions that nothing in the record answers."""
    unheard: int = 0
    """Questions beyond the patient's patience."""
    jargon: int = 0
    """Questions in clinical words that the patient did not know."""
    fishing: int = 0
    """Questions for what a patient must not or cannot give."""
    signs: frozenset[Sign] = frozenset()


@dataclass(frozen=True)
class Ledger:
    """The entries of an episode, one a turn."""

    entries: tuple[LedgerEntry, ...] = field(default=())

    def __iter__(self) -> Iterator[LedgerEntry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    @cached_property
    def asked(self) -> frozenset[str]:
        """Every fact asked for so far."""
        return _union(entry.asked for entry in self.entries)

    @cached_property
    def disclosed(self) -> frozenset[str]:
        """Every fact told so far."""
        return _union(entry.disclosed for entry in self.entries)

    @cached_property
    def withheld(self) -> frozenset[str]:
        """Every fact asked for and still not told."""
        return _union(entry.withheld for entry in self.entries) - self.disclosed

    @cached_property
    def signs(self) -> frozenset[Sign]:
        """Every sign shown so far."""
        return frozenset().union(*(entry.signs for entry in self.entries))

    def totals(self) -> dict[str, int]:
        """Counts over the episode, by the name of the field."""
        return {
            "asked": len(self.asked),
            "disclosed": len(self.disclosed),
            "withheld": len(self.withheld),
            **{
                name: sum(len(getattr(entry, name)) for entry in self.entries)
                for name in ("repeated", "contradicted", "invented")
            },
            **{
                name: sum(getattr(entry, name) for entry in self.entries)
                for name in ("unanswered", "unheard", "jargon", "fishing")
            },
        }


def _union(sets: Iterable[Iterable[str]]) -> frozenset[str]:
    return frozenset(item for items in sets for item in items)
