"""The scripted patient: tells exactly what the disclosure rule releases, in the words of the record, with no model."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from medenv.consultation.questions import Question, Sign
from medenv.consultation.seats import PatientReply
from medenv.consultation.views import PatientView
from medenv.records.record import Fact
from medenv.schemas import validator

from .remarks import remarks
from .wording import doubt, worded

__all__ = ["ScriptedPatient"]

_STANCES = ("accepting", "questioning", "resistant")
_WINNING: Mapping[str, Sign] = {"T": "explanation", "F": "empathy"}
"""What wins a patient over to a plan, by the letter of the personality; either does where there is none."""
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
        view, persona = self.view, self.view.persona
        signs = view.understanding.signs
        if "greeting" in signs and view.turn == 0:
            self.say("greeting")
        if signs & {"empathy", "confidentiality"} and persona.verbosity != "terse":
            self.say("comforted")
        for question in view.understanding.questions:
            self.answer(question)
        claims = [question for question in view.understanding.questions if question.kind == "claim"]
        if claims and not any(question.wrong for question in claims):
            self.say("confirmed")
        self.tell(fact for fact in view.released if fact.id not in self.told)
        if view.unheard:
            self.say("unheard")
        if view.ordered and persona.cost != "indifferent":
            self.say(f"cost_{persona.cost}")
        if view.planned and (stance := self.stance()) != "accepting":
            self.say(f"treatment_{stance}")
        if "farewell" in signs and not view.understanding.questions:
            self.say("farewell")
        if not self.parts:
            self.say("acknowledgement")
        said = remarks(view, bool(self.told))
        parts = [said.get("before"), *self.parts[:1], said.get("middle"), *self.parts[1:], said.get("after")]
        return PatientReply(" ".join(filter(None, parts)), self.told)

    def stance(self) -> str:
        """What the patient makes of a plan: one step milder once calm and comforted, or calm and told the reasons."""
        persona, signs = self.view.persona, self.view.understanding.signs
        winning = {sign for letter, sign in _WINNING.items() if letter in persona.personality} or {*_WINNING.values()}
        won = self.view.mood == "calm" and not winning.isdisjoint(signs)
        return _STANCES[max(_STANCES.index(persona.treatment) - won, 0)]

    def answer(self, question: Question) -> None:
        """Answers one question from what was released for it."""
        facts = list(self.released(question))
        if facts and question.wrong:
            self.say("corrected")
        if facts:
            self.tell(facts)
        elif any(fact.id in question.facts for fact in self.view.withheld) and question.kind != "open":
            self.say("withheld")
        elif question.kind in ("fishing", "unclear", "jargon"):
            self.say(question.kind)
        elif question.kind == "open":
            self.say("nothing_more")
        elif question.kind != "claim" and not any(id in self.told for id in question.facts):
            self.say("unknown")

    def released(self, question: Question) -> Iterator[Fact]:
        """The released facts that answer a question and that this reply has not told yet."""
        claimed = {id for other in self.view.understanding.questions if other.kind != "open" for id in other.facts}
        for fact in self.view.released:
            wanted = fact.id not in claimed if question.kind == "open" else fact.id in question.facts
            if wanted and fact.id not in self.told:
                yield fact

    def tell(self, facts: Any) -> None:
        """Says facts in their own words, with what the persona says before them."""
        facts = list(facts)
        if not facts:
            return
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
