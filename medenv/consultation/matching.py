"""When two clinical phrases name the same thing: exact where a letter changes the meaning, else lenient."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

from rapidfuzz.distance import OSA

__all__ = ["mentions", "negates", "same_name", "telling_words", "words"]

_WORD = re.compile(r"[a-z0-9]+(?:\.[0-9]+)?|[^\W\d_a-z]+")
_LONG = 7
"""From this length on a word may hold one slip of the pen; shorter ones differ by a letter too often."""


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    fillers: frozenset[str]
    modifiers: frozenset[str]
    negations: frozenset[str]
    small: frozenset[str]
    spellings: dict[str, str]


@cache
def _vocabulary() -> _Vocabulary:
    data = json.loads(resources.files("medenv.consultation").joinpath("matching.json").read_text("utf-8"))
    sets = {name: frozenset(data[name]) for name in ("fillers", "modifiers", "negations", "small")}
    return _Vocabulary(**sets, spellings=data["spellings"])


@lru_cache(maxsize=32768)
def words(text: str) -> tuple[str, ...]:
    """The words of a phrase in one spelling: lower case, no accents, American vowels, singular, no fillers."""
    folded = unicodedata.normalize("NFKD", text).replace("\u2019", "'").casefold()
    folded = "".join(c for c in folded if not unicodedata.combining(c)).replace("'s ", " ").replace("'", "")
    vocabulary = _vocabulary()
    found = (_spelling(word, vocabulary) for word in _WORD.findall(folded))
    return tuple(word for word in found if word not in vocabulary.fillers)


def _spelling(word: str, vocabulary: _Vocabulary) -> str:
    if word in vocabulary.spellings:
        return vocabulary.spellings[word]
    word = word.replace("ae", "e").replace("oe", "e")
    if len(word) > 4 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    return word


def _equal(one: str, other: str) -> bool:
    if one == other:
        return True
    if min(len(one), len(other)) < _LONG or not (one.isalpha() and other.isalpha()):
        return False
    return OSA.distance(one, other, score_cutoff=1) <= 1 and one[:2] == other[:2]


def _same_words(one: Sequence[str], other: Sequence[str]) -> bool:
    if "".join(one).replace("oe", "e") == "".join(other).replace("oe", "e"):
        return True
    return len(one) == len(other) and all(map(_equal, sorted(one), sorted(other)))


@lru_cache(maxsize=65536)
def _same(guess: str, name: str) -> bool:
    vocabulary = _vocabulary()
    guessed, named = words(guess), words(name)
    if not guessed or not named or vocabulary.negations & set(guessed) != vocabulary.negations & set(named):
        return False
    if _same_words(guessed, named):
        return True
    bare = [word for word in guessed if word not in vocabulary.modifiers or word in named]
    needed = [word for word in named if word not in vocabulary.modifiers or word in guessed]
    return bool(needed) and _same_words(bare, needed)


def same_name(guess: str, names: Iterable[str]) -> bool:
    """Whether a diagnosis, as a doctor wrote it, is one of `names`.

    Word order, case, accents, plural, British or American spelling, one slip of the pen in a long word, and words such
    as "acute" or "left" on one side only do not matter. Anything else does: a list of diseases names none of them, and
    "not X" does not name X.
    """
    return any(_same(guess, name) for name in names)


@lru_cache(maxsize=65536)
def _mentions(text: str, name: str) -> bool:
    vocabulary = _vocabulary()
    said, wanted = words(text), words(name)
    if not wanted or vocabulary.negations & set(said) - set(wanted):
        return False
    return all(any(_equal(word, other) for other in said) for word in wanted)


def mentions(text: str, names: Iterable[str]) -> bool:
    """Whether an action, as a doctor wrote it, holds all words of one of `names` and does not negate them.

    "aspirin 300 mg orally" mentions "aspirin"; "avoid aspirin" does not.
    """
    return any(_mentions(text, name) for name in names)


@lru_cache(maxsize=32768)
def telling_words(text: str) -> frozenset[str]:
    """The words of a sentence that say something: no fillers, pronouns, auxiliary verbs or negations."""
    vocabulary = _vocabulary()
    return frozenset(words(text)) - vocabulary.small - vocabulary.negations


def negates(text: str) -> bool:
    """Whether a sentence holds a negation."""
    return not _vocabulary().negations.isdisjoint(words(text))
