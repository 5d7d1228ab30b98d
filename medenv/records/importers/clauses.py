"""Clinical prose cut into atomic statements: one finding, said or denied, each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

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


_KIN = (
    r"(?:(?:[Tt]he|[Hh]is|[Hh]er|[Aa]) |[Tt]he (?:\w+['\u2019]s) |^[Pp]atient['\u2019]s |^)?"
    r"(?:\w+['\u2019]s )?(?:[Mm]other|[Ff]ather|[Pp]arents?|[Ff]amily(?: members?)?|[Rr]oommates|[Ww]ife|[Hh]usband|"
    r"[Dd]aughter|[Ss]on|[Cc]aregiver)"
)
_WHO = r"(?:(?:[Tt]he |^)?(?:[Pp]atient|[Ii]nfant|[Nn]ewborn|[Cc]hild|[Bb]aby|[Bb]oy|[Gg]irl)|^[Ss]he|^[Hh]e|^[Tt]hey)"
_REPORTS = (
    r"(?:(?:also|then|additionally|initially|further|now) )*(?:(?:has|have) )?"
    r"(?:reports?|reported|notes?|noted|mentions?|mentioned|states?|complains?(?: of)?|complained of|admits?(?: to)?|"
    r"endorses?|cites|adds|reveals|describes experiencing|presents? (?:to the \w+ (?:department|room) )?with|expresses|"
    r"experiences|is (?:also )?experiencing|(?:has|have) been experiencing|has experienced|experienced|is presenting with|"
    r"has had|recounts|indicates)"
)
_BROUGHT = r"(?:was|is|has been) brought (?:in |to the \w+ (?:department|room) )*(?:by \w+ \w+ )?(?:due to|because of|for|with)"
_DENIES = (
    r"(?:(?:also|specifically,?) )?(?:denies|denied|does not report|did not report|do not report|does not have|"
    r"has not had|has no|have no|had no|reports no|report no|negative for|has never had|denies having|denies experiencing)"
)
_FINITE = (
    r"(?:is|are|was|were|has|have|had|began|started|does|do|did|resolved|tends?|worsens?|improves?|occurs?|wakes?|found|"
    r"went|got|felt|became|broke|spent|appeared|died|underwent|takes|feels|can|cannot|could|will|would|witnessed|caught|"
    r"recalls|believes|describes|attends|lives|works|disrupts|notes|exhibited|increases|sometimes|remains|shows|brought)"
)
_VERB = (
    r"(?:denies|reports|mentions|notes|has|had|is|was|takes|does|drinks|smokes|works|lives|uses|experienced|describes|"
    r"recently (?:started|joined|attended|went|recovered|returned)|believes|underwent|requires?|developed|appears|"
    r"improve|worsen|vomits|shows|(?:frequently|occasionally|rarely|currently) (?:takes|uses|plays|drinks|smokes|consumes|"
    r"works|lives|worsens)|enjoys|plays|states|stopped|quit|found|yelled|broke|spent|tried|uses|mentions)"
)
_LEAD = r"^(?:(?:additionally|also|however|furthermore|moreover|specifically|overall|otherwise|upon further questioning),? )+"
_ABBREVIATION = re.compile(r"\b(?:C|E|S|approx|Dr|vs|e\.g|i\.e|St|No)\.$")
_HISTORY = (
    r"(?:an? )?(?:significant |known |past |long )*(?:(?:medical|personal) )?"
    r"history (?:is )?(?:significant |notable |only )*(?:for|of|includes)"
)
_WHEN = (
    r"((?:about |approximately )?(?:\w+|\d+) (?:hours?|days?|weeks?|months?|years?) ago|over the (?:past|last) (?:\w+ )?\w+|"
    r"earlier this \w+|during th(?:is|ese) \w+|the following day|recently(?=,)),? (?!who|the patient['\u2019]s)"
)
_TAIL = r" ?,? (?:(?:is|are|was|were|has been|have been) )?(?:reported|noted|mentioned|observed|identified|provided)(?: (?:by|at|in) .*)?$"
_BEFORE_DISTRIBUTION = re.compile(
    r"\b(?:pain|swelling|numbness|tingling|weakness|tenderness|redness|itching|stiffness|discomfort|burning|bleeding)$",
    re.I,
)
_PLACE = re.compile(r" (?:in|on|of|over|at) (?:the|his|her|my|both|right|left|lower|upper)\b.*$")


def atoms(text: str, listing: bool = False) -> Iterator[Atom]:
    """The statements of a text, in order.

    Args:
        text: One or more sentences, or fragments of them.
        listing: Whether bare fragments are lists of things the patient has, as in a past medical history.
    """
    for part in sentences(text):
        yield from _sentence(part, listing)


def sentences(text: str) -> Iterator[str]:
    """The sentences of a text; semicolons end one too."""
    start = 0
    for match in re.finditer(r"(?<=[.;!?])['\u2019\"]?\s+(?=[A-Z\d'\u2018\"])|;\s*", text):
        if not _ABBREVIATION.search(text[start : match.start()]):
            yield text[start : match.end()].strip(" ;")
            start = match.end()
    yield text[start:].strip(" ;")


def _sentence(text: str, listing: bool) -> Iterator[Atom]:
    text = re.sub(_LEAD, "", text.strip().rstrip("."), flags=re.I).strip()
    if not text:
        return
    when = re.match(_WHEN, text, re.I)
    for number, piece in enumerate(_pieces(text[when.end() :] if when else text)):
        late = f" {when.group(1)[0].lower()}{when.group(1)[1:]}" if when and number == 0 else ""
        yield from _piece(piece + late, listing)


def _pieces(text: str) -> Iterator[str]:
    """Cuts where a new verb of the same subject, or a new subject, begins."""
    cut = re.compile(
        rf",?\s+(?:but|and|while|though|although) (?=(?:also |then |recently |now )*(?:{_VERB}\b|no\b|(?:he|she|they|it|there|these)\b"
        rf"|(?:the|his|her) \w+(?: \w+)? {_FINITE}\b))"
        rf"|, (?=(?:{_VERB}|denies)\b)|,\s+(?=(?:no|non-\w+|not) )|,? but (?=(?:no|not) )"
        r"|, (?=(?:retired|married|elementary|college|occasional|social|moderate)\b)",
        re.I,
    )
    rest, subject = text, ""
    while match := _first_cut(cut, rest):
        head, tail = rest[: match.start()].strip(" ,"), rest[match.end() :].strip()
        yield head
        if starts := re.match(rf"(?:.*\bthat )?(?P<s>(?:[Tt]hese|[Tt]he|[Hh]is|[Hh]er|[Tt]his) (?!patient)\w+(?: \w+)?|[Ii]t) {_FINITE}\b", head):
            subject = starts.group("s")
        bare = re.match(rf"(?:{_VERB}|improve|worsen)\b", tail, re.I)
        rest = f"{subject} {tail}" if subject and bare and not re.match(r"denies|reports|drinks|smokes|works|takes", tail, re.I) else tail
    yield rest


def _first_cut(cut: re.Pattern[str], text: str) -> re.Match[str] | None:
    for match in cut.finditer(text):
        head = text[: match.start()]
        relative = re.search(r"\b(?:that|which|who)\b(?!.*,)", head) and not re.search(r"\b(?:reports?|notes?|mentions?|states?) that\b", head)
        if head.count("(") > head.count(")") or head.count("'") % 2 and " '" in head:
            continue
        if relative and re.match(r",?\s+(?:and|but) (?:has|is|was|had)\b", text[match.start() :]):
            continue
        negative_list = re.search(rf"\b(?:denies|denied|no|not|negative for|does not|did not)\b", head, re.I)
        if negative_list and re.match(r"no\b", text[match.end() :]) and "and" in match.group():
            continue
        return match
    return None


def _piece(text: str, listing: bool) -> Iterator[Atom]:
    text = re.sub(r"^(?:and|but|that|,) |^there['\u2019]s (?=noted )(?:noted )?", "", text.strip(" ,"))
    text = re.sub(r"^(?:the patient |he |she )?describes (?:the|his|her) (\w+) as (?=\w+ing|severe|sharp|dull)", r"the \1 is ", text, flags=re.I)
    if m := re.match(rf"(?:on review, )?(?:there(?:['\u2019]s| (?:is|are|was|were|have been|has been))) no(?:t any)? (?P<x>.+)", text, re.I):
        yield from _denied("no " + m["x"])
        return
    if re.match(r"(?:no|not|non|without|negative for|never)\b(?!-)", text, re.I):
        yield from _denied(text)
        return
    if m := re.match(rf"(?:{_WHO} )?(?:reports? |notes? |mentions? )?{_DENIES} (?P<x>.+)", text, re.I):
        yield from _denied("no " + m["x"])
        return
    if m := re.match(rf"(?:{_KIN}|{_WHO}) (?:reports?|notes?|mentions?|states?|adds|recalls?) (?:that |having had )?(?P<x>no (?!\w+ \w+ed).+)", text):
        yield from _denied(m["x"])
        return
    if m := re.match(rf"(?:{_WHO} )?(?:{_REPORTS}|{_BROUGHT})(?P<that> that)? (?P<x>.+)", text, re.I):
        yield from _reported(m["x"], bool(m["that"]))
        return
    if m := re.match(rf"{_KIN} (?:{_REPORTS}|recalls|describes him as|describes her as)(?P<that> that)?,? (?P<x>.+)", text):
        yield from _reported(m["x"], bool(m["that"]))
        return
    if m := re.match(rf"(?:{_WHO} )?(?:(?:also |otherwise )?(?:has|had|is|otherwise healthy with) )?(?:only )?(?:{_HISTORY}) (?P<x>.+)", text, re.I):
        yield from (Atom(x, "phrase", ever=True) for x in phrases(m["x"]))
        return
    if m := re.match(rf"(?:{_WHO}(?:['\u2019]s)?|[Tt]he|[Hh]is|[Hh]er) (?:past |previous )?(?:medical )?history (?:includes|is significant for|is notable for) (?P<x>.+)", text, re.I):
        yield from (Atom(x, "phrase", ever=True) for x in phrases(m["x"]))
        return
    if m := re.match(r"(?:only )?(?:significant|notable|positive) (?:only )?for (?P<x>.+)", text, re.I):
        yield from (Atom(x, "phrase", ever=listing) for x in phrases(m["x"]))
        return
    if m := re.match(rf"{_WHO} (?:has )(?P<k>known )?(?P<x>(?!not|been|never|had|lost|also been|become|progress|recent|demonstr|develop|abstain|smoked)(?:\w+ ){{0,3}}\w.*)", text):
        yield from (Atom(x, "phrase", ever=listing or bool(m["k"])) for x in phrases(m["x"]))
        return
    if re.match(rf"{_WHO}\b|(?:[Tt]he|[Hh]is|[Hh]er|[Tt]hese|[Tt]his|[Ii]t|[Tt]here|[Hh]e|[Ss]he|[Tt]hey)\b.*?\b{_FINITE}\b", text):
        yield _clause(text)
        return
    if re.match(rf"(?:[Pp]ain|[Ss]ymptoms?|[Ll]esions?|[Rr]ash|[Cc]ough|[Dd]iscomfort|[Ss]welling|[Dd]iscoloration) (?:{_FINITE}|radiates|disrupts|intensif\w+|wakes)\b", text) or (
        re.match(r"(?!(?:no|not|was|is|has|had)\b)(?:[\w'-]+ ){1,4}(?:is|are|was|were|have been|has been|have provided)\b", text) and not _is_verb(text)
    ):
        yield _clause(text if re.match(r"(?:the|his|her|their|this|these|patient)\b", text, re.I) else f"the {text[0].lower()}{text[1:]}")
        return
    if _is_verb(text):
        yield from _verbs(text)
        return
    for x in phrases(text):
        yield Atom(x, "phrase", ever=listing)


_VERB_STARTS = re.compile(
    r"(?:currently |recently |occasionally |frequently |rarely |previously |also |has |have )*"
    r"(?:being|works?|lives|drinks|smokes|takes|uses|has|is|was|did|does|enjoys|attends|regained|regain|experienced|started|stopped|"
    r"joined|returned|went|smoked|consumes?|serves|plays|eats|sleeps|developed|underwent|appears|exhibits|shows|met|reports|"
    r"recalls|believes|moved|retired from|sexually active|born|delivered|diagnosed|released|traveled|travelled|describes|"
    r"treated|enrolled|unaware|admits|spread|prefers|cares|feels|wakes|employed|taking|ingested|dresses|performs|keeps|"
    r"stays|studies|walks|runs|quit|gave|became|began|lost|gained|noticed|noted|found|presents|complains|continues|refuses)\b",
    re.I,
)


def _is_verb(text: str) -> bool:
    return _VERB_STARTS.match(text) is not None and not re.match(r"(?:reports of|works? stress|drinks? |walks? with pain)$", text, re.I)


def _verbs(text: str) -> Iterator[Atom]:
    text = text[0].lower() + text[1:]
    if m := re.match(r"(?:currently )?being (.*)", text):
        yield Atom(f"the patient is being {m[1]}", "clause")
        return
    if m := re.match(r"(born|delivered|diagnosed|released|enrolled|unaware|treated|employed|sexually active)\b", text):
        now = m[1] in ("unaware", "enrolled", "employed", "sexually active")
        yield Atom(f"the patient {'is' if now else 'was'} {text}", "clause")
        return
    if negative := re.match(r"(?:does|did|has|is|do) not (?P<x>.+)", text):
        helper = text.split()[0]
        for x in items(negative["x"]):
            yield Atom(f"the patient {helper} not {x}", "clause", "absent")
        return
    parts = re.split(rf", (?:and )?(?=(?:{_VERB})\b)", text)
    for part in parts:
        yield Atom(f"the patient {part}", "clause")


def _clause(text: str) -> Atom:
    text = re.sub(rf"^(?:[Pp]atient)\b(?!['\u2019])", "the patient", text)
    negative = re.search(
        rf"^(?:{_WHO}|[Ii]t|[Tt]here|[Hh]e|[Ss]he|[Tt]hey)(?: also| has| have)* (?:(?:is|are|was|were|has|have|had|does|do|did) (?:not|never|no)\b|never\b)",
        text,
    )
    unknown = re.search(r"\b(?:unsure|not sure|does not know|unknown|cannot recall)\b", text)
    return Atom(text, "clause", "unknown" if unknown else "absent" if negative else "present")


def _reported(text: str, that: bool) -> Iterator[Atom]:
    if m := re.match(r"(?:(?P<n>an? |the past )?(?P<d>(?:\w+[- ])?(?:day|week|month|year|hour)s?(?:-long)?) history of )(?P<x>.+)", text):
        duration = f"{m['n'] or ''}{m['d']}".replace("-long", "").replace("a year", "a year").strip()
        for x in phrases(re.sub(r"^(?:experiencing|having) ", "", m["x"])):
            head, which, tail = x.partition(", which ")
            yield Atom(f"{head} for {_span(duration)}{which}{tail}", "phrase")
        return
    if m := re.match(r"(?:of )?(?:experiencing|having(?: had)?|developing|suffering from|complaints of|a sensation of) (?P<x>.+)", text):
        yield from (Atom(x, "phrase") for x in phrases(m["x"]))
        return
    pronoun = re.match(r"(?:he|she|they|it|these|there|this)\b", text, re.I)
    noun = re.match(rf"(?:the|his|her|their|no|some)? ?(?:\w+ ){{1,5}}?{_FINITE}\b", text, re.I)
    if re.match(r"(?:during|despite|when|after|while) ", text):
        yield _clause(text)
        return
    if that or pronoun or (noun and re.match(r"(?:the|his|her|their|symptoms|episodes|pain)\b", text, re.I)):
        if m := re.match(rf"(?:he|she|they|the \w+) (?:has (?:been )?(?:experiencing|having)) (?P<x>.+)", text, re.I):
            yield from (Atom(x, "phrase") for x in phrases(m["x"]))
            return
        yield from _piece(re.sub(r"^(?:he|she)\b", "the patient", text), False)
        return
    if m := re.match(r"(?:now |currently )?being (.+)", text):
        yield Atom(f"the patient {'was' if ' ago' in text else 'is'} {m[1]}", "clause")
        return
    if m := re.match(r"noticing (.+)", text):
        yield Atom(f"the patient noticed {m[1]}", "clause")
        return
    if re.match(r"(?:feeling|attending|adopting|exercising|trying|losing|noticing|maintaining|falling|using|taking)\b", text):
        yield Atom(f"the patient {'was' if ' ago' in text else 'has been'} {text}", "clause")
        return
    for x in phrases(text):
        yield Atom(x, "phrase")


def _span(duration: str) -> str:
    duration = re.sub(r"^(?:an?) (?=\d)", "", duration)
    number = re.match(r"(\d+)[- ](\w+?)s?$", duration)
    if number:
        return f"{number[1]} {number[2]}{'s' if number[1] != '1' else ''}"
    return duration.replace("-", " ") if re.match(r"(?:a|an|the|several|few)\b", duration) else f"a {duration}".replace("-", " ")


def _denied(text: str) -> Iterator[Atom]:
    text = re.sub(_TAIL, "", text)
    text = re.sub(r"^(?:negative for|without|no|not|any) ", "", text, flags=re.I).strip()
    text = re.sub(r"^on (?:any )?", "", text)
    text = re.sub(r"^(?:reported (?=use|exposure)|(?:signs|reports|episodes|symptoms|evidence|complaints) of|any|having|experiencing|known(?= history)) ", "", text)
    text = re.sub(r", (?:or|and) (?:any )?other (?=[^,]*$)", ", other ", text)
    exception = re.search(r"(?:,| \()? ?(?:aside from|apart from|except(?: for| noted)?|besides|other than)\b[^,]*(?=,|$)", text)
    extra = ""
    if exception:
        extra = re.sub(r"^[,( ]*(?:aside from|apart from|except(?: for| noted)?|besides|other than) (?:the )?|\)$", "", exception.group())
        text = text[: exception.start()] + text[exception.end() :]
    ever = False
    if m := re.match(r"(?:(?:known|prior|previous|recent|past) )?history of (?P<x>.+)", text):
        ever, text = True, m["x"]
    helper = ""
    if re.match(r"(?:takes|smoked|able)\b", text):
        helper = "not "
    for x in items(text):
        inner = re.match(r"(?:or |and )?(?:no|not|denies|any) (?P<x>.+)", x)
        if re.search(r" (?:is|are|was|were) ", x):
            yield _clause(x)
            continue
        yield Atom(helper + (inner["x"] if inner else x), "phrase", "absent", ever)
    if extra and not re.match(r"noted|in\b|with\b", extra):
        yield from (Atom(x, "phrase", ever=True) for x in phrases(extra))


def items(text: str) -> list[str]:
    """The members of a list joined by commas, "and", "or": what is denied is denied one by one."""
    text = re.sub(r"\bloss or gain\b", "loss/gain", text)
    cut = r",\s*+(?:and |or |nor )?(?![^()]*\))|\s+nor\s+|\s+(?:or|and) (?=any |exposure |contact |use |recent |history |known )"
    parts = [p for p in re.split(cut, text) if p.strip()]
    found: list[str] = []
    for part in parts:
        part = re.sub(r"^(?:and|or|any|no) ", "", part.strip())
        halves = re.split(r"\s+(?:or|and)\s+", part, maxsplit=1)
        shared = re.search(r"\b(?:in|to|of|for|with|contact|exposure|about|between)\b", halves[0])
        adjectives = re.match(r"^(?:\w+ )*(?:visual|medical|family|previous|past|bowel|respiratory|surgical|physical|drug|sick)$", halves[0])
        kinds = len(halves) == 2 and _KINDS.search(halves[1]) and " " not in halves[0]
        if len(halves) == 2 and not shared and not adjectives and not kinds and "such as" not in part:
            place = _PLACE.search(halves[1])
            if place and _BEFORE_DISTRIBUTION.search(halves[0]):
                halves[0] += place.group()
            found += [halves[0], *items(halves[1])]
        else:
            found.append(part)
    return [x.strip(" .,").replace("loss/gain", "loss or gain") for x in found if x.strip(" .,")]


_KINDS = re.compile(r"^\w+ (?:changes|disturbances|symptoms|history|issues|problems|habits|difficulties|distress)$")
_FINDING = re.compile(
    r"\b(?:pain|pains|swelling|numbness|tingling|weakness|tenderness|redness|itching|stiffness|discomfort|bleeding|fever|rash|"
    r"nausea|vomiting|diarrhea|cough|headache|fatigue|malaise|dizziness|loss|sweats|chills|vision|spots|breath|cramping|"
    r"bruising|constipation|seizures?|confusion|weight|appetite|pruritus|distension|anorexia|irritability|restlessness|"
    r"wheezing|congestion|throat|gait|falls|lesions?|papules|blisters|hypertension|diabetes|mellitus|hyperlipidemia|reflux|"
    r"osteoarthritis|depression|metformin|malaise|hallucinations|sputum|urgency|frequency|signs|difficulty|disease|asthma|"
    r"use|consumption|smoking|distress|mentation|petechiae|paresthesias|insulin|lethargy|visit)\b",
    re.I,
)


def _with_adjectives(parts: list[str]) -> Iterator[str]:
    held = ""
    for part in parts:
        if re.fullmatch(r"(?:a |an )?(?:\w+ful|swollen|thick|red|tender|firm|itchy|flaccid|scaly|rough|crusty|foamy|non-\w+|persistent|multiple|skin-colored|nontender|pearly)", part.strip(), re.I):
            held += part.strip() + ", "
            continue
        yield held + part
        held = ""
    if held:
        yield held


def phrases(text: str) -> list[str]:
    """The members of a list of things the patient has; what belongs to one member stays with it."""
    text = re.sub(r",?(?<!occasionally) (?:accompanied by|as well as|along with|together with|accompanying) ", ", ", text)
    text = re.sub(r",? which (?:has|have|is|are|was|were)\b", lambda m: " that " + m.group().split()[-1], text)
    parts = re.split(r",\s*+(?![^()]*\))(?!(?:often |occasionally |with |which |\d+ pack|(?!worsening|increasing|burning|itching|vomiting|wheezing|swelling|bleeding|tingling|cramping|shooting|grunting)\w+ing|\w+ed|worsening (?:with|when|after|by)|particularly|including|such as|\d+ \w+ ago|especially|specifically|currently|worse|well|who|that|for which|so|unable|initially|sparing)\b)", text)
    found: list[str] = []
    for part in _with_adjectives(parts):
        part = re.sub(r"^(?:and|or|also|seeing|a history of|history of) ", "", part.strip())
        if spell := re.match(r"(?:an? )?((?:\w+[- ])?(?:day|week|month|year)s?(?:-long)?) history of (.+)", part, re.I):
            part = f"{spell[2]} for {_span(spell[1])}"
        halves = re.split(r"\s+and\s+(?![^()]*\))", part, maxsplit=1)
        if len(halves) == 2 and _FINDING.search(halves[0]) and _FINDING.search(halves[1]) and "between" not in halves[0]:
            place = _PLACE.search(halves[1])
            if place and _BEFORE_DISTRIBUTION.search(halves[0]):
                halves[0] += place.group()
            found += [halves[0], halves[1]]
        else:
            found.append(part)
    return [x.strip(" .,") for x in found if x.strip(" .,")]
