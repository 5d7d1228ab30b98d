"""Assertions: a patient's words cut into short runs of which each says one thing, with what is denied in them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from medenv.consultation.phrases import Phrases
from medenv.consultation.words import Words

__all__ = ["Amount", "Sentence", "Speech", "Token", "Vocabulary", "read", "vocabulary"]

_TOKEN = re.compile(
    r"\d+(?:[.,:]\d+)*|[^\W\d_]+(?:['\u2019\u02bc`\u00b4][^\W\d_]+)*|(?<=\s)-(?=\s)|[^\w\s'\u2019\u02bc`\u00b4/-]+|[/_]"
)
_END = frozenset(".?!;\n\u2026\u3002\uff1f\uff01*()[]")
_PAUSE = frozenset(",:\u2013\u2014\uff0c\u3001-")
_SIGNS = frozenset("\"'%&+=<>#@\u201c\u201d\u2018\u2019\u00b0$\u00a3\u20ac~^|{}\\")
_OPENING = frozenset("*([")


@dataclass(frozen=True, slots=True)
class Amount:
    """A number, with what it counts where a unit follows."""

    value: float
    unit: str
    """The dimension: "time" (in minutes), "" where there is none, or the unit itself."""
    own: str
    """The unit as it was said."""
    at: tuple[int, ...]


@dataclass(slots=True)
class Token:
    """A word in the form in which words are compared, and where it stands."""

    word: str
    start: int
    end: int
    mark: str = ""
    """The punctuation before it."""
    sign: int = 1
    """1 where it is said to be so, -1 where it is denied, 0 where it is neither."""
    number: bool = False


@dataclass(slots=True)
class Sentence:
    """One sentence: its words, the phrases and numbers in them, and where a new thing may begin."""

    tokens: list[Token]
    phrases: list[tuple[str, tuple[int, ...]]]
    amounts: list[Amount]
    starts: list[int]
    """The positions at which its runs begin."""
    asks: bool
    staged: bool
    """Whether it stands in brackets or asterisks."""
    denies: frozenset[int]
    """The positions of the words that deny."""
    end: int


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of `grounding.json`, compiled."""

    words: Words
    free: frozenset[str]
    weak: frozenset[str]
    denying: frozenset[str]
    phrases: Phrases[str]
    opposites: tuple[tuple[frozenset[str], ...], ...]
    kin: frozenset[str]
    sets: Mapping[str, frozenset[str]]
    marks: frozenset[str]
    weakly: frozenset[str]
    denials: Mapping[str, str]
    units: Mapping[str, tuple[str, float]]
    numbers: Mapping[str, float]
    tens: Mapping[str, float]
    cjk: frozenset[str]


@cache
def vocabulary() -> Vocabulary:
    """The word lists, in the form in which words are compared."""
    package = resources.files("medenv.consultation")
    data: dict[str, Any] = json.loads(package.joinpath("grounding.json").read_text("utf-8"))
    forms = json.loads(package.joinpath("lexicon.json").read_text("utf-8"))["words"]["forms"]
    kept = {form: variants for form, variants in forms.items() if form not in data["apart"]}
    words = Words(
        {
            variant: form
            for source in (kept, data["forms"])
            for form, variants in source.items()
            for variant in variants
        },
        (),
    )

    def flat(texts: str | list[str]) -> frozenset[str]:
        every = texts if isinstance(texts, str) else " ".join(texts)
        return frozenset(form for text in every.split() for form in words.normal(text))

    def pattern(text: str) -> list[frozenset[str] | None]:
        elements: list[frozenset[str] | None] = []
        for part in text.split():
            if part == "*":
                elements.append(None)
            elif "/" in part:
                elements.append(frozenset(form for word in part.split("/") for form in words.normal(word)))
            else:
                elements.extend(frozenset((form,)) for form in words.normal(part))
        return elements

    free = flat(data["free"])
    patterns = [
        (elements, f"~{name}")
        for kind in ("alike", "marks")
        for name, texts in data[kind].items()
        for text in texts
        if len(elements := pattern(text)) > 1 or not (elements and free.issuperset(elements[0] or ()))
    ]
    return Vocabulary(
        words=words,
        free=free,
        weak=flat(data["weak"]),
        denying=flat(data["denying"]),
        phrases=Phrases(patterns),
        opposites=tuple(tuple(frozenset(flat(side)) | {f"~{w[1:]}" for w in side.split() if w[0] == "~"} for side in group) for group in data["opposites"]),
        kin=flat(data["kin"]),
        sets={name: flat(texts) for name, texts in data["sets"].items()},
        marks=frozenset(f"~{name}" for name in data["marks"]),
        weakly=frozenset(f"~{name}" for name in data["sets"]["weakly"].split()),
        denials={f"~{name}": f"~{denied}" for name, denied in data["denials"].items()},
        units={form: (unit, float(size)) for unit, sizes in data["units"].items() for word, size in sizes.items() for form in words.normal(word)},
        numbers={form: float(n) for word, n in data["numbers"].items() for form in words.normal(word)},
        tens={form: float(n) for word, n in data["tens"].items() for form in words.normal(word)},
        cjk=frozenset(data["cjk"]),
    )


def read(text: str) -> list[Sentence]:
    """Cuts a text into sentences and each of these into runs."""
    return [_sentence(tokens, asks, staged, end) for tokens, asks, staged, end in _sentences(text)]


Speech = list[Sentence]


def _sentences(text: str) -> Iterator[tuple[list[Token], bool, bool, int]]:
    known = vocabulary()
    tokens: list[Token] = []
    mark, staged = "", False
    end = 0
    for match in _TOKEN.finditer(text):
        token = match.group()
        first = token[0]
        if first.isdigit():
            tokens.append(Token(token, match.start(), match.end(), mark, number=True))
            mark = ""
        elif first.isalpha():
            for word in known.words.normal(token.lower()):
                tokens.append(Token(word, match.start(), match.end(), mark))
                mark = ""
        elif not _SIGNS.issuperset(token) and not _END.union(_PAUSE).issuperset(token) and token not in "/_-":
            tokens.append(Token(token, match.start(), match.end(), mark))
            mark = ""
        elif not _END.isdisjoint(token) and not (token == "." and _abbreviates(text, match.start(), tokens)):
            if tokens:
                end = match.end()
                yield tokens, "?" in token or "\uff1f" in token, staged, end
            tokens, mark = [], ""
            if not _OPENING.isdisjoint(token):
                staged = not staged if "*" in token else True
            elif ")" in token or "]" in token:
                staged = False
        elif token not in "/_":
            mark += token
    if tokens:
        yield tokens, False, staged, len(text)


def _abbreviates(text: str, at: int, tokens: Sequence[Token]) -> bool:
    return bool(tokens) and tokens[-1].word in ("dr", "mr", "mrs", "ms", "st") and text[at + 1 : at + 2] == " "


_CLAUSE = frozenset("i we he she it they there this that my his her our their its you".split())
_TURN = frozenset("but because though although so except whereas however only".split())
_UNDER = frozenset("when if while whilst until before after unless than as whenever once where whether since".split())
_LINK = frozenset("and or nor plus but so".split())
_LOOSE = frozenset("with when after since for from while if as because which who that though although before until on in at then whenever except only by than".split())


def _sentence(tokens: list[Token], asks: bool, staged: bool, end: int) -> Sentence:
    known = vocabulary()
    words = [token.word for token in tokens]
    amounts = _amounts(tokens)
    found = known.phrases.find(words)
    for amount in amounts:
        for i in amount.at:
            tokens[i].number = True
    kept: list[tuple[str, tuple[int, ...]]] = []
    for match in found:
        if any(tokens[i].mark and _PAUSE.intersection(tokens[i].mark) for i in range(match.at[0] + 1, match.at[-1] + 1)):
            continue
        kept.append((match.label, match.at))
    denies = _sign(tokens, {i for label, at in kept if len(at) > 1 and label not in known.denials for i in at})
    starts = [0]
    for i in range(1, len(tokens)):
        if tokens[i].mark or (words[i] in _LINK and i + 1 < len(tokens)) or words[i] in _LOOSE:
            starts.append(i)
    return Sentence(tokens, kept, amounts, starts, asks, staged, denies, end)


def _sign(tokens: list[Token], taken: set[int]) -> frozenset[int]:
    """Marks what is denied; gives the positions of the words that deny.

    Args:
        tokens: The words of a sentence.
        taken: Positions of words that belong to a phrase, which may hold a denying word of its own.
    """
    known = vocabulary()
    denies: set[int] = set()
    active, begun, under = -1, 0, False
    n = len(tokens)
    for i, token in enumerate(tokens):
        word = token.word
        after = tokens[i + 1] if i + 1 < n else None
        fresh = False
        if word in _TURN:
            fresh = True
        elif token.mark or word in _LINK:
            j = i + (word in _LINK)
            fresh = j < n and tokens[j].word in _CLAUSE and not (word in ("or", "nor"))
            if token.mark and ":" in token.mark:
                fresh = True
            if not fresh and active < 0:
                begun = i
        if fresh:
            active, begun, under = -1, i, False
        if word in known.denying and i not in taken:
            if word == "no" and (after is None or after.mark) and (i == begun or token.mark or i == 0):
                continue  # "No, ..." answers and denies nothing of what follows.
            if active < 0:
                for before in tokens[begun:i]:
                    before.sign = 0
            denies.add(i)
            active, under = i, False
            continue
        if word in _UNDER and active >= 0:
            under = True
        if active >= 0:
            token.sign = 0 if under else -1
    for i in denies:
        scope = [t for t in tokens[i + 1 :] if t.sign == -1 and t.word not in known.free]
        if not scope:
            for j in range(i - 1, -1, -1):
                if tokens[j + 1].mark or tokens[j].word in _TURN:
                    break
                tokens[j].sign = -1
    return frozenset(denies)


def _amounts(tokens: Sequence[Token]) -> list[Amount]:
    known = vocabulary()
    found: list[Amount] = []
    i = 0
    while i < len(tokens):
        at = [i]
        token = tokens[i]
        value: float | None = None
        if token.number and token.word[0].isdigit():
            value = _number(token.word)
        elif token.word in known.tens:
            value = known.tens[token.word]
            if i + 1 < len(tokens) and not tokens[i + 1].mark and 0 < known.numbers.get(tokens[i + 1].word, 0) < 10:
                value += known.numbers[tokens[i + 1].word]
                at.append(i + 1)
        elif token.word in known.numbers and not (token.word == "one" and not _counts(tokens, i)):
            value = known.numbers[token.word]
        elif token.word in ("a", "an", "per", "each", "every") and i + 1 < len(tokens) and tokens[i + 1].word in known.units:
            unit = known.units[tokens[i + 1].word]
            if token.word in ("a", "an") and unit[0] != "#" and not (found and found[-1].at[-1] == i - 1):
                value = 1.0
        if value is None:
            i += 1
            continue
        j = at[-1] + 1
        while j < len(tokens) and j <= at[-1] + 2 and not tokens[j].mark and tokens[j].word in ("and", "a", "half", "of", "or"):
            if tokens[j].word == "half" and j + 1 < len(tokens):
                value += 0.5
                at = list(range(at[0], j + 1))
                j += 1
                break
            j += 1
        else:
            j = at[-1] + 1
        while j < len(tokens) and j <= at[-1] + 3 and tokens[j].word in (("of", "a", "an") if value == 0.5 else ("of", "more", "solid", "full", "long", "good", "whole", "last")):
            j += 1
        unit_at = j if j < len(tokens) and not tokens[j].mark and tokens[j].word in known.units else None
        if unit_at is None:
            found.append(Amount(value, "", "", tuple(at)))
            i = at[-1] + 1
        else:
            dimension, size = known.units[tokens[unit_at].word]
            found.append(Amount(value * size, dimension, tokens[unit_at].word, (*at, *range(at[-1] + 1, unit_at + 1))))
            i = unit_at + 1
    return found


def _counts(tokens: Sequence[Token], i: int) -> bool:
    """Whether "one" counts something rather than stands for it."""
    after = tokens[i + 1] if i + 1 < len(tokens) else None
    before = tokens[i - 1].word if i else ""
    return after is not None and not after.mark and before not in ("the", "this", "that", "which", "no", "my", "left", "right") and after.word not in vocabulary().free


def _number(text: str) -> float | None:
    digits = text.replace(",", "") if re.fullmatch(r"\d{1,3}(?:,\d{3})+", text) else text.replace(",", ".").replace(":", ".")
    try:
        return float(digits) if len(digits) < 12 else None
    except ValueError:
        return None
