"""The Termination Gate: decides whether the patient ends the consultation."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from medenv.agents.backends.chat import Request
from medenv.agents.backends.prompts import Prompts, unforged
from medenv.consultation.ledger import LedgerEntry
from medenv.consultation.mood import mood_after
from medenv.consultation.seats import Leaving
from medenv.consultation.views import PatientView
from medenv.personas.persona import Persona
from medenv.schemas import validator

from .prompts import PACKAGE, dialogue

__all__ = ["gate_request", "leaves", "parting", "said_by_model"]


@cache
def _data() -> Mapping[str, Any]:
    data: dict[str, Any] = json.loads(resources.files(PACKAGE).joinpath("gate.json").read_text("utf-8"))
    validator(PACKAGE, "gate").validate(data)
    return data


def leaves(view: PatientView) -> Leaving | None:
    """Why the patient ends the consultation after the doctor's last words, by the triggers of `gate.json`."""
    for trigger in _data()["triggers"]:
        turns = trigger["turns"]
        if len(view.entries) >= turns and all(
            _is(trigger["kind"], view, len(view.entries) - back) for back in range(turns)
        ):
            reason: Leaving = trigger["id"]
            return reason
    return None


def _is(kind: str, view: PatientView, upto: int) -> bool:
    entry = view.entries[upto - 1]
    asks = bool(set(entry.asked) - set(entry.repeated) or entry.unanswered or entry.unheard or entry.jargon)
    if kind == "farewell":
        return "farewell" in entry.signs and not asks and not view.understanding.questions
    if kind == "idle":
        acts = upto == len(view.entries) and (view.ordered or view.planned)
        return not asks and not entry.signs and not acts
    return _provoked(entry) and _distressed(view.persona, view.entries[:upto])


def _provoked(entry: LedgerEntry) -> bool:
    return bool(entry.unheard or entry.repeated or entry.fishing)


def _distressed(persona: Persona, entries: tuple[LedgerEntry, ...]) -> bool:
    return mood_after(persona, entries) == "distressed"


def parting(view: PatientView, reason: Leaving, language: str) -> str:
    """The words with which the patient leaves."""
    words = _data()["leaving"][reason]
    said: str = random.Random(f"{view.seed}:{view.turn}:leaving").choice(words.get(language, words["en"]))
    return said


def gate_request(view: PatientView, prompts: Prompts, **sampling: Any) -> Request:
    """The question to a model whether the patient ends the consultation."""
    triggers = "\n".join(
        f"{trigger['id']}: {trigger['describe'].get(prompts.language, trigger['describe']['en'])}"
        for trigger in _data()["triggers"]
    )
    names = ["none", *(trigger["id"] for trigger in _data()["triggers"])]
    return Request(
        messages=dialogue(
            view,
            prompts.fill("gate.system", triggers=triggers),
            prompts.fill("gate.turn", doctor=unforged(view.messages[-1].content)),
        ),
        schema={
            "type": "object",
            "properties": {"ends": {"enum": names}},
            "required": ["ends"],
            "additionalProperties": False,
        },
        **sampling,
    )


def said_by_model(text: str) -> Leaving | None:
    """What a model answered; its text fits the schema of `gate_request`."""
    ends: Any = json.loads(text)["ends"]
    reason: Leaving | None = None if ends == "none" else ends
    return reason
