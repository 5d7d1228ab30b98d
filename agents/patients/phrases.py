"""Phrases: everything that the data files have a patient say beside the facts; it states no finding."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from .wording import LEVELS, worded

__all__ = ["phrases", "phrases_at"]


@cache
def phrases_at(level: str) -> frozenset[str]:
    """The phrases as somebody of this level of the language says them."""
    folder = resources.files("medenv.agents.patients")
    names = ("phrasings", "remarks", "wording")
    phrasings, remarks, wording = (json.loads(folder.joinpath(f"{name}.json").read_text("utf-8")) for name in names)
    said = {text for remark in remarks["remarks"] for text in remark["say"]}
    doubts = {text for recall in ("vague", "inconsistent") for text in wording[recall]}
    gate = json.loads(folder.joinpath("simulator", "gate.json").read_text("utf-8"))
    parting = {text for words in gate["leaving"].values() for text in _texts(words)}
    return frozenset(worded(text, level) for text in _texts(phrasings)) | said | doubts | parting


@cache
def phrases() -> frozenset[str]:
    """The phrases at every level."""
    return frozenset().union(*map(phrases_at, LEVELS))


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    else:
        for item in data.values() if isinstance(data, Mapping) else data:
            yield from _texts(item)
