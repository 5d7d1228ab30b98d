"""Dates finer than a year, and ages over 89."""

from __future__ import annotations

import re
from collections.abc import Iterator

from medenv.records.identifier_rules import Rule, Span, any_of, rule, units, vocabulary

__all__ = ["rules"]


def rules() -> Iterator[Rule]:
    """The rules of this module."""
    yield from _in_figures()
    yield from _with_a_month()
    yield from _by_cue()
    yield from _ages()


_DAY = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
_NTH = r"\d{1,2}(?:st|nd|rd|th)"
_YEAR = r"(?:19|20)\d\d"
_MM = r"(?:0?[1-9]|1[0-2])"
_DD = r"(?:0?[1-9]|[12]\d|3[01])"
_EITHER = rf"(?:{_MM}/{_DD}|{_DD}/{_MM})"
_SHORT_YEAR = rf"(?:{_YEAR}|['\u2019]\d\d)"
_TIME = r"(?:(?:T|,?\s+(?:at\s+)?)\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:?\d\d)?)?"
_TO = r"(?:\s?(?:-|\u2013|to|and|&|/)\s?)"


def _in_figures() -> Iterator[Rule]:
    full = (
        rf"{_YEAR}[-/.]{_MM}[-/.]{_DD}|(?:{_MM}[-/.]{_DD}|{_DD}[-/.]{_MM})[-/.]{_YEAR}|{_EITHER}/\d\d(?!\s?(?:{units()})(?![A-Za-z]))"
        r"|(?:0[1-9]|[12]\d|3[01])\.(?:0[1-9]|1[0-2])\.\d\d"
    )
    yield rule("date", rf"(?<![\w/.-])(?:{full}){_TIME}(?![\d/]|\.\d)", digits=4)
    closed = r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?)?"
    yield rule("date", rf"(?<![\w.-]){_YEAR}{closed}(?![\w.-]|,\d)", digits=8)
    yield rule("date", rf"(?<=[\"'=]){_YEAR}-(?:0[1-9]|1[0-2])(?=[\"'\s]|$)", digits=6)
    yield rule("date", rf"(?<![\d./-])(?:0[1-9]|1[0-2])/{_YEAR}(?![\d/])", digits=6)
    yield rule("date", rf"\b<cue>:?\s+(?P<id>{_MM}/{_YEAR})\b", cues="in|since|from|until|dated|date", digits=5)
    roman = r"(?:I{1,3}|I?V|VI{1,3}|I?X|XI{1,2})"
    yield rule("date", rf"\b{_DAY}\s{roman}\s{_YEAR}\b", digits=5, capital=True)


_ORDINAL = (
    r"(?i:twenty[\s-](?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)|thirty[\s-]first|first|second|third|"
    r"fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|"
    r"seventeenth|eighteenth|nineteenth|twentieth|thirtieth)"
)
_SPOKEN_YEAR = (
    r"(?i:(?:nineteen|twenty|two\s+thousand)(?:[\s-](?:and|oh|hundred|\w{2,6}teen|ten|twelve|eleven|twenty|thirty|forty|"
    r"fifty|sixty|seventy|eighty|ninety|one|two|three|four|five|six|seven|eight|nine)){1,3})"
)


def _with_a_month() -> Iterator[Rule]:
    months = vocabulary()["months"]
    cues = [month for names in months.values() for month in names]
    always, capital, other = ("|".join(months[k]) for k in ("english", "english_with_a_capital", "other_languages"))
    shouted = "|".join({month[:3].upper() for month in cues[:24]} | {month.upper() for month in months["english"]})
    month = rf"(?:(?i:{always})|(?:{capital})\b(?:\.(?=[\s,]{{0,2}}['\u2019\d]))?)"
    in_full = rf"(?:(?i:{always})|March|May)\b"
    before = rf"(?<![\d.,/])(?<!\d[-\u2013])(?:{_DAY}{_TO})?{_DAY}\.?[\s/-]{{0,2}}(?:(?:of|de)\s+|d['\u2019])?"
    after = rf"(?:[\s,./-]{{1,3}}(?:(?:de|of)\s+)?(?:{_SHORT_YEAR}|\d\d(?![\w.,/%:])))?{_TIME}"
    yield rule("date", rf"{before}(?:{month}|(?i:{other})\b){after}(?!\w)", cues=cues, digits=1)
    abbreviated = rf"(?<![\d.,/-]){_DAY}[\s/-]{{1,2}}(?:{shouted})[\s/-]{{1,2}}(?:{_YEAR}|\d\d)\b{_TIME}"
    yield rule("date", abbreviated, cues=cues, digits=3)
    no_count = r"(?:(?<=[a-z])(?!\s*(?:per)?centile)|(?!\s*(?:%|/|x\b|[a-z]|[.,]\d)))"  # "may 5 times" is no date
    yield rule(
        "date",
        rf"\b{month}[\s-]{{1,2}}(?:the\s+)?{_DAY}(?:{_TO}{_DAY})?\b{no_count}(?:,?\s+{_SHORT_YEAR})?",
        cues=cues,
        digits=1,
    )
    yield rule("date", rf"\b(?:{month}|(?:{shouted}))[\s,./-]{{1,2}}(?:of\s+)?{_SHORT_YEAR}\b", cues=cues, digits=2)
    year = rf"(?:,?\s+(?:{_SHORT_YEAR}|{_SPOKEN_YEAR}))?"
    no_term = r"(?!\s(?:fracture|haemoglobinuria|hemoglobinuria|foot))"  # "second March fracture"
    yield rule("date", rf"\b(?:the\s+)?{_ORDINAL}\s+(?:of\s+)?{in_full}{no_term}{year}", cues=cues)
    yield rule("date", rf"\b{in_full}\s+(?:the\s+)?{_ORDINAL}\b{year}", cues=cues)
    this_month = rf"\b(?P<id>the\s+{_NTH}\s+of\s+(?:this|next|last)\s+(?:{in_full}|month\b))"
    yield rule("date", this_month, cues="this|next|last", digits=1)
    yield rule("date", r"\b<cue>(?!\w)", cues=vocabulary()["days_of_the_year"])


def _by_cue() -> Iterator[Rule]:
    """Parts of a date that are one only because of the words before them."""
    yield rule(
        "date",
        rf"\b<cue>\s+(?P<id>the\s+{_NTH})(?=\s*(?:$|[.,;)]|(?:for|at|of)\b))",
        cues="on|by|until|till|since|from|before|after",
        digits=1,
    )
    weekdays = "mon|monday|tue|tues|tuesday|wed|wednesday|thu|thur|thurs|thursday|fri|friday|sat|saturday|sun|sunday"
    yield rule("date", rf"\b<cue>\.?,?\s+(?:the\s+)?(?P<id>(?:{_EITHER}|{_NTH})(?![\w/]))", cues=weekdays, digits=1)
    no_quantity = rf"(?!/(?:7|52|12)\b)(?![\d/%]|\.\d|\s*(?:{units()})\b)"
    yield rule(
        "date",
        rf"\b<cue>[\s:,(]{{1,3}}(?:(?:was|is|on|for|of)\s+){{0,2}}(?P<id>{_EITHER}){no_quantity}",
        cues="LMP|EDD|DOB|DOA|op|operation|surgery|admitted|admission|discharged|seen|dated|appt|appointment|clinic|drink|"
        "menses|period|vacated|bloods|labs|fell|born|injured|started|stopped|review|reviewed|booked",
        digits=2,
        accept=_day_and_month,
    )
    gap = r"(?:[\s:.-]|is\b|on\b|was\b){0,8}"
    yield rule(
        "date",
        rf"\b(?<![A-Za-z.])<cue>\.?{gap}(?P<id>{_DD}[-./]{_DD}[-./](?:{_YEAR}|\d\d)\b|(?=\w{{0,20}}\d)\w{{1,20}})",
        cues="DOB|D.O.B|D.o.B|DOD|date of birth|birth date|birthdate|birthday|born|geb|n\u00e9 le|n\u00e9e le|"
        "nacido el|nacida el|geburtsdatum|naissance|fecha de nacimiento",
        digits=1,
        accept=_birth,
    )


def _day_and_month(match: re.Match[str]) -> Span | None:
    """Two figures as a date: "2/7", "3/52" and "6/12" are spans of time to a British hand, and 5/5 is a full score."""
    first, second = match["id"].split("/")
    if second in ("7", "52", "12", "24") and not re.search(r"\bon\s", match.group()):
        return None
    return match.span("id") if first != second else None


def _birth(match: re.Match[str]) -> Span | None:
    """A date of birth; after "born" alone may also come a weight, an age or a year."""
    born = match.group().lower().startswith("born")
    return None if born and not re.search(r"[-./]", match["id"]) else match.span("id")


_OLD = r"(?:9\d|1[0-2]\d)"
_OLD_IN_WORDS = (
    r"(?i:ninety(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?"
    r"|(?:a|one)[- ]hundred(?:[- ](?:and[- ])?(?:one|two|three|four|five|six|seven|eight|nine|ten))?)"
)


def _ages() -> Iterator[Rule]:
    """Ages, in figures on a text with two digits or more, and in words where it has one of theirs."""
    relatives = vocabulary()["relatives"]
    no_limit = r"(?!\s*(?:\+|or\s+(?:over|older|above|more)))"  # "90 or over" is what Safe Harbor wants instead
    unit = rf"(?:{units()}|on|over|per|percent|and\s+a\s+half)"
    end = rf"(?![-/:]|[.,]\d|\s*(?:%|{unit}\b(?!\s+old)))"
    told = r"(?=\s*(?:[.,;!?]|$|(?:years|now|next|this\s+(?:year|month|week)|yet|but|you)\b|and\s(?!a\s)))"
    be = r"(?:['\u2019](?:m|s|ll\s+be)|\s+(?:am|is|was|will\s+be|turned))\s+(?:(?:now|only|nearly|almost)\s+)?"
    for figures, age in ((True, rf"(?P<id>(?<![\d.,/]){_OLD}(?!\d))"), (False, rf"(?P<id>\b{_OLD_IN_WORDS}\b)")):
        for pattern, cues in (
            (rf"{age}{no_limit}[-\s]?(?i:years?|yrs?)[-\s]?(?i:old|of\s+age)\b", ["old", "age"]),
            (rf"{age}\s?(?i:y\.?/?o\b\.?|yo\b)", ["y", "yo"]),
            (
                r"\b(?i:age|aged|ages)\b(?:\s*\([a-z]+\))?(?:\s+of|\s+is|:)?[\s\"':{]{0,4}(?:value[\s\"':]{1,4})?"
                rf"{age}{no_limit}(?![.,]?\d|\s?%|[-/]\d)",
                ["age", "aged", "ages"],
            ),
            (
                r"\b(?i:died|lived|living|alive|passed\s+away|dead|well|turn(?:ed|ing|s)|reached(?=\s+the\s+age))\s+"
                rf"(?i:at\s+|to\s+|until\s+|aged\s+)?(?:the\s+age\s+of\s+)?{age}{end}",
                ["died", "lived", "living", "alive", "passed", "dead", "well", "turned", "turning", "turns", "reached"],
            ),
            (rf"\b(?:I|{any_of(['he', 'she', *relatives])}){be}{age}{end}{told}", ["i", "he", "she", *relatives]),
            (rf"\b(?i:(?:gentle)?(?:wo)?man|lady|widow(?:er)?|patient)\s+of\s+{age}{end}", ["of"]),
        ):
            called = cues if figures else ["ninety", "hundred"]
            yield rule("age over 89", pattern, cues=called, digits=2 if figures else 0)
    male = r"(?:^|[,;.]\s|\b(?i:an?|this)\s+)(?P<id>(?:9\d|1[01]\d))\s?M(?![\w'/])"
    yield rule("age over 89", male, cues="m", digits=2)
    female = r"(?:^|\b(?i:an?|this)\s+)(?P<id>9[0-6]|1[01]\d(?=F))\s?F(?![\w'/])"
    yield rule("age over 89", female, cues="f", digits=2, accept=_no_temperature)


def _no_temperature(match: re.Match[str]) -> Span | None:
    """An age, and not degrees Fahrenheit of a living body."""
    return match.span("id") if not 97 <= int(match["id"]) <= 110 else None
