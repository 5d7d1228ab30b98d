"""Rephrasing: the question that a doctor meant who corrects the last one: "no, I meant the left one"."""

from __future__ import annotations

from collections.abc import Sequence

from medenv.consultation.clauses import ASKING, VERBS
from medenv.consultation.lexicon import Lexicon
from medenv.consultation.words import wordset

__all__ = ["meant"]

_BEFORE_NAMES = wordset("you any in on with of at this that my over around have for about")
"""Words after which a question names what it is about."""
_ONE = wordset("one ones")
_FILLING = wordset("no not sorry be it the rather well")


def meant(before: Sequence[str], said: Sequence[str], lexicon: Lexicon) -> tuple[str, ...]:
    """The words of the question meant; empty where the correction names nothing.

    What the question before named last gives way to what the correction names: "any pain in your leg" and "your chest"
    make "any pain in your chest". With "one" the noun stays: "the right knee" and "the left one" make "left knee".

    Args:
        before: The words of the question before.
        said: The words of the correction, after "I meant".
        lexicon: The lexicon.
    """
    named = list(said)
    while named and (named[0] in _FILLING or named[0] in _BEFORE_NAMES):
        named.pop(0)
    if "not" in named[1:]:
        named = named[: named.index("not", 1)]
    if not lexicon.is_telling(named) and not any(word in _ONE for word in named):
        return ()
    if named[0] in VERBS or named[0] in ASKING:
        return tuple(named)
    cut = max((i + 1 for i, word in enumerate(before) if word in _BEFORE_NAMES and i + 1 < len(before)), default=0)
    noun = [word for word in before[-1:] if named[-1] in _ONE]
    return (*before[:cut], *(word for word in named if word not in _ONE), *noun)
