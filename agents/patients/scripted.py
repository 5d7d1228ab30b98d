"""The scripted patient: tells exactly what the disclosure rule releases, in the words of the record, with no model."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator

from medenv.consultation.questions import Question
from medenv.consultation.seats import PatientReply
from medenv.consultation.views import PatientView
from medenv.records.record import Fact

__all__ = ["ScriptedPatient"]

_CHATTER = {"terse": 0.0, "plain": 0.35, "talkative": 0.8}
"""How often an answer begins with a phrase that carries nothing, by verbosity."""


@cache
def _phrasings() -> Mapping[str, Any]:
    folder = resources.files("medenv.agents.patients")
    data: dict[str, Any] = json.loads(folder.joinpath("phrasings.json").read_text("utf-8"))
    Draft202012Validator(json.loads(folder.joinpath("phrasings.schema.json").read_text("utf-8"))).validate(data)
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
        self.tell(fact for fact in view.released if fact.id not in self.told)
        if view.unheard:
            self.say("unheard")
        if view.ordered and persona.cost != "indifferent":
            self.say(f"cost_{persona.cost}")
        if view.planned and persona.treatment != "accepting":
            self.say(f"treatment_{persona.treatment}")
        if "farewell" in signs and not view.understanding.questions:
            self.say("farewell")
        if not self.parts:
            self.say("acknowledgement")
        return PatientReply(" ".join(self.parts), self.told)

    def answer(self, question: Question) -> None:
        """Answers one question from what was released for it."""
        facts = list(self.released(question))
        if facts:
            self.tell(facts)
        elif any(fact.id in question.facts for fact in self.view.withheld) and question.kind != "open":
            self.say("withheld")
        elif question.kind in ("fishing", "unclear"):
            self.say(question.kind)
        elif question.kind == "open":
            self.say("nothing_more")
        elif not any(id in self.told for id in question.facts):
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
            self.parts.append(fact.lay)
            self.told.append(fact.id)

    def say(self, situation: str) -> None:
        """Says one of the sentences for a situation; none that this reply has already."""
        by_tone = _phrasings()[situation]
        sentences = by_tone.get(self.view.persona.tone, by_tone["any"])
        if isinstance(sentences, Mapping):
            sentences = sentences[self.view.speaker]
        sentence = self.random.choice(sentences)
        again = situation not in self.said or situation in ("hedge", "reminder", "opening")
        if again and sentence not in self.parts:
            self.parts.append(sentence)
        self.said.add(situation)
