"""Passages: a conversation cut into short pieces, each with what it is: a question, an order, a reply, a diagnosis.

Commands are read as the environment reads them, so that a doctor who says what a result would look like, or how a
verdict would, is in the field of a doctor's words all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from medenv.consultation.acts import parse
from medenv.consultation.views import Message

__all__ = ["FIELDS", "SCOPES", "Field", "Passage", "Scope", "passages_of", "words_of"]

Field: TypeAlias = Literal[
    "complaint", "opening", "speech", "closing", "order", "leading", "differential", "plan", "result", "reply"
]
"""complaint: the patient's first words; opening, closing: the doctor's first and last ones; leading: the diagnosis that
is named first; differential: the other ones."""

FIELDS: tuple[Field, ...] = get_args(Field)

Scope: TypeAlias = Literal["consultation", "response"]

SCOPES: tuple[Scope, ...] = get_args(Scope)

WORDS = 24
"""The longest passage."""
PASSAGES = 256
"""The most passages of a conversation; of a longer one the middle is left out."""
LETTERS = 24
"""The longest word; what is longer is cut into several."""

_UNSPACED = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]{{1,{LETTERS}}}")
_SENTENCE = re.compile(r"(?<=[.!?;\u3002\uff01\uff1f\uff1b])\s*|\n")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a conversation."""

    field: Field
    text: str


def words_of(text: str) -> list[str]:
    """The words of a text without regard to case; each character of a script without spaces is one."""
    return _WORD.findall(text.casefold())


def passages_of(messages: Sequence[Message], scope: Scope = "consultation") -> tuple[Passage, ...]:
    """The passages of a conversation, in order.

    Args:
        messages: The doctor's words are `assistant`, the patient's `user`, test results `tool`. Notes of the
            environment are left out, since they repeat what the doctor wrote.
        scope: Of a criterion; for "response" nothing stands between the complaint and the doctor's last message.
    """
    found = list(_passages(messages if scope == "consultation" else _response(messages)))
    if len(found) > PASSAGES:
        half = PASSAGES // 2
        found = found[:half] + found[-half:]
    return tuple(found)


def _response(messages: Sequence[Message]) -> list[Message]:
    last = max((place for place, message in enumerate(messages) if message.role == "assistant"), default=len(messages))
    complaint = next((message for message in messages[:last] if message.role == "user"), None)
    return [*([complaint] if complaint else ()), *messages[last:]]


def _passages(messages: Sequence[Message]) -> Iterator[Passage]:
    said = [place for place, message in enumerate(messages) if message.role == "assistant"]
    heard = False
    for place, message in enumerate(messages):
        if message.role == "assistant":
            # The last words count as closing ones even where they are the first.
            words: Field = "closing" if place == said[-1] else "opening" if place == said[0] else "speech"
            yield from _doctor(message.content, words)
        elif message.role == "tool":
            yield from _pieces("result", message.content)
        elif message.role == "user":
            yield from _pieces("reply" if heard else "complaint", message.content)
            heard = True


def _doctor(content: str, words: Field) -> Iterator[Passage]:
    acts = parse(content)
    yield from _pieces(words, acts.speech)
    for order in acts.orders:
        yield from _pieces("order", order)
    for number, guess in enumerate(acts.diagnoses):
        yield from _pieces("differential" if number else "leading", guess.name)
    for action in (*acts.plan, *acts.referrals):
        yield from _pieces("plan", action)


def _pieces(field: Field, text: str) -> Iterator[Passage]:
    for sentence in _SENTENCE.split(text):
        words = words_of(sentence)
        for start in range(0, len(words), WORDS):
            yield Passage(field, " ".join(words[start : start + WORDS]))
