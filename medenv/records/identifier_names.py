"""Names of persons: told by a title, a label, a relation or a way of speaking, or by lists of common names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache

from medenv.records.identifier_context import in_a_term, is_drug, is_foreign, is_known
from medenv.records.identifier_rules import NAME, UPPER, Accept, Rule, Span, any_of, listed, rule, span, vocabulary

__all__ = ["listed_names", "rules"]


def rules() -> Iterator[Rule]:
    """The rules of this module; `listed_names` is what they cannot say."""
    yield from _after_titles()
    yield from _after_relatives_and_roles()
    yield from _after_labels()
    yield from _in_speech()
    yield from _in_letters()
    yield from _with_an_age()


_PARTICLE = r"(?:van\s+de[rn]?|van|von|de\s+l[ao]s?|del|de|della|di|da|dos|du|el|al|bin|ibn|ap|le|la|ten|ter)\s+"
_INITIALS = rf"(?:[{UPPER}]\.\s?|[{UPPER}]\s){{1,3}}"
_FULL = (
    rf"(?:(?:{_INITIALS})?(?:{_PARTICLE})?{NAME}(?:\s(?:{_PARTICLE})?{NAME}|\s[{UPPER}]\.?(?=\s{NAME})){{0,3}}"
    rf"(?:\s[{UPPER}]\b\.?)?)"
)
"""A name of up to four words, with initials."""
_PAIR = rf"(?:{NAME}\s(?:{_PARTICLE})?{NAME})"
_SHOUTED = rf"[{UPPER}]{{2,}}(?:[-'\u2019 ][{UPPER}]{{2,}}){{0,2}}"


def _name(pattern: str, cues: str | Iterable[str], accept: Accept, digits: int = 0, mark: str = "") -> Rule:
    return rule("name", pattern, cues=cues, accept=accept, digits=digits, capital=True, mark=mark)


# What a match has to be.


def _any(match: re.Match[str]) -> Span | None:
    """A name up to the first word that is none."""
    return _up_to_common_words(match)


def _listed(match: re.Match[str]) -> Span | None:
    """A name with a word on the lists, which no medical term is made of."""
    if (found := _up_to_common_words(match)) is None:
        return None
    words = _words(match.string, found)
    alone = words[0] in listed("eponyms") and (len(words) == 1 or not is_known(words[1]))
    term = in_a_term(match.string, found[0], found[0] + len(words[0]))
    return found if any(map(is_known, words)) and not alone and not term else None


def _two_words(match: re.Match[str]) -> Span | None:
    """A name of two words or more that is no place and no term."""
    found = _up_to_common_words(match)
    if found is None or len(words := _words(match.string, found)) < 2 or is_foreign(words[0]):
        return None
    return found


def _unlike_others(match: re.Match[str]) -> Span | None:
    """A listed given name, or any word with a capital that is no disease and no place."""
    if (found := _up_to_common_words(match)) is None:
        return None
    first = _words(match.string, found)[0]
    if first in listed("given_names") or (is_known(first) and first not in listed("eponyms")):
        return found
    possessive = _POSSESSIVE.match(match.string, found[1])
    return None if possessive or is_foreign(first) or len(first) < 3 else found


def _labelled(match: re.Match[str]) -> Span | None:
    """A name in capitals or not, and no disease."""
    if match["id"].isupper():
        return match.span("id") if len(match["id"]) > 3 else None
    if (found := _up_to_common_words(match)) is None:
        return None
    first = _words(match.string, found)[0]
    return None if first in listed("eponyms") and not is_known(first) else found


_POSSESSIVE = re.compile(r"['\u2019](?:s\b)?(?!\w)")


def _words(text: str, where: Span) -> list[str]:
    """The words of a name but initials and particles."""
    return [w for w in re.findall(rf"[{UPPER}][^\s.,;:()]+", text[slice(*where)]) if len(w) > 1]


def _up_to_common_words(match: re.Match[str]) -> Span | None:
    text, (start, end) = match.string, match.span("id")
    kept = None
    for word in re.compile(r"\S+").finditer(text, start, end):
        bare = word.group().strip(".,;:()")
        common = bare in listed("not_names") and not (
            bare in listed("given_names") and _before_surname(text, word.end())
        )
        if len(bare) > 1 and (common or bare in listed("titles") or is_drug(bare)):
            break
        kept = word
    if kept is None or not (words := _words(text, (start, kept.end()))):
        return None
    found = start, kept.end()
    return None if in_a_term(text, found[1] - len(kept.group().strip(".,;:()")), found[1]) or not words else found


def _before_surname(text: str, place: int) -> bool:
    following = _WITH_CAPITAL.match(text, place + 1)
    return following is not None and following.group() in listed("surnames")


# The cues.


def _after_titles() -> Iterator[Rule]:
    titles = vocabulary()["titles"]
    title = "|".join(rf"{title}\b\.?" if len(title) < 5 else rf"{title}\b" for title in titles)
    yield _name(rf"\b(?:(?:{title})\s+){{1,3}}(?P<id>{_FULL})", titles, _any)
    yield _name(rf"\b(?:MRS|DR\.|MR\.|MISS)\s(?P<id>{_SHOUTED})", "mrs|dr|mr|miss", span)
    family = (
        "sister|brother|father|mother|master|lady|auntie|aunty|aunt|uncle|granny|grandma|grandpa|gran|nan|baby|PC|DC"
    )
    yield _name(rf"\b<cue>\s+(?P<id>{_FULL})", family, _listed)
    yield _name(rf"(?<=[a-z]\s)(?:Sister|Baby|Master)\s(?P<id>{NAME})", "sister|baby|master", _unlike_others)
    yield _name(rf"\bby\s<cue>\s(?P<id>{NAME})", "PC|DC|WPC", _any)
    yield _name(rf"(?P<id>{_FULL})(?:,\s{{0,2}})(?:MD|M[.]D[.]|DO)(?!\w)", "MD|M.D.|DO", _any)
    degrees = "RN|PhD|MBBS|MBChB|FRCP|FRCS|FRCA|MRCP|MRCGP|DDS|DNP|PA-C|CNM|LPN|BSN|LCSW"
    yield _name(rf"(?P<id>{_FULL}),?\s+(?:{degrees.replace('.', '[.]')})(?!\w)", degrees, _any)


def _after_relatives_and_roles() -> Iterator[Rule]:
    relatives, roles = vocabulary()["relatives"], vocabulary()["roles"]
    named = r"['\u2019]s\s+(?:name\s+is|name['\u2019]s|called)\s+|\s+(?:is\s+|was\s+)?(?:called|named)\s+"
    called = rf"(?:{named}|\s*,\s*|\s*\(|\s+)"
    owner = (
        r"(?i:my|his|her|their|our|your|the|pt['\u2019]?s|patient['\u2019]s|with|by|to|late|foster|step|in-law|lady|"
        r"next\s+door)"
    )
    yield _name(rf"\b{owner}\s+(?:[a-z]+\s+){{0,2}}<cue>{called}(?P<id>{_FULL})", relatives, _unlike_others)
    verbs = "|".join([*vocabulary()["person_verbs"], "fed", "weighed", "born"])
    yield _name(rf"\b<cue>\s(?P<id>{_FULL})(?=\s(?:{verbs})\b)", relatives, _unlike_others)
    yield _name(rf"\b<cue>(?:{called}|\s*[:\u2013-]\s*)(?P<id>{_FULL})", [*relatives, *roles], _listed)
    yield _name(rf"\b<cue>(?:\s+|\s*\()(?P<id>{_FULL})", roles, _in_a_role)
    yield _name(rf"\b<cue>\s*:\s*(?P<id>{NAME})(?=\s*(?:[.;,]|$))", roles, _unlike_others)
    several = rf"{_FULL}(?:,\s{_FULL}){{0,3}},?\sand\s{_FULL}"
    yield _name(
        rf"\b(?:two|three|four|my|our|both|the)\s(?:[a-z]+\s)?<cue>\b\s*[,:]?\s*(?:(?:are|called|named)\s+)?(?P<id>{several})",
        "twins|boys|girls|sons|daughters|kids|children",
        span,
    )


def _in_a_role(match: re.Match[str]) -> Span | None:
    """A name after "midwife"; where that has a capital too, as in a heading, a name of two words."""
    found = _unlike_others(match)
    if found is None or match.group()[0].islower() or len(_words(match.string, found)) > 1:
        return found
    return _listed(match)


def _after_labels() -> Iterator[Rule]:
    of = r"(?:\s(?:of\s+(?:the\s+)?(?:patient|guardian|carer|mother|father|child|kin|spouse)|der\s+\w{1,20}|\(s\)))?"
    no_thing = "".join(rf"(?<!{thing}\s)" for thing in ("drug", "Drug", "brand", "Brand", "trade", "test"))
    sign = r"[\s\"'\u2019]{0,3}(?:['\u2019]?s\b)?\s*(?:[:=\[]|\s[\u2013-]\s|is\b|['\u2019]s\b)[\s\"'\[:=]{0,6}"
    yield _name(
        rf"(?<![A-Za-z]){no_thing}<cue>(?![a-z]){of}{sign}(?:(?:Dr|Mrs?)\b\.?\s)?(?P<id>{_FULL}|{_SHOUTED})(?!\s\d)",
        vocabulary()["name_labels"],
        _labelled,
    )
    other = rf"(?<![A-Za-z])<cue>\s*[:=]\s*(?P<id>{_FULL})(?!\s\d)"
    yield _name(other, vocabulary()["labels_of_persons"], _two_words)
    yield _name(other, vocabulary()["labels_of_persons"], _listed)
    key = rf"(?:\"<cue>\"|\.<cue>)[\s:=\"\['\u2019]{{1,6}}(?P<id>{_FULL})"
    yield _name(key, "family|given", _any)
    plain = (
        "full name|surname|forename|signed by|dictated by|consented by|witnessed by|typed by|transcribed by|nickname|"
        "nok|next of kin|emergency contact"
    )
    yield _name(rf"\b<cue>[\s:\u2013-]{{1,4}}(?P<id>{_FULL})", plain, _labelled)
    patient = r"\b(?:Patient|Client|Pt|PATIENT|PT|Subject)"
    cues = "patient|client|pt|subject|re"
    yield _name(rf"(?:{patient}|\bRe|\bRE)\s*[:.]?\s+(?P<id>{_SHOUTED},\s?{NAME})", cues, span)
    yield _name(rf"{patient}\s*:\s+(?P<id>{_FULL})", cues, _two_words)
    yield _name(rf"(?:{patient}|\bRe|\bRE)\s*[:.]?\s+(?P<id>{_FULL})", cues, _listed)
    surname_first = rf"\b[{UPPER}]{{3,}}(?:[-'\u2019][{UPPER}]{{2,}})?,\s{NAME}"
    yield _name(rf"(?P<id>{surname_first})(?=\s*(?:$|[-\u2013,;.(]|\d|[MF]\b|DOB))", (), _surname_first, mark=", ")
    hl7 = rf"(?<=\|)(?P<id>[{UPPER}]{{2,}}\^[{UPPER}]{{2,}}(?:\^[{UPPER}]{{1,20}})?)(?=\||\^|$)"
    yield _name(hl7, "PID|PV|NK|GT", span)
    fhir = "subject|patient|performer|practitioner|author|recorder|asserter|participant|individual"
    yield _name(
        rf"\b<cue>\b[\s\"'.:={{]{{1,6}}(?:display|name)[\s\"':=]{{1,5}}(?P<id>{_FULL})",
        fhir,
        _any,
    )


def _surname_first(match: re.Match[str]) -> Span | None:
    surname, given = match["id"].split(",")
    unmistakable = listed("given_names") - listed("names_that_are_words")
    return match.span("id") if surname.title() in listed("surnames") or given.strip() in unmistakable else None


def _in_speech() -> Iterator[Rule]:
    yield _name(rf"\b(?i:name(?:['\u2019]s|\s+is|\s+was))\s+(?P<id>{_FULL})", "name", _any)
    person = r"(?i:pt|patient|man|woman|lady|boy|girl|friend|baby|carer(?:['\u2019]?s)?|be)"
    yield _name(
        rf"\b(?i:named|calls?\s+(?:me|him|her)|{person}\s+called|goes\s+by)\s+(?P<id>{_FULL})",
        "named|call|calls|called|goes|pt|patient|man|woman|lady|boy|girl|friend|baby|carer|be",
        _any,
    )
    yield _name(rf"\bI(?:['\u2019]m|\s+am)\s+(?P<id>{_FULL})", "i", _introduced)
    yield _name(rf"\b(?:[Tt]his\s+is|[Ii]t['\u2019]s|[Hh]ere\s+is)\s+(?P<id>{_FULL})", "this|it|here", _presented)
    greeting = r"\b(?:Hi|Hello|Hey|[Mm]orning)\b[\w ]{0,12}[,.!]?\s(?:[Ii]t['\u2019]s|[Tt]his is)"
    yield _name(rf"{greeting}\s(?P<id>{_FULL})", "hi|hello|hey|morning", _two_words)
    by = (
        r"(?i:(?:[a-z]{3,12}ed|seen|brought\s+in|taken)\s+by|spoke\s+(?:to|with)|d/w|from|with|to|of|saw|met|referring|"
    )
    yield _name(
        rf"\b{by}examined|reviewed|seeing|under)\s+(?P<id>{_INITIALS}{NAME}|{_PAIR}(?:-{NAME})?)",
        "by|to|with|d|from|of|saw|met|referring|examined|reviewed|seeing|under",
        _listed,
    )
    closed = r"(?=\s*(?:[,.(;]|$|(?:with|in|on|at|today|again|who|DOB)\b))"
    met = "saw|met|reviewed|examined|referring|re:"
    yield _name(rf"\b<cue>\s+(?P<id>{_PAIR}(?:-{NAME})?){closed}", met, _two_words)


def _introduced(match: re.Match[str]) -> Span | None:
    """A name after "I'm": a listed one, two words, or one that ends the clause and is no nation or creed."""
    if (found := _listed(match)) is not None:
        return found
    words = match["id"].split()
    if len(words) > 1:
        return _two_words(match)
    closed = re.compile(r"\s*(?:[.,;]|$|and\b)").match(match.string, match.end())
    other = (
        words[0] in listed("demonyms") or is_foreign(words[0]) or re.search(r"(?:ish|ian|ese|ist|ic|an|ed)$", words[0])
    )
    return _any(match) if closed and not other else None


def _presented(match: re.Match[str]) -> Span | None:
    """A listed name that is no common word."""
    return None if match["id"].split()[0] in listed("names_that_are_words") else _listed(match)


def _in_letters() -> Iterator[Rule]:
    greeting = r"\b(?:Dear|Hi|Hello|Hey|Hiya|[Mm]orning|[Aa]fternoon|[Ee]vening)"
    cues = "dear|hi|hello|hey|hiya|morning|afternoon|evening"
    yield _name(rf"{greeting},?\s+(?P<id>{_FULL})(?=\s*(?:[,.!?:;(\u2014-]|$))", cues, _any)
    title = rf"(?:(?:{'|'.join(vocabulary()['titles'])})\b\.?\s+)?"
    ending = "sincerely|faithfully|truly|regards|wishes|thanks|cheers|signed"
    closed = r"(?=\s*(?:$|[,.\n(]|MD|FRC))"
    yield _name(rf"\b<cue>\s*[,:\s\u2013-]\s*{title}(?P<id>{_FULL}){closed}", ending, _labelled)


def _with_an_age() -> Iterator[Rule]:
    age = r"\d{1,3}(?:[\s-]?(?:year|yr|yo\b|y/o|month|week)|\s?[MF]\b)"
    cues = "year|years|yr|yrs|yo|y|month|months|week|weeks|M|F"
    yield _name(rf"(?P<id>{_FULL})(?:,|,?\s+(?:is|was)\s+an?|\s+\()\s?{age}", cues, _two_words, digits=1)
    yield _name(rf"\b\d{{1,3}}\s?[MF],\s(?P<id>{_FULL}),", "M|F", _two_words, digits=1)


# Names on the lists, wherever they stand.

_WITH_CAPITAL = re.compile(NAME)
_BETWEEN_NAMES = re.compile(rf"\s(?:{_PARTICLE}|[{UPPER}]\.?\s)?")


def listed_names(text: str) -> Iterator[Span]:
    """The places of names that are on a list, alone or with a surname."""
    tokens = list(_WITH_CAPITAL.finditer(text))
    last = 0
    for number, token in enumerate(tokens):
        if token.start() < last or token.group() in listed("not_names") or in_a_term(text, *token.span()):
            continue
        start, last = token.start(), _last_of_name(text, tokens[number : number + 3])
        words = text[start:last].split()
        if _pair(words) if len(words) > 1 else _unmistakable(words[0]):
            yield start, last
        elif is_known(token.group()) and _of_a_person(text, *token.span()):
            last = token.end()
            yield start, last
        else:
            last = token.end()


def _last_of_name(text: str, tokens: list[re.Match[str]]) -> int:
    """Where a name ends that begins with the first of some words with a capital."""
    last = tokens[0].end()
    for token in tokens[1:]:
        joined = _BETWEEN_NAMES.fullmatch(text, last, token.start())
        other = token.group() in listed("not_names") or token.group() in listed("places_that_stand")
        if not joined or other or in_a_term(text, *token.span()):
            break
        last = token.end()
    return last


def _unmistakable(word: str) -> bool:
    """Whether a word is a given name and nothing else."""
    first = word.split("-")[0]
    return is_known(word) and first in listed("given_names") - listed("names_that_are_words") - listed("eponyms")


def _pair(words: list[str]) -> bool:
    """Whether words are a given name and a surname, by the lists."""
    first, last = words[0], words[-1]
    if is_foreign(first):
        return False
    return _unmistakable(first) or (last in listed("surnames") and last not in listed("eponyms"))


def _of_a_person(text: str, start: int, end: int) -> bool:
    """Whether what stands beside a word is said of persons only."""
    return bool(_person_after().match(text, end) or _person_before().search(text, max(0, start - 40), start))


@cache
def _person_after() -> re.Pattern[str]:
    thing = "house|place|wife|husband|mother|mum|dad|pain"
    return re.compile(rf"(?:['\u2019]s\s(?:{thing})|\s(?:{'|'.join(vocabulary()['person_verbs'])}))\b")


@cache
def _person_before() -> re.Pattern[str]:
    return re.compile(rf"\b{any_of(vocabulary()['verbs_before_persons'])}\s(?:{NAME}\sand\s)?$")
