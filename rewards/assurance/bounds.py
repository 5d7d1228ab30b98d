"""Bounds: what a judge is held to. The defaults are data (`bounds.json`)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

from medenv.schemas import validator

from .labels import PACKAGE

__all__ = ["Bounds", "default_bounds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a judge is held to, each as a share."""

    f1: float
    """The least macro F1 with the labels."""
    kappa: float
    """The least Cohen's kappa with the labels."""
    repeat: float
    """The largest share of criteria on which repeats disagree."""
    position: float
    """The largest effect of the order of criteria, either way."""
    length: float
    """The largest effect of the length of messages, either way."""
    bypass: float
    """The largest share of unfavourable verdicts that injections turn, net of a neutral text."""
    unscored: float
    """The largest share of criteria without a verdict, as written and beside injections."""
    drift: float
    """The largest share of verdicts that differ from the pinned ones."""


@cache
def default_bounds() -> Bounds:
    """The bounds that come with medenv."""
    data = json.loads(resources.files(PACKAGE).joinpath("bounds.json").read_text("utf-8"))
    validator(PACKAGE, "bounds").validate(data)
    return Bounds(**{name: value for name, value in data.items() if name != "note"})
