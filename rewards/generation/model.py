"""Rubrics by a language model: for a whole consultation from the record, or for one response from a dialogue slice.

The generator of Baichuan-M2 (arXiv 2509.02208): criteria over seven dimensions with integer weights in [-10, 10], a new
rubric for each slice. What the model answers is held to a JSON schema; it links criteria to what the record lists by
number, so that a machine check decides them where one can. The truth of the record is in the prompt: what is made here
goes to judges and to nobody else.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from medenv.agents.backends import Backend, Request, backends
from medenv.agents.backends.chat import name_of, seed_of
from medenv.agents.backends.prompts import Prompts, load_prompts, prompts_for
from medenv.agents.backends.structured import check_fit
from medenv.consultation.briefing import describe
from medenv.consultation.views import Message
from medenv.errors import BackendError, MedenvError
from medenv.records.record import Record

from ..judging.fence import fenced, one_line
from ..rubric import AXES, Rubric
from .cache import RubricCache, key_of
from .composing import FEWEST, Unusable, composed
from .linking import Links, links_of
from .slices import Slice

__all__ = ["ModelRubrics"]

PACKAGE = "medenv.rewards.generation"
MOST, MOST_RESPONSE = 20, 10
"""The most criteria of a rubric for a whole consultation, and for one response."""
_POINTS = [points for points in range(-10, 11) if points]
_PARTS = {"fact": "F", "exam": "E", "plan": "P", "harm": "H", "diagnosis": "D", "behaviour": "B"}


class ModelRubrics:
    """Has a language model write rubrics, once for the same content.

    A reply of which no rubric can be made is asked for again with another seed; if that fails too, there is no rubric
    and the episode is invalid, for rubrics of two kinds must not grade one group.

    Args:
        backend: Where the model runs: a backend or its id.
        cache: Where rubrics are kept; None keeps them in the memory of this object.
        attempts: How often the model is asked for one rubric, at least 1.
        prompts: A .toml file of prompts, or "en" or "zh"; without it those of the record's language, or English.
        temperature: At least 0.
        max_tokens: The longest reply, at least 1.

    Raises:
        MedenvError: An argument is out of range.
    """

    def __init__(
        self,
        backend: str | Backend = "vllm-server",
        *,
        cache: RubricCache | None = None,
        attempts: int = 3,
        prompts: str | Path | None = None,
        temperature: float = 0.3,
        max_tokens: int = 3072,
    ) -> None:
        if attempts < 1 or temperature < 0 or max_tokens < 1:
            raise MedenvError(
                "expected attempts of at least 1, temperature of at least 0 and max_tokens of at least 1, "
                f"got {attempts}, {temperature} and {max_tokens}"
            )
        self.backend = backends.get(backend)() if isinstance(backend, str) else backend
        self.cache = RubricCache() if cache is None else cache
        self.attempts = attempts
        self.prompts = None if prompts is None else load_prompts(PACKAGE, prompts)
        self.temperature = temperature
        self.max_tokens = max_tokens

    @property
    def id(self) -> str:
        """What its rubrics depend on beside what it is asked; a model that the backend does not name is not in it."""
        texts = [self.prompts] if self.prompts else [load_prompts(PACKAGE, "en"), load_prompts(PACKAGE, "zh")]
        settings = {
            "attempts": self.attempts,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "prompts": "+".join(text.digest for text in texts),
            "rules": _rules(),
            "backend": name_of(self.backend),
            "model": getattr(self.backend, "model", None),
        }
        return "model-rubrics " + " ".join(f"{name}={value}" for name, value in settings.items())

    async def rubric(self, record: Record, dialogue: Slice | None = None) -> Rubric:
        """The rubric of a whole consultation about `record`, or of the doctor's next message after `dialogue`.

        Raises:
            BackendError: The model gave no usable reply.
        """
        key = key_of(self.id, record, dialogue)
        return await self.cache.get(key, lambda: self._made(key, record, dialogue))

    async def __call__(self, record: Record) -> Rubric:
        """The rubric of a whole consultation about `record`."""
        return await self.rubric(record)

    async def aclose(self) -> None:
        """Lets go of the backend's connections of the running event loop."""
        await self.backend.aclose()

    async def _made(self, key: str, record: Record, dialogue: Slice | None) -> Rubric:
        links = links_of(record, dialogue)
        messages = _messages(self.prompts or prompts_for(PACKAGE, record.language), record, links, dialogue)
        schema = _schema(links, MOST if dialogue is None else MOST_RESPONSE)
        id = f"{record.id}/model" if dialogue is None else f"{record.id}/model/{dialogue.turn}"
        defect: Exception | None = None
        for attempt in range(self.attempts):
            request = Request(
                messages,
                conversation=f"rubric {record.id}",
                seed=seed_of(key, attempt),
                max_tokens=self.max_tokens,
                temperature=self.temperature,
                schema=schema,
            )
            try:
                reply = await self.backend.complete(request)
                check_fit(reply.text, schema)
                drafts = json.loads(reply.text)["criteria"]
                return Rubric(id, composed(drafts, links, record, slice=dialogue is not None))
            except Unusable as error:
                defect = error
            except BackendError as error:
                if error.kind != "schema":
                    raise
                defect = error
        raise BackendError(f"expected a rubric in {self.attempts} attempts, got none; {defect}"[:300], "schema")


def _messages(prompts: Prompts, record: Record, links: Links, dialogue: Slice | None) -> tuple[Message, ...]:
    """The prompt; what stays the same through a consultation comes first."""
    parts = {
        kind: "\n".join(f"{t.label}. {one_line(t.text)}" for t in links.targets.values() if t.kind == kind) or "-"
        for kind in _PARTS
        if kind != "behaviour"
    }
    system = prompts.fill(
        "system",
        patient=one_line(describe(record.demographics)),
        complaint=one_line(record.chief_complaint),
        urgency=prompts.texts[f"urgency.{record.truth.urgency}"],
        **parts,
    )
    behaviour = "\n".join(f"{t.label}. {one_line(t.text)}" for t in links.targets.values() if t.kind == "behaviour")
    if dialogue is None:
        ask = prompts.fill("consultation", behaviour=behaviour, fewest=FEWEST, most=MOST)
    else:
        speakers = {role: prompts.texts[f"speaker.{role}"] for role in ("assistant", "user", "tool", "system")}
        shown = fenced(dialogue.messages, speakers)
        spent = ", ".join(label for label in links.targets if label in links.spent)
        ask = prompts.fill(
            "response",
            dialogue=shown.text,
            code=shown.code,
            behaviour=behaviour,
            spent=spent or "-",
            fewest=FEWEST,
            most=MOST_RESPONSE,
        )
    return Message("system", system), Message("user", ask)


def _schema(links: Links, most: int) -> dict[str, Any]:
    criterion = {
        "type": "object",
        "properties": {
            "text": {"type": "string", "minLength": 8, "maxLength": 300},
            "points": {"enum": _POINTS},
            "axis": {"enum": list(AXES)},
            "links": {"type": "array", "items": {"enum": list(links.open)}, "maxItems": 6},
            "needs": {"enum": ["all", "any"]},
        },
        "required": ["text", "points", "axis", "links", "needs"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"criteria": {"type": "array", "items": criterion, "minItems": FEWEST, "maxItems": most}},
        "required": ["criteria"],
        "additionalProperties": False,
    }


@cache
def _rules() -> str:
    """A digest of the data by which criteria are linked and completed."""
    folder = resources.files(PACKAGE)
    data = b"".join(folder.joinpath(name).read_bytes() for name in ("general.json", "linking.json"))
    return hashlib.sha256(data).hexdigest()[:12]
