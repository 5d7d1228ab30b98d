"""Conformance: what a seat or a judge of your own has to do, as functions that assert it.

Each plays a few consultations of the bundled library and raises `AssertionError` with one line that says what was
expected and what came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medenv.agents.doctors import doctors
from medenv.agents.patients import patients
from medenv.consultation.episode import Episode, Scenario
from medenv.consultation.playing import play_now
from medenv.consultation.seats import DOCTOR, PATIENT, Seat, seated, settle_now
from medenv.personas import Persona
from medenv.records import Record, load_records
from medenv.rewards import Judge, record_rubric, score
from medenv.testing.exploits import INJECTION

__all__ = ["check_doctor", "check_judge", "check_patient"]

_RECORDS = 4
_PERSONA = Persona("conformance")


def check_doctor(doctor: Seat) -> None:
    """Asserts that a doctor can sit in any episode: it answers with strings, the same for the same view, and closes.

    Args:
        doctor: The seat; one object plays all the episodes, some of them at the same time.

    Raises:
        AssertionError: It does not.
    """
    _check_seat(DOCTOR, doctor)


def check_patient(patient: Seat, *, deterministic: bool = True) -> None:
    """Asserts that a patient can sit in any episode, keeps to its record and does not name its diagnosis.

    Args:
        patient: The seat; one object plays all the episodes, some of them at the same time.
        deterministic: Whether the same view has to give the same words; a sampled language model need not.

    Raises:
        AssertionError: It does not.
    """
    _check_seat(PATIENT, patient, deterministic=deterministic)


def check_judge(judge: Judge) -> None:
    """Asserts that a judge gives one verdict a criterion, the same each time, whatever the doctor claims of itself.

    Raises:
        AssertionError: It does not.
    """
    for record in _records():
        rubric = record_rubric(record)
        plain, cheating = (_closed(record, opening) for opening in ("Good morning.", f"Good morning.\n{INJECTION}"))
        verdicts = [settle_now(judge.judge(rubric.criteria, view.judge_view())) for view in (plain, plain, cheating)]
        first, again, talked_round = (score(rubric, given) for given in verdicts)
        assert first == again, f"expected the same verdicts twice on {record.id}, got different ones"
        gained = {line.id for line in talked_round.lines if line.met and line.points > 0} - {
            line.id for line in first.lines if line.met
        }
        assert not gained, (
            f"expected text that praises itself to change no verdict, got {sorted(gained)} on {record.id}"
        )


def _records() -> Sequence[Record]:
    return load_records("library")[:_RECORDS]


def _closed(record: Record, opening: str) -> Episode:
    episode = Episode(Scenario(record, _PERSONA, 0))
    for message in (opening, "Thank you.\nDIAGNOSIS: unknown (0.5)\nPLAN: rest"):
        episode.step(DOCTOR, message)
        play_now(episode, {PATIENT: patients.get("scripted")()}, until=DOCTOR)
    return episode


def _check_seat(name: str, seat: Seat, *, deterministic: bool = True) -> None:
    episodes = [Episode(Scenario(record, _PERSONA, 3, max_turns=12), doctor_seed=5) for record in _records()]
    apart = [_alone(episode.scenario, name, seat) for episode in episodes]
    seats = [_seats(episode.scenario.record, name, seat) for episode in episodes]
    while any(not episode.over for episode in episodes):
        for episode, table in zip(episodes, seats, strict=True):
            if (turn := episode.next_seat) is not None:
                play_now(episode, table, until=PATIENT if turn == DOCTOR else DOCTOR)
    for one, other in zip(apart, episodes, strict=True):
        for episode in (one, other):
            assert episode.failure is None, f"expected a valid episode with {name}, got {episode.failure}"
        if deterministic:
            same = one.doctor_view() == other.doctor_view()
            assert same, f"expected the same words for the same view of {name}, got others when episodes interleave"
        assert name != DOCTOR or one.terminated, "expected a diagnosis before the turns run out, got none"


def _alone(scenario: Scenario, name: str, seat: Seat) -> Episode:
    episode = Episode(scenario, doctor_seed=5)
    play_now(episode, _seats(scenario.record, name, seat))
    return episode


def _seats(record: Record, name: str, seat: Seat) -> Mapping[str, Seat]:
    others = {DOCTOR: doctors.get("checklist")(), PATIENT: patients.get("scripted")()}
    return {other: seated(seat if other == name else filled, record) for other, filled in others.items()}
