"""Intents: what a reply has to do, before there are words for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from medenv.consultation.questions import Question, Sign
from medenv.consultation.views import PatientView
from medenv.records.record import Fact

__all__ = ["Intent", "Say", "Tell", "intents"]

_STANCES = ("accepting", "questioning", "resistant")
_WINNING: Mapping[str, Sign] = {"T": "explanation", "F": "empathy"}
"""What wins a patient over to a plan, by the letter of the personality; either does where there is none."""


@dataclass(frozen=True, slots=True)
class Tell:
    """To tell facts."""

    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Say:
    """To say what fits a situation; it states no finding."""

    situation: str
    """A key of `phrasings.json`."""


Intent = Tell | Say


def intents(view: PatientView) -> tuple[Intent, ...]:
    """What the reply to the doctor's last words has to do, in order; at least one thing.

    The facts in it are the released ones, each once. The situations are what the doctor did: greet, comfort, ask for
    what is not known, not to be told yet or not for patients to say, say something back, order, plan, or leave.
    """
    return tuple(_Intents(view).find())


class _Intents:
    def __init__(self, view: PatientView) -> None:
        self.view = view
        self.told: set[str] = set()

    def find(self) -> list[Intent]:
        view, persona = self.view, self.view.persona
        signs, questions = view.understanding.signs, view.understanding.questions
        found: list[Intent] = []
        if "greeting" in signs and view.turn == 0:
            found.append(Say("greeting"))
        if signs & {"empathy", "confidentiality"} and persona.verbosity != "terse":
            found.append(Say("comforted"))
        for question in questions:
            found += self.answer(question)
        claims = [question for question in questions if question.kind == "claim"]
        if claims and not any(question.wrong for question in claims):
            found.append(Say("confirmed"))
        found += self.tell(fact for fact in view.released if fact.id not in self.told)
        if view.unheard:
            found.append(Say("unheard"))
        if view.ordered and persona.cost != "indifferent":
            found.append(Say(f"cost_{persona.cost}"))
        if view.planned and (stance := self.stance()) != "accepting":
            found.append(Say(f"treatment_{stance}"))
        if "farewell" in signs and not questions:
            found.append(Say("farewell"))
        return found or [Say("acknowledgement")]

    def stance(self) -> str:
        """What the patient makes of a plan: one step milder once calm and comforted, or calm and told the reasons."""
        persona, signs = self.view.persona, self.view.understanding.signs
        winning = {sign for letter, sign in _WINNING.items() if letter in persona.personality} or {*_WINNING.values()}
        won = self.view.mood == "calm" and not winning.isdisjoint(signs)
        return _STANCES[max(_STANCES.index(persona.treatment) - won, 0)]

    def answer(self, question: Question) -> Iterator[Intent]:
        """What one question calls for."""
        facts = tuple(self.released(question))
        if facts and question.wrong:
            yield Say("corrected")
        if facts:
            yield from self.tell(facts)
        elif any(fact.id in question.facts for fact in self.view.withheld) and question.kind != "open":
            yield Say("withheld")
        elif question.kind in ("fishing", "unclear", "jargon"):
            yield Say(question.kind)
        elif question.kind == "open":
            yield Say("nothing_more")
        elif question.kind != "claim" and not any(id in self.told for id in question.facts):
            yield Say("unknown")

    def released(self, question: Question) -> Iterator[Fact]:
        """The released facts that answer a question and that this reply does not tell yet."""
        claimed = {id for other in self.view.understanding.questions if other.kind != "open" for id in other.facts}
        for fact in self.view.released:
            wanted = fact.id not in claimed if question.kind == "open" else fact.id in question.facts
            if wanted and fact.id not in self.told:
                yield fact

    def tell(self, facts: Iterator[Fact] | tuple[Fact, ...]) -> list[Intent]:
        telling = tuple(facts)
        self.told.update(fact.id for fact in telling)
        return [Tell(telling)] if telling else []
