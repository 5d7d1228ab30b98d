"""The plan: which episodes a run is made of, fixed by a seed before the first one begins."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from medenv.consultation.episode import Scenario
from medenv.envs.task import Task
from medenv.errors import RunError
from medenv.records import Record

__all__ = ["Planned", "make_plan"]


@dataclass(frozen=True, slots=True)
class Planned:
    """One episode to be played."""

    group: int
    index: int
    """The place in the group, from 0."""
    scenario: Scenario
    """Shared, as one object, by all episodes of the group."""
    doctor_seed: int

    @property
    def id(self) -> str:
        """A name that sorts in plan order."""
        return f"{self.group:06d}-{self.index:03d}"


class _Stream(IntEnum):
    """What a random stream is for; it keeps streams of the same numbers apart."""

    ORDER = 0
    SCENARIO = 1
    DOCTOR = 2


def make_plan(
    task: Task, *, groups: int | None = None, group_size: int = 1, seed: int = 0, start: int = 0
) -> list[Planned]:
    """The episodes of a run, in order.

    Groups go round the records: each pass takes every record once, in an order of its own. Everything follows from
    `seed` and the number of the group, so a longer plan begins with the shorter one, and a trainer takes the next
    groups by moving `start` on.

    Args:
        task: What to consult about.
        groups: How many groups, at least 1; without it one for each record.
        group_size: How many episodes share record, persona, budget and patient seed; at least 1.
        seed: At least 0.
        start: The number of the first group, at least 0.

    Raises:
        RunError: A number is out of range.
    """
    groups = len(task.records) if groups is None else groups
    least = {"groups": 1, "group_size": 1, "seed": 0, "start": 0}
    given = {"groups": groups, "group_size": group_size, "seed": seed, "start": start}
    for name, value in given.items():
        if value < least[name]:
            raise RunError(f"expected {name} of at least {least[name]}, got {value}")
    orders: dict[int, np.ndarray[Any, Any]] = {}
    plan: list[Planned] = []
    for group in range(start, start + groups):
        passed, place = divmod(group, len(task.records))
        if passed not in orders:
            orders[passed] = _stream(seed, _Stream.ORDER, passed).permutation(len(task.records))
        scenario = _scenario(task, task.records[int(orders[passed][place])], _stream(seed, _Stream.SCENARIO, group))
        for index in range(group_size):
            doctor_seed = int(_stream(seed, _Stream.DOCTOR, group, index).integers(2**31))
            plan.append(Planned(group, index, scenario, doctor_seed))
    return plan


def _scenario(task: Task, record: Record, rng: np.random.Generator) -> Scenario:
    persona = task.personas[int(rng.integers(len(task.personas)))]
    return task.scenario(record, persona, int(rng.integers(2**31)))


def _stream(seed: int, *key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
