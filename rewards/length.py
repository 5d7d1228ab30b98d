"""The length reward: a bonus for short answers, for the better rollouts of a group that is good enough.

    R_i = bonus * sqrt(at / |o_i|)  if P80 > threshold and R_rubric_i >= P80, else 0

with P80 the 0.2 quantile of the group's rewards. The defaults give 4 / sqrt(|o_i|), as in Baichuan-M2 (arXiv
2509.02208). A rollout without a reward gets none, and moves nobody's quantile.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from medenv.errors import RunError

from .groups import valid_rewards

__all__ = ["LengthReward", "length_rewards"]

QUANTILE = 0.2
"""Four fifths of a group are at or above it; the paper calls it P80."""


@dataclass(frozen=True, slots=True)
class LengthReward:
    """A bonus for short answers among the good ones: `bonus * sqrt(at / tokens)`.

    The defaults give 4 / sqrt(tokens), as in Baichuan-M2, whose answers run to thousands of tokens. Where they are
    shorter, lower `at` to their usual length, and the bonus keeps its size beside the rubric.

    Raises:
        RunError: A field is out of range.
    """

    bonus: float = 4 / math.sqrt(4000)
    """What an answer of `at` tokens gets, above 0."""
    at: int = 4000
    """At least 1."""
    threshold: float = 0.0
    """Nobody gets a bonus unless the 0.2 quantile of the group's rewards is above this."""

    def __post_init__(self) -> None:
        numbers = all(
            isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
            for value in (self.bonus, self.at, self.threshold)
        )
        if not (numbers and self.bonus > 0 and self.at >= 1):
            raise RunError(f"expected a length_reward with bonus above 0 and at of at least 1, got {self!r}")


def length_rewards(
    rewards: Sequence[float | None], lengths: Sequence[int], groups: Sequence[Hashable], rule: LengthReward
) -> list[float]:
    """What each rollout gets for being short, on top of its reward.

    Args:
        rewards: One reward a rollout, None for an invalid one, which gets 0.
        lengths: The tokens that each rollout wrote; one that wrote none gets 0.
        groups: The group of each rollout, in the same order.
        rule: How much there is to get.
    """
    bonuses = []
    for reward, length, valid in zip(rewards, lengths, valid_rewards(rewards, groups), strict=True):
        earned = False
        if reward is not None and length > 0:
            p80 = float(np.quantile(valid, QUANTILE))
            earned = p80 > rule.threshold and reward >= p80
        bonuses.append(rule.bonus * math.sqrt(rule.at / length) if earned else 0.0)
    return bonuses
