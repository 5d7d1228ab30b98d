"""Hints: what probably tells the diagnosis in a text that other seats may see, though it does not name it.

The words are data: `hints.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from itertools import product
from typing import Any

from medenv.records.exam_names import exam_groups
from medenv.records.importers.diagnosis_names import diagnosis_from
from medenv.records.leaks import find_leaks, leaks_in_texts, plain
from medenv.records.record import Diagnosis, Truth

__all__ = ["Hint", "find_hints", "hints_in_texts"]

LIKELY = 0.5
"""Above this probability a hypothesis of the differential counts as told by its name."""
BETWEEN = 3
"""How many other words may stand among the words of a name."""


@dataclass(frozen=True, slots=True)
class Hint:
    """Words that probably tell the diagnosis."""

    text: str
    why: str
    """How they tell it, in words."""


def find_hints(text: str, truth: Truth) -> list[Hint]:
    """What in `text` probably tells the diagnosis; a text that names it outright is a leak and holds no hints."""
    return [hint for _, hint in hints_in_texts([("", text)], truth)]


def hints_in_texts(texts: Iterable[tuple[str, str]], truth: Truth) -> list[tuple[str, Hint]]:
    """The hints in texts given as (field, text), as (field, hint).

    They are abbreviations made of the initials of a name, the words of a name in other forms or another order, names
    that the importers' table holds beside it, short names in an id, the category of the ICD-10 code, and the names of a
    hypothesis with a probability above 0.5. Texts are taken for English.
    """
    texts = list(texts)
    if leaks_in_texts(texts, truth.diagnosis):
        texts = [(field, text) for field, text in texts if not find_leaks(text, truth.diagnosis)]
    told = _told(truth.diagnosis, tuple(h.names for h in truth.differential if h.probability > LIKELY))
    found: list[tuple[str, Hint]] = []
    if leaks_in_texts(texts, told.any_name):
        for names, why in told.by_name:
            found += [(field, Hint(words, why)) for field, words in leaks_in_texts(texts, names)]
    whole = "\n".join([plain(text) for _, text in texts])
    for name, words in told.by_words:
        if all(word.search(whole) for word in words):
            for field, text in texts:
                found += [(field, Hint(piece, f"the words of {name!r}")) for piece in _together(text, words)]
    for field, text in texts:
        if told.short and _ID.fullmatch(text):
            found += [(field, Hint(text, f"{part!r} in it")) for part in _ID_PARTS.split(text) if part in told.short]
    kept: dict[str, list[tuple[str, Hint]]] = {}
    for field, hint in found:
        others = kept.setdefault(field, [])
        if not any(hint.text.casefold() in other.text.casefold() for _, other in others):
            others.append((field, hint))
    return [item for others in kept.values() for item in others]


@dataclass(frozen=True, slots=True)
class _Told:
    """By what a diagnosis is told."""

    any_name: Diagnosis
    by_name: tuple[tuple[Diagnosis, str], ...]
    by_words: tuple[tuple[str, tuple[re.Pattern[str], ...]], ...]
    short: frozenset[str]


_ID = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_ID_PARTS = re.compile(r"[._-]")
_WORD = re.compile(r"[^\W_]+")
_SENTENCE_END = re.compile(r"[.;:!?]\s+|\n")


@lru_cache(maxsize=1024)
def _told(diagnosis: Diagnosis, likely: tuple[tuple[str, ...], ...]) -> _Told:
    known = {name.casefold() for name in diagnosis.names}
    by_name: list[tuple[Diagnosis, str]] = []

    def add(names: Iterable[str], why: str) -> None:
        if new := [name for name in dict.fromkeys(names) if name.casefold() not in known]:
            known.update(name.casefold() for name in new)
            by_name.append((Diagnosis(new[0], tuple(new[1:])), why))

    add(diagnosis_from(diagnosis.name).names, f"another name of {diagnosis.name!r}")
    for name in diagnosis.names:
        add(_abbreviations(name), f"the initials of {name!r}")
    for names in likely:
        add(names, f"the likely hypothesis {names[0]!r}")
    if diagnosis.icd10:
        category = diagnosis.icd10.partition(".")[0]
        add((category, diagnosis.icd10.replace(".", "")), f"the ICD-10 code {diagnosis.icd10}")
    words = ((name, _forms(name)) for name in diagnosis.names)
    return _Told(
        any_name=Diagnosis("", tuple(name for names, _ in by_name for name in names.names)),
        by_name=tuple(by_name),
        by_words=tuple((name, forms) for name, forms in words if forms),
        short=frozenset(name.lower() for name in diagnosis.names if len(name) <= 3),
    )


# Abbreviations


def _abbreviations(name: str) -> Iterator[str]:
    """What the initials of a name make, with and without its small words, in American and British spelling."""
    words = [word for word in re.findall(r"[^\W_]+", name) if word.lower() != "s"]
    large = [word for word in words if word.lower() not in _SMALL]
    for chosen in (words, large):
        if 2 <= len(chosen) <= 8 and all(len(word) > 2 or not word.islower() for word in large):
            for letters in product(*map(_initials, chosen)):
                made = "".join(letters)
                if made not in _other_abbreviations():
                    yield made


def _initials(word: str) -> tuple[str, ...]:
    if word.isdigit() or (word.isupper() and len(word) <= 4):
        return (word,)
    if m := re.match("([ao])e", word, re.I):
        return (m[1].upper(), "E")
    return (word[0].upper(),)


_SMALL = frozenset(("a", "an", "and", "at", "by", "due", "for", "from", "in", "of", "on", "or", "the", "to", "with"))


@cache
def _data() -> Mapping[str, Any]:
    loaded: dict[str, Any] = json.loads(resources.files("medenv.records").joinpath("hints.json").read_text("utf-8"))
    return loaded


@cache
def _other_abbreviations() -> frozenset[str]:
    """Abbreviations that stand for something else: those of the data, and those of examinations."""
    exams = (name for group in exam_groups() for name in group if name.isupper())
    return frozenset((*_data()["other_abbreviations"], *exams))


# Words in other forms and another order


def _forms(name: str) -> tuple[re.Pattern[str], ...]:
    """The words that make a name out, each in all its forms; nothing for a name that single words do not make out."""
    data = _data()
    words = [word for word in _WORD.findall(plain(name)) if word not in data["modifiers"] and len(word) > 2]
    disease = [_varied(word, data["disease_endings"]) for word in words]
    event = [_varied(word, data["event_endings"]) for word in words]
    if not any(disease) and not (len(words) > 1 and any(event)):
        return ()
    patterns = []
    for word, *varied in zip(words, disease, event, strict=True):
        forms = sorted({re.escape(word) + "(?:e?s)?", *varied[0], *varied[1]})
        first = re.escape(word[0])
        patterns.append(re.compile(f"{first}(?<![^\\W_]{first})(?:{'|'.join(form[1:] for form in forms)})(?![^\\W_])"))
    return tuple(patterns)


def _varied(word: str, endings: Iterable[Iterable[str]]) -> list[str]:
    for first, *others in endings:
        if word.endswith(first) and len(word) >= len(first) + 2:
            return [re.escape(word.removesuffix(first) + other) for other in others]
    return []


def _together(text: str, words: tuple[re.Pattern[str], ...]) -> Iterator[str]:
    """The first piece of each sentence in which all words stand close together, in any order."""
    for sentence in _SENTENCE_END.split(text):
        spans = [match.span() for match in _WORD.finditer(sentence)]
        last: dict[int, int] = {}
        for place, (start, end) in enumerate(spans):
            said = plain(sentence[start:end])
            last.update((number, place) for number, word in enumerate(words) if word.fullmatch(said))
            if len(last) == len(words) and place - min(last.values()) < len(words) + BETWEEN:
                yield sentence[spans[min(last.values())][0] : end]
                break
