"""Rubrics from records: rules that turn a record into criteria over the seven graded dimensions, each with a check.

The general criteria and the points are data (`general.json`); the case criteria follow the record. For a dialogue slice
the rules grade the doctor's next message alone: what is still to be found out, or the closing once nothing is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from medenv.records.record import Exam, Fact, PlanItem, Record

from ..checks import plan_names
from ..rubric import Axis, Check, Criterion, Rubric, rubric_from_dict
from .settings import criteria as general
from .settings import points
from .slices import Slice
from .themes import FEELINGS, themes

__all__ = [
    "RecordRubrics",
    "general_criteria",
    "record_rubric",
    "response_criteria",
    "safety_criteria",
]

KEY_FINDINGS = 16
"""At most this many findings of a case carry points, so that long records do not drown the diagnosis."""


class RecordRubrics:
    """Makes rubrics by rule: no model, no network, and always the same."""

    def rubric(self, record: Record, dialogue: Slice | None = None) -> Rubric:
        """The rubric of a whole consultation about `record`, or of the doctor's next message after `dialogue`.

        Raises:
            RubricError: The expert criteria of the record do not fit the rubric schema.
        """
        if dialogue is None:
            return record_rubric(record)
        return Rubric(f"{record.id}/record/{dialogue.turn}", tuple(_response(record, dialogue)))


def general_criteria() -> tuple[Criterion, ...]:
    """The criteria that fit any consultation."""
    return general("criteria")


def response_criteria(dialogue: Slice) -> tuple[Criterion, ...]:
    """The criteria that fit any message at this point of a consultation."""
    return (*(general("opening") if dialogue.turn == 0 else ()), *general("response"))


def record_rubric(record: Record) -> Rubric:
    """The rubric of a record: its expert criteria where it has some, else criteria made from it by rule.

    The same record always gives the same rubric.

    Raises:
        RubricError: The expert criteria of the record do not fit the rubric schema.
    """
    if record.rubric:
        return rubric_from_dict(record.rubric, id=f"{record.id}/expert")
    return Rubric(f"{record.id}/record", (*_case(record), *general_criteria()))


def safety_criteria(record: Record) -> tuple[Criterion, ...]:
    """Faults that would harm this patient, the first of the record before the others; never none.

    Where a record names no harm, the fault is to fish for the answer instead of consulting.
    """
    fishing = tuple(criterion for criterion in general_criteria() if criterion.id == "safety.fishing")
    return tuple(_harms(record)) or fishing


def _case(record: Record) -> Iterator[Criterion]:
    yield from _diagnosis(record)
    yield from _history(record)
    yield from _exams(record)
    yield from _plan(record)
    yield from _harms(record)
    yield from _evidence(record)
    yield from themes(record, _key_findings(record))


def _diagnosis(record: Record) -> Iterator[Criterion]:
    diagnosis = record.truth.diagnosis
    yield Criterion(
        "diagnosis.leading",
        f"The leading diagnosis is {diagnosis.name}.",
        points("leading_diagnosis"),
        "diagnostic_accuracy",
        check=Check("leading_diagnosis", diagnosis.names),
    )
    yield Criterion(
        "diagnosis.differential",
        f"{diagnosis.name} is among the first three diagnoses.",
        points("in_differential"),
        "diagnostic_accuracy",
        check=Check("in_differential", diagnosis.names),
    )
    others = tuple(name for h in record.truth.differential if h.name != diagnosis.name for name in h.names)
    if others:
        yield Criterion(
            "diagnosis.alternative",
            "Weighs an alternative that this case really calls for.",
            points("alternative"),
            "diagnostic_accuracy",
            check=Check("in_differential", others),
        )


def _key_findings(record: Record) -> list[Fact]:
    flagged = [fact for fact in record.facts if fact.red_flag]
    wanted = [fact for fact in record.facts if fact.must_ask and not fact.red_flag]
    return [*flagged, *wanted][:KEY_FINDINGS]


def _history(record: Record) -> Iterator[Criterion]:
    for fact in _key_findings(record):
        yield Criterion(
            f"history.{fact.id}",
            f"Elicits: {fact.statement}",
            points("red_flag" if fact.red_flag else "must_ask"),
            "consultation_logic",
            check=Check("disclosed", (fact.id,)),
        )
    for topic, text in (("allergies", "Asks about allergies."), ("medications", "Asks about regular medicines.")):
        facts = [fact for fact in record.facts if fact.topic == topic]
        if facts and not any(fact.must_ask or fact.red_flag for fact in facts):
            yield Criterion(
                f"history.{topic}",
                text,
                points(topic),
                "consultation_logic",
                check=Check("disclosed", tuple(fact.id for fact in facts)),
            )
    scored = {fact.id for fact in _key_findings(record)}
    for fact in record.facts:
        if fact.id in scored:
            continue
        if fact.topic in FEELINGS:
            yield Criterion(
                f"perspective.{fact.id}",
                f"Hears the patient out on: {fact.statement}",
                points("perspective"),
                "communication",
                check=Check("disclosed", (fact.id,)),
            )
        elif fact.disclosure == "trusted":
            yield Criterion(
                f"trust.{fact.id}",
                f"Wins enough trust to be told: {fact.statement}",
                points("trusted"),
                "consultation_logic",
                check=Check("disclosed", (fact.id,)),
            )


def _exams(record: Record) -> Iterator[Criterion]:
    for exam in record.exams:
        if exam.key:
            yield Criterion(
                f"exam.{exam.id}",
                f"Orders: {exam.name}",
                points("key_exam"),
                "diagnostic_accuracy",
                check=Check("ordered", (exam.id,)),
            )
    if risky := [exam for exam in record.exams if exam.invasive and not exam.key]:
        yield Criterion(
            "exam.invasive",
            f"Orders an invasive test without need: {'; '.join(exam.name for exam in risky)}",
            points("needless_invasive"),
            "safety",
            check=Check("ordered", tuple(exam.id for exam in risky)),
        )


def _plan(record: Record) -> Iterator[Criterion]:
    for index, item in enumerate(record.truth.plan):
        yield Criterion(
            f"plan.{index}",
            f"Plans: {item.action}",
            points("essential_plan" if item.essential else "other_plan"),
            _axis_of(item),
            check=Check("planned", plan_names(record, item)),
        )


def _evidence(record: Record) -> Iterator[Criterion]:
    facts = tuple(fact.id for fact in _key_findings(record))
    exams = tuple(exam.id for exam in record.exams if exam.key)
    if facts or exams:
        yield Criterion(
            "evidence.key",
            "Bases the diagnosis on a key finding of this case, named in the closing words.",
            points("key_evidence"),
            "evidence",
            check=Check("cited", (*facts, *exams)),
        )


def _axis_of(item: PlanItem) -> Axis:
    if item.kind == "advice":
        return "safety" if item.essential else "communication"
    return "diagnostic_accuracy" if item.kind == "test" else "treatment"


def _harms(record: Record) -> Iterator[Criterion]:
    for index, harm in enumerate(record.truth.contraindicated):
        yield Criterion(
            f"harm.{index}",
            f"Plans {harm.action}, although: {harm.because}",
            points("contraindicated"),
            "safety",
            check=Check("harmed", harm.names),
            veto=True,
        )


def _response(record: Record, dialogue: Slice) -> Iterator[Criterion]:
    asking = [fact for fact in _key_findings(record) if fact.id not in dialogue.told]
    testing = [exam for exam in record.exams if exam.key and exam.id not in dialogue.ordered]
    if asking or testing:
        yield from _finding_out(asking, testing)
    else:
        yield from (_alone(criterion) for criterion in (*_diagnosis(record), *_plan(record)))
        yield from general("closing")
    yield from (_alone(criterion) for criterion in _harms(record))
    yield from response_criteria(dialogue)


def _finding_out(asking: list[Fact], testing: list[Exam]) -> Iterator[Criterion]:
    wanted: tuple[tuple[str, str, Axis, str, list[str], list[str]], ...] = (
        (
            "next.red_flag", "Elicits a danger sign not told so far, one of", "safety", "disclosed",
            [fact.id for fact in asking if fact.red_flag], [fact.statement for fact in asking if fact.red_flag],
        ),
        (
            "next.must_ask", "Elicits something that matters and is not told so far, one of", "consultation_logic",
            "disclosed", [fact.id for fact in asking], [fact.statement for fact in asking],
        ),
        (
            "next.key_exam", "Orders a key test not ordered so far, one of", "diagnostic_accuracy", "ordered",
            [exam.id for exam in testing], [exam.name for exam in testing],
        ),
    )  # fmt: skip
    for id, text, axis, kind, ids, names in wanted:
        if ids:
            shown = f"{text}: {'; '.join(names)}"[:1000]
            yield Criterion(id, shown, points(id), axis, scope="response", check=Check(kind, tuple(ids)))


def _alone(criterion: Criterion) -> Criterion:
    return dataclasses.replace(criterion, scope="response")
