"""The random doctor: any question, any test, and before long any diagnosis."""

from __future__ import annotations

import random
from functools import cache

from medenv.consultation.views import DoctorView
from medenv.records.knowledge_base import load_knowledge
from medenv.records.record import topics

__all__ = ["RandomDoctor"]

_CLOSING = 0.25
"""The chance, each turn, that it has had enough."""


@cache
def _vocabulary() -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    known = load_knowledge()
    return (
        tuple(topic["question"] for topic in topics().values()),
        tuple(exam.name for exam in known.exams.values()),
        tuple(condition.diagnosis.name for condition in known.conditions.values()),
        tuple(treatment.action for treatment in known.treatments.values()),
    )


class RandomDoctor:
    """Draws every message from the knowledge base's vocabulary, with no regard to the patient."""

    def act(self, view: DoctorView) -> str:
        """A random message, the same for the same seed and turn."""
        rng = random.Random(f"{view.seed}:{view.turn}")
        questions, exams, conditions, treatments = _vocabulary()
        if view.turn >= view.max_turns - 1 or rng.random() < _CLOSING:
            return f"DIAGNOSIS: {rng.choice(conditions)}\nPLAN: {rng.choice(treatments)}"
        if rng.random() < 0.5:
            return rng.choice(questions)
        return f"ORDER: {rng.choice(exams)}"
