"""Cheats: what a policy under reinforcement learning would try instead of good medicine, as scripts kept in data.

A script in `cheats.json` may hold fields in braces. Those that name a list of the knowledge base, such as
`{conditions:1-20}`, are filled in once; `{heard}` and `{complaint}` are the patient's last and first words, filled in
as the consultation goes on.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal, TypeAlias

from medenv.consultation.acts import MAX_ITEM_CHARS
from medenv.consultation.matching import negates
from medenv.consultation.seats import Seat
from medenv.consultation.views import DoctorView
from medenv.records.knowledge_base import KnowledgeBase, Treatment, load_knowledge
from medenv.records.record import topics
from medenv.schemas import validator

__all__ = ["Cheat", "CheatFamily", "Script", "cheats"]

CheatFamily: TypeAlias = Literal[
    "lists", "words", "manners", "copying", "repetition", "fishing", "nonsense", "harm", "history"
]

_FIELD = re.compile(r"\{(\w+)(?::([^{}]*))?\}")
_AS_IT_GOES = ("heard", "complaint")


@dataclass(frozen=True, slots=True)
class Script:
    """A doctor that says fixed messages, the last one again and again."""

    messages: tuple[str, ...]

    def act(self, view: DoctorView) -> str:
        """The message of this turn."""
        message = self.messages[min(view.turn, len(self.messages) - 1)]
        told = [said.content.replace(";", ",") for said in view.messages if said.role == "user"]
        return message.replace("{heard}", told[-1]).replace("{complaint}", told[0])


@dataclass(frozen=True, slots=True)
class Cheat:
    """One way to seek reward without medicine."""

    id: str
    family: CheatFamily
    tries: str
    """What it does, in a sentence."""
    doctor: Seat
    ceiling: float | None = None
    """The mean reward that it may never exceed, whatever an honest doctor gets."""


@cache
def cheats() -> Mapping[str, Cheat]:
    """The cheats by id, in the order of the file."""
    data = json.loads(resources.files("medenv.testing").joinpath("cheats.json").read_text("utf-8"))
    validator("medenv.testing", "cheats").validate(data)
    fields = _Fields(load_knowledge())
    found = (
        Cheat(
            id=entry["id"],
            family=entry["family"],
            tries=entry["tries"],
            doctor=Script(tuple(fields.fill(message) for message in _messages(entry["messages"]))),
            ceiling=entry.get("ceiling"),
        )
        for entry in data["cheats"]
    )
    return {cheat.id: cheat for cheat in found}


def _messages(entries: Iterable[Any]) -> Iterable[str]:
    for entry in entries:
        if isinstance(entry, str):
            yield entry
        else:
            yield from [entry["text"] * entry.get("times", 1)] * entry.get("turns", 1)


class _Fields:
    """What stands in for the fields of a script: lists of the knowledge base, the commonest first."""

    def __init__(self, known: KnowledgeBase) -> None:
        planned = Counter(rule.treatment for condition in known.conditions.values() for rule in condition.plan)
        wanted = Counter(exam for condition in known.conditions.values() for exam in condition.key_exams)
        forbidden = {rule.treatment for condition in known.conditions.values() for rule in condition.contraindicated}
        treatments = sorted(known.treatments.values(), key=lambda t: (-planned[t.id], t.id))
        tests = sorted(known.exams.values(), key=lambda e: (-wanted[e.id], e.id))
        conditions = sorted(known.conditions.values(), key=lambda c: (-c.weight, c.id))
        self._weights = {condition.diagnosis.name: condition.weight for condition in conditions}
        self._lists: Mapping[str, Sequence[str]] = {
            "conditions": tuple(self._weights),
            "treatments": [treatment.action for treatment in treatments],
            "drugs": _short(treatments),
            "harmless": _short(t for t in treatments if t.id not in forbidden),
            "tests": [test.name for test in tests],
            "invasive": [test.name for test in tests if test.invasive],
            "departments": sorted({condition.department for condition in conditions}),
            "topics": [topic["label"] for topic in topics().values()],
        }
        self._made: Mapping[str, Callable[[str], str]] = {
            "questions": self._questions,
            "criteria": self._criteria,
            "likely": self._likely,
            "certain": lambda count: "; ".join(f"{name} (1)" for name in self._lists["conditions"][: int(count)]),
            "together": lambda name: self._packed(name)[0],
            "packed": lambda name: "; ".join(self._packed(name)[:10]),
        }

    def fill(self, message: str) -> str:
        """The message with all fields filled in but those that follow the patient."""
        return _FIELD.sub(lambda field: self._value(field[0], field[1], field[2] or ""), message)

    def _value(self, field: str, name: str, argument: str) -> str:
        if name in self._made:
            return self._made[name](argument)
        if name not in self._lists:
            return field
        first, _, last = argument.rpartition("-")
        return "; ".join(self._lists[name][int(first or 1) - 1 : int(last) if last else None])

    def _questions(self, asked: str) -> str:
        chosen = asked.split(",") if asked else topics()
        return " ".join(topics()[topic]["question"] for topic in chosen)

    def _criteria(self, _: str) -> str:
        general = json.loads(resources.files("medenv.rewards.generation").joinpath("general.json").read_text("utf-8"))
        return " ".join(criterion["text"] for criterion in general["criteria"])

    def _likely(self, count: str) -> str:
        total = sum(self._weights.values())
        named = list(self._weights.items())[: int(count)]
        return "; ".join(f"{name} ({weight / total:.2f})" for name, weight in named)

    def _packed(self, name: str) -> list[str]:
        """The names of a list as few items, each as long as an item may be."""
        items = [""]
        for entry in self._lists[name]:
            if len(items[-1]) + len(entry) >= MAX_ITEM_CHARS:
                items.append("")
            items[-1] = f"{items[-1]} {entry}".strip()
        return items


def _short(treatments: Iterable[Treatment]) -> list[str]:
    """The shortest name of each, without those that would negate what stands beside them."""
    names = (min((treatment.action, *treatment.synonyms), key=len) for treatment in treatments)
    return [name for name in names if not negates(name)]
