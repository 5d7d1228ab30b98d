"""Advantages: how much better each rollout is than its group.

    A_i = R_i - mean_j R_j        over the valid rollouts j of the group, with no division by their deviation

as in Baichuan-M2 (arXiv 2509.02208) and Dr. GRPO. A rollout without a reward is no low reward: it enters no baseline
and has no advantage.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np

from .config import LengthReward

__all__ = ["advantages", "length_rewards"]

QUANTILE = 0.2
"""Four fifths of a group are at or above it; the paper calls it P80."""


def advantages(rewards: Sequence[float | None], groups: Sequence[Hashable]) -> list[float | None]:
    """The advantage of each rollout; None where the reward is None.

    Args:
        rewards: One reward a rollout, None for an invalid one.
        groups: The group of each rollout, in the same order.
    """
    return [
        None if reward is None else reward - math.fsum(valid) / len(valid)
        for reward, valid in zip(rewards, _valid_of(rewards, groups), strict=True)
    ]


def length_rewards(
    rewards: Sequence[float | None], lengths: Sequence[int], groups: Sequence[Hashable], rule: LengthReward
) -> list[float]:
    """What each rollout gets for being short, on top of its reward.

    R_i = bonus * sqrt(at / |o_i|) if P80 > threshold and the reward is at least P80, else 0, with P80 the 0.2 quantile
    of the group's rewards. Invalid rollouts get 0.
    """
    bonuses = []
    for reward, length, valid in zip(rewards, lengths, _valid_of(rewards, groups), strict=True):
        earned = False
        if reward is not None and length > 0:
            p80 = float(np.quantile(valid, QUANTILE))
            earned = p80 > rule.threshold and reward >= p80
        bonuses.append(rule.bonus * math.sqrt(rule.at / length) if earned else 0.0)
    return bonuses


def _valid_of(rewards: Sequence[float | None], groups: Sequence[Hashable]) -> list[list[float]]:
    """For each rollout, the rewards of the valid rollouts of its group."""
    by_group: dict[Hashable, list[float]] = defaultdict(list)
    for reward, group in zip(rewards, groups, strict=True):
        if reward is not None:
            by_group[group].append(reward)
    return [by_group[group] for group in groups]
