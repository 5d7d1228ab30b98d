"""The oracle: a doctor that is told the record, to show how much reward there is to be had. It cheats by design."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from medenv.consultation.understanding import reader
from medenv.consultation.views import DoctorView
from medenv.records.record import Fact, Record, topics

__all__ = ["OracleDoctor"]

_OPENING = (
    "Hello, I'm the doctor looking after you today. I'm sorry you are going through this. What brings you in? "
    "Please tell me more about it."
)
_TRUST = "I can see that this is hard for you, and everything you tell me stays confidential."
_BACKGROUND = ("history.medical", "medications", "allergies", "social.smoking", "ideas", "concerns")
_ENOUGH_HISTORY = 3
_QUESTIONS = 2
"""Questions a message, which even an impatient patient follows."""


class OracleDoctor:
    """Knows the record: asks for all that counts, orders the key exams, and gives the diagnosis and the plan."""

    def informed(self, record: Record) -> _Informed:
        """The doctor for this record."""
        return _Informed(record)

    def act(self, view: DoctorView) -> str:
        """Never called in an episode: `informed` takes the seat."""
        raise NotImplementedError("the oracle has to be informed of the record")


class _Informed:
    def __init__(self, record: Record) -> None:
        self._messages = _script(record)
        self._closing = _closing(record)

    def act(self, view: DoctorView) -> str:
        """The next message of the script, or the closing one when the turns run out."""
        if view.turn >= min(len(self._messages), view.max_turns - 1):
            return self._closing
        return self._messages[view.turn]


@lru_cache(maxsize=4096)
def _question(facts: tuple[Fact, ...], fact: Fact) -> str:
    """A question that makes the patient tell this fact."""
    known = topics()[fact.topic]["question"]
    candidates = [f"Can you tell me about {name}?" for name in fact.synonyms]
    candidates += [f"Do you have {name}?" for name in fact.synonyms]
    candidates += [f"Is it right that {fact.statement[0].lower()}{fact.statement[1:].rstrip('.')}?"]
    for candidate in (known, *candidates):
        found = reader(facts).read(candidate, ()).questions
        if len(found) == 1 and found[0].kind != "fishing" and fact.id in found[0].facts:
            return candidate
    return known


def _script(record: Record) -> tuple[str, ...]:
    wanted = [fact for fact in record.facts if fact.must_ask or fact.red_flag]
    questions = dict.fromkeys(_question(record.facts, fact) for fact in wanted)
    questions.update(dict.fromkeys(topics()[topic]["question"] for topic in _BACKGROUND))
    asked = list(questions)
    batches = [asked[start : start + _QUESTIONS] for start in range(0, len(asked), _QUESTIONS)]
    messages = [_OPENING, *(" ".join(batch) for batch in batches)]
    messages[1] = f"{_TRUST} {messages[1]}"
    if key := [exam.name for exam in record.exams if exam.key]:
        messages[-1] += f"\nORDER: {'; '.join(key)}"
    return tuple(messages)


def _closing(record: Record) -> str:
    truth = record.truth
    names = [truth.diagnosis.name, *(h.name for h in truth.differential if h.name != truth.diagnosis.name)][:4]
    if len(names) == 1:
        names.append("another cause")
    diagnoses = "; ".join(f"{name} ({0.05 if place else 0.8})" for place, name in enumerate(names))
    lines = [
        f"Thank you for telling me all this. I come to my conclusion from this: {'; '.join(_evidence(record))}. "
        "If you get worse in any way, come back at once or call an ambulance.",
        f"DIAGNOSIS: {diagnoses}",
        f"PLAN: {'; '.join(_plan(record)) or 'explanation and follow-up'}",
    ]
    if truth.department:
        lines.append(f"REFER: {truth.department}")
    return "\n".join(lines)


def _evidence(record: Record) -> Iterator[str]:
    told: Sequence[Fact] = [fact for fact in record.facts if fact.must_ask and fact.polarity == "present"]
    for fact in told[:_ENOUGH_HISTORY]:
        yield fact.statement.rstrip(".")
    for exam in [exam for exam in record.exams if exam.key][:1]:
        yield exam.name


def _plan(record: Record) -> list[str]:
    return [item.action.replace(";", ",") for item in record.truth.plan]
