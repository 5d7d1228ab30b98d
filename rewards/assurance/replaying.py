"""Replaying: a written consultation is played in a real episode, so that any judge can judge it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from medenv.consultation.episode import Episode, Scenario
from medenv.consultation.seats import DOCTOR, PATIENT, PatientReply
from medenv.consultation.views import JudgeView
from medenv.errors import JudgeError
from medenv.personas import Persona
from medenv.records import RecordSet, load_records

from .labels import LabelledConsultation

__all__ = ["replay"]


@cache
def _library() -> RecordSet:
    return load_records("library")


def replay(consultation: LabelledConsultation, messages: Sequence[str] | None = None) -> JudgeView:
    """What a judge sees of a consultation whose patient gives the written answers.

    Args:
        consultation: What is played.
        messages: What the doctor says in place of the written messages, as many as they are.

    Raises:
        JudgeError: The messages cannot be played: one ends the consultation early, or the episode fails.
    """
    record = _library()[consultation.record]
    opening = consultation.opening or record.chief_complaint
    record = replace(record, language=consultation.language, chief_complaint=opening)
    exchanges = consultation.exchanges
    episode = Episode(Scenario(record, Persona("neutral"), 0, max_turns=len(exchanges)))
    for exchange, message in zip(exchanges, consultation.messages if messages is None else messages, strict=True):
        if episode.next_seat == DOCTOR:
            episode.step(DOCTOR, message)
        if episode.next_seat == PATIENT and exchange.patient is not None:
            episode.step(PATIENT, PatientReply(exchange.patient, exchange.tells))
    if episode.failure is not None:
        raise JudgeError(f"{consultation.id}: expected a valid episode, got {episode.failure.reason}")
    view = episode.judge_view()
    answered = [turn.reply is not None for turn in view.turns]
    if answered != [exchange.patient is not None for exchange in exchanges]:
        raise JudgeError(f"{consultation.id}: expected {len(exchanges)} exchanges as written, got others")
    return view
