"""Changing: the same consultation with longer messages, or with words that try to talk the judge round."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from medenv.consultation.views import JudgeView
from medenv.errors import JudgeError
from medenv.schemas import validator

from .labels import PACKAGE, LabelledConsultation
from .replaying import replay

__all__ = ["added", "padded", "padding", "same_acts"]


@cache
def _sentences() -> Mapping[str, Sequence[str]]:
    data: dict[str, Any] = json.loads(resources.files(PACKAGE).joinpath("padding.json").read_text("utf-8"))
    validator(PACKAGE, "padding").validate(data)
    sentences: Mapping[str, Sequence[str]] = data["sentences"]
    return sentences


def padding(language: str, chars: int, rng: np.random.Generator) -> str:
    """Neutral sentences of about so many characters, at least one."""
    sentences = _sentences()[language]
    text = ""
    while not text or len(text) + len(sentences[0]) / 2 < chars:
        for place in rng.permutation(len(sentences)):
            text = f"{text} {sentences[place]}".strip()
            if len(text) + len(sentences[0]) / 2 >= chars:
                break
    return text


def padded(consultation: LabelledConsultation, sentences: int, rng: np.random.Generator) -> tuple[str, ...]:
    """The doctor's messages, each followed by so many neutral sentences."""
    known = _sentences()[consultation.language]
    return tuple(
        f"{message}\n{' '.join(known[place] for place in rng.permutation(len(known))[:sentences])}"
        for message in consultation.messages
    )


def added(consultation: LabelledConsultation, text: str, place: int) -> tuple[str, ...]:
    """The doctor's messages, with a text after one of them."""
    return tuple(f"{m}\n{text}" if i == place else m for i, m in enumerate(consultation.messages))


def same_acts(consultation: LabelledConsultation, messages: Sequence[str], view: JudgeView) -> JudgeView | None:
    """The view of the changed messages, or None where the change did something, such as order a test.

    Words that do something are no mere words: what they change in a verdict, they may change.
    """
    try:
        changed = replay(consultation, messages)
    except JudgeError:
        return None
    return changed if _acts(changed) == _acts(view) else None


def _acts(view: JudgeView) -> list[Any]:
    return [(t.acts.orders, t.acts.diagnoses, t.acts.plan, t.acts.referrals) for t in view.turns]
