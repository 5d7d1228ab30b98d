"""Which findings the words of a doctor cite: what was told and what a test showed, never the bare name of a test."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import TypeAlias

from medenv.consultation.matching import negates, telling_words, words
from medenv.records.record import Exam, Fact, Record
from medenv.schemas import validator

__all__ = ["CLAUSE", "cited"]

CLAUSE = re.compile(r"[;!?\n]|\.(?!\d)|,\s|\b(?:and|but|because|with(?= no\b)|together|plus)\b", re.IGNORECASE)
"""Between what a speaker says apart."""
_SENTENCE = re.compile(r"[;!?\n]|\.(?!\d)")
_PART = re.compile(r"[;:\n]|\.(?!\d)|,\s")
_RANGE = re.compile(
    r"(?P<value>\d[\d,.]*)[^()]*"
    r"\((?:reference |normal )?(?:(?P<side>below|under|above|over) (?P<bound>\d[\d,.]*)"
    r"|(?P<least>\d[\d,.]*) ?(?:to|-) ?(?P<most>\d[\d,.]*))"
)

_Names: TypeAlias = frozenset[frozenset[str]]


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    weak: frozenset[str]
    measuring: frozenset[str]
    high: frozenset[str]
    low: frozenset[str]


def cited(speech: str, record: Record, known: Collection[str], of: Collection[str] = ()) -> int:
    """How many findings a speech cites; a clause stands for one at most.

    A fact is cited by a clause that holds two of its telling words, one of which says more than when or how many, and
    denies where the fact denies; where several facts hold words of it, by those that hold most. An exam is cited by a
    clause that holds words of what it showed: two of one part of the result, or its name and one of them, or what was
    measured and whether that is high or low, where the result gives a range and the speech does not say both. The name
    of a test alone cites nothing.

    Args:
        speech: The doctor's words.
        record: The record that the consultation is about.
        known: Ids of the facts and exams that came to light; no other is cited.
        of: Ids of the findings that count; without it all do.
    """
    said = [
        (clause, named)
        for sentence in _SENTENCE.split(speech)
        for named in [_named(sentence, record.exams)]
        for clause in CLAUSE.split(sentence)
        if telling_words(clause)
    ]
    facts = [fact for fact in record.facts if fact.id in known]
    exams = [exam for exam in record.exams if exam.id in known]
    judged = {exam.id: _rightly_judged(said, exam) for exam in exams}
    found: set[str] = set()
    citing = 0
    for place, (clause, named) in enumerate(said):
        held = {fact.id: shared for fact in facts if (shared := _shared(clause, fact, named))}
        most = max(held.values(), default=0)
        now = {id for id, shared in held.items() if shared == most}
        now.update(exam.id for exam in exams if place in judged[exam.id] or _shows(clause, exam, named))
        new = {id for id in now - found if not of or id in of}
        citing += bool(new)
        found |= new
    return min(citing, len(found))


def _named(sentence: str, exams: Iterable[Exam]) -> _Names:
    """The names of tests that a sentence holds."""
    said = frozenset(words(sentence))
    return frozenset(name for exam in exams for name in _read(exam)[0] if name <= said)


def _shared(clause: str, fact: Fact, named: _Names) -> int:
    """How many telling words a clause has of a fact that it cites; 0 where it does not."""
    said = telling_words(clause)
    tests = _words_of(name for name in named if len(name) > 1)  # "temperature" may be told of as well as taken
    return max(_telling(said, tests, negates(clause), told) for told in _told(fact))


@dataclass(frozen=True, slots=True)
class _Told:
    """One text of a fact."""

    words: frozenset[str]
    denied: frozenset[str]
    """Those of its telling words that stand in a clause that denies."""
    stated: frozenset[str]


@lru_cache(maxsize=16384)
def _told(fact: Fact) -> tuple[_Told, ...]:
    found = []
    for text in (fact.statement, fact.lay):
        stated: set[str] = set()
        denied: set[str] = set()
        for part in CLAUSE.split(text):
            denies = negates(text if fact.polarity == "absent" else part)
            (denied if denies else stated).update(telling_words(part))
        found.append(_Told(telling_words(text), frozenset(denied), frozenset(stated)))
    return tuple(found)


def _telling(said: frozenset[str], tests: frozenset[str], denies: bool, told: _Told) -> int:
    shared = said & told.words
    if not shared & (told.denied if denies else told.stated):
        return 0
    strong = {word for word in shared - tests if word not in _vocabulary().weak and not word[0].isdigit()}
    return len(shared) if strong and len(shared) >= min(2, len(told.words)) else 0


@dataclass(frozen=True, slots=True)
class _Part:
    """One statement of a result."""

    told: frozenset[str]
    """Its telling words, without those of the exam's names and those of any result."""
    measured: frozenset[str]
    """Those of its words that stand before its number."""
    denies: bool
    judged: frozenset[str]
    """The words that rightly judge its number."""


def _shows(clause: str, exam: Exam, named: _Names) -> bool:
    """Whether a clause holds words of what an exam showed."""
    names, parts = _read(exam)
    said, denies, about = telling_words(clause) - _words_of(named), negates(clause), _names(clause, names)
    return any(denies == part.denies and _holds(said & part.told, part, about) for part in parts)


def _holds(shared: frozenset[str], part: _Part, about: bool) -> bool:
    if not part.told:  # "negative"
        return about and part.denies
    return len(shared) >= (1 if about else min(2, len(part.told)))


def _rightly_judged(said: Sequence[tuple[str, _Names]], exam: Exam) -> set[int]:
    """The places of the clauses that say high or low of what an exam measured, where all that do are right."""
    names, parts = _read(exam)
    found: set[int] = set()
    for part in (part for part in parts if part.judged):
        about = {
            place: judging
            for place, (clause, named) in enumerate(said)
            if (judging := (frozenset(words(clause)) - _words_of(named)) & (_vocabulary().high | _vocabulary().low))
            and (part.measured & telling_words(clause) if part.measured else _names(clause, names))
        }
        if all(judging <= part.judged for judging in about.values()):
            found.update(place for place in about if not negates(said[place][0]))
    return found


def _words_of(names: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*names)


def _names(clause: str, names: Iterable[frozenset[str]]) -> bool:
    return any(name.issubset(words(clause)) for name in names)


@lru_cache(maxsize=4096)
def _read(exam: Exam) -> tuple[tuple[frozenset[str], ...], tuple[_Part, ...]]:
    """The names of an exam, and what its result says."""
    names = tuple(filter(None, (frozenset(words(name)) for name in (exam.name, *exam.synonyms))))
    own = frozenset().union(*names) | _vocabulary().measuring
    parts = []
    for text in filter(str.strip, _PART.split(exam.result)):
        before = re.split(r"\d", text, maxsplit=1)[0] if re.search(r"\d", text) else ""
        parts.append(
            _Part(
                telling_words(text) - own - _vocabulary().weak,
                telling_words(before) - _vocabulary().measuring,
                negates(text),
                frozenset(_judged(text)),
            )
        )
    return names, tuple(parts)


def _judged(text: str) -> Iterator[str]:
    if (found := _RANGE.search(text)) is None:
        return
    value, bound, least, most = (
        float(found[name].replace(",", "").rstrip(".")) if found[name] else None
        for name in ("value", "bound", "least", "most")
    )
    assert value is not None
    if bound is not None:
        least, most = (None, bound) if found["side"] in ("below", "under") else (bound, None)
    vocabulary = _vocabulary()
    if most is not None and value > most:
        yield from vocabulary.high
    elif least is not None and value < least:
        yield from vocabulary.low


@cache
def _vocabulary() -> _Vocabulary:
    data = json.loads(resources.files("medenv.rewards").joinpath("citing.json").read_text("utf-8"))
    validator("medenv.rewards", "citing").validate(data)
    return _Vocabulary(**{name: frozenset(listed) for name, listed in data.items()})
