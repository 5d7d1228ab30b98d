"""Places smaller than a state: streets, postal codes, towns, and buildings with a name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from medenv.records.identifier_context import in_a_term, is_drug, is_month_or_day
from medenv.records.identifier_rules import LOWER, NAME, UPPER, Rule, Span, listed, rule, units, vocabulary

__all__ = ["rules"]

PLACE = "place smaller than a state"


def rules() -> Iterator[Rule]:
    """The rules of this module."""
    yield from _streets()
    yield from _streets_abroad()
    yield from _postal_codes()
    yield from _towns()
    yield from _homes()
    yield from _buildings()


_NUMBERS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|sixty|seventy|eighty"
)
_FLAT = r"(?i:flat|apt|apartment|unit|suite|block|plot|room|floor|house)"


def _streets() -> Iterator[Rule]:
    kind = "street address"
    roads = sorted(vocabulary()["roads"], key=lambda road: -len(road))
    road = "|".join(roads)
    house = r"\d{1,5}(?:-\d{1,5})?[A-Za-z]?"
    flat = rf"(?:{_FLAT}\.?\s+[A-Z]?-?\d{{0,4}}[A-Za-z]?,\s+)?"
    behind = rf"(?:,?\s+(?:#|(?:{_FLAT}|(?i:ste|no))\b\.?)\s?[A-Za-z]?-?\d{{1,5}}[A-Za-z]?)?"
    word = rf"(?:{NAME}|[A-Z]\.(?:[A-Z]\.)?|[NSEW][EW]?\b\.?|\d{{1,3}}(?:st|nd|rd|th)|(?:the|The|of|at|upon)\b)"
    numbered = rf"(?<![\d.]){flat}\b{house},?\s+(?:{word}\s+){{1,4}}(?:{road})\b\.?(?!\s(?:of|and)\s[a-z]){behind}"
    yield rule(kind, numbered, digits=1, capital=True, accept=_street)
    spoken = rf"\b<cue>(?:[ -]<cue>)?\s+(?:{NAME}\s+){{1,3}}(?:{road})\b"
    yield rule(kind, spoken, cues=_NUMBERS, capital=True)
    shouted = rf"(?<![\d.])\b\d{{1,5}}[A-Z]?\s+(?:[A-Z]{{2,}}\s+){{1,3}}(?:{'|'.join(roads).upper()})\b"
    yield rule(kind, shouted, digits=1, capital=True)
    by_name = "|".join(vocabulary()["roads_by_name_alone"])
    house_name = rf"(?:The\s+{NAME}(?:\s{NAME})?,\s+)?"
    yield rule(kind, rf"\b{house_name}(?:{NAME}\s+){{1,3}}(?:{by_name})\b", cues=by_name, accept=_named_street)
    in_flat = rf"\b<cue>\.?\s+[A-Z]?-?\d{{1,4}}[A-Za-z]?,\s+(?:\d{{1,4}}\s)?{NAME}(?:\s(?:{NAME}|\d{{1,4}})){{0,3}}"
    yield rule(kind, in_flat, cues="flat|apt|apartment|block|plot", digits=1)
    yield rule(kind, r"\b<cue>\s+\d+", cues="PO Box|P.O. Box|P.O.Box|P O Box|post box|GPO Box|postfach", digits=1)
    said = r"\b<cue>(?![a-z])(?:\s(?:line\s)?\d)?[\s\"'\\:=\[(-]{1,6}(?:is\s|value=\"|at\s|number\s)?"
    closed = r"(?=[\n;\"<^|]|\.(?:\s|$)|\s(?:Tel|Phone|DOB|NHS|Suburb|City)\b|,\s(?:the|same|on|up|by)\s|\s\(|$)"
    address = rf"(?P<id>(?:\d|[{UPPER}])[^\n;\"<^|]{{2,90}}?){closed}"
    yield rule(kind, f"{said}{address}", cues=vocabulary()["address_labels"], accept=_address)


@cache
def _common() -> frozenset[str]:
    return listed("not_names") - listed("words_before_places")


def _street(match: re.Match[str]) -> Span | None:
    """A house number and a street, and not "6 Minute Walk" or the like."""
    words = re.findall(NAME, match.group())
    telling = len(words) == 1 or re.search(r"\sThe\s|\d(?:st|nd|rd|th)|[NSEW]\.", match.group())
    return match.span() if telling or any(word not in _common() for word in words[:-1]) else None


def _named_street(match: re.Match[str]) -> Span | None:
    """A street without a house number, less the words before it that only begin a sentence."""
    words = match.group().split()
    while words and words[0].strip(",") in _common():
        words.pop(0)
    return (match.end() - len(" ".join(words)), match.end()) if len(words) > 1 else None


def _address(match: re.Match[str]) -> Span | None:
    """What follows a word such as "Address": anything that is not plain words or a quantity."""
    said, address = match.group()[: match.start("id") - match.start()], match["id"]
    first = re.split(r"[\s,]", address, maxsplit=1)[0]
    if first in _common() or first in listed("places_that_stand"):
        return None
    if not address[0].isdigit():
        return None if re.match(r"(?i:live|stay|resid|moved|ship|post|send)", said) else match.span("id")
    return match.span("id") if re.search(rf"\d[A-Za-z]?,?\s+(?:\d\S*\s+)?[{UPPER}]|,\s", address) else None


def _streets_abroad() -> Iterator[Rule]:
    kind = "street address"
    article = r"(?:(?:de|des|du|della|del|la|le|los|las|da)\s+){0,2}(?:l['\u2019])?"
    yield rule(
        kind,
        rf"\b(?:\d{{1,4}}\s?(?:bis|ter)?,?\s+)?<cue>\s+{article}{NAME}(?:\s{NAME}){{0,2}}"
        r"(?:,?\s\d{1,4}(?:,\s\d\u00ba\s?[A-Z])?)?",
        cues="rue|avenue|via|viale|piazza|calle|rua|avenida|carrer|plaza|boulevard|chemin|impasse|all\u00e9e",
        digits=1,
    )
    joined = "stra\u00dfe|strasse|str\\.|allee|weg|platz|gasse|laan|straat|gatan|vej"
    for ending in joined.split("|"):
        mark = ending.replace("\\", "")
        yield rule(kind, rf"\b[{UPPER}][{LOWER}]{{1,30}}{ending}\s+\d{{1,4}}[a-z]?\b", digits=1, mark=mark)
    yield rule(
        kind,
        rf"\b<cue>\.?\s?[A-Z]?-?\d[\w/-]{{0,8}},?\s+{NAME}(?:\s{NAME}){{0,2}}",
        cues="H.No|H No|house no|door no|plot no|flat no",
        digits=1,
    )


_BRITISH = r"(?:[A-PR-UWYZ]\d{1,2}|[A-PR-UWYZ][A-HK-Y]\d{1,2}|[A-PR-UWYZ][A-HK-Y]?\d[A-Z])\s\d[ABD-HJLNP-UW-Z]{2}"
_STATE_CODES = (
    "A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY]"
)


def _postal_codes() -> Iterator[Rule]:
    kind = "postal code"
    named = (
        r"(?:(?i:zip(?:\s?\+\s?4)?(?:\s?code)?|(?:post|postal)[\s_]?code|pin\s?code|plz|eircode|code postal)|CP|CAP)"
    )
    said = rf"\b{named}(?:['\u2019]s|\?)?[\s\":=]{{0,6}}(?:(?:is|it['\u2019]s)\s)?"
    yield rule(
        kind,
        rf"{said}(?P<id>(?=\w{{0,10}}\d)\w{{3,10}}(?:[\s-]\w{{3,4}}(?=\W|$))?)",
        cues="zip|post|postal|postcode|pincode|pin|plz|eircode|cp|cap|code",
        digits=1,
    )
    yield rule(kind, r"\b(?P<id>\d{5})\s+<cue>\b", cues="zip", digits=5)
    no_quantity = rf"(?![.,/]\d|\s?(?:{units()})\b)"
    states = rf"(?:{_STATE_CODES}|{'|'.join(vocabulary()['us_states'])})"
    yield rule(kind, rf"\b{states},?\s+(?P<id>\d{{5}}(?:-\d{{4}})?)\b{no_quantity}", digits=5)
    australian = "NSW|VIC|QLD|TAS|ACT|New South Wales|Victoria|Queensland|Tasmania"
    yield rule(kind, rf"\b<cue>\s+(?P<id>\d{{4}})\b{no_quantity}", cues=australian, digits=4)
    yield rule(kind, rf"\b{_BRITISH}\b", digits=2, capital=True)
    yield rule(kind, r"\b[ABCEGHJ-NPRSTVXY]\d[A-Z]\s\d[A-Z]\d\b", digits=3, capital=True)
    town = rf"{NAME}(?:\s{NAME}){{0,2}}"
    yield rule(PLACE, rf"(?P<id>{town}),?\s{_BRITISH}\b", digits=2, capital=True)
    yield rule(PLACE, rf"(?P<id>{town}),?\s(?:{_STATE_CODES}),?\s\d{{5}}\b{no_quantity}", digits=5, capital=True)
    before_town = rf"(?<=,\s)(?P<id>(?:[A-Z]{{1,2}}-)?\d{{5}}\s+{NAME}(?:\s{NAME})?)"
    yield rule(kind, before_town, digits=5, capital=True, accept=_code_and_town)
    yield rule(PLACE, r"\^\^(?P<id>[A-Z]{3,30}(?:\s[A-Z]{3,30}){0,2})(?=\^)", mark="^^")


def _code_and_town(match: re.Match[str]) -> Span | None:
    """A postal code before its town, and not "10000 Units"."""
    towns = match["id"].split()[1:]
    common = any(town.lower() in listed("units") or town in listed("not_names") for town in towns)
    return None if common else match.span("id")


_LINK = r"(?:\s|-(?:on|in|le|de|sur|upon|by|under|au|aux|am)-|\s(?:on|upon|de|del|la|le|under|the|by|in|am)\s)"
_PLACE = rf"(?:St\.?\s)?{NAME}(?:{_LINK}{NAME}){{0,3}}"
_REGION = r"(?:,\s(?:[A-Z]{2}\b|[A-Z][a-z]+(?:\s[A-Z][a-z]+)?))?"


def _towns() -> Iterator[Rule]:
    """Listed towns after a preposition, and towns before their state or county."""
    towns, states = vocabulary()["towns"], vocabulary()["us_states"]
    at = "in|from|to|near|at|around|outside|via|through|for|towards|off|over|leaving|visited|visiting|of|between|and"
    part = r"(?:(?:central|downtown|east|west|north|south|greater|inner)\s)?"
    yield rule(PLACE, rf"\b(?i:{at})\s+{part}(?P<id>{_PLACE}){_REGION}", cues=towns, capital=True, accept=_town)
    codes = f"{_SAFE_STATE_CODES}|UK|NSW|QLD|VIC"
    yield rule(PLACE, rf"\b(?P<id>{_PLACE}),\s+(?:{codes})\b", cues=towns, capital=True, accept=_town)
    with_state = rf"(?P<id>\b{_PLACE},\s+(?:{'|'.join(states)}))\b"
    yield rule(PLACE, with_state, cues=states, capital=True, accept=_town_and_state)
    county = rf"\b(?P<id>{_PLACE}\s+County|County\s+{NAME}|Co\.\s{NAME})\b"
    yield rule(PLACE, county, cues="county|co", capital=True, accept=_county)
    sign = r"[\"'\s]{0,3}(?:[:=]|\s-\s|\svalue=)[\"'\s]{0,3}"
    named = rf"(?P<id>{_PLACE}(?:,\s{NAME})?|[{UPPER}][{LOWER}{UPPER}]+)"
    labels = vocabulary()["place_labels"]
    yield rule(PLACE, rf"(?<![A-Za-z])<cue>(?![a-z]){sign}{named}", cues=labels, accept=_labelled_place)


_SAFE_STATE_CODES = "A[KLRZ]|C[AT]|FL|GA|I[ALN]|K[SY]|M[INO]|N[CHJMVY]|O[HK]|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY]"
"""Those that are no abbreviation in medicine."""


def _town(match: re.Match[str]) -> Span | None:
    """A town of the list, with the region after it, where no term begins ("in Glasgow Coma Scale")."""
    start, end = match.span("id")
    if match["id"] not in listed("towns") or in_a_term(match.string, start, end):
        return None
    if re.compile(r"['\u2019]s?\s|\s[\dIVX]+\b").match(match.string, end):
        return None
    return start, match.end()


def _town_and_state(match: re.Match[str]) -> Span | None:
    first = match["id"].split(",")[0].split()[0]
    return None if first in listed("places_that_stand") or first in listed("not_names") else match.span("id")


def _county(match: re.Match[str]) -> Span | None:
    words = match["id"].split()
    while words and words[0] in listed("not_names"):
        words.pop(0)
    return (match.end("id") - len(" ".join(words)), match.end("id")) if len(words) > 1 else None


def _homes() -> Iterator[Rule]:
    """Any name with a capital after words such as "lives in"."""
    few = r"(?:\s+[a-z'\u2019]+){0,4}?"
    place = rf"(?P<id>{_PLACE}){_REGION}"
    at = r"(?i:in|from|to|near|at|around|outside|of|beyond|towards)"
    living = (
        "live|lives|lived|living|reside|resides|resided|residing|resident|raised|bred|grew up|grow up|grown up|"
        "brought up|relocated|settled|emigrated|drove|driven|driving|hail|hails|native|farmer|homeless|commute|"
        "commutes|housed|retired|camping|work|works|worked|working|study|studies|studied|studying|posted|moved here|"
        "moved house|moved home|moved back|moved away|moved up|moved down|moved over|moved out"
    )
    yield rule(PLACE, rf"\b<cue>\b{few}\s+{at}\s+{place}", cues=living, capital=True, accept=_home)
    moving = (
        "born|moved|moving|originally|come|comes|came|flew|arrived|returned|back|travelled|traveled|travels|trip|holiday|"
        "beach|caught|walked"
    )
    closer = r"(?i:in|from|to|near|at|outside)"
    yield rule(PLACE, rf"\b<cue>\b{few}\s+{closer}\s+{place}", cues=moving, capital=True, accept=_home)
    self_ = (
        r"\b(?:I['\u2019]m|I\s+am|[Hh]e['\u2019]s|[Ss]he['\u2019]s|[Ww]e['\u2019]re)\s+(?:all\s+|both\s+)?(?:from|in)"
    )
    yield rule(PLACE, rf"{self_}\s+{place}", cues="i|he|she|we", capital=True, accept=_home)
    building = (
        "plant|factory|mill|mine|surgery|hospital|clinic|nursing home|care home|a home|school|shop|flat|house|office|"
        "church|garage|hospice|prison|college|home"
    )
    yield rule(PLACE, rf"\b<cue>\s+(?:in|near|outside)\s+{place}", cues=building, capital=True, accept=_home)
    yield rule(PLACE, rf"\b<cue>\s+in\s+{place}", cues="up|down|out|over|off|back|here", capital=True, accept=_home)
    short = rf"(?:^|[.;:]\s)(?:From|Native\s+of|Lives|Resident)\s(?:in\s|of\s)?{place}(?=\s*(?:[;,.]|$))"
    yield rule(PLACE, short, cues="from|native|lives|resident", capital=True, accept=_home)


def _home(match: re.Match[str]) -> Span | None:
    """A name, unless it is a country, a state, a department, a drug, a month or a common word."""
    (start, end), words = match.span("id"), match["id"].split()
    stand = listed("places_that_stand")
    if any(" ".join(words[:n]) in stand for n in range(1, len(words) + 1)):
        return None
    while len(words) > 1 and words[0] in listed("words_before_places"):
        words.pop(0)
    first = words[0]
    if any(first in listed(name) for name in ("not_names", "demonyms", "eponyms", "words_before_places")):
        return None
    if " ".join(words) in stand or is_drug(first) or is_month_or_day(first):
        return None
    common = next((word for word in words if word in listed("not_names")), None)
    if common is not None:
        end = match.string.index(f" {common}", start)
    return None if in_a_term(match.string, start, end) else (start, end)


def _labelled_place(match: re.Match[str]) -> Span | None:
    """What follows "City:", if it is not "not known" and the like."""
    words = match["id"].split()
    first = next((word for word in words if word not in listed("words_before_places")), words[0])
    return None if first in listed("not_names") or match["id"] in listed("places_that_stand") else match.span("id")


def _buildings() -> Iterator[Rule]:
    """Hospitals, schools and the like that have a name of their own."""
    names = vocabulary()["facilities"]
    last = [name.split()[-1] for name in names]
    word = rf"(?:{NAME}(?:['\u2019]s)?|St\.|of|and|&|the)"
    kinds = "|".join(sorted(names, key=lambda name: -len(name)))
    named = rf"(?P<id>\b(?:{word}\s+){{1,5}}(?:{kinds})\b)"
    yield rule(PLACE, named, cues=last, capital=True, accept=_facility)
    saint = rf"\bSt\.?\s{NAME}['\u2019]s?(?:\s(?:Hospital|Infirmary|School|Church|Hospice|Clinic)){{0,2}}"
    yield rule(PLACE, rf"(?P<id>{saint})", cues="St", capital=True, accept=_no_term)
    university = rf"\bUniversity\s+(?:College\s+)?(?:Hospitals?\s+)?of\s+(?:the\s+)?{_PLACE}"
    yield rule(PLACE, university, cues="university", capital=True)
    yield rule(
        PLACE,
        rf"\b<cue>(?:\s(?:[Dd]e|del|la|les|{NAME})){{1,5}}",
        cues="H\u00f4pital|Hopital|Ospedale|Cl\u00ednica|Klinikum|Clinique|Krankenhaus|Spital|Szpital|"
        "Hospital Universitario|Hospital General de|Hospital San|Hospital Santa|Hospital Cl\u00ednico|"
        "Hospital de|Hospital del",
        capital=True,
    )
    for ending in ("ziekenhuis", "krankenhaus", "klinikum", "sjukhus"):
        yield rule(PLACE, rf"\b(?:{NAME}[\s-])?[{UPPER}]?[{LOWER}]{{1,30}}{ending}\b", mark=ending)
    sites = (
        "station|sawmill|mill|plant|factory|colliery|mine|depot|market|docks|shipyard|quarry|estate|prison|jail|airport|"
        "church|school|hospital|clinic|surgery|library|pub|hotel|refinery|steelworks|works"
    )
    site = rf"\b(?i:at|in|from|to|near|outside|by)\s+(?:the\s+|a\s+)?(?P<id>{_PLACE})\s<cue>\b"
    yield rule(PLACE, site, cues=sites, capital=True, accept=_home)
    yield rule(
        PLACE,
        r"(?:\b(?i:at|in|to|from|by|under)\s+(?:the\s+)?|,\s)(?P<id><cue>)(?!\w)",
        cues=vocabulary()["hospitals"],
        accept=_no_term,
    )


def _no_term(match: re.Match[str]) -> Span | None:
    return None if in_a_term(match.string, *match.span("id")) else match.span("id")


def _facility(match: re.Match[str]) -> Span | None:
    """A building with a word of its own in its name, and not only a speciality."""
    words = match["id"].split()
    begins = listed("not_names") - {"Royal", "General", "National"}
    while words and (words[0] in begins or words[0] in ("of", "and", "&", "the")):
        words.pop(0)
    name = " ".join(words)
    kinds = (kind for kind in listed("facilities") if name.endswith(kind))
    own = name.removesuffix(max(kinds, key=len, default=""))
    plain = listed("words_of_any_facility") | listed("not_names")
    telling = [
        w for w in own.split() if w[0].isupper() and re.sub(r"['\u2019]s$", "", w) not in plain and w not in plain
    ]
    if not telling or telling[0] in listed("eponyms") or telling[0] in listed("places_that_stand"):
        return None
    return match.end("id") - len(name), match.end("id")
