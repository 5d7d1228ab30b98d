"""The evidences of DDXPlus in words: what a patient says to a question of the data set, and what a doctor writes down.

"Do you have a cough?" becomes "I have a cough." or "No, I don't have a cough." by rules, which are data in
`ddxplus.json`. A question of two halves ("... or do you ...?") is told as the same two halves: the data set does not
say which of them holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Literal, TypeAlias

from medenv.records.importers.rules import Rules
from medenv.records.importers.voice import Voice, sentence
from medenv.records.record import Polarity

__all__ = ["RULES", "Narrator", "Sex", "Told", "repaired", "search_words", "tell"]

RULES = Rules("ddxplus/ddxplus.json")
MOST_SYNONYMS = 6
MOST_VALUES = 12
"""The most values of one evidence that are told."""

Sex: TypeAlias = Literal["female", "male"]
Narrator: TypeAlias = Literal["self", "caregiver", "record"]
"""Who tells: the patient, whoever speaks for the patient, or the record in the third person."""


@dataclass(frozen=True, slots=True)
class Told:
    """One evidence in words."""

    statement: str
    lay: str
    polarity: Polarity


def tell(question: str, values: Sequence[str], most: int, present: bool, speaker: Narrator, sex: Sex) -> Told | None:
    """One evidence of a patient in words; none where its values say nothing ("NA").

    Args:
        question: The question of the data set, `repaired`.
        values: What was answered, in the words of the data set; none for a plain yes or no.
        most: The highest number of the scale that the answers are from; 0 for words.
        present: Whether the plain answer is yes.
        speaker: Who speaks to the doctor.
        sex: The sex of the patient.
    """
    said = {value.casefold() for value in values}
    record, own = _voice("record", sex), _voice(speaker, sex)
    if said and said <= set(RULES.data["nothing"]):
        return None
    if not values or said <= set(RULES.data["yes"]):
        there = present or bool(said)
        return Told(record.answer(question, there), own.answer(question, there), "present" if there else "absent")
    if most:
        return _scaled(question, values[0], most, record, own)
    for pattern, lay, none, statement, no_statement in _listed():
        if m := pattern.search(question):
            return _list_told(m.groupdict(), values, (lay, none, statement, no_statement), record, own)
    if said <= set(RULES.data["no"]):
        return Told(record.answer(question, False), own.answer(question, False), "absent")
    listed = _joined([_place(value, set()) for value in values])
    return Told(sentence(f"{question}: {listed}"), sentence(listed), "present")


def repaired(question: str) -> str:
    """A question of the data set without its slips of the pen and without what only a form asks for."""
    question = question.strip().replace("\u2019", "'")
    for pattern, words in _replacements("repairs"):
        question = pattern.sub(words, question)
    question = re.sub(r"\s+", " ", question).strip(" ?:.")
    if m := re.fullmatch(r"(?P<when>In the last [\w ]+), (?P<rest>.+)", question):
        question = f"{m['rest']} {m['when'][0].lower()}{m['when'][1:]}"
    return question[:1].upper() + question[1:]


def search_words(question: str) -> list[str]:
    """What a question asks about, in its own words and in others for the same."""
    core = re.sub(RULES.data["opening"], "", question, flags=re.I)
    found: dict[str, None] = {}
    for pattern, names in _names():
        if pattern.search(question):
            found |= dict.fromkeys(names)
    inside = re.findall(r"\(([^()]+)\)", core)
    for part in [*re.split(r",|;|/|\bor\b|\band\b|\bthat\b|\bwhich\b", re.sub(r"\([^()]*\)", "", core)), *inside]:
        words = re.sub(RULES.data["edges"], "", re.sub(r"\s+", " ", part).strip(" ,?.:"), flags=re.I)
        if len(words) > 2 and not RULES.pattern("loose").fullmatch(words):
            found[words[:100]] = None
    return list(found)[:MOST_SYNONYMS]


@dataclass(frozen=True)
class _Voice:
    """The grammar of whoever tells."""

    forms: Mapping[str, str]
    third: bool
    """Whether verbs take the ending of the third person."""
    lay: bool
    """Whether clinical words give way to those of every day."""

    def answer(self, question: str, present: bool) -> str:
        """What is told where the answer to a yes-or-no question is yes, or no.

        A question that no rule knows is told as it stands, after "Yes to" or "No to".
        """
        halves = re.split(RULES.data["halves"], question, flags=re.I)
        told = (", or " if present else ", and ").join(self._clause(half, present) for half in halves)
        if not self.lay:
            told = self._named_once(told)
        return sentence(told if present or not self.lay else f"no, {told}")

    def fill(self, template: str, **values: str) -> str:
        """A sentence of a template, with the forms of this voice."""
        return sentence(template.format_map({**self.forms, **values}))

    def _clause(self, question: str, present: bool) -> str:
        if self.lay:
            for pattern, words in _replacements("lay_words"):
                question = pattern.sub(words, question)
        for pattern, yes, no in _questions():
            if m := pattern.fullmatch(question):
                groups = {key: value or "" for key, value in m.groupdict().items()}
                verb = groups.pop("verb", "") or groups.pop("past", "")
                values = {key: self._turned(value, present) for key, value in groups.items()}
                values |= {"base": verb, "verb": self._inflected(verb), "past": _past(verb)}
                return re.sub(r" +(?= |,|$)", "", (yes if present else no).format_map({**self.forms, **values}))
        return f"{'yes' if present else 'no'} to \u201c{question}?\u201d"

    def _turned(self, text: str, present: bool) -> str:
        """The rest of a question, with "you" and "your" turned to whoever tells."""
        if present:
            text = re.sub(r"\bany (?=complication)", "a ", text).replace("anywhere", "somewhere")
            text = re.sub(r"\bany(one)? ", lambda m: "someone " if m[1] else "some " if "other" in text else "", text)
        else:
            text = text.replace("somewhere", "anywhere")
        text = re.sub(r"\byour\b", self.forms["my"], text)
        text = re.sub(r"\b(from|keeping|keeps|makes?|wakes?|as|with|to|for) you\b", rf"\1 {self.forms['me']}", text)
        text = re.sub(r"\byou're\b", "you are", text)
        text = re.sub(r"\byou (are|were)\b", lambda m: self.forms[f"i_{m[1]}"], text)
        return re.sub(r"\byou (\w+)\b", lambda m: f"{self.forms['i']} {self._inflected(m[1])}", text)

    def _inflected(self, verb: str) -> str:
        """The verb as it goes with the teller's subject; "attend or work" is two."""
        return " or ".join(map(_third, verb.split(" or "))) if self.third else verb

    def _named_once(self, text: str) -> str:
        """The text with a pronoun for the patient after the first time."""
        first, named, rest = text.partition("the patient")
        rest = re.sub(r"\bthe patient's\b", self.forms["my"], rest)
        return first + named + re.sub(r"\bthe patient\b", self.forms["i"], rest)


@lru_cache(maxsize=32)
def _voice(who: Narrator, sex: Sex) -> _Voice:
    forms = dict(Voice("self" if who == "self" else "caregiver", sex).forms)
    i = forms["I"]
    forms |= {"i": i, "My": forms["my"], "i_are": forms["Im"], "i_were": f"{i} {forms['was']}", "not": "n't"}
    forms |= {"cant": "can't", "noticed": "I've noticed", "not_noticed": "I haven't noticed"}
    if who == "record":
        forms |= {
            "I": "the patient", "My": "the patient's", "Ive": "the patient has", "Im": "the patient is",
            "havent": "has not", "dont": "does not", "i_are": f"{i} is", "not": " not", "cant": "cannot",
            "noticed": "the patient has noticed", "not_noticed": "the patient has not noticed",
        }  # fmt: skip
    return _Voice(forms, third=who != "self", lay=who != "record")


def _scaled(question: str, value: str, most: int, record: _Voice, own: _Voice) -> Told | None:
    if not value.isascii() or not value.isdigit() or int(value) > most:
        return None
    for pattern, bands in _scales():
        if pattern.search(question):
            ceiling, lay, statement = next(band for band in bands if int(value) * 10 <= band[0] * most)
            none = ceiling == 0
            return Told(
                record.fill(statement, n=value, most=str(most)),
                own.fill(lay, n=value, most=str(most)),
                "absent" if none else "present",
            )
    m = re.fullmatch(r"How (?P<how>[\w ]+?) (?:is|are|does|did) (?P<what>.+)", question)
    what = f"{m['how']}, {m['what']}" if m else question
    return Told(sentence(f"{what}: {value} of {most}"), sentence(f"I'd put it at {value} out of {most}"), "present")


def _list_told(
    groups: Mapping[str, str], values: Sequence[str], templates: Sequence[str], record: _Voice, own: _Voice
) -> Told | None:
    lay, none, statement, no_statement = templates
    real = [value for value in values if value.casefold() not in RULES.data["no"]]
    if not real:
        return Told(record.fill(no_statement, **groups), own.fill(none, **groups), "absent") if none else None
    sides: dict[str, set[str]] = {}
    for value in real[:MOST_VALUES]:
        name, side = _sided(value)
        sides.setdefault(name, set()).add(side)
    places = [_place(name, given - {""}) for name, given in sides.items()]
    the = [place if place.startswith("both ") else f"the {place}" for place in places]
    words = {"values": _joined(places), "places": _joined(the), **groups}
    return Told(record.fill(statement, **words), own.fill(lay, **words), "present")


def _sided(value: str) -> tuple[str, str]:
    """A part of the body and its side, which stands in brackets after it: "calf(R)"."""
    m = re.fullmatch(r"(?P<name>.+?)\s*\((?P<side>[RLDG])\)", value.strip())
    return (m["name"], {"R": "right", "D": "right", "L": "left", "G": "left"}[m["side"]]) if m else (value.strip(), "")


def _place(name: str, sides: set[str]) -> str:
    known: Mapping[str, str] = RULES.data["values"]
    if (word := known.get(name.casefold())) is not None:
        return word
    words: str = RULES.data["places"].get(name.casefold(), "{side}" + name)
    if len(sides) > 1:
        return re.sub(r"\{side\}([\w ]+?)(?=,| of| at| between| under|$)", lambda m: f"both {_plural(m[1])}", words)
    return words.replace("{side}", "".join(f"{side} " for side in sides))


def _joined(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


@cache
def _questions() -> Sequence[tuple[re.Pattern[str], str, str]]:
    return tuple((re.compile(pattern, re.I), yes, no) for pattern, yes, no in RULES.data["questions"])


@cache
def _listed() -> Sequence[tuple[re.Pattern[str], str, str, str, str]]:
    return tuple((re.compile(pattern, re.I), a, b, c, d) for pattern, a, b, c, d in RULES.data["listed"])


@cache
def _scales() -> Sequence[tuple[re.Pattern[str], Sequence[tuple[Any, str, str]]]]:
    return tuple((re.compile(pattern, re.I), bands) for pattern, bands in RULES.data["scales"])


@cache
def _replacements(key: str) -> Sequence[tuple[re.Pattern[str], str]]:
    return tuple((re.compile(pattern, re.I), words) for pattern, words in RULES.data[key])


@cache
def _names() -> Iterable[tuple[re.Pattern[str], Sequence[str]]]:
    return tuple((re.compile(pattern, re.I), names) for pattern, names in RULES.data["names"])


def _third(verb: str) -> str:
    if verb in (irregular := {"have": "has", "are": "is", "were": "was", "had": "had", "can": "can", "could": "could"}):
        return irregular[verb]
    if verb.endswith(("s", "sh", "ch", "x", "o")):
        return f"{verb}es"
    return f"{verb[:-1]}ies" if re.search(r"[^aeiou]y$", verb) else f"{verb}s"


def _plural(noun: str) -> str:
    known: Mapping[str, str] = {"foot": "feet", "calf": "calves"}
    first, _, last = noun.rpartition(" ")
    return f"{first} {known.get(last, f'{last}s')}".strip()


def _past(verb: str) -> str:
    irregular: Mapping[str, str] = RULES.data["past"]
    return irregular.get(verb) or (f"{verb}d" if verb.endswith("e") else f"{verb}ed")
