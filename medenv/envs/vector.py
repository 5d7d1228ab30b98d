"""The vector face: many consultations from one seat, whose other seats are answered together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from medenv.agents.doctors import doctors
from medenv.consultation.seats import DOCTOR, Seat, release_now
from medenv.envs.session import running, transcript
from medenv.envs.sitting import Sitting, agent_seat, play_together
from medenv.envs.spaces import Utterance, observation_space
from medenv.envs.task import RecordSource, make_task
from medenv.errors import ActionError, EpisodeOverError, MedenvError

__all__ = ["ConsultationVector"]


class ConsultationVector(VectorEnv[dict[str, Any], Sequence[str], NDArray[Any]]):
    """Many consultations from one seat, each as in `ConsultationSeat`, which says what rewards and infos hold.

    A step answers all the filled-in seats together: a model that takes half a second a call takes half a second a step,
    however many episodes there are. Judges that have to be awaited are awaited together, too. The records are loaded
    once.

    Observations, actions, infos and the autoreset modes are those of `gymnasium.vector.SyncVectorEnv`. A consultation
    that is over before the agent of the patient's seat could speak, since the doctor closed or failed at once, reports
    its end with the next step, whose action is ignored.
    """

    metadata = {"render_modes": ["human", "ansi"], "render_fps": 1, "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(
        self,
        records: RecordSource = "library",
        *,
        num_envs: int = 1,
        seat: str = DOCTOR,
        doctor: str | Seat = "checklist",
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        **task: Any,
    ) -> None:
        """Makes the environment.

        Args:
            records: See `medenv.envs.task.make_task`.
            num_envs: How many consultations are played side by side.
            seat: The seat of the agent, the same in all.
            doctor: Who fills the doctor's seat where the agent is the patient.
            autoreset_mode: When a consultation that is over gives way to the next: "NextStep", "SameStep" or
                "Disabled".
            render_mode: "human" prints the talks, "ansi" returns them.
            **task: The other arguments of `medenv.envs.task.make_task`.

        Raises:
            SeatError: There is no such seat.
            MedenvError: Another argument does not fit.
        """
        if not isinstance(num_envs, (int, np.integer)) or num_envs < 1:
            raise MedenvError(f"expected num_envs of at least 1, got {num_envs!r}")
        try:
            self.autoreset_mode = AutoresetMode(autoreset_mode)
        except ValueError:
            modes = ", ".join(mode.value for mode in AutoresetMode)
            raise MedenvError(f"expected an autoreset_mode of {modes}; got {autoreset_mode!r}") from None
        self.num_envs = int(num_envs)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.seat = agent_seat(seat)
        self.render_mode = render_mode
        self.task = make_task(records, **task)
        self._doctor: Seat = doctors.get(doctor)() if isinstance(doctor, str) else doctor
        self.single_observation_space = observation_space(self.task.max_turns)
        self.single_action_space = Utterance(self.task.max_chars)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._generators = [seeding.np_random() for _ in range(self.num_envs)]
        self._sittings: list[Sitting | None] = [None] * self.num_envs
        self._ended = np.zeros(self.num_envs, np.bool_)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Starts all the consultations, or some.

        Args:
            seed: Of an int, the consultation `i` gets `seed + i`; or one seed, or None, for each.
            options: `record` and `persona`, each an id, in place of a draw; `reset_mask`, a boolean array that says
                which consultations are started, the others going on.

        Raises:
            EpisodeOverError: A consultation is to go on that was never started.
            MedenvError: The seeds or the mask do not fit, or there is no such record or persona.
        """
        chosen = self._chosen(options)
        generators = list(self._generators)
        for index, own in enumerate(self._seeds(seed)):
            if own is not None and chosen[index]:
                generators[index] = seeding.np_random(own)
        sittings = [
            self._sit(generator, options) if start else running(sitting)
            for (generator, _), start, sitting in zip(generators, chosen, self._sittings, strict=True)
        ]
        self._play([sitting for sitting, start in zip(sittings, chosen, strict=True) if start])
        self._generators, self._sittings = generators, list(sittings)
        self._ended = self._ended & ~chosen
        infos: dict[str, Any] = {}
        for index in map(int, np.flatnonzero(chosen)):
            infos = self._add_info(infos, sittings[index].agent_info(), index)
        return _batch(sittings), infos

    def step(
        self, actions: Sequence[str]
    ) -> tuple[dict[str, Any], NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Says something from the agent's seat in each consultation and lets the others answer, all together.

        Raises:
            ActionError: The actions are not one string for each consultation; nothing was said in any of them.
            EpisodeOverError: None was started, or one is over where `autoreset_mode` is "Disabled".
        """
        sittings = [running(sitting) for sitting in self._sittings]
        said = self._checked(actions)
        rewards = np.zeros(self.num_envs, np.float64)
        terminations, truncations = np.zeros(self.num_envs, np.bool_), np.zeros(self.num_envs, np.bool_)
        for index, sitting in enumerate(sittings):
            if self._ended[index]:
                sittings[index] = self._sit(self._generators[index][0])
            elif not sitting.episode.over:
                sitting.say(said[index])
        self._play(sittings)
        for index, sitting in enumerate(sittings):
            if not self._ended[index]:
                rewards[index] = sitting.agent_reward
                terminations[index], truncations[index] = sitting.terminated, sitting.truncated
        ended = terminations | truncations
        finals: dict[int, dict[str, Any]] = {}
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            for index in map(int, np.flatnonzero(ended)):
                finals[index] = {"final_obs": sittings[index].observation(), "final_info": sittings[index].agent_info()}
                sittings[index] = self._sit(self._generators[index][0])
            self._play([sittings[index] for index in finals])
            ended = np.zeros(self.num_envs, np.bool_)
        self._sittings, self._ended = list(sittings), ended
        infos: dict[str, Any] = {}
        for index, sitting in enumerate(sittings):
            infos = self._add_info(infos, finals.get(index, {}), index)
            infos = self._add_info(infos, sitting.agent_info(), index)
        return _batch(sittings), rewards, terminations, truncations, infos

    def render(self) -> tuple[str, ...] | None:
        """The talks so far; in the mode "human" they are printed with every step instead."""
        if self.render_mode != "ansi":
            return None
        return tuple(transcript(running(sitting).episode) for sitting in self._sittings)

    def close_extras(self, **kwargs: Any) -> None:
        """Has the others and the judge let go of what they hold open."""
        release_now(self._doctor, self.task.patient, self.task.rubric, self.task.judge)

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """The generator of each consultation."""
        return tuple(generator for generator, _ in self._generators)

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seed of each generator."""
        return tuple(seed for _, seed in self._generators)

    def _sit(self, generator: np.random.Generator, options: dict[str, Any] | None = None) -> Sitting:
        return Sitting(self.task, generator, options, seat=self.seat, doctor=self._doctor)

    def _play(self, sittings: Sequence[Sitting]) -> None:
        play_together(sittings)
        if self.render_mode == "human":
            for sitting in sittings:
                print(transcript(sitting.episode))

    def _checked(self, actions: Any) -> list[str]:
        """The actions as a list, checked whole before anything is said."""
        if isinstance(actions, np.ndarray):
            actions = actions.tolist()
        if not isinstance(actions, (list, tuple)):
            raise ActionError(f"expected {self.num_envs} actions as a tuple or list, got {type(actions).__name__}")
        if len(actions) != self.num_envs:
            raise ActionError(f"expected {self.num_envs} actions, got {len(actions)}")
        if self.autoreset_mode is AutoresetMode.DISABLED and self._ended.any():
            over = ", ".join(map(str, np.flatnonzero(self._ended)))
            raise EpisodeOverError(f"expected reset() of the consultations that are over ({over}), got another step")
        for index, action in enumerate(actions):
            if not self._ended[index] and not isinstance(action, str):
                raise ActionError(f"expected action {index} as a str, got {type(action).__name__}")
        return list(actions)

    def _seeds(self, seed: int | Sequence[int | None] | None) -> Sequence[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, (int, np.integer)):
            return [int(seed) + index for index in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise MedenvError(f"expected {self.num_envs} seeds, got {len(seed)}")
        return seed

    def _chosen(self, options: dict[str, Any] | None) -> NDArray[np.bool_]:
        """Which consultations a reset starts."""
        if options is None or "reset_mask" not in options:
            return np.ones(self.num_envs, np.bool_)
        mask = options["reset_mask"]
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (self.num_envs,):
            got = f"{mask.dtype} of shape {mask.shape}" if isinstance(mask, np.ndarray) else type(mask).__name__
            raise MedenvError(f"expected reset_mask as a boolean array of shape ({self.num_envs},), got {got}")
        if not mask.any():
            raise MedenvError("expected a reset_mask that starts at least one consultation, got none")
        return mask


def _batch(sittings: Sequence[Sitting]) -> dict[str, Any]:
    seen = [sitting.observation() for sitting in sittings]
    return {
        "messages": tuple(each["messages"] for each in seen),
        "turn": np.array([each["turn"] for each in seen], np.int64),
    }
