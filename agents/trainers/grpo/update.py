"""The update: one batch of rollouts becomes optimiser steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from medenv.agents.trainers.sequences import TokenSequence, collate, token_logprobs

from .config import GRPOConfig
from .loss import clipped_share, surrogate_loss

__all__ = ["Sample", "update"]


@dataclass(frozen=True, slots=True)
class Sample:
    """A valid rollout as training data."""

    sequences: tuple[TokenSequence, ...]
    """The whole episode: one sequence, or several where its tokens do not continue each other."""
    advantage: float


def update(
    model: Any,
    optimizer: torch.optim.Optimizer,
    samples: Sequence[Sample],
    config: GRPOConfig,
    rng: np.random.Generator,
    *,
    temperature: float = 1.0,
) -> dict[str, float]:
    """Trains a model on valid rollouts; how they are split into microbatches changes nothing but memory and speed.

    Args:
        model: A `transformers` causal language model.
        optimizer: Over its parameters.
        samples: The rollouts.
        config: The settings.
        rng: Draws the minibatches.
        temperature: The one the rollouts were sampled with.

    Returns:
        `loss`, `grad_norm` and `clipped`, each a mean over the optimiser steps.
    """
    model.train()
    steps: list[tuple[float, float, float]] = []
    for _ in range(config.epochs if samples else 0):
        order = rng.permutation(len(samples))
        for part in np.array_split(order, min(config.minibatches, len(samples))):
            minibatch = [samples[i] for i in sorted(part)]
            optimizer.zero_grad(set_to_none=True)
            loss, clipped, tokens = 0.0, 0.0, 0
            for sequences, scales in _microbatches(minibatch, config.microbatch):
                batch = collate(sequences, model.device)
                scale = torch.tensor(scales, device=model.device)
                new = token_logprobs(model, batch, temperature)
                piece = surrogate_loss(
                    new,
                    batch.logprobs,
                    scale,
                    batch.own,
                    eps_low=config.eps_low,
                    eps_high=config.eps_high,
                    length_divisor=config.length_divisor,
                    rollouts=len(minibatch),
                )
                piece.backward()  # type: ignore[no-untyped-call]
                count = int(batch.own.sum())
                cut = clipped_share(
                    new.detach(), batch.logprobs, scale, batch.own, eps_low=config.eps_low, eps_high=config.eps_high
                )
                loss, clipped, tokens = loss + float(piece.detach()), clipped + cut * count, tokens + count
            norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm))
            optimizer.step()
            steps.append((loss, norm, clipped / max(tokens, 1)))
    model.eval()
    means = np.mean(steps, axis=0) if steps else np.zeros(3)
    return dict(zip(("loss", "grad_norm", "clipped"), map(float, means), strict=True))


def _microbatches(samples: Sequence[Sample], size: int) -> Iterator[tuple[list[TokenSequence], list[float]]]:
    """Sequences of similar length together, so that little is padded."""
    flat = [(sequence, sample.advantage) for sample in samples for sequence in sample.sequences]
    flat.sort(key=lambda item: len(item[0].ids))
    for start in range(0, len(flat), size):
        sequences, scales = zip(*flat[start : start + size], strict=True)
        yield list(sequences), list(scales)
