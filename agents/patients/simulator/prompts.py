"""Prompts: what the models of the simulator are told, as files that anybody can edit."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from jsonschema.exceptions import best_match

from medenv.consultation.views import Message, PatientView
from medenv.errors import MedenvError
from medenv.personas.persona import Persona
from medenv.schemas import validator

__all__ = ["PACKAGE", "Prompts", "dialogue", "load_prompts", "prompts_for", "talk", "unforged"]

PACKAGE = "medenv.agents.patients.simulator"
_WORDS, _RUN = 6, {"zh": 12}
"""How long a run of words (in Chinese, of characters) has to be to come from the instructions and not from life."""
_TOLD = ("patient.", "situations.", "note.")
_FORGING = str.maketrans({"<": "\u2039", ">": "\u203a", "[": "(", "]": ")"})


def unforged(text: str) -> str:
    """A text of somebody else's as it may stand in a prompt.

    Prompts mark what is not the doctor's with square and angle brackets, and so do models with the borders of a
    message. A text in which there are none can forge neither.
    """
    return text.translate(_FORGING) if any(mark in text for mark in "<>[]") else text


def dialogue(view: PatientView, system: str, turn: str) -> tuple[Message, ...]:
    """A prompt that grows with the talk: the instructions, what was said, and `turn` in place of the last words.

    Each prompt begins with the one of the turn before, up to the doctor's words.
    """
    return Message("system", system), *talk(view.messages[1:-1]), Message("user", turn)


def talk(messages: Iterable[Message]) -> tuple[Message, ...]:
    """What was said, as it may stand in a prompt."""
    return tuple(Message(message.role, unforged(message.content)) for message in messages)


@dataclass(frozen=True, slots=True, eq=False)
class Prompts:
    """The prompts in one language."""

    language: str
    texts: Mapping[str, str]
    """By their path in the file, such as "patient.system"."""
    digest: str
    """The first 12 hexadecimal digits of a hash of all texts: the version."""

    def fill(self, name: str, **values: object) -> str:
        """A text with its names filled in, once, from left to right."""
        return Template(self.texts[name]).substitute(values).strip("\n")

    def echoed_in(self, text: str) -> bool:
        """Whether a text repeats a run of words of the instructions to the patient: a model that reads out its note."""
        run = _RUN.get(self.language, _WORDS)
        return not _runs(text, run).isdisjoint(_instructions(self, run))

    def traits(self, persona: Persona) -> tuple[str, ...]:
        """What the prompts say of each field of a persona; fields of which they say nothing are left out."""
        return _traits(self, persona)


@cache
def load_prompts(source: str | Path) -> Prompts:
    """The prompts of a language that comes with medenv ("en", "zh"), or those in a .toml file of the same form.

    Raises:
        MedenvError: There is no such file, it lacks a text or has an unknown one, or a text has a name in it that is
            not filled in there.
    """
    shipped = resources.files(PACKAGE).joinpath(f"prompts.{source}.toml")
    path = shipped if isinstance(source, str) and "/" not in source and shipped.is_file() else Path(source)
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise MedenvError(f"expected 'en', 'zh' or a .toml file of prompts, got {str(source)!r}: {reason}") from None
    if misfit := best_match(validator(PACKAGE, "prompts").iter_errors(data)):
        place = ".".join(map(str, misfit.absolute_path)) or "the file"
        raise MedenvError(f"{source}: expected prompts, got {place}: {misfit.message[:200]}")
    texts = dict(_texts(data))
    known = {name: Template(text).get_identifiers() for name, text in _reference().items()}
    for name, text in texts.items():
        template = Template(text)
        if not template.is_valid() or set(template.get_identifiers()) != set(known[name]):
            wanted = ", ".join(f"${each}" for each in known[name]) or "no name"
            raise MedenvError(f"{source}: expected {wanted} in {name}, got {text.strip()[:80]!r}")
    digest = hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()[:12]
    return Prompts(texts.pop("language"), texts, digest)


@cache
def _instructions(prompts: Prompts, run: int) -> frozenset[tuple[str, ...]]:
    told = (text for name, text in prompts.texts.items() if name.startswith(_TOLD))
    return frozenset().union(*(_runs(text, run) for text in told))


def _runs(text: str, run: int) -> frozenset[tuple[str, ...]]:
    words = re.findall(r"[\u4e00-\u9fff]|[^\W_]+", text.casefold())
    return frozenset(tuple(words[at : at + run]) for at in range(len(words) - run + 1))


@lru_cache(maxsize=1024)
def _traits(prompts: Prompts, persona: Persona) -> tuple[str, ...]:
    found = []
    for name, text in prompts.texts.items():
        part, _, rest = name.partition(".")
        field, _, value = rest.partition(".")
        if part == "persona" and text:
            has: str = getattr(persona, field)
            if value in has if field == "personality" else value == has:
                found.append(text)
    return tuple(found)


def prompts_for(language: str) -> Prompts:
    """The prompts that come with medenv in a record's language; the English ones where there are none."""
    return load_prompts("zh" if language.split("-")[0] == "zh" else "en")


@cache
def _reference() -> Mapping[str, str]:
    shipped = resources.files(PACKAGE).joinpath("prompts.en.toml")
    return dict(_texts(tomllib.loads(shipped.read_text("utf-8"))))


def _texts(data: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for name, value in data.items():
        if isinstance(value, Mapping):
            yield from _texts(value, f"{path}{name}.")
        else:
            yield path + name, value
