"""Playing: lets the seats of an episode act in turn, and keeps what fails in them away from the policy."""

from __future__ import annotations

from collections.abc import Mapping

from medenv.consultation.episode import Episode, FailureKind
from medenv.consultation.seats import DOCTOR, Seat, settle, settle_now
from medenv.errors import ActionError, BackendError

__all__ = ["play", "play_now"]


async def play(episode: Episode, seats: Mapping[str, Seat], *, until: str | None = None) -> None:
    """Lets the seats act until the episode is over or it is the turn of the seat `until`.

    A seat that raises, or answers with something that is no string, makes the episode invalid.
    """
    while (seat := episode.next_seat) not in (None, until):
        assert seat is not None
        try:
            message = await settle(seats[seat].act(episode.view(seat)))
        except Exception as error:
            _fail(episode, seat, error)
        else:
            _take(episode, seat, message)


def play_now(episode: Episode, seats: Mapping[str, Seat], *, until: str | None = None) -> None:
    """`play` for callers that are not coroutines; seats that are plain functions need no event loop."""
    while (seat := episode.next_seat) not in (None, until):
        assert seat is not None
        try:
            message = settle_now(seats[seat].act(episode.view(seat)))
        except Exception as error:
            _fail(episode, seat, error)
        else:
            _take(episode, seat, message)


def _take(episode: Episode, seat: str, message: str) -> None:
    try:
        episode.step(seat, message)
    except ActionError as error:
        _fail(episode, seat, error)


def _fail(episode: Episode, seat: str, error: Exception) -> None:
    kind: FailureKind = "doctor" if seat == DOCTOR else "patient"
    if isinstance(error, BackendError):
        kind = "backend"
    episode.fail(kind, f"{type(error).__name__}: {' '.join(str(error).split())[:500]}")
