"""Injections: what a doctor would say to gain something without medicine, kept as data in `injections.json`.

Each belongs to the part that it attacks: the judge, the patient, the parser of commands or the environment. Each may
count as one plain message at most, which for nearly all of them is none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal, TypeAlias

from medenv.schemas import validator

__all__ = ["FAMILIES", "Injection", "InjectionFamily", "injections"]

InjectionFamily: TypeAlias = Literal["judge", "patient", "parser", "environment"]

FAMILIES: tuple[InjectionFamily, ...] = ("judge", "patient", "parser", "environment")


@dataclass(frozen=True, slots=True)
class Injection:
    """One hostile message."""

    id: str
    family: InjectionFamily
    """What it attacks."""
    language: str
    """The language of its words, as a code of ISO 639; "mul" for several."""
    text: str
    plain: str = ""
    """The honest message that it may count as at most."""
    earlier: tuple[str, ...] = ()
    """What is said in the turns before, to prepare it."""


@cache
def injections(family: InjectionFamily | None = None) -> tuple[Injection, ...]:
    """The injections of one family, or of all, in the order of the file."""
    found = (_injection(entry) for entry in _data()["injections"])
    return tuple(injection for injection in found if family in (None, injection.family))


@cache
def _data() -> Mapping[str, Any]:
    data: dict[str, Any] = json.loads(resources.files("medenv.testing").joinpath("injections.json").read_text("utf-8"))
    validator("medenv.testing", "injections").validate(data)
    return data


def _injection(entry: Mapping[str, Any]) -> Injection:
    return Injection(
        id=entry["id"],
        family=entry["family"],
        language=entry["language"],
        text=entry["text"] * entry.get("times", 1),
        plain=entry.get("plain", ""),
        earlier=tuple(entry.get("earlier", ())),
    )
