"""Adaptive concurrency: how many requests a server is given at the same time.

The limit rises by a few permits a round of good replies and falls by a share when the server shows that it has too
many, so that it stays about where the server still keeps up.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

from medenv.errors import BackendError

__all__ = ["AdaptiveLimit", "Permit"]

GROWTH = 4.0
"""Permits that a round of good replies, one for each permit, adds."""
DECREASE = 0.7
"""What is left of the limit after a sign of overload."""


class Permit:
    """The right to one request; whoever holds it says how the request went."""

    def __init__(self, limit: AdaptiveLimit) -> None:
        self._limit = limit
        self._began = limit.decreases

    def kept_up(self) -> None:
        """The server replied."""
        self._limit.rise()

    def overloaded(self) -> None:
        """The server said, or showed, that it has too much to do."""
        self._limit.fall(self._began)


class AdaptiveLimit:
    """Permits, given in the order they were asked for.

    All event loops learn one limit together, and each keeps to it by itself.

    Args:
        most: The limit to begin with, which it never exceeds; at least 1.
    """

    def __init__(self, most: int) -> None:
        if most < 1:
            raise BackendError(f"expected a limit of at least 1, got {most}", "refused")
        self.most = most
        self.limit = float(most)
        self.decreases = 0
        self._gates: WeakKeyDictionary[asyncio.AbstractEventLoop, _Gate] = WeakKeyDictionary()

    @property
    def busy(self) -> int:
        """How many permits this event loop holds or waits for."""
        gate = self._gate()
        return gate.held + len(gate.waiting)

    @asynccontextmanager
    async def permit(self) -> AsyncIterator[Permit]:
        """Waits for a permit and holds it."""
        gate = self._gate()
        await gate.enter(self)
        try:
            yield Permit(self)
        finally:
            gate.leave(self)

    def rise(self) -> None:
        """Raises the limit for a good reply."""
        self.limit = min(float(self.most), self.limit + GROWTH / self.limit)

    def fall(self, decreases: int) -> None:
        """Lowers the limit for a request that began after so many decreases; once for all that were under way then."""
        if decreases == self.decreases:
            self.decreases += 1
            self.limit = max(1.0, self.limit * DECREASE)

    def _gate(self) -> _Gate:
        return self._gates.setdefault(asyncio.get_running_loop(), _Gate())


class _Gate:
    """The permits of one event loop."""

    def __init__(self) -> None:
        self.held = 0
        self.waiting: OrderedDict[asyncio.Future[None], None] = OrderedDict()

    async def enter(self, limit: AdaptiveLimit) -> None:
        if not self.waiting and self.held < int(limit.limit):
            self.held += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting[turn] = None
        try:
            await turn
        except BaseException:
            self.waiting.pop(turn, None)
            if not turn.cancelled():
                # The permit came at the same moment as the cancellation.
                self.leave(limit)
            raise

    def leave(self, limit: AdaptiveLimit) -> None:
        self.held -= 1
        while self.waiting and self.held < int(limit.limit):
            turn, _ = self.waiting.popitem(last=False)
            if not turn.done():
                self.held += 1
                turn.set_result(None)
