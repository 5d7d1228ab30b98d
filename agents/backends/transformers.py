"""Chat with a `transformers` model in this process, for people without a server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from medenv.errors import BackendError, MissingExtraError

from .chat import Reply, Request
from .local import LocalBackend, Prompt
from .structured import check_fit

try:
    from transformers import AutoModelForCausalLM, AutoTokenizer
except ImportError as missing:
    raise MissingExtraError(
        f"expected the extra 'train' for models in this process, got {missing}; pip install 'medenv-rl[train]'"
    ) from None

__all__ = ["TransformersBackend"]

TRIES = 4
"""How often a text is sampled that has to fit a schema."""


class TransformersBackend:
    """A causal language model with a chat template; requests that wait at the same time are sampled in one batch.

    The model is not held to a schema while it writes, as a server holds it: its text is sampled again, with another
    seed, until it fits.

    Args:
        model: The folder or the hub id of a model; MEDENV_MODEL where none is given. Or a model, with its tokenizer.
        tokenizer: The tokenizer of a model that is given as an object.
        batch: The most sequences in one batch.

    Raises:
        BackendError: There is no such model, or it has no chat template.
    """

    def __init__(self, model: Any = None, tokenizer: Any = None, *, batch: int = 64) -> None:
        given = os.environ.get("MEDENV_MODEL") if model is None else model
        if given is None:
            raise BackendError("expected a model as a folder or a hub id, or MEDENV_MODEL, got none", "refused")
        if isinstance(given, str | Path):
            try:
                self.model: Any = AutoModelForCausalLM.from_pretrained(given)
                self.tokenizer: Any = AutoTokenizer.from_pretrained(given)
            except (OSError, ValueError) as error:
                reason = " ".join(str(error).split())[:200]
                raise BackendError(f"expected the folder or hub id of a model, got {str(given)!r}: {reason}") from None
        else:
            self.model, self.tokenizer = given, tokenizer
        if not getattr(self.tokenizer, "chat_template", None):
            raise BackendError("expected a tokenizer with a chat template, got one without")
        self.id = f"transformers {given if isinstance(given, str | Path) else type(given).__name__}"
        self._batch = batch
        self._samplers: dict[tuple[float, int], LocalBackend] = {}

    async def complete(self, request: Request) -> Reply:
        """The reply to a request.

        Raises:
            BackendError: The messages fit neither the template nor the context of the model, or no text the schema.
        """
        ids = self._ids(request)
        sampler = self._sampler(request)
        for attempt in range(TRIES):
            completion = await sampler.complete(Prompt(ids, (request.seed, attempt)))
            reply = self._reply(request, ids, completion.ids)
            if request.schema is None:
                return reply
            try:
                check_fit(reply.text, request.schema)
            except BackendError:
                if attempt + 1 == TRIES or request.temperature == 0:
                    raise
            else:
                return reply
        raise AssertionError("unreachable")

    async def aclose(self) -> None:
        """Nothing is held open."""

    def _ids(self, request: Request) -> tuple[int, ...]:
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        try:
            text = self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        except Exception as error:  # templates are programs and raise what they like
            raise BackendError(f"expected messages that fit the chat template, got {error}", "refused") from None
        ids = tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        limit = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        if limit and len(ids) + request.max_tokens > limit:
            raise BackendError(
                f"expected at most {limit} tokens in all, got {len(ids)} and {request.max_tokens} to come", "refused"
            )
        return ids

    def _sampler(self, request: Request) -> LocalBackend:
        key = (request.temperature, request.max_tokens)
        if key not in self._samplers:
            self._samplers[key] = LocalBackend(
                self.model,
                stop=self.tokenizer.eos_token_id,
                max_tokens=request.max_tokens,
                temperature=request.temperature,
                batch=self._batch,
            )
        return self._samplers[key]

    def _reply(self, request: Request, prompt: tuple[int, ...], ids: tuple[int, ...]) -> Reply:
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True)
        ended = ids[-1] == self.tokenizer.eos_token_id
        ends = [at for stop in request.stop if (at := text.find(stop)) >= 0]
        if ends:
            text, ended = text[: min(ends)], True
        return Reply(text, "stop" if ended else "length", len(prompt), len(ids))
