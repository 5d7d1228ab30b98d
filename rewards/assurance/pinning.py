"""Pinning: the verdicts of a judge are kept in a file, and held against those of a later day."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema.exceptions import best_match

from medenv.errors import JudgeError
from medenv.schemas import validator

from .labels import PACKAGE, LabelledSet

__all__ = ["Change", "Drift", "Pin", "drift", "read_pin", "write_pin"]

SCHEMA = "medenv.judge-pin/1"


@dataclass(frozen=True, slots=True)
class Pin:
    """The verdicts of one judge on the labelled set."""

    judge: str
    """What the judge is called in the settings of a run, its settings and prompts included where it tells them."""
    labels: str
    """The version of the labelled set."""
    verdicts: Mapping[str, bool | None]
    """By consultation/criterion; None where there was no verdict."""


@dataclass(frozen=True, slots=True)
class Change:
    """A verdict that is not what it was."""

    criterion: str
    """As consultation/criterion."""
    before: bool | None
    now: bool | None
    label: bool


@dataclass(frozen=True, slots=True)
class Drift:
    """What differs between a pinned result and a new one."""

    compared: int
    changes: tuple[Change, ...]
    mended: int
    """How many verdicts were wrong and are right."""
    spoiled: int
    """How many verdicts were right and are wrong."""
    p: float
    """Of the exact McNemar test: how likely it is that mended and spoiled differ so much by chance."""
    judge_before: str
    judge_now: str

    @property
    def share(self) -> float:
        """The share of verdicts that changed."""
        return len(self.changes) / self.compared

    def as_dict(self) -> dict[str, Any]:
        """The drift as plain data."""
        return {
            "compared": self.compared,
            "changed": len(self.changes),
            "share": self.share,
            "mended": self.mended,
            "spoiled": self.spoiled,
            "p": self.p,
            "judge_before": self.judge_before,
            "judge_now": self.judge_now,
            "changes": [
                {"criterion": c.criterion, "before": c.before, "now": c.now, "label": c.label} for c in self.changes
            ],
        }


def write_pin(path: str | Path, pin: Pin) -> None:
    """Writes a pinned result as JSON, one verdict a line."""
    data = {"schema": SCHEMA, "judge": pin.judge, "labels": pin.labels, "verdicts": dict(pin.verdicts)}
    Path(path).write_text(json.dumps(data, indent=2) + "\n", "utf-8")


def read_pin(path: str | Path) -> Pin:
    """Reads a pinned result.

    Raises:
        JudgeError: The file cannot be read or is no pinned result.
    """
    try:
        data = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise JudgeError(f"{path}: expected a pinned result, got {' '.join(str(error).split())[:200]}") from None
    if misfit := best_match(validator(PACKAGE, "pin").iter_errors(data)):
        raise JudgeError(f"{path}: expected a pinned result, got {misfit.json_path}: {misfit.message[:200]}")
    return Pin(data["judge"], data["labels"], data["verdicts"])


def drift(before: Pin, now: Pin, labels: LabelledSet) -> Drift:
    """What differs between two results, over the criteria that both have.

    Raises:
        JudgeError: They are not of the same labelled set, or have no criterion in common.
    """
    if before.labels != now.labels:
        raise JudgeError(f"expected a result pinned on labels {now.labels}, got one on {before.labels}: pin it anew")
    truth = {f"{c.id}/{label.criterion.id}": label.met for c in labels.consultations for label in c.labels}
    shared = [id for id in truth if id in before.verdicts and id in now.verdicts]
    if not shared:
        raise JudgeError("expected pinned verdicts on the criteria that were judged, got none")
    changes = tuple(
        Change(id, before.verdicts[id], now.verdicts[id], truth[id])
        for id in shared
        if before.verdicts[id] != now.verdicts[id]
    )
    mended = sum(change.now == change.label and change.before != change.label for change in changes)
    spoiled = sum(change.before == change.label and change.now != change.label for change in changes)
    return Drift(len(shared), changes, mended, spoiled, _mcnemar(mended, spoiled), before.judge, now.judge)


def _mcnemar(one: int, other: int) -> float:
    """The two-sided exact McNemar test on the counts of discordant pairs."""
    n = one + other
    tail = sum(math.comb(n, k) for k in range(min(one, other) + 1))
    return min(1.0, 2 * tail / (1 << n))
