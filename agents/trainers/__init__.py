"""Trainers: what improves a doctor. Each is loaded, with the libraries it needs, when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from medenv.registry import Registry

if TYPE_CHECKING:
    from medenv.envs.task import Task

__all__ = ["Point", "Progress", "TrainResult", "Trainer", "trainers"]

Point: TypeAlias = dict[str, float | None]
"""One point of a learning curve: `step`, `reward` and whatever else a trainer measures; None where there is nothing."""
Progress: TypeAlias = Callable[[Point], None]
"""Called with each new point while a trainer is at work."""


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a trainer leaves behind."""

    policy: Path
    """The folder of the trained policy, ready for `medenv evaluate --doctor`."""
    curve: tuple[Point, ...]
    """The learning curve, one point a step, in order."""


@runtime_checkable
class Trainer(Protocol):
    """Anything that improves a policy on a task."""

    def train(
        self,
        task: Task,
        policy: str | Path,
        config: Mapping[str, Any],
        *,
        out: str | Path,
        progress: Progress | None = None,
    ) -> TrainResult:
        """Trains a policy.

        Args:
            task: What to consult about, and how it is scored.
            policy: The folder of the policy to start from; it is left as it is.
            config: The settings of this trainer as plain data, as a JSON file holds them.
            out: The run folder. A run that was cut off there goes on where it stopped.
            progress: Called with each point of the learning curve.
        """
        ...


trainers: Registry[Callable[[], Trainer]] = Registry("trainer")
trainers.register("grpo", "medenv.agents.trainers.grpo:GRPOTrainer")
