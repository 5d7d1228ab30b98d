"""Phrases: finds many word patterns in a list of words at once."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeAlias, TypeVar

__all__ = ["Match", "Phrases"]

MAX_GAP = 4
"""The most words that a `*` stands for."""

L = TypeVar("L", bound=Hashable)


class Match(NamedTuple, Generic[L]):
    """A pattern found: what it stands for and the positions of its words."""

    label: L
    at: tuple[int, ...]


_Node: TypeAlias = "tuple[list[L], dict[str, _Node[L]]]"
"""What ends at a word, and what goes on after it."""
_Gapped: TypeAlias = tuple[tuple[frozenset[str] | None, ...], L, tuple[frozenset[str], ...]]
"""A pattern, what it stands for, and its elements but the rarest, which it is filed under; the rarest first."""


class Phrases(Generic[L]):
    """A compiled set of patterns.

    A pattern is a list of elements; each is the set of words that may stand there, or `None` for up to `MAX_GAP` words
    of any kind. Patterns without a gap are walked as a trie; one with a gap is tried only where its rarest element
    stands, and its others, from the rarest on, do too.
    """

    def __init__(self, patterns: Iterable[tuple[Sequence[frozenset[str] | None], L]]) -> None:
        self._trie: dict[str, _Node[L]] = {}
        self._gapped: dict[str, list[_Gapped[L]]] = {}
        gapped = []
        for elements, label in patterns:
            if None in elements:
                gapped.append((tuple(elements), label))
            else:
                self._plant([element for element in elements if element], label)
        commonness = Counter(word for elements, _ in gapped for element in elements if element for word in element)
        for elements, label in dict.fromkeys(gapped):
            named = sorted((e for e in elements if e), key=lambda e: max(commonness[word] for word in e))
            pattern = (elements, label, tuple(named[1:]))
            for word in sorted(named[0]):
                self._gapped.setdefault(word, []).append(pattern)

    def _plant(self, elements: Sequence[frozenset[str]], label: L) -> None:
        for words in itertools.product(*(sorted(element) for element in elements)):
            level: dict[str, _Node[L]] = self._trie
            node: _Node[L] | None = None
            for word in words:
                node = level.setdefault(word, ([], {}))
                level = node[1]
            if node is not None and label not in node[0]:
                node[0].append(label)

    def find(self, words: Sequence[str]) -> list[Match[L]]:
        """Every pattern that stands in the words, at every place; overlapping ones too."""
        found: list[Match[L]] = []
        trie, size = self._trie, len(words)
        for start, word in enumerate(words):
            node = trie.get(word)
            end = start
            while node is not None:
                labels, following = node
                end += 1
                if labels:
                    at = tuple(range(start, end))
                    for label in labels:
                        found.append(Match(label, at))
                if end == size:
                    break
                node = following.get(words[end])
        present = frozenset(words)
        if keys := self._gapped.keys() & present:
            tried: set[int] = set()
            for word in dict.fromkeys(words):
                for pattern in self._gapped[word] if word in keys else ():
                    elements, label, others = pattern
                    for other in others:
                        if other.isdisjoint(present):
                            break
                    else:
                        if id(pattern) not in tried:
                            tried.add(id(pattern))
                            found += [Match(label, at) for at in _places(elements, words)]
        return found


def _places(elements: tuple[frozenset[str] | None, ...], words: Sequence[str]) -> list[tuple[int, ...]]:
    """Where a pattern with gaps stands; each word begins at most one place, the nearest fit."""
    first = elements[0]
    found = []
    after = 0
    for start, word in enumerate(words):
        if start >= after and first is not None and word in first and (at := _fit(elements, words, start)):
            found.append(at)
            after = at[-1] + 1
    return found


def _fit(elements: tuple[frozenset[str] | None, ...], words: Sequence[str], start: int) -> tuple[int, ...] | None:
    at: list[int] = []
    position, reach = start, 0
    for element in elements:
        if element is None:
            reach = MAX_GAP
            continue
        limit = min(len(words), position + reach + 1)
        place = next((i for i in range(position, limit) if words[i] in element), None)
        if place is None:
            return None
        at.append(place)
        position, reach = place + 1, 0
    return tuple(at)
