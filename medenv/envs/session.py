"""A session: one episode of a task, and what the faces tell their caller about it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from medenv.consultation.episode import Episode
from medenv.consultation.seats import DOCTOR, PATIENT
from medenv.envs.task import Graded, Task
from medenv.errors import EpisodeOverError
from medenv.personas.registry import persona
from medenv.rewards import PatientScore, Score, score_patient

__all__ = ["SEATS", "Session", "running", "transcript"]

SEATS = (DOCTOR, PATIENT)

S = TypeVar("S", bound="Session")


class Session:
    """One episode as an environment plays it; what PettingZoo's and Gymnasium's faces have in common."""

    def __init__(self, task: Task, rng: np.random.Generator, options: dict[str, Any] | None = None) -> None:
        self.task = task
        scenario = task.draw(rng)
        doctor_seed = int(rng.integers(2**31))
        chosen = options or {}
        if "record" in chosen:
            scenario = replace(scenario, record=task.records[chosen["record"]])
        if "persona" in chosen:
            scenario = replace(scenario, persona=persona(chosen["persona"]))
        self.episode = Episode(scenario, doctor_seed=doctor_seed)
        self.score: Score | None = None
        self.patient_score: PatientScore | None = None

    def step(self, seat: str, message: str) -> None:
        """Takes the words of a seat; at the end, scores."""
        self.episode.step(seat, message)
        self.settle()

    def settle(self, graded: Graded | None = None) -> None:
        """Scores the episode if it is over; `graded` stands in for the task where that has been asked already."""
        if self.episode.over:
            self.score = self.task.score_now(self.episode, graded)
            self.patient_score = None if self.score is None else score_patient(self.episode.judge_view())

    def reward(self, seat: str) -> float:
        """A seat's reward of the last step: zero until the end; NaN, which is no score, where there is none."""
        if not self.episode.over:
            return 0.0
        score = self.score if seat == DOCTOR else self.patient_score
        return math.nan if score is None else score.reward

    @property
    def terminated(self) -> bool:
        """The doctor gave a diagnosis, or the patient left, and the episode is valid."""
        return self.episode.terminated and self.episode.failure is None

    @property
    def truncated(self) -> bool:
        """The turns ran out, or the episode is invalid."""
        return self.episode.truncated or self.episode.failure is not None

    def info(self, seat: str) -> dict[str, Any]:
        """What a seat's caller is told, made of new objects at each call; its score and the ledger only at the end."""
        episode = self.episode
        told: dict[str, Any] = {
            "record": episode.scenario.record.id,
            "persona": episode.scenario.persona.id,
            "turn": len(episode.turns),
            "cut": episode.cut,
            "valid": episode.failure is None,
        }
        if episode.ending is not None:
            told["ending"] = episode.ending
        if episode.failure is not None:
            told["failure"] = {"kind": episode.failure.kind, "reason": episode.failure.reason}
        score = self.score if seat == DOCTOR else self.patient_score
        if score is not None:
            told.update(score.as_dict(), ledger=episode.ledger.totals())
        return told


def running(session: S | None) -> S:
    """The session, if there is one.

    Raises:
        EpisodeOverError: The environment was never reset.
    """
    if session is None:
        raise EpisodeOverError("expected reset() before anything else, got no reset yet")
    return session


def transcript(episode: Episode) -> str:
    """An episode as plain text, for people."""
    lines = [f"Patient: {episode.scenario.record.chief_complaint}"]
    for turn in episode.turns:
        lines.append(f"Doctor: {turn.doctor}")
        lines += [f"  {result.text}" for result in turn.results]
        lines += [f"  Not understood. {note}" for note in turn.notes]
        if turn.reply is not None:
            lines.append(f"Patient: {turn.reply}")
    return "\n".join(lines)
