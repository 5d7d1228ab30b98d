"""The de-identification gate: no text of a record may identify a person.

It looks for the 18 identifiers of HIPAA Safe Harbor (45 CFR 164.514(b)(2)) as far as patterns can find them. Patterns
see what has a form (dates, numbers, addresses) or a cue before it (a title, a label). They do not see a bare name
without either, a town without its state, or a biometric: text that passes is not thereby proven free of identifiers.
Years, states, ages up to 89 and spans of time are no identifiers.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from medenv.errors import DeidentificationError

if TYPE_CHECKING:
    from medenv.records.record import Record

__all__ = ["OLDEST", "Identifier", "check_record", "find_identifiers", "identifiers_in_record"]

OLDEST = 89
"""Safe Harbor lets ages up to this one stand, in years."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """Something in a text that may identify a person."""

    kind: str
    """In words, such as "telephone number"."""
    text: str
    start: int
    end: int


_MONTH = (
    r"(?:(?i:january|february|april|june|july|august|september|october|november|december)|March|May"
    r"|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?)"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
_YEAR = r"(?:19|20)\d\d"
_MM = r"(?:0?[1-9]|1[0-2])"
_DD = r"(?:0?[1-9]|[12]\d|3[01])"
_OVER_89 = r"(?:9\d|1[0-2]\d)(?!\s*(?:\+|or\s+(?:over|older|above|more)))"
_NINETIES = r"ninety(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?"

_TOKEN = r"(?=(?:[A-Za-z/-]*\d){3})[A-Za-z0-9][A-Za-z0-9/-]{2,}\b"
_SURE = rf"(?:[\s:#.]|\b(?i:no|number|num|id|is)\b){{1,8}}{_TOKEN}"
"""What follows a label that only ever names a number: three digits or more, perhaps among letters."""
_LIKELY = rf"(?:\s*(?:#|(?i:\b(?:number|num|no|id|identifier)\b\.?))[\s:#]*(?i:is\s+)?{_TOKEN}|[\s:]+\d{{6,}}\b)"
"""What follows a label that also has other uses: "number" and such a thing, or six digits or more."""

_UPPER, _LOWER = "A-Z\u00c0-\u00d6\u00d8-\u00de", "a-z\u00df-\u00f6\u00f8-\u00ff"
_NAME = rf"(?:[{_UPPER}]['\u2019])?[{_UPPER}][{_LOWER}]+(?:[-'\u2019]?[{_UPPER}][{_LOWER}]+)*"
_NOT_NAMES = (
    r"(?!(?:Practitioners?|Manager|Specialist|On|Of|Who|And|The|Then|My|Is|Has|In|At|Please|Yes|No|It|He|She|Not"
    r"|Unknown|Withheld|Redacted|Anonymous|None)\b)"
)
_KIN = (
    "husband|wife|son|daughter|mother|father|brother|sister|partner|boyfriend|girlfriend|mum|mom|dad|uncle|aunt|cousin"
)
_STATES = (
    "Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii|Idaho|Illinois|"
    "Indiana|Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|Mississippi|Missouri|"
    "Montana|Nebraska|Nevada|New Hampshire|New Jersey|New Mexico|New York|North Carolina|North Dakota|Ohio|Oklahoma|"
    "Oregon|Pennsylvania|Rhode Island|South Carolina|South Dakota|Tennessee|Texas|Utah|Vermont|Virginia|Washington|"
    "West Virginia|Wisconsin|Wyoming"
)
_STATE_CODES = (
    "A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY]"
)
_ROADS = (
    "Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Boulevard|Blvd|Court|Place|Way|Close|Crescent|Terrace|Square|Highway"
)
_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"

_DIGIT = re.compile(r"\d")
_WITH_DIGIT: tuple[tuple[str, str], ...] = (
    ("IP address", rf"(?<![\d.])(?:{_OCTET}\.){{3}}{_OCTET}(?![\d.]*\d)"),
    (
        "IP address",
        r"(?<![\w:])(?i:(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}|(?:[0-9a-f]{1,4}:){1,6}(?::[0-9a-f]{1,4}){1,6})(?![\w:])",
    ),
    ("fax number", r"\b(?i:fax)\b[\s:.#]*(?i:number|no\.?)?[\s:]*\+?\(?\d[\d\s().-]{5,}\d"),
    (
        "social security number",
        rf"(?<![\d-])\d{{3}}-\d{{2}}-\d{{4}}(?![\d-])|\b(?:SSN|(?i:social security))\b{_SURE}",
    ),
    (
        "telephone number",
        r"(?<![\w.+])\+\d{1,3}[\s.-]?\(?\d{1,4}\)?(?:[\s.-]?\d{2,4}){2,4}(?!\d)"
        r"|(?<![\w/.-])(?:1[-.\s])?(?:\(\d{3}\)\s?|\d{3}[-.])\d{3}[-.\s]\d{4}(?![\d-])"
        r"|(?<![\w/.-])0\d{2,4}[\s-]\d{3,4}[\s-]?\d{3,4}(?!\d)"
        r"|\b(?i:phone|telephone|tel|mobile|cell|pager|call me (?:on|at))\b[\s:.#]*(?i:number|no\.?)?[\s:]*"
        r"(?i:is\s+)?\+?\(?\d[\d\s().-]{5,}\d",
    ),
    (
        "medical record number",
        rf"\b(?:MRN|(?i:medical record))\b{_SURE}"
        rf"|\b(?:NHS|(?i:hospital|patient|chart|accession|case|specimen))\b{_LIKELY}",
    ),
    (
        "health plan or account number",
        r"\b(?i:account|acct|policy|member|beneficiary|insurance|medicare|medicaid|health plan|subscriber|group"
        rf"|credit card|iban)\b{_LIKELY}",
    ),
    (
        "licence or certificate number",
        rf"\b(?:DEA|NPI|GMC|(?i:licen[cs]e|certificate|passport|registration))\b{_LIKELY}",
    ),
    ("vehicle number", rf"\bVIN\b{_SURE}|\b(?i:(?:number|licen[cs]e) ?plate|vehicle)\b(?:{_LIKELY}|:\s*{_TOKEN})"),
    ("device number", rf"\b(?:UDI|IMEI)\b{_SURE}|\b(?i:serial|device)\b{_LIKELY}"),
    (
        "date",
        rf"(?<![\w/.-])(?:{_YEAR}[-/.]{_MM}[-/.]{_DD}|(?:{_MM}[-/.]{_DD}|{_DD}[-/.]{_MM})[-/.]{_YEAR}"
        rf"|(?:{_MM}/{_DD}|{_DD}/{_MM})/\d\d)(?![\d/]|\.\d)",
    ),
    ("date", rf"\b{_MONTH}\s+(?:{_DAY}\b(?!\s*(?:%|[a-z]))(?:,?\s+{_YEAR})?|(?:of\s+)?{_YEAR}\b)"),
    ("date", rf"(?<![\d.,/-]){_DAY}\s+(?:of\s+)?{_MONTH}(?:,?\s+{_YEAR})?(?!\w)"),
    ("date", rf"\b(?i:in|since|from|until|dated|date:?)\s+{_MM}/{_YEAR}\b"),
    ("date", r"\b(?:DOB|D\.O\.B\.|(?i:date of birth|birth ?date|birthday))(?:[\s:]|is\b|on\b)*(?=\w*\d)\w+"),
    (
        "age over 89",
        rf"(?i)(?<![\d.,/]){_OVER_89}[-\s]?(?:years?|yrs?)[-\s]?(?:old|of\s+age)\b"
        rf"|(?<![\d.,/]){_OVER_89}\s?(?:y\.?/?o\.?|yo)\b"
        rf"|\b(?:age|aged|ages)\b(?:\s+of|:)?\s+{_OVER_89}\b(?![.,]?\d|%)"
        rf"|\b(?:died|lived|passed\s+away)\s+(?:at|to|aged)\s+{_OVER_89}\b",
    ),
    (
        "street address",
        rf"(?<![\d.])\d{{1,5}}[A-Za-z]?,?\s+(?:[A-Z][a-z]+\s+){{1,3}}(?:{_ROADS})\b|\bP\.?\s?O\.?\s+Box\s+\d+",
    ),
    (
        "postal code",
        r"\b(?i:zip|(?:zip|post|postal)\s?code)\b[\s:]*(?:is\s)?(?=\w*\d)\w{3,}(?:[\s-]\w{3,4})?"
        rf"|\b(?:{_STATE_CODES}|{_STATES})\s+\d{{5}}(?:-\d{{4}})?\b(?![.,/]\d)"
        r"|\b(?:[A-PR-UWYZ]\d{1,2}|[A-PR-UWYZ][A-HK-Y]\d{1,2}|[A-PR-UWYZ][A-HK-Y]?\d[A-Z])\s\d[ABD-HJLNP-UW-Z]{2}\b",
    ),
)
_IN_WORDS: tuple[tuple[str, str], ...] = (
    ("e-mail address", r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b"),
    ("web address", r"\b(?:https?://|www\.)\S+|\b[\w-]+\.(?:com|org|net|edu|gov|io|co\.uk|nhs\.uk)\b(?:/\S*)?"),
    ("image", r"data:image/\S+|\b[\w-]+\.(?i:jpe?g|png|gif|dcm|tiff?)\b"),
    (
        "age over 89",
        rf"(?i)\b(?:{_NINETIES}|(?:a|one)[- ]hundred)[-\s]years?[-\s](?:old|of\s+age)\b|\baged\s+{_NINETIES}\b",
    ),
    ("place smaller than a state", rf"\b[A-Z][a-z]+(?:\s[A-Z][a-z]+)?,\s+(?:{_STATES})\b|\b[A-Z][a-z]+\s+County\b"),
    (
        "name",
        r"\b(?:(?:Mr|Mrs|Ms|Mx|Dr|Prof)\b\.?|Miss|Professor|Doctor|Nurse)\s+"
        rf"{_NOT_NAMES}(?:[A-Z]\.\s*)*{_NAME}(?:\s+{_NAME})?",
    ),
    (
        "name",
        rf"\b(?i:(?:patient|full|first|last|given|family|maiden)?\s?name(?:['\u2019]s|\s+is|\s*:)|surname\s*:|named|"
        rf"signed(?:\s+by)?\s*:)\s+{_NOT_NAMES}{_NAME}(?:\s+{_NAME})*",
    ),
    ("name", rf"\b(?:Patient|Client|Pt)\s*:\s*{_NAME}\s+{_NAME}"),
    ("name", rf"\b(?i:my|his|her|their|the)\s+(?:{_KIN}),?\s+{_NOT_NAMES}[A-Z][a-z]{{2,}}\b(?!['\u2019]s)"),
    ("name", rf"\b{_NAME}\s+{_NAME},?\s+(?:MD|M\.D\.|RN|PhD|MBBS|FRCP|FRCS)(?!\w)"),
)
_PATTERNS = tuple(
    (kind, needs_digit, re.compile(pattern))
    for patterns, needs_digit in ((_WITH_DIGIT, True), (_IN_WORDS, False))
    for kind, pattern in patterns
)


def find_identifiers(text: str) -> list[Identifier]:
    """What may identify a person in a text, in order, without overlaps."""
    return list(_identifiers(text))


@lru_cache(maxsize=65536)  # record sets made from one knowledge base say the same things in thousands of records
def _identifiers(text: str) -> tuple[Identifier, ...]:
    has_digit = _DIGIT.search(text) is not None
    found = [
        Identifier(kind, match.group(), match.start(), match.end())
        for kind, needs_digit, pattern in _PATTERNS
        if has_digit or not needs_digit
        for match in pattern.finditer(text)
    ]
    kept: list[Identifier] = []
    for identifier in sorted(found, key=lambda i: (i.start, -i.end)):
        if not kept or identifier.start >= kept[-1].end:
            kept.append(identifier)
    return tuple(kept)


def identifiers_in_record(record: Record) -> list[tuple[str, Identifier]]:
    """Every identifier in the texts of a record, with the field it stands in.

    All texts are looked at but those of `provenance`, which name the data set and not the patient.
    """
    found = [] if record.demographics.age.years <= OLDEST else [_age_over_89(record)]
    return found + [(field, item) for field, text in _texts("", record) for item in find_identifiers(text)]


def check_record(record: Record) -> None:
    """Lets a record pass, or raises.

    Raises:
        DeidentificationError: A text holds an identifier. The message names the field, the kind and the place of it,
            and does not repeat it: messages end up in logs.
    """
    for field, found in identifiers_in_record(record):
        article = "an" if found.kind[0] in "aeiI" else "a"
        raise DeidentificationError(
            f"record {record.id!r}: field {field}: expected nothing that identifies a person, "
            f"got what looks like {article} {found.kind} (characters {found.start} to {found.end})"
        )


def _age_over_89(record: Record) -> tuple[str, Identifier]:
    text = f"{record.demographics.age.value:g}"
    return "demographics.age", Identifier("age over 89", text, 0, len(text))


def _texts(field: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield field, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(f"{field}.{key}", item)
    elif isinstance(value, (tuple, list)):
        for place, item in enumerate(value):
            yield from _texts(f"{field}[{getattr(item, 'id', place)}]", item)
    elif dataclasses.is_dataclass(value):
        for part in dataclasses.fields(value):
            if part.name != "provenance":
                yield from _texts(f"{field}.{part.name}".lstrip("."), getattr(value, part.name))
