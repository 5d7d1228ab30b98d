"""Assertions: a patient's words cut into short runs of which each says one thing, with what is denied in them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from medenv.consultation.phrases import Phrases
from medenv.consultation.words import Words

__all__ = ["Amount", "Cut", "Sentence", "Token", "Vocabulary", "cut", "read", "sentence_of", "vocabulary"]

_TOKEN = re.compile(
    r"\d+(?:[.,:]\d+)*|[^\W\d_]+(?:['\u2019\u02bc`\u00b4][^\W\d_]+)*|(?<=\s)-(?=\s)|[^\w\s'\u2019\u02bc`\u00b4/-]+|[/_]"
)
_END = frozenset(".?!;\n\u2026\u3002\uff1f\uff01*()[]")
_PAUSE = frozenset(",:\u2013\u2014\uff0c\u3001-")
_SIGNS = frozenset("\"'%&+=<>#@\u201c\u201d\u2018\u2019\u00b0$\u00a3\u20ac~^|{}\\")
_MARKS = _END | _PAUSE
_OPENING = frozenset("*([")


_HALF, _TEN = 0.5, 10
_ONE = frozenset(("a", "an"))
_PART_OF = frozenset(("of", "a", "an"))
_FILLERS = frozenset(("of", "more", "solid", "full", "long", "good", "whole", "last"))
"""Words that may stand between a number and its unit."""
MAX_SENTENCE = 60
"""The most words that are read as one sentence."""


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


class Cut(NamedTuple):
    """The words of one sentence, of which nothing else is known yet."""

    tokens: list[Token]
    asks: bool
    staged: bool
    """Whether it stands in brackets or asterisks."""
    end: int


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

    def parts_at(self, i: int) -> bool:
        """Whether a pause or a link, not only a preposition, stands before what a word begins."""
        return not i or bool(self.tokens[i].mark) or self.tokens[i].word in vocabulary().sets["links"]

    def where(self, i: int) -> int:
        """Where in the text the word at a position begins; after the last one, where the sentence ends."""
        return self.tokens[i].start if i < len(self.tokens) else self.end

    def part(self, start: int, stop: int) -> Sentence:
        """Some of its words as a sentence."""
        if not start and stop == len(self.tokens):
            return self
        inside = range(start, stop)

        def moved(at: Iterable[int]) -> tuple[int, ...]:
            return tuple(i - start for i in at)

        return Sentence(
            self.tokens[start:stop],
            [(label, moved(at)) for label, at in self.phrases if at[0] in inside and at[-1] in inside],
            [replace(a, at=moved(a.at)) for a in self.amounts if a.at[0] in inside and a.at[-1] in inside],
            sorted({0, *(i - start for i in self.starts if i in inside)}),
            self.asks and stop == len(self.tokens),
            self.staged,
            frozenset(i - start for i in self.denies if i in inside),
            self.where(stop),
        )


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of `grounding.json`, compiled."""

    words: Words
    free: frozenset[str]
    weak: frozenset[str]
    denying: frozenset[str]
    phrases: Phrases[str]
    opposites: Mapping[str, tuple[tuple[int, int], ...]]
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
    sides = [
        [
            frozenset(word for word in side.split() if word[0] == "~") | flat([w for w in side.split() if w[0] != "~"])
            for side in group
        ]
        for group in data["opposites"]
    ]
    return Vocabulary(
        words=words,
        free=free,
        weak=flat(data["weak"]),
        denying=flat(data["denying"]),
        phrases=Phrases(patterns),
        opposites={
            name: tuple((n, m) for n, group in enumerate(sides) for m, side in enumerate(group) if name in side)
            for name in frozenset().union(*(side for group in sides for side in group))
        },
        kin=flat(data["kin"]),
        sets={name: flat(texts) for name, texts in data["sets"].items()},
        marks=frozenset(f"~{name}" for name in data["marks"]),
        weakly=frozenset(f"~{name}" for name in data["sets"]["weakly"].split()),
        denials={f"~{name}": f"~{denied}" for name, denied in data["denials"].items()},
        units={
            form: (unit, float(size))
            for unit, sizes in data["units"].items()
            for word, size in sizes.items()
            for form in words.normal(word)
        },
        numbers={form: float(n) for word, n in data["numbers"].items() for form in words.normal(word)},
        tens={form: float(n) for word, n in data["tens"].items() for form in words.normal(word)},
        cjk=frozenset(data["cjk"]),
    )


def read(text: str) -> list[Sentence]:
    """Cuts a text into sentences and each of these into runs."""
    return [sentence_of(each) for each in cut(text)]


def cut(text: str) -> Iterator[Cut]:
    """Cuts a text into sentences, the cheap part of reading it."""
    known = vocabulary()
    tokens: list[Token] = []
    mark, staged = "", False
    end = 0
    for match in _TOKEN.finditer(text):
        token = match.group()
        first = token[0]
        if len(tokens) >= MAX_SENTENCE:
            yield Cut(tokens, False, staged, match.start())
            tokens = []
        if first.isdigit():
            tokens.append(Token(token, match.start(), match.end(), mark, number=True))
            mark = ""
        elif first.isalpha():
            for word in known.words.normal(token.lower()):
                tokens.append(Token(word, match.start(), match.end(), mark))
                mark = ""
        elif not _SIGNS.issuperset(token) and not _MARKS.issuperset(token) and token not in "/_-":
            tokens.append(Token(token, match.start(), match.end(), mark))
            mark = ""
        elif not _END.isdisjoint(token) and not (token == "." and _abbreviates(text, match.start(), tokens)):
            if tokens:
                end = match.end()
                yield Cut(tokens, "?" in token or "\uff1f" in token, staged, end)
            tokens, mark = [], ""
            if not _OPENING.isdisjoint(token):
                staged = not staged if "*" in token else True
            elif ")" in token or "]" in token:
                staged = False
        elif token not in "/_":
            mark += token
    if tokens:
        yield Cut(tokens, False, staged, len(text))


def _abbreviates(text: str, at: int, tokens: Sequence[Token]) -> bool:
    return bool(tokens) and tokens[-1].word in ("dr", "mr", "mrs", "ms", "st") and text[at + 1 : at + 2] == " "


def sentence_of(piece: Cut) -> Sentence:
    """A sentence with what is in it; done once, for it marks the words that are denied."""
    known, tokens = vocabulary(), piece.tokens
    words = [token.word for token in tokens]
    amounts = _amounts(tokens)
    found = known.phrases.find(words)
    for amount in amounts:
        for i in amount.at:
            tokens[i].number = True
    kept: list[tuple[str, tuple[int, ...]]] = []
    for match in found:
        if any(
            tokens[i].mark and _PAUSE.intersection(tokens[i].mark) for i in range(match.at[0] + 1, match.at[-1] + 1)
        ):
            continue
        kept.append((match.label, match.at))
    denies = _sign(tokens, {i for label, at in kept if len(at) > 1 and label not in known.denials for i in at})
    idioms = [at for _, at in kept if known.free.issuperset(words[j] for j in at)]
    within = {i for at in idioms for i in range(at[0] + 1, at[-1] + 1)}
    starts = [0]
    for i in range(1, len(tokens)):
        if i in within:
            continue
        links = words[i] in known.sets["links"] and i + 1 < len(tokens)
        if tokens[i].mark or links or words[i] in known.sets["loose"]:
            starts.append(i)
    return Sentence(tokens, kept, amounts, starts, piece.asks, piece.staged, denies, piece.end)


def _sign(tokens: list[Token], taken: set[int]) -> frozenset[int]:
    """Marks what is denied; gives the positions of the words that deny.

    Args:
        tokens: The words of a sentence.
        taken: Positions of words that belong to a phrase; a denying word of its own ("cannot sleep") denies
            its words, but nothing else.
    """
    known = vocabulary()
    denies: set[int] = set()
    turns, links, starts = known.sets["turns"], known.sets["links"], known.sets["starts"]
    active, begun, under = -1, 0, False
    n = len(tokens)
    for i, token in enumerate(tokens):
        word = token.word
        after = tokens[i + 1] if i + 1 < n else None
        fresh = False
        if word in turns:
            fresh = True
        elif token.mark or word in links:
            j = i + (word in links)
            fresh = j < n and tokens[j].word in starts and word not in ("or", "nor")
            if token.mark and ":" in token.mark:
                fresh = True
            if not fresh and active < 0:
                begun = i
        if fresh:
            active, begun, under = -1, i, False
        elif active < 0 and word in starts:
            begun = i
        if word in known.denying:
            if word == "no" and (after is None or after.mark) and (i == begun or token.mark or i == 0):
                continue  # "No, ..." answers and denies nothing of what follows.
            if active < 0:
                for before in tokens[begun:i]:
                    before.sign = 0
            if i not in taken:
                denies.add(i)
            active, under = i, False
            continue
        if word in known.sets["under"] and active >= 0:
            under = True
        if active >= 0:
            token.sign = 0 if under else -1
    for i in denies:
        scope = itertools.takewhile(lambda t: t.sign == -1, tokens[i + 1 :])
        if all(t.word in known.free for t in scope):  # "The fever is not there."
            for j in range(i - 1, -1, -1):
                if tokens[j + 1].mark or tokens[j].word in turns:
                    break
                tokens[j].sign = -1
    return frozenset(denies)


def _amounts(tokens: Sequence[Token]) -> list[Amount]:
    """The numbers of a sentence, each with the unit that follows it."""
    known = vocabulary()
    found: list[Amount] = []
    i = 0
    while i < len(tokens):
        said = _value(tokens, i, after=bool(found) and found[-1].at[-1] == i - 1)
        if said is None:
            i += 1
            continue
        value, stop = said
        unit = _unit_after(tokens, stop, halved=value == _HALF)
        if unit is None:
            found.append(Amount(value, "", "", tuple(range(i, stop))))
        else:
            dimension, size = known.units[tokens[unit].word]
            stop = unit + 1
            found.append(Amount(value * size, dimension, tokens[unit].word, tuple(range(i, stop))))
        i = stop
    return found


def _value(tokens: Sequence[Token], i: int, *, after: bool) -> tuple[float, int] | None:
    """The number that begins at a word, and where it ends; `after` another number "a" counts nothing ("two a day")."""
    known, word = vocabulary(), tokens[i].word
    following = tokens[i + 1] if i + 1 < len(tokens) and not tokens[i + 1].mark else None
    value: float | None = None
    stop = i + 1
    if tokens[i].number:
        value = _number(word)
    elif word in known.tens:
        value = known.tens[word]
        ones = known.numbers.get(following.word, 0.0) if following is not None else 0.0
        if 1 <= ones < _TEN:
            value, stop = value + ones, i + 2
    elif word in known.numbers and (word != "one" or _counts(tokens, i)):
        value = known.numbers[word]
    elif word in _ONE and not after and following is not None and following.word in known.units:
        value = 1.0
    if value is None:
        return None
    for more in (("and", "a", "half"), ("and", "half")):
        if tuple(token.word for token in tokens[stop : stop + len(more)]) == more:
            return value + _HALF, stop + len(more)
    return value, stop


def _unit_after(tokens: Sequence[Token], i: int, *, halved: bool) -> int | None:
    """Where the unit of a number stands that ends before a word."""
    between = _PART_OF if halved else _FILLERS
    stop = min(len(tokens), i + 3)
    while i < stop and tokens[i].word in between and not tokens[i].mark:
        i += 1
    here = i < len(tokens) and not tokens[i].mark and tokens[i].word in vocabulary().units
    return i if here else None


def _counts(tokens: Sequence[Token], i: int) -> bool:
    """Whether "one" counts something rather than stands for it."""
    after = tokens[i + 1] if i + 1 < len(tokens) else None
    before = tokens[i - 1].word if i else ""
    return (
        after is not None
        and not after.mark
        and before not in ("the", "this", "that", "which", "no", "my", "left", "right")
        and after.word not in vocabulary().free
    )


def _number(text: str) -> float | None:
    digits = (
        text.replace(",", "") if re.fullmatch(r"\d{1,3}(?:,\d{3})+", text) else text.replace(",", ".").replace(":", ".")
    )
    try:
        return float(digits) if len(digits) < 12 else None
    except ValueError:
        return None
