"""Replicas: which of several servers gets a request."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b

from medenv.errors import BackendError

from .limits import AdaptiveLimit

__all__ = ["Replica", "Replicas", "preference"]

FIRST_REST, LONGEST_REST = 0.5, 30.0
"""Seconds that a replica rests after its first failure, which double with every further one, and their bound."""
FAILURES = ("unreachable", "timeout", "server error")


def preference(conversation: str, urls: Iterable[str]) -> list[str]:
    """The replicas in the order in which a conversation wants them (rendezvous hashing).

    Each conversation has an order of its own that does not depend on the other replicas, so that one that comes or
    goes moves only the conversations that prefer it.
    """
    key = blake2b(conversation.encode("utf-8", "surrogatepass"), digest_size=32).digest()
    return sorted(urls, key=lambda url: blake2b(url.encode(), digest_size=16, key=key).digest(), reverse=True)


class Replica:
    """One server, and how it has been of late."""

    def __init__(self, url: str, most: int) -> None:
        self.url = url
        self.limit = AdaptiveLimit(most)
        self._failures = 0
        self._failed_at = 0.0
        self._tried = False

    @property
    def resting(self) -> bool:
        """Whether it is left alone; once it has rested, one request tries it before the others come back."""
        if not self._failures:
            return False
        rest = min(LONGEST_REST, FIRST_REST * 2.0 ** min(self._failures - 1, 10))
        return self._tried or time.monotonic() < self._failed_at + rest

    @property
    def resting_since(self) -> float:
        """When it last failed."""
        return self._failed_at

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Learns from one request how the server is."""
        failures = self._failures
        self._tried = failures > 0
        try:
            yield
        except BackendError as error:
            if error.kind not in FAILURES:
                self._failures = 0
            elif failures == self._failures:
                # Requests that were under way together fail together, and count as one failure.
                self._failures += 1
                self._failed_at = time.monotonic()
            raise
        else:
            self._failures = 0
        finally:
            self._tried = False


class Replicas:
    """All servers of one model.

    Args:
        urls: At least one.
        most: The most requests that each is given at the same time.
    """

    def __init__(self, urls: Sequence[str], most: int) -> None:
        self._replicas = {url: Replica(url, most) for url in urls}

    def choose(self, conversation: str) -> Replica:
        """The replica for a request of a conversation: the one it prefers among those that do not rest.

        A request of no conversation goes where the fewest are. When all rest, the one that failed the longest ago is
        taken.
        """
        if conversation:
            ranked = [self._replicas[url] for url in preference(conversation, self._replicas)]
        else:
            ranked = sorted(self._replicas.values(), key=lambda replica: replica.limit.busy)
        for replica in ranked:
            if not replica.resting:
                return replica
        return min(ranked, key=lambda replica: replica.resting_since)

    def stands(self, choice: Replica) -> bool:
        """Whether a choice made a while ago still holds."""
        return not choice.resting or all(replica.resting for replica in self._replicas.values())
