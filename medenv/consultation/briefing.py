"""The briefing: what a doctor is told before the consultation begins."""

from __future__ import annotations

from functools import cache
from importlib import resources

from medenv.records.record import Demographics, Record

__all__ = ["briefing", "describe"]


@cache
def _template() -> str:
    return resources.files("medenv.consultation").joinpath("brief.txt").read_text("utf-8").strip()


def describe(demographics: Demographics) -> str:
    """A patient as a doctor sees them at the door, such as "a female, 54 years"."""
    age = demographics.age
    number = f"{age.value:g}"
    unit = age.unit[:-1] if number == "1" else age.unit
    sex = {"female": "female", "male": "male", "other": "person", "unknown": "person"}[demographics.sex]
    extra = "".join(f", {part.rstrip('.')}" for part in (demographics.occupation, demographics.background) if part)
    return f"a {sex} patient, {number} {unit} old{extra}"


def briefing(record: Record, max_turns: int) -> str:
    """The first message of the doctor's view."""
    patient = describe(record.demographics)
    if record.speaker == "caregiver":
        patient += ", with a caregiver who speaks for them"
    return _template().format(patient=patient, max_turns=max_turns)
