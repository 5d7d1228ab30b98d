"""The scripted patient: tells exactly what the disclosure rule releases, in the words of the record, with no model."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from medenv.consultation.seats import PatientReply
from medenv.consultation.views import PatientView
from medenv.records.record import Fact
from medenv.schemas import validator

from .intents import Tell, intents
from .remarks import remarks
from .wording import doubt, worded

__all__ = ["ScriptedPatient"]

_CHATTER = {"terse": 0.0, "plain": 0.35, "talkative": 0.8}
"""How often an answer begins with a phrase that carries nothing, by verbosity."""


@cache
def _phrasings() -> Mapping[str, Any]:
    text = resources.files("medenv.agents.patients").joinpath("phrasings.json").read_text("utf-8")
    data: dict[str, Any] = json.loads(text)
    validator("medenv.agents.patients", "phrasings").validate(data)
    return data


class ScriptedPatient:
    """Answers each question with the released facts, each in its own lay words; persona and seed vary the rest.

    It keeps nothing between calls and draws from a generator of the view's seed and turn, so equal views get equal
    replies. What it says beside the facts states no finding, and no word of the doctor's ever comes back.
    """

    def act(self, view: PatientView) -> PatientReply:
        """The reply to the doctor's last words, with the ids of the facts in it."""
        return _Speech(view).reply()


class _Speech:
    """One reply in the making."""

    def __init__(self, view: PatientView) -> None:
        self.view = view
        self.random = random.Random(f"{view.seed}:{view.turn}")
        self.parts: list[str] = []
        self.told: list[str] = []
        self.said: set[str] = set()

    def reply(self) -> PatientReply:
        for intent in intents(self.view):
            if isinstance(intent, Tell):
                self.tell(intent.facts)
            else:
                self.say(intent.situation)
        said = remarks(self.view, bool(self.told))
        parts = [said.get("before"), *self.parts[:1], said.get("middle"), *self.parts[1:], said.get("after")]
        return PatientReply(" ".join(filter(None, parts)), self.told)

    def tell(self, facts: Sequence[Fact]) -> None:
        """Says facts in their own words, with what the persona says before them."""
        persona = self.view.persona
        if all(fact.id in self.view.told for fact in facts):
            self.say("reminder")
        elif self.random.random() < persona.hedging:
            self.say("hedge")
        elif self.random.random() < _CHATTER[persona.verbosity]:
            self.say("opening")
        for fact in facts:
            self.parts.append(worded(fact.lay, persona.language_level))
            self.told.append(fact.id)
            self.doubt(fact)

    def doubt(self, fact: Fact) -> None:
        """Doubts the time that a fact tells, once a reply, where the patient remembers badly."""
        if "doubt" not in self.said and (doubted := doubt(fact.lay, self.view.persona, self.random)):
            self.parts.append(doubted)
            self.said.add("doubt")

    def say(self, situation: str) -> None:
        """Says one of the sentences for a situation; none that this reply has already."""
        by_tone = _phrasings()[situation]
        sentences = by_tone.get(self.view.persona.tone, by_tone["any"])
        if isinstance(sentences, Mapping):
            sentences = sentences[self.view.speaker]
        sentence = self.random.choice(sentences)
        again = situation not in self.said or situation in ("hedge", "reminder", "opening")
        sentence = worded(sentence, self.view.persona.language_level)
        if again and sentence not in self.parts:
            self.parts.append(sentence)
        self.said.add(situation)
