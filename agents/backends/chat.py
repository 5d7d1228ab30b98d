"""Chat backends: where a language model runs, behind one asynchronous call."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from medenv.consultation.views import Message

__all__ = ["Backend", "FinishReason", "Reply", "Request", "name_of", "seed_of"]

FinishReason: TypeAlias = Literal["stop", "length"]
"""stop: the model ended, or came to a stop text; length: it ran into `max_tokens`."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a model is asked."""

    messages: tuple[Message, ...]
    """At least one; the last is answered."""
    conversation: str = ""
    """Requests of one conversation begin alike: a backend with several replicas sends them to the same one."""
    seed: int = 0
    """At least 0; with the messages and the sampling, the source of the reply, as far as the server keeps to it."""
    max_tokens: int = 256
    temperature: float = 0.7
    """At least 0; 0 takes the likeliest token."""
    stop: tuple[str, ...] = ()
    """Texts before which the reply ends."""
    schema: Mapping[str, Any] | None = None
    """A JSON Schema that the reply has to fit; None for free text."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered."""

    text: str
    finish: FinishReason = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    """Of the prompt tokens, those that the server had computed before; 0 where it does not say."""


@runtime_checkable
class Backend(Protocol):
    """Anything that answers chat requests, any number of them at the same time.

    A backend that gives no usable reply raises `BackendError`; what it raises never reaches a policy.
    """

    async def complete(self, request: Request) -> Reply:
        """The reply to a request."""
        ...

    async def aclose(self) -> None:
        """Lets go of the connections of the running event loop; the next request opens new ones."""
        ...


def name_of(backend: Backend) -> str:
    """What a backend is called in the settings of a run: its `id` where it has one, else its class."""
    named: str = getattr(backend, "id", type(backend).__qualname__)
    return named


def seed_of(*parts: object) -> int:
    """A seed for a request, below 2**31, that follows from what the request is for."""
    digest = hashlib.blake2b(":".join(map(str, parts)).encode(), digest_size=4).digest()
    return int.from_bytes(digest) >> 1
