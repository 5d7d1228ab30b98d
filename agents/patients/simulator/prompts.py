"""What the models of the simulator are told: prompts that grow with the talk, and what they say of a persona."""

from __future__ import annotations

import re
from functools import cache, lru_cache

from medenv.agents.backends.prompts import Prompts, talk
from medenv.consultation.views import Message, PatientView
from medenv.personas.persona import Persona

__all__ = ["PACKAGE", "dialogue", "echoed_in", "traits"]

PACKAGE = "medenv.agents.patients.simulator"
_WORDS, _RUN = 6, {"zh": 12}
"""How long a run of words (in Chinese, of characters) has to be to come from the instructions and not from life."""
_WORD = re.compile(r"[\u4e00-\u9fff]|[^\W_]+")
_TOLD = ("patient.", "situations.", "note.")


def dialogue(view: PatientView, system: str, turn: str) -> tuple[Message, ...]:
    """A prompt that grows with the talk: the instructions, what was said, and `turn` in place of the last words.

    Each prompt begins with the one of the turn before, up to the doctor's words.
    """
    return Message("system", system), *talk(view.messages[1:-1]), Message("user", turn)


def echoed_in(text: str, prompts: Prompts) -> bool:
    """Whether a text repeats a run of words of the instructions to the patient: a model that reads out its note."""
    run = _RUN.get(prompts.language, _WORDS)
    return not _instructions(prompts, run).isdisjoint(_runs(text, run))


@lru_cache(maxsize=1024)
def traits(persona: Persona, prompts: Prompts) -> tuple[str, ...]:
    """What the prompts say of each field of a persona; fields of which they say nothing are left out."""
    found = []
    for name, text in prompts.texts.items():
        part, _, rest = name.partition(".")
        field, _, value = rest.partition(".")
        if part == "persona" and text:
            has: str = getattr(persona, field)
            if value in has if field == "personality" else value == has:
                found.append(text)
    return tuple(found)


@cache
def _instructions(prompts: Prompts, run: int) -> frozenset[tuple[str, ...]]:
    told = (text for name, text in prompts.texts.items() if name.startswith(_TOLD))
    return frozenset().union(*(_runs(text, run) for text in told))


def _runs(text: str, run: int) -> list[tuple[str, ...]]:
    words = _WORD.findall(text.casefold())
    return [tuple(words[at : at + run]) for at in range(len(words) - run + 1)]
