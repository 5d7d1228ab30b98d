"""One consultation, with no reinforcement-learning interface in it: a state machine over two seats."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from medenv.consultation.acts import Acts, clean, parse
from medenv.consultation.briefing import briefing
from medenv.consultation.disclosure import disclose
from medenv.consultation.grounding import claims_in, told_in
from medenv.consultation.hearing import heard
from medenv.consultation.ledger import Ledger, LedgerEntry
from medenv.consultation.mood import Mood, mood_after
from medenv.consultation.orders import OrderPolicy, answer, distinct_exams
from medenv.consultation.questions import Understanding
from medenv.consultation.seats import DOCTOR, PATIENT, PatientReply
from medenv.consultation.understanding import reader
from medenv.consultation.views import DoctorView, Ending, ExaminerView, JudgeView, Message, PatientView, Result, Turn
from medenv.errors import ActionError, EpisodeOverError, SeatError
from medenv.personas.persona import Persona
from medenv.records.leaks import find_leaks
from medenv.records.record import Fact, Record
from medenv.registry import load

__all__ = ["Episode", "Failure", "FailureKind", "Scenario"]

PHRASES = "medenv.agents.patients.phrases:phrases"
"""What patients are known to say beside the facts."""

FailureKind: TypeAlias = Literal["doctor", "patient", "judge", "backend", "leak"]
"""Which part failed; backend: the model that one of them asks; leak: the patient's words named the diagnosis before the
doctor did."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What all rollouts of a group share: record, persona, budget and patient seed."""

    record: Record
    persona: Persona
    patient_seed: int
    max_turns: int = 20
    orders: OrderPolicy = "unavailable"
    """How a test that the record lacks is answered."""
    max_chars: int = 8192
    """What is longer in a message is cut."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an episode is invalid. An invalid episode has no reward."""

    kind: FailureKind
    reason: str


@dataclass(frozen=True, slots=True)
class _Open:
    """The part of a turn that stands while the patient has yet to answer."""

    doctor: str
    acts: Acts
    understanding: Understanding
    results: tuple[Result, ...]
    notes: tuple[str, ...]
    released: tuple[Fact, ...]
    withheld: tuple[Fact, ...]
    entry: LedgerEntry
    """What the ledger will hold of this turn, but for what the patient tells."""
    mood: Mood
    """The patient's, after the doctor's words."""


class Episode:
    """A consultation from the opening words to the diagnosis, the last turn or a failure.

    `next_seat` says who is to act; `view` gives that seat what it may see; `step` takes its words. Every call is
    deterministic: the same scenario and the same words give the same views, ledger and turns.
    """

    def __init__(self, scenario: Scenario, *, doctor_seed: int = 0) -> None:
        self.scenario = scenario
        self.doctor_seed = doctor_seed
        self.turns: tuple[Turn, ...] = ()
        self.ending: Ending | None = None
        """How the consultation ended; none while it goes on, or where it failed."""
        self.failure: Failure | None = None
        self.cut = 0
        """Characters cut off the last message."""
        self._open: _Open | None = None
        record = scenario.record
        self._facts = {fact.id: fact for fact in record.facts}
        self._reader = reader(record.facts)
        self._said = ""
        self._doctor_messages = [
            Message("system", briefing(record, scenario.max_turns)),
            Message("user", record.chief_complaint),
        ]
        self._patient_messages = [Message("assistant", record.chief_complaint)]
        self._ledger: list[LedgerEntry] = []
        self._told: frozenset[str] = frozenset()
        self._mood = mood_after(scenario.persona, ())
        """The patient's before the doctor's words of this turn."""

    @property
    def terminated(self) -> bool:
        """The doctor gave a diagnosis, or the patient left."""
        return self.ending not in (None, "turn_limit")

    @property
    def truncated(self) -> bool:
        """The turns ran out."""
        return self.ending == "turn_limit"

    @property
    def over(self) -> bool:
        """Whether nobody is to act any more."""
        return self.ending is not None or self.failure is not None

    @property
    def next_seat(self) -> str | None:
        """The seat that is to act; none once the episode is over."""
        if self.over:
            return None
        return DOCTOR if self._open is None else PATIENT

    @property
    def ledger(self) -> Ledger:
        """The ledger so far."""
        return Ledger(tuple(self._ledger))

    def step(self, seat: str, message: str) -> None:
        """Takes the words of one seat.

        Raises:
            ActionError: The message is not a string.
            EpisodeOverError: The episode is over.
            SeatError: It is another seat's turn.
        """
        if self.next_seat is None:
            raise EpisodeOverError(f"expected no step after the end of the episode, got one for {seat!r}")
        if seat != self.next_seat:
            raise SeatError(f"expected a step for {self.next_seat!r}, got one for {seat!r}")
        if not isinstance(message, str):
            raise ActionError(f"expected the message of {seat!r} as a str, got {type(message).__name__}")
        if seat == DOCTOR:
            self._doctor(message)
        else:
            self._patient(message)

    def fail(self, kind: FailureKind, reason: str) -> None:
        """Ends the episode as invalid: what failed is no fault of the policy, and there is no reward."""
        self.failure = Failure(kind, reason)

    def doctor_view(self) -> DoctorView:
        """What the doctor sees now."""
        return DoctorView(tuple(self._doctor_messages), len(self.turns), self.scenario.max_turns, self.doctor_seed)

    def patient_view(self) -> PatientView:
        """What the patient sees now."""
        record, open_turn = self.scenario.record, self._open
        return PatientView(
            messages=tuple(self._patient_messages),
            turn=len(self.turns),
            seed=self.scenario.patient_seed,
            language=record.language,
            speaker=record.speaker,
            demographics=record.demographics,
            persona=self.scenario.persona,
            facts=record.facts,
            understanding=open_turn.understanding if open_turn else Understanding(),
            unheard=open_turn.entry.unheard if open_turn else 0,
            released=open_turn.released if open_turn else (),
            withheld=open_turn.withheld if open_turn else (),
            told=self._told,
            ordered=bool(open_turn and open_turn.acts.orders),
            planned=bool(open_turn and open_turn.acts.plan),
            mood=open_turn.mood if open_turn else self._mood,
            mood_before=self._mood,
            entries=(
                *(turn.entry for turn in self.turns if turn.reply is not None),
                *([open_turn.entry] if open_turn else ()),
            ),
            last=len(self.turns) + 1 >= self.scenario.max_turns,
        )

    def examiner_view(self, orders: tuple[str, ...]) -> ExaminerView:
        """What the examiner sees of some orders."""
        record = self.scenario.record
        return ExaminerView(record.exams, record.demographics, orders)

    def judge_view(self) -> JudgeView:
        """What the judge sees."""
        scenario = self.scenario
        return JudgeView(scenario.record, scenario.persona, self.turns, self.ledger, self.ending)

    def view(self, seat: str) -> DoctorView | PatientView:
        """What a seat that talks sees now.

        Raises:
            SeatError: There is no such seat.
        """
        if seat == DOCTOR:
            return self.doctor_view()
        if seat == PATIENT:
            return self.patient_view()
        raise SeatError(f"expected one of {DOCTOR!r}, {PATIENT!r}, got {seat!r}")

    def _doctor(self, message: str) -> None:
        text, self.cut = clean(message, self.scenario.max_chars)
        acts = parse(text)
        understood = self._reader.read(acts.speech, tuple(turn.understanding for turn in self.turns))
        understanding, unheard = heard(understood, self.scenario.persona, self._mood)
        results = answer(
            self.examiner_view(acts.orders),
            self.scenario.orders,
            distinct_exams(result for turn in self.turns for result in turn.results),
        )
        notes = acts.malformed or (() if text.strip() else ("expected words or a command; got neither",))
        final = bool(acts.diagnoses)
        released, withheld = (
            ((), ()) if final else disclose(understanding, self._facts, self.scenario.persona, self._ledger)
        )
        entry = self._entry(understanding, unheard, withheld, final)
        mood = mood_after(self.scenario.persona, (*self._ledger, entry))
        self._said += "\n" + text
        self._doctor_messages.append(Message("assistant", text))
        if results or notes:
            lines = [result.text for result in results] + [f"Not understood. {note}" for note in notes]
            self._doctor_messages.append(Message("tool", "\n".join(lines)))
        self._open = _Open(text, acts, understanding, results, notes, released, withheld, entry, mood)
        if final:
            self.ending = "diagnosis"
            self._close()
        elif acts.speech:
            self._patient_messages.append(Message("user", acts.speech))
        else:
            self._close()

    def _patient(self, message: str) -> None:
        reply, self.cut = clean(message, self.scenario.max_chars)
        diagnosis = self.scenario.record.truth.diagnosis
        if find_leaks(reply, diagnosis) and not find_leaks(self._said, diagnosis):
            self.fail("leak", "the patient named the diagnosis before the doctor did")
            return
        told = message if isinstance(message, PatientReply) else PatientReply(reply, None)
        self._doctor_messages.append(Message("user", reply))
        self._patient_messages.append(Message("assistant", reply))
        self.ending = told.leaves
        self._close(reply, told)

    def _entry(
        self, understanding: Understanding, unheard: int, withheld: tuple[Fact, ...], final: bool
    ) -> LedgerEntry:
        questions = understanding.questions
        asking = [question for question in questions if question.kind != "claim" and not final]
        asked = tuple(dict.fromkeys(fact for question in asking for fact in question.facts))
        return LedgerEntry(
            asked=asked,
            withheld=tuple(fact.id for fact in withheld),
            repeated=tuple(fact for fact in asked if fact in self._told),
            unanswered=sum(q.kind in ("finding", "topic") and not q.facts for q in asking),
            unheard=unheard,
            jargon=sum(question.kind == "jargon" for question in questions),
            fishing=sum(question.kind == "fishing" for question in questions),
            signs=understanding.signs,
        )

    def _account(self, opened: _Open, reply: str, told: PatientReply) -> LedgerEntry:
        """The entry with what a reply tells: what the patient says that it does, else what its words claim."""
        if told.disclosed is not None:
            return replace(opened.entry, disclosed=tuple(fact for fact in told.disclosed if fact in self._facts))
        claims = claims_in(
            reply,
            self.scenario.record.facts,
            self._facts.keys(),
            asked=opened.entry.asked,
            doctor=opened.acts.speech,
            chatter=load(PHRASES)(),
        )

        wrong = (id for claim in claims if claim.standing == "contradicting" for id in claim.facts)
        return replace(
            opened.entry,
            disclosed=told_in(claims),
            contradicted=tuple(dict.fromkeys(wrong)),
            invented=tuple(claim.text for claim in claims if claim.standing in ("unsupported", "identity")),
        )

    def _close(self, reply: str | None = None, told: PatientReply | None = None) -> None:
        opened = self._open
        assert opened is not None
        entry = opened.entry if reply is None or told is None else self._account(opened, reply, told)
        self._ledger.append(entry)
        self._told = self._told.union(entry.disclosed)
        self._mood = opened.mood
        self.turns += (
            Turn(
                opened.doctor,
                opened.acts,
                opened.understanding,
                opened.results,
                opened.notes,
                reply,
                entry,
                told.trace if told else None,
            ),
        )
        self._open = None
        if self.ending is None and len(self.turns) >= self.scenario.max_turns:
            self.ending = "turn_limit"
