"""From the name of a diagnosis to every name that counts as naming it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources

from medenv.records.record import Diagnosis

__all__ = ["diagnosis_from"]

_POSSESSIVE = r"['\u2019]s?\b"


@cache
def _groups() -> Mapping[str, tuple[str, ...]]:
    text = resources.files("medenv.records.importers").joinpath("diagnosis_names.json").read_text("utf-8")
    groups = [tuple(group) for group in json.loads(text)]
    return {_key(name): group for group in groups for name in group} | {_key(group[0]): group for group in groups}


def _key(name: str) -> str:
    return re.sub(rf"{_POSSESSIVE}| at (?:its|the) (?:point|site) .*", "", name).casefold().strip()


_SPELLINGS = (
    ("tumor", "tumour"), ("leukemia", "leukaemia"), ("hemo", "haemo"), ("anemia", "anaemia"), ("edema", "oedema"),
    ("ischemi", "ischaemi"), ("esophag", "oesophag"), ("pediatric", "paediatric"), ("behavior", "behaviour"),
    ("cythemia", "cythaemia"), ("globulinemia", "globulinaemia"), ("seborrheic", "seborrhoeic"), ("uremi", "uraemi"),
    ("gonorrhea", "gonorrhoea"), ("glycemi", "glycaemi"), ("gynec", "gynaec"), ("diarrhea", "diarrhoea"),
)  # fmt: skip
"""American and British spellings of the same part of a word."""

_SIDE = r"right|left|bilateral|both|right-sided|left-sided"
_COURSE = (
    r"acute|chronic|subacute|recurrent|mild|moderate|severe|new|new-onset|newly diagnosed|early|advanced|suspected|"
    r"uncontrolled|persistent|symptomatic|large|small|simple|uncomplicated|complicated|stage \w+|grade "
    r"\w+|\S+-(?:positive|negative)"
)
_PLACE = (
    r"(?:distal|proximal|medial|lateral|anterior|posterior|inferior|superior|upper|lower|middle|index|"
    r"ring|little|great|big"
    r"|first|second|third|fourth|fifth|1st|2nd|3rd|4th|5th) |"
    r"(?:hip|knee|ankle|foot|toe|leg|arm|elbow|wrist|hand|finger|thumb|shoulder|neck|back|chest|scalp|facial|ear|eye) "
)
_MODIFIER = re.compile(rf"(?:{_SIDE}|{_COURSE})\s+(?=\w)", re.I)
_SITE = re.compile(rf"{_PLACE}(?=\w)", re.I)
_INJURIES = {
    "fracture": ("fractured", "broken"),
    "sprain": ("sprained",),
    "strain": ("strained",),
    "dislocation": ("dislocated",),
    "contusion": ("bruised",),
    "rupture": ("ruptured",),
    "tear": ("torn",),
}
_EPISODE = re.compile(
    r"(?:\w+ )?(?:exacerbation|flare(?:-?up)?|attack|episode|recurrence) of (?P<x>.+)|"
    r"(?P<y>.+?) (?:exacerbation|flare(?:-?up)?|attack)",
    re.I,
)
_SHORTEST_WORD = 8
"""A name of one word that is left when side and course are taken off names the disease only from this length on."""


def diagnosis_from(text: str) -> Diagnosis:
    """The diagnosis with the other names that count as naming it.

    They are the abbreviation in brackets after it, the names of `diagnosis_names.json`, the name without side, course
    and site ("Acute left ankle sprain" is an ankle sprain), other spellings, the name without its possessive, the bare
    eponym of a name with one, "uterus rupture" for "rupture of the uterus" and "broken wrist" for "wrist fracture".
    """
    name, found = text.strip(" ."), []
    if m := re.fullmatch(r"(?P<name>.+?)\s*\((?P<short>[A-Z][A-Za-z0-9-]{1,9})\)", name):
        name, found = m["name"], [m["short"]]
    names = [name, *found]
    for core in (name, *_cores(name)):
        names += [core, *_groups().get(_key(core), ()), *_groups().get(_key(core).removesuffix("s"), ())]
    for known in list(names):
        names += _variants(known)
    if m := re.fullmatch(rf"(?P<eponym>[A-Z]\w{{4,}}){_POSSESSIVE} (?:disease|syndrome)", name, re.I):
        names.append(m["eponym"])
    unique: dict[str, str] = {}
    for other in names:
        if len(other) > 1:
            unique.setdefault(other.casefold(), other)
    unique.pop(name.casefold(), None)
    return Diagnosis(name, tuple(unique.values()))


def _cores(name: str) -> Iterator[str]:
    """The name with less and less around it: without "exacerbation of", side and course, and the place it stands in."""
    if m := _EPISODE.fullmatch(name):
        name = m["x"] or m["y"]
        yield from _telling(name)
    while m := _MODIFIER.match(name):
        name = name[m.end() :]
        yield from _telling(name)
    if "," in name:
        yield from _telling(name.partition(",")[0])
    if (m := re.match(r"(?P<what>(?:\w[\w/-]* ){1,3}\w[\w-]*) (?:of|in|involving) (?:the )?(?P<where>.+)", name)) and (
        not m["what"].endswith((" of", " in"))
    ):
        yield from _telling(m["what"])
    while m := _SITE.match(name):
        name = name[m.end() :]
        if " " in name or _key(name) in _groups():
            yield from _telling(name)


def _telling(name: str) -> Iterator[str]:
    """The name, and in the singular, where it is long enough to name a disease."""
    if " " in name or len(name) >= _SHORTEST_WORD or _key(name) in _groups():
        yield name
        if re.search(r"[a-z]{3}[^si]s$", name) and not name.endswith("us"):
            yield name[:-1]


def _variants(name: str) -> list[str]:
    found = [re.sub(_POSSESSIVE, "", name)]
    if m := re.fullmatch(r"(?P<eponym>[A-Z]\w+[^s\W])(?<!ing) (?P<kind>disease|syndrome)", found[0]):
        found.append(f"{m['eponym']}'s {m['kind']}")
    if m := re.fullmatch(r"(?P<what>\w+) of (?:the )?(?P<where>\w+)", name):
        found.append(f"{m['where']} {m['what'].lower()}")
    if m := re.fullmatch(
        rf"(?P<where>(?:[\w-]+ ){{0,3}}[\w-]+(?<!al|ar|ic)(?<!ine)) (?P<what>{'|'.join(_INJURIES)})s?", name, re.I
    ):
        found += [f"{done} {m['where'].lower()}" for done in _INJURIES[m["what"].lower()]]
    return found + [
        _respelt(name, ours, theirs)
        for pair in _SPELLINGS
        for ours, theirs in (pair, pair[::-1])
        if re.search(ours, name, re.I) and not (ours in theirs and re.search(theirs, name, re.I))
    ]


def _respelt(name: str, ours: str, theirs: str) -> str:
    def cased(match: re.Match[str]) -> str:
        return theirs.capitalize() if match.group()[0].isupper() else theirs

    return re.sub(ours, cased, name, flags=re.I)
