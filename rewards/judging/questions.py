"""What a judge asks a model about some criteria, and how it reads the answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from math import ceil
from typing import Any

from medenv.agents.backends.prompts import Prompts
from medenv.consultation.views import Message

from ..rubric import Criterion
from ..scoring import Verdict
from .fence import Fenced, one_line

__all__ = ["PACKAGE", "Question", "questions"]

PACKAGE = "medenv.rewards.judging"
_ROOM, _ROOM_EACH = 16, 12
"""Tokens of an answer without explanations, and of each criterion in it."""


@dataclass(frozen=True, slots=True)
class Question:
    """Criteria that go to the model in one request: all positive or all negative, all with one scope."""

    criteria: tuple[Criterion, ...]
    explain: bool
    max_tokens: int
    """The longest explanation."""

    @property
    def key(self) -> str:
        """What the verdict is called in answers, and which template asks for it."""
        return "happened" if self.criteria[0].points < 0 else "met"

    @property
    def single(self) -> bool:
        """Whether it is about one criterion."""
        return len(self.criteria) == 1

    @property
    def room(self) -> int:
        """Tokens that the answer may have."""
        return _ROOM + len(self.criteria) * (_ROOM_EACH + (self.max_tokens if self.explain else 0))

    def messages(self, evidence: Fenced, prompts: Prompts) -> tuple[Message, ...]:
        """The prompt: the instructions, the conversation, and at the end what differs from question to question."""
        about = prompts.texts[f"about.{self.criteria[0].scope}"]
        if self.criteria[0].scope == "response":
            about = prompts.fill("about.response", number=evidence.last)
        values = {"code": evidence.code, "about": about, "answer": prompts.texts[f"answer.{self._answer}"]}
        if self.single:
            asked = prompts.fill(f"{self.key}.one", criterion=one_line(self.criteria[0].text), **values)
        else:
            lines = (f"{number}. {one_line(each.text)}" for number, each in enumerate(self.criteria, start=1))
            asked = prompts.fill(f"{self.key}.several", criteria="\n".join(lines), **values)
        system = Message("system", prompts.texts["system"].strip("\n"))
        return system, Message("user", f"{evidence.text}\n\n{asked}")

    @property
    def _answer(self) -> str:
        if self.single:
            return f"{self.key}_explained" if self.explain else self.key
        return f"{self.key}_explained_several" if self.explain else "several"

    @property
    def schema(self) -> Mapping[str, Any]:
        """What the answer has to fit: each criterion exactly once."""
        return _object({self.key: _BOOLEAN}) if self._flat else _object(self._properties)

    @property
    def _flat(self) -> bool:
        return self.single and not self.explain

    @property
    def _properties(self) -> dict[str, Any]:
        # An explanation comes first, so that the verdict follows from it.
        explained = {"explanation": {"type": "string", "maxLength": self.max_tokens}, self.key: _BOOLEAN}
        if self.single:
            return explained
        each = _object(explained) if self.explain else _BOOLEAN
        return {str(number): each for number in range(1, len(self.criteria) + 1)}

    def read(self, text: str) -> list[Verdict]:
        """The verdicts that an answer holds.

        Raises:
            ValueError: It is not one verdict on each criterion that was asked about, and nothing else.
        """
        answer = json.loads(text, object_pairs_hook=_once)
        if self.single:
            return [self._verdict(self.criteria[0], answer)]
        numbers = [str(number) for number in range(1, len(self.criteria) + 1)]
        if not isinstance(answer, dict) or sorted(answer) != sorted(numbers):
            raise ValueError(f"expected a verdict on each of {len(numbers)} criteria, got {str(answer)[:80]!r}")
        return [
            self._verdict(each, answer[number] if self.explain else {self.key: answer[number]})
            for number, each in zip(numbers, self.criteria, strict=True)
        ]

    def _verdict(self, criterion: Criterion, answer: Any) -> Verdict:
        match answer:
            case {**given} if set(given) == {self.key} | ({"explanation"} if self.explain else set()):
                met, reason = given[self.key], given.get("explanation", "")
                if isinstance(met, bool) and isinstance(reason, str):
                    return Verdict(criterion.id, met, one_line(reason) or "said by a model")
        raise ValueError(f"expected {self.key!r} to be true or false, got {str(answer)[:80]!r}")


def questions(
    criteria: Sequence[Criterion], at_once: int | None, *, explain: bool, max_tokens: int
) -> Iterator[Question]:
    """Some criteria in as few questions as may be, of even size; those of different signs and scopes never share one.

    Args:
        criteria: In the order in which they are asked about.
        at_once: The most criteria a question; None for no limit.
        explain: Whether a reason is asked for.
        max_tokens: The longest of each.
    """

    def kind(criterion: Criterion) -> tuple[str, bool]:
        return criterion.scope, criterion.points < 0

    for _, alike in groupby(sorted(criteria, key=kind), key=kind):
        several = tuple(alike)
        count = ceil(len(several) / at_once) if at_once else 1
        for start, end in pairwise(len(several) * place // count for place in range(count + 1)):
            yield Question(several[start:end], explain, max_tokens)


_BOOLEAN = {"type": "boolean"}


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"expected each name once, got {[name for name, _ in pairs]}")
    return found
