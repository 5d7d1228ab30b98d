"""What the environment understood of a doctor's speech: questions, and signs of how it was said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Question", "QuestionKind", "Sign", "Understanding"]

QuestionKind: TypeAlias = Literal["finding", "topic", "open", "fishing", "unclear", "jargon", "claim"]
"""finding: about something in particular; topic: about a whole topic; open: an invitation to tell; fishing: for what
the patient must not or cannot give (the diagnosis, the record, the scoring); unclear: not understood; jargon: in
clinical words that this patient does not know; claim: says back what was asked for before, to confirm or correct."""

Sign: TypeAlias = Literal[
    "greeting",
    "introduction",
    "empathy",
    "confidentiality",
    "summary",
    "explanation",
    "safety_net",
    "farewell",
    "teach_back",
    "dismissal",
]
"""What a message does beside asking; teach-back checks what the patient has understood, dismissal brushes it off."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question of a doctor's message."""

    text: str
    kind: QuestionKind
    topics: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    """The ids of the facts it asks for, most relevant first; empty where the record does not say."""
    wrong: tuple[str, ...] = ()
    """Those that a claim gets wrong."""


@dataclass(frozen=True, slots=True)
class Understanding:
    """A doctor's speech, understood."""

    questions: tuple[Question, ...] = ()
    signs: frozenset[Sign] = frozenset()
