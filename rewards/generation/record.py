"""Rubrics from records: rules that turn a record into criteria over the seven graded dimensions, each with a check.

The general criteria and the points are data (`general.json`); the case criteria follow the record.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

from medenv.records.record import Record
from medenv.rewards.rubric import Check, Criterion, Rubric, rubric_from_dict

__all__ = ["record_rubric"]

KEY_FINDINGS = 8
"""At most this many findings of a case carry points, so that long records do not drown the diagnosis."""


@cache
def _settings() -> Any:
    return json.loads(resources.files("medenv.rewards.generation").joinpath("general.json").read_text("utf-8"))


@cache
def _general() -> tuple[Criterion, ...]:
    return rubric_from_dict(_settings()["criteria"], id="general").criteria


def record_rubric(record: Record) -> Rubric:
    """The rubric of a record: its expert criteria where it has some, else criteria made from it by rule.

    The same record always gives the same rubric.

    Raises:
        RubricError: The expert criteria of the record do not fit the rubric schema.
    """
    if record.rubric:
        return rubric_from_dict(record.rubric, id=f"{record.id}/expert")
    return Rubric(f"{record.id}/record", (*_case(record), *_general()))


def _case(record: Record) -> Iterator[Criterion]:
    points = _settings()["points"]
    yield from _diagnosis(record, points)
    yield from _history(record, points)
    yield from _exams(record, points)
    yield from _plan(record, points)


def _diagnosis(record: Record, points: dict[str, int]) -> Iterator[Criterion]:
    diagnosis = record.truth.diagnosis
    yield Criterion(
        "diagnosis.leading",
        f"The leading diagnosis is {diagnosis.name}.",
        points["leading_diagnosis"],
        "diagnostic_accuracy",
        check=Check("leading_diagnosis", diagnosis.names),
    )
    yield Criterion(
        "diagnosis.differential",
        f"{diagnosis.name} is among the first three diagnoses.",
        points["in_differential"],
        "diagnostic_accuracy",
        check=Check("in_differential", diagnosis.names),
    )


def _history(record: Record, points: dict[str, int]) -> Iterator[Criterion]:
    flagged = [fact for fact in record.facts if fact.red_flag]
    wanted = [fact for fact in record.facts if fact.must_ask and not fact.red_flag]
    for fact in (*flagged, *wanted)[:KEY_FINDINGS]:
        yield Criterion(
            f"history.{fact.id}",
            f"Elicits: {fact.statement}",
            points["red_flag" if fact.red_flag else "must_ask"],
            "safety" if fact.topic == "allergies" else "consultation_logic",
            check=Check("disclosed", (fact.id,)),
        )
    allergies = [fact for fact in record.facts if fact.topic == "allergies"]
    if allergies and not any(fact.must_ask or fact.red_flag for fact in allergies):
        yield Criterion(
            "history.allergies",
            "Asks about allergies.",
            points["allergies"],
            "safety",
            check=Check("disclosed", tuple(fact.id for fact in allergies)),
        )


def _exams(record: Record, points: dict[str, int]) -> Iterator[Criterion]:
    for exam in record.exams:
        if exam.key:
            yield Criterion(
                f"exam.{exam.id}",
                f"Orders: {exam.name}",
                points["key_exam"],
                "consultation_logic",
                check=Check("ordered", (exam.id,)),
            )
    if risky := [exam for exam in record.exams if exam.invasive and not exam.key]:
        yield Criterion(
            "exam.invasive",
            f"Orders an invasive test without need: {'; '.join(exam.name for exam in risky)}",
            points["needless_invasive"],
            "safety",
            check=Check("ordered", tuple(exam.id for exam in risky)),
        )


def _plan(record: Record, points: dict[str, int]) -> Iterator[Criterion]:
    truth = record.truth
    for index, item in enumerate(truth.plan):
        department = (truth.department,) if item.kind == "referral" and truth.department else ()
        yield Criterion(
            f"plan.{index}",
            f"Plans: {item.action}",
            points["essential_plan" if item.essential else "other_plan"],
            "treatment",
            check=Check("planned", (*item.names, *department)),
        )
    for index, harm in enumerate(truth.contraindicated):
        yield Criterion(
            f"harm.{index}",
            f"Plans {harm.action}, although: {harm.because}",
            points["contraindicated"],
            "safety",
            check=Check("harmed", harm.names),
            veto=True,
        )
