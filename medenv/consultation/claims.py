"""Claims: what a doctor says back to the patient, held against the facts that it speaks of."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from medenv.consultation.clauses import Clause
from medenv.consultation.lexicon import Lexicon
from medenv.consultation.words import wordset
from medenv.records.record import Fact

__all__ = ["contradicts", "parts"]

_AND = wordset("and but")
_STORY = "hpi."
"""In the story of the complaint a denying word mostly belongs to a detail, and polarity says little."""


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of `claims.json` in the forms in which words are compared."""

    denying: frozenset[str]
    either: tuple[tuple[frozenset[str], ...], ...]
    units: dict[str, int]
    numbers: dict[str, int]
    times: dict[str, tuple[int, str]]


@cache
def _words(lexicon: Lexicon) -> _Words:
    data = json.loads(resources.files("medenv.consultation").joinpath("claims.json").read_text("utf-8"))

    def form(word: str) -> str:
        return next(iter(lexicon.words.normal(word)), word)

    return _Words(
        frozenset(map(form, data["denying"])),
        tuple(tuple(frozenset(map(form, words.split())) for words in group) for group in data["either"]),
        {form(word): minutes for word, minutes in data["units"].items()},
        {form(word): number for word, number in data["numbers"].items()},
        {form(word): (number, form(unit)) for word, (number, unit) in data["times"].items()},
    )


def parts(clause: Clause) -> Iterator[Clause]:
    """What a statement says one after another: "it hurts, you smoke and you have no fever" says three things."""
    starts = [0, *(i for i, word in enumerate(clause.words) if i and (i in clause.pauses or word in _AND))]
    for start, stop in itertools.pairwise([*starts, len(clause.words)]):
        words = clause.words[start + (clause.words[start] in _AND) : stop]
        if words:
            yield Clause((), words, frozenset(), clause.text, False)


def contradicts(claim: Sequence[str], fact: Fact, story: Sequence[Fact], lexicon: Lexicon) -> bool:
    """Whether a claim gets a fact wrong.

    It does where it denies what is so or says what is not; where it names another side, manner or time of day; and
    where it gives a number of some unit that nothing in the record gives while the fact gives another.

    Args:
        claim: The words of the claim, in the form in which words are compared.
        fact: The fact that it speaks of.
        story: All facts of the record.
        lexicon: The lexicon.
    """
    known = _words(lexicon)
    denies = not known.denying.isdisjoint(claim)
    if not fact.topic.startswith(_STORY) and denies != (fact.polarity == "absent"):
        return True
    told = lexicon.words.plain(f"{fact.statement} {fact.lay}")
    for group in known.either:
        said, so = ({word for word in group if not word.isdisjoint(text)} for text in (claim, told))
        if said and so and said.isdisjoint(so):
            return True
    amounts = set(_amounts(claim, known))
    here = {unit for _, unit in _amounts(told, known)}
    wrong = {(number, unit) for number, unit in amounts if here & _like(unit, known)}
    for other in story:
        wrong -= set(_amounts(lexicon.words.plain(f"{other.statement} {other.lay}"), known))
    return bool(wrong)


def _amounts(words: Sequence[str], known: _Words) -> Iterator[tuple[int, str]]:
    """The numbers of a text with the units that follow them."""
    for i, word in enumerate(words):
        if word in known.times:
            yield known.times[word]
        number = int(word) if word.isascii() and word.isdigit() and len(word) < 6 else known.numbers.get(word)
        unit = next((after for after in words[i + 1 : i + 2] if after in known.units), None)
        if number is not None and unit is not None:
            yield number, unit


def _like(unit: str, known: _Words) -> set[str]:
    """The units that measure the same as one: all spans of time, else the unit itself."""
    if not known.units[unit]:
        return {unit}
    return {other for other, minutes in known.units.items() if minutes}
