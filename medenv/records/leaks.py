"""Finds and removes the diagnosis in texts that other seats may see: the words of the firewall."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medenv.records.record import Diagnosis, Record

__all__ = ["WITHHELD", "find_leaks", "leaks_in_record", "redact", "visible_texts"]

WITHHELD = "[withheld]"
SHORT = 3
"""Names of at most this many characters are matched as whole words and by case: "MS" is no leak in "320 ms"."""


@lru_cache(maxsize=4096)
def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    alternatives = []
    for name in sorted(names, key=lambda n: (-len(n), n)):
        words = [re.escape(word) for word in re.split(r"[\s_\-\u2010-\u2015'\u2019]+", _fold(name)) if word]
        if not words:
            continue
        if len(name) <= SHORT:
            alternatives.append(rf"(?<!\w){re.escape(name)}(?!\w)")
        else:
            alternatives.append(r"(?i:" + r"[\s_\-\u2010-\u2015'\u2019]*".join(words) + ")")
    return re.compile("|".join(alternatives) or r"(?!)")


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def find_leaks(text: str, diagnosis: Diagnosis) -> list[str]:
    """The pieces of `text` that name the diagnosis, in order; hyphens, case and spacing do not hide one."""
    return _pattern(diagnosis.names).findall(_fold(text))


def redact(text: str, diagnosis: Diagnosis, replacement: str = WITHHELD) -> str:
    """`text` with every name of the diagnosis replaced; text without one comes back unchanged."""
    pattern = _pattern(diagnosis.names)
    folded = _fold(text)
    return pattern.sub(replacement, folded) if pattern.search(folded) else text


def visible_texts(record: Record) -> Iterator[tuple[str, str]]:
    """Every text of a record that a doctor, patient or examiner may come to see, with the field it stands in."""
    yield "id", record.id
    yield "chief_complaint", record.chief_complaint
    yield "demographics.occupation", record.demographics.occupation
    yield "demographics.background", record.demographics.background
    for tag in record.tags:
        yield "tags", tag
    for fact in record.facts:
        yield from _texts(f"facts[{fact.id}]", (fact.id, fact.statement, fact.lay, *fact.synonyms))
    for exam in record.exams:
        yield from _texts(f"exams[{exam.id}]", (exam.id, exam.name, exam.result, *exam.synonyms))


def _texts(field: str, texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        yield field, text


def leaks_in_record(record: Record) -> list[tuple[str, str]]:
    """The leaks of a record as (field, words found); empty for a clean one."""
    return [
        (field, found) for field, text in visible_texts(record) for found in find_leaks(text, record.truth.diagnosis)
    ]
