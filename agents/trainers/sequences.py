"""Token sequences to learn from: which tokens are the doctor's own, and what a model makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from medenv.errors import RunError

__all__ = ["Batch", "TokenSequence", "collate", "from_utterances", "token_logprobs"]


@dataclass(frozen=True, slots=True)
class TokenSequence:
    """The tokens of a consultation, or of a part of one."""

    ids: tuple[int, ...]
    own: tuple[bool, ...]
    """Which of them the doctor said; only these carry loss."""
    logprobs: tuple[float, ...] = ()
    """What each was sampled with, 0 where the doctor did not say it; empty where nothing was sampled."""


def from_utterances(utterances: Iterable[Any]) -> list[TokenSequence]:
    """What a language-model doctor said in one episode as it was sampled; nothing is tokenised again.

    Each message holds all tokens up to it, so the whole episode is one sequence as long as every prompt goes on where
    the message before it ended. Where one does not, because the doctor forgot the consultation, a new one begins.

    Raises:
        RunError: A message has no token ids.
    """
    ended: list[TokenSequence] = []
    ids: tuple[int, ...] = ()
    own: list[bool] = []
    logprobs: list[float] = []
    for said in utterances:
        if not hasattr(said, "completion_ids"):
            raise RunError(f"expected messages with their token ids, got {type(said).__name__}")
        if said.prompt_ids[: len(ids)] != ids:
            ended.append(TokenSequence(ids, tuple(own), tuple(logprobs)))
            ids, own, logprobs = (), [], []
        heard = len(said.prompt_ids) - len(ids)
        ids = said.prompt_ids + said.completion_ids
        own += [False] * heard + [True] * len(said.completion_ids)
        logprobs += [0.0] * heard + list(said.logprobs)
    return [*ended, TokenSequence(ids, tuple(own), tuple(logprobs))] if ids else ended


@dataclass(frozen=True, slots=True)
class Batch:
    """Sequences side by side, padded on the right; all tensors are [sequences, tokens]."""

    ids: Tensor
    own: Tensor
    """False on padding, and on the first token, which nothing predicts."""
    logprobs: Tensor


def collate(sequences: Sequence[TokenSequence], device: torch.device | str = "cpu") -> Batch:
    """Puts sequences side by side."""
    width = max(len(sequence.ids) for sequence in sequences)
    ids = torch.zeros(len(sequences), width, dtype=torch.long)
    own = torch.zeros(len(sequences), width, dtype=torch.bool)
    logprobs = torch.zeros(len(sequences), width)
    for row, sequence in enumerate(sequences):
        length = len(sequence.ids)
        ids[row, :length] = torch.tensor(sequence.ids)
        own[row, :length] = torch.tensor(sequence.own)
        if sequence.logprobs:
            logprobs[row, :length] = torch.tensor(sequence.logprobs)
    own[:, 0] = False
    return Batch(ids.to(device), own.to(device), logprobs.to(device))


def token_logprobs(model: Any, batch: Batch, temperature: float = 1.0) -> Tensor:
    """The log-probability of each of the doctor's own tokens under a model, 0 on all others; [sequences, tokens].

    Padding stands on the right, behind everything that looks at it, so the causal mask is all the mask there is.
    """
    hidden = model.base_model(input_ids=batch.ids[:, :-1], use_cache=False).last_hidden_state
    own = batch.own[:, 1:]
    logits = model.get_output_embeddings()(hidden[own]).float() / temperature
    chosen = batch.ids[:, 1:][own][:, None]
    result = torch.zeros(batch.ids.shape, dtype=logits.dtype, device=logits.device)
    places = torch.nn.functional.pad(own, (1, 0))
    return result.masked_scatter(places, (logits.gather(-1, chosen) - logits.logsumexp(-1, keepdim=True)).squeeze(-1))
