"""The sentence that introduces a case: who the patient is, what is known of them, and why they came."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from medenv.records.importers.clauses import sentences
from medenv.records.importers.prose import Passage

__all__ = ["Introduction", "introduction_of", "story_from"]

_UNIT = r"(?:years?|yrs?|months?|mos?|weeks?|wks?|days?|hours?|y)"
_AGE = rf"(?:\d{{1,3}}|[a-z]+(?:-[a-z]+)?)[- ]?(?:{_UNIT}[- ]old|y\.?/?o\b\.?|yo\b)"
_PERSON = (
    r"(?:patient|females?|males?|women|woman|men|man|boys?|girls?|gentleman|lady|infant|newborn|neonate|"
    r"child|toddler|baby|"
    r"adolescent|teenager|teen|student|person|individual|athlete|worker|nurse|teacher|farmer|driver|veteran)"
)
_NOT_YET = (
    r"(?!(?:who|with|presents?|presenting|presented|comes|coming|is|was|has|in|at|on|for|and|that|here|today|return\w*|seen|"
    r"complain\w*|brought|admitted|referred|accompanied|because|due|after)\b)"
)
_WHO = re.compile(
    rf"^(?P<lead>[^.;]{{0,80}}?\b(?:an?|is|this|the|our|your)\b (?:(?!\d)[\w-]+,? ){{0,4}}|)(?P<age>{_AGE}),?"
    rf"(?P<kind>(?: {_NOT_YET}[\w-]+,?){{0,8}})",
    re.I,
)
_CAME = re.compile(
    r"(?:,? (?:who|and|he|she|they|that))?,?(?: (?:now|also|then|today|just|recently))* ?"
    r"\b(?P<verb>(?:(?:is|was|has been|has|had) )?(?:(?:present(?:s|ed|ing)|comes?|came|coming|return(?:s|ed|ing)|"
    r"seen|evaluated|here|brought|admitted|transferred|referred|hospitali[sz]ed|visits|consults|calls|"
    r"arrives|taken|rushed)"
    r"(?: in| back)?)|(?:is|was) (?:being )?seen|"
    r"complains?|complaining|complained|reports?|reporting|endorses|notes|develops?|developed|experiences?)\b"
    r"(?P<where>(?: (?:to|at|in|into) (?:(?:the|an?|his|her|their|your|our|my) )?"
    r"(?:[\w'\u2019-]+ ){0,4}?(?:emergency (?:department|room)|hospital|clinic|office|physician|doctor|"
    r"provider|ED|ER|practice|"
    r"department|center|centre|unit|pediatrician|gynecologist|obstetrician|dermatologist|psychiatrist|"
    r"ward|room|practitioner|(?:primary|urgent|intensive) care(?: \w+)?))?)"
    r"(?: (?:in consultation|for the (?:first|second|third) time|today|urgently|by ambulance|this "
    r"(?:morning|afternoon|evening)|accompanied))*"
    r"(?: (?:(?:by|with|from|accompanied by) (?:(?:his|her|their|the|an?) )?(?:\w+ )?(?:mother|father|"
    r"parents?|wife|husband|"
    r"son|daughter|brother|sister|family|roommates?|friends?|partner|caregivers?|caretakers?|grandmother|"
    r"grandfather|guardian|"
    r"paramedics|ambulance|police|EMS|coworkers?|teacher|girlfriend|boyfriend|aunt|uncle|mom|dad)))?"
    r"(?: today)?,?(?: (?:and is |who is |and |she |he |is )?(?:complaining|complains|who complains|"
    r"reporting|concerned|worried))?",
    re.I,
)
_FOR = re.compile(
    r"^,? ?(?P<how>for|with|due to|because of|because|of|complaining of|after|following|about|that|to|having|regarding|"
    r"secondary to|as)\b ?(?P<what>.+)$",
    re.I | re.S,
)
_EVALUATION = re.compile(
    r"^(?:(?:the|an?|further|initial|urgent|medical|surgical|new patient|follow[- ]?up|2nd|"
    r"second) )*(?:(?:evaluation|assessment|work-?up|management|consultation|consult|(?:new patient )?visit|"
    r"treatment|review|examination|opinion|surveillance)(?: and (?:management|treatment|"
    r"evaluation))?(?: (?:of|for|regarding|with|due to)(?: (?:the|his|her|their))?) )+|^(?:(?:the|"
    r"an?) )?(?:emergency (?:room|department)|ED|ER|hospital) follow[- ]?up for ",
    re.I,
)
_COMPLAINTS = re.compile(
    r"^(?:(?:the|a|an|chief|main|primary|new|multiple|several) )*(?:complaints?|concerns?)(?: is)? (?:of|"
    r"about|for) ",
    re.I,
)
_HISTORY = re.compile(
    r"^,? ?(?:(?:who has|has|having|with|and)(?: an?| the| his| her)? )?(?:known |significant |prior |"
    r"previous |long |complex |extensive )*(?:(?:past |medical |surgical |psychiatric |social )*(?:history|"
    r"hx))(?: that is| is| which is)?(?: (?:significant|notable|positive|remarkable|relevant|only|"
    r"also))*(?: of| for| includes?| including| with)+ (?P<x>.+)$",
    re.I | re.S,
)
_KNOWN = re.compile(r"^,? ?(?:with|who has|has)(?: an?)?(?: known| underlying)? (?P<x>.+)$", re.I | re.S)
_WHO_CLAUSE = re.compile(r"^,? ?who (?P<x>(?!has a history\b).+)$", re.I | re.S)


_WORK = re.compile(
    r"(?:\b(?:retired|former|college|university|high school|graduate|medical|nursing|school|truck|taxi|"
    r"bus|construction|"
    r"factory|office) )*\b(?!patient|infant|adolescent|man$|woman$|gentleman|caucasian|\w*american|asian|"
    r"smoker|toddler|older)"
    r"\w+(?:[a-z]{2}er|[a-z]{2}or|[a-z]{2}ist|ian|[a-z]{3}ant|student|nurse|man|clerk|chef|pilot|cook|"
    r"(?:post|fire|police|sales|mail|trades|fisher)(?:wo)?man)$",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Introduction:
    """What a sentence such as "A 46-year-old man with gout presents with a painful toe" says."""

    who: str
    """The words about the person, with the age."""
    known: str = ""
    """What the patient is known to have or to have had, as a list."""
    clause: str = ""
    """What else is said of the patient, as a sentence whose subject is "the patient"."""
    complaint: str = ""
    """Why the patient came, as a list of complaints or the purpose of a visit."""
    told: str = ""
    """Why the patient came, where it is a sentence."""
    work: str = ""
    """What the patient does for a living, where the words about the person say it."""


def introduction_of(sentence: str) -> Introduction | None:
    """What a sentence that introduces a patient by age says; none for another sentence."""
    sentence = sentence.strip().rstrip(".")
    who = _WHO.match(sentence)
    if who is None:
        return None
    rest = sentence[who.end() :]
    came = _CAME.search(rest)
    before, after = (rest[: came.start()], rest[came.end() :]) if came else (rest, "")
    words = re.sub(r"^.*\b(?=(?:an?|the|this|our) )", "", who.group()[: who.start("age") - who.start()], flags=re.S)
    known, clause = _before(before, came is not None)
    complaint = told = ""
    if came:
        complaint, told = _reason(came["verb"], after)
        if not complaint and not told and known and not _HISTORY.match(before):
            complaint, known = known, ""
    elif match := re.match(r",? ?(?P<x>(?:is|was|has been|has) (?!a\b).+)$", before, re.S):
        clause = f"The patient {match['x']}"
    elif not known and not clause:
        complaint = re.sub(r"^,? ?(?:with|has|having) ", "", before).strip(" ,")
    elif known and not _HISTORY.match(before):
        complaint, known = known, ""
    work = _WORK.search(who["kind"])
    return Introduction(
        f"{words}{who['age']}{who['kind']}".strip(), known, clause, complaint, told, work[0].strip() if work else ""
    )


def _before(text: str, came: bool) -> tuple[str, str]:
    """What stands between the person and the verb of coming: known diseases, and a clause."""
    text = re.sub(r",? (?:and|who|but)$", "", text.strip(" ,"))
    if match := _HISTORY.match(text):
        return match["x"].strip(" ,"), ""
    if match := _WHO_CLAUSE.match(text):
        return "", f"The patient {match['x'].strip(' ,')}"
    if match := _KNOWN.match(text):
        return match["x"].strip(" ,"), ""
    return "", ""


def _reason(verb: str, text: str) -> tuple[str, str]:
    """The reason given after the verb of coming, as a list or as a sentence."""
    text = re.sub(r"^,? ?(?:today|at this time|also)\b,? ?", "", text).strip()
    match = _FOR.match(text)
    if match is None:
        telling = re.match(r"(?:complain|report|endors|note|develop|experienc)", verb.split()[-1], re.I)
        return (text.strip(" ,"), "") if telling and text else ("", "")
    how, what = match["how"].lower(), match["what"].strip(" ,")
    if how in (
        "for",
        "with",
        "due to",
        "because of",
        "of",
        "complaining of",
        "about",
        "regarding",
        "having",
        "secondary to",
    ):
        what = _EVALUATION.sub("", what)
        return _COMPLAINTS.sub("", what), ""
    if how == "to":
        return "", ("" if re.match(r"(?:the|a|an|his|her) ", what) else f"The patient came to {what}")
    if how in ("because", "that"):
        return "", what
    return "", f"The patient came {how} {what}"


def story_from(text: str) -> Iterator[Passage]:
    """A story as passages, its introduction taken apart: why the patient came, what is known, then the rest."""
    for sentence in sentences(text):
        introduction = introduction_of(sentence)
        if introduction is None:
            yield Passage("story", sentence)
            continue
        if introduction.complaint:
            yield Passage("complaint", introduction.complaint)
        yield from (Passage("story", said) for said in (introduction.told, introduction.clause) if said)
        if introduction.known:
            yield Passage("past", introduction.known)
        if introduction.work:
            yield Passage("social", introduction.work)
