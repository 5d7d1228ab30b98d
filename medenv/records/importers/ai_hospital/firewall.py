"""The firewall for Chinese texts: what names the diagnosis or a person is cut out of them.

The general firewall looks for names of three characters or fewer as whole words, which Chinese, written without
spaces, does not have; and it knows no Chinese dates, ages, names or places. Both are looked for here by rules, which
are data in `ai_hospital.json`, before the general ones have their turn.
"""

# ruff: noqa: RUF001 (Chinese punctuation is meant)

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache

from medenv.records.deidentify import find_identifiers
from medenv.records.importers.report import Tally
from medenv.records.importers.rules import Rules
from medenv.records.leaks import find_leaks, redact
from medenv.records.record import Diagnosis

__all__ = ["RULES", "ChineseFirewall", "diagnoses_from", "without_identifiers"]

RULES = Rules("ai_hospital/ai_hospital.json")
LONGEST_NAME = 40
"""In characters; what is longer is no name but a sentence."""
LONGEST_ATTRIBUTE = 4
"""In characters, of what may stand before a known name and make it one of a kind."""
LONGEST_SINGLE = 10
"""In characters; what is longer may be several names."""
LONGEST_ITEM = 200
"""In characters, of which a list of diagnoses is read."""
SHORTEST_STEM = 3
"""In characters."""
MOST_NAMES = 60


class ChineseFirewall:
    """Keeps the diagnosis and identifiers out of what other seats may see, and counts what it did."""

    def __init__(self, diagnosis: Diagnosis, tally: Tally) -> None:
        self.diagnosis = diagnosis
        self.tally = tally
        self._pattern = _pattern((*diagnosis.names, *_broader(diagnosis)))
        stems = (RULES.pattern("name_end").sub("", _folded(name)) for name in diagnosis.names)
        self._stems = {stem for stem in stems if len(stem) >= SHORTEST_STEM}

    def names(self, text: str) -> bool:
        """Whether a text names the diagnosis."""
        return bool(self._pattern.search(_folded(text)) or find_leaks(text, self.diagnosis))

    def clean(self, text: str, what: str) -> str:
        """The text without identifiers and without the clauses that name the diagnosis."""
        text = without_identifiers(text, self.tally)
        if not self.names(text):
            return text
        parts = re.split(r"(?<=[，,；;。\n])", text)
        kept = "".join(part for part in parts if not self.names(part)).rstrip("，,；; ")
        if kept and not self.names(kept):
            self.tally.leaks[f"{what}: conclusion cut off"] += 1
            return kept
        self.tally.leaks[f"{what}: name withheld"] += 1
        withheld = str(RULES.data["withheld"])
        left = redact(self._pattern.sub(withheld, _folded(text)), self.diagnosis, withheld)
        return withheld if self.names(left) else left

    def shows(self, text: str) -> bool:
        """Whether a text has the stem of a name of the diagnosis, such as that of the germ which causes it."""
        return any(stem in _folded(text) for stem in self._stems)


def without_identifiers(text: str, tally: Tally) -> str:
    """The text without what may identify a person; the kinds are counted."""
    for kind, pattern, instead in _identifiers():
        for match in pattern.finditer(text):
            if match.group():
                tally.identifiers[kind] += 1
        text = pattern.sub(lambda m, instead=instead: instead.format_map(m.groupdict()), text)  # type: ignore[misc]
    for identifier in reversed(find_identifiers(text)):
        tally.identifiers[identifier.kind] += 1
        text = text[: identifier.start] + text[identifier.end :]
    return re.sub(r"[(（]\s*[,，、]*\s*[)）]", "", text)


def diagnoses_from(text: str) -> list[Diagnosis]:
    """The diagnoses that a section lists, the principal one first, each with the other names for it."""
    found: dict[str, Diagnosis] = {}
    for item in _items(text):
        for name in _split_known(item):
            if name and not RULES.pattern("no_diagnosis").search(name) and not RULES.pattern("no_name").search(name):
                found.setdefault(name, _named(name))
    return list(found.values())


def _items(text: str) -> Iterator[str]:
    """The items of a numbered or plain list, each without its number and what stands in brackets."""
    text = re.sub(r"(?<=[\u4e00-\u9fff）)A-Za-z])\s*(\d{1,2}[.、．)])(?=\s*\S)", r"\n\1", text)
    for line in re.split(r"[\n；;。]|\s+(?=[一二三四五六七八九十]{1,3}、)|（\d{1,2}）|\(\d{1,2}\)", text):
        line = re.sub(r"^\s*(?:\d{1,2}\s*[.、．)）]|[一二三四五六七八九十]{1,3}、|[-•·*])\s*", "", line.strip())
        for part in re.split(r"[，,：:、]|\s{2,}", line):
            yield part.strip(" \t.?？!！“”\"'")


def _split_known(item: str) -> Iterator[str]:
    """One name, or several that stand side by side with nothing between them."""
    bare = re.sub(r"[(（][^()（）]*[)）]", "", item[:LONGEST_ITEM]).strip()
    if len(bare) <= LONGEST_SINGLE:
        yield item if len(item) <= LONGEST_NAME else bare
        return
    start = 0
    places = list(_known().finditer(bare))
    for m in places[:-1]:
        if not RULES.pattern("name_rest").match(bare[m.end() :]):
            yield bare[start : m.end()]
            start = m.end()
    if len(bare) - start <= LONGEST_NAME:
        yield bare[start:]


def _named(item: str) -> Diagnosis:
    short = [m.strip() for m in re.findall(r"[(（]([A-Za-z][A-Za-z0-9 -]{1,14})[)）]", item)]
    name = re.sub(r"[(（][^()（）]*[)）]", "", item).strip() or item
    names = {name: None, **dict.fromkeys(short)}
    for base in (re.sub(RULES.data["name_rest"], "", name), name):
        bare = base
        while (shorter := re.sub(RULES.data["name_prefix"], "", bare)) != bare:
            bare = shorter
        names |= dict.fromkeys(n for n in (base, bare) if len(n) > 1)
    for known in list(names):
        folded = _folded(known)
        m = _known().search(folded)
        if m and 0 < m.start() <= LONGEST_ATTRIBUTE and m.end() == len(folded):
            names |= dict.fromkeys(_groups()[m.group()])
        names |= dict.fromkeys(_groups().get(folded, ()))
    others = [other for other in names if other != name and len(other) > 1]
    return Diagnosis(name, tuple(others[:MOST_NAMES]))


def _broader(diagnosis: Diagnosis) -> Iterator[str]:
    """Names of what the diagnosis is a kind of: they do not name it, and yet tell too much."""
    for name in map(_folded, diagnosis.names):
        for start in range(1, len(name) - 1):
            yield from _groups().get(name[start:], ())


def _folded(text: str) -> str:
    return re.sub(r"(?<=[^\x00-\x7f])\s+(?=[^\x00-\x7f])", "", unicodedata.normalize("NFKC", text)).casefold()


@cache
def _groups() -> Mapping[str, Sequence[str]]:
    return {_folded(name): group for group in RULES.data["diagnoses"] for name in group}


@cache
def _known() -> re.Pattern[str]:
    names = sorted((n for n in _groups() if not n.isascii()), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, names)))


def _pattern(names: Iterable[str]) -> re.Pattern[str]:
    parts = []
    for name in sorted({_folded(n) for n in names}, key=len, reverse=True):
        parts.append(rf"(?<![a-z0-9]){re.escape(name)}(?![a-z0-9])" if name.isascii() else re.escape(name))
    return re.compile("|".join(parts))


@cache
def _identifiers() -> Sequence[tuple[str, re.Pattern[str], str]]:
    return tuple((kind, re.compile(pattern), instead) for kind, pattern, instead in RULES.data["identifiers"])
