"""Clinical prose as facts: one statement each, with its topic and the speaker's own words for it.

The rules are data: `prose.json` (words, topics, phrases, findings) and `grammar.json`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, Literal, TypeAlias, cast

from medenv.records.deidentify import find_identifiers
from medenv.records.importers.clauses import Atom, atoms, sentences
from medenv.records.importers.firewall import Firewall
from medenv.records.importers.report import Tally
from medenv.records.importers.rules import Json, Rules
from medenv.records.importers.voice import Voice, sentence
from medenv.records.record import Age, Polarity

__all__ = ["RULES", "Passage", "Section", "chief_complaint_from", "facts_from", "voice_for"]

RULES = Rules("prose.json")
CAREGIVER_BELOW_YEARS = 12

Section: TypeAlias = Literal[
    "complaint",
    "symptoms",
    "story",
    "past",
    "surgical",
    "medications",
    "drugs",
    "allergies",
    "family",
    "social",
    "review",
]
"""The part of a history that a text stands in; "drugs" mixes medicines with substances and what is said of them."""

_TOPICS: dict[Section, str] = {
    "past": "history.medical",
    "surgical": "history.surgical",
    "medications": "medications",
    "drugs": "medications",
    "allergies": "allergies",
    "family": "family",
    "social": "social.living",
}
"""The topic of what stands in a section where no rule knows better; elsewhere it is one more symptom."""
_SURE: tuple[Section, ...] = ("medications", "allergies")
"""Sections that tell the topic better than any word in them."""
_SYMPTOMS = ("complaint", "symptoms")
_LISTS = ("past", "surgical", "family")


@dataclasses.dataclass(frozen=True, slots=True)
class Passage:
    """A text of a source that tells of the patient."""

    section: Section
    text: str


MOST_MUST_ASK, FEWEST_MUST_ASK = 9, 5
MOST_SYNONYMS = 12
MOST_FACTS = 200
MOST_STATEMENTS = 800
"""What a case says after this many statements is not looked at any more, only counted, a sentence as one."""
LONGEST_SENTENCE = 1500
"""In characters. What is longer is no sentence."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Draft:
    """A fact being made."""

    atom: Atom
    section: Section
    topic: str
    statement: str
    lay: str
    words: frozenset[str]
    """What it is about, to find statements that say the same."""

    @property
    def present(self) -> bool:
        return self.atom.polarity == "present"

    @property
    def is_symptom(self) -> bool:
        return self.section in _SYMPTOMS


def facts_from(passages: Iterable[Passage], voice: Voice, firewall: Firewall, tally: Tally) -> list[dict[str, Any]]:
    """The facts that passages tell, as `record.schema.json` wants them; what is none is counted as dropped.

    The symptoms of the case, then what else a careful doctor asks, are marked as must-ask; what the complaint says is
    volunteered.
    """
    drafts: list[_Draft] = []
    before: _Draft | None = None
    looked_at = 0
    for passage in passages:
        if before is not None and before.section != passage.section:
            before = None
        for part in _parts(passage):
            if looked_at >= MOST_STATEMENTS or len(part) > LONGEST_SENTENCE:
                tally.facts_dropped["too long" if len(part) > LONGEST_SENTENCE else _BEYOND] += 1
            elif reason := _no_statement(part):
                tally.facts_dropped[reason] += 1
            else:
                for atom in atoms(part, passage.section in _LISTS):
                    looked_at += 1
                    draft = _draft(atom, passage.section, voice, firewall, tally)
                    if draft is None:
                        continue
                    if before is not None and _points_back(draft):
                        drafts[-1] = draft = _joined_drafts(before, draft)
                    else:
                        drafts.append(draft)
                    before = draft
    drafts = _merged(drafts, tally)
    drafts += _medicines(drafts, voice, firewall)
    if len(drafts) > MOST_FACTS:
        tally.facts_dropped[_BEYOND] += len(drafts) - MOST_FACTS
        drafts = sorted(drafts, key=_relevance)[:MOST_FACTS]
    return _finished(drafts, firewall)


_BEYOND = f"beyond the {MOST_FACTS} kept of a case"


def _parts(passage: Passage) -> Iterator[str]:
    """The sentences of a passage; a label before one ("Cardiovascular: ...") goes, or is put in words."""
    for part in sentences(passage.text):
        if passage.section == "review":
            part = re.sub(r"((?:^|: )\W*)(?:positive|\(\+\)|\+) (?!for\b)", r"\1", part, flags=re.I)
        label = _LABEL.match(part)
        yield _unlabelled(label, part, passage.section) if label and part[label.end() :] else part


_LABEL = re.compile(r"((?:[A-Z][A-Za-z/()]*)(?:(?:,? and |,? or |[ ,/&-]+)[A-Za-z/()]+){0,6}): +")


def _unlabelled(match: re.Match[str], part: str, section: Section) -> str:
    label, text = match[1], part[match.end() :]
    for pattern, template, denial in RULES.data["labels"]:
        if re.fullmatch(pattern, label, re.I):
            if denial and RULES.pattern("no_value").fullmatch(text.strip(" .")):
                return cast(str, denial)
            return cast(str, template).format(label=label.lower(), x=_lower(text.strip(" .")))
    return text if section == "review" else part


def _no_statement(part: str) -> str:
    """Why a sentence is none that a patient could tell; empty for one that is."""
    if RULES.pattern("nothing").fullmatch(part.strip(" .")):
        return "says nothing"
    if RULES.pattern("sign_sentences").search(part):
        return "an examination finding, not something to tell"
    if _WRITER.search(re.sub(r"[\"\u201c][^\"\u201d]*[\"\u201d]|(?<!\w)['\u2018].*['\u2019](?!\w)", "", part)):
        return "what the writer did or thought"
    return ""


_WRITER = re.compile(r"\b(?:I|we|We|me|my|My|our|Our|us)\b(?![.-])")


def _points_back(draft: _Draft) -> bool:
    """Whether a statement is about "this" or "it" and says nothing that stands alone, such as when it started."""
    points = re.match(
        r"(?:it|this|that|these|those|both)\b(?! (?:time|year|week|month)s?\b| has been (?:\d|an?|about|over|"
        r"longer|more))",
        draft.atom.text,
        re.I,
    )
    return draft.atom.form == "clause" and points is not None and draft.topic in ("hpi.associated", "social.living")


def _joined_drafts(first: _Draft, second: _Draft) -> _Draft:
    """Two statements as one, the second in the words that follow the first."""
    lay = second.lay.removeprefix("No, ")
    return dataclasses.replace(
        first,
        statement=f"{first.statement} {second.statement}",
        lay=f"{first.lay} {lay[:1].upper()}{lay[1:]}",
        words=first.words | second.words,
    )


def _relevance(draft: _Draft) -> tuple[int, int]:
    """What comes first where there is too much: the symptoms, then the present illness, then what is present."""
    return (0 if draft.is_symptom else 1 if draft.topic.startswith("hpi") else 2, 0 if draft.present else 1)


def chief_complaint_from(complaint: str, voice: Voice, firewall: Firewall, instead: str = "") -> str:
    """The opening words of the speaker, from a clinical phrase or sentence that says why the patient came.

    Args:
        complaint: Why the patient came.
        voice: Who speaks.
        firewall: What names the diagnosis or a person is left out.
        instead: What is said where nothing of the complaint may be said.
    """
    said = [_spoken(atom, atom.text.strip(" ."), "complaint", voice)[2] for atom in atoms(complaint[:LONGEST_SENTENCE])]
    said = [lay for lay in said if not firewall.names(lay) and not find_identifiers(lay)]
    greeting = "Hello, doctor. "
    if voice.speaker == "caregiver":
        greeting += (
            f"It's about {voice.noun}. "
            if voice.parent
            else f"I've brought {voice.forms['me']} in because I'm worried. "
        )
    return greeting + (_joined(said) or instead or voice.fill("{Im} not well"))


def voice_for(demographics: Json, complaint: str, story: str) -> Voice:
    """Who speaks: a caregiver for a child under 12 and for a patient who cannot, else the patient.

    Args:
        demographics: As `record.schema.json` wants them.
        complaint: Why the patient came.
        story: All that is told of the patient.
    """
    sex, years = demographics["sex"], Age(**demographics["age"]).years
    caregiver = (
        years < CAREGIVER_BELOW_YEARS
        or RULES.pattern("caregiver", "primary").search(complaint)
        or RULES.pattern("caregiver", "anywhere").search(story)
    )
    noun = {"female": "my daughter", "male": "my son"}.get(sex, "my baby" if years < 1 else "my child")
    words = tuple((re.compile(pattern, re.I), replacement) for pattern, replacement in RULES.data["words"])
    return Voice("caregiver" if caregiver else "self", sex, noun, parent=years < 18, words=words)


def _joined(parts: list[str]) -> str:
    """Sentences that begin alike made into one: "I've had a cough and a fever."."""
    opening = re.match(r"\S+ had ", parts[0]) if parts else None
    if opening is None or len(parts) == 1 or not all(p.startswith(opening.group()) for p in parts):
        return " ".join(parts)
    rests = [p.removeprefix(opening.group()).rstrip(".") for p in parts]
    return sentence(f"{opening.group()}{', '.join(rests[:-1])} and {rests[-1]}")


def _draft(atom: Atom, section: Section, voice: Voice, firewall: Firewall, tally: Tally) -> _Draft | None:
    text = atom.text.strip(" .,")
    topic, polarity, lay = _spoken(atom, text, section, voice) if text else ("", atom.polarity, "")
    reason = ""
    fragment = atom.form == "phrase" and RULES.pattern("fragment").match(text) is not None
    if len(text) < 3 or fragment or RULES.pattern("nothing").fullmatch(text):
        reason = "says nothing"
    elif RULES.pattern("signs").search(text):
        reason = "an examination finding, not something to tell"
    elif firewall.names(text) or firewall.names(lay):
        reason = "names the diagnosis"
        tally.leaks["fact: dropped"] += 1
    elif found := find_identifiers(text):
        reason = "holds an identifier"
        tally.identifiers[found[0].kind] += 1
    if reason:
        tally.facts_dropped[reason] += 1
        return None
    denied = atom.form == "phrase" and atom.polarity == "absent"
    statement = sentence(f"no {'history of ' if atom.ever else ''}{text}" if denied else text)
    if atom.about and polarity != "absent" and not firewall.names(atom.about):
        statement = f"As for {_lower(atom.about)}, {_lower(statement)}"
        lay = sentence(f"as for {voice.say(_lower(atom.about))}, {_lower(lay)}")
    return _Draft(dataclasses.replace(atom, polarity=polarity), section, topic, statement, lay, _content(text))


# What the speaker says


def _spoken(atom: Atom, text: str, section: Section, voice: Voice) -> tuple[str, Polarity, str]:
    """The topic, the polarity and the lay words of a statement."""
    topic = _topic(text, section, atom)
    if topic == "history.development" and not voice.about_a_child:
        topic = "history.obstetric" if voice.sex == "female" else "history.medical"
    bare = re.sub(r"^(?:any|the presence of) ", "", text)
    without_subject = re.sub(r"^(?:the patient|he|she|they) ", "", bare, flags=re.I)
    for pattern, polarity, own_topic, template in _phrases():
        denying = atom.polarity == "present" and RULES.pattern("self_denying").match(without_subject)
        if polarity != atom.polarity and not (polarity == "absent" and denying):
            continue
        if m := pattern.fullmatch(without_subject) or pattern.fullmatch(bare):
            values = {key: voice.say(_lower(value or "")) for key, value in m.groupdict().items()}
            values |= {
                key: _with_article(values[key], always=key == "one") for key in ("one", "thing") if key in values
            }
            lay = re.sub(r"\s+([.,;])", r"\1", template.format_map({**voice.forms, **values}))
            return own_topic or topic, polarity, sentence(lay)
    said = voice.say(
        _medicine(text) if section in _SURE else _small(text) if section in ("past", "surgical") else _lower(text)
    )
    if atom.form == "clause":
        denied = atom.polarity == "absent" and not said.startswith("no ")
        return topic, atom.polarity, sentence(f"No, {said}" if denied else said)
    if atom.polarity == "absent":
        return topic, "absent", _denial(said, atom, voice)
    if section == "medications" or (section == "drugs" and " " not in said.strip()):
        used = RULES.pattern("used").search(text) is not None
        return "medications", "present", voice.sentence("{I} use{s}" if used else "{I} take{s}", said)
    if section == "allergies":
        if reaction := _REACTION.fullmatch(said):
            gives = "give" if reaction["what"].endswith("s") else "gives"
            return "allergies", "present", voice.sentence(f"{reaction['what']} {gives} {{me}}", reaction["how"])
        return "allergies", "present", voice.sentence("{Im} allergic to", said)
    if section == "social" and atom.form == "phrase" and RULES.pattern("occupation").fullmatch(said):
        return "social.occupation", "present", voice.sentence("{Im}", _with_article(said, always=True))
    if section == "family" and atom.form == "phrase":
        return "family", "present", voice.sentence("Someone in the family has had", said)
    if RULES.pattern("subject_and_verb").match(text):
        return topic, "present", sentence(said if _DETERMINED.match(said) else voice.say(f"the {_lower(text)}"))
    return topic, "present", _statement(said, text, atom, topic, voice)


_REACTION = re.compile(r"(?P<what>.+?) (?:causes?|caused|gives?|gave) (?P<how>.+)", re.I)
_DETERMINED = re.compile(r"(?:my|his|her|their|the|both|i|it|he|she|we)\b", re.I)


def _denial(said: str, atom: Atom, voice: Voice) -> str:
    said = re.sub(r"^(?:an?|the) ", "", said)
    if said.startswith("not "):
        return voice.sentence("No, {Im}", said)
    return voice.sentence("No, {Ive} never had" if atom.ever else "No, {I} {havent} had any", said)


_AT_A_TIME = re.compile(r"\b(?:at (?:the )?age|when (?:he|she|they) (?:was|were)|in (?:19|20)\d\d)\b", re.I)


def _statement(said: str, text: str, atom: Atom, topic: str, voice: Voice) -> str:
    """A noun phrase as something the speaker has, has had, or once had."""
    if said.startswith("feeling "):
        return voice.sentence("{Ive} been", said)
    if _AT_A_TIME.search(text):
        return voice.sentence("{I} had", _with_article(said))
    if not atom.ever:
        operation = RULES.pattern("operations").search(text) and topic.startswith("history.")
        return voice.sentence("{I} had" if operation else "{Ive} had", _with_article(said))
    said = re.sub(r"^known ", "", said)
    if re.search(r"\bago\b|\bprior$|^(?:an )?episode", text, re.I):
        return voice.sentence("{I} had", _with_article(said))
    if re.search(r"\bfor \d+ years?$", text):
        return voice.sentence("{Ive} had", said)
    if m := re.match(r"(?:prior|previous) ", text, re.I):
        return voice.sentence("{Ive} had", f"{_with_article(said[m.end() :], always=True)} before")
    if topic == "history.medical":
        over = RULES.pattern("once").search(text)
        return voice.sentence("{Ive} had" if over else "{I} {have}", _with_article(said))
    once = topic == "history.surgical" or (RULES.pattern("operations").search(text) and topic.startswith("history."))
    return voice.sentence("{I} had" if once else "{Ive} had", _with_article(said))


@cache
def _phrases() -> tuple[tuple[re.Pattern[str], Polarity, str | None, str], ...]:
    return tuple(
        (re.compile(pattern, re.I), cast(Polarity, polarity), topic, template)
        for pattern, polarity, topic, template in RULES.data["phrases"]
    )


def _lower(text: str) -> str:
    """The text with a small first letter, unless its first word is a name or an abbreviation.

    Where every word has a capital, as in a list of diseases, all are written small.
    """
    words = text.split(" ")
    if len(words) > 1 and all(
        re.fullmatch(r"[A-Z][a-z]+|of|the|and|in|with|to|on|for|II|I|\d+", word) for word in words
    ):
        return " ".join(w if w in RULES.data["proper"] or w in ("II", "I") else w.lower() for w in words)
    word = words[0]
    proper = any(c.isupper() or c.isdigit() for c in word[1:]) or word.endswith(("'s", "\u2019s"))
    return text if proper or re.split(r"['\u2019]", word)[0] in RULES.data["proper"] else text[:1].lower() + text[1:]


def _small(text: str) -> str:
    """An entry of a list of diseases, all its words small but names: "Iron deficiency Anemia"."""
    return (
        re.sub(
            r"\b[A-Z][a-z]{2,}\b(?!['\u2019-])", lambda m: m[0] if m[0] in RULES.data["proper"] else m[0].lower(), text
        )
        if re.fullmatch(r"[\w ,()/-]+", text)
        else _lower(text)
    )


def _medicine(text: str) -> str:
    """The name of a medicine or allergen, small where it is no brand: a brand stands alone or before its dose."""
    word, _, rest = text.partition(" ")
    brand = word[:1].isupper() and word[1:].islower() and (not rest or rest[0].isdigit())
    return text if brand and not RULES.pattern("generic").fullmatch(word) else _lower(text)


def _with_article(text: str, always: bool = False) -> str:
    """The phrase with "a" or "an" where its noun is one thing and nothing stands before it yet."""
    head = RULES.pattern("after_head").split(text)[0].strip()
    noun = head.split(" ")[-1].lower()
    counted = (
        noun in RULES.data["countable"]
        or re.search(r"(?:ectomy|plasty|otomy)$", noun) is not None
        or (always and not noun.endswith("s") and noun != "surgery")
    )
    return f"a {text}" if counted and not RULES.pattern("determined").match(text) else text


# What it is about


def _topic(text: str, section: Section, atom: Atom) -> str:
    told = atom.polarity == "present" and section in ("story", *_SYMPTOMS)
    if section in _SURE or (section == "family" and atom.polarity == "present"):
        return _TOPICS[section]
    for pattern, topic in (*(_topics("hpi_first") if told else ()), *_topics("any")):
        if pattern.search(text):
            return "history.medical" if topic == "medications" and atom.ever else topic
    finding = _finding(text)
    if section == "surgical":
        return "history.surgical"
    if section == "past" or (atom.ever and finding is None):
        return "history.medical"
    if told and (atom.form == "clause" or section == "story"):
        for pattern, topic in _topics("hpi"):
            if pattern.search(text):
                return topic
    if finding is not None:
        return str(finding["topic"])
    return _TOPICS.get(section, "hpi.associated")


@cache
def _topics(part: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(pattern, re.I), topic) for pattern, topic in RULES.data["topics"][part])


@cache
def _findings() -> tuple[tuple[re.Pattern[str], Json], ...]:
    def named(finding: Json) -> re.Pattern[str]:
        names = sorted(map(re.escape, finding["names"]), key=len, reverse=True)
        return re.compile(rf"\b(?:{'|'.join(names)})\b", re.I)

    return tuple((named(finding), finding) for finding in RULES.data["findings"])


def _finding(text: str) -> Json | None:
    """The finding whose name stands first in a text, the longer of two at one place."""
    found = [(m.start(), -len(m.group()), n) for n, (p, _) in enumerate(_findings()) if (m := p.search(text))]
    return _findings()[min(found)[2]][1] if found else None


def _synonyms(text: str) -> list[str]:
    found: dict[str, None] = {}
    for pattern, finding in _findings():
        if m := pattern.search(text):
            found |= {name: None for name in finding["names"] if name.lower() != m.group().lower()}
    return list(found)[:MOST_SYNONYMS]


def _content(text: str) -> frozenset[str]:
    words = re.findall(r"[a-z0-9]+", re.sub(r"\([^)]*\)|['\u2019]s\b", "", text.lower()))
    stop = RULES.data["stop_words"]
    return frozenset(re.sub(r"(?:ing|es|s|ed|ly)$", "", w) if len(w) > 4 else w for w in words if w not in stop)


# From drafts to facts


def _merged(drafts: list[_Draft], tally: Tally) -> list[_Draft]:
    """One draft for each thing said; of two that say the same, the fuller one in the place of the first."""
    kept: list[_Draft] = []
    for draft in drafts:
        for place, other in enumerate(kept):
            if draft.atom.polarity == other.atom.polarity and (fuller := _fuller(other, draft)) is not None:
                section = other.section if other.is_symptom else fuller.section
                kept[place] = dataclasses.replace(fuller, section=section)
                tally.counts["facts_merged"] += 1
                break
        else:
            kept.append(draft)
    return kept


def _fuller(first: _Draft, second: _Draft) -> _Draft | None:
    """Of two drafts of one polarity that say the same, the one that says more; nothing where they differ."""
    if first.lay == second.lay or (first.words and first.words == second.words):
        return first
    if (first.topic == "medications") != (second.topic == "medications"):
        return None
    small, large = sorted((first, second), key=lambda d: len(d.words))
    if RULES.pattern("earlier").search(large.statement) and not RULES.pattern("earlier").search(small.statement):
        return None
    inside = bool(small.words) and small.words < large.words and small.atom.form == "phrase" and small.present
    return large if inside and (len(small.words) > 1 or len(large.words) <= 5) else None


def _medicines(drafts: list[_Draft], voice: Voice, firewall: Firewall) -> list[_Draft]:
    """The medicines that are only mentioned beside a disease, as a fact of their own."""
    if any(d.topic == "medications" and d.section != "story" for d in drafts):
        return []
    for draft in drafts:
        m = RULES.pattern("medicines").search(draft.statement)
        if m and draft.present and draft.topic.startswith("history") and " ago" not in draft.statement:
            text, lay = f"takes {m['x']}", voice.sentence("{I} take{s}", m["x"])
            if not firewall.names(lay):
                return [_Draft(Atom(text, "clause"), draft.section, "medications", sentence(text), lay, _content(text))]
    return []


def _finished(drafts: list[_Draft], firewall: Firewall) -> list[dict[str, Any]]:
    numbers: dict[str, int] = {}
    asked = _must_ask(drafts)
    opening = [d for d in drafts if d.section == "complaint"][:2] or drafts[:1]
    facts = []
    for draft in drafts:
        text, topic = draft.statement, draft.topic
        numbers[topic] = numbers.get(topic, 0) + 1
        grave = draft.present or "suicid" in text
        illness_now = not topic.startswith(("family", "social", "history"))
        disclosure = "asked"
        if draft in opening:
            disclosure = "volunteered"
        elif draft.present and topic != "family" and RULES.pattern("trusted").search(text):
            disclosure = "trusted"
        facts.append(
            {
                "id": f"{topic}-{numbers[topic]}",
                "topic": topic,
                "statement": text[:1000],
                "lay": draft.lay[:1000],
                "synonyms": [s for s in _synonyms(text) if not firewall.names(s)],
                "polarity": draft.atom.polarity,
                "sensitivity": "private" if grave and RULES.pattern("private").search(text) else "ordinary",
                "disclosure": disclosure,
                "must_ask": draft in asked,
                "red_flag": grave and illness_now and RULES.pattern("red_flags").search(text) is not None,
            }
        )
    return facts


_THEN_ASKED: tuple[Callable[[_Draft], bool], ...] = (
    lambda d: d.present and RULES.pattern("red_flags").search(d.statement) is not None,
    lambda d: d.topic in ("allergies", "medications"),
    lambda d: d.present and d.topic.startswith("hpi"),
    lambda d: d.topic.startswith(("history", "family")),
    lambda d: d.atom.polarity == "absent",
)


def _must_ask(drafts: list[_Draft]) -> list[_Draft]:
    """The symptoms of the case, then what else a careful doctor asks, until there are enough."""
    chosen = [d for d in drafts if d.is_symptom][:MOST_MUST_ASK]
    for wanted in _THEN_ASKED:
        for draft in drafts:
            if len(chosen) < FEWEST_MUST_ASK and draft not in chosen and not draft.is_symptom and wanted(draft):
                chosen.append(draft)
    return chosen
