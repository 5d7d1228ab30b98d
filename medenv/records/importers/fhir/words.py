"""Names of codes as people say them: illnesses, medicines, vaccines and spans of time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from medenv.records.importers.fhir.bundle import RULES, Day
from medenv.records.importers.voice import Voice

__all__ = [
    "Drug",
    "about",
    "drug_of",
    "filled",
    "first_match",
    "fitting",
    "illness",
    "lower",
    "part_of",
    "span",
    "times",
    "vaccine",
]

OLDEST_SPAN = 89
"""In years: a longer span would tell an age over 89."""
_UNITS = (("day", 1.0, 14.0), ("week", 7.0, 61.0), ("month", 30.44, 730.0))
"""Each with its length and until when it is told in it, in days; after that in years."""
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def span(days: Day) -> str:
    """A span of time in words, such as "8 years"; never a date, and none that tells an age over 89."""
    days = max(days, 0.0)
    unit, length = next(((unit, length) for unit, length, until in _UNITS if days < until), ("year", 365.25))
    count = max(1, int(days / length + (0.02 if unit == "year" else 0.5)))
    if unit == "year" and count > OLDEST_SPAN:
        return "many years"
    return f"{count} {unit}{'s' if count > 1 else ''}"


def about(days: Day) -> str:
    """A span of time as somebody would say it."""
    text = span(days)
    return text if text == "many years" else f"about {text}"


def times(count: int) -> str:
    """How often, in words."""
    return {1: "once", 2: "twice"}.get(count, f"{_NUMBERS[count] if count < len(_NUMBERS) else count} times")


def lower(text: str) -> str:
    """The text with a small first letter, unless its first word is a name or an abbreviation."""
    word = text.split(" ")[0]
    proper = any(c.isupper() or c.isdigit() for c in word[1:]) or word.endswith(("'s", "\u2019s"))
    return text if proper else text[:1].lower() + text[1:]


@cache
def _rows(key: str) -> tuple[tuple[re.Pattern[str], Sequence[str]], ...]:
    return tuple((re.compile(pattern, re.I), rest) for pattern, *rest in RULES.data[key])


def fitting(key: str, text: str) -> tuple[re.Match[str], Sequence[str]] | None:
    """The first row of a list of rules whose pattern fits the whole text, with the match and the rest of the row."""
    return next(((m, rest) for pattern, rest in _rows(key) if (m := pattern.fullmatch(text))), None)


def first_match(key: str, text: str) -> Sequence[str] | None:
    """The rest of the first row of a list of rules whose pattern is found in the text."""
    return next((rest for pattern, rest in _rows(key) if pattern.search(text)), None)


def filled(template: str, match: re.Match[str]) -> str:
    r"""A template with the group that matched in the place of \1; without one, what hangs on it goes too."""
    group = match[match.lastindex].lower() if match.lastindex else ""
    if not group:
        return re.sub(r" (?:on|of) (?:\{my\} )?\\1|\s*\\1", "", template)
    return template.replace("\\1", group)


def illness(name: str, voice: Voice) -> str:
    """What a lay person calls an illness, with its article, to stand after "I've had"."""
    if known := _known_illness(name):
        return known.format_map(voice.forms)
    text = RULES.pattern("articles").sub("of the ", lower(name))
    said = voice.say(text)
    return f"{'an' if said[:1] in 'aeio' else 'a'} {said}" if RULES.pattern("countable").search(text) else said


@lru_cache(maxsize=4096)
def _known_illness(name: str) -> str:
    found = fitting("illnesses", name)
    return filled(found[1][0], found[0]) if found else ""


def part_of(text: str) -> str:
    """The part of the body that the name of an injury tells, in plain words; empty where it tells none."""
    rules = RULES.data["injury"]
    if m := RULES.pattern("injury", "parts").search(text):
        part = m[1].casefold()
        return str(rules["part_words"].get(part, part))
    return next((part for pattern, part in rules["implied"] if re.search(pattern, text, re.I)), "")


# Medicines and vaccines


@dataclass(frozen=True, slots=True)
class Drug:
    """A medicine, read off a name such as RxNorm gives."""

    clinical: str
    """With strength and form."""
    plain: str
    """The ingredients alone."""
    names: tuple[str, ...]
    """What else it may be called."""
    template: str
    """How somebody says that they take it."""

    def said(self, voice: Voice) -> str:
        """As the speaker says it: "I take paracetamol tablets"."""
        return voice.fill(self.template.replace("%s", self.plain)).rstrip(".")


@lru_cache(maxsize=4096)
def drug_of(name: str) -> Drug:
    """The medicine that a name such as "Naproxen sodium 220 MG Oral Tablet [Aleve]" means."""
    rules = RULES.data["drugs"]
    brand = m[1] if (m := re.search(r"\[([^\]]+)\]", name)) else ""
    text = re.sub(r"\s*\[[^\]]*\]", "", RULES.pattern("drugs", "before").sub("", name)).strip() or name
    parts: list[str] = []
    pack = re.search(r"\bday pack\b", text, re.I) is not None
    for part in re.split(r"\s+/\s+", text):
        bare = RULES.pattern("drugs", "pack").sub("", RULES.pattern("drugs", "strength").sub("", part))
        bare = re.sub(r"\s+", " ", RULES.pattern("drugs", "salts").sub("", bare)).strip(" ,")
        bare = bare if pack else " ".join(map(_small, bare.split(" ")))
        if len(bare) > 1 and bare not in parts:
            parts.append(bare)
    spoken = " and ".join((", ".join(parts[:-1]), parts[-1])) if len(parts) > 1 else (parts or [lower(text)])[0]
    others = [" / ".join(parts), "-".join(parts), " and ".join(parts), brand, *([parts[0]] if parts else [])]
    for group in rules["names"]:
        if " / ".join(parts).casefold() in map(str.casefold, group) or (len(parts) == 1 and spoken == group[0]):
            others += group
    template = next((said for pattern, said in rules["forms"] if re.search(pattern, name, re.I)), "{I} take{s} %s")
    names = tuple(dict.fromkeys(n for n in others if len(n) > 1 and n != spoken))
    return Drug(_clinical(text, brand), spoken, names, template)


def _clinical(text: str, brand: str) -> str:
    text = re.sub(r"\bUNT\b", "units", re.sub(r"/ACTUAT\b", "/puff", text))
    small = text if re.search(r"\bday pack\b", text, re.I) else " ".join(map(_small, text.split(" ")))
    return small + (f" ({brand})" if brand else "")


def _small(word: str) -> str:
    """A word of a drug's name in small letters; what holds a digit stays as it is."""
    return word if re.search(r"\d", word) or len(word) == 1 else word.lower()


def vaccine(name: str) -> tuple[str, str]:
    """What a vaccine is against, in clinical and in plain words."""
    found = fitting("vaccines", name)
    return (found[1][0], found[1][1]) if found else (lower(name), lower(name))
