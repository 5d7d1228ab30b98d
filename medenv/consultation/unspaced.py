"""Replies in other scripts, held against the facts of a record by their characters."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Literal, TypeAlias

from medenv.records.record import Fact

__all__ = ["Script", "clauses_of_cjk", "plain_characters", "script_of", "telling_same", "telling_shared"]

Script: TypeAlias = Literal["latin", "cjk", "other"]

_CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")
_MARKS = "\u3002\uff01\uff1f\uff1b\uff0c\u3001.!?;,\n\u2026"
_CLAUSE = re.compile(f"[^{_MARKS}]+[{_MARKS}]*")
_DENIES = re.compile("[不没沒无無非未否别莫]|ない|ません|없|안|아니|못")
_KEPT = (
    re.compile("[0-9]+|[一二两兩三四五六七八九十百半]+"),
    re.compile("[左右上下前后後父母兄弟姐妹早晚爸妈媽哥红黑白黄绿]"),
)
"""Numbers, sides, relatives, times of day and colours: what a clause says of these the fact has to say, too."""
_ALIKE, _SHARED = 0.5, 0.8
"""How much of a clause's pairs of characters stands in a fact that it is about, and in one that backs it."""
_MOSTLY = 0.9


def script_of(text: str) -> Script:
    """The script that nearly all letters of a text belong to."""
    if text.isascii():
        return "latin"
    letters = [char for char in text if char.isalpha()]
    latin = sum(char < "\u0250" or "\u1e00" <= char < "\u1f00" for char in letters)
    if latin >= _MOSTLY * len(letters):
        return "latin"
    cjk = sum(_CJK.match(char) is not None for char in letters)
    return "cjk" if latin + cjk >= _MOSTLY * len(letters) else "other"


def clauses_of_cjk(text: str) -> Iterator[tuple[int, int]]:
    """Where the clauses of a text without spaces stand."""
    for match in _CLAUSE.finditer(text):
        yield match.start(), match.end()


def plain_characters(text: str) -> str:
    """Only the letters and digits of a text, in lower case."""
    return "".join(char for char in text.casefold() if char.isalnum())


def telling_shared(said: str, facts: Sequence[Fact]) -> Iterator[tuple[Fact, bool]]:
    """The facts that share many pairs of characters with a clause, and whether each tells what it says."""
    pairs = _pairs(said)
    for fact in facts:
        texts = [plain_characters(text) for text in (fact.lay, fact.statement)]
        shares = [len(pairs & _pairs(text)) / len(pairs) for text in texts]
        if max(shares) >= _ALIKE:
            yield fact, any(share >= _SHARED and _keeps(said, text) for share, text in zip(shares, texts, strict=True))


def _keeps(said: str, text: str) -> bool:
    kept = all(set(kind.findall(said)) <= set(kind.findall(text)) for kind in _KEPT)
    return kept and bool(_DENIES.search(said)) == bool(_DENIES.search(text))


def telling_same(said: str, facts: Collection[Fact]) -> list[Fact]:
    """The facts of which a text is the very words."""
    return [fact for fact in facts if said in (plain_characters(fact.lay), plain_characters(fact.statement))]


def _pairs(text: str) -> frozenset[str]:
    return frozenset(text[i : i + 2] for i in range(max(1, len(text) - 1)))
