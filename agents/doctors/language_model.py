"""The language-model doctor: a causal language model in the doctor's seat, with every token it says kept."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from medenv.agents.backends.local import Completion, LocalBackend, Past, Prompt
from medenv.consultation.acts import clean
from medenv.consultation.views import DoctorView, Message
from medenv.errors import MissingExtraError, RunError

try:
    from safetensors import SafetensorError
    from tokenizers import Tokenizer
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging
except ImportError as missing:
    raise MissingExtraError(
        f"expected the extra 'train' for language-model doctors, got {missing}; pip install 'medenv-rl[train]'"
    ) from None

__all__ = ["ChatFormat", "LanguageModelDoctor", "Sampled", "load_doctor"]

SCHEMA = "medenv.policy/1"
HISTORIES = 16384
"""Messages whose tokens are remembered; the oldest go first. More than all episodes in the air say together."""


class Sampled(str):
    """The words of a language model, and the tokens they came as.

    `prompt_ids` and `completion_ids` together are what the model saw and said up to here; the next message of the same
    consultation has a prompt that begins with them.
    """

    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    """One for each completion id, at the temperature it was sampled with."""

    def __new__(
        cls, text: str, prompt_ids: Sequence[int], completion_ids: Sequence[int], logprobs: Sequence[float]
    ) -> Sampled:
        """Makes a message from its words and tokens."""
        sampled = super().__new__(cls, text)
        sampled.prompt_ids = tuple(prompt_ids)
        sampled.completion_ids = tuple(completion_ids)
        sampled.logprobs = tuple(logprobs)
        return sampled

    def __reduce__(self) -> tuple[type[Sampled], tuple[Any, ...]]:
        return Sampled, (str(self), self.prompt_ids, self.completion_ids, self.logprobs)


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """How chat messages become tokens: prefix, content, `end` and separator, one message after the other."""

    system: str = "<|system|>"
    user: str = "<|user|>"
    tool: str = "<|tool|>"
    assistant: str = "<|assistant|>"
    end: str = "<|end|>"
    """A single special token; the model says it to end a message."""
    separator: str = ""
    """What stands between the end of a message and the next prefix."""


class _Renderer:
    """Turns messages into ids that only ever grow. Markers in the words of a message are words, never markers."""

    def __init__(self, tokenizer: Tokenizer, format: ChatFormat) -> None:
        end = tokenizer.token_to_id(format.end)
        if end is None:
            raise RunError(f"expected a tokenizer with the token {format.end!r}, got one without")
        self.end: int = end
        self._tokenizer = tokenizer
        self._openings = {role: self._ids(getattr(format, role)) for role in ("system", "user", "tool", "assistant")}
        self._separator = self._ids(format.separator)
        tokenizer.encode_special_tokens = True

    def _ids(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def open(self, ids: tuple[int, ...], role: str) -> tuple[int, ...]:
        """`ids` up to where the words of a role begin; a message that was cut off gets the end it did not say."""
        if ids:
            ids += self._separator if ids[-1] == self.end else (self.end, *self._separator)
        return ids + self._openings[role]

    def say(self, ids: tuple[int, ...], messages: Sequence[Message]) -> tuple[int, ...]:
        """`ids` and the messages after them."""
        for message in messages:
            ids = self.open(ids, message.role) + self.words(message.content)
        return ids

    def words(self, text: str) -> tuple[int, ...]:
        """What a message holds."""
        return self._ids(text)

    def text(self, ids: Sequence[int]) -> str:
        """The words that ids stand for."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True)
        return text


class LanguageModelDoctor:
    """A doctor's seat around a causal language model in this process.

    The tokens of a consultation only ever grow: the model's own are kept as they were sampled, and each message of the
    environment is tokenised once and appended. They are found again by the seed and the messages of the view, so one
    object plays any number of episodes at once. A consultation that was forgotten, or that another doctor began, is
    tokenised afresh.

    Args:
        model: A `transformers` causal language model.
        tokenizer: The tokenizer that belongs to it, of the `tokenizers` library.
        format: How messages become tokens.
        max_tokens: The longest message, at least 1.
        temperature: Above 0; 0 takes the likeliest token.
        batch: The most messages sampled in one batch.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Tokenizer,
        *,
        format: ChatFormat | None = None,
        max_tokens: int = 256,
        temperature: float = 1.0,
        batch: int = 64,
    ) -> None:
        self.tokenizer = tokenizer
        self.format = format or ChatFormat()
        self._renderer = _Renderer(tokenizer, self.format)
        self.backend = LocalBackend(
            model, stop=self._renderer.end, max_tokens=max_tokens, temperature=temperature, batch=batch
        )
        self._histories: OrderedDict[_Key, tuple[int, ...]] = OrderedDict()
        self._pasts: OrderedDict[tuple[int, ...], Past] = OrderedDict()

    @property
    def model(self) -> Any:
        """The model."""
        return self.backend.model

    async def act(self, view: DoctorView) -> Sampled:
        """Samples the next message; the same view gives the same message, whatever else is sampled at the time."""
        ids, past = self._prompt(view)
        completion = await self.backend.complete(Prompt(ids, (view.seed, view.turn), past))
        text = self._renderer.text(completion.ids)
        self._remember(view, text, ids, completion)
        return Sampled(text, ids, completion.ids, completion.logprobs)

    def render(self, messages: Sequence[Message]) -> tuple[tuple[int, ...], tuple[bool, ...]]:
        """A finished consultation as ids, each with whether the doctor says it: to learn from the words of others."""
        ids: tuple[int, ...] = ()
        own: list[bool] = []
        for message in messages:
            ids = self._renderer.open(ids, message.role)
            own += [False] * (len(ids) - len(own))
            ids += self._renderer.words(message.content)
            if message.role == "assistant":
                ids += (self._renderer.end,)
            own += [message.role == "assistant"] * (len(ids) - len(own))
        return ids, tuple(own)

    def forget(self) -> None:
        """Forgets all consultations, as it must after the weights have changed."""
        self._histories.clear()
        self._pasts.clear()

    def _prompt(self, view: DoctorView) -> tuple[tuple[int, ...], Past | None]:
        messages = view.messages
        own = max((i for i, message in enumerate(messages) if message.role == "assistant"), default=-1)
        known = self._histories.get((view.seed, messages[: own + 1]), ())
        ids = self._renderer.say(known, messages[own + 1 :] if known else messages)
        return self._renderer.open(ids, "assistant"), self._pasts.pop(known, None)

    def _remember(self, view: DoctorView, text: str, ids: tuple[int, ...], completion: Completion) -> None:
        said = Message("assistant", clean(text, len(text))[0])
        history = ids + completion.ids
        self._histories[view.seed, (*view.messages, said)] = history
        self._pasts[history] = completion.past
        if len(self._histories) > HISTORIES:
            self._histories.popitem(last=False)
        if len(self._pasts) > 2 * self.backend.batch:
            self._pasts.popitem(last=False)

    def save(self, path: str | Path) -> None:
        """Writes the policy as a folder: weights, configuration, tokenizer and how messages are sampled."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        with _no_progress_bars():
            self.model.save_pretrained(folder)
        self.tokenizer.save(str(folder / "tokenizer.json"))
        settings = {
            "schema": SCHEMA,
            "format": {name: getattr(self.format, name) for name in ChatFormat.__slots__},
            "max_tokens": self.backend.max_tokens,
            "temperature": self.backend.temperature,
        }
        (folder / "policy.json").write_text(json.dumps(settings, indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, path: str | Path, *, batch: int = 64) -> LanguageModelDoctor:
        """Reads a policy that `save` wrote; nothing is fetched from anywhere.

        Raises:
            RunError: The folder is missing or is no policy.
        """
        folder = Path(path)
        try:
            settings = json.loads((folder / "policy.json").read_text("utf-8"))
            if settings["schema"] != SCHEMA:
                raise RunError(f"{folder}: expected a policy of schema {SCHEMA!r}, got {settings['schema']!r}")
            with _no_progress_bars():
                model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
            return cls(
                model,
                Tokenizer.from_file(str(folder / "tokenizer.json")),
                format=ChatFormat(**settings["format"]),
                max_tokens=settings["max_tokens"],
                temperature=settings["temperature"],
                batch=batch,
            )
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            if isinstance(error, RunError):
                raise
            reason = " ".join(str(error).split())[:200]
            raise RunError(f"{folder}: expected the folder of a policy, got {reason}") from None


_Key: TypeAlias = tuple[int, tuple[Message, ...]]


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def load_doctor(path: str | Path) -> LanguageModelDoctor:
    """The doctor whose policy lies in a folder.

    Raises:
        RunError: The folder is missing or is no policy.
    """
    return LanguageModelDoctor.load(path)
