"""Phrases: finds many word patterns in a list of words at once."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

__all__ = ["Match", "Phrases"]

MAX_GAP = 4
"""The most words that a `*` stands for."""

L = TypeVar("L", bound=Hashable)


class Match(NamedTuple, Generic[L]):
    """A pattern found: what it stands for and the positions of its words."""

    label: L
    at: tuple[int, ...]


class Phrases(Generic[L]):
    """A compiled set of patterns.

    A pattern is a list of elements; each is the set of words that may stand there, or `None` for up to `MAX_GAP` words
    of any kind. Patterns without a gap are walked as a trie; one with a gap is tried only where its rarest element
    stands.
    """

    def __init__(self, patterns: Iterable[tuple[Sequence[frozenset[str] | None], L]]) -> None:
        self._trie: dict[str, _Node[L]] = {}
        self._gapped: dict[str, list[tuple[tuple[frozenset[str] | None, ...], L]]] = {}
        gapped = []
        for elements, label in patterns:
            if None in elements:
                gapped.append((tuple(elements), label))
            else:
                self._plant([element for element in elements if element], label)
        commonness = Counter(word for elements, _ in gapped for element in elements if element for word in element)
        for entry in dict.fromkeys(gapped):
            key = min((e for e in entry[0] if e), key=lambda e: max(commonness[word] for word in e))
            for word in sorted(key):
                self._gapped.setdefault(word, []).append(entry)

    def _plant(self, elements: Sequence[frozenset[str]], label: L) -> None:
        for words in itertools.product(*(sorted(element) for element in elements)):
            level, node = self._trie, None
            for word in words:
                node = level.setdefault(word, _Node({}, []))
                level = node.next
            if node is not None and label not in node.labels:
                node.labels.append(label)

    def find(self, words: Sequence[str]) -> list[Match[L]]:
        """Every pattern that stands in the words, at every place; overlapping ones too."""
        found: list[Match[L]] = []
        present = frozenset(words)
        for start, word in enumerate(words):
            node = self._trie.get(word)
            end = start
            while node is not None:
                end += 1
                if node.labels:
                    at = tuple(range(start, end))
                    found += [Match(label, at) for label in node.labels]
                node = node.next.get(words[end]) if end < len(words) else None
        tried: set[int] = set()
        for word in dict.fromkeys(words):
            for entry in self._gapped.get(word, ()):
                elements, label = entry
                for element in elements:
                    if element is not None and element.isdisjoint(present):
                        break
                else:
                    if id(entry) not in tried:
                        tried.add(id(entry))
                        found += [Match(label, at) for at in _places(elements, words)]
        return found


@dataclass(slots=True)
class _Node(Generic[L]):
    next: dict[str, _Node[L]]
    labels: list[L]


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
