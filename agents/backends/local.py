"""A causal language model in this process, sampled for many episodes in one batch.

What is sampled for a prompt follows from the prompt, the seed and the weights alone. Batching changes the last bits of
the logits, so a draw that falls within `MARGIN` of the border between two tokens is settled by the logits of its own
sequence, computed alone; every other draw is the same whichever of the two gave the logits.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from medenv.errors import BackendError, MissingExtraError

try:
    import torch
    from torch import Tensor
except ImportError as missing:
    raise MissingExtraError(
        f"expected the extra 'train' for models in this process, got {missing}; pip install 'medenv-rl[train]'"
    ) from None

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]

__all__ = ["Completion", "LocalBackend", "Past", "Prompt"]

MARGIN = 1e-5
"""In probability; logits of one sequence differ by less than this between batches in single precision."""
READ_TOGETHER = 16
"""Prompts that are read in one forward pass; more would pad the short ones to the length of the longest."""
QUIET = 3
"""Rounds of the event loop without a new request after which a batch that is not full is run."""


@dataclass(frozen=True, slots=True)
class Past:
    """The keys and values of the first tokens of a sequence, so that they need not be computed again."""

    states: Tensor
    """[layers, 2, heads, tokens, size]."""

    @property
    def tokens(self) -> int:
        """How many tokens they are of."""
        return int(self.states.shape[3])


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is to be continued."""

    ids: tuple[int, ...]
    seed: tuple[int, ...]
    """Integers of at least 0: the source of every random choice of this continuation."""
    past: Past | None = None
    """Of the first tokens of `ids`, and of fewer than all of them."""


@dataclass(frozen=True, slots=True)
class Completion:
    """The continuation of a prompt."""

    ids: tuple[int, ...]
    """The last one is the stop token unless the limit came first."""
    logprobs: tuple[float, ...]
    """The log-probability of each id at the temperature it was sampled with."""
    past: Past
    """Of all tokens of prompt and continuation but the last."""


_Queue: TypeAlias = list[tuple[Prompt, "asyncio.Future[Completion]"]]


class LocalBackend:
    """Samples from a `transformers` causal language model.

    `complete` may be awaited by any number of episodes at the same time: requests are gathered until all of them wait,
    or the batch is full, and run together.

    Args:
        model: The model.
        stop: The token that ends a continuation.
        max_tokens: The longest continuation, at least 1.
        temperature: Above 0; 0 takes the likeliest token.
        batch: The most sequences in one batch.
    """

    def __init__(
        self, model: Any, *, stop: int, max_tokens: int = 256, temperature: float = 1.0, batch: int = 64
    ) -> None:
        if max_tokens < 1 or temperature < 0 or batch < 1:
            raise BackendError(
                f"expected max_tokens and batch of at least 1 and temperature of at least 0, "
                f"got {max_tokens}, {batch} and {temperature}"
            )
        self.model = model
        self.stop = stop
        self.max_tokens = max_tokens
        self.temperature = temperature
        self.batch = batch
        self._queues: WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue] = WeakKeyDictionary()
        self._waiting: asyncio.Future[None] | None = None
        self._busy = threading.Lock()

    async def complete(self, prompt: Prompt) -> Completion:
        """The continuation of one prompt, sampled together with whatever else is asked for now."""
        loop = asyncio.get_running_loop()
        queue = self._queues.setdefault(loop, [])
        future: asyncio.Future[Completion] = loop.create_future()
        queue.append((prompt, future))
        if len(queue) == self.batch:
            self._flush(queue)
        elif len(queue) == 1:
            self._waiting = asyncio.ensure_future(self._flush_when_quiet(queue))
        return await future

    async def _flush_when_quiet(self, queue: _Queue) -> None:
        seen, quiet = len(queue), 0
        while queue and quiet < QUIET:
            await asyncio.sleep(0)
            seen, quiet = len(queue), quiet + 1 if len(queue) == seen else 0
        if queue:
            self._flush(queue)

    def _flush(self, queue: _Queue) -> None:
        requests = [request for request in queue if not request[1].cancelled()]
        queue.clear()
        try:
            completions = self.generate([prompt for prompt, _ in requests])
        except Exception as error:
            for _, future in requests:
                future.set_exception(BackendError(f"{type(error).__name__}: {error}"))
        else:
            for (_, future), completion in zip(requests, completions, strict=True):
                future.set_result(completion)

    def generate(self, prompts: Sequence[Prompt]) -> list[Completion]:
        """The continuation of each prompt, in order, in one batch.

        Raises:
            BackendError: A prompt is empty, or its past covers all of it.
        """
        if not prompts:
            return []
        for prompt in prompts:
            if _new(prompt) < 1:
                raise BackendError(f"expected at least one token after the past, got {len(prompt.ids)} tokens in all")
        # By what is new in them, so that neighbours are read together with little padding.
        order = sorted(range(len(prompts)), key=lambda i: _new(prompts[i]))
        with self._busy, torch.inference_mode():
            training = self.model.training
            self.model.eval()
            try:
                completions = self._generate([prompts[i] for i in order])
            finally:
                self.model.train(training)
        placed = dict(zip(order, completions, strict=True))
        return [placed[i] for i in range(len(prompts))]

    def _generate(self, prompts: Sequence[Prompt]) -> list[Completion]:
        rows = _Rows(self.model, prompts, self.max_tokens)
        draws = np.stack([_draws(prompt.seed, self.max_tokens) for prompt in prompts])
        ids: list[list[int]] = [[] for _ in prompts]
        logprobs: list[list[float]] = [[] for _ in prompts]
        logits = rows.prefill()
        for step in range(self.max_tokens):
            tokens, chances, doubtful = self._choose(logits, draws[rows.order, step])
            for place in np.flatnonzero(rows.going):
                row = rows.order[place]
                if doubtful[place]:
                    alone = self._alone((*prompts[row].ids, *ids[row]))
                    token, chance, _ = self._choose(alone, draws[row : row + 1, step])
                    tokens[place], chances[place] = token[0], chance[0]
                ids[row].append(int(tokens[place]))
                logprobs[row].append(float(chances[place]))
            rows.going &= tokens != self.stop
            if not rows.going.any() or step + 1 == self.max_tokens:
                break
            logits = rows.decode(tokens)
        pasts = rows.pasts()
        return [Completion(tuple(ids[row]), tuple(logprobs[row]), pasts[row]) for row in range(len(prompts))]

    def _choose(self, logits: Tensor, draws: FloatArray) -> tuple[IntArray, FloatArray, BoolArray]:
        """The tokens, their log-probabilities, and whether a draw is too near to a border to trust this batch."""
        if self.temperature == 0:
            best = logits.topk(2).values
            near = best[:, 0] - best[:, 1] < MARGIN
            return logits.argmax(-1).numpy(force=True), np.zeros(len(logits)), near.numpy(force=True)
        logp = torch.log_softmax(logits.float() / self.temperature, dim=-1)
        borders = logp.exp().double().cumsum(-1)
        drawn = torch.from_numpy(draws).to(borders.device)[:, None] * borders[:, -1:]
        tokens = torch.searchsorted(borders, drawn, right=True).clamp(max=borders.shape[-1] - 1)
        above = borders.gather(-1, tokens) - drawn
        below = drawn - torch.where(tokens > 0, borders.gather(-1, (tokens - 1).clamp(min=0)), -1.0)
        near = torch.minimum(above, below).squeeze(-1) < MARGIN
        return (
            tokens.squeeze(-1).numpy(force=True),
            logp.gather(-1, tokens).squeeze(-1).double().numpy(force=True),
            near.numpy(force=True),
        )

    def _alone(self, ids: Sequence[int]) -> Tensor:
        """The logits after a sequence, computed by itself from its first token on."""
        logits: Tensor = self.model(torch.tensor([ids], device=self.model.device), logits_to_keep=1).logits[:, -1]
        return logits


def _new(prompt: Prompt) -> int:
    """How many tokens the past does not cover."""
    return len(prompt.ids) - (prompt.past.tokens if prompt.past else 0)


def _draws(seed: tuple[int, ...], count: int) -> FloatArray:
    return np.random.default_rng(seed).random(count)


class _Rows:
    """The sequences of one batch: one row each, with columns that all rows fill at the same time.

    Rows differ in length, so each has columns that are not valid for it. Rows that have ended stay until they are half
    of the batch; then they are dropped.
    """

    def __init__(self, model: Any, prompts: Sequence[Prompt], room: int) -> None:
        config = model.config.get_text_config()
        kept = [prompt.past.tokens if prompt.past else 0 for prompt in prompts]
        chunks = [prompt.ids[past:] for prompt, past in zip(prompts, kept, strict=True)]
        self._widths = [*map(len, chunks)]
        self._start, self._chunk = max(kept), max(self._widths)
        columns = self._start + self._chunk + room
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        self._model = model
        shape = (config.num_hidden_layers, 2, len(prompts), heads, columns, size)
        self._cache = _Cache(torch.zeros(shape, dtype=model.dtype, device=model.device), self._start)
        self._valid = torch.zeros(len(prompts), columns, dtype=torch.bool, device=model.device)
        self._ids = torch.zeros(len(prompts), self._chunk, dtype=torch.long, device=model.device)
        for row, (prompt, past, chunk) in enumerate(zip(prompts, kept, chunks, strict=True)):
            if prompt.past is not None:
                self._cache.states[:, :, row, :, :past] = prompt.past.states
            self._ids[row, self._chunk - len(chunk) :] = torch.tensor(chunk)
            self._valid[row, :past] = True
            self._valid[row, self._start + self._chunk - len(chunk) : self._start + self._chunk] = True
        self.order: IntArray = np.arange(len(prompts))
        """Which prompt each row belongs to."""
        self.going: BoolArray = np.ones(len(prompts), dtype=bool)
        """Which rows have not ended."""
        self._ended: dict[int, Past] = {}

    def prefill(self) -> Tensor:
        """Reads what the pasts do not cover; the logits after the last token of each prompt.

        The new tokens of all rows end in the same column, and a few rows at a time are read.
        """
        whole, end = self._cache.states, self._start + self._chunk
        place = torch.arange(end, device=self._valid.device)
        logits = []
        for first in range(0, len(self._widths), READ_TOGETHER):
            rows = slice(first, first + READ_TOGETHER)
            width = max(self._widths[rows])
            self._cache.states, self._cache.used = whole[:, :, rows], end - width
            new = place[end - width :]
            seen = self._valid[rows, None, :end] & (place <= new[:, None])
            # A padding column sees itself, for attention over nothing is not a number.
            seen = seen | (place == new[:, None])
            logits.append(self._forward(self._ids[rows, self._chunk - width :], seen, self._valid[rows]))
        self._cache.states = whole
        return torch.cat(logits)

    def decode(self, tokens: IntArray) -> Tensor:
        """Feeds one token a row, the rows that have ended aside; the logits after it."""
        if 2 * self.going.sum() <= len(self.going):
            tokens = tokens[self.going]
            self._drop()
        column = self._cache.used
        self._valid[:, column] = torch.from_numpy(self.going)
        fed = torch.from_numpy(tokens).to(self._ids.device)[:, None]
        return self._forward(fed, self._valid[:, None, : column + 1], self._valid)

    def _forward(self, ids: Tensor, seen: Tensor, valid: Tensor) -> Tensor:
        start, count = self._cache.used, ids.shape[1]
        before = valid[:, : start + count].cumsum(-1)[:, start:] - 1
        logits: Tensor = self._model(
            ids,
            attention_mask=seen[:, None],
            position_ids=before.clamp(min=0),
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        self._cache.used += count
        return logits

    def _drop(self) -> None:
        """Puts the rows that have ended aside and goes on with the others."""
        for place in np.flatnonzero(~self.going):
            self._ended[int(self.order[place])] = self._past(int(place))
        going = torch.from_numpy(np.flatnonzero(self.going)).to(self._ids.device)
        self._cache.states = self._cache.states[:, :, going]
        self._valid = self._valid[going]
        self.order = self.order[self.going]
        self.going = np.ones(len(self.order), dtype=bool)

    def _past(self, place: int) -> Past:
        return Past(self._cache.states[:, :, place][:, :, :, self._valid[place]])

    def pasts(self) -> dict[int, Past]:
        """By prompt, the keys and values of all tokens that were fed."""
        return self._ended | {int(row): self._past(place) for place, row in enumerate(self.order)}


class _Cache:
    """Keys and values in one tensor that is filled column by column; what `transformers` asks of a cache."""

    is_compileable = False

    def __init__(self, states: Tensor, used: int) -> None:
        self.states = states
        self.used = used

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        end = self.used + keys.shape[2]
        stored = self.states[layer]
        stored[0, :, :, self.used : end] = keys
        stored[1, :, :, self.used : end] = values
        return stored[0, :, :, :end], stored[1, :, :, :end]

    def get_seq_length(self, layer: int = 0) -> int:
        return self.used
