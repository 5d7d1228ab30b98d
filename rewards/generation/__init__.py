"""Rubric generation: criteria from a record by rule, from a dialogue by a model, or by experts from a file.

What makes the rubric of a whole consultation is called with the record, and gives the rubric or an awaitable of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from medenv.records.record import Record
from medenv.registry import Registry
from medenv.rewards.generation.record import record_rubric
from medenv.rewards.rubric import Rubric

__all__ = ["RubricSource", "record_rubric", "rubrics"]

RubricSource: TypeAlias = Callable[[Record], Rubric | Awaitable[Rubric]]
"""What makes the rubric of a whole consultation from its record."""

rubrics: Registry[RubricSource] = Registry("rubric")
rubrics.register("record", record_rubric)
