"""Remarks: what a patient says beside the facts because of who they are and how they feel."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Literal, TypeAlias

from medenv.consultation.views import PatientView
from medenv.personas.persona import Persona
from medenv.schemas import validator

__all__ = ["Place", "remarks"]

Place: TypeAlias = Literal["before", "middle", "after"]
_MOODS = ("calm", "uneasy", "distressed")


@dataclass(frozen=True, slots=True)
class _Remark:
    field: str
    value: str
    when: str
    place: Place
    chance: float
    say: tuple[str, ...]

    def of(self, persona: Persona) -> bool:
        """Whether this persona says such a thing, in some mood."""
        if self.field == "personality":
            return self.value in persona.personality
        if not self.field:
            return persona.interruptions > 0
        return self.field == "mood" or getattr(persona, self.field) == self.value


@lru_cache(maxsize=256)
def _remarks(persona: Persona) -> tuple[_Remark, ...]:
    data = json.loads(resources.files("medenv.agents.patients").joinpath("remarks.json").read_text("utf-8"))
    validator("medenv.agents.patients", "remarks").validate(data)
    every = (_Remark(**{**item, "say": tuple(item["say"])}) for item in data["remarks"])
    return tuple(remark for remark in every if remark.of(persona))


def remarks(view: PatientView, told: bool) -> dict[Place, str]:
    """At most one remark for each place of the reply; the same view always gives the same.

    Args:
        view: What the patient sees.
        told: Whether the reply tells a fact.
    """
    rng = random.Random(f"{view.seed}:{view.turn}:remarks")
    happening = frozenset(_happening(view, told, rng.random() < view.persona.interruptions))
    fitting = [remark for remark in _remarks(view.persona) if remark.when in happening]
    fitting = [remark for remark in fitting if remark.field != "mood" or remark.value == view.mood]
    said: dict[Place, str] = {}
    for remark in rng.sample(fitting, len(fitting)):
        if remark.place not in said and rng.random() < remark.chance:
            said[remark.place] = rng.choice(remark.say)
    return said


def _happening(view: PatientView, told: bool, interrupts: bool) -> Iterator[str]:
    signs = view.understanding.signs
    if view.understanding.questions:
        yield "asked"
        if not signs & {"empathy", "confidentiality"}:
            yield "cold"
    if signs & {"empathy", "confidentiality"}:
        yield "comforted"
    if "explanation" in signs:
        yield "explained"
    if told:
        yield "told"
    if view.ordered:
        yield "ordered"
    if view.planned:
        yield "planned"
    if interrupts:
        yield "interruption"
    moved = _MOODS.index(view.mood) - _MOODS.index(view.mood_before)
    if moved:
        yield "upset" if moved > 0 else "eased"
