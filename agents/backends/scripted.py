"""A backend whose replies are given beforehand, for tests and benchmarks, with faults where they are wanted."""

from __future__ import annotations

import asyncio
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from heapq import heappop, heappush
from typing import Literal, TypeAlias, get_args

from medenv.errors import BackendError

from .chat import Reply, Request
from .structured import check_fit

__all__ = ["FAULT_KINDS", "Attempts", "FaultKind", "Faults", "Script", "ScriptedBackend", "fault_error"]

FaultKind: TypeAlias = Literal["latency", "rate limit", "server error", "truncated", "garbage", "disconnect"]
"""A slow reply that is right, HTTP 429, HTTP 500, a body that breaks off, a body that is no JSON, a cut connection."""
FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
Script: TypeAlias = Callable[[Request], str | Reply] | Mapping[str, str | Reply] | Sequence[str | Reply]
"""A function of the request, a mapping from the content of the last message, or recorded replies in order."""

REMEMBERED = 65536
"""How many requests whose last attempt failed are kept in mind."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Which calls go wrong, and how.

    Whether one does follows from the seed, the request and how many attempts of this request failed before; the order
    of calls and the time have no part in it.
    """

    rate: float
    """The share of calls that go wrong."""
    kinds: tuple[FaultKind, ...] = FAULT_KINDS
    """At least one; each as likely as the others."""
    seed: int = 0
    latency: float = 1.0
    """How many seconds a slow reply takes longer."""
    wait: float = 0.05
    """How many seconds a rate limit asks to be left alone."""

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1 or not self.kinds or not set(self.kinds) <= set(FAULT_KINDS):
            known = ", ".join(FAULT_KINDS)
            raise BackendError(
                f"expected a rate from 0 to 1 and kinds among {known}, got {self.rate} and {self.kinds}", "refused"
            )
        if self.latency < 0 or self.wait < 0:
            raise BackendError(
                f"expected latency and wait of at least 0, got {self.latency} and {self.wait}", "refused"
            )

    def draw(self, identity: bytes, attempt: int) -> FaultKind | None:
        """What goes wrong with an attempt, counted from 0, of a request; None where nothing does."""
        source = blake2b(identity, digest_size=16, key=b"%d %d" % (self.seed, attempt)).digest()
        if int.from_bytes(source[:8], "big") >= self.rate * 2**64:
            return None
        return self.kinds[int.from_bytes(source[8:], "big") % len(self.kinds)]


class Attempts:
    """Counts, for each request, the attempts since its last good reply.

    Args:
        faults: What is drawn for each attempt; None for no faults.
    """

    def __init__(self, faults: Faults | None) -> None:
        self.faults = faults
        self._failed: OrderedDict[bytes, int] = OrderedDict()

    def start(self, request: Request) -> FaultKind | None:
        """What goes wrong with the next attempt of a request."""
        if self.faults is None:
            return None
        identity = _identity(request)
        attempt = self._failed.pop(identity, 0)
        kind = self.faults.draw(identity, attempt)
        if kind is not None:
            self._failed[identity] = attempt + 1
            if len(self._failed) > REMEMBERED:
                self._failed.popitem(last=False)
        return kind

    def finish(self, request: Request) -> None:
        """Notes a good reply after a fault that only delayed it: the next attempt is the first again."""
        self._failed.pop(_identity(request), None)


class ScriptedBackend:
    """Replies as it is told, with token counts in words.

    Stop texts and the limit of tokens cut a text as a server would; a `Reply` is given as it stands. A request with a
    schema that the text does not fit fails as it would with a real server.

    Args:
        reply: Where replies come from.
        faults: Which calls go wrong; None for none.
        latency: How many seconds each call takes.
    """

    def __init__(self, reply: Script, *, faults: Faults | None = None, latency: float = 0.0) -> None:
        if isinstance(reply, str) or not (callable(reply) or isinstance(reply, Mapping | Sequence)):
            raise BackendError(
                f"expected a function, a mapping or a sequence of replies, got {type(reply).__name__}", "refused"
            )
        self.reply = reply
        self.faults = faults
        self.latency = latency
        self._attempts = Attempts(faults)
        self._unused = list(range(len(reply))) if isinstance(reply, Sequence) else []

    async def complete(self, request: Request) -> Reply:
        """The reply to a request.

        Raises:
            BackendError: A fault was drawn, no reply is given for the request, or the text does not fit the schema.
        """
        fault = self._attempts.start(request)
        if fault is None or self.faults is None:
            return await self._answer(request, self.latency)
        if fault == "latency":
            reply = await self._answer(request, self.latency + self.faults.latency)
            self._attempts.finish(request)
            return reply
        if self.latency:
            await asyncio.sleep(self.latency)
        raise fault_error(fault, self.faults)

    async def aclose(self) -> None:
        """Does nothing; there are no connections."""

    async def _answer(self, request: Request, latency: float) -> Reply:
        if not isinstance(self.reply, Sequence):
            given = self._given(self.reply, request)
            if latency:
                await asyncio.sleep(latency)
        else:
            if not self._unused:
                raise BackendError(f"expected at most {len(self.reply)} requests, got one more", "refused")
            place = heappop(self._unused)
            try:
                if latency:
                    await asyncio.sleep(latency)
            except BaseException:
                heappush(self._unused, place)
                raise
            given = self.reply[place]
        reply = given if isinstance(given, Reply) else _cut(given, request)
        if request.schema is not None:
            check_fit(reply.text, request.schema)
        return reply

    @staticmethod
    def _given(script: Callable[[Request], str | Reply] | Mapping[str, str | Reply], request: Request) -> str | Reply:
        if not isinstance(script, Mapping):
            return script(request)
        content = request.messages[-1].content
        if content not in script:
            raise BackendError(f"expected one of {len(script)} known messages, got {content[:80]!r}", "refused")
        return script[content]


def fault_error(kind: FaultKind, faults: Faults) -> BackendError:
    """What a client would raise for a fault other than "latency"."""
    if kind == "rate limit":
        return BackendError("expected a reply, got HTTP 429 (on purpose)", "rate limit", faults.wait)
    if kind == "server error":
        return BackendError("expected a reply, got HTTP 500 (on purpose)", "server error")
    if kind == "disconnect":
        return BackendError("expected a reply, got a connection cut (on purpose)", "unreachable")
    return BackendError(f"expected a reply in JSON, got {kind} text (on purpose)", "garbled")


def _identity(request: Request) -> bytes:
    # Without the conversation, which no server is told of.
    messages = [(message.role, message.content) for message in request.messages]
    sampling = (request.seed, request.max_tokens, request.temperature, request.stop, request.schema)
    text = json.dumps((messages, sampling), sort_keys=True, default=dict)
    return blake2b(text.encode(), digest_size=16).digest()


def _cut(text: str, request: Request) -> Reply:
    """The reply that a text makes once stop texts and the limit of tokens have ended it."""
    ends = [end for stop in request.stop if stop and (end := text.find(stop)) >= 0]
    text = text[: min(ends)] if ends else text
    words = [match.end() for match in re.finditer(r"\S+", text)]
    prompt = sum(len(message.content.split()) for message in request.messages)
    if len(words) > request.max_tokens:
        return Reply(text[: words[request.max_tokens - 1]], "length", prompt, request.max_tokens)
    return Reply(text, "stop", prompt, len(words))
