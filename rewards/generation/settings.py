"""What the rules take from `general.json`: the criteria of any consultation, and the points of the others."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from ..rubric import Criterion, rubric_from_dict

__all__ = ["criteria", "points"]


@cache
def _settings() -> Any:
    return json.loads(resources.files("medenv.rewards.generation").joinpath("general.json").read_text("utf-8"))


@cache
def criteria(part: str) -> tuple[Criterion, ...]:
    """The criteria of one part."""
    return rubric_from_dict(_settings()[part], id="general").criteria


def points(name: str) -> int:
    """The points of a kind of criterion."""
    found: int = _settings()["points"][name]
    return found
