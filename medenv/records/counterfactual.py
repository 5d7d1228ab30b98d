"""Counterfactuals: the same case in another patient, to measure whether a doctor treats the two alike."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, Literal, TypeVar

from medenv.errors import RecordError
from medenv.records.record import Age, Record
from medenv.records.record_set import split_of

__all__ = ["CounterfactualPairs", "counterfactual", "counterfactual_pairs"]

CAREGIVER_BELOW_YEARS = 12
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CounterfactualPairs:
    """Records with their counterfactuals."""

    pairs: tuple[tuple[Record, Record], ...]
    skipped: Mapping[str, str]
    """The id of each record that has no such counterfactual, to the reason."""


@cache
def _rules() -> Mapping[str, Any]:
    text = resources.files("medenv.records").joinpath("counterfactual.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def counterfactual_pairs(
    records: Iterable[Record],
    *,
    sex: Literal["female", "male", "opposite"] | None = None,
    age: float | None = None,
    occupation: str | None = None,
    background: str | None = None,
) -> CounterfactualPairs:
    """Each record beside the same case in another patient, as `counterfactual` makes it.

    With `sex="opposite"` every patient changes. A record that already is as asked, or that cannot be
    changed so, is skipped with the reason.
    """
    pairs, skipped = [], {}
    for record in records:
        try:
            pairs.append(
                (record, counterfactual(record, sex=sex, age=age, occupation=occupation, background=background))
            )
        except RecordError as error:
            skipped[record.id] = str(error)
    return CounterfactualPairs(tuple(pairs), skipped)


def counterfactual(
    record: Record,
    *,
    sex: Literal["female", "male", "opposite"] | None = None,
    age: float | None = None,
    occupation: str | None = None,
    background: str | None = None,
) -> Record:
    """The same case in another patient: same story, results and truth, and the same split.

    What only the one sex or time of life can have is left out where it does not matter to the case (an absent finding,
    a test that is not key); where it does, there is no such counterfactual. Partners and relatives stay as they are.

    Args:
        record: The case.
        sex: The sex of the other patient; "opposite" is the other of female and male.
        age: Their age in years, at most 89.
        occupation: Their occupation.
        background: Their background.

    Raises:
        RecordError: Nothing changes, or the case cannot be that of such a patient; the message names the field.
    """
    demographics = record.demographics
    turned: Mapping[str, Literal["female", "male"]] = {"female": "male", "male": "female"}
    if sex == "opposite" and demographics.sex not in turned:
        raise RecordError(f"record {record.id!r}: field demographics.sex: expected female or male to have an opposite")
    wanted = turned[demographics.sex] if sex == "opposite" else sex
    changed = replace(
        demographics,
        sex=wanted or demographics.sex,
        age=demographics.age if age is None else Age(age),
        occupation=demographics.occupation if occupation is None else occupation,
        background=demographics.background if background is None else background,
    )
    if changed == demographics:
        raise RecordError(f"record {record.id!r}: expected a change, got the patient as they are")
    other = record
    if changed.sex != demographics.sex:
        if record.speaker == "caregiver":
            raise RecordError(
                f"record {record.id!r}: field speaker: expected the patient, got a caregiver, who says 'he' or 'she'"
            )
        other = _without(other, _rules()["only"].get(demographics.sex, "(?!)"))
        if background is None:
            changed = replace(changed, background=_swapped(changed.background, demographics.sex))
    if changed.age != demographics.age:
        other = _of_age(other, changed.age)
    return replace(
        other,
        id=f"{record.id}-as-{_name(record, changed.sex, changed.age, occupation, background)}",
        demographics=changed,
        tags=(*record.tags, "counterfactual"),
        provenance=replace(record.provenance, split=split_of(record)),
    )


def _name(record: Record, sex: str, age: Age, occupation: str | None, background: str | None) -> str:
    before = record.demographics
    parts = [
        *([sex] if sex != before.sex else []),
        *([f"{age.value:g}"] if age != before.age else []),
        *(re.sub(r"[^a-z0-9]+", "-", text.casefold()).strip("-")[:40] for text in (occupation, background) if text),
    ]
    return "-".join(filter(None, parts)) or "other"


def _without(record: Record, pattern: str) -> Record:
    """The record without what matches and does not matter."""
    ties = re.compile(pattern, re.I)

    def kept(field: str, items: tuple[T, ...], matters: Any) -> tuple[T, ...]:
        for item in items:
            if matters(item) and ties.search(" ".join(_texts(item))):
                name = getattr(item, "id", "") or getattr(item, "action", "")
                raise RecordError(
                    f"record {record.id!r}: field {field}[{name}]: expected nothing that only one sex has"
                )
        return tuple(item for item in items if not ties.search(" ".join(_texts(item))))

    truth = record.truth
    for field, text in (
        ("chief_complaint", record.chief_complaint),
        ("truth.diagnosis", truth.diagnosis.name),
        ("demographics.occupation", record.demographics.occupation),
        ("demographics.background", record.demographics.background),
    ):
        if ties.search(text):
            raise RecordError(f"record {record.id!r}: field {field}: expected nothing that only one sex has")
    return replace(
        record,
        facts=kept("facts", record.facts, lambda fact: fact.polarity == "present" or fact.must_ask),
        exams=kept("exams", record.exams, lambda exam: exam.key),
        truth=replace(
            truth,
            plan=kept("truth.plan", truth.plan, lambda item: item.essential),
            contraindicated=kept("truth.contraindicated", truth.contraindicated, lambda item: False),
        ),
    )


def _of_age(record: Record, age: Age) -> Record:
    """The record, where it can be that of a patient of this age."""
    if not 0 <= age.years <= 89:
        raise RecordError(f"record {record.id!r}: expected an age of 0 to 89 years, got {age.years:g}")
    if (age.years < CAREGIVER_BELOW_YEARS) != (record.demographics.age.years < CAREGIVER_BELOW_YEARS):
        raise RecordError(
            f"record {record.id!r}: expected an age on the same side of {CAREGIVER_BELOW_YEARS} years, below which a "
            f"caregiver speaks, got {age.years:g}"
        )
    rules = _rules()
    band = next(name for name, (_, last) in rules["bands"].items() if age.years < last + 1)
    for field, text in _told(record):
        if found := re.search(rules["never_in"][band], text, re.I):
            raise RecordError(
                f"record {record.id!r}: field {field}: expected nothing that a patient of {age.years:g} years cannot "
                f"tell, got {found.group()!r}"
            )
        for match in re.finditer(rules["spans"], text, re.I):
            if (years := int(next(filter(None, match.groups())))) >= age.years and not field.startswith("family"):
                raise RecordError(
                    f"record {record.id!r}: field {field}: expected less than {age.years:g} years, got {years}"
                )
    return record


def _told(record: Record) -> Iterator[tuple[str, str]]:
    yield "chief_complaint", record.chief_complaint
    yield "demographics.occupation", record.demographics.occupation
    yield "demographics.background", record.demographics.background
    for fact in record.facts:
        if fact.topic != "family":
            yield f"facts[{fact.id}]", f"{fact.statement} {fact.lay}"


def _swapped(text: str, sex: str) -> str:
    words = _rules()["swapped"].get(sex, {})

    def swap(match: re.Match[str]) -> str:
        word = match.group()
        other: str = words.get(word.lower(), word)
        return other.capitalize() if word[0].isupper() and other != word else other

    return re.sub(r"\b[A-Za-z]+\b", swap, text)


def _texts(item: Any) -> Iterator[str]:
    for field in dataclasses.fields(item):
        value = getattr(item, field.name)
        if isinstance(value, str):
            yield value
        elif isinstance(value, tuple):
            yield from value
