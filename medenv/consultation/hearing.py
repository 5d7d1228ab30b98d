"""Hearing: what of a doctor's speech gets through to this patient."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources

from medenv.consultation.mood import Mood
from medenv.consultation.questions import Question, Understanding
from medenv.personas.persona import Persona

__all__ = ["heard"]

_BEGINNERS = ("A1", "A2")
"""Levels of language at which clinical words are not known either."""


@cache
def _jargon() -> frozenset[str]:
    data = json.loads(resources.files("medenv.consultation").joinpath("jargon.json").read_text("utf-8"))
    return frozenset(word.casefold() for word in data["words"])


def heard(understanding: Understanding, persona: Persona, mood: Mood) -> tuple[Understanding, int]:
    """What a patient takes in, and how many questions were too many.

    The first questions, up to the persona's patience, which is one less while the patient is distressed (never below
    one); what is said back to confirm costs none. A patient of low health literacy, or at the beginning of the
    language, does not know clinical words: a question in them is of kind "jargon" and asks for nothing.
    """
    patience = max(persona.patience - (mood == "distressed"), 1)
    asking = [question for question in understanding.questions if question.kind != "claim"]
    lost = set(map(id, asking[patience:]))
    kept = tuple(question for question in understanding.questions if id(question) not in lost)
    if persona.health_literacy == "low" or persona.language_level in _BEGINNERS:
        kept = tuple(_plainly(question) for question in kept)
    return Understanding(kept, understanding.signs), len(lost)


def _plainly(question: Question) -> Question:
    if _jargon().isdisjoint(re.findall(r"[a-z]+", question.text.casefold())):
        return question
    return Question(question.text, "jargon")
