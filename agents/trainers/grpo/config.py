"""The settings of GRPO, checked once and frozen."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medenv.errors import RunError
from medenv.rewards.length import LengthReward

__all__ = ["GRPOConfig"]


@dataclass(frozen=True, slots=True)
class GRPOConfig:
    """How to run GRPO. The epsilons are DAPO's; Baichuan-M2 does not disclose its own.

    Raises:
        RunError: A setting is out of range.
    """

    steps: int = 100
    groups: int = 8
    """Scenarios a step."""
    group_size: int = 8
    """Rollouts of each scenario, at least 2."""
    learning_rate: float = 1e-5
    warmup: int = 0
    """Steps over which the learning rate rises in a straight line to its value."""
    cooldown: int = 0
    """Steps over which it falls in a straight line in the end."""
    eps_low: float = 0.2
    eps_high: float = 0.28
    """The ratio is clipped to [1 - eps_low, 1 + eps_high]; a higher upper bound leaves room for rare tokens."""
    length_divisor: int = 1024
    """L_max: the constant that the loss of every rollout is divided by, however long it is."""
    epochs: int = 1
    """Passes over each batch of rollouts."""
    minibatches: int = 1
    """Optimiser steps a pass."""
    microbatch: int = 16
    """Sequences in one forward pass; memory and speed only, the update is the same."""
    max_grad_norm: float = 1.0
    weight_decay: float = 0.0
    length_reward: LengthReward | None = None
    seed: int = 0
    concurrency: int = 64
    """Episodes in the air at once, and the most messages sampled in one batch."""
    checkpoint_every: int = 10
    """Steps between checkpoints."""

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            whole = name not in _REAL
            if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or not value >= least:
                kind = "an integer" if whole else "a number"
                raise RunError(f"expected {name} as {kind} of at least {least:g}, got {value!r}")
        if not self.eps_low < 1:
            raise RunError(f"expected eps_low below 1, got {self.eps_low!r}")

    def rate(self, step: int) -> float:
        """The learning rate of a step, from 0."""
        rise, fall = (step + 1) / (self.warmup + 1), (self.steps - step) / (self.cooldown + 1)
        return self.learning_rate * min(1.0, rise, fall)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> GRPOConfig:
        """Reads the settings from plain data; what is left out has its default.

        Raises:
            RunError: A setting does not exist or is out of range.
        """
        settings = dict(data)
        if settings.get("length_reward") is not None:
            settings["length_reward"] = LengthReward(**_known(LengthReward, settings["length_reward"], "length_reward"))
        return cls(**_known(cls, settings, "GRPO"))

    @classmethod
    def from_json(cls, path: str | Path) -> GRPOConfig:
        """Reads the settings from a JSON file.

        Raises:
            RunError: The file cannot be read, is no JSON object, or a setting does not fit.
        """
        try:
            data = json.loads(Path(path).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: expected a JSON file with the settings of GRPO, got {error}") from None
        return cls.from_dict(data)

    def as_dict(self) -> dict[str, Any]:
        """The settings as plain data that `from_dict` reads back."""
        return dataclasses.asdict(self)


_LEAST: dict[str, float] = {
    "steps": 0,
    "groups": 1,
    "group_size": 2,
    "learning_rate": 0.0,
    "warmup": 0,
    "cooldown": 0,
    "eps_low": 0.0,
    "eps_high": 0.0,
    "length_divisor": 1,
    "epochs": 1,
    "minibatches": 1,
    "microbatch": 1,
    "max_grad_norm": 0.0,
    "weight_decay": 0.0,
    "seed": 0,
    "concurrency": 1,
    "checkpoint_every": 1,
}
_REAL = {"learning_rate", "eps_low", "eps_high", "max_grad_norm", "weight_decay"}


def _known(kind: type, data: Any, what: str) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(kind)]
    if not isinstance(data, Mapping):
        raise RunError(f"expected the settings of {what} as an object, got {type(data).__name__}")
    if unknown := sorted(set(data) - set(names)):
        raise RunError(f"expected {what} settings among {', '.join(names)}; got {unknown[0]!r}")
    return dict(data)
