"""What an examination or test is also called: the shared list of equivalent names."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

__all__ = ["exam_groups", "other_names"]


@cache
def exam_groups() -> tuple[tuple[str, ...], ...]:
    """The groups of `exam_names.json`: names that mean the same order, the usual one first."""
    text = resources.files("medenv.records").joinpath("exam_names.json").read_text("utf-8")
    return tuple(tuple(group) for group in json.loads(text))


@cache
def _by_name() -> Mapping[str, tuple[str, ...]]:
    return {_key(name): group for group in exam_groups() for name in group}


def _key(name: str) -> str:
    return re.sub(r"[\W_]+", " ", name).strip().casefold()


def other_names(name: str) -> tuple[str, ...]:
    """The whole group that a name belongs to, the name itself included; empty for a name that no group holds.

    Case, hyphens and underscores make no difference.
    """
    return _by_name().get(_key(name), ())
