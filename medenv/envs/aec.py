"""The PettingZoo faces: doctor and patient as two agents, in turn (AEC) and at once (parallel)."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding
from pettingzoo import AECEnv, ParallelEnv

from medenv.consultation.playing import play_now
from medenv.consultation.seats import DOCTOR, PATIENT, release_now, seated
from medenv.consultation.views import DoctorView, PatientView
from medenv.envs.session import SEATS, Session, running, transcript
from medenv.envs.spaces import Utterance, observation, observation_space
from medenv.envs.task import RecordSource, make_task
from medenv.errors import ActionError, EpisodeOverError, SeatError

__all__ = ["ConsultationAEC", "ConsultationParallel"]


class _Faces:
    """What both faces share: the task, the spaces, the generator and the session."""

    def __init__(self, records: RecordSource = "library", *, render_mode: str | None = None, **task: Any) -> None:
        self.render_mode = render_mode
        self.task = make_task(records, **task)
        self.possible_agents = list(SEATS)
        self.agents: list[str] = []
        self.observation_spaces = {seat: observation_space(self.task.max_turns) for seat in SEATS}
        self.action_spaces = {seat: Utterance(self.task.max_chars) for seat in SEATS}
        self._rng: np.random.Generator | None = None
        self._session: Session | None = None

    def observation_space(self, agent: str) -> spaces.Dict:
        """The observation space of an agent, the same object at each call."""
        return self.observation_spaces[_seat(agent)]

    def action_space(self, agent: str) -> Utterance:
        """The action space of an agent, the same object at each call."""
        return self.action_spaces[_seat(agent)]

    def view(self, agent: str) -> DoctorView | PatientView:
        """The typed view of a seat, for agents that sit in one: `patient.act(env.view("patient_0"))`."""
        return running(self._session).episode.view(agent)

    def render(self) -> str | None:
        """The talk so far, in the mode "ansi"; printed in the mode "human"."""
        text = transcript(running(self._session).episode)
        if self.render_mode == "human":
            print(text)
        return text if self.render_mode == "ansi" else None

    def close(self) -> None:
        """Has the patient and the judge let go of what they hold open."""
        release_now(self.task.patient, self.task.rubric, self.task.judge)

    def _start(self, seed: int | None, options: dict[str, Any] | None) -> Session:
        if seed is not None or self._rng is None:
            self._rng, _ = seeding.np_random(seed)
        self.agents = list(self.possible_agents)
        self._session = Session(self.task, self._rng, options)
        return self._session

    def _say(self, session: Session, seat: str, action: str | None) -> int:
        """Takes an action; the patient's None lets the patient of the task speak. Returns the characters cut."""
        if action is None and seat == PATIENT:
            patient = seated(self.task.patient, session.episode.scenario.record)
            play_now(session.episode, {PATIENT: patient}, until=DOCTOR)
        else:
            session.episode.step(seat, action)  # type: ignore[arg-type]
        cut = session.episode.cut
        session.settle()
        return cut


def _seat(agent: str) -> str:
    if agent not in SEATS:
        raise SeatError(f"expected a seat of {', '.join(SEATS)}; got {agent!r}")
    return agent


class ConsultationAEC(_Faces, AECEnv[str, dict[str, Any], str]):
    """A consultation as an agent-environment cycle: `doctor_0` speaks, `patient_0` answers.

    The patient is skipped where a message holds commands only. An action of None for the patient, while the episode
    runs, lets the patient given as `patient=` answer. Both rewards come with the end; see `ConsultationSeat` for what
    each one's `info` then holds and for invalid episodes.
    """

    metadata = {  # noqa: RUF012
        "name": "consultation_v0",
        "render_modes": ["human", "ansi"],
        "is_parallelizable": False,
        "render_fps": 1,
    }

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Starts an episode; `options` may choose the `record` and the `persona` by id."""
        session = self._start(seed, options)
        self.agent_selection = DOCTOR
        self.rewards = dict.fromkeys(SEATS, 0.0)
        self._cumulative_rewards = dict.fromkeys(SEATS, 0.0)
        self.terminations = dict.fromkeys(SEATS, False)
        self.truncations = dict.fromkeys(SEATS, False)
        self.infos = {seat: session.info(seat) for seat in SEATS}

    def observe(self, agent: str) -> dict[str, Any]:
        """What an agent sees now."""
        return observation(self.view(agent))

    def step(self, action: str | None) -> None:
        """Takes the action of the selected agent.

        Raises:
            ActionError: The action is not a string.
            EpisodeOverError: The episode is over, or none was started.
        """
        session = running(self._session)
        if not self.agents:
            raise EpisodeOverError("expected reset() after the end of the episode, got another step")
        seat = self.agent_selection
        if self.terminations[seat] or self.truncations[seat]:
            if action is not None:
                raise EpisodeOverError(f"expected the action None for {seat!r}, whose episode is over; got another")
            self._was_dead_step(None)
            return
        self._cumulative_rewards[seat] = 0.0
        cut = self._say(session, seat, action)
        self._clear_rewards()
        if session.episode.over:
            self.rewards = {each: session.reward(each) for each in SEATS}
            self.terminations = dict.fromkeys(SEATS, session.terminated)
            self.truncations = dict.fromkeys(SEATS, session.truncated)
        self.infos = {each: {**session.info(each), "cut": cut if each == seat else 0} for each in SEATS}
        self.agent_selection = session.episode.next_seat or DOCTOR
        self._accumulate_rewards()
        if self.render_mode == "human":
            self.render()


class ConsultationParallel(_Faces, ParallelEnv[str, dict[str, Any], str]):
    """A consultation in which both agents are asked at every step and the one whose turn it is is heard.

    `info["acts"]` says whether the next action of an agent counts; the other's may be left out. The rest is as in
    `ConsultationAEC`.
    """

    metadata = {"name": "consultation_v0", "render_modes": ["human", "ansi"], "render_fps": 1}  # noqa: RUF012

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
        """Starts an episode; `options` may choose the `record` and the `persona` by id."""
        session = self._start(seed, options)
        return self._observations(session), self._infos(session, {})

    def step(
        self, actions: dict[str, str]
    ) -> tuple[
        dict[str, dict[str, Any]], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]
    ]:
        """Takes the action of the agent whose turn it is.

        Raises:
            ActionError: That action is not a string, or `actions` is no dictionary.
            EpisodeOverError: The episode is over, or none was started.
            SeatError: There is an action for an unknown seat, or none for the one whose turn it is.
        """
        session = running(self._session)
        seat = session.episode.next_seat
        if seat is None:
            raise EpisodeOverError("expected reset() after the end of the episode, got another step")
        if not isinstance(actions, dict):
            raise ActionError(f"expected actions as a dict of seats, got {type(actions).__name__}")
        for agent in actions:
            _seat(agent)
        if seat not in actions:
            raise SeatError(f"expected an action for {seat!r}, whose turn it is; got none")
        cut = self._say(session, seat, actions[seat])
        over = session.episode.over
        rewards = {each: session.reward(each) for each in SEATS}
        if over:
            self.agents = []
        if self.render_mode == "human":
            self.render()
        return (
            self._observations(session),
            rewards,
            dict.fromkeys(SEATS, session.terminated),
            dict.fromkeys(SEATS, session.truncated),
            self._infos(session, {seat: cut}),
        )

    def _observations(self, session: Session) -> dict[str, dict[str, Any]]:
        return {seat: observation(session.episode.view(seat)) for seat in SEATS}

    def _infos(self, session: Session, cut: dict[str, int]) -> dict[str, dict[str, Any]]:
        acts = session.episode.next_seat
        return {seat: {**session.info(seat), "cut": cut.get(seat, 0), "acts": seat == acts} for seat in SEATS}
