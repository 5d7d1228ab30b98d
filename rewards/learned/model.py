"""The reward model: a head for each graded dimension over what a criterion finds in a conversation.

A criterion is about a detail in a long text, so the features are those of late interaction: for each word of the
criterion the best match among the words of a passage, weighted by how much the word tells; then, in each field, the
passage that matches best and the best matches wherever they stand. Beside them a head sees the criterion itself, its
sign, and how much there is in each field. The fields are those of `passages.py`: what is found in a patient's reply
and what a doctor claims to have found are different features.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from medenv.consultation.views import Message
from medenv.errors import RunError

from ..rubric import AXES, Axis, Criterion
from .encoder import Encoder, encoder_from
from .passages import FIELDS, SCOPES, Field, Passage, passages_of
from .scaling import Scaling

__all__ = ["RewardModel", "read"]

SCHEMA = "medenv.reward-model/1"
WEIGHTS, SETTINGS = "model.safetensors", "reward_model.json"


def read(messages: Sequence[Message], criteria: Sequence[Criterion]) -> Iterator[tuple[tuple[Passage, ...], list[int]]]:
    """The passages that criteria are about, with the places of these criteria; one part for each scope there is."""
    for scope in SCOPES:
        if rows := [row for row, criterion in enumerate(criteria) if criterion.scope == scope]:
            yield passages_of(messages, scope), rows


class RewardModel(nn.Module):
    """Gives the probability that a criterion is met in a conversation.

    Args:
        encoder: What makes vectors of texts.
        width: Of the vectors that are matched.
        hidden: Of each head.
        generator: Of the initial weights; without it one with seed 0.
    """

    def __init__(
        self, encoder: Encoder, *, width: int = 48, hidden: int = 32, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        generator = generator or torch.Generator().manual_seed(0)
        self.encoder = encoder
        self.width, self.hidden = width, hidden
        self.scaling: Mapping[Axis, Scaling] = {}
        """For each axis that was learned, what makes its probabilities calibrated."""
        self.facts: Mapping[str, Any] = {}
        """Plain data that is kept with the model: what it was trained on."""
        # Near-isometric from the start, so that the same words match before anything is learned.
        self.projection = nn.Parameter(_isometry(encoder.width, width, generator))
        self.telling = nn.Parameter(torch.zeros(width))
        features = width + 1 + 3 * len(FIELDS)
        self.heads = nn.ModuleDict({axis: _Head(features, hidden, generator) for axis in AXES})

    def forward(self, passages: Sequence[Passage], criteria: Sequence[Criterion]) -> Tensor:
        """The logits that criteria are met in one conversation, before scaling, [criteria]."""
        features = self._features(passages, criteria)
        logits = features.new_zeros(len(criteria))
        for axis, head in self.heads.items():
            if rows := [row for row, criterion in enumerate(criteria) if criterion.axis == axis]:
                logits = logits.index_add(0, torch.tensor(rows), head(features[rows]))
        return logits

    @torch.no_grad()
    def logits(self, messages: Sequence[Message], criteria: Sequence[Criterion]) -> list[float]:
        """The logits that criteria are met in one conversation, before scaling."""
        found = [0.0] * len(criteria)
        for passages, rows in read(messages, criteria):
            for row, logit in zip(rows, self(passages, [criteria[row] for row in rows]).tolist(), strict=True):
                found[row] = logit
        return found

    def probabilities(self, messages: Sequence[Message], criteria: Sequence[Criterion]) -> list[float]:
        """The calibrated probabilities that criteria are met in one conversation; NaN on an axis it never learned."""
        logits = self.logits(messages, criteria)
        return [
            self.scaling[criterion.axis].probability(logit) if criterion.axis in self.scaling else math.nan
            for criterion, logit in zip(criteria, logits, strict=True)
        ]

    def _features(self, passages: Sequence[Passage], criteria: Sequence[Criterion]) -> Tensor:
        ordered = sorted(passages, key=lambda passage: FIELDS.index(passage.field))
        vectors, lengths = self._vectors([c.text for c in criteria] + [passage.text for passage in ordered])
        of = torch.repeat_interleave(torch.arange(len(criteria)), lengths[: len(criteria)])
        asked, said = vectors[: len(of)], vectors[len(of) :]
        telling = (asked @ self.telling).exp()
        share = telling / telling.new_zeros(len(criteria)).index_add(0, of, telling)[of]
        about = asked.new_zeros(len(criteria), self.width).index_add(0, of, asked * share[:, None])
        sign = asked.new_tensor([[1.0 if criterion.points > 0 else -1.0] for criterion in criteria])
        best = asked.new_zeros(0, len(asked))
        if ordered:
            best = torch.segment_reduce(said @ asked.T, "max", lengths=lengths[len(criteria) :], axis=0)
        counts = [sum(passage.field == field for passage in ordered) for field in FIELDS]
        found = []
        for field, part in zip(FIELDS, torch.split(best, counts), strict=True):
            much = asked.new_full((len(criteria),), _much(field, len(part)))
            found += [much, *_matches(part * share, of, len(criteria))]
        return torch.cat([about * self.width**0.5, sign, torch.stack(found, 1)], 1)

    def _vectors(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        vectors, lengths = self.encoder.encode(texts)
        return nn.functional.normalize(vectors @ self.projection, dim=1, eps=1e-6), lengths

    def save(self, folder: str | Path) -> None:
        """Writes the model as a folder: weights and settings."""
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        save_file({name: tensor.contiguous() for name, tensor in self.state_dict().items()}, path / WEIGHTS)
        (path / SETTINGS).write_text(json.dumps(self._settings(), indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> RewardModel:
        """Reads a model that `save` wrote; nothing is fetched from anywhere.

        Raises:
            RunError: The folder is missing or holds no reward model.
        """
        path = Path(folder)
        try:
            settings = json.loads((path / SETTINGS).read_text("utf-8"))
            if settings["schema"] != SCHEMA:
                raise RunError(f"expected schema {SCHEMA!r}, got {settings['schema']!r}")
            model = cls(encoder_from(settings["encoder"]), width=settings["width"], hidden=settings["hidden"])
            model.load_state_dict(load_file(path / WEIGHTS))
            model.scaling = {axis: Scaling(**each) for axis, each in settings["scaling"].items()}
            model.facts = settings["facts"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
            reason = " ".join(str(error).split())[:200]
            raise RunError(f"{path}: expected the folder of a reward model, got {reason}") from None
        return model.eval()

    @property
    def digest(self) -> str:
        """The first 16 hexadecimal digits of a hash of the weights and the settings: its version."""
        digest = hashlib.sha256(json.dumps(self._settings(), sort_keys=True).encode())
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def _settings(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "encoder": dict(self.encoder.settings()),
            "width": self.width,
            "hidden": self.hidden,
            "scaling": {axis: each.as_dict() for axis, each in self.scaling.items()},
            "facts": dict(self.facts),
        }


def _much(field: Field, passages: int) -> float:
    """How much there is in a field; of a doctor's words only whether there are any, for talk is cheap."""
    return float(min(passages, 1)) if field in ("opening", "speech", "closing") else math.log1p(passages)


def _matches(best: Tensor, of: Tensor, criteria: int) -> tuple[Tensor, Tensor]:
    """For each criterion its best passage in a field, and the best matches wherever they stand in it.

    Args:
        best: For each passage and each word of a criterion the weighted best match, [passages, words].
        of: The criterion of each word.
        criteria: How many there are.
    """
    if not len(best):
        return best.new_zeros(criteria), best.new_zeros(criteria)
    whole = best.new_zeros(len(best), criteria).index_add(1, of, best).amax(0)
    return whole, best.new_zeros(criteria).index_add(0, of, best.amax(0))


class _Head(nn.Module):
    def __init__(self, features: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(features, hidden, generator=generator) / features**0.5)
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.out = nn.Parameter(torch.randn(hidden, generator=generator) / hidden**0.5)
        self.offset = nn.Parameter(torch.zeros(()))

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = nn.functional.gelu(features @ self.weight + self.bias) @ self.out + self.offset
        return logits


def _isometry(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    if rows == columns:
        return torch.eye(rows)
    return torch.randn(rows, columns, generator=generator) / math.sqrt(columns)
