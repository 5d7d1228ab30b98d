"""Rules: how an identifier is told, and what has to stand in a text for a rule to be worth trying."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, TypeAlias

from medenv.errors import RecordError
from medenv.schemas import validator

__all__ = [
    "LOWER",
    "NAME",
    "UPPER",
    "Accept",
    "Rule",
    "Span",
    "any_of",
    "listed",
    "rule",
    "span",
    "units",
    "vocabulary",
]

Span: TypeAlias = tuple[int, int]
"""Where an identifier starts and ends."""
Accept: TypeAlias = Callable[["re.Match[str]"], Span | None]
"""Gives the place of the identifier in a match, or none where the match is no identifier after all."""

UPPER = "A-Z\u00c0-\u00d6\u00d8-\u00de" + "".join(c for c in map(chr, range(0x100, 0x180)) if c.isupper())
LOWER = "a-z\u00df-\u00f6\u00f8-\u00ff" + "".join(c for c in map(chr, range(0x100, 0x180)) if c.islower())
NAME = rf"(?:[{UPPER}]['\u2019])?[{UPPER}][{LOWER}]++(?:[-'\u2019]?[{UPPER}][{LOWER}]++){{0,4}}"
"""A word with a capital, perhaps of several parts, such as O'Brien or Al-Masri."""


@cache
def vocabulary() -> dict[str, Any]:
    """The words of `identifiers.json`; its schema says what each list is for.

    Raises:
        RecordError: The file does not fit its schema.
    """
    text = resources.files("medenv.records").joinpath("identifiers.json").read_text("utf-8")
    words: dict[str, Any] = json.loads(text)
    for error in validator("medenv.records", "identifiers").iter_errors(words):
        raise RecordError(f"identifiers.json: field {error.json_path}: {' '.join(error.message.split())[:300]}")
    return words


@cache
def listed(name: str) -> frozenset[str]:
    """One list of the vocabulary, to look words up in."""
    return frozenset(vocabulary()[name])


def span(match: re.Match[str]) -> Span | None:
    """The place of the group `id`; of the whole match where the pattern has none or another branch matched."""
    return match.span("id" if match.re.groupindex.get("id") and match["id"] is not None else 0)


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One way to tell an identifier."""

    kind: str
    pattern: str
    accept: Accept = span
    cues: frozenset[str] = frozenset()
    """Words in lower case, one of which a text has to hold; none for a rule that looks at every text."""
    digits: int = 0
    """How many digits a text has to hold."""
    capital: bool = False
    """Whether a text has to hold a capital letter behind its first one."""
    mark: str = ""
    """What a text has to hold as it stands."""

    def spans(self, text: str) -> Iterator[Span]:
        """Where it finds an identifier."""
        for match in _compiled(self.pattern).finditer(text):
            if (found := self.accept(match)) is not None:
                yield found


@cache  # most rules are never called for, and there are many
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def rule(
    kind: str,
    pattern: str,
    *,
    cues: str | Iterable[str] = (),
    accept: Accept = span,
    digits: int = 0,
    capital: bool = False,
    mark: str = "",
) -> Rule:
    """A rule whose cues are written once: `<cue>` in the pattern stands for any of them.

    Args:
        kind: What it tells.
        pattern: A regular expression, linear in the length of the text.
        cues: Words or phrases, or one text of them between bars; of a phrase the first word calls for the rule.
        accept: Has the last word on a match.
        digits: See `Rule`.
        capital: See `Rule`.
        mark: See `Rule`.
    """
    phrases = cues.split("|") if isinstance(cues, str) else list(cues)
    firsts = (re.search(r"[^\W\d_]+", phrase) for phrase in phrases)
    words = frozenset(first.group().lower() for first in firsts if first)
    return Rule(kind, pattern.replace("<cue>", any_of(phrases)), accept, words, digits, capital, mark)


def any_of(words: Iterable[str]) -> str:
    """A pattern for any of some words, the longest first; what is written in capitals counts only so."""
    ordered = sorted(words, key=lambda word: (-len(word), word))
    spaced = {word: re.sub(r"(?:\\ |[ _])+", r"[\\s_-]{0,3}", re.escape(word)) for word in ordered}
    kept, free = ("|".join(spaced[w] for w in ordered if w.isupper() == upper) for upper in (True, False))
    return f"(?:{'|'.join(filter(None, (free and f'(?i:{free})', kept)))})"


@cache
def units() -> str:
    """A pattern for what makes the number before it a quantity."""
    return "|".join(map(re.escape, sorted(vocabulary()["units"], key=lambda unit: -len(unit)))) + "|%"
