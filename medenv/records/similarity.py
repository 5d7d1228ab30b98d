"""Similarity: records as sets of what they say, and an index that finds the sets with much in common.

A set is the sorted 64-bit hashes of its elements, so that a hundred thousand records take some tens of megabytes; two
different elements share a hash about once in 10**19 pairs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from medenv.records.record import Record

__all__ = ["RUN", "HashSet", "SetIndex", "jaccard", "normalised", "statements", "word_runs"]

HashSet: TypeAlias = "npt.NDArray[np.uint64]"

RUN = 13
"""How many words in a row count as copied text, as in contamination checks of language models since GPT-3."""
REQUIRED = 3
"""How many of its rarest elements a set has to share to be looked at closely; a larger number looks at fewer sets."""
FIRST_LOOK = 4096
_WORDS = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def normalised(text: str, *, numbers: bool = True) -> str:
    """The words of a text in one case, without punctuation.

    Args:
        text: The text.
        numbers: Whether numbers stay; without them each becomes a 0.
    """
    text = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(_WORDS.findall(text if numbers else _NUMBER.sub("0", text)))


def statements(record: Record) -> HashSet:
    """What a record states: its complaint, its facts but for their numbers, its exams, and who the patient is."""
    age = record.demographics.age
    return _set(
        (
            _hash(f"{record.demographics.sex} {age.value:g} {age.unit}"),
            _hash(normalised(record.chief_complaint, numbers=False)),
            *(_hash(f"{fact.topic} {normalised(fact.statement, numbers=False)}") for fact in record.facts),
            *(_hash(f"{normalised(exam.name)}: {normalised(exam.result)}") for exam in record.exams),
        )
    )


def word_runs(record: Record) -> HashSet:
    """Every run of 13 words in what a record states, in what its speaker says, and in what its exams give."""
    streams = (
        " ".join([fact.statement for fact in record.facts]),
        " ".join([record.chief_complaint, *(fact.lay for fact in record.facts)]),
        " ".join([f"{exam.name} {exam.result}" for exam in record.exams]),
    )
    return np.unique(np.concatenate([_runs(normalised(stream).split()) for stream in streams]))


def jaccard(common: int, one: HashSet, other: HashSet) -> Fraction:
    """The share of two sets' elements that are in both, 0 to 1.

    Args:
        common: How many elements are in both.
        one: A set.
        other: Another.
    """
    return Fraction(common, max(len(one) + len(other) - common, 1))


class SetIndex:
    """Finds, among many sets, those that hold at least some share of another set's elements; exact.

    A set that holds a share t of the n elements of another holds at least k of any n - ceil(t * n) + k of them. So only
    the sets that hold a few of the rarest ones are looked at (the prefix filter of set similarity joins: Chaudhuri,
    Ganti and Kaushik 2006; with k above 1, Wang, Li and Feng 2012).

    Args:
        sets: The sets to search among.
    """

    def __init__(self, sets: Sequence[HashSet]) -> None:
        self.sets = sets
        elements = np.concatenate([np.empty(0, np.uint64), *sets])
        owners = np.repeat(np.arange(len(sets), dtype=np.int32), [len(one) for one in sets])
        order = np.argsort(elements, kind="stable")
        elements, self._owners = elements[order], owners[order]
        del order, owners
        first = np.flatnonzero(np.append(True, elements[1:] != elements[:-1])[: len(elements)])
        self._elements = elements[first]
        self._starts = np.append(first, len(elements))

    def holding(self, wanted: HashSet, share: Fraction, below: int | None = None) -> Iterator[tuple[int, int]]:
        """The sets that hold at least `share` of `wanted`, in order, each with how many elements it holds.

        Args:
            wanted: The set to look for; an empty one is held by none.
            share: Above 0, at most 1.
            below: Only sets before this position are looked at.
        """
        least = -(-len(wanted) * share.numerator // share.denominator)
        if not least:
            return
        required = min(REQUIRED, least)
        owners = self._rarest(wanted, len(wanted) - least + required)
        begin, end = 0, FIRST_LOOK
        stop = len(self.sets) if below is None else below
        while begin < stop:  # the first sets first: who wants only one match needs no look at the others
            parts = [part[slice(*np.searchsorted(part, (begin, min(end, stop))))] for part in owners]
            found, times = np.unique(np.concatenate([np.empty(0, np.int32), *parts]), return_counts=True)
            for place in found[times >= required].tolist():
                common = _common(wanted, self.sets[place])
                if common >= least:
                    yield place, common
            begin, end = end, end * 4

    def _rarest(self, wanted: HashSet, count: int) -> list[npt.NDArray[np.int32]]:
        """The owners of each of the rarest elements of a set."""
        if not len(self._elements):
            return []
        at = np.minimum(np.searchsorted(self._elements, wanted), len(self._elements) - 1)
        known = self._elements[at] == wanted
        lengths = np.where(known, self._starts[at + 1] - self._starts[at], 0)
        chosen = np.argsort(lengths, kind="stable")[:count]
        return [self._owners[self._starts[i] : self._starts[i + 1]] for i in at[chosen][known[chosen]].tolist()]


def _common(one: HashSet, other: HashSet) -> int:
    if not len(other):
        return 0
    at = np.minimum(np.searchsorted(other, one), len(other) - 1)
    return int(np.count_nonzero(other[at] == one))


def _set(hashes: Iterable[int]) -> HashSet:
    return np.unique(np.fromiter(hashes, np.uint64))


@lru_cache(maxsize=16384)  # record sets made from one knowledge base say the same things in thousands of records
def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def _runs(words: Sequence[str]) -> HashSet:
    """A hash for each run: those of its words as the digits of a number, modulo 2**64."""
    if len(words) < RUN:
        return np.empty(0, np.uint64)
    hashes = np.fromiter(map(_hash, words), np.uint64)
    runs = np.zeros(len(words) - RUN + 1, np.uint64)
    for place in range(RUN):
        runs = runs * _BASE + hashes[place : place + len(runs)]
    return runs


_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no digit is lost; 2**64 divided by the golden ratio
