"""A doctor's seat around a chat model on any backend."""

from __future__ import annotations

from collections.abc import Sequence

from medenv.agents.backends import Backend, Request, backends
from medenv.agents.backends.chat import name_of, seed_of
from medenv.consultation.views import DoctorView, Message
from medenv.errors import MedenvError

__all__ = ["ChatDoctor"]


class ChatDoctor:
    """A language model as the doctor, asked for one message at a time; it is sampled, not trained.

    It keeps nothing between calls: equal views make equal requests, and each request begins with the one before.

    Args:
        backend: Where the model runs: a backend or its id.
        temperature: At least 0.
        max_tokens: The longest message, at least 1.
    """

    def __init__(
        self, backend: str | Backend = "vllm-server", *, temperature: float = 0.7, max_tokens: int = 512
    ) -> None:
        if temperature < 0 or max_tokens < 1:
            raise MedenvError(
                f"expected temperature of at least 0 and max_tokens of at least 1, got {temperature} and {max_tokens}"
            )
        self.backend = backends.get(backend)() if isinstance(backend, str) else backend
        self.temperature = temperature
        self.max_tokens = max_tokens

    @property
    def id(self) -> str:
        """What its words depend on beside the view and the weights of the model."""
        return f"chat temperature={self.temperature} max_tokens={self.max_tokens} backend={name_of(self.backend)}"

    async def act(self, view: DoctorView) -> str:
        """The next message.

        Raises:
            BackendError: The model gave no usable reply.
        """
        reply = await self.backend.complete(
            Request(
                alternating(view.messages),
                conversation=f"doctor:{view.seed}",
                seed=seed_of(view.seed, view.turn),
                max_tokens=self.max_tokens,
                temperature=self.temperature,
            )
        )
        return reply.text

    async def aclose(self) -> None:
        """Lets go of the backend's connections of the running event loop."""
        await self.backend.aclose()


def alternating(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Messages in which user and assistant take turns, as most chat templates want it; results become the user's."""
    merged: list[Message] = []
    for message in messages:
        role = "user" if message.role == "tool" else message.role
        if merged and merged[-1].role == role:
            merged[-1] = Message(role, f"{merged[-1].content}\n\n{message.content}")
        else:
            merged.append(message if message.role == role else Message(role, message.content))
    return tuple(merged)
