"""Identifiers: what in a text may identify a person.

The kinds are the 18 of HIPAA Safe Harbor (45 CFR 164.514(b)(2)), as far as their form, a label or the words around
them give them away. A rule runs only on texts that hold one of its cues, so that a text without any costs little.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TypeAlias

from medenv.records import identifier_dates, identifier_names, identifier_numbers, identifier_places
from medenv.records.identifier_rules import UPPER, Rule, vocabulary

__all__ = ["OLDEST", "Identifier", "find_identifiers"]

OLDEST = 89
"""Safe Harbor lets ages up to this one stand, in years."""
PART = 200
"""At least how many characters of a long text are looked at together."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """Something in a text that may identify a person."""

    kind: str
    """In words, such as "telephone number"."""
    text: str
    start: int
    end: int


def find_identifiers(text: str) -> list[Identifier]:
    """What may identify a person in a text, in order, without overlaps."""
    return list(_identifiers(text))


_LEAST = ("telephone number", "identifying number")
"""Kinds that a label says more than, where both see the same."""


@lru_cache(maxsize=65536)  # record sets made from one knowledge base say the same things in thousands of records
def _identifiers(text: str) -> tuple[Identifier, ...]:
    kept: list[tuple[str, int, int]] = []
    for kind, start, end in sorted(_found(text), key=lambda item: (item[1], -item[2], item[0] in _LEAST)):
        if kept and start < kept[-1][2]:
            first, begin, last = kept.pop()
            kept.append((first, begin, max(last, end)))
        else:
            kept.append((kind, start, end))
    return tuple(Identifier(kind, text[start:end], start, end) for kind, start, end in kept)


def _found(text: str) -> Iterator[tuple[str, int, int]]:
    for start, end in _parts(text):
        for kind, first, last in _found_in(text[start:end]):
            yield kind, start + first, start + last


_SENTENCE = re.compile(r"(?<=[^\W_]{5}[.!?])\s+(?=[A-Z])")  # "Prof. Smith" is one sentence


def _parts(text: str) -> Iterator[tuple[int, int]]:
    """A long text a few sentences at a time, so that a cue calls for its rules only where it stands."""
    start = 0
    if len(text) > 2 * PART:
        for match in _SENTENCE.finditer(text):
            if match.end() - start >= PART:
                yield start, match.end()
                start = match.end()
    yield start, len(text)


_WORD = re.compile(r"[A-Z]*[^\W\d_A-Z]+|[A-Z]+")
_DIGIT = re.compile(r"\d")
_CAPITAL_WITHIN = re.compile(rf"(?<=.)[{UPPER}]", re.DOTALL)


def _found_in(text: str) -> Iterator[tuple[str, int, int]]:
    words = set(_WORD.findall(text))
    index = _index()
    digits, capital = len(_DIGIT.findall(text)), _CAPITAL_WITHIN.search(text) is not None
    for rule in index.chosen({word.lower() for word in words}, digits, capital):
        if rule.mark and rule.mark not in text:
            continue
        for span in rule.spans(text):
            yield rule.kind, *span
    if not index.names.isdisjoint(words):
        for start, end in identifier_names.listed_names(text):
            yield "name", start, end


_Table: TypeAlias = "tuple[list[Rule], dict[str, list[Rule]]]"


class _Index:
    """The rules by what calls for them: how many digits, a capital, a cue."""

    def __init__(self) -> None:
        modules = (identifier_numbers, identifier_dates, identifier_places, identifier_names)
        rules = [rule for module in modules for rule in module.rules()]
        self.most = max(rule.digits for rule in rules)
        self.tables = {
            (digits, capital): _table(r for r in rules if r.digits <= digits and r.capital <= capital)
            for digits in range(self.most + 1)
            for capital in (False, True)
        }
        names = (*vocabulary()["given_names"], *vocabulary()["surnames"])
        self.names = {_WORD.findall(name)[0] for name in names}
        """The words of which a text with a listed name holds one."""

    def chosen(self, words: set[str], digits: int, capital: bool) -> Iterable[Rule]:
        """The rules for a text with these words in lower case, each once."""
        always, called = self.tables[min(digits, self.most), capital]
        chosen = dict.fromkeys(always)
        for cue in words & called.keys():
            chosen.update(dict.fromkeys(called[cue]))
        return chosen


def _table(rules: Iterable[Rule]) -> _Table:
    """The rules that need no cue, and the others under each of theirs."""
    always: list[Rule] = []
    called: dict[str, list[Rule]] = defaultdict(list)
    for rule in rules:
        for cue in rule.cues:
            called[cue].append(rule)
        if not rule.cues:
            always.append(rule)
    return always, called


@cache
def _index() -> _Index:
    return _Index()
