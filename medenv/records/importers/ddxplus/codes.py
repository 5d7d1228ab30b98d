"""The code book of DDXPlus: what the codes of its patients mean, from the two JSON files beside them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from medenv.errors import RecordError
from medenv.records.importers.ddxplus.wording import RULES, repaired
from medenv.records.importers.diagnosis_names import diagnosis_from
from medenv.records.record import Diagnosis, Urgency

__all__ = ["CONDITIONS", "EVIDENCES", "CodeBook", "Condition", "Evidence", "code_book"]

EVIDENCES, CONDITIONS = "release_evidences.json", "release_conditions.json"
LARGEST_FILE = 16 * 2**20
"""In bytes; the published files are smaller than 0.3 MB."""
LONGEST_QUESTION = 400
KINDS = ("vague", "where", "red_flags", "private", "trusted", "women_only", "adults_only")
_ICD10 = re.compile(r"[A-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?")


@dataclass(frozen=True, eq=False)
class Evidence:
    """One question that patients of the data set were asked."""

    code: str
    id: str
    """What the fact is called in a record; says nothing of what it is about."""
    question: str
    antecedent: bool
    parent: str
    """The code of the question that this one follows up; its own where it follows up none."""
    values: Mapping[str, str]
    """Codes of answers to words; empty where the answer is yes, no or a number."""
    most: int
    """The highest number of the scale; 0 where there is none."""

    @property
    def binary(self) -> bool:
        """Whether it is answered by yes or no."""
        return not self.values and not self.most

    @cached_property
    def topic(self) -> str:
        """The topic of the fact."""
        own = "antecedent_topics" if self.antecedent else "symptom_topics"
        topics: Iterator[str] = (
            topic for key in ("topics", own) for p, topic in RULES.data[key] if re.search(p, self.question, re.I)
        )
        return next(topics)

    @cached_property
    def alike(self) -> frozenset[int]:
        """What it has in common with others, so that denying the one and having the other sounds odd."""
        return frozenset(n for n, p in enumerate(RULES.data["alike"]) if re.search(p, self.question, re.I))

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of question, of those that the rules name, that it is of."""
        return frozenset(kind for kind in KINDS if RULES.pattern(kind).search(self.question))


@dataclass(frozen=True, eq=False)
class Condition:
    """One diagnosis of the data set."""

    diagnosis: Diagnosis
    evidences: tuple[str, ...]
    """The codes of its symptoms, then of its antecedents."""
    urgency: Urgency


@dataclass(frozen=True, eq=False)
class CodeBook:
    """What the codes of one folder mean."""

    evidences: Mapping[str, Evidence]
    conditions: Mapping[str, Condition]

    @cached_property
    def by_diagnosis(self) -> Mapping[str, Condition]:
        """The conditions by the names of their diagnoses."""
        return {condition.diagnosis.name: condition for condition in self.conditions.values()}


def code_book(folder: Path) -> CodeBook:
    """The code book of a folder; read again only where its files have changed.

    Raises:
        RecordError: A file is missing, unreadable or not what it should be; the message names the file and the field.
    """
    return _read_book(*(_stamp(folder / name) for name in (EVIDENCES, CONDITIONS)))


def _stamp(path: Path) -> tuple[Path, int, int]:
    try:
        stat = path.stat()
    except OSError:
        raise RecordError(f"expected {path.name} of DDXPlus in {path.parent}, beside the patients, got none") from None
    if stat.st_size > LARGEST_FILE:
        raise RecordError(f"{path}: expected at most {LARGEST_FILE:,} bytes, got {stat.st_size:,}")
    return path, stat.st_mtime_ns, stat.st_size


@lru_cache(maxsize=8)
def _read_book(evidences: tuple[Path, int, int], conditions: tuple[Path, int, int]) -> CodeBook:
    codes = {
        code: _evidence(code, entry, f"{evidences[0]}: field $.{code[:60]}", number)
        for number, (code, entry) in enumerate(_entries(evidences[0]).items(), start=1)
    }
    return CodeBook(
        codes,
        {
            name: _condition(name, entry, codes, f"{conditions[0]}: field $.{name[:60]}")
            for name, entry in _entries(conditions[0]).items()
        },
    )


def _entries(path: Path) -> Mapping[str, Mapping[str, Any]]:
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise RecordError(f"{path}: expected a readable file, got {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path}: expected JSON, got {' '.join(str(error).split())[:200]}") from None
    if not isinstance(data, dict):
        raise RecordError(f"{path}: field $: expected an object, got {type(data).__name__}")
    for key, entry in data.items():
        if not isinstance(entry, dict):
            raise RecordError(f"{path}: field $.{key[:60]}: expected an object, got {type(entry).__name__}")
    return data


def _evidence(code: str, entry: Mapping[str, Any], where: str, number: int) -> Evidence:
    question = entry.get("question_en")
    if not isinstance(question, str) or not question.strip() or len(question) > LONGEST_QUESTION:
        got = type(question).__name__ if not isinstance(question, str) else f"one of {len(question)} characters"
        raise RecordError(f"{where}.question_en: expected a text of 1 to {LONGEST_QUESTION} characters, got {got}")
    meanings = entry.get("value_meaning") or {}
    if not isinstance(meanings, Mapping):
        raise RecordError(f"{where}.value_meaning: expected an object, got {type(meanings).__name__}")
    values = {}
    for key, meaning in meanings.items():
        word = meaning.get("en") if isinstance(meaning, Mapping) else meaning
        if not isinstance(word, str) or not word.strip():
            raise RecordError(
                f"{where}.value_meaning.{key[:60]}: expected a text under 'en', got {type(word).__name__}"
            )
        values[key] = word.strip()[:100]
    scale = entry.get("possible-values") or []
    numbers = [n for n in scale if type(n) is int and n >= 0] if isinstance(scale, list) and not values else []
    parent = entry.get("code_question")
    return Evidence(
        code=code,
        id=code.lower() if re.fullmatch(r"E_\d{1,6}", code) else f"e{number:03d}",
        question=repaired(question),
        antecedent=entry.get("is_antecedent") is True,
        parent=parent if isinstance(parent, str) else code,
        values=values,
        most=max(numbers, default=0),
    )


def _condition(name: str, entry: Mapping[str, Any], codes: Mapping[str, Evidence], where: str) -> Condition:
    listed: list[str] = []
    for key in ("symptoms", "antecedents"):
        found = entry.get(key) or {}
        if not isinstance(found, (Mapping, list)):
            raise RecordError(f"{where}.{key}: expected an object, got {type(found).__name__}")
        listed += [code for code in found if isinstance(code, str) and code in codes]
    severity = entry.get("severity")
    if type(severity) is not int or str(severity) not in RULES.data["urgency"]:
        raise RecordError(f"{where}.severity: expected a number from 1 (most severe) to 5, got {severity!r:.40}")
    english = entry.get("cond-name-eng")
    icd10 = entry.get("icd10-id")
    return Condition(
        _diagnosis(name, english if isinstance(english, str) and english.strip() else name, icd10, where),
        tuple(dict.fromkeys(listed)),
        RULES.data["urgency"][str(severity)],
    )


def _diagnosis(name: str, english: str, icd10: object, where: str) -> Diagnosis:
    if not 0 < len(name.strip()) <= 200 or len(english) > 200:
        raise RecordError(f"{where}: expected a name of 1 to 200 characters, got one of {len(name)}")
    group = next((g for g in RULES.data["diagnoses"] if english.casefold() in map(str.casefold, g)), None)
    known = [*(group or diagnosis_from(english).names), *([] if english == name else [name])]
    names = {known_name.casefold(): known_name for known_name in known}
    names.pop(english.casefold(), None)
    code = _ICD10.search(icd10.upper()) if isinstance(icd10, str) else None
    return Diagnosis(english, tuple(names.values()), code.group() if code else "")
