"""A sitting: a session in which one seat is the agent's and the others are filled in."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Generator, Iterable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from medenv.consultation.playing import play_now
from medenv.consultation.seats import DOCTOR, PATIENT, Seat, seated, settle_now
from medenv.envs.session import SEATS, Session
from medenv.envs.spaces import observation
from medenv.envs.task import Task
from medenv.errors import EpisodeOverError, SeatError

__all__ = ["Sitting", "agent_seat", "play_together"]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a seat or the task gave when it was asked, or the error it raised; stands in for whom it is from."""

    given: Any = None
    error: Exception | None = None

    def act(self, view: Any) -> Any:
        if self.error is not None:
            raise self.error
        return self.given

    def graded(self, episode: Any) -> Any:
        return self.act(episode)


_Play: TypeAlias = Generator[Awaitable[Any], _Answer | None, None]


class Sitting(Session):
    """A session from one seat, the agent's; the Gymnasium faces play these.

    After the start and after each `say`, the others have to act and the end has to be scored: see `play_together`.
    """

    def __init__(
        self, task: Task, rng: np.random.Generator, options: dict[str, Any] | None, *, seat: str, doctor: Seat
    ) -> None:
        super().__init__(task, rng, options)
        self.seat = seat
        self._cut = 0
        record = self.episode.scenario.record
        self._filled = {DOCTOR: seated(doctor, record), PATIENT: seated(task.patient, record)}

    def say(self, message: str) -> None:
        """Takes the words of the agent.

        Raises:
            ActionError: They are not a string.
            EpisodeOverError: The episode is over.
        """
        if self.episode.over:
            raise EpisodeOverError("expected reset() after the end of the episode, got another step")
        self.episode.step(self.seat, message)
        self._cut = self.episode.cut

    def play(self) -> _Play:
        """Lets the others act until it is the agent's turn, and scores at the end.

        Yields whatever has to be awaited, and is to be sent the answer.
        """
        episode = self.episode
        while (seat := episode.next_seat) not in (None, self.seat):
            assert seat is not None
            answer = yield from _asked(self._act, seat)
            if isinstance(answer.given, str):
                episode.step(seat, answer.given)
            else:
                play_now(episode, {seat: answer})  # Raises, or gives no words: either ends the episode as invalid.
        if episode.over and episode.failure is None:
            answer = yield from _asked(self.task.graded, episode)
            self.settle(answer.graded)
        else:
            self.settle()

    def observation(self) -> dict[str, Any]:
        """What the agent sees, made of new objects at each call."""
        return observation(self.episode.view(self.seat))

    def agent_info(self) -> dict[str, Any]:
        """What the caller is told; `cut` counts the characters cut off the agent's own message."""
        return {**super().info(self.seat), "cut": self._cut}

    @property
    def agent_reward(self) -> float:
        """The reward of the agent's last step."""
        return self.reward(self.seat)

    def _act(self, seat: str) -> Any:
        return self._filled[seat].act(self.episode.view(seat))


def play_together(sittings: Iterable[Sitting]) -> None:
    """Plays sittings side by side until it is the agent's turn in each, or its end is scored.

    Seats and judges that have to be awaited are awaited all together. Plain ones are called in the caller's thread, in
    the order of the sittings, and need no event loop.
    """
    plays = [sitting.play() for sitting in sittings]
    waiting = [(play, awaitable) for play in plays if (awaitable := next(play, None)) is not None]
    while waiting:
        answers = settle_now(_answers([awaitable for _, awaitable in waiting]))
        resumed = [(play, _resume(play, answer)) for (play, _), answer in zip(waiting, answers, strict=True)]
        waiting = [(play, awaitable) for play, awaitable in resumed if awaitable is not None]


def _resume(play: _Play, answer: _Answer) -> Awaitable[Any] | None:
    try:
        return play.send(answer)
    except StopIteration:
        return None


def _asked(question: Callable[..., Any], *arguments: Any) -> Generator[Awaitable[Any], _Answer | None, _Answer]:
    try:
        given = question(*arguments)
    except Exception as error:
        return _Answer(error=error)
    if not inspect.isawaitable(given):
        return _Answer(given)
    answer = yield given
    assert answer is not None
    return answer


async def _answers(awaitables: Iterable[Awaitable[Any]]) -> list[_Answer]:
    answers = await asyncio.gather(*map(_answer, awaitables), return_exceptions=True)
    # All that comes as an exception here is a cancellation from within, such as that of a client's time limit; as
    # an `Exception` it can fail the one episode.
    return [answer if isinstance(answer, _Answer) else _Answer(error=CancelledError()) for answer in answers]


async def _answer(awaitable: Awaitable[Any]) -> _Answer:
    try:
        return _Answer(await awaitable)
    except Exception as error:
        return _Answer(error=error)


def agent_seat(seat: str) -> str:
    """The seat, if there is one of that name.

    Raises:
        SeatError: There is no such seat.
    """
    if seat not in SEATS:
        raise SeatError(f"expected a seat of {', '.join(SEATS)}; got {seat!r}")
    return seat
