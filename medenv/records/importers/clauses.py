"""Clinical prose cut into atomic statements: one finding, said or denied, each.

The vocabulary is data, in `grammar.json`: lists of words, each of which may be a regular expression.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Literal, TypeAlias

from medenv.records.record import Polarity

__all__ = ["Atom", "atoms", "items", "phrases", "sentences"]


@dataclass(frozen=True, slots=True)
class Atom:
    """One statement as the text makes it."""

    text: str
    form: Literal["phrase", "clause"]
    """A noun phrase ("pain in the knee"), or a clause whose subject is often "the patient"."""
    polarity: Polarity = "present"
    ever: bool = False
    """Whether it is about the past ("no history of ...")."""


_GRAMMAR: dict[str, str] = {
    key: f"(?:{'|'.join(words)})"
    for key, words in json.loads(
        resources.files("medenv.records.importers").joinpath("grammar.json").read_text("utf-8")
    ).items()
}
_UNIT = "(?:hour|day|week|month|year)"


def _regex(pattern: str) -> re.Pattern[str]:
    """A pattern in which `<name>` stands for a list of the grammar."""
    lists = {
        **_GRAMMAR,
        "relative": rf"(?:(?:the|his|her|a) )?(?:\w+['\u2019]s )?{_GRAMMAR['kin']}",
        "said": rf"(?:(?:also|then|additionally|initially|further|now) )*(?:(?:has|have) )?{_GRAMMAR['reports']}",
        "history": r"(?:an? )?(?:significant |known |past |long )*(?:(?:medical|personal) )?history (?:is )?"
        r"(?:significant |notable |only )*(?:for|of|includes)",
    }
    return re.compile(re.sub(r"<(\w+)>", lambda m: lists.get(m[1], m.group()), pattern), re.I)


def atoms(text: str, listing: bool = False) -> Iterator[Atom]:
    """The statements of a text, in order.

    Args:
        text: One or more sentences, or fragments of them.
        listing: Whether bare fragments are lists of things the patient has, as in a past medical history.
    """
    for sentence in sentences(text):
        for short, full in _SHORT_FORMS:
            sentence = short.sub(full, sentence)
        sentence = _LEAD.sub("", sentence.strip().rstrip(".")).strip()
        when = _WHEN.match(sentence)
        for number, piece in enumerate(_pieces(sentence[when.end() :] if when else sentence)):
            late = f" {when[1][0].lower()}{when[1][1:]}" if when and number == 0 else ""
            if piece:
                yield from _piece(piece + late, listing)


_SHORT_FORMS = (
    (_regex(r"n['\u2019]t\b"), " not"),
    (_regex(r"\bthere['\u2019]s (?:noted )?"), "there is "),
)
_LEAD = _regex(
    r"^(?:(?:additionally|also|however|furthermore|moreover|specifically|overall|otherwise|upon further questioning)"
    r",? )+"
    r"|^although [^,]+, (?=(?:he|she|the patient) )"
)
_WHEN = _regex(
    rf"((?:about |approximately )?\w+ {_UNIT}s? ago|over the (?:past|last) (?:\w+ )?\w+|earlier this \w+|"
    r"during th(?:is|ese) \w+|the following day|recently(?=,)),? (?!who|the patient['\u2019]s)"
)


def sentences(text: str) -> Iterator[str]:
    """The sentences of a text; semicolons end one too."""
    start = 0
    for match in re.finditer(r"(?<=[.;!?])['\u2019\"]?\s+(?=[A-Z\d'\u2018\"])|;\s*", text):
        if not re.search(r"\b(?:C|E|S|approx|Dr|vs|e\.g|i\.e|St|No)\.$", text[start : match.start()]):
            yield text[start : match.end()].strip(" ;")
            start = match.end()
    yield text[start:].strip(" ;")


# Cutting a sentence where a new verb of the same subject, or a new subject, begins


def _pieces(text: str) -> Iterator[str]:
    rest, subject = text, ""
    while match := _first_cut(rest):
        head, tail = rest[: match.start()].strip(" ,"), rest[match.end() :].strip()
        yield head
        if starts := _SUBJECT.match(head):
            subject = starts["s"]
        goes_on = subject and _JOINED.match(tail) and not _PATIENT_ONLY.match(tail)
        rest = f"{subject} {tail}" if goes_on else tail
    yield rest


_CUT = _regex(
    r",?\s+(?:but|and|while|though|although) (?=(?:also |then |recently |now )*"
    r"(?:<joined_verbs>\b|no\b|(?:he|she|they|it|there|these)\b|(?:the|his|her) \w+(?: \w+)? <finite>\b))"
    r"|, (?=<joined_verbs>\b)|,\s+(?=(?:no|non-\w+|not) )|,? including (?=no )|, (?=reporting |normal )"
    r"|,? but (?=(?:no|not(?! to)) )|,? and that (?=(?:his|her|the) )"
    r"|, (?=(?:retired|married|elementary|college|occasional|social|moderate)\b)"
)
_SUBJECT = _regex(
    r"(?:.*\bthat )?(?P<s>(?:these|the|his|her|this) (?!patient)\w+(?: (?!occasionally|often|sometimes|tend)\w+)?|it)"
    r"(?: occasionally| often| sometimes)? (?:<finite>|tend)\b"
)
_JOINED = _regex(r"<joined_verbs>\b")
_PATIENT_ONLY = _regex(r"denies|reports|drinks|smokes|works|takes")
_ONLY_SUBJECT = _regex(r"<who>|<relative>")
_NEGATIVE = _regex(r"\b(?:denies|denied|no|not|negative for)\b")


def _first_cut(text: str) -> re.Match[str] | None:
    for match in _CUT.finditer(text):
        head, tail = text[: match.start()], text[match.end() :]
        open_clause = re.search(r"\b(?:that|which|who)\b(?!.*,)", head)
        said = re.search(r"\b(?:reports?|notes?|mentions?|states?) that\b", head)
        if (
            _ONLY_SUBJECT.fullmatch(head.strip())
            or head.count("(") > head.count(")")
            or (head.count("'") % 2 and " '" in head)
            or (
                open_clause
                and not said
                and re.match(r",?\s+(?:and|but) (?:has|is|was|had|improves|worsens|radiates)\b", text[match.start() :])
            )
            or (_NEGATIVE.search(head) and "and" in match.group() and re.match(r"no\b", tail))
        ):
            continue
        return match
    return None


# What a piece of a sentence says

Reading: TypeAlias = Callable[[re.Match[str], bool], Iterable[Atom]]


def _piece(text: str, listing: bool) -> Iterator[Atom]:
    text = _OPENING.sub("", text.strip(" ,"))
    text = _DESCRIBES.sub(r"the \1 is ", text)
    for pattern, reading in _READINGS:
        if m := pattern.match(text):
            yield from reading(m, listing)
            return
    if _CLAUSE.match(text) or (_BARE_CLAUSE.match(text) and not _is_verb(text)):
        yield _clause(text if _DETERMINED.match(text) else f"the {text[0].lower()}{text[1:]}")
    elif _is_verb(text):
        yield from _verbs(text)
    else:
        yield from (_had(x, listing) for x in phrases(text))


_OPENING = _regex(
    r"^(?:and|but|that|reporting|,) |"
    r"^there (?:is|are|has been|have been) (?!no\b)(?:a (?=history))?(?:occurrences of )?"
)
_DESCRIBES = _regex(
    r"^(?:the patient |he |she )?describes (?:the|his|her) (\w+) as (?=\w+ing|severe|sharp|dull)",
)
_CLAUSE = _regex(
    r"(?:pain|symptoms?|lesions?|rash|cough|discomfort|swelling|discoloration) "
    r"(?:<finite>|radiates|disrupts|intensif(?:ies|ied))\b"
)
_BARE_CLAUSE = _regex(
    r"(?!(?:no|not|was|is|has|had)\b)(?:(?!that |which |who )[\w'-]+ ){1,4}(?:is|are|was|were|has|have provided)\b|"
    r"(?:(?!that |which |who )[\w'-]+ ){1,14}(?:have|has) been\b"
)
_DETERMINED = _regex(r"(?:an?|the|his|her|their|this|these|patient)\b")


def _listed(ever: bool | None = None) -> Reading:
    """Reads the group `x` as a list of things the patient has; `ever` tells whether in the past."""

    def read(m: re.Match[str], listing: bool) -> Iterable[Atom]:
        known = bool(m.groupdict().get("known"))
        return [_had(x, (listing or known) if ever is None else ever) for x in phrases(m["x"])]

    return read


def _said(m: re.Match[str], listing: bool) -> Iterable[Atom]:
    return _reported(m["x"], bool(m.groupdict().get("that")))


_READINGS: tuple[tuple[re.Pattern[str], Reading], ...] = tuple(
    (_regex(pattern), reading)
    for pattern, reading in (
        (
            r"(?:on review, )?there (?:is|are|was|were|have been|has been) no(?:t any)? (?P<x>.+)",
            lambda m, _: _denied(m["x"]),
        ),
        (
            r"(?:after|during|since|despite|when|while|although|until) .+",
            lambda m, _: [_clause(m.group())],
        ),
        (
            r"(?:the patient['\u2019]s )?medications?: (?P<x>.+)",
            lambda m, _: [Atom(f"the patient takes {m['x']}", "clause")],
        ),
        (r"(?:no|not|non|without|negative for|never)\b(?!-).+", lambda m, _: _denied(m.group())),
        (
            r"(?:(?:<who>|<relative>) )?(?:reports? |notes? |mentions? )?(?:also |specifically,? )?<denies> (?P<x>.+)",
            lambda m, _: _denied(m["x"]),
        ),
        (
            r"(?:<relative>|<who>) (?:reports?|notes?|mentions?|states?|adds|recalls?) (?:that |having had )?"
            r"no (?!\w+ \w+ed)(?P<x>.+)",
            lambda m, _: _denied(m["x"]),
        ),
        (r"(?:<who> )?<said>(?P<that> that)? (?P<x>.+)", _said),
        (
            r"(?:<who> )?(?:was|is|has been) brought (?:in |to the \w+ (?:department|room) )*(?:by \w+ \w+ )?"
            r"(?:due to|because of|for|with) (?P<x>.+)",
            _said,
        ),
        (
            r"<relative> describes (?:him|her) as (?P<x>.+)",
            lambda m, _: [Atom(f"the patient is {m['x']}", "clause")],
        ),
        (r"they (?:also )?(?:noticed|report|note|notice) (?:that )?(?P<x>.+)", _said),
        (r"<relative> (?:reports?|notes?|mentions?) noticing (?P<x>.+)", _listed(False)),
        (
            r"<relative> (?:<said>|recalls|(?:(?:have|has) )?(?:also )?(?:noticed|observed))(?P<that> that)?,? "
            r"(?P<x>.+)",
            _said,
        ),
        (
            r"(?:<who> )?(?:(?:also |otherwise )?(?:has|had|is|otherwise healthy with) )?(?:only )?<history> (?P<x>.+)",
            _listed(True),
        ),
        (
            r"(?:<who>(?:['\u2019]s)?|the|his|her) (?:past |previous )?(?:medical |social )?history "
            r"(?:includes|is significant for|is notable for) (?P<x>.+)",
            _listed(True),
        ),
        (r"(?:only )?(?:significant|notable|positive) (?:only )?for (?P<x>.+)", _listed()),
        (
            r"<who> has (?P<known>known )?(?P<x>(?!\w+ed\b|not|been|never|had|lost|also been|become|progress|recent)"
            r"(?:\w+ ){0,3}\w.*)",
            _listed(),
        ),
        (
            r"(?:<who>\b|(?:the|his|her|these|this|it|there|he|she|they)\b.*?\b<finite>\b"
            r"|an? [\w ]+? (?:appeared|developed|started|began|had)\b).*",
            lambda m, _: [_clause(m.group())],
        ),
    )
)


def _reported(text: str, that: bool) -> Iterator[Atom]:
    """What somebody reports: with a spell ("a 2-day history of"), as a clause, or as a list."""
    if m := _SPELL.match(text):
        for x in phrases(re.sub(r"^(?:experiencing|having) ", "", m["x"])):
            head, which, tail = x.partition(", which ")
            yield Atom(f"{head} for {_span(m['d'])}{which}{tail}", "phrase")
    elif m := _EXPERIENCING.match(text):
        yield from (_had(x) for x in phrases(m["x"]))
    elif re.match(r"(?:during|despite|when|after|while) ", text):
        yield _clause(text)
    elif that or _PRONOUN.match(text) or _NOUN_CLAUSE.match(text):
        if m := _HAS_BEEN.match(text):
            yield from (_had(x) for x in phrases(m["x"]))
        else:
            yield from _piece(re.sub(r"^(?:he|she)\b", "the patient", text), False)
    elif m := re.match(r"(?:now |currently )?being (.+)", text):
        yield Atom(f"the patient {'was' if ' ago' in text else 'is'} {m[1]}", "clause")
    elif m := re.match(r"noticing (.+)", text):
        yield Atom(f"the patient noticed {m[1]}", "clause")
    elif _DOING.match(text):
        yield Atom(f"the patient {'was' if ' ago' in text else 'has been'} {text}", "clause")
    else:
        yield from (_had(x) for x in phrases(text))


_SPELL = _regex(rf"(?P<d>(?:an? |the past )?(?:\w+[- ])?{_UNIT}s?(?:-long)?) history of (?P<x>.+)")
_EXPERIENCING = _regex(
    r"(?:of )?(?:experiencing|having(?: had)?|developing|suffering from|complaints of|a sensation of) (?P<x>.+)"
)
_PRONOUN = _regex(r"(?:he|she|they|it|these|there|this)\b")
_NOUN_CLAUSE = _regex(r"(?:(?:the|his|her|their) |(?=(?:symptoms|episodes|pain)\b))(?:\w+ ){1,5}?<finite>\b")
_HAS_BEEN = _regex(r"(?:he|she|they|the \w+) has (?:been )?(?:experiencing|having) (?P<x>.+)")
_DOING = _regex(r"(?:feeling|attending|adopting|exercising|trying|losing|maintaining|falling|using|taking)\b")


def _span(duration: str) -> str:
    """A spell as it stands after "for": "1-month" as "1 month", "a year-long" as "a year"."""
    duration = re.sub(r"^an? (?=\d)", "", duration.replace("-long", "")).strip()
    if number := re.match(r"(\d+)[- ](\w+?)s?$", duration):
        return f"{number[1]} {number[2]}{'s' if number[1] != '1' else ''}"
    article = "" if re.match(r"(?:a|an|the|several|few)\b", duration) else "a "
    return article + duration.replace("-", " ")


def _denied(text: str) -> Iterator[Atom]:
    """What is denied, one by one; what is excepted from the denial is said."""
    text = re.sub(r" \((?!except)[^)]*\)", "", _TAIL.sub("", text))
    for opening in _DENIAL:
        text = opening.sub("", text).strip()
    text = re.sub(r", (?:or|and) (?:any )?other (?=[^,]*$)", ", other ", text)
    excepted = ""
    if exception := _EXCEPTION.search(text):
        excepted = exception["x"].rstrip(")")
        text = text[: exception.start()] + text[exception.end() :]
    ever = False
    if m := re.match(r"(?:(?:known|prior|previous|recent|past) )?history of (?P<x>.+)", text):
        ever, text = True, m["x"]
    for number, x in enumerate(items(text)):
        if re.search(r" (?:is|are|was|were) ", x):
            yield Atom(f"no {x}", "clause", "absent") if number == 0 else _clause(x)
        elif re.match(r"(?:immunizations?|vaccinations?) .*up|mother['\u2019]s history", x):
            yield Atom(x, "phrase", ever=True)
        else:
            yield Atom(re.sub(r"^(?:or |and )?(?:no|not|denies|any|known) ", "", x), "phrase", "absent", ever)
    if excepted and not re.match(r"noted|in\b|with\b", excepted):
        yield from (Atom(x, "phrase", ever=True) for x in phrases(excepted))


_TAIL = _regex(
    r" ?,? (?:(?:is|are|was|were|has been|have been) )?(?:reported|noted|mentioned|observed|identified|provided)"
    r"(?: (?:by|at|in|prior to) [^,()]*)?$"
)
_DENIAL = (
    _regex(r"^(?:negative for|without|no|not|any) "),
    _regex(r"^on (?:any )?|^(?:taking|using) (?:any )?|^use of (?:any )?"),
    _regex(
        r"^(?:reported (?=use|exposure)|(?:signs|reports|episodes|symptoms|evidence|complaints) of|any|having|"
        r"experiencing|known(?= history)) "
    ),
)
_EXCEPTION = _regex(
    r"(?:,| \()? ?(?:aside from|apart from|except(?: for| noted)?|besides|other than) (?:the )?(?P<x>[^,]*)(?=,|$)"
)


# Verbs without their subject


def _had(text: str, ever: bool = False) -> Atom:
    """A member of a list as an atom; one that is a verb gets its subject."""
    if _is_verb(text) and not _NOUN_OR_VERB.match(text):
        return _clause(f"the patient {text[0].lower()}{text[1:]}")
    if _OWN_SUBJECT.match(text):
        return _clause(text)
    return Atom(text, "phrase", ever=ever)


_OPENS_WITH_VERB = _regex(
    r"(?:currently |recently |occasionally |frequently |rarely |previously |also |then |now |has |have )*"
    r"<opening_verbs>\b"
)
_NOUN_OR_VERB = _regex(r"(?:diagnosed|treated|found|noted|noticed|spread|reports|delivered|born)\b")
_OWN_SUBJECT = _regex(
    r"(?:he|she|his|her|they|their|the) (?:(?!that |which |who |with )\w+ ){0,6}<finite>\b|(?:he|she)\b"
)
_PARTICIPLE = _regex(r"(?:recently |currently |previously )?(<participles>)\b")
_NEXT_VERB = _regex(r", (?:and )?(?=<joined_verbs>\b)")
_NEGATED = _regex(
    r"(?:<who>|it|there)(?: also| has| have)* "
    r"(?:(?:is|are|was|were|has|have|had|does|do|did) (?:not|never|no)\b|never\b)"
)


def _is_verb(text: str) -> bool:
    return _OPENS_WITH_VERB.match(text) is not None and not re.match(r"(?:reports of|works? stress|drinks?) ?$", text)


def _verbs(text: str) -> Iterator[Atom]:
    text = text[0].lower() + text[1:]
    if m := re.match(r"(?:currently )?((?:being|taking) .*)", text):
        yield Atom(f"the patient is {m[1]}", "clause")
    elif m := _PARTICIPLE.match(text):
        now = m[1] in ("unaware", "enrolled", "employed", "sexually active")
        yield Atom(f"the patient {'is' if now else 'was'} {text}", "clause")
    elif m := re.match(r"(?P<helper>does|did|has|is|do) not (?P<x>.+)", text):
        yield from (Atom(f"the patient {m['helper']} not {x}", "clause", "absent") for x in items(m["x"]))
    else:
        yield from (Atom(f"the patient {part}", "clause") for part in _NEXT_VERB.split(text))


def _clause(text: str) -> Atom:
    text = re.sub(r"^[Pp]atient\b(?!['\u2019])", "the patient", text)
    unknown = re.search(r"\b(?:unsure|not sure|does not know|unknown|cannot recall)\b", text)
    polarity: Polarity = "unknown" if unknown else "absent" if _NEGATED.match(text) else "present"
    return Atom(text, "clause", polarity)


# Lists


def items(text: str) -> list[str]:
    """The members of a list joined by commas, "and", "or": what is denied is denied one by one."""
    text = re.sub(r"\bloss or gain\b", "loss/gain", text)
    parts = [p for p in _BETWEEN_ITEMS.split(text) if p.strip()]
    if parts and (m := re.search(r" (symptoms|problems|complaints)$", parts[-1])):
        parts = [f"{p}{m.group()}" if _SYSTEM.fullmatch(p.strip()) else p for p in parts]
    found: list[str] = []
    for part in parts:
        part = re.sub(r"^(?:and|or|any|no) ", "", part.strip())
        halves = re.split(r"\s+(?:or|and)\s+", part, maxsplit=1)
        if len(halves) == 2 and not _SHARED.search(halves[0]) and not _shares_noun(*halves) and "such as" not in part:
            found += [_placed(*halves), *items(halves[1])]
        else:
            found.append(part)
    return [x.strip(" .,").replace("loss/gain", "loss or gain") for x in found if x.strip(" .,")]


_BETWEEN_ITEMS = _regex(
    r",\s*+(?:and |or |nor )?(?![^()]*\))|\s+nor\s+|(?<=consciousness)\s+or\s+|"
    r"\s+(?:or|and) (?=any |exposure |contact |use |recent |history |known )"
)
_SYSTEM = _regex(r"(?:any )?<systems>")
_SHARED = _regex(r"\b(?:in|to|of|for|with|at|contact|exposure|about|between)\b")
_ADJECTIVE = _regex(r"^(?:\w+ )*<shared_adjectives>$")
_COMMON_NOUN = _regex(r"^\w+ (?:changes|disturbances|symptoms|history|issues|problems|habits|difficulties|distress)$")
_SPREADING = _regex(r"\b<spreading>$")
_PLACE = re.compile(r" (?:in|on|of|over|at) (?:the|his|her|my|both|right|left|lower|upper)\b.*$")


def _shares_noun(left: str, right: str) -> bool:
    """Whether "visual or auditory disturbances" is one thing: the left half is an adjective of the right one's noun."""
    return bool(_ADJECTIVE.match(left)) or (" " not in left and bool(_COMMON_NOUN.search(right)))


def _placed(left: str, right: str) -> str:
    """The left half with the place that stands after the right one: "pain" of "pain and swelling in the knee"."""
    place = _PLACE.search(right)
    return left + place.group() if place and _SPREADING.search(left) else left


def phrases(text: str) -> list[str]:
    """The members of a list of things the patient has; what belongs to one member stays with it."""
    if re.match(r"improvement in", text, re.I):
        return [text]
    text = _ALONG_WITH.sub(", ", text)
    late = re.search(rf" (?:\d+|one|two|three|several) {_UNIT}s? ago$", text)
    examples = re.search(r"\b(?:such as|including)\b.*", text)
    if examples:
        text = text[: examples.start()]
    text = re.sub(r",? which (has|have|is|are|was|were)\b", r" that \1", text)
    found: list[str] = []
    for part in _with_adjectives(_with_places(_BETWEEN_PHRASES.split(text))):
        part = re.sub(r"^(?:and|or|also|seeing|a history of|history of) ", "", part.strip())
        if spell := _SPELL.match(part):
            part = f"{spell['x']} for {_span(spell['d'])}"
        halves = re.split(r"\s+and\s+(?![^()]*\))", part, maxsplit=1)
        two = len(halves) == 2 and "between" not in halves[0] and all(_FINDING.search(half) for half in halves)
        found += [_placed(*halves), halves[1]] if two else [part]
    found = [re.sub(r" noted$", "", x.strip(" .,")) for x in found if x.strip(" .,")]
    if examples and found:
        found[-1] = f"{found[-1]} {examples.group()}"
    elif late:
        found = [x if " ago" in x or "that " in x else x + late.group() for x in found]
    return found


_ALONG_WITH = _regex(r",?(?<!occasionally) (?:accompanied by|as well as|along with|together with|accompanying) ")
_BETWEEN_PHRASES = _regex(r",\s*+(?![^()]*\))(?!(?:<attached>|(?!<ing_nouns>)\w+ing|\w+ed)\b)")
_FINDING = _regex(r"\b<findings>\b")
_SITED = _regex(
    r"\b<sited> (?:in|on|of|over) (?:the |his |her )?(?:\w+ ){0,2}(?!last|past)\w+(?:,[^,]*)?$",
)
_ADJECTIVE_ALONE = _regex(r"(?:the presence of )?(?:an? )?<adjectives>")
_ENDS_IN_ADJECTIVE = _regex(r" (?:of|is|are) (?:thick|foamy|scaly|swollen|rough|red)$")


def _with_places(parts: list[str]) -> list[str]:
    """Puts "pain in the toe", "hips", "knees" back together: places of one finding are no findings."""
    joined: list[str] = []
    for part in parts:
        words = re.sub(r"^and ", "", part).split()
        place = bool(words) and len(words[0]) < 12 and not re.match(r"an?$|\d", words[0])
        if joined and place and _SITED.search(joined[-1]) and not _FINDING.search(" ".join(words[:3])):
            joined[-1] += f", {part}"
        else:
            joined.append(part)
    return joined


def _with_adjectives(parts: list[str]) -> Iterator[str]:
    """Puts "thick", "foamy", "yellow sputum" back together."""
    held = ""
    for part in parts:
        if _ADJECTIVE_ALONE.fullmatch(part.strip()) or _ENDS_IN_ADJECTIVE.search(part):
            held += part.strip() + ", "
        else:
            yield held + part
            held = ""
    if held:
        yield held
