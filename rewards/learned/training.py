"""Training of a reward model: binary cross-entropy on verdicts, stopped early, then scaled to be calibrated."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from medenv.errors import RunError

from ..rubric import AXES, Axis, Criterion
from .encoder import Encoder, HashedEncoder
from .examples import Example, part_of
from .model import RewardModel, read
from .passages import Passage
from .scaling import fit_scaling

__all__ = ["RewardModelConfig", "Trained", "train"]


@dataclass(frozen=True, slots=True)
class RewardModelConfig:
    """How to train a reward model.

    Raises:
        RunError: A setting is out of range.
    """

    epochs: int = 12
    """The most passes over the examples."""
    patience: int = 2
    """Passes without a lower loss on the validation split after which training ends."""
    batch: int = 8
    """Conversations an optimiser step."""
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    width: int = 48
    hidden: int = 32
    buckets: int = 2**15
    """Rows of the table of the encoder that is trained along."""
    seed: int = 0

    def __post_init__(self) -> None:
        whole = (self.epochs, self.patience, self.batch, self.width, self.hidden, self.buckets)
        if min(whole) < 1 or not self.learning_rate > 0 or self.weight_decay < 0 or self.seed < 0:
            raise RunError(f"expected settings above 0, and weight_decay and seed of at least 0; got {self}")


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model and how it came about."""

    model: RewardModel
    curve: tuple[dict[str, float], ...]
    """For each pass `epoch`, `loss` on what it learned from and `validation`, the loss on the validation split."""


def train(
    examples: Sequence[Example],
    config: RewardModelConfig | None = None,
    *,
    encoder: Encoder | None = None,
    progress: Callable[[dict[str, float]], None] | None = None,
) -> Trained:
    """Trains a reward model on the examples of the train split, and stops and scales it by those of validation.

    The same examples and settings give the same weights, byte for byte on one kind of processor. Examples of the test
    split are never looked at. An axis without verdicts in both other splits is not learned.

    Args:
        examples: See `examples_of`.
        config: The settings.
        encoder: In place of one that is trained along; its `width` and the `buckets` then count for nothing.
        progress: Called with each point of the curve.

    Raises:
        RunError: The train or the validation split has no verdicts.
    """
    config = config or RewardModelConfig()
    learned, held = (_parts(part_of(examples, split)) for split in ("train", "validation"))
    for name, part in (("train", learned), ("validation", held)):
        if not part:
            raise RunError(
                f"expected verdicts on records of the {name} split, got none; more records make both likelier"
            )
    with _one_thread():
        generator = torch.Generator().manual_seed(config.seed)
        encoder = encoder or HashedEncoder(config.width, config.buckets, generator=generator)
        model = RewardModel(encoder, width=config.width, hidden=config.hidden, generator=generator)
        curve = _fit(model, learned, held, config, generator, progress)
        _scale(model, held, {criterion.axis for part in learned for criterion in part.criteria})
    model.facts = {"training": asdict(config), "conversations": len(part_of(examples, "train")), "passes": len(curve)}
    return Trained(model, curve)


@dataclass(frozen=True, slots=True)
class _Part:
    """The verdicts on one conversation that are about the same passages."""

    passages: tuple[Passage, ...]
    criteria: tuple[Criterion, ...]
    met: Tensor


def _parts(examples: Sequence[Example]) -> list[_Part]:
    return [
        _Part(
            passages,
            tuple(example.criteria[row] for row in rows),
            torch.tensor([example.met[row] for row in rows], dtype=torch.float32),
        )
        for example in examples
        for passages, rows in read(example.messages, example.criteria)
    ]


def _fit(
    model: RewardModel,
    learned: Sequence[_Part],
    held: Sequence[_Part],
    config: RewardModelConfig,
    generator: torch.Generator,
    progress: Callable[[dict[str, float]], None] | None,
) -> tuple[dict[str, float], ...]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    curve: list[dict[str, float]] = []
    best, lowest, since = _state(model), _loss(model, held), 0
    for epoch in range(config.epochs):
        order = torch.randperm(len(learned), generator=generator).tolist()
        total, count = 0.0, 0
        for start in range(0, len(order), config.batch):
            rows = [learned[place] for place in order[start : start + config.batch]]
            verdicts = sum(len(part.met) for part in rows)
            optimizer.zero_grad(set_to_none=True)
            for part in rows:
                loss = _cross_entropy(model, part)
                (loss / verdicts).backward()  # type: ignore[no-untyped-call]
                total += float(loss.detach())
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            count += verdicts
        point = {"epoch": float(epoch), "loss": total / count, "validation": _loss(model, held)}
        curve.append(point)
        if progress is not None:
            progress(point)
        if point["validation"] < lowest:
            best, lowest, since = _state(model), point["validation"], 0
        else:
            since += 1
            if since >= config.patience:
                break
    model.load_state_dict(best)
    model.eval()
    return tuple(curve)


def _cross_entropy(model: RewardModel, part: _Part) -> Tensor:
    return nn.functional.binary_cross_entropy_with_logits(
        model(part.passages, part.criteria), part.met, reduction="sum"
    )


@torch.no_grad()
def _loss(model: RewardModel, held: Sequence[_Part]) -> float:
    return sum(float(_cross_entropy(model, part)) for part in held) / sum(len(part.met) for part in held)


@torch.no_grad()
def _scale(model: RewardModel, held: Sequence[_Part], axes: Set[Axis]) -> None:
    logits: dict[Axis, list[float]] = {axis: [] for axis in AXES}
    met: dict[Axis, list[bool]] = {axis: [] for axis in AXES}
    for part in held:
        for criterion, logit, verdict in zip(
            part.criteria, model(part.passages, part.criteria).tolist(), part.met.tolist(), strict=True
        ):
            logits[criterion.axis].append(logit)
            met[criterion.axis].append(bool(verdict))
    model.scaling = {axis: fit_scaling(logits[axis], met[axis]) for axis in AXES if axis in axes and met[axis]}


def _state(model: RewardModel) -> dict[str, Any]:
    return copy.deepcopy(model.state_dict())


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums come in the same order however many cores there are."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
