"""The Gymnasium face: one seat is the agent, the others are filled in."""

from __future__ import annotations

from typing import Any

import gymnasium

from medenv.agents.doctors import doctors
from medenv.consultation.playing import play_now
from medenv.consultation.seats import DOCTOR, PATIENT, Seat, seated
from medenv.envs.session import SEATS, Session, running, transcript
from medenv.envs.spaces import Utterance, observation, observation_space
from medenv.envs.task import RecordSource, make_task
from medenv.errors import EpisodeOverError, SeatError

__all__ = ["ConsultationSeat"]


class ConsultationSeat(gymnasium.Env[dict[str, Any], str]):
    """A consultation from one seat.

    Observations are `Dict(messages=Sequence(Dict(role, content)), turn)`, actions any string. The doctor's reward comes
    with the last step and equals the points in `info["criteria"]` and `info["adjustments"]` over `info["denominator"]`.
    The patient's seat has no reward of its own: 0.0.

    An invalid episode (a filled-in seat or the judge failed) is truncated with the reward NaN, `info["valid"]` false
    and `info["failure"]` saying why: it must not be learned from.

    `reset` takes the options `record` and `persona`, each an id, in place of a draw.
    """

    metadata = {"render_modes": ["human", "ansi"], "render_fps": 1}  # noqa: RUF012

    def __init__(
        self,
        records: RecordSource = "library",
        *,
        seat: str = DOCTOR,
        doctor: str | Seat = "checklist",
        render_mode: str | None = None,
        **task: Any,
    ) -> None:
        """Makes the environment.

        Args:
            records: See `medenv.envs.task.make_task`.
            seat: The seat of the agent.
            doctor: Who fills the doctor's seat where the agent is the patient.
            render_mode: "human" prints the talk, "ansi" returns it.
            **task: The other arguments of `medenv.envs.task.make_task`.

        Raises:
            SeatError: There is no such seat.
            MedenvError: An argument of the task does not fit.
        """
        if seat not in SEATS:
            raise SeatError(f"expected a seat of {', '.join(SEATS)}; got {seat!r}")
        self.seat = seat
        self.render_mode = render_mode
        self.task = make_task(records, **task)
        self._doctor: Seat = doctors.get(doctor)() if isinstance(doctor, str) else doctor
        self.observation_space = observation_space(self.task.max_turns)
        self.action_space = Utterance(self.task.max_chars)
        self._session: Session | None = None
        self._filled: dict[str, Seat] = {}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Starts an episode."""
        super().reset(seed=seed)
        session = self._session = Session(self.task, self.np_random, options)
        record = session.episode.scenario.record
        self._filled = {DOCTOR: seated(self._doctor, record), PATIENT: seated(self.task.patient, record)}
        return self._advance(session)

    def step(self, action: str) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Says something from the agent's seat and lets the others answer.

        Raises:
            ActionError: The action is not a string.
            EpisodeOverError: The episode is over, or none was started.
        """
        session = running(self._session)
        if session.episode.over:
            raise EpisodeOverError("expected reset() after the end of the episode, got another step")
        session.episode.step(self.seat, action)
        seen, info = self._advance(session)
        reward = session.reward if self.seat == DOCTOR else 0.0
        return seen, reward, session.terminated, session.truncated, info

    def _advance(self, session: Session) -> tuple[dict[str, Any], dict[str, Any]]:
        cut = session.episode.cut
        play_now(session.episode, self._filled, until=self.seat)
        session.settle()
        if self.render_mode == "human":
            print(transcript(session.episode))
        return observation(session.episode.view(self.seat)), {**session.info(), "cut": cut}

    def render(self) -> str | None:
        """The talk so far; in the mode "human" it is printed with every step instead."""
        return transcript(running(self._session).episode) if self.render_mode == "ansi" else None
