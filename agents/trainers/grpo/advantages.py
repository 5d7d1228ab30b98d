"""Advantages: how much better each rollout is than its group.

    A_i = R_i - mean_j R_j        over the valid rollouts j of the group, with no division by their deviation

as in Baichuan-M2 (arXiv 2509.02208) and Dr. GRPO. A rollout without a reward is no low reward: it enters no baseline
and has no advantage.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

from medenv.rewards.groups import valid_rewards

__all__ = ["advantages"]


def advantages(rewards: Sequence[float | None], groups: Sequence[Hashable]) -> list[float | None]:
    """The advantage of each rollout; None where the reward is None.

    Args:
        rewards: One reward a rollout, None for an invalid one.
        groups: The group of each rollout, in the same order.
    """
    return [
        None if reward is None else reward - math.fsum(valid) / len(valid)
        for reward, valid in zip(rewards, valid_rewards(rewards, groups), strict=True)
    ]
