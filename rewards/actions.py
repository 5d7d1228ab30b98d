"""How many actions an item of a plan holds, by the treatments that it names: a list is no single action."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache, lru_cache
from typing import TypeAlias

from medenv.consultation.matching import words
from medenv.records.knowledge_base import load_knowledge
from medenv.records.record import Truth

__all__ = ["actions"]

_Name: TypeAlias = frozenset[str]

_TOGETHER = 2
"""How many treatments one action may name: a drug and what it is given with, a referral and what it is for."""
_OTHER_WORDS = 12
"""How many words that name no known treatment one action may hold."""


def actions(item: str, truth: Truth) -> int:
    """How many actions an item of a plan counts for, at least one; what the truth plans as one action is one.

    Known treatments are those of the knowledge base and of the truth. A name counts once, by its longest form, and
    what is no name counts by its words, so that a list of unknown names is a list too.
    """
    return _counted(item, _named_in(truth))


@lru_cache(maxsize=8192)
def _counted(item: str, own: frozenset[_Name]) -> int:
    left = set(words(item))
    if left in own:
        return 1
    named = 0
    for name in sorted({*_known(left), *own}, key=lambda name: (-len(name), sorted(name))):
        if name <= left:
            left -= name
            named += 1
    return max(1, math.ceil(named / _TOGETHER), math.ceil(len(left) / _OTHER_WORDS))


def _known(said: Collection[str]) -> Iterator[_Name]:
    """The names of the knowledge base all words of which are said."""
    for word in said:
        yield from (name for name in _treatments().get(word, ()) if name.issubset(said))


@lru_cache(maxsize=512)
def _named_in(truth: Truth) -> frozenset[_Name]:
    planned = _names(name for item in truth.plan for name in item.names)
    return planned | _names(name for harm in truth.contraindicated for name in harm.names)


@cache
def _treatments() -> Mapping[str, tuple[_Name, ...]]:
    """The names of the knowledge base, each under its first word in the alphabet."""
    treatments = load_knowledge().treatments.values()
    found: dict[str, list[_Name]] = {}
    for name in _names(name for treatment in treatments for name in (treatment.action, *treatment.synonyms)):
        found.setdefault(min(name), []).append(name)
    return {word: tuple(names) for word, names in found.items()}


def _names(names: Iterable[str]) -> frozenset[_Name]:
    return frozenset(filter(None, (frozenset(words(name)) for name in names)))
