"""The warm start: supervised learning of a doctor's own words from the consultations of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from medenv.agents.doctors.language_model import LanguageModelDoctor
from medenv.agents.trainers import Point, Progress
from medenv.agents.trainers.sequences import TokenSequence, collate, token_logprobs
from medenv.consultation.views import Message
from medenv.errors import RunError

__all__ = ["SupervisedConfig", "imitate"]


@dataclass(frozen=True, slots=True)
class SupervisedConfig:
    """How to run the warm start."""

    epochs: int = 3
    batch: int = 32
    """Consultations an optimiser step."""
    learning_rate: float = 2e-3
    """The highest; it rises over the first tenth of the steps and falls to a tenth of itself along a cosine."""
    weight_decay: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1 or self.learning_rate <= 0 or self.weight_decay < 0 or self.seed < 0:
            raise RunError(f"expected epochs, batch and learning_rate above 0, got {self}")


def imitate(
    doctor: LanguageModelDoctor,
    consultations: Sequence[Sequence[Mapping[str, str]]],
    config: SupervisedConfig,
    progress: Progress | None = None,
) -> tuple[Point, ...]:
    """Teaches a doctor to say what the doctors of these consultations said, by maximum likelihood of their tokens.

    Args:
        doctor: The policy; its model is changed in place.
        consultations: Chats from the doctor's side, each message with `role` and `content`.
        config: The settings.
        progress: Called with each point: `step` and `loss`, the mean over the doctor's tokens.
    """
    sequences = [
        TokenSequence(*doctor.render([Message(m["role"], m["content"]) for m in chat]))  # type: ignore[arg-type]
        for chat in consultations
    ]
    if not sequences:
        raise RunError("expected at least one consultation to learn from, got none")
    model = doctor.model
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, betas=(0.9, 0.95), weight_decay=config.weight_decay
    )
    batches = list(_batches(sequences, config))
    curve: list[Point] = []
    model.train()
    for step, rows in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * _schedule(step, len(batches))
        batch = collate([sequences[row] for row in rows], model.device)
        optimizer.zero_grad(set_to_none=True)
        loss = -token_logprobs(model, batch).sum() / batch.own.sum()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        curve.append({"step": step, "loss": float(loss.detach())})
        if progress is not None:
            progress(curve[-1])
    model.eval()
    doctor.forget()
    return tuple(curve)


def _batches(sequences: Sequence[TokenSequence], config: SupervisedConfig) -> list[np.ndarray]:
    """Every sequence once an epoch, in batches of similar length that come in random order."""
    rng = np.random.default_rng(config.seed)
    batches: list[np.ndarray] = []
    for _ in range(config.epochs):
        noise = rng.uniform(0.9, 1.1, len(sequences))
        order = np.argsort(noise * [len(sequence.ids) for sequence in sequences], kind="stable")
        parts = np.array_split(order, max(1, len(order) // config.batch))
        batches += [parts[i] for i in rng.permutation(len(parts))]
    return batches


def _schedule(step: int, steps: int) -> float:
    rise = max(1, steps // 10)
    if step < rise:
        return (step + 1) / rise
    return float(0.1 + 0.45 * (1 + np.cos(np.pi * (step - rise) / max(1, steps - rise))))
