"""A causal language model in this process, sampled for many episodes in one batch.

What is sampled for a prompt follows from the prompt, the seed and the weights alone. Batching changes the last bits of the
logits, so a draw that falls within `MARGIN` of the border between two tokens is settled by the logits of its own sequence,
computed alone; every other draw is the same whichever of the two gave the logits.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from medenv.errors import BackendError, MissingExtraError

try:
    import torch
    from torch import Tensor
except ImportError as missing:
    raise MissingExtraError(
        f"expected the extra 'train' for models in this process, got {missing}; pip install 'medenv-rl[train]'"
    ) from None

__all__ = ["Completion", "LocalBackend", "Past", "Prompt"]

MARGIN = 1e-5
"""In probability; logits of one sequence differ by less than this between batches in single precision."""
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


class LocalBackend:
    """Samples from a `transformers` causal language model.

    `complete` may be awaited by any number of episodes at the same time: requests are gathered until all of them wait, or
    the batch is full, and run together.

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
            asyncio.ensure_future(self._flush_when_quiet(queue))
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
            if len(prompt.ids) <= (prompt.past.tokens if prompt.past else 0):
                raise BackendError(f"expected at least one token after the past, got {len(prompt.ids)} tokens in all")
        with self._busy, torch.inference_mode():
            training = self.model.training
            self.model.eval()
            try:
                return self._generate(prompts)
            finally:
                self.model.train(training)

    def _generate(self, prompts: Sequence[Prompt]) -> list[Completion]:
        rows = _Rows(self.model, prompts, self.max_tokens)
        draws = np.stack([_draws(prompt.seed, self.max_tokens) for prompt in prompts])
        ids: list[list[int]] = [[] for _ in prompts]
        logprobs: list[list[float]] = [[] for _ in prompts]
        running = list(range(len(prompts)))
        logits = rows.prefill()
        for step in range(self.max_tokens):
            chosen, chances, doubtful = self._choose(logits, draws[running, step])
            for place in doubtful:
                prompt = prompts[running[place]]
                alone = self._alone((*prompt.ids, *ids[running[place]]))
                chosen[place], chances[place] = (
                    part[0] for part in self._choose(alone, draws[running[place], step : step + 1])[:2]
                )
            for row, token, chance in zip(running, chosen, chances, strict=True):
                ids[row].append(int(token))
                logprobs[row].append(float(chance))
            going = [place for place, token in enumerate(chosen) if token != self.stop]
            if not going or step + 1 == self.max_tokens:
                break
            logits = rows.decode(chosen)[going]
            ...
        return [
            Completion(tuple(ids[row]), tuple(logprobs[row]), rows.past(row)) for row in range(len(prompts))
        ]
