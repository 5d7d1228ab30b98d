"""Responders: who gives the next response of a HealthBench conversation."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

from medenv.agents.backends import Backend, Request, backends
from medenv.agents.backends.chat import name_of
from medenv.agents.doctors import doctors
from medenv.consultation.seats import Privileged, Seat, release
from medenv.consultation.views import DoctorView
from medenv.errors import RunError, SeatError
from medenv.registry import load, unknown_id

from .files import Example

__all__ = ["CompletionResponder", "DoctorResponder", "ModelResponder", "Responder", "Responding", "make_responder"]

POLICY = "medenv.agents.doctors.language_model:load_doctor"
COMPLETIONS = ("ideal", "reference")
MAX_TOKENS = 2048
TEMPERATURE = 0.5
"""Both as simple-evals asks the models that it lists with a system message of their API."""


@runtime_checkable
class Responder(Protocol):
    """Anything that responds to an example."""

    @property
    def id(self) -> str:
        """All that its responses depend on beside the examples and the seed, for the header of the results."""
        ...

    def respond(self, example: Example, repeat: int, seed: int) -> str | Awaitable[str]:
        """The next message of the conversation.

        Args:
            example: The conversation.
            repeat: Which of several responses to it, from 0.
            seed: Another one for each example and repeat.
        """
        ...


Responding: TypeAlias = str | Backend | Seat | Responder
"""A responder, a backend, a doctor's seat, or the name of one: "ideal", "reference", the id of a backend or a doctor,
or the folder of a saved policy."""


class ModelResponder:
    """A chat model that is given the conversation as it stands, with no instructions.

    Args:
        backend: Where the model runs.
        temperature: At least 0.
        max_tokens: The longest response, at least 1.
    """

    def __init__(self, backend: Backend, *, temperature: float = TEMPERATURE, max_tokens: int = MAX_TOKENS) -> None:
        if temperature < 0 or max_tokens < 1:
            raise RunError(
                f"expected temperature of at least 0 and max_tokens of at least 1, got {temperature} and {max_tokens}"
            )
        self.backend = backend
        self.temperature = temperature
        self.max_tokens = max_tokens

    @property
    def id(self) -> str:
        """The settings of the model, and its name where the backend was told it."""
        model = getattr(self.backend, "model", None)
        named = model if isinstance(model, str) else "?"
        sampling = f"temperature={self.temperature} max_tokens={self.max_tokens}"
        return f"model {sampling} backend={name_of(self.backend)} model={named}"

    async def respond(self, example: Example, repeat: int, seed: int) -> str:
        """The model's reply.

        Raises:
            BackendError: The model gave none.
        """
        reply = await self.backend.complete(
            Request(
                example.prompt,
                conversation=f"healthbench:{example.prompt_id}",
                seed=seed,
                max_tokens=self.max_tokens,
                temperature=self.temperature,
            )
        )
        return reply.text

    async def aclose(self) -> None:
        """Lets go of the backend's connections of the running event loop."""
        await self.backend.aclose()


class DoctorResponder:
    """A doctor's seat whose next turn is the response.

    Args:
        doctor: The seat.
        id: What it is called in the header; None takes its `id`, or the name of its class.
    """

    def __init__(self, doctor: Seat, *, id: str | None = None) -> None:
        self.doctor = doctor
        kind = type(doctor)
        named: str = getattr(doctor, "id", f"{kind.__module__}:{kind.__qualname__}")
        self.id = named if id is None else id

    def respond(self, example: Example, repeat: int, seed: int) -> str | Awaitable[str]:
        """The doctor's next message, as the last turn of a consultation that has gone as the prompt says."""
        turn = sum(message.role == "assistant" for message in example.prompt)
        return self.doctor.act(DoctorView(example.prompt, turn, turn + 1, seed))

    async def aclose(self) -> None:
        """Lets go of what the doctor holds open in the running event loop."""
        await release(self.doctor)


class CompletionResponder:
    """The completions that come with the data: what physicians wrote, or the references that they were shown.

    Args:
        id: "ideal" or "reference"; of the references, each repeat is another one.
    """

    def __init__(self, id: str) -> None:
        if id not in COMPLETIONS:
            raise RunError(f"expected {' or '.join(map(repr, COMPLETIONS))} completions, got {id!r}")
        self.id = id

    def texts(self, example: Example) -> tuple[str, ...]:
        """All that there is for an example."""
        if example.completions is None:
            return ()
        return (example.completions.ideal,) if self.id == "ideal" else example.completions.references

    def respond(self, example: Example, repeat: int, seed: int) -> str:
        """The completion."""
        return self.texts(example)[repeat]


def make_responder(
    responder: Responding, *, temperature: float = TEMPERATURE, max_tokens: int = MAX_TOKENS
) -> Responder:
    """The responder that a name or an object stands for.

    Args:
        responder: See `Responding`.
        temperature: Of a backend.
        max_tokens: Of a backend.

    Raises:
        SeatError: The object is none of these.
        UnknownIdError: Nobody registered the id.
    """
    made: object = responder
    if isinstance(responder, str):
        if responder in COMPLETIONS:
            return CompletionResponder(responder)
        if responder in backends:
            made = backends.get(responder)()
        elif responder in doctors:
            made = doctors.get(responder)()
        elif Path(responder).is_dir():
            return DoctorResponder(load(POLICY)(responder), id=f"{responder} {_hash(Path(responder))}")
        else:
            raise unknown_id("responder", responder, [*COMPLETIONS, *backends, *doctors])
    if not isinstance(made, type | Privileged):
        if isinstance(made, Responder):
            return made
        if isinstance(made, Backend):
            return ModelResponder(made, temperature=temperature, max_tokens=max_tokens)
        if isinstance(made, Seat):
            return DoctorResponder(made)
    raise SeatError(f"expected a responder as an id, a backend or a seat that needs no record, got {responder!r}")


def _hash(folder: Path) -> str:
    """What a policy folder holds, so that a run is not continued with other weights under the same name."""
    sha256 = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with open(path, "rb") as file:
            sha256.update(hashlib.file_digest(file, "sha256").digest())
    return sha256.hexdigest()[:16]
