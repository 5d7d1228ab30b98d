"""Views: what each seat may see of an episode, and the only way to an agent.

A view is built by projection: it names the fields that go out, so a field added to the record reaches nobody until
somebody decides that it may. Only `JudgeView` holds the truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from medenv.consultation.acts import Acts
from medenv.consultation.ledger import Ledger, LedgerEntry
from medenv.consultation.mood import Mood
from medenv.consultation.questions import Understanding
from medenv.consultation.seats import Leaving
from medenv.personas.persona import Persona
from medenv.records.record import Demographics, Exam, Fact, Record

__all__ = ["DoctorView", "Ending", "ExaminerView", "JudgeView", "Message", "PatientView", "Result", "Turn"]


Ending: TypeAlias = Literal["diagnosis", "turn_limit"] | Leaving
"""How a consultation ended: with a diagnosis, at the turn limit, or because the patient left."""


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message, seen from one seat: its own words are `assistant`, the other's `user`."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to one ordered test."""

    request: str
    """The doctor's own words."""
    status: Literal["recorded", "normal", "unavailable", "pending"]
    text: str
    exam: str | None = None
    """The id of the exam in the record; none where the record lacks it and a policy answered."""
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """One doctor message and everything that answered it."""

    doctor: str
    acts: Acts
    understanding: Understanding
    results: tuple[Result, ...]
    notes: tuple[str, ...]
    """What the environment had to say: malformed commands, with what was expected."""
    reply: str | None
    """The patient's words; none where nothing was said to the patient or the episode ended first."""
    entry: LedgerEntry
    trace: Mapping[str, Any] | None = None
    """How the patient came by the reply, where it says so."""


@dataclass(frozen=True, slots=True)
class DoctorView:
    """What the doctor sees."""

    messages: tuple[Message, ...]
    turn: int
    """Doctor messages sent so far."""
    max_turns: int
    seed: int
    """With the turn, the source of every random choice of this seat."""


@dataclass(frozen=True, slots=True)
class PatientView:
    """What the patient sees: the own story and the talk, never exams, commands or truth."""

    messages: tuple[Message, ...]
    turn: int
    seed: int
    """The patient seed, shared by all rollouts of a group."""
    language: str
    speaker: Literal["self", "caregiver"]
    demographics: Demographics
    persona: Persona
    facts: tuple[Fact, ...]
    understanding: Understanding
    """What the environment understood of the doctor's last words, up to the persona's patience."""
    unheard: int
    """Questions beyond the persona's patience."""
    released: tuple[Fact, ...]
    """The facts that the disclosure rule releases for these words."""
    withheld: tuple[Fact, ...]
    """Asked for, but not to be told yet."""
    told: frozenset[str]
    """Ids of the facts told in earlier turns."""
    ordered: bool
    """Whether tests were ordered in the same message."""
    planned: bool
    """Whether a plan was stated in the same message."""
    mood: Mood
    """How the patient feels, these words included."""
    mood_before: Mood
    entries: tuple[LedgerEntry, ...]
    """What the ledger holds of each turn in which the doctor spoke to the patient; of the last, but what is told."""
    last: bool
    """Whether the turns run out with this reply."""


@dataclass(frozen=True, slots=True)
class ExaminerView:
    """What the examiner sees: the exams of the record and what was ordered."""

    exams: tuple[Exam, ...]
    demographics: Demographics
    orders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JudgeView:
    """What the judge sees: everything."""

    record: Record
    persona: Persona
    turns: tuple[Turn, ...]
    ledger: Ledger
    ending: Ending | None

    def response(self) -> JudgeView:
        """The view in which nothing has happened but the last turn."""
        return replace(self, turns=self.turns[-1:], ledger=Ledger(self.ledger.entries[-1:]))
