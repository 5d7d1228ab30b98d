"""From the name of a diagnosis to every name that counts as naming it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

from medenv.records.record import Diagnosis

__all__ = ["diagnosis_from"]


@cache
def _diagnosis_groups() -> Mapping[str, tuple[str, ...]]:
    text = resources.files("medenv.records.importers").joinpath("diagnosis_names.json").read_text("utf-8")
    return {_name_key(name): tuple(group) for group in json.loads(text) for name in group}


def _name_key(name: str) -> str:
    return re.sub(r"['\u2019]s?\b", "", name).casefold().strip()


_SPELLINGS = (
    ("tumor", "tumour"), ("leukemia", "leukaemia"), ("hemo", "haemo"), ("hemorr", "haemorr"), ("anemia", "anaemia"),
    ("ischemi", "ischaemi"), ("edema", "oedema"), ("esophag", "oesophag"), ("pediatric", "paediatric"), ("behavior", "behaviour"),
    ("cythemia", "cythaemia"), ("globulinemia", "globulinaemia"), ("seborrheic", "seborrhoeic"), ("gonorrhea", "gonorrhoea"),
    ("glycemi", "glycaemi"), ("uremi", "uraemi"), ("gynec", "gynaec"), ("diarrhea", "diarrhoea"), ("fetal", "foetal"),
)  # fmt: skip


def diagnosis_from(text: str) -> Diagnosis:
    """The diagnosis with the other names that count as naming it: abbreviation, spelling, possessive, word order."""
    name, short = text.strip(" ."), []
    if m := re.fullmatch(r"(?P<name>.+?)\s*\((?P<short>[A-Z][A-Za-z0-9-]{1,9})\)", name):
        name, short = m["name"], [m["short"]]
    names = [name, *short, *_diagnosis_groups().get(_name_key(name), ())]
    for known in list(names):
        plain = re.sub(r"['\u2019]s?\b", "", known)
        names.append(plain)
        if m := re.fullmatch(r"(?P<eponym>[A-Z]\w+) (?P<kind>disease|syndrome)", plain):
            names.append(f"{m['eponym']}'s {m['kind']}")
            if "\u2019" in known or "'" in known:
                names.append(m["eponym"])
        if m := re.fullmatch(r"(?P<what>\w+) of (?:the )?(?P<where>\w+)", known):
            names.append(f"{m['where']} {m['what'].lower()}")
        for american, british in _SPELLINGS:
            for a, b in ((american, british), (british, american)):
                if re.search(rf"(?i){a}", known) and not (a in b and re.search(rf"(?i){b}", known)):
                    names.append(
                        re.sub(rf"(?i){a}", lambda m, b=b: b.capitalize() if m.group()[0].isupper() else b, known)
                    )  # type: ignore[misc]
    unique = {n.casefold(): n for n in reversed(names) if len(n) > 1}
    unique.pop(name.casefold(), None)
    return Diagnosis(name, tuple(reversed(unique.values())))
