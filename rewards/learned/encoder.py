"""Text encoders: what turns texts into token vectors for the reward model."""

from __future__ import annotations

import hashlib
import zlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from medenv.errors import MissingExtraError, RunError

from .passages import words_of

try:
    import torch
    from torch import Tensor, nn
    from transformers import AutoModel, AutoTokenizer
except ImportError as missing:
    raise MissingExtraError(
        f"expected the extra 'train' for the learned judge, got {missing}; pip install 'medenv-rl[train]'"
    ) from None

__all__ = ["Encoder", "HashedEncoder", "TransformersEncoder", "encoder_from"]

GRAMS = (3, 4)
"""The lengths of the character n-grams of a word."""


@runtime_checkable
class Encoder(Protocol):
    """Anything that turns texts into token vectors. One that is an `nn.Module` with parameters is trained along."""

    width: int
    """Of a token vector."""

    def encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """The token vectors of all texts one after the other, [tokens, width], and how many each text has, [texts].

        Every text has at least one.
        """
        ...

    def settings(self) -> Mapping[str, Any]:
        """What `encoder_from` makes the same encoder from, but for its weights."""
        ...


class HashedEncoder(nn.Module):
    """Word vectors from a table that words and their character n-grams are hashed into; small, and trained along.

    A word that training never saw still has a vector of its own, near those of words that are spelt alike. Each vector
    takes something from its neighbours, as much as training finds useful.

    Args:
        width: Of a vector.
        buckets: The rows of the table.
        generator: Of the initial weights; without it one with seed 0.
    """

    def __init__(self, width: int = 48, buckets: int = 2**15, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        if width < 1 or buckets < 1:
            raise RunError(f"expected width and buckets of at least 1, got {width} and {buckets}")
        self.width, self.buckets = width, buckets
        generator = generator or torch.Generator().manual_seed(0)
        self.table = nn.Parameter(torch.randn(buckets, width, generator=generator) / width**0.5)
        self.before = nn.Parameter(torch.zeros(width, width))
        self.after = nn.Parameter(torch.zeros(width, width))

    def encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """The vectors of the words of all texts; a text without words has one vector, which stands for nothing."""
        said = [words_of(text) or [""] for text in texts]
        places: dict[str, int] = {}
        order = torch.tensor([places.setdefault(word, len(places)) for words in said for word in words])
        lengths = torch.tensor([len(words) for words in said])
        vectors = self._vectors(list(places))[order]
        first = torch.zeros(len(vectors), 1, dtype=torch.bool)
        first[lengths.cumsum(0) - lengths] = True
        last = first.roll(-1, 0)
        mixed = vectors + vectors.roll(1, 0).masked_fill(first, 0.0) @ self.before
        return mixed + vectors.roll(-1, 0).masked_fill(last, 0.0) @ self.after, lengths

    def _vectors(self, words: Sequence[str]) -> Tensor:
        rows = [_rows(word, self.buckets) for word in words]
        flat = torch.tensor([gram for row in rows for gram in row])
        starts = torch.tensor([0, *(len(row) for row in rows)]).cumsum(0)[:-1]
        # The row of the whole word comes first; those of its n-grams together are about as long.
        weights = torch.tensor([(len(row) - 1) ** -0.5 if place else 1.0 for row in rows for place in range(len(row))])
        vectors: Tensor = nn.functional.embedding_bag(flat, self.table, starts, mode="sum", per_sample_weights=weights)
        return vectors

    def settings(self) -> Mapping[str, Any]:
        """Kind and sizes."""
        return {"kind": "hashed", "width": self.width, "buckets": self.buckets}


@lru_cache(maxsize=65536)
def _rows(word: str, buckets: int) -> tuple[int, ...]:
    marked = f"<{word}>"
    grams = (marked[start : start + size] for size in GRAMS for start in range(len(marked) - size + 1))
    return tuple(zlib.crc32(part.encode("utf-8", "surrogatepass")) % buckets for part in (marked, *grams))


class TransformersEncoder:
    """The last hidden states of a `transformers` model from a local folder, frozen; nothing is fetched.

    Args:
        folder: A folder with a model and its tokenizer.
        pooled: Whether a text becomes one vector, the mean of those of its tokens.
        tokens: The most tokens of a text; the rest is cut off.
        remembered: How many texts' vectors are kept, in half precision.

    Raises:
        RunError: The folder holds no model.
    """

    def __init__(self, folder: str | Path, *, pooled: bool = False, tokens: int = 128, remembered: int = 65536) -> None:
        self.folder, self.pooled, self.tokens, self.remembered = Path(folder), pooled, tokens, remembered
        try:
            self.model: Any = AutoModel.from_pretrained(folder, local_files_only=True).eval().requires_grad_(False)
            self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())[:200]
            raise RunError(f"expected the folder of a transformers model, got {str(folder)!r}: {reason}") from None
        self.width: int = self.model.config.hidden_size
        self._known: OrderedDict[str, Tensor] = OrderedDict()

    def encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """The vectors of the tokens of all texts, or one vector a text where they are pooled."""
        vectors = [self._vectors(text) for text in texts]
        return torch.cat(vectors).float(), torch.tensor([len(each) for each in vectors])

    def _vectors(self, text: str) -> Tensor:
        if text in self._known:
            self._known.move_to_end(text)
            return self._known[text]
        plain = text.encode("utf-8", "replace").decode()
        ids = self.tokenizer(plain, return_tensors="pt", truncation=True, max_length=self.tokens)["input_ids"]
        if ids.shape[1]:
            with torch.no_grad():
                # One text a time: padding would change the numbers with the company that a text is in.
                states = self.model(input_ids=ids).last_hidden_state[0]
        else:
            states = torch.zeros(1, self.width)
        pooled = states.mean(0, keepdim=True) if self.pooled else states
        # Only directions are compared, and those of any length fit half precision.
        found = nn.functional.normalize(pooled.float(), dim=1).half()
        self._known[text] = found
        if len(self._known) > self.remembered:
            self._known.popitem(last=False)
        return found

    def settings(self) -> Mapping[str, Any]:
        """Kind, folder and a hash of what is in it."""
        return {
            "kind": "transformers",
            "folder": str(self.folder),
            "pooled": self.pooled,
            "tokens": self.tokens,
            "digest": self._digest(),
        }

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for path in sorted((*self.folder.glob("*.safetensors"), *self.folder.glob("tokenizer*.json"))):
            with open(path, "rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()[:16]


def encoder_from(settings: Mapping[str, Any]) -> HashedEncoder | TransformersEncoder:
    """The encoder that has these settings; the weights of one that is trained along are still to be loaded.

    Raises:
        RunError: There is no such kind, or the folder holds another model than the one that was trained on.
    """
    match settings:
        case {"kind": "hashed", "width": int(width), "buckets": int(buckets)}:
            return HashedEncoder(width, buckets)
        case {"kind": "transformers", "folder": str(folder), "pooled": bool(pooled), "tokens": int(tokens)}:
            encoder = TransformersEncoder(folder, pooled=pooled, tokens=tokens)
            if encoder.settings() != settings:
                raise RunError(f"{folder}: expected the model that the reward model was trained on, got another one")
            return encoder
    raise RunError(f"expected the settings of a hashed or transformers encoder, got {str(dict(settings))[:120]}")
