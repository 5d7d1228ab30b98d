"""A note cut at its headings, whichever way they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from medenv.records.importers.clinical_notes.people import RULES
from medenv.records.importers.report import Tally

__all__ = ["Part", "sections_of"]


@dataclass(frozen=True, slots=True)
class Part:
    """What stands under one heading."""

    section: str
    """The kind of section, a key of `headings` in `clinical_notes.json`."""
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The lines as one text."""
        return "\n".join(self.lines).strip()


_MARKS = r"[ \t]*(?:#{1,6}[ \t]+|\*{1,2}|>[ \t]+)?[ \t]*(?:\d{1,2}[.)][ \t]+|[IVX]{1,4}\.[ \t]+)?"
_LINE = re.compile(
    rf"^{_MARKS}(?P<name>[A-Za-z][A-Za-z /&.,'()-]{{0,60}}?)[ \t]*(?:\*{{1,2}})?(?P<mark>:|$)(?:\*{{1,2}})?"
)
_CAPITALS = re.compile(r"(?:(?<=[.;:] )|(?<=[.;:]\t))(?P<name>[A-Z][A-Z /&]{1,50}):(?=\s)")
_MOST_WORDS = 6


def sections_of(note: str, tally: Tally) -> list[Part]:
    """The parts of a note in order; text before the first heading is a part of kind "".

    A heading is a name that the rules know, in capitals or with a capital letter, alone on a line or before a colon;
    in capitals with a colon it may also stand in the middle of a line. Names in capitals that no rule knows are
    counted, and what stands under them is kept from everybody.
    """
    parts: list[Part] = []
    section, lines = "", []
    for line in _broken(note):
        found, rest = _heading(line, section)
        if found is None:
            lines.append(line)
            continue
        if found == "unknown":
            tally.unmapped_keys[f"heading {line.strip(' :*#')[:60]}"] += 1
        parts.append(Part(section, tuple(lines)))
        section, lines = found, [rest] if rest else []
    parts.append(Part(section, tuple(lines)))
    return [part for part in parts if part.text]


def _broken(note: str) -> Iterator[str]:
    """The lines of a note, a new one before each known heading in capitals."""

    def cut(match: re.Match[str]) -> str:
        return f"\n{match.group()}" if _kind(match["name"]) else match.group()

    yield from _CAPITALS.sub(cut, note.replace("\r\n", "\n").replace("\r", "\n")).split("\n")


def _heading(line: str, section: str) -> tuple[str | None, str]:
    """The kind of section that a line opens, and what stands after the heading on it; None where it opens none."""
    match = _LINE.match(line)
    if match is None:
        return None, ""
    name, rest = match["name"].strip(), line[match.end() :].strip(" *\t")
    inner: Mapping[str, str] = RULES.data["inner_headings"].get(section, {})
    if not rest and (kind := inner.get(name.lower())):
        return kind, ""
    kind = _kind(name) or ""
    if not kind:
        shout = name.isupper() and not rest and len(name) > 3 and len(name.split()) <= _MOST_WORDS
        return ("unknown", "") if shout and section not in RULES.data["free_headings"] else (None, "")
    inside = RULES.data["never_inside"].get(section, ())
    if rest and kind in inside and (not name.isupper() or kind in RULES.data["always_inside"].get(section, ())):
        return None, ""
    return kind, rest


@cache
def _kind(name: str) -> str | None:
    """The kind of section a heading opens."""
    plain = re.sub(r"\s+", " ", name.strip(" :"))
    if not plain[:1].isupper():
        return None
    return next((kind for kind in RULES.data["headings"] if RULES.pattern("headings", kind).fullmatch(plain)), None)
