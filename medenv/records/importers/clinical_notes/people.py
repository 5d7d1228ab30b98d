"""What identifies people in a note, put in words that identify nobody: names, dates, places, and masks left of them."""

from __future__ import annotations

import re
from collections.abc import Callable

from medenv.records.importers.report import Tally
from medenv.records.importers.rules import Rules

__all__ = ["anonymised"]

RULES = Rules("clinical_notes/clinical_notes.json")
MOST_NAMES = 20
"""More names than this no patient has."""

_WORD = r"[A-Z\u00c0-\u00de][a-z\u00df-\u00ff]+(?:[-'\u2019][A-Z][a-z]+)?"
_TITLE = r"(?:Mr|Mrs|Ms|Mx|Miss)\b\.?"
_FULL_NAME = rf"(?:{_WORD}|[A-Z]\.)(?: (?:{_WORD}|[A-Z]\.)){{0,2}}"
_INTRODUCED = re.compile(
    rf"(?:^|(?<=[.\n]) ?|{_TITLE} )(?P<name>{_FULL_NAME}),? (?:is|was|presents as)?,? ?an? [^.\n]{{0,60}}?"
    r"\d{1,3}[- ]?(?:y\b|yo\b|y/o|y\.o|year|month|week|day)",
    re.M,
)
_TITLED = re.compile(rf"\b{_TITLE} (?P<name>{_FULL_NAME})")
_YEAR = r"(?:19|20)\d\d"
_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December|"
    r"(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?)"
)
_DATE = (
    rf"(?:{_YEAR}[-/]\d{{1,2}}(?:[-/]\d{{1,2}})?|\d{{1,2}}/\d{{1,2}}/(?:{_YEAR}|\d\d)|"
    rf"\d{{1,2}}-\d{{1,2}}-{_YEAR}|\d{{1,2}}/{_YEAR}"
    rf"|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?(?:,? {_YEAR})?|\d{{1,2}} {_MONTH}(?: {_YEAR})?|{_MONTH},? (?:of )?{_YEAR})"
)
_BEFORE_DATE = r"(?:on|in|dated|from|since|until|till|by|as of|of)"
_DATED = re.compile(
    rf"(?<![\w/.])(?:(?P<word>\b{_BEFORE_DATE}) )?(?P<date>{_DATE})(?: and (?P<date2>{_DATE}))?(?![\w/])"
)
_DAY_OF_YEAR = re.compile(r" (?:on|by) \d{1,2}/\d{1,2}(?![\w/%])")
_MASK = re.compile(r"\[\*\*(?P<what>[^\]]{0,120}?)\*\*\]|_{2,}")
_BEFORE_MASK = re.compile(r" ?\b(?:on|in|at|by|from|since|until|dated|of|to) ?$", re.I)
_TITLE_BEFORE = re.compile(r"\b(?:Dr|Mr|Mrs|Ms|Mx|Miss|Prof)\.? ?$")
_SPACES = re.compile(r"[ \t]{2,}")


def anonymised(note: str, tally: Tally) -> str:
    """The note without names, institutions, days and masks; each is counted by its kind.

    The patient's own name becomes "the patient", a doctor's "another doctor", a date its year. Where patterns see
    nothing the de-identification gate looks again, as for every record.
    """

    def counting(kind: str, words: str | Callable[[re.Match[str]], str]) -> Callable[[re.Match[str]], str]:
        def replace(match: re.Match[str]) -> str:
            tally.identifiers[kind] += 1
            new = words if isinstance(words, str) else words(match)
            starts = (
                re.search(r"(?:^|[.!?:\n\u2022-]\s*)$", note[max(0, match.start() - 8) : match.start()]) is not None
            )
            return new[:1].upper() + new[1:] if starts else new

        return replace

    def sub(kind: str, pattern: re.Pattern[str], words: str | Callable[[re.Match[str]], str]) -> None:
        nonlocal note
        note = pattern.sub(counting(kind, words), note)

    note = _unmasked(note, tally)
    for kind, pattern, words in RULES.data["people"]:
        sub(kind, re.compile(pattern), words)
    for name in _names_of_the_patient(note):
        titled = rf"(?:{_TITLE} )?{re.escape(name)}\b"
        sub("name", re.compile(rf"\b{titled}(?!['\u2019]s)"), "the patient")
        sub("name", re.compile(rf"\b{titled}(?=['\u2019]s)"), "the patient")
    sub("name", _TITLED, "the patient")
    sub("date", _DATED, _year_of)
    sub("date", _DAY_OF_YEAR, "")
    return _SPACES.sub(" ", note)


def _names_of_the_patient(note: str) -> list[str]:
    """The names by which a note calls the patient, the longest first."""
    found: dict[str, None] = {}
    for pattern in (_INTRODUCED, _TITLED):
        for match in pattern.finditer(note):
            words = match["name"].split()
            if words[0] in RULES.data["no_names"]:
                continue
            found[match["name"]] = None
            found |= {word: None for word in words if len(word) > 2 and word not in RULES.data["no_names"]}
    return sorted(found, key=lambda name: (-len(name), name))[:MOST_NAMES]


def _year_of(match: re.Match[str]) -> str:
    """The date as its year, with the word that goes before a year; nothing where it has none."""
    year = re.search(rf"\b{_YEAR}\b", match["date"]) or re.search(rf"\b{_YEAR}\b", match["date2"] or "")
    if year is None:
        return ""
    word = match["word"]
    return f"{'in' if word in ('on', 'by', 'dated') else word} {year.group()}" if word else year.group()


def _unmasked(note: str, tally: Tally) -> str:
    """The note with each mask put in plain words by what it hides, or taken out with the word before it."""
    kept: list[str] = []
    written, end = "", 0
    for mask in _MASK.finditer(note):
        tally.identifiers["mask of the source"] += 1
        hidden = mask["what"] or ""
        words = next((words for pattern, words in RULES.data["masks"] if re.search(pattern, hidden, re.I)), "")
        cut = max(end, mask.start() - _LOOK_BACK)
        head, tail = note[end:cut], note[cut : mask.start()]
        before = _TITLE_BEFORE.sub("", f"{written}{head[-_LOOK_BACK:]}{tail}"[-_LOOK_BACK:])
        if _SENTENCE_START.search(before):
            words = words[:1].upper() + words[1:]
        tail = _TITLE_BEFORE.sub("", tail) + words if words else _BEFORE_MASK.sub("", tail)
        kept += (head, tail)
        written, end = f"{written}{head[-_LOOK_BACK:]}{tail}"[-_LOOK_BACK:], mask.end()
    return "".join(kept) + note[end:]


_LOOK_BACK = 20
_SENTENCE_START = re.compile(r"(?:^|[.!?:\n]\s*)$")
