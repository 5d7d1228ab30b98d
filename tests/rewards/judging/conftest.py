"""Models that judge by rule, and what they judge."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from medenv.agents.backends import Request
from medenv.agents.backends.scripted import ScriptedBackend
from medenv.consultation.views import Message
from medenv.rewards.rubric import Criterion
from medenv.testing.models import Recording


def answer(schema: Mapping[str, Any], said: Callable[[int], bool]) -> str:
    """A reply that fits a schema; `said` gives the verdict on the criterion with a number."""

    def filled(part: Mapping[str, Any], number: int) -> Any:
        if part["type"] == "boolean":
            return said(number)
        if part["type"] == "string":
            return f"reason {number}"
        return {
            name: filled(each, int(name) if name.isdigit() else number) for name, each in part["properties"].items()
        }

    return json.dumps(filled(schema, 1))


def literal(request: Request) -> str:
    """What a model says that finds met, or done, whatever criterion stands word for word in the conversation."""
    prompt = request.messages[-1].content
    evidence, asked = prompt.split("</conversation ")
    lines = [line.split(" ", 1)[1] for line in asked.splitlines() if re.match(r"\d+\. |(?:To judge|Fault): ?\S", line)]
    texts = [line.removeprefix("judge: ") for line in lines]
    return answer(request.schema, lambda number: texts[number - 1] in evidence)


@pytest.fixture
def model() -> Recording:
    return Recording(ScriptedBackend(literal))


@pytest.fixture(scope="session")
def criteria() -> Sequence[Criterion]:
    """Twelve criteria, of both signs and both scopes; those with an even number stand in the talk."""
    return tuple(
        Criterion(
            f"c{n}", f"word{n}.", -3 if n % 3 == 0 else 4, "safety", scope="response" if n > 8 else "consultation"
        )
        for n in range(12)
    )


@pytest.fixture(scope="session")
def talk() -> Sequence[Message]:
    words = " ".join(f"word{n}." for n in range(0, 12, 2))
    return (
        Message("user", "My knee hurts."),
        Message("assistant", f"Hello. {words}"),
        Message("tool", "Serum urate: taken, result pending."),
        Message("user", "Since last night."),
        Message("assistant", "Rest.\nDIAGNOSIS: gout (0.7)"),
    )
