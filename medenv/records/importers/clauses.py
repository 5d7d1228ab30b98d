"""Clinical prose cut into atomic statements: one finding, said or denied, each.

The vocabulary is data, in `grammar.json`: lists of words, each of which may be a regular expression.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal, TypeAlias

from medenv.records.importers.verbs import (
    ADVERBS,
    base_of,
    clause_verb,
    finite,
    is_noun_too,
    participle_of,
    past_of,
    takes_object,
    word_class,
)
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
    about: str = ""
    """What the text says it is about before it says it ("regarding her diabetes, ...")."""


_DATA: Mapping[str, Any] = json.loads(
    resources.files("medenv.records.importers").joinpath("grammar.json").read_text("utf-8")
)
_GRAMMAR = {
    key: f"(?:{'|'.join(words)})"
    for key, words in _DATA.items()
    if isinstance(words, list) and all(isinstance(word, str) for word in words)
}
_SHORTHAND = tuple((re.compile(pattern), full) for pattern, full in _DATA["shorthand"])
"""What doctors write short, and in full; case matters ("SOB", "PE")."""
_UNIT = "(?:hour|day|week|month|year)"


def _regex(pattern: str) -> re.Pattern[str]:
    """A pattern in which `<name>` stands for a list of the grammar."""
    lists = {
        **_GRAMMAR,
        "relative": rf"(?:(?:the|his|her|a) )?(?:\w+['\u2019]s )?{_GRAMMAR['kin']}",
        "said": rf"(?:(?:also|then|additionally|initially|further|now|still|currently|today|again|specifically|only) )*"
        rf"(?:(?:has|have) )?{_GRAMMAR['reports']}",
        "breaks": r"(?:that|which|who|when|while|after|before|since|because|if|where|until|although|but) ",
        "history": r"(?:an? )?(?:significant |known |past |long |prior )*(?:(?:medical|personal|surgical|"
        r"psychiatric) )*history (?:is )?(?:significant |notable |only )*(?:for|of|includes)",
    }
    return re.compile(re.sub(r"<(\w+)>", lambda m: lists.get(m[1], m.group()), pattern), re.I)


def atoms(text: str, listing: bool = False) -> Iterator[Atom]:
    """The statements of a text, in order.

    Args:
        text: One or more sentences, or fragments of them.
        listing: Whether bare fragments are lists of things the patient has, as in a past medical history.
    """
    for sentence in sentences(text):
        for short, full in (*_SHORT_FORMS, *_SHORTHAND):
            sentence = short.sub(full, sentence)
        sentence = _LEAD.sub("", sentence.strip().rstrip(".")).strip()
        topic = _TOPIC.match(sentence)
        sentence = sentence[topic.end() :] if topic else sentence
        about, first = (topic["x"] if topic else ""), True
        when = _WHEN.match(sentence)
        for number, piece in enumerate(_pieces(sentence[when.end() :] if when else sentence)):
            late = f" {when[1][0].lower()}{when[1][1:]}" if when and number == 0 else ""
            if piece:
                for atom in _piece(piece + late, listing):
                    yield _about(atom, about, first) if about else atom
                    first = False


def _about(atom: Atom, topic: str, first: bool) -> Atom:
    """The statement with what it is about: in its own words where it is denied ("issues with the migraines")."""
    if atom.form == "phrase" and atom.polarity == "absent" and _VAGUE.fullmatch(atom.text):
        return dataclasses.replace(atom, text=f"{atom.text} with {topic}")
    said = not first or topic.split()[-1].lower() in atom.text.lower()
    return atom if said else dataclasses.replace(atom, about=topic)


_VAGUE = _regex(
    r"(?:any |new |recent |further |other )*(?:issues?|problems?|symptoms?|flare[- ]?ups?|flares?|"
    r"concerns?|complaints?|complications?)"
    r"(?: (?:recently|at this time|since .*|currently))?"
)
_TOPIC = _regex(
    r"(?:regarding|concerning|in terms of|in regards? to|with regards? to|as for|with respect to|"
    r"as regards) (?P<x>[^,]{3,80}), "
)
_SHORT_FORMS = (
    (_regex(r"\bcan['\u2019]t\b"), "cannot"),
    (_regex(r"\bwon['\u2019]t\b"), "will not"),
    (_regex(r"n['\u2019]t\b"), " not"),
    (_regex(r"\bcan not\b"), "cannot"),
    (_regex(r"\b(?P<a>which|that),? (?:he|she|the patient) (?:states|notes|reports|says|adds),? (?=\w)"), r"\g<a> "),
    (_regex(r"(?<=\w) +(?=['\u2019]s\b)"), ""),
    (_regex(r"\bthere['\u2019]s (?:noted )?"), "there is "),
    (_regex(r"\b(?P<a>he|she|it)['\u2019]s (?=\w+ing\b|not\b)"), r"\g<a> is "),
    (_regex(r"\b(?P<a>he|she|it)['\u2019]s (?=been\b|had\b|\w+ed\b)"), r"\g<a> has "),
    (_regex(r"\b(?P<a>he|she|they|it)['\u2019]d (?=been\b|had\b)"), r"\g<a> had "),
)
_LEAD = _regex(
    r"^(?:(?:additionally|also|however|furthermore|moreover|specifically|overall|otherwise|"
    r"upon further questioning|of note|to note|in summary|in addition|unfortunately|fortunately|importantly|"
    r"notably|interestingly|again|similarly|likewise|subsequently|therefore|thus|at this time|today|"
    r"at present|presently|on (?:further |additional |direct )?questioning|when asked|on review|in short|"
    r"as noted|as mentioned(?: above)?|of concern),? )+(?!who\b)|^although [^,]+, (?=(?:he|she|the patient) )"
)
_WHEN = _regex(
    rf"((?:about |approximately )?\w+ {_UNIT}s? ago|over the (?:past|last) (?:\w+ )?\w+|earlier this \w+|"
    r"during th(?:is|ese) \w+|the following day|recently(?=,)),? (?!who|the patient['\u2019]s)"
)


def sentences(text: str) -> Iterator[str]:
    """The sentences of a text; semicolons end one too."""
    start = 0
    for match in _END.finditer(text):
        if not _SHORTENED.search(text[max(start, match.start() - _LONGEST_SHORT_FORM) : match.start()]):
            if sentence := text[start : match.end()].strip(" ;"):
                yield sentence
            start = match.end()
    if sentence := text[start:].strip(" ;"):
        yield sentence


_END = re.compile(r"(?<=[.;!?])['\u2019\"]?\s+(?=[A-Z\d'\u2018\"])|(?<=[a-z]{4}\.)\s+(?=[a-z])|;\s*")
_SHORTENED = re.compile(r"\b(?:C|E|S|approx|Dr|Mr|Mrs|Ms|vs|e\.g|i\.e|St|No)\.$")
_LONGEST_SHORT_FORM = 12


# Cutting a sentence where a new verb of the same subject, or a new subject, begins


def _pieces(text: str) -> Iterator[str]:
    rest, subject = text, ""
    while match := _first_cut(rest):
        head, tail = rest[: match.start()].strip(" ,"), rest[match.end() :].strip()
        yield head
        found = _subject(head)
        subject = subject if found is None else found
        goes_on = subject and _begins_with_verb(tail) and not _PATIENT_ONLY.match(tail)
        points = subject and subject != "it" and subject in head and re.match(r"it\b", tail)
        rest = f"{subject} {tail[3:] if points else tail}" if goes_on or points else tail
        if not subject and _begins_with_verb(tail) and not _JOINED.match(tail):
            rest = f"the patient {tail}"
    yield rest


_CUT = _regex(
    r",? including (?=no )|(?:, (?:and )?| and )that (?=(?:he|she|they|it|there|his|her|the|after|at|"
    r"when) )|,?\s+(?:but|and|though|although) (?=\S)|,\s+while (?=\S)"
    r"|,? however,? (?=\S)|,\s+(?=\S)"
)
_SUBJECT = _regex(
    r"(?:.*\bthat )?(?P<s>(?:these|the|his|her|this) (?!patient)\w+(?: (?!occasionally|often|sometimes|tend)\w+)?|it)"
    r"(?: occasionally| often| sometimes)? (?:<finite>|tend)\b"
)
_JOINED = _regex(rf"(?:{ADVERBS} )*<joined_verbs>\b")
_NEW_FACT = _regex(r"(?:retired|married|elementary|college|occasional|social|moderate|reporting|normal)\b")
_NO = _regex(
    r"(?:no|not(?! (?:to|always|much|all|too|very|every|until|only|just|really|as|even|so|yet|for|in|on|"
    r"with|more|at|necessarily)\b)"
    r"|non-\w+)\b(?! longer)"
)
_PATIENT_ONLY = _regex(
    r"(?:also )?(?:denies|drinks|smokes|works|takes|estimates|<reports> that\b|reports|notes|states|"
    r"endorses|adds|explains)"
)
_ONLY_SUBJECT = _regex(r"<who>|<relative>")
_NEGATIVE = _regex(r"\b(?:denies|denied|no|not|negative for)\b")
_SUBORDINATE = _regex(
    r"\b(?:when|whenever|if|because|while|until|unless|whether|as if|which|who|where|"
    r"(?<!since )(?<!at )(?<!during )(?<!after )that(?! (?:time|day|point|year|week|month|visit))|after (?:he|"
    r"she|it|they)|since (?:he|she|it|they)|before (?:he|she|it|they)|as (?:he|she|it|they))\b(?!.*,)"
)
_SAID_THAT = _regex(r"\b<reports>(?: \w+)? that\b(?!.*\b(?:that|when|if|because|while|which|who|where|until)\b)")
_OF_SYMPTOM = _regex(
    r"(?:(?:is|are|was|were) (?:\w+ )?(?:alleviated|relieved|improved|eased|better|worse|aggravated|"
    r"exacerbated|associated|"
    r"accompanied|worsened|present|constant|intermittent)|improves?|worsens?|resolves?|radiates?|lasts?|subsides?)\b"
)
"""What is said of a symptom rather than of what went on with it."""
_POINTER = _regex(r"(?:then )?(?:it|this|that|these|those)\b")
"""What points back to what was said before: apart from it, it would point to nothing."""


def _subject(head: str) -> str | None:
    """The subject of a piece, which also what follows "and" is said of: empty for the patient, none without one."""
    told = _TOLD.match(head)
    inner = head[told.end() :] if told else head
    if starts := _SUBJECT.match(inner):
        return starts["s"]
    verb = clause_verb(inner)
    if not verb:
        return "" if told else None
    subject = re.sub(rf"(?: {ADVERBS})+$", "", inner[:verb].strip())
    if not _DETERMINED.match(subject) and not _ABOUT_PATIENT.match(subject):
        subject = f"the {subject[:1].lower()}{subject[1:]}"
    return "" if _ABOUT_PATIENT.match(subject) or len(subject.split()) > 5 else subject


_TOLD = _regex(r"(?:(?:<who>|<relative>|the patient['\u2019]s \w+) )?<said>(?: that)?,? ")
_ABOUT_PATIENT = _regex(r"(?:.*[ ,])?(?:(?:the )?patient|he|she|they|i|who|there|this|nothing)$")


def _begins_with_verb(text: str) -> bool:
    """Whether a text begins with a finite verb, so that its subject is the one before."""
    if _JOINED.match(text):
        return True
    words = [w for w in re.split(r"\s+", text) if w]
    while len(words) > 1 and re.fullmatch(ADVERBS, words[0]):
        words = words[1:]
    return (
        bool(words)
        and words[0][:1].islower()
        and finite(words[0].strip(","), words[1].strip(",") if len(words) > 1 else "")
    )


def _first_cut(text: str) -> re.Match[str] | None:
    for match in _CUT.finditer(text):
        head, tail = text[: match.start()].strip(), text[match.end() :].strip()
        if head and tail and _cuts(head, match.group(), tail):
            return match
    return None


def _cuts(head: str, joint: str, tail: str) -> bool:
    """Whether a new statement begins after a joint such as ", and "."""
    told = _TOLD.match(f"{head} ")
    inner = head[told.end() :] if told else head
    if (
        not inner
        or _ONLY_SUBJECT.fullmatch(head)
        or head.count("(") > head.count(")")
        or (head.count("'") % 2 and " '" in head)
        or head.count("\u201c") > head.count("\u201d")
        or head.count('"') % 2
        or _ADVERBIAL_ONLY.fullmatch(inner)
    ):
        return False
    word = joint.strip(" ,").lower()
    if _NO.match(tail) and (word == "but" or not word):
        return word == "but" or not _NEGATIVE.search(head) or not re.match(r"(?:not|non)", tail)
    if _NEGATIVE.search(head) and word == "and" and re.match(r"no\b", tail):
        return False
    own = _own_clause(tail)
    if own and _POINTER.match(tail) and word in ("and", "but") and not _subject(head):
        return False
    if not word:  # a comma alone
        spliced = re.match(r"(?:he|she|it|they)\b", tail) is not None
        if (
            own
            and not _front(f"{inner}, {tail}")
            and (not _subordinate(head) or (spliced and clause_verb(head) is None))
        ):
            return spliced or clause_verb(head) is not None
        if _OF_SYMPTOM.match(tail) and _subject(head):
            return True
        return bool(_JOINED.match(tail) or _NEW_FACT.match(tail)) and not _subordinate(head)
    if word.startswith("including"):
        return True
    if word.endswith("that"):
        return _SAID_THAT.search(head) is not None or " and that" in joint
    if own:
        return joint.strip().startswith(",") or not _subordinate(head)
    if re.match(r"(?:no|not)\b", tail) and word == "and":
        return True
    if not _begins_with_verb(tail) or " " not in tail or word in ("though", "although", "while"):
        return False
    if _PATIENT_ONLY.match(tail) and re.match(r"(?:also )?\w+ (?:that|he|she)\b", tail):
        return True
    if _OF_SYMPTOM.match(tail) and _subject(head):
        return True
    return (word == "but" or not _ends_with_verb(head)) and not _subordinate(head)


def _own_clause(text: str) -> bool:
    if front := _front(text):
        return _own_clause(text[len(front) :].lstrip(" ,"))
    return (
        clause_verb(text, bare=False) is not None
        or re.match(rf"(?:{ADVERBS} )*(?:there|it|he|she|they) \w+", text) is not None
    )


def _subordinate(head: str) -> bool:
    """Whether a subordinate clause is open at the end of a head ("... when she walks"): what follows belongs to it."""
    return _SUBORDINATE.search(head) is not None and _SAID_THAT.search(head) is None


def _ends_with_verb(head: str) -> bool:
    """Whether a head ends with a verb that wants an object still: "she iced" of "she iced and elevated her ankle"."""
    words = head.lower().split()
    if _UNFINISHED.search(head):
        return True
    if len(words) > 1 and words[-2] in ("is", "are", "was", "were", "be", "been", "being"):
        return False
    return (
        len(words) > 1 and finite(words[-1], "the") and takes_object(words[-1]) and words[-2] not in ("the", "a", "of")
    )


_UNFINISHED = _regex(r"\b(?:is|are|was|were|has|have|not|never|has never been)(?: currently)?$")


# What a piece of a sentence says

Reading: TypeAlias = Callable[[re.Match[str], bool], Iterable[Atom]]


def _piece(text: str, listing: bool) -> Iterator[Atom]:
    text = _OPENING.sub("", text.strip(" ,"))
    text = _DESCRIBES.sub(r"the \1 is ", text)
    if front := _front(text):
        yield from _fronted(front, text[len(front) :].lstrip(" ,"), listing)
        return
    for pattern, reading in _READINGS:
        if m := pattern.match(text):
            yield from reading(m, listing)
            return
    if _CLAUSE.match(text) or (_BARE_CLAUSE.match(text) and not _is_verb(text)) or clause_verb(text) is not None:
        bare = _DETERMINED.match(text) or re.match(
            rf"(?:{ADVERBS}|\w+ing|ice|rest|heat|work|things|people)\b", text, re.I
        )
        yield _clause(text if bare else f"the {text[0].lower()}{text[1:]}")
    elif _is_verb(text):
        yield from _verbs(text)
    elif _DOING.match(text) and not re.match(
        rf"(?:{ADVERBS} )*(?:feeling|seeing|losing|gaining|walking|using)\b", text, re.I
    ):
        yield _clause(f"the patient is {text[0].lower()}{text[1:]}")
    else:
        yield from (_had(x, listing) for x in (_history(text) if listing else phrases(text)))


_TIME = (
    r"(?:after|over|during|in|for|at|by|on|since|until|before|prior to|within|from|throughout|following|"
    r"with|without|upon|"
    r"due to|because of|despite|as|when|whenever|while|once|if|although|because|whereas|about|"
    r"approximately|around|starting|"
    r"now that|every|each|last|this past|the (?:next|following|other|same|previous|last)|earlier|later|to "
    r"(?:help|treat|relieve|manage))"
)
_WORD_IN_FRONT = (
    r"(?:initially|currently|occasionally|recently|lately|previously|sometimes|eventually|originally|usually|"
    r"generally|typically|normally|then|later|now|since then|at times|at first|at baseline|at that (?:time|"
    r"point)|at one point|in the past|over time|in general|for relief|for the most part|in particular|"
    r"yesterday|tonight|apparently|as a result|afterwards?|thereafter|reportedly|most recently|more recently|"
    r"in turn|in the meantime|until recently|up until now|(?:once|twice) (?:a|per) \w+)"
)
_FRONT = _regex(
    rf"(?:{_WORD_IN_FRONT}|(?:{_WORD_IN_FRONT},? )?{_TIME}\b[^,;]{{1,90}}?)(?:, (?:and )?|(?= "
    r"<who>\b(?!['\u2019])|(?= (?:it|this|his|her) )))"
)
_ADVERBIAL_ONLY = _regex(rf"(?:.*[.;] )?(?:{_WORD_IN_FRONT}|{_TIME}\b[^,;]*)")
_NO_FRONT = _regex(
    r"(?:with|without|on|in|at|due to|because of|as|from|to|by) ?(?:a|an|the)? ?$|.*\b(?:that|which|who|"
    r"when|and|or|of|the|to)$"
)


def _front(text: str) -> str:
    """What stands before the subject: "over the weekend, he was moving boxes"; nothing where no statement follows."""
    if match := _FRONT.match(text):
        front, rest = match.group(), text[match.end() :].lstrip(" ,")
        said = any(pattern.match(rest) for pattern, _ in _READINGS[2:]) or clause_verb(rest, bare=False) is not None
        if said and rest and not _NO_FRONT.fullmatch(front.strip(" ,")):
            return front
    return ""


def _fronted(front: str, rest: str, listing: bool) -> Iterator[Atom]:
    """The statements of a piece with an adverbial before it, which goes with the first."""
    front = re.sub(r",? (?:and )?$", "", front).strip()
    for number, atom in enumerate(_piece(rest, listing)):
        if number or atom.polarity == "absent":
            yield atom
        elif atom.form == "clause":
            yield dataclasses.replace(atom, text=f"{front[0].lower()}{front[1:]}, {atom.text}")
        elif re.match(rf"{_TIME}\b", front, re.I) and not re.match(
            r"(?:when|while|as|if|because|although)\b", front, re.I
        ):
            yield dataclasses.replace(atom, text=f"{atom.text} {front[0].lower()}{front[1:]}")
        else:
            yield atom


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
    r"(?!(?:no|not|was|is|has|had)\b)(?:(?!<breaks>)[\w'-]+ ){1,4}(?:is|are|was|were|has|have provided)\b|"
    r"(?:(?!<breaks>)[\w'-]+,? ){1,14}(?:have|has) been\b"
)
_DETERMINED = _regex(
    r"(?:an?|the|his|her|their|its|this|that|these|those|patient|nothing|everything|something|nobody|no|"
    r"some|both|all|each|"
    r"it|he|she|they|there|\d+|one|two|three|four|several|many|few|multiple|various|most|other|another|"
    r"neither|any)\b|\S+['\u2019]s\b|I\b"
)


def _listed(ever: bool | None = None) -> Reading:
    """Reads the group `x` as a list of things the patient has; `ever` tells whether in the past."""

    def read(m: re.Match[str], listing: bool) -> Iterable[Atom]:
        known = bool(m.groupdict().get("known"))
        past = (listing or known) if ever is None else ever
        return [_had(x, past) for x in (_history if past else phrases)(m["x"])]

    return read


def _said(m: re.Match[str], listing: bool) -> Iterable[Atom]:
    return _reported(m["x"], bool(m.groupdict().get("that")))


def _has(m: re.Match[str], listing: bool) -> Iterable[Atom]:
    """What the patient has; "has taken Tylenol" is no such thing."""
    word = re.sub(rf"^(?:(?:{ADVERBS}|since) )+", "", m["x"]).split(" ")[0]
    base = base_of(word)
    if word in ("not", "never", "been", "to"):
        return [_clause(m.group())]
    if base is not None and word.lower() == participle_of(base) and word.lower() != base:
        return [_clause(m.group())]
    return _listed()(m, listing)


_READINGS: tuple[tuple[re.Pattern[str], Reading], ...] = tuple(
    (_regex(pattern), reading)
    for pattern, reading in (
        (
            r"(?:on review, )?there (?:is|are|was|were|have been|has been) no(?:t any)? (?P<x>.+)",
            lambda m, _: _denied(m["x"]),
        ),
        (
            r"(?:after|during|since|despite|although|until) .+,.+|(?:when|while|if|because|once|whenever|"
            r"as soon as) .+",
            lambda m, _: [_clause(m.group())],
        ),
        (
            r"<who> (?:does|did) not (?:have|experience|feel) .*\b(?:every time|all the time|always|each time|"
            r"every day)\b.*",
            lambda m, _: [_clause(m.group())],
        ),
        (
            r"(?:the patient['\u2019]s )?medications?: (?P<x>.+)",
            lambda m, _: [Atom(f"the patient takes {m['x']}", "clause")],
        ),
        (
            r"(?:no|not|non|without|negative for|never)\b(?!-)(?! longer| one\b| more than).+",
            lambda m, _: _denied(m.group()),
        ),
        (
            r"(?:(?:<who>|<relative>) )?(?:reports? |notes? |mentions? )?(?:also |specifically,? |currently |further )?"
            r"(?P<how><denies>)(?P<that> that)? (?P<x>.+)",
            lambda m, _: _refused(m["x"], bool(m["that"]), m["how"].lower().startswith("deni")),
        ),
        (
            r"(?:<relative>|<who>) (?:reports?|notes?|mentions?|states?|adds|recalls?) (?:that |having had )?"
            r"no (?!\w+ \w+ed)(?P<x>.+)",
            lambda m, _: _denied(m["x"]),
        ),
        (r"(?:<who> )?<said>(?P<that> that)?,? (?P<x>.+)", _said),
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
            r"<who> is (?:now |currently )?(?:\d+ \w+ |\w+ \w+ )?status post (?P<x>.+)",
            lambda m, _: [Atom(f"the patient had {m['x']}", "clause")],
        ),
        (
            r"(?:(?:his|her|the|these|their) )?(?:(?:other|associated|additional|main|presenting) )?symptoms (?:also )?"
            r"(?:include|included|are|were) (?P<x>(?!\w+ed\b|\w+ing\b|worse|better|not|mild|severe|more|less|so|"
            r"present|likely|the same)"
            r".+)",
            _listed(False),
        ),
        (
            r"(?:<who> )?(?:(?:has|had|<said>) )?(?:an? )?(?:significant |known |strong |positive )?family "
            r"(?:medical )?history "
            r"(?:is )?(?:of|significant for|positive for) (?P<x>.+)",
            lambda m, _: [Atom(f"family history of {x}", "phrase", ever=True) for x in _history(m["x"])],
        ),
        (
            r"(?:<who> )?(?:(?:also |otherwise )?(?:has|had|is|otherwise healthy with) )?(?:only )?<history> (?P<x>.+)",
            _listed(True),
        ),
        (
            r"(?:<who>(?:['\u2019]s)?|the|his|her) (?:past |previous )?(?:medical |social |surgical |"
            r"psychiatric )*history (?:includes(?: positive for)?|is significant for|is notable for|is positive for|"
            r"consists of) (?P<x>.+)",
            _listed(True),
        ),
        (r"(?:only )?(?:significant|notable|positive) (?:only )?for (?P<x>.+)", _listed()),
        (
            r"<who> (?:also |still |currently |now |otherwise )?has (?P<known>known )?(?P<x>(?!\w+ed\b|not|been|"
            r"never|had|lost|also been|become|progress|recent|to\b)"
            r"(?:\w+ ){0,3}\w.*)",
            _has,
        ),
        (
            r"(?:<who>\b|(?:the|his|her|these|this|it|there|he|she|they)\b.*?\b<finite>\b"
            r"|an? (?:(?!that\b|which\b|who\b)\w+ )+?(?:appeared|developed|started|began|had)\b).*",
            lambda m, _: [_clause(m.group())],
        ),
    )
)


def _reported(text: str, that: bool) -> Iterator[Atom]:
    """What somebody reports: with a spell ("a 2-day history of"), as a clause, or as a list."""
    if quoted := re.fullmatch(r"[\"\u201c](?P<x>[^\"\u201d]+)[\"\u201d]?\.?", text):
        yield Atom(quoted["x"].strip(" ."), "clause")
        return
    if m := _SPELL.match(text):
        for x in phrases(re.sub(r"^(?:experiencing|having) ", "", m["x"] or m["x2"])):
            head, which, tail = x.partition(", which ")
            yield Atom(f"{head} for {_span(m['d'] or m['d2'])}{which}{tail}", "phrase")
    elif m := _EXPERIENCING.match(text):
        yield from (_had(x) for x in phrases(m["x"]))
    elif re.match(r"(?:during|despite|when|after|while) ", text) and not _front(text):
        yield _clause(text)
    elif that or _PRONOUN.match(text) or _NOUN_CLAUSE.match(text) or clause_verb(text) is not None or _front(text):
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
    elif (done := _done(text)) is not None:
        yield from (Atom(f"the patient {x}", "clause") for x in _verb_phrases(done))
    else:
        yield from (_had(x) for x in phrases(text))


def _done(text: str) -> str | None:
    """A gerund as a finite verb: "hearing a pop" as "heard a pop"; none for another text."""
    m = re.match(rf"(?P<adverbs>(?:{ADVERBS} )*)(?P<verb>[a-z]+ing)\b(?P<rest>(?: .*)?)$", text, re.I)
    base = base_of(m["verb"]) if m else None
    if m is None or base is None or re.fullmatch(_GRAMMAR["ing_nouns"], m["verb"].lower()):
        return None
    return f"{m['adverbs']}{past_of(base)}{m['rest']}"


def _verb_phrases(text: str) -> list[str]:
    """What was done, one by one: "fell on the ice and broke a glass" is two things."""
    parts = re.split(r",? and (?=\w+ing \w)", text)
    return [parts[0], *(_done(part) or part for part in parts[1:])]


_SPELL = _regex(
    rf"(?P<d>(?:an? |the past )?(?:\w+[- ])?{_UNIT}s?(?:-long)?)(?: duration)? history of (?P<x>.+)"
    rf"|(?P<d2>(?:\d+|several|two|three|four|five|six|seven|ten)[- ]{_UNIT}s?) of (?P<x2>.+)"
)
_EXPERIENCING = _regex(
    r"(?:of )?(?:experiencing|having(?: had)?|developing|suffering from|complaints of|a sensation of) (?P<x>.+)"
)
_PRONOUN = _regex(r"(?:he|she|they|it|these|there|this)\b")
_NOUN_CLAUSE = _regex(r"(?:(?:the|his|her|their) |(?=(?:symptoms|episodes|pain)\b))(?:\w+ ){1,5}?<finite>\b")
_HAS_BEEN = _regex(r"(?:he|she|they|the \w+) has (?:been )?(?:experiencing|having) (?P<x>.+)")
_DOING = _regex(
    rf"(?:{ADVERBS} )*(?:feeling|attending|adopting|exercising|trying|losing|maintaining|falling|using|"
    r"taking|drinking|smoking|"
    r"eating|doing|working|living|wearing|applying|utilizing|consuming|sleeping|getting|going|playing|"
    r"walking|running|enjoying|"
    r"participating|performing|caring|studying|waking|gaining|seeing|watching|limping|struggling)\b"
)


def _span(duration: str) -> str:
    """A spell as it stands after "for": "1-month" as "1 month", "a year-long" as "a year"."""
    duration = re.sub(r"^an? (?=\d)", "", duration.replace("-long", "")).strip()
    if number := re.match(r"(\d+)[- ](\w+?)s?$", duration):
        return f"{number[1]} {number[2]}{'s' if number[1] != '1' else ''}"
    article = "" if re.match(r"(?:a|an|the|several|few)\b", duration) else "a "
    return article + duration.replace("-", " ")


def _refused(text: str, that: bool, said: bool) -> Iterator[Atom]:
    """What a verb denies: a statement ("denies that it spreads"), a deed ("denies hearing a pop"), or a list."""
    plain = re.sub(r"^(?:any |ever )", "", text)
    if said and (that or _OWN_PRONOUN.match(plain)) and (denial := _negated(plain)) is not None:
        yield Atom(denial, "clause", "absent")
    elif said and (m := _GERUND.match(text)) and (base := base_of(m["verb"])) and base not in _NO_DEED:
        rest = _coordinate(m["rest"])
        ever = "ever" in text.split()[:1]
        helper = f"has never {participle_of(base)}" if ever else f"did not {base}"
        yield Atom(f"the patient {helper}{rest}", "clause", "absent")
    else:
        yield from _denied(text)


_OWN_PRONOUN = _regex(r"(?:he|she|it|they|this|the \w+|his \w+|her \w+)\b")
_GERUND = _regex(
    r"(?:any |ever )?(?P<verb>[a-z]+ing)\b(?P<rest> (?!loss|problems?|issues?|difficult|changes?|pain|"
    r"voices|aids?|trouble|weakness).+)"
)
_NO_DEED = word_class("no_deed")
"""The gerunds of these name a symptom or a habit, which is denied like any other: "denies burning with urination"."""


def _coordinate(rest: str) -> str:
    """The rest after a gerund with the gerund that goes on after "or" in its base form: "or feeling a pop"."""

    def plain(m: re.Match[str]) -> str:
        base = base_of(m[2])
        return f"{m[1]}{base}" if base else m.group()

    return re.sub(r"^( (?:or|and) )([a-z]+ing)\b", plain, rest)


def _negated(clause: str) -> str | None:
    """A clause as its denial: "it radiates" as "it does not radiate"; none where its verb is not found."""
    place = clause_verb(clause, bare=False)
    if place is None:
        return None
    subject, (verb, _, rest) = clause[:place], clause[place:].partition(" ")
    lower = verb.lower()
    if lower in (
        "is",
        "are",
        "was",
        "were",
        "has",
        "have",
        "had",
        "can",
        "could",
        "will",
        "would",
        "does",
        "did",
        "do",
    ):
        return f"{subject}{verb} not {rest}".strip()
    base = base_of(lower)
    if base is None:
        return None
    return f"{subject}{'did' if past_of(base) == lower else 'does'} not {base} {rest}".strip()


def _denied(text: str) -> Iterator[Atom]:
    """What is denied, one by one; what is excepted from the denial is said."""
    text = re.sub(r" \((?!except)[^)]*\)", "", _TAIL.sub("", text))
    text = re.sub(r"^(?:an?|any) (?=(?:\w+ )?history\b)", "", text)
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
    _regex(r"^(?:any )?(?:(?:other|additional|associated|further|new) )*symptoms?,? (?:such as|of|like|including) "),
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
    if _OWN_SUBJECT.match(text) or clause_verb(text, bare=False) is not None:
        return _clause(text)
    doing = re.match(r"(?P<verb>[a-z]+ing)\b(?P<rest>.*)", text) if ever else None
    if doing and not re.fullmatch(_GRAMMAR["ing_nouns"], doing["verb"]) and (base := base_of(doing["verb"])):
        return _clause(f"the patient used to {base}{doing['rest']}")
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
    if re.match(r"(?:reports of|works? stress|drinks?) ?$", text):
        return False
    first = text.split(" ")[0].lower()
    named = text[:1].isupper() and is_noun_too(first)
    return _OPENS_WITH_VERB.match(text) is not None or (not named and _begins_with_verb(f"{first}{text[len(first) :]}"))


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


_THIRD = {"have": "has", "feel": "feels", "experience": "experiences", "suffer": "suffers", "recall": "recalls"}
_EMPHATIC = _regex(rf"^((?:the patient|he|she) (?:{ADVERBS} )?)(does|did) ({'|'.join(_THIRD)})\b")


def _clause(text: str) -> Atom:
    text = re.sub(r"^[Pp]atient\b(?!['\u2019])", "the patient", text)
    text = _EMPHATIC.sub(lambda m: f"{m[1]}{past_of(m[3]) if m[2] == 'did' else _THIRD[m[3]]}", text)
    unknown = re.search(r"\b(?:unsure|not sure|does not know|unknown|cannot recall)\b", text)
    polarity: Polarity = "unknown" if unknown else "absent" if _NEGATED.match(text) else "present"
    return Atom(text, "clause", polarity)


# Lists


def items(text: str) -> list[str]:
    """The members of a list joined by commas, "and", "or": what is denied is denied one by one."""
    text = re.sub(r"\b(loss|gain) or (gain|loss)\b", r"\1/\2", text)
    parts = list(_with_adjectives([p for p in _BETWEEN_ITEMS.split(text) if p.strip()]))
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
    return [re.sub(r"\b(loss|gain)/(loss|gain)\b", r"\1 or \2", x.strip(" .,")) for x in found if x.strip(" .,")]


_BETWEEN_ITEMS = _regex(
    r",\s*+(?:and |or |nor )?(?![^()]*\))|\s+nor\s+|(?<=consciousness)\s+or\s+|"
    r"\s+(?:or|and) (?=any |exposure |contact |use |recent |history |known )"
)
_SYSTEM = _regex(r"(?:any )?<systems>")
_SHARED = _regex(r"\b(?:in|to|of|for|with|at|contact|exposure|about|between)\b")
_ADJECTIVE = _regex(r"^(?:\w+ )*<shared_adjectives>$")
_COMMON_NOUN = _regex(
    r"^\w+ (?:changes|disturbances|symptoms|history|issues|problems|habits|difficulties|distress)$"
    r"|^(?!alcohol|drug|tobacco|substance)\w+ (?:use|abuse)$"
)
_SPREADING = _regex(r"\b<spreading>$")
_PLACE = re.compile(r" (?:in|on|of|over|at) (?:the|his|her|my|both|right|left|lower|upper)\b.*$")


def _shares_noun(left: str, right: str) -> bool:
    """Whether "visual or auditory disturbances" is one thing: the left half is an adjective of the right one's noun."""
    together = " " not in left or (len(left.split()) == 2 and right.endswith(" use"))
    return bool(_ADJECTIVE.match(left)) or (together and bool(_COMMON_NOUN.search(right)))


def _placed(left: str, right: str) -> str:
    """The left half with the place that stands after the right one: "pain" of "pain and swelling in the knee"."""
    place = _PLACE.search(right)
    return left + place.group() if place and _SPREADING.search(left) else left


def _history(text: str) -> list[str]:
    """The members of a list of diseases: "heart failure and type 2 diabetes" is two."""
    found: list[str] = []
    for part in phrases(text):
        halves = re.split(r" and ", part)
        listed = len(halves) > 1 and all(len(h.split()) <= 5 and not _INSIDE.search(h) for h in halves)
        found += halves if listed and not _shares_noun(halves[0], halves[1]) else [part]
    return found


_INSIDE = _regex(r"\b(?:of|in|with|for|on|from|by|between|to|who|which|that|status)\b")


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
            part = f"{spell['x'] or spell['x2']} for {_span(spell['d'] or spell['d2'])}"
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
_BETWEEN_PHRASES = _regex(
    r",\s*+(?![^()]*\))(?!(?:<attached>|(?:and |or )?(?!<ing_nouns>)\w+ing|(?!<ed_adjectives>)\w+ed)\b)"
)
_FINDING = _regex(r"\b<findings>\b")
_SITED = _regex(
    r"\b<sited> (?:in|on|of|over) (?:the |his |her )?(?:\w+ ){0,2}(?!last|past)\w+(?:,[^,]*)?$",
)
_ADJECTIVE_ALONE = _regex(r"(?:the presence of )?(?:an? )?<adjectives>")
_ENDS_IN_ADJECTIVE = _regex(r" (?:of|is|are) (?:thick|foamy|scaly|swollen|rough|red)$")


_UNDER = _regex(r"\b(?:with|during|after|when|while|by|from|between|including|such as|to|for)(?: [\w-]+,?){1,5}$")
_SHORT_MEMBER = _regex(r"\s*(?:and |or )?(?:[\w-]+ ){0,3}[\w-]+\s*")


def _with_places(parts: list[str]) -> list[str]:
    """Puts "pain in the toe", "hips", "knees" back together: places of one finding are no findings."""
    joined: list[str] = []
    listed = len(parts) > 1 and re.match(r"\s*(?:and|or) ", parts[-1]) is not None
    if (
        listed
        and _UNDER.search(parts[0])
        and all(_SHORT_MEMBER.fullmatch(p) and not _FINDING.search(p) for p in parts[1:])
    ):
        return [", ".join(part.strip() for part in parts)]
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
