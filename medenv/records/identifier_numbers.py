"""Numbers given to a person or a thing of theirs, addresses on a network, telephones and images."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from medenv.records.identifier_rules import Rule, Span, listed, rule, span, units, vocabulary

__all__ = ["at_least", "rules"]


def rules() -> Iterator[Rule]:
    """The rules of this module."""
    for labels in vocabulary()["number_labels"]:
        yield from _labelled(labels["kind"], labels["always"], weak=False)
        yield from _labelled(labels["kind"], labels["with_a_number_word"], weak=True)
    yield from _by_form()
    yield from _unnamed()
    yield from _vehicles()
    yield from _network()
    yield from _telephones()
    yield from _images()


def at_least(digits: int) -> Callable[[re.Match[str]], Span | None]:
    """Accepts what holds so many digits."""

    def accept(match: re.Match[str]) -> Span | None:
        start, end = span(match) or (0, 0)
        return (start, end) if sum(c.isdigit() for c in match.string[start:end]) >= digits else None

    return accept


_BETWEEN = r"[\s\"'\u2019\\:=#.,()\[\]{}<>/_-]{0,10}"
_NUMBER_WORD = (
    r"(?:(?i:numbers?|num|nos?|nr|identifier|ident|id|ref|reference|code|pin|tag|template|hash|record)(?![a-z])\.?"
    r"|#|\u2116)"
)
_FILLER = (
    r"(?i:is|was|are|it|its|it's|the|of|to|ends?|ending|in|last|four|digits|says?|said|card|on|file|type|text|value|"
    r"system|by|with|identifiers?|object|held|stored|vehicle|patient|model|assigned|given|print|scan)\b"
)
_TOKEN = (
    r"(?=\S{0,40}?\d|[A-Z]{2,3}\s[A-Z]{0,2}\d)(?:\(\d\d\))?[A-Za-z0-9]"
    r"(?:[A-Za-z0-9]|[-/._:^()@](?=[A-Za-z0-9(])){0,60}"
    r"(?:\s(?:\d{2,}[A-Z]{0,3}|[A-Z]{1,3}\d[A-Z\d]{0,8}|\d(?=[.,;)\"]|$)|[A-D](?![A-Za-z.])|[A-Z]{2,3}(?=\s\d))"
    r"(?![\w%]|[./,]\d)){0,6}"
)
"""A number as people write one: groups of digits and capitals, joined or apart."""
_NO_NUMBER = re.compile(
    r"(?:NCT|ISRCTN|PMID|PMC)\d+|\d{1,4}[-/]\d{1,4}|\d*\.\d+|[A-Z]\d\d(?:\.\d[\dA-Z]*)?|[CTLS]\d\d?(?:[-/][CTLS]?\d\d?)?|\d{1,3}(?:,\d{3})+"
)
"""Ranges, fractions, levels of the spine, codes of diseases and of studies."""


def _token() -> str:
    return rf"(?P<id>{_TOKEN})(?![A-Za-z0-9]|\s?(?:{units()})(?![A-Za-z]))"


def _labelled(kind: str, labels: list[str], weak: bool) -> Iterator[Rule]:
    if labels:
        said = rf"(?:['\u2019]s)?{_BETWEEN}(?:(?:{_NUMBER_WORD}|{_FILLER})(?:['\u2019]s\b)?{_BETWEEN}){{0,6}}"
        pattern = rf"(?<![A-Za-z0-9])<cue>(?![a-z])(?P<said>{said}){_token()}"
        yield rule(kind, pattern, cues=labels, digits=1, accept=_weak if weak else _strong)


def _is_mixed(token: str) -> bool:
    return any(c.isalpha() for c in token) and any(c.isdigit() for c in token)


def _digits(token: str) -> int:
    return sum(c.isdigit() for c in token)


def _named_number(match: re.Match[str], named: bool, enough: bool) -> Span | None:
    """Three digits or a code in capitals where a word said that a number comes; else what the rule calls enough."""
    token = match["id"]
    if _NO_NUMBER.fullmatch(token) and not (named and re.search(r"[A-Za-z]|/\d{4}", token)):
        return None
    code = _is_mixed(token) and token.upper() == token and len(token) >= 5
    if not (_digits(token) >= 3 or code if named else enough):
        return None
    return (match.start() if match["said"] in ("", "-") else match.start("id")), match.end("id")


def _strong(match: re.Match[str]) -> Span | None:
    """A number after a label that only ever names one, such as MRN."""
    token = match["id"]
    shouted = match.group()[:2].isupper() and token.upper() == token and len(token) >= 6
    enough = _digits(token) >= 5 or (_is_mixed(token) and (_digits(token) >= 3 or shouted))
    return _named_number(match, re.search(r"\w|[:#=]", match["said"]) is not None, enough)


def _weak(match: re.Match[str]) -> Span | None:
    """A number after a label that also has other uses, such as "case"; "case-000123" is how data sets name rows."""
    token = match["id"]
    if match["said"] in ("-", "_"):
        return None
    long = _digits(token) >= 6 and not re.search(r"[\s.,]", token)
    enough = long or (_is_mixed(token) and _digits(token) >= 4 and token[0].isupper())
    return _named_number(match, re.search(_NUMBER_WORD, match["said"]) is not None, enough)


def _by_form() -> Iterator[Rule]:
    """Numbers that their form gives away."""
    yield rule("social security number", r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])", digits=9)
    insured = r"\b[A-CEGHJ-PQ-TW-Z][A-NP-Z]\s?\d\d\s?\d\d\s?\d\d\s?[A-D]\b"  # British national insurance
    yield rule("social security number", insured, digits=6, capital=True)
    yield rule("account number", r"(?<![\w-])(?:\d{4}[ -]){3}\d{4}(?![\w-])", digits=16)
    iban = r"\b[A-Z]{2}\d{2}(?:\s?[A-Z\d]{4}){3,7}(?:\s?[A-Z\d]{1,3})?\b"
    yield rule("account number", iban, digits=12, capital=True, accept=at_least(12))
    yield rule("account number", r"\b<cue>\b\.?\s*(?P<id>\d\d/\d\d)\b", cues="exp|expiry|expires|expire", digits=4)
    driver = r"\b[A-Z9]{5}\d{6}[A-Z9]{2}\d?[A-Z]{2,3}\b"  # British driving licence
    yield rule("licence or certificate number", driver, digits=6, capital=True)
    network_card = r"(?<![\w:-])(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}(?![\w:-])"
    yield rule("device number", network_card, digits=3)
    yield rule("device number", r"\(01\)\d{14}(?:\(\d\d\)[A-Za-z0-9]{1,20}){0,5}", digits=16)
    yield rule(
        "medical record number",  # HL7
        r"\bPID[-.]\d{1,2}[:\s]{1,3}(?P<id>[A-Z]{0,4}\d{5,20})|(?<=\|)[A-Z]{0,4}\d{5,20}(?=\||\^)",
        cues="PID|PV",
        digits=5,
    )
    print_ = r"\b<cue>(?![a-z])[^\n]{0,40}?(?P<id>[0-9a-f]{16,200}|(?=[A-Za-z+/]{0,40}\d)[A-Za-z0-9+/]{16,2000}={0,2})"
    cues = "fingerprint|finger|voiceprint|voice|retina|iris|palm|face|facial|biometric|biometrics|DNA"
    yield rule("biometric identifier", print_, cues=cues, digits=1)


def _unnamed() -> Iterator[Rule]:
    """Numbers of which no more is known than that they are given to somebody."""
    kind = "identifying number"
    said = r"(?:[\s_](?i:number|num|ref|reference|identifier|id)\b\.?|Id\b|ID\b|\s?(?:(?i:no)\.|#|\u2116))"
    yield rule(
        kind,
        rf"\b(?!(?i:snomed|loinc|concept|omim|icd|pubmed|variant|gene))[A-Za-z]\w{{0,20}}(?P<said>{said}[\s:#\"'=.]{{0,6}}(?:is\s|was\s)?){_token()}",
        digits=2,
        accept=_some_number,
    )
    in_capitals = r"(?<!SNOMED )(?<!LOINC )\bID\b[\s:#\"'=]{1,4}(?P<id>[A-Z0-9][A-Z0-9-]{4,30}(?:\s\d{2,}){0,3})"
    yield rule(kind, in_capitals, cues="ID", digits=4, accept=at_least(4))
    letter = r"\b<cue>\s+(?i:ref(?:erence)?)[\s:.]{1,4}(?P<id>[A-Za-z0-9/.-]{4,40})"
    yield rule(kind, letter, cues="our|your", digits=1)
    parts = r"(?P<id>(?=[A-Z\d/-]{0,40}[A-Z])(?=[A-Z/-]{0,40}\d)[A-Z\d]+(?:[/-][A-Z\d]+){1,4})"
    yield rule(kind, rf"\b<cue>\s?[:#]\s?{parts}", cues="ref", digits=1)
    yield rule(
        kind,
        r"\b<cue>(?![a-z])[\s\"':=]{0,6}(?:is\s)?(?P<id>(?=[\w.-]{0,40}[\d_])[\w.-]{5,200})",
        cues="user name|username|login|user|token|handle",
        digits=1,
    )
    yield rule(kind, r"\b<cue>:(?:oid|uuid):[\w.-]{4,200}", cues="urn", digits=1)
    resource = r"\b(?:Related)?<cue>/[\w-]{0,60}\d[\w.-]{0,60}"  # FHIR
    yield rule(kind, resource, cues="patient|practitioner|person|encounter", digits=1)
    yield rule(kind, r"\beyJ[\w-]{10,2000}(?:\.[\w-]{1,2000}){0,2}", mark="eyJ")


def _some_number(match: re.Match[str]) -> Span | None:
    token = match["id"]
    if _NO_NUMBER.fullmatch(token):
        return None
    code = _is_mixed(token) and token.upper() == token and len(token) >= 5
    return match.span("id") if _digits(token) >= 4 or (code and _digits(token) >= 2) else None


def _vehicles() -> Iterator[Rule]:
    kind = "vehicle number"
    chassis = r"\b(?=[A-HJ-NPR-Z\d]{0,16}[A-Z])(?=[A-HJ-NPR-Z]{0,16}\d)[A-HJ-NPR-Z\d]{11}\d{6}\b"
    yield rule(kind, chassis, digits=7, capital=True)
    yield rule(
        kind,
        r"\b(?:[A-Z]{2}\d\d\s?[A-Z]{3}|\d[A-Z]{3}\d{3}|"
        r"[A-Z]{1,3}-[A-Z]{1,2}\s?\d{1,4}|\d{2,3}-[A-Z]{1,2}-\d{1,6}|[A-Z]{2}\s\d{1,2}\s[A-Z]{1,2}\s\d{4})\b",
        cues=f"{_VEHICLES}|reg|registration|plate",
        digits=1,
    )
    said = r"[\s:.,\"'=]{1,4}(?:(?i:no|number|mark|is)\b[\s:.]{1,3}){0,2}"
    plate = r"(?=[A-Z\d -]{0,8}[A-Z])(?=[A-Z\d -]{0,8}\d)[A-Z\d]{1,4}[\s-]?[A-Z\d]{2,5}(?:[\s-][A-Z\d]{1,4}){0,2}"
    yield rule(
        kind, rf"\b<cue>\b{said}(?P<id>{plate})\b", cues="reg|registration|plate|plates", digits=1, accept=_plate
    )


_VEHICLES = "car|van|lorry|truck|vehicle|parked|driver|motorbike|motorcycle|taxi|bus|driving|badge"


def _plate(match: re.Match[str]) -> Span | None:
    """What follows "reg" on a form or near a word for a vehicle, and not a regular rhythm."""
    said = match.group()[: match.start("id") - match.start()]
    near = match.string[max(0, match.start() - 60) : match.start()]
    telling = re.search(r"[:.=]|no\b|number|mark|is\b|plate", said) or re.search(rf"\b(?:{_VEHICLES})\b", near)
    return match.span("id") if telling else None


_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_TOP = "com|org|net|edu|gov|info|io|app|example|health"
_COUNTRY = "ie|uk|us|ca|au|nz|de|fr|es|nl|ch|se|dk|pl|pt|za|ng|ke|jp|cn|br|mx|eu|wales|scot"


def _network() -> Iterator[Rule]:
    kind = "e-mail address"
    yield rule(kind, r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}\b", mark="@")
    before_at = r"\b[\w+-]{1,30}(?:\s(?:dot|underscore|dash)\s[\w+-]{1,30}){0,3}"
    spoken = rf"{before_at}\sat\s[\w-]{{1,30}}(?:\s<cue>\s[\w-]{{1,30}}){{1,3}}\b"
    yield rule(kind, spoken, cues="dot")
    kind = "web address"
    standing = "|".join(map(re.escape, vocabulary()["standing_addresses"]))
    scheme = rf"https?://(?!(?:[\w-]{{1,40}}\.){{0,3}}(?:{standing})(?:/|\b)(?!/fhir/sid))"
    yield rule(kind, rf"\b(?:{scheme}|www\.)[^\s\"<>]{{1,2000}}", cues="http|https|www")
    top = rf"(?:{_TOP}|(?:co|ac|org|nhs|gov|com|net)\.[a-z]{{2}}|[a-z]{{2,12}}(?=/\w)|(?:{_COUNTRY}))"
    domain = rf"(?<![\w.@/-])(?:[a-z][\w-]{{0,62}}\.){{1,5}}{top}\b(?:/[^\s\"<>]{{0,2000}})?"
    yield rule(kind, domain, cues=f"{_TOP}|{_COUNTRY}", accept=_domain)
    yield rule(kind, r"(?<![\w.@\"'/])@[A-Za-z]\w{3,30}\b", mark="@")
    kind = "IP address"
    four = rf"(?<![\d.])(?:{_OCTET}\.){{3}}{_OCTET}(?::\d{{2,5}})?(?![\d.]{{0,20}}\d)"
    yield rule(kind, four, digits=4, mark=".")
    group = "[0-9a-f]{1,4}"
    six = rf"(?:{group}:){{7}}{group}(?!\w)(?::\d{{2,5}})?|(?:{group}:){{1,6}}(?::{group}){{1,6}}"
    yield rule(kind, rf"(?<![\w:])(?i:{six})(?![\w:])", digits=2, mark=":")


def _domain(match: re.Match[str]) -> Span | None:
    """A bare domain name, and not two sentences that lack the space between them."""
    name = match.group().partition("/")[0]
    labels = name.split(".")
    if any(name.endswith(standing) for standing in listed("standing_addresses")):
        return None
    return match.span() if labels[-1] in _TOP.split("|") or "/" in match.group() or len(labels) > 2 else None


_EXTENSION = r"(?:\s?(?:x|(?i:ext|extension)\.?)\s?\d{2,6})?"
_LOOSE = r"\(?\+?\d[\d\s().-]{5,22}\d" + _EXTENSION
"""A telephone number however it is spaced, where a word says that it is one."""


def _telephones() -> Iterator[Rule]:
    faxes = "fax|e-fax|efax|faxed|facsimile|telefax"
    yield rule("fax number", rf"\b<cue>\b[^\d\n+(]{{0,30}}(?P<id>{_LOOSE})", cues=faxes, digits=7, accept=at_least(7))
    yield rule("fax number", rf"(?:^|\s)F:\s*(?P<id>{_LOOSE})", cues="F", digits=7, accept=at_least(7))
    kind = "telephone number"
    yield rule(kind, rf"(?:^|\s)T:\s*(?P<id>{_LOOSE})", cues="T", digits=7, accept=at_least(7))
    abroad = r"(?<![\w.+])\(?\+\d{1,3}\)?(?:[\s.-]?\(0\))?[\s.-]?\(?\d{1,5}\)?(?:[\s./-]?\d{2,5}){1,5}(?!\d)"
    yield rule(kind, abroad + _EXTENSION, digits=8, mark="+", accept=at_least(8))
    american = (
        rf"(?<![\w/.-])(?:(?:001|1)[-.\s])?(?:\(\d{{3}}\)\s?|\d{{3}}[-.])\d{{3}}[-.\s]\d{{4}}(?![\d-]){_EXTENSION}"
        rf"|(?<![\w/.,-])[2-9]\d\d\s\d{{3}}\s\d{{4}}(?:{_EXTENSION}(?![\w/%]|[.,]\d))"
    )
    yield rule(kind, american, digits=10)
    national = r"(?<![\w/.,-])\(?0\d{1,4}\)?(?:[\s-]\d{2,7}){1,4}(?!\d)|(?<![\w/.,-])0\d{9,10}(?!\d)"
    yield rule(kind, national, digits=9, accept=at_least(9))
    no_quantity = rf"(?![\d%]|[.,/]\d|\s?(?:{units()})(?![A-Za-z]))"
    said = rf"\b<cue>(?![a-z])[^\d\n+(]{{0,25}}(?P<id>{_LOOSE}){no_quantity}"
    yield rule(kind, said, cues=vocabulary()["telephone_labels"], digits=7, accept=_telephone)
    area = r"\b<cue>\D{0,5}(?P<id>\d{3}\D{1,8}\d{3}[\s-]?\d{4})"
    yield rule(kind, area, cues="area code", digits=10)
    inside = r"\b<cue>\b\.?\s*(?i:no\.?|number)?[\s:#]{0,3}(?P<id>\d{3,6})\b(?!\s*(?:deg|\u00b0|/|-|mm|cm|%))"
    yield rule(kind, inside, cues="bleep|ext|extn|extension|pager", digits=3)


def _telephone(match: re.Match[str]) -> Span | None:
    """A number after a word such as "phone": long enough, and no row of small values."""
    groups = re.findall(r"\d+", match["id"])
    digits, longest = _digits(match["id"]), max(map(len, groups))
    telling = len(groups) == 1 or longest >= 4 or digits >= 10 or (longest == 3 and _SURE.match(match.group()))
    return match.span("id") if digits >= 7 and telling and longest <= 15 else None


_SURE = re.compile(r"(?i:(?:tele)?(?:ph|f)one?|tel|t\u00e9l|mob|cell|handy|whatsapp|pager|landline|ring|dial|reach)")


def _images() -> Iterator[Rule]:
    yield rule("image", r"\b<cue>:(?:image|video|application)/[^\s\"<>]{1,5000}", cues="data")
    endings = "jpg|jpeg|png|gif|dcm|dicom|tif|tiff|heic|heif|webp|bmp|raw|mp|mov|avi|mkv|svg|pdf"
    ending = r"(?i:jpe?g|png|gif|dcm|dicom|tiff?|heic|heif|webp|bmp|raw|mp4|mov|avi|mkv|svg|pdf)"
    yield rule("image", rf"(?<![\w-])[\w-]{{1,80}}(?:\.[\w-]{{1,40}}){{0,3}}\.{ending}\b", cues=endings)
    starts = "/9j/|iVBORw0KGgo|R0lGOD|JVBERi|SUkqAA|TU0AKg|UklGR"  # of JPEG, PNG, GIF, PDF, TIFF and WebP in Base64
    yield rule("image", rf"(?<![\w+/])(?:{starts})[A-Za-z0-9+/]{{8,}}={{0,2}}", digits=1, capital=True)
    in_dicom = r"\b(?i:\w{0,20}Instance\s?UID)[\s\"':=]{0,4}(?P<id>\d(?:\.\d{1,20}){4,20})"
    yield rule("image", in_dicom, cues="uid|instance", digits=5)
