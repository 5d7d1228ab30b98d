"""The Gymnasium face: one seat is the agent, the others are filled in."""

from __future__ import annotations

from typing import Any

import gymnasium

from medenv.agents.doctors import doctors
from medenv.consultation.seats import DOCTOR, Seat, release_now
from medenv.consultation.views import DoctorView, PatientView
from medenv.envs.session import running, transcript
from medenv.envs.sitting import Sitting, agent_seat, play_together
from medenv.envs.spaces import Utterance, observation_space
from medenv.envs.task import RecordSource, make_task

__all__ = ["ConsultationSeat"]


class ConsultationSeat(gymnasium.Env[dict[str, Any], str]):
    """A consultation from one seat.

    Observations are `Dict(messages=Sequence(Dict(role, content)), turn)`, actions any string. The reward comes with the
    last step. The doctor's equals the points in `info["criteria"]` and `info["adjustments"]` over
    `info["denominator"]`; the patient's (see `medenv.rewards.score_patient`) what is awarded in `info["criteria"]` over
    `info["denominator"]`.

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
        self.seat = agent_seat(seat)
        self.render_mode = render_mode
        self.task = make_task(records, **task)
        self._doctor: Seat = doctors.get(doctor)() if isinstance(doctor, str) else doctor
        self.observation_space = observation_space(self.task.max_turns)
        self.action_space = Utterance(self.task.max_chars)
        self._sitting: Sitting | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Starts an episode."""
        super().reset(seed=seed)
        self._sitting = Sitting(self.task, self.np_random, options, seat=self.seat, doctor=self._doctor)
        return self._advance(self._sitting)

    def step(self, action: str) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Says something from the agent's seat and lets the others answer.

        Raises:
            ActionError: The action is not a string.
            EpisodeOverError: The episode is over, or none was started.
        """
        sitting = running(self._sitting)
        sitting.say(action)
        seen, info = self._advance(sitting)
        return seen, sitting.agent_reward, sitting.terminated, sitting.truncated, info

    def _advance(self, sitting: Sitting) -> tuple[dict[str, Any], dict[str, Any]]:
        play_together([sitting])
        if self.render_mode == "human":
            print(transcript(sitting.episode))
        return sitting.observation(), sitting.agent_info()

    def view(self) -> DoctorView | PatientView:
        """The typed view of the agent's seat, for agents that sit in one: `patient.act(env.unwrapped.view())`."""
        return running(self._sitting).episode.view(self.seat)

    def close(self) -> None:
        """Has the others and the judge let go of what they hold open."""
        release_now(self._doctor, self.task.patient, self.task.rubric, self.task.judge)

    def render(self) -> str | None:
        """The talk so far; in the mode "human" it is printed with every step instead."""
        return transcript(running(self._sitting).episode) if self.render_mode == "ansi" else None
