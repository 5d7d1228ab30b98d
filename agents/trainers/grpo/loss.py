"""The loss of GRPO: a clipped surrogate with an asymmetric clip, a constant length divisor and no KL term.

    J = 1/N sum_i 1/L_max sum_t m_it min(r_it A_i, clip(r_it, 1 - eps_low, 1 + eps_high) A_i)

over N rollouts, with r the ratio of new to old probability and m 1 on the doctor's own tokens, 0 on all others
(arXiv 2509.02208; `dr_grpo` with an upper clip in TRL's words). The loss is -J.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["clipped_share", "surrogate_loss"]


def surrogate_loss(
    new: Tensor,
    old: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    eps_low: float,
    eps_high: float,
    length_divisor: int,
    rollouts: int,
) -> Tensor:
    """The part of the loss that these sequences bring; parts of one batch add up to the whole.

    Args:
        new: Log-probabilities of the tokens under the policy in training, [sequences, tokens].
        old: Log-probabilities under the policy that sampled them.
        advantages: One a sequence.
        mask: True on the doctor's own tokens.
        eps_low: How far the ratio may fall.
        eps_high: How far the ratio may rise.
        length_divisor: L_max.
        rollouts: N, the rollouts of the whole batch, wherever the sequences given here come from.
    """
    ratio = torch.exp(torch.where(mask, new - old, 0.0))
    scale = advantages[:, None]
    gains = torch.minimum(ratio * scale, ratio.clamp(1 - eps_low, 1 + eps_high) * scale)
    return -torch.where(mask, gains, 0.0).sum() / (rollouts * length_divisor)


def clipped_share(
    new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, eps_low: float, eps_high: float
) -> float:
    """The share of the doctor's tokens whose gradient the clip cuts off."""
    ratio = torch.exp(torch.where(mask, new - old, 0.0))
    above = (ratio > 1 + eps_high) & (advantages[:, None] > 0)
    below = (ratio < 1 - eps_low) & (advantages[:, None] < 0)
    return float(((above | below) & mask).sum() / mask.sum().clamp(min=1))
