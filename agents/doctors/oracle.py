"""The oracle: a doctor that is told the record, to show how much reward there is to be had. It cheats by design."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
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
_KIND = "I can see that this is hard for you."
_BACKGROUND = ("history.medical", "medications", "allergies", "social.smoking", "ideas", "concerns", "expectations")
_PERSPECTIVE = ("concerns", "ideas", "expectations")
_LIFE = ("hpi.impact", "social.occupation", "social.living", "social.stress", "social.diet")
_PART = re.compile(r";|\.(?!\d)")
_ENOUGH_HISTORY = 3
_COSTLY = 4
"""From this cost on a test is no easy one."""
_FURTHER = 4
"""Findings beyond the main ones that it asks for."""
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
    facts = record.facts
    main = dict.fromkeys(_question(facts, fact) for fact in facts if fact.must_ask or fact.red_flag)
    main.update(dict.fromkeys(topics()[topic]["question"] for topic in _BACKGROUND))
    answered = {fact for question in main for fact in _asked(facts, question)}
    messages = [_OPENING, *_batches(main)]
    messages[1] = f"{_TRUST} {messages[1]}"
    if tests := _tests(record):
        messages[-1] += f"\nORDER: {'; '.join(tests)}"
    hard = {fact.id for fact in facts if fact.disclosure == "trusted"}
    beside: dict[str, None] = {}
    for fact in _beside(record):
        if fact.id not in answered:
            question = _question(facts, fact)
            answered |= _asked(facts, question)
            beside[question] = None
    messages += _batches(beside)
    return tuple(m if hard.isdisjoint(_asked(facts, m)) or _TRUST in m else f"{_KIND} {m}" for m in messages)


def _batches(questions: Iterable[str]) -> list[str]:
    asked = list(questions)
    return [" ".join(asked[start : start + _QUESTIONS]) for start in range(0, len(asked), _QUESTIONS)]


@lru_cache(maxsize=4096)
def _asked(facts: tuple[Fact, ...], message: str) -> frozenset[str]:
    """The facts that a message asks for."""
    said = message.partition("\nORDER:")[0]
    return frozenset(fact for question in reader(facts).read(said, ()).questions for fact in question.facts)


def _beside(record: Record) -> list[Fact]:
    """What it asks for beside what counts most: what is hard to tell, more of the story, and how the patient lives."""
    facts = [fact for fact in record.facts if fact.sensitivity != "identity"]
    hard = [fact for fact in facts if fact.disclosure == "trusted"]
    story = [fact for fact in facts if fact.topic.startswith(("ros.", "hpi.")) and fact.polarity == "present"]
    further = [fact for fact in story if fact.disclosure == "asked" and not (fact.must_ask or fact.red_flag)]
    life = [fact for topic in _LIFE for fact in facts if fact.topic == topic][:1]
    return [*hard, *further[:_FURTHER], *life]


def _tests(record: Record) -> list[str]:
    """The key exams, with the cheapest at the bedside and from the laboratory where none of them is as easy."""
    wanted = [exam for exam in record.exams if exam.key]
    for kind in ("bedside", "lab"):
        easy = [exam for exam in record.exams if exam.kind == kind and not exam.invasive and exam.cost < _COSTLY]
        if not any(exam.key for exam in easy):
            wanted += sorted(easy, key=lambda exam: exam.cost)[:1]
    return [exam.name for exam in wanted]


def _closing(record: Record) -> str:
    truth = record.truth
    names = [truth.diagnosis.name, *(h.name for h in truth.differential if h.name != truth.diagnosis.name)][:4]
    if len(names) == 1:
        names.append("another cause")
    diagnoses = "; ".join(f"{name} ({0.05 if place else 0.8})" for place, name in enumerate(names))
    lines = [
        f"Thank you for telling me all this. I am sorry that you have to hear this: I think this is {names[0]}. "
        f"I come to my conclusion from this: {'; '.join(_evidence(record))}. {_answer(record)}"
        "Do you have any questions for me? If you get worse in any way, come back at once or call an ambulance.",
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
    for exam in [exam for exam in record.exams if exam.key and exam.status == "recorded"][:1]:
        yield f"your results were {_PART.split(exam.result)[0]}"


def _answer(record: Record) -> str:
    """What the patient fears, thinks or hopes, taken up again."""
    felt = [fact for topic in _PERSPECTIVE for fact in record.facts if fact.topic == topic]
    return f"I know what is on your mind: {felt[0].statement} " if felt else ""


def _plan(record: Record) -> list[str]:
    return [item.action.replace(";", ",") for item in record.truth.plan]
