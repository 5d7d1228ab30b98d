"""Links: what of a record a criterion speaks of, so that a machine check can stand behind its words.

A model never names ids. It gets a numbered list (F for facts, E for exams, P for the plan, H for harms, D for the
diagnosis, B for behaviour) and answers with numbers of it; where it gives none, words decide, if they are clear.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal, TypeAlias

from medenv.consultation.matching import mentions, telling_words, words
from medenv.records.record import Record

from ..checks import plan_names
from ..rubric import Check
from .record import general_criteria, response_criteria
from .slices import Slice

__all__ = ["Links", "Needs", "Target", "links_of"]

Kind: TypeAlias = Literal["fact", "exam", "plan", "harm", "diagnosis", "behaviour"]
Needs: TypeAlias = Literal["all", "any"]

ENOUGH = 0.75
"""The share of a fact's telling words that a criterion has to hold to speak of it."""


@dataclass(frozen=True, slots=True)
class Target:
    """Something that a criterion can speak of."""

    label: str
    """Its letter and number in the list."""
    kind: Kind
    text: str
    of: tuple[str, ...] = ()
    """The id of the fact or exam, or the names of the action."""
    check: Check | None = None
    """What decides it alone."""
    sign: int = 1
    """1: good to do; -1: bad to do; 0: either."""
    other_words: tuple[str, ...] = ()
    """Other words for it."""


@dataclass(frozen=True)
class Links:
    """Everything that the criteria of one rubric can speak of, by label."""

    targets: Mapping[str, Target]
    spent: frozenset[str] = frozenset()
    """Labels of facts told and exams ordered already: no message has to bring them about again."""

    @property
    def open(self) -> tuple[str, ...]:
        """The labels that a criterion may link to."""
        return tuple(label for label in self.targets if label not in self.spent)

    def check(self, labels: Sequence[str], points: int, needs: Needs = "all") -> Check | None:
        """The check behind a criterion that speaks of `labels`; None where no check says the same.

        Things of several kinds, praise for a harm and blame for what is good have none.
        """
        targets = [self.targets[label] for label in dict.fromkeys(labels)]
        if len({target.kind for target in targets}) != 1 or any(target.sign * points < 0 for target in targets):
            return None
        first = targets[0]
        of = tuple(dict.fromkeys(name for target in targets for name in target.of))
        if len(targets) == 1:
            return first.check
        if first.kind == "fact" or first.kind == "exam":
            kind = "disclosed" if first.kind == "fact" else "ordered"
            return Check(kind, of, len(targets) if needs == "all" and points > 0 else 1)
        if first.kind == "harm":
            return Check("harmed", of)
        return Check("planned", of) if first.kind == "plan" and needs == "any" else None

    def by_words(self, text: str, points: int) -> tuple[str, ...]:
        """The labels that the words of a criterion speak of, where they clearly speak of something that is done."""
        acts = {act for act, pattern in _acts().items() if pattern.search(text)}
        found = tuple(self._found(text, points, acts))
        kinds = {self.targets[label].kind for label in found}
        if len(kinds) != 1 or (len(found) > 1 and kinds != {"exam"}):
            return ()
        return found

    def asks_again(self, text: str) -> bool:
        """Whether a criterion wants asked, by its words, what the patient has told already.

        One word for it is enough: a criterion too few costs less than a doctor who learns to ask twice.
        """
        if not _acts()["ask"].search(text):
            return False
        told = [self.targets[label] for label in self.spent if self.targets[label].kind == "fact"]
        return any(_speaks_of(text, target) or mentions(text, target.other_words) for target in told)

    def _found(self, text: str, points: int, acts: set[str]) -> Iterator[str]:
        for label in self.open:
            target = self.targets[label]
            if target.sign * points < 0 or target.kind not in _DONE_BY or _DONE_BY[target.kind] not in acts:
                continue
            if _speaks_of(text, target):
                yield label


_DONE_BY: Mapping[Kind, str] = {"fact": "ask", "exam": "order", "plan": "plan", "harm": "plan"}


def _speaks_of(text: str, target: Target) -> bool:
    if target.kind != "fact":
        return mentions(text, target.of if target.kind != "exam" else target.other_words)
    several = [name for name in target.other_words if len(words(name)) > 1]
    told = telling_words(target.text)
    return mentions(text, several) or (len(told) > 1 and len(told & telling_words(text)) >= ENOUGH * len(told))


@cache
def _acts() -> Mapping[str, re.Pattern[str]]:
    """What shows that a criterion is about asking, ordering or planning, in any language there are prompts in."""
    data = json.loads(resources.files("medenv.rewards.generation").joinpath("linking.json").read_text("utf-8"))
    return {
        act: re.compile("|".join((rf"\b(?:{'|'.join(found['en'])})\b", *found["zh"])), re.I)
        for act, found in data["acts"].items()
    }


def links_of(record: Record, dialogue: Slice | None = None) -> Links:
    """What the criteria of a rubric can speak of: numbers stay the same while a consultation goes on."""
    targets = {target.label: target for target in _targets(record, dialogue)}
    if dialogue is None:
        return Links(targets)
    known = dialogue.told | dialogue.ordered
    spent = (t.label for t in targets.values() if t.kind in ("fact", "exam") and known.issuperset(t.of))
    return Links(targets, frozenset(spent))


def _targets(record: Record, dialogue: Slice | None) -> Iterator[Target]:
    for n, fact in enumerate(record.facts, start=1):
        marks = "; ".join(mark for mark, has in (("red flag", fact.red_flag), ("must be asked", fact.must_ask)) if has)
        text = f"{fact.statement} ({marks})" if marks else fact.statement
        yield Target(f"F{n}", "fact", text, (fact.id,), Check("disclosed", (fact.id,)), 1, fact.synonyms)
    for n, exam in enumerate(record.exams, start=1):
        text = f"{exam.name}{' (key)' if exam.key else ''}: {exam.result or exam.status}"
        sign = 1 if exam.key else 0
        names = (exam.name, *exam.synonyms)
        yield Target(f"E{n}", "exam", text, (exam.id,), Check("ordered", (exam.id,)), sign, names)
    for n, item in enumerate(record.truth.plan, start=1):
        names = plan_names(record, item)
        text = f"{item.action}{' (essential)' if item.essential else ''}"
        yield Target(f"P{n}", "plan", text, names, Check("planned", names))
    for n, harm in enumerate(record.truth.contraindicated, start=1):
        text = f"{harm.action}, because: {harm.because}"
        yield Target(f"H{n}", "harm", text, harm.names, Check("harmed", harm.names), -1)
    names = record.truth.diagnosis.names
    name = record.truth.diagnosis.name
    yield Target("D1", "diagnosis", f"{name}, as the leading diagnosis", names, Check("leading_diagnosis", names))
    yield Target("D2", "diagnosis", f"{name}, among the first three", names, Check("in_differential", names))
    behaviour = general_criteria() if dialogue is None else response_criteria(dialogue)
    for n, criterion in enumerate(behaviour, start=1):
        sign = 1 if criterion.points > 0 else -1
        yield Target(f"B{n}", "behaviour", criterion.text, (criterion.id,), criterion.check, sign)
