"""From the name of a diagnosis to every name that counts as naming it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

from medenv.records.record import Diagnosis

__all__ = ["diagnosis_from"]

_POSSESSIVE = r"['\u2019]s?\b"


@cache
def _groups() -> Mapping[str, tuple[str, ...]]:
    text = resources.files("medenv.records.importers").joinpath("diagnosis_names.json").read_text("utf-8")
    return {_key(name): tuple(group) for group in json.loads(text) for name in group}


def _key(name: str) -> str:
    return re.sub(rf"{_POSSESSIVE}| at (?:its|the) (?:point|site) .*", "", name).casefold().strip()


_SPELLINGS = (
    ("tumor", "tumour"), ("leukemia", "leukaemia"), ("hemo", "haemo"), ("anemia", "anaemia"), ("edema", "oedema"),
    ("ischemi", "ischaemi"), ("esophag", "oesophag"), ("pediatric", "paediatric"), ("behavior", "behaviour"),
    ("cythemia", "cythaemia"), ("globulinemia", "globulinaemia"), ("seborrheic", "seborrhoeic"), ("uremi", "uraemi"),
    ("gonorrhea", "gonorrhoea"), ("glycemi", "glycaemi"), ("gynec", "gynaec"), ("diarrhea", "diarrhoea"),
)  # fmt: skip
"""American and British spellings of the same part of a word."""


def diagnosis_from(text: str) -> Diagnosis:
    """The diagnosis with the other names that count as naming it.

    They are the abbreviation in brackets after it, the names of `diagnosis_names.json`, other spellings, the name
    without its possessive, the bare eponym of a name with one, and "uterus rupture" for "rupture of the uterus".
    """
    name, found = text.strip(" ."), []
    if m := re.fullmatch(r"(?P<name>.+?)\s*\((?P<short>[A-Z][A-Za-z0-9-]{1,9})\)", name):
        name, found = m["name"], [m["short"]]
    names = [name, *found, *_groups().get(_key(name), ())]
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


def _variants(name: str) -> list[str]:
    found = [re.sub(_POSSESSIVE, "", name)]
    if m := re.fullmatch(r"(?P<eponym>[A-Z]\w+[^s\W])(?<!ing) (?P<kind>disease|syndrome)", found[0]):
        found.append(f"{m['eponym']}'s {m['kind']}")
    if m := re.fullmatch(r"(?P<what>\w+) of (?:the )?(?P<where>\w+)", name):
        found.append(f"{m['where']} {m['what'].lower()}")
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
