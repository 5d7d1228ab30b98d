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
    """What the patient says when treatment is talked about, before the doctor has won them over."""
    trust: Literal["open", "reserved"] = "open"
    """Whether a private fact needs one sign of rapport (open) or two (reserved) before it is told."""
    patience: int = 4
    """In [1, 8]: how many questions of one message are answered before the rest is turned away."""
    personality: str = ""
    """A Myers-Briggs type such as "ISTJ", or none. E asks about what will be done and I accepts it; S speaks of what
    can be touched and N of what it may mean; T is moved by reasons and F by warmth; J takes things in order and P as
    they come."""
    education: Literal["unstated", "primary", "secondary", "university"] = "unstated"
    income: Literal["unstated", "low", "middle", "high"] = "unstated"
    language_level: Literal["A1", "A2", "B1", "B2", "C1", "C2"] = "C2"
    """How well the patient speaks the language of the consultation, on the scale of the Council of Europe."""
    health_literacy: Literal["low", "adequate", "high"] = "adequate"
    """A patient of low literacy asks for plain words where the doctor uses clinical ones."""
    culture: Literal["unstated", "individual", "family", "deferential", "traditional"] = "unstated"
    """Who decides and what counts: oneself, the family, the doctor, or the remedies of old."""
    recall: Literal["clear", "vague", "inconsistent"] = "clear"
    """How dates and spans of time are told: as they were, as roughly so, or with a doubt that changes each time."""
    companion: Literal["none", "relative", "interpreter"] = "none"
    """Who came along and joins in the talk."""
    interruptions: float = 0.0
    """In [0, 1]: how often the patient breaks in with a question; 0 is the passive patient of Baichuan-M3, which trains
    with passive patients three times out of four."""
