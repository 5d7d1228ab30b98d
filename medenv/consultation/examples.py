"""Examples: what questions of known meaning a new one is most like, for wordings that no phrase of the lexicon has."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from math import log, sqrt
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from jsonschema.exceptions import best_match
from numpy.typing import NDArray

from medenv.consultation.lexicon import Label, Lexicon, lexicon
from medenv.errors import RecordError
from medenv.records.record import topics
from medenv.schemas import validator

__all__ = ["Examples", "Likeness", "examples"]

MOST = 8
"""The most labels that a question is said to be like."""
_RANKS = (1.0, 0.5, 0.25)
"""How much the best, the second and the third example of a label count."""
_UNKNOWN = 0.5
"""How much a word that no example has makes a question unlike all of them."""
_NEAR = 0.4
"""How near to the best an example has to be, to be looked at."""
_OFTEN = 24
"""A label knows a word well of which every so many-th of its examples makes use."""

_COMMON = 2000
"""A word is common that more examples and labels than this use."""


Likeness: TypeAlias = tuple[Label, float]
"""A label, and how like its examples a question is: from 0 (no word in common) to 1 (the words of an example)."""


class Examples:
    """Example questions by label, compared by their words; rare words count most.

    The likeness of a question to a label is the mean of two measures: the cosine of its words with those of the best
    examples (tf-idf weights), and how much of its wording the examples of the label know at all.
    """

    def __init__(self, data: Mapping[str, Any], lexicon: Lexicon, *, checked: bool = False) -> None:
        """Compiles examples; those that were `checked` before are not held against the schema again.

        Args:
            data: What `examples.json` holds.
            lexicon: Whose concepts the examples are of, and in whose words they are compared.
            checked: Whether the data is known to fit `examples.schema.json`.

        Raises:
            RecordError: The data does not fit the schema, or is about a topic or concept that does not exist.
        """
        if (
            not checked
            and (error := best_match(validator("medenv.consultation", "examples").iter_errors(data))) is not None
        ):
            raise RecordError(f"examples: field {error.json_path}: {' '.join(error.message.split())[:300]}")
        for kind, known in (("topics", topics()), ("concepts", lexicon.concepts)):
            if unknown := sorted(set(data[kind]) - set(known)):
                raise RecordError(f"examples: field $.{kind}: expected known {kind}, got {unknown[0]!r}")
        labelled = [(label, set(lexicon.words.plain(text))) for label, texts in _labelled(data) for text in texts]
        self._labels = list(dict.fromkeys(label for label, _ in labelled))
        number = {label: i for i, label in enumerate(self._labels)}
        self._label_of = np.array([number[label] for label, _ in labelled])
        sizes = np.bincount(self._label_of)
        users: dict[str, list[int]] = {}
        for i, (_, own) in enumerate(labelled):
            for word in own:
                users.setdefault(word, []).append(i)
        rarity = {word: log((len(labelled) + 1) / (len(found) + 1)) + 1 for word, found in users.items()}
        lengths = np.array([sqrt(sum(rarity[word] ** 2 for word in sorted(own))) for _, own in labelled])
        self._uses: dict[str, _Use] = {}
        size = len(labelled)
        for word, found in users.items():
            at = np.array(found)
            labels, times = np.unique(self._label_of[at], return_counts=True)
            telling = log((len(self._labels) + 1) / (len(labels) + 0.5)) ** 2
            share = times / (times + sizes[labels] / _OFTEN)
            weights = rarity[word] * (rarity[word] / lengths[at])
            places, shares = np.concatenate((at, size + labels)), np.concatenate((weights, telling * share))
            everywhere = None
            if len(places) > _COMMON:
                everywhere = np.zeros(size + len(sizes))
                everywhere[places] = shares
            self._uses[word] = _Use(rarity[word], telling, places, shares, everywhere)
        self._unknown = _Use(
            sqrt(_UNKNOWN) * (log(size + 1) + 1),
            log((len(self._labels) + 1) / 0.5) ** 2,
            np.array([], dtype=np.int64),
            np.array([]),
        )

    def nearest(self, words: Iterable[str]) -> tuple[Likeness, ...]:
        """The labels that some words are most like, best first."""
        asked = [self._uses.get(word, self._unknown) for word in sorted(set(words))]
        if not asked:
            return ()
        examples, labels = len(self._label_of), len(self._labels)
        summed = self._summed(asked, examples + labels)
        cosines, known = summed[:examples], summed[examples:]
        likeness = known / sum([use.telling for use in asked])
        whole = sqrt(sum([use.rarity**2 for use in asked])) * sum(_RANKS)
        near = (cosines >= _NEAR * cosines.max()).nonzero()[0]
        cosine, label = cosines[near], self._label_of[near]
        order = np.lexsort((-cosine, label))
        cosine, label = cosine[order], label[order]
        shares = np.full(len(label), _RANKS[0])
        for rank, share in enumerate((*_RANKS[1:], 0.0), 1):
            shares[rank:][label[rank:] == label[:-rank]] = share
        likeness += np.bincount(label, shares * cosine / whole, labels)
        # Only those that may be among the best are sorted; equals stay in their order.
        most = min(MOST, labels)
        among = (likeness >= np.partition(likeness, -most)[-most]).nonzero()[0]
        best = among[(-likeness[among]).argsort(kind="stable")][:MOST]
        likest = (likeness[best] / 2).tolist()
        return tuple((self._labels[i], like) for i, like in zip(best.tolist(), likest, strict=True))

    @staticmethod
    def _summed(asked: Sequence[_Use], size: int) -> NDArray[np.float64]:
        summed = np.zeros(size)
        if rare := [use for use in asked if use.everywhere is None]:
            places, weights = [use.places for use in rare], [use.weights for use in rare]
            summed += np.bincount(np.concatenate(places), np.concatenate(weights), size)
        for use in asked:
            if use.everywhere is not None:
                summed += use.everywhere
        return summed


class _Use(NamedTuple):
    """Where one word is used."""

    rarity: float
    telling: float
    places: NDArray[np.int64]
    """The examples that use it and, counted on from the last example, the labels that know it."""
    weights: NDArray[np.float64]
    """What it adds to the cosine with each of these examples, and how well each of these labels knows it, times
    `telling`."""
    everywhere: NDArray[np.float64] | None = None
    """The weights at every place, which adds up faster, for a word that is common."""


def _labelled(data: Mapping[str, Any]) -> Iterable[tuple[Label, Sequence[str]]]:
    yield ("open", ""), data["open"]
    yield ("fishing", ""), data["fishing"]
    yield from ((("topic", id), texts) for id, texts in data["topics"].items())
    yield from ((("concept", id), texts) for id, texts in data["concepts"].items())


@cache
def examples() -> Examples:
    """The examples that the package ships."""
    text = resources.files("medenv.consultation").joinpath("examples.json").read_text("utf-8")
    return Examples(json.loads(text), lexicon(), checked=True)
