"""Mood: how a patient feels, moved by what the doctor does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
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


@lru_cache(maxsize=64)
def _moves(personality: str) -> tuple[tuple[str, float], ...]:
    """What each thing that a doctor does adds to the distress of a personality."""
    rules = _rules()
    weights = {
        act: factor
        for letter, factors in rules["minded_more"].items()
        if letter in personality
        for act, factor in factors.items()
    }
    return tuple((act, move * weights.get(act, 1.0)) for act, move in rules["moves"].items())


def mood_after(persona: Persona, entries: Iterable[LedgerEntry]) -> Mood:
    """The mood of a patient after some turns.

    Distress, in [0, 1], starts where the persona's tone puts it. Each turn's empathy, explanation, promise of
    confidentiality and safety net lower it; questions beyond the patient's patience, words that the patient does not
    know, questions asked again and fishing raise it. A feeling type minds warmth more, a thinking type reasons. The
    numbers are in `mood.json`.
    """
    rules = _rules()
    distress: float = rules["start"][persona.tone]
    moves = _moves(persona.personality)
    for entry in entries:
        if not (entry.signs or entry.unheard or entry.jargon or entry.repeated or entry.fishing):
            continue
        shown: dict[str, int] = dict.fromkeys(entry.signs, 1)
        done = {
            **shown,
            "unheard": min(entry.unheard, 1),
            "jargon": min(entry.jargon, 1),
            "repeated": min(len(entry.repeated), 2),
            "fishing": min(entry.fishing, 1),
        }
        for act, move in moves:
            distress += move * done.get(act, 0)
        distress = min(max(round(distress, 6), 0.0), 1.0)
    if distress >= rules["distressed"]:
        return "distressed"
    return "uneasy" if distress >= rules["uneasy"] else "calm"
