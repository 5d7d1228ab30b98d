"""Retries: what fails for now is asked again, later and later, until it succeeds or the time is over."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from medenv.errors import BackendError, MissingExtraError

from .chat import Backend, Reply, Request

try:
    from tenacity import AsyncRetrying, RetryCallState, retry_if_exception
    from tenacity.stop import stop_before_delay
except ImportError as missing:
    raise MissingExtraError(
        f"expected the extra 'serve' for models on a server, got {missing}; pip install 'medenv-rl[serve]'"
    ) from None

__all__ = ["Retries", "Retrying", "time_limit"]

FIRST = 0.1
"""The longest wait after the first failed attempt, in seconds; it doubles with every further one."""
LONGEST = 10.0

T = TypeVar("T")


class Retries:
    """Asks again while an error may pass, with waits drawn between nothing and a bound that doubles (full jitter).

    A server that says how long it wants to be left alone is left alone for that long as well.

    Args:
        total_timeout: How many seconds a call may take with all its attempts and waits.
        seed: Of the waits.
    """

    def __init__(self, *, total_timeout: float, seed: int = 0) -> None:
        if not total_timeout > 0:
            raise BackendError(f"expected a total_timeout above 0, got {total_timeout}", "refused")
        self.total_timeout = total_timeout
        self._random = random.Random(seed)

    async def call(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """The result of the first attempt that succeeds.

        Raises:
            BackendError: An error that does not pass, or the last one when the time is over.
        """
        began, attempts = time.monotonic(), 0
        last: BackendError | None = None

        async def counted() -> T:
            nonlocal attempts, last
            attempts += 1
            try:
                return await attempt()
            except BackendError as error:
                last = error
                raise

        # One object a call: it keeps the state of the call that it is in.
        retrying = AsyncRetrying(
            sleep=asyncio.sleep,
            retry=retry_if_exception(_passing),
            wait=self._wait,
            stop=stop_before_delay(self.total_timeout),
            reraise=True,
        )
        clock = asyncio.timeout(self.total_timeout)
        try:
            async with clock:
                return await retrying(counted)
        except BackendError as error:
            if not error.passing:
                raise
            last = error
        except TimeoutError:
            if not clock.expired():
                raise
        cause = last or BackendError(f"expected a reply within {self.total_timeout:g} s, got none", "timeout")
        spent = time.monotonic() - began
        plural = "s" if attempts != 1 else ""
        raise BackendError(
            f"{cause}; gave up after {attempts} attempt{plural} in {spent:.1f} s", cause.kind, cause.wait
        ) from last

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.wait if isinstance(error, BackendError) else 0.0
        bound = min(LONGEST, FIRST * 2.0 ** min(state.attempt_number - 1, 10))
        return asked + self._random.uniform(0.0, bound)


@asynccontextmanager
async def time_limit(seconds: float) -> AsyncIterator[None]:
    """Ends an attempt that takes longer.

    Raises:
        BackendError: It took longer (kind "timeout").
    """
    clock = asyncio.timeout(seconds)
    try:
        async with clock:
            yield
    except TimeoutError:
        if not clock.expired():
            raise
        raise BackendError(f"expected a reply within {seconds:g} s, got none", "timeout") from None


def _passing(error: BaseException) -> bool:
    return isinstance(error, BackendError) and error.passing


class Retrying:
    """A backend that asks another one again when it fails for now.

    Args:
        backend: The other one.
        attempt_timeout: How many seconds one attempt may take.
        total_timeout: How many seconds a request may take with all its attempts and waits.
        seed: Of the waits between attempts.
    """

    def __init__(
        self, backend: Backend, *, attempt_timeout: float = 120.0, total_timeout: float = 900.0, seed: int = 0
    ) -> None:
        self.backend = backend
        self.attempt_timeout = attempt_timeout
        self._retries = Retries(total_timeout=total_timeout, seed=seed)

    async def complete(self, request: Request) -> Reply:
        """The reply to a request, from the first attempt that gives one.

        Raises:
            BackendError: An error that does not pass, or the last one when the time is over.
        """
        return await self._retries.call(lambda: self._attempt(request))

    async def aclose(self) -> None:
        """Closes the other backend."""
        await self.backend.aclose()

    async def _attempt(self, request: Request) -> Reply:
        async with time_limit(self.attempt_timeout):
            return await self.backend.complete(request)
