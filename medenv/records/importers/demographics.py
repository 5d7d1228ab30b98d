"""The age and sex of a patient, from what a text says of them."""

from __future__ import annotations

import re
from typing import Any, Literal

from medenv.records.deidentify import OLDEST
from medenv.records.importers.report import Tally
from medenv.records.record import Age

__all__ = ["age_from", "demographics_from", "sex_from"]

_SMALL_NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_NUMBERS = {word: number for number, word in enumerate(re.findall(r"\w+", _SMALL_NUMBERS))} | {
    word: 10 * number for number, word in enumerate(_TENS.split("|"), start=2)
}
_NUMBER = rf"\d{{1,3}}|(?:{_TENS})(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?|{'|'.join(_NUMBERS)}"
_UNIT = "years?|yrs?|months?|mos?|weeks?|wks?|days?|hours?"
_AGES = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        rf"\b(?P<n>{_NUMBER})[-\s]*(?P<u>{_UNIT})[-\s]*(?:old|of age)\b",
        r"\b(?P<n>\d{1,3})[-\s]*(?:y\.?\s?/?o\b\.?|yo\b|yr old|year old)",
        rf"\b(?:age|aged)\b(?:\s+of|\s*:)?\s*(?P<n>{_NUMBER})\b(?:[-\s]*(?P<u>{_UNIT})\b)?(?!\s*(?:%|/|mg))",
        rf"^\s*(?P<n>{_NUMBER})[-\s]*(?P<u>{_UNIT})?\s*$",
        r"\b(?P<n>\d{1,3})\s?(?:F|M)\b(?=,|\s+(?:with|who|presents|presenting))",
    )
)
_NOT_NOW = re.compile(
    r"\b(?:at(?: the)?|when (?:he|she|they) (?:was|were)|since|until|between|from|to|and|than|who (?:was|is)|"
    r"(?:son|daughter|mother|father|brother|sister|husband|wife|child|children|sibling|partner),?(?: "
    r"(?:is|was|an?|who|her|his))*)"
    r" (?:the )?(?:age of )?(?:an? )?$",
    re.I,
)
"""What stands before an age that is of another time or another person."""
_NEWBORN = re.compile(r"\b(?:newborn|neonate)\b", re.I)
_BORN = re.compile(rf"\b(?:born|delivered) (?P<n>{_NUMBER})[-\s](?P<u>{_UNIT}) ago\b", re.I)

Unit = Literal["years", "months", "weeks", "days"]


def age_from(text: str) -> tuple[int, Unit] | None:
    """The first age a text tells, such as "a 46-year-old woman", "62yo", "3 days old" or "Age: 71"; none without one.

    Hours count as day 0, and so does a newborn whose age is not told.
    """
    for pattern in _AGES:
        for m in pattern.finditer(text):
            if not _NOT_NOW.search(text[: m.start()]):
                return _age(m["n"], m.groupdict().get("u") or "years")
    if _NEWBORN.search(text):
        born = _BORN.search(text)
        return _age(born["n"], born["u"]) if born else (0, "days")
    return None


def _age(number: str, unit: str) -> tuple[int, Unit]:
    parts = re.split(r"[- ]", number.lower())
    value = int(number) if number.isdigit() else sum(_NUMBERS[part] for part in parts)
    if unit.lower().startswith("h"):
        return 0, "days"
    units: dict[str, Unit] = {"y": "years", "m": "months", "w": "weeks", "d": "days"}
    known = units[unit[0].lower()]
    if known != "years" and value > OLDEST:
        return int(Age(value, known).years), "years"
    return value, known


_FEMALE = re.compile(r"\b(?:female|woman|girl|lady|Mrs|Ms)\b|(?<=\d)\s?(?:y\.?/?o\.?|yo)?\s?F\b|\bsex:?\s*F\b", re.I)
_MALE = re.compile(r"\b(?:male|man|boy|gentleman|Mr)\b|(?<=\d)\s?(?:y\.?/?o\.?|yo)?\s?M\b|\bsex:?\s*M\b", re.I)
_SHE, _HE = re.compile(r"\b(?:she|her|hers)\b", re.I), re.compile(r"\b(?:he|his|him)\b", re.I)
_CLEARLY = 4
"""How many times as often one pronoun must stand in a text as the other to be the patient's."""


def sex_from(introduction: str, story: str) -> Literal["female", "male", "unknown"]:
    """The sex that the words about the patient name first; without such words, that of the pronoun used by far most.

    Args:
        introduction: The words that introduce the patient, such as "A 46-year-old woman".
        story: All that is told of the patient.
    """
    female, male = _FEMALE.search(introduction), _MALE.search(introduction)
    if female or male:
        first_female = female is not None and (male is None or female.start() <= male.start())
        return "female" if first_female else "male"
    she, he = len(_SHE.findall(story)), len(_HE.findall(story))
    if she > _CLEARLY * he:
        return "female"
    return "male" if he > _CLEARLY * she else "unknown"


def demographics_from(introduction: str, story: str, tally: Tally) -> dict[str, Any] | None:
    """Age and sex as `record.schema.json` wants them; an age over 89 becomes 89, counted. None without an age."""
    if (age := age_from(introduction)) is None:
        return None
    value, unit = age
    if unit == "years" and value > OLDEST:
        value = OLDEST
        tally.counts["ages_capped"] += 1
    return {"age": {"value": value, "unit": unit}, "sex": sex_from(introduction, story)}
