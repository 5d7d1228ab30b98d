"""What a seat is, and what a patient's reply carries beside its words."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Iterable, Mapping
from functools import cache
from typing import Any, Literal, Protocol, TypeAlias, TypeVar, overload, runtime_checkable

from medenv.records.record import Record

__all__ = [
    "DOCTOR",
    "PATIENT",
    "Leaving",
    "PatientReply",
    "Privileged",
    "Seat",
    "release",
    "release_now",
    "seated",
    "settle",
    "settle_now",
]

DOCTOR = "doctor_0"
PATIENT = "patient_0"

Leaving: TypeAlias = Literal["goodbye", "nothing_left", "patience"]
"""Why a patient ends a consultation: the doctor said goodbye, nothing is left to ask, or patience is exhausted."""

T = TypeVar("T")


@runtime_checkable
class Seat(Protocol):
    """Anything that can take part in an episode.

    `act` gets the view of its seat and returns the words, at once or as an awaitable. Everything that a seat needs
    to know is in the view, its seed included, so one object may sit in any number of episodes at the same time.
    """

    def act(self, view: Any) -> str | Awaitable[str]:
        """The next message of this seat."""
        ...


@runtime_checkable
class Closable(Protocol):
    """What holds something open in an event loop, such as connections to a server."""

    async def aclose(self) -> None:
        """Lets go of it; whoever is used again afterwards opens it again."""
        ...


async def release(*users: object) -> None:
    """Has those of some seats and judges that hold something open in this event loop let go of it."""
    for user in users:
        if isinstance(user, Closable):
            await user.aclose()


def release_now(*users: object) -> None:
    """`release` for callers that are not coroutines, of what was awaited by `settle_now`."""
    if any(isinstance(user, Closable) for user in users):
        settle_now(release(*users))


@runtime_checkable
class Privileged(Protocol):
    """A seat that is let in on the record before the episode: for ceilings and analysis, never for a trained policy."""

    def informed(self, record: Record) -> Seat:
        """The seat that plays this record."""
        ...


def seated(seat: Any, record: Record) -> Seat:
    """Who really sits down for an episode about `record`: the seat, let in on the record where it is privileged."""
    return seat.informed(record) if isinstance(seat, Privileged) else seat


class PatientReply(str):
    """The words of a patient, and the ids of the facts that they disclose.

    It is a `str` everywhere a string is wanted; the ledger reads `disclosed`. A patient that returns a plain string is
    played too: the ledger then holds its words against the facts.
    """

    disclosed: tuple[str, ...] | None
    """None where the patient does not say: the ledger then holds the words against the facts."""
    leaves: Leaving | None
    """Why the patient ends the consultation with these words; None to go on."""
    trace: Mapping[str, Any] | None
    """How the reply came about, as plain data, for the trajectory; no other seat sees it."""

    def __new__(
        cls,
        text: str,
        disclosed: Iterable[str] | None = (),
        *,
        leaves: Leaving | None = None,
        trace: Mapping[str, Any] | None = None,
    ) -> PatientReply:
        """Makes a reply from its words and the ids of the facts in them."""
        reply = super().__new__(cls, text)
        reply.disclosed = None if disclosed is None else tuple(disclosed)
        reply.leaves = leaves
        reply.trace = trace
        return reply

    def __getnewargs_ex__(self) -> tuple[tuple[str, tuple[str, ...] | None], dict[str, Any]]:
        return (str(self), self.disclosed), {"leaves": self.leaves, "trace": self.trace}


async def settle(value: T | Awaitable[T]) -> T:
    """The value, awaited where it has to be: lets plain functions and coroutines stand in the same place."""
    if inspect.isawaitable(value):
        awaited: T = await value
        return awaited
    return value


@cache
def _background_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="medenv-seats", daemon=True).start()
    return loop


@overload
def settle_now(value: Awaitable[T]) -> T: ...
@overload
def settle_now(value: T | Awaitable[T]) -> T: ...
def settle_now(value: T | Awaitable[T]) -> T:
    """The value, waited for where it has to be, for callers that are not coroutines themselves.

    Awaitables run on one background event loop a process, so that connection pools outlive a single call and callers
    may stand inside a running loop of their own.
    """
    if inspect.isawaitable(value):
        future = asyncio.run_coroutine_threadsafe(settle(value), _background_loop())
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise
    return value
