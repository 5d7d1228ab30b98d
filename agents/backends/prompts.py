"""Prompts: what language models are told, as files that anybody can edit.

A package that asks a model has one file of prompts a language, `prompts.en.toml` and its translations, and beside them
`prompts.schema.json`, which says what texts there are. Every translation fills in the same names as the English one.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from jsonschema.exceptions import best_match

from medenv.consultation.views import Message
from medenv.errors import MedenvError
from medenv.schemas import validator

__all__ = ["Prompts", "load_prompts", "prompts_for", "talk", "unforged"]

_FORGING = str.maketrans({"<": "\u2039", ">": "\u203a", "[": "(", "]": ")"})


def unforged(text: str) -> str:
    """A text of somebody else's as it may stand in a prompt.

    Prompts mark what is not the speaker's with square and angle brackets, and so do models with the borders of a
    message. A text in which there are none can forge neither.
    """
    forging = "<" in text or ">" in text or "[" in text or "]" in text
    return text.translate(_FORGING) if forging else text


def talk(messages: Iterable[Message]) -> tuple[Message, ...]:
    """What was said, as it may stand in a prompt."""
    return tuple(_unforged(message) for message in messages)


def _unforged(message: Message) -> Message:
    content = unforged(message.content)
    return message if content is message.content else Message(message.role, content)


@dataclass(frozen=True, slots=True, eq=False)
class Prompts:
    """The prompts of a package in one language."""

    language: str
    texts: Mapping[str, str]
    """By their path in the file, such as "patient.system"."""
    digest: str
    """The first 12 hexadecimal digits of a hash of all texts: the version."""

    def fill(self, name: str, **values: object) -> str:
        """A text with its names filled in, once, from left to right; what is filled in is never read again."""
        return Template(self.texts[name]).substitute(values).strip("\n")


@cache
def load_prompts(package: str, source: str | Path) -> Prompts:
    """The prompts of a package in a language that it has ("en", "zh"), or those in a .toml file of the same form.

    Raises:
        MedenvError: There is no such file, it lacks a text or has an unknown one, or a text has a name in it that is
            not filled in there.
    """
    shipped = resources.files(package).joinpath(f"prompts.{source}.toml")
    path = shipped if isinstance(source, str) and "/" not in source and shipped.is_file() else Path(source)
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise MedenvError(f"expected 'en', 'zh' or a .toml file of prompts, got {str(source)!r}: {reason}") from None
    if misfit := best_match(validator(package, "prompts").iter_errors(data)):
        place = ".".join(map(str, misfit.absolute_path)) or "the file"
        raise MedenvError(f"{source}: expected prompts, got {place}: {misfit.message[:200]}")
    texts = dict(_texts(data))
    known = {name: Template(text).get_identifiers() for name, text in _reference(package).items()}
    for name, text in texts.items():
        template = Template(text)
        if not template.is_valid() or set(template.get_identifiers()) != set(known[name]):
            wanted = ", ".join(f"${each}" for each in known[name]) or "no name"
            raise MedenvError(f"{source}: expected {wanted} in {name}, got {text.strip()[:80]!r}")
    digest = hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()[:12]
    return Prompts(texts.pop("language"), texts, digest)


def prompts_for(package: str, language: str) -> Prompts:
    """The prompts of a package in a record's language; the English ones where there are none."""
    return load_prompts(package, "zh" if language.split("-")[0] == "zh" else "en")


@cache
def _reference(package: str) -> Mapping[str, str]:
    shipped = resources.files(package).joinpath("prompts.en.toml")
    return dict(_texts(tomllib.loads(shipped.read_text("utf-8"))))


def _texts(data: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for name, value in data.items():
        if isinstance(value, Mapping):
            yield from _texts(value, f"{path}{name}.")
        else:
            yield path + name, value
