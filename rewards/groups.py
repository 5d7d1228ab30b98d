"""Groups of rollouts: which rewards a rollout is held against."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

__all__ = ["valid_rewards"]


def valid_rewards(rewards: Sequence[float | None], groups: Sequence[Hashable]) -> list[list[float]]:
    """For each rollout, the rewards of the valid rollouts of its group, itself included.

    Args:
        rewards: One reward a rollout, None for an invalid one.
        groups: The group of each rollout, in the same order.
    """
    by_group: dict[Hashable, list[float]] = defaultdict(list)
    for reward, group in zip(rewards, groups, strict=True):
        if reward is not None:
            by_group[group].append(reward)
    return [by_group[group] for group in groups]
