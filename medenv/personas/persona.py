"""The persona: how a patient behaves, apart from what is medically so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Persona"]


@dataclass(frozen=True, slots=True)
class Persona:
    """How a patient talks and what moves them. No field changes a fact of the record.

    Every field but the id has a neutral default, so that `Persona(id="stoic-farmer")` is complete.
    """

    id: str
    description: str = ""
    """One or two sentences for people and for language models that play the patient."""
    verbosity: Literal["terse", "plain", "talkative"] = "plain"
    """How much is volunteered and how much is said around an answer."""
    tone: Literal["neutral", "anxious", "irritable", "stoic", "cheerful", "guarded", "tearful", "formal"] = "neutral"
    hedging: float = 0.0
    """In [0, 1]: how often an answer is softened ("I think", "maybe")."""
    cost: Literal["indifferent", "concerned", "resistant"] = "indifferent"
    """What the patient says when tests are ordered."""
    treatment: Literal["accepting", "questioning", "resistant"] = "accepting"
    """What the patient says when treatment is talked about."""
    trust: Literal["open", "reserved"] = "open"
    """Whether a private fact needs one sign of rapport (open) or two (reserved) before it is told."""
    patience: int = 4
    """In [1, 8]: how many questions of one message are answered before the rest is turned away."""
