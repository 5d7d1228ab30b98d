"""Models that are none, for tests and dry runs: what they say follows from the request by rules."""

from __future__ import annotations

import json
import re

from medenv.agents.backends import Backend, Reply, Request

__all__ = ["Recording", "obedient"]


def obedient(request: Request) -> str:
    """What a model would say that does all that the patient simulator asks, and no more.

    It says what the note lists, ends nothing, and finds every claim supported by the first fact that may be told. For
    a `ScriptedBackend`.
    """
    words = request.messages[-1].content
    if request.schema is None:
        return " ".join(re.findall(r"^- (.*)$", words, re.M)) or "I don't know."
    if "ends" in request.schema["properties"]:
        return '{"ends": "none"}'
    allowed = re.search(r"^[^\n<]*?(\d+)", words)
    verdict = {"verdict": "supported", "facts": [int(allowed[1])]} if allowed else {"verdict": "chatter", "facts": []}
    claims = request.schema["properties"]["claims"]["maxItems"]
    return json.dumps({"claims": [{"claim": number, **verdict} for number in range(1, claims + 1)]})


class Recording:
    """A backend that keeps what another was asked, in order."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.requests: list[Request] = []

    async def complete(self, request: Request) -> Reply:
        """The other backend's reply."""
        self.requests.append(request)
        return await self.backend.complete(request)

    async def aclose(self) -> None:
        """Lets go of the other's connections."""
        await self.backend.aclose()
