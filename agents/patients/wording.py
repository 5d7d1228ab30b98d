"""Wording: how a patient who speaks little of the language, or remembers dates badly, says a fact.

The facts stay as they are.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from medenv.personas.persona import Persona

__all__ = ["LEVELS", "doubt", "worded"]

LEVELS = ("A1", "A2", "B1", "B2", "C1", "C2")


@cache
def _rules() -> Mapping[str, Any]:
    text = resources.files("medenv.agents.patients").joinpath("wording.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@lru_cache(maxsize=4096)
def worded(text: str, level: str) -> str:
    """A sentence as somebody of this level of the language says it: full forms, and without small words.

    Nothing that negates, counts, names or tells when is left out. From B2 on the sentence stays as it is.
    """
    dropped = _rules()["dropped"].get(level)
    if dropped is None:
        return text
    for pattern, full in _rules()["full_forms"]:
        text = re.sub(pattern, full, text, flags=re.I)
    small = "|".join(sorted(map(re.escape, dropped), key=len, reverse=True))
    text = re.sub(
        rf"(?<![\w'\u2019-])(?:{small})(?![\w'\u2019-])(?! ?{_rules()['kept_before']})[ ]?", "", text, flags=re.I
    )
    text = re.sub(r"\s+", " ", re.sub(r"\s+([.,;:!?])", r"\1", text)).strip()
    return re.sub(r"(?:^|(?<=[.!?] ))[a-z]", lambda m: m.group().upper(), text)


def doubt(text: str, persona: Persona, rng: random.Random) -> str:
    """What a patient of poor recall adds to a sentence that tells a time; empty for any other."""
    if persona.recall == "clear" or not re.search(_rules()["time"], text, re.I):
        return ""
    sentences: list[str] = _rules()[persona.recall]
    return rng.choice(sentences)
