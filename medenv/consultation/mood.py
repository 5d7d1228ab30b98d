"""Mood: how a patient feels, moved by what the doctor does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any, Literal, TypeAlias

from medenv.consultation.ledger import LedgerEntry
from medenv.personas.persona import Persona

__all__ = ["Mood", "mood_after"]

Mood: TypeAlias = Literal["calm", "uneasy", "distressed"]


@cache
def _rules() -> Mapping[str, Any]:
    loaded: dict[str, Any] = json.loads(resources.files("medenv.consultation").joinpath("mood.json").read_text("utf-8"))
    return loaded


def mood_after(persona: Persona, entries: Iterable[LedgerEntry]) -> Mood:
    """The mood of a patient after some turns.

    Distress, in [0, 1], starts where the persona's tone puts it. Each turn's empathy, explanation, promise of
    confidentiality and safety net lower it; questions beyond the patient's patience, words that the patient does not
    know, questions asked again and fishing raise it. A feeling type minds warmth more, a thinking type reasons. The
    numbers are in `mood.json`.
    """
    rules = _rules()
    distress: float = rules["start"][persona.tone]
    weights = {
        act: factor
        for letter, factors in rules["minded_more"].items()
        if letter in persona.personality
        for act, factor in factors.items()
    }
    for entry in entries:
        shown: dict[str, int] = dict.fromkeys(entry.signs, 1)
        done = {
            **shown,
            "unheard": min(entry.unheard, 1),
            "jargon": min(entry.jargon, 1),
            "repeated": min(len(entry.repeated), 2),
            "fishing": min(entry.fishing, 1),
        }
        for act, move in rules["moves"].items():
            distress += move * weights.get(act, 1.0) * done.get(act, 0)
        distress = min(max(round(distress, 6), 0.0), 1.0)
    if distress >= rules["distressed"]:
        return "distressed"
    return "uneasy" if distress >= rules["uneasy"] else "calm"
