"""Examination and test results told in prose, as what a doctor orders by name and what comes back.

The rules are data, in `exam_prose.json`: which words name a system of the body, a sign or a test.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TypeAlias

from medenv.records.exam_names import exam_groups
from medenv.records.importers.clauses import sentences
from medenv.records.importers.exams import Result, panel_of
from medenv.records.importers.rules import Rules

__all__ = ["examination_orders", "is_finding", "is_history", "result_orders", "sentence_orders", "vital_orders"]

RULES = Rules("exam_prose.json")
Order: TypeAlias = tuple[str, list[Result]]
VITAL_SIGNS = "Vital signs"
GENERAL = "General examination"
OTHER = "Laboratory tests"
MOST_LINES = 400


def is_finding(sentence: str) -> bool:
    """Whether a sentence tells what was examined or measured, and no patient would say it."""
    return RULES.pattern("finding").search(sentence) is not None and not is_history(sentence)


def is_history(sentence: str) -> bool:
    """Whether a sentence is what the patient or a relative told."""
    return RULES.pattern("history").search(sentence) is not None


def examination_orders(lines: Iterable[str]) -> Iterator[Order]:
    """The lines of a physical examination, under the part of the body that each line or the one above it names."""
    heading = GENERAL
    for line in _bounded(lines):
        bare = RULES.pattern("bullet").sub("", line).strip()
        if not bare:
            continue
        if (name := _system(bare.rstrip(":"))) and len(bare.split()) <= 6:
            heading = name
            continue
        current = heading
        for sentence in sentences(bare):
            current, text = _examined(sentence, current)
            if text:
                yield current, [("", text)]


def _examined(sentence: str, current: str) -> tuple[str, str]:
    """The order that a sentence of an examination belongs to, and what it says without its label.

    A sign tells the order only where no label or heading does.
    """
    if label := _LABEL.match(sentence):
        rest = sentence[label.end() :].strip()
        if RULES.pattern("vital").search(label["label"]):
            return VITAL_SIGNS, sentence
        if current != GENERAL and RULES.pattern("plain_labels").fullmatch(label["label"]):
            return current, rest
        if name := _system(label["label"]):
            return name, rest
        if RULES.pattern("plain_labels").fullmatch(label["label"]):
            return _sign(rest) or current, rest
    named = current == GENERAL or _EXAMINATION_OF.match(sentence)
    return (_sign(sentence) or current) if named else current, sentence


def vital_orders(lines: Iterable[str]) -> Iterator[Order]:
    """The lines of a vital signs section."""
    results = [("", RULES.pattern("bullet").sub("", line).strip(" .")) for line in _bounded(lines)]
    if results := [result for result in results if result[1]]:
        yield VITAL_SIGNS, results


def result_orders(lines: Iterable[str]) -> Iterator[Order]:
    """The lines of a results section, each under the test that it or the one before it names."""
    current = OTHER
    for line in _bounded(lines):
        for part in re.split(r"\s+\|\s+", RULES.pattern("bullet").sub("", line).strip()):
            for sentence in _each_test(part):
                current, result = _tested(sentence, current)
                if result[1]:
                    yield current, [result]


def _each_test(text: str) -> Iterator[str]:
    """The sentences of a text, and of a sentence that lists values ("sodium 139, potassium 4.1") each value."""
    for sentence in sentences(text):
        parts = re.split(r",\s+(?:and )?", sentence)
        named = [_test_names().match(part) is not None for part in parts]
        yield from parts if sum(named) > 1 and all(named) else [sentence]


def sentence_orders(findings: Iterable[str]) -> Iterator[Order]:
    """Sentences of examination and tests as they stand in a vignette, mixed."""
    current = GENERAL
    for text in _bounded(findings):
        for part in re.split(r"\s*\|\s*", text):
            for sentence in sentences(part):
                if RULES.pattern("vital").search(sentence) and not _test(sentence):
                    yield VITAL_SIGNS, [("", sentence.strip())]
                elif _test(sentence) or (_is_test(current) and not _sign(sentence)):
                    current, result = _tested(sentence, current)
                    if result[1]:
                        yield current, [result]
                else:
                    current, text = _examined(sentence, GENERAL)
                    if text:
                        yield current, [("", text)]


def _bounded(lines: Iterable[str]) -> list[str]:
    return list(lines)[:MOST_LINES]


_EXAMINATION_OF = re.compile(r"(?:exam|examination|inspection|palpation) of ", re.I)
_LABEL = re.compile(r"(?P<label>[A-Z][A-Za-z /,&'()-]{1,60}?):\s*")


def _system(label: str) -> str | None:
    """The examination that a label names: "CV", "Auscultation of Lungs", "Examination of the right knee"."""
    for pattern, name in RULES.data["systems"]:
        if re.fullmatch(pattern, label.strip(" .:-"), re.I):
            return str(name)
    return None


def _sign(sentence: str) -> str | None:
    """The examination that a sign belongs to: "rales" to that of the chest."""
    found = [
        (m.start(), place) for place, (p, _) in enumerate(RULES.data["signs"]) if (m := re.search(p, sentence, re.I))
    ]
    return str(RULES.data["signs"][min(found)[1]][1]) if found else None


# Tests


def _tested(sentence: str, current: str) -> tuple[str, Result]:
    """The order that a sentence of results belongs to, and the result it gives."""
    sentence = sentence.strip()
    if (label := _LABEL.match(sentence)) and not _imaging(label["label"]):
        name, rest = label["label"].strip(), sentence[label.end() :].strip()
        if RULES.pattern("lab_label").fullmatch(name) and rest:
            return _tested(rest, OTHER)
        if RULES.pattern("vital").search(name):
            return VITAL_SIGNS, (name, rest)
        if panel := panel_of(name):
            return panel, (name, rest)
        if RULES.pattern("plain_labels").fullmatch(name) or (known := _test(name)) is None:
            return current, ("", sentence)
        return known, ("" if known.casefold() == name.casefold() else name, rest)
    if RULES.pattern("vital").match(sentence) and not _test(sentence):
        return VITAL_SIGNS, ("", sentence)
    return _test(sentence) or current, ("", sentence)


def _test(text: str) -> str | None:
    """The test that a text names first: an image with its place, or a name of the shared list of tests."""
    image = _imaging(text)
    names = _test_names().search(text)
    if image and (names is None or image[0] <= names.start()):
        return image[1]
    if names is None:
        some = RULES.pattern("some_test").search(text)
        return f"{some['name'][:1].upper()}{some['name'][1:]}" if some else None
    return panel_of(names.group()) or _first_of(names.group().casefold())


def _imaging(text: str) -> tuple[int, str] | None:
    """Where a text names an image, and the image by the name that the shared list has for it."""
    m = RULES.pattern("image").search(text)
    if m is None:
        return None
    groups = m.groupdict()
    kind = next(name for pattern, name in RULES.data["kinds_of_image"] if re.search(pattern, m.group(), re.I))
    place = (groups.get("of") or groups.get("at") or "").lower()
    for pattern, names in RULES.data["places"]:
        if re.search(pattern, place):
            return m.start(), str(names.get(kind) or f"{names['place']} {kind}")
    words = re.sub(r"\b(?:the|right|left|bilateral|both|upper|lower)\b", "", place).split()
    site = " ".join(words[-2:])
    return m.start(), f"{site.capitalize()} {kind}" if site else {"X-ray": "Radiographs"}.get(kind, kind)


@cache
def _test_names() -> re.Pattern[str]:
    """The names of all tests of the shared list that no plain word of an examination could be."""
    skipped = RULES.pattern("no_test")
    names = [name for group in exam_groups() for name in group if len(name) > 2 and not skipped.search(name)]
    names += list(RULES.data["more_tests"])
    ordered = sorted(map(re.escape, names), key=lambda n: (-len(n), n))
    return re.compile(rf"\b(?:{'|'.join(ordered)})(?!\w|-\w)", re.I)


@cache
def _first_of(name: str) -> str:
    """The name by which the shared list knows a test."""
    more = {test.casefold(): known for test, known in RULES.data["more_tests"].items()}
    if name in more:
        return str(more[name])
    return next((group[0] for group in exam_groups() if name in map(str.casefold, group)), name[:1].upper() + name[1:])


def _is_test(order: str) -> bool:
    return order != VITAL_SIGNS and not RULES.pattern("no_test").search(order)
