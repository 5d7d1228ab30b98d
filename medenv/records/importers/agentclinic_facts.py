"""AgentClinic's prose as facts: one statement each, with its topic and the speaker's own words for it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, cast

from medenv.errors import RecordError
from medenv.records.deidentify import find_identifiers
from medenv.records.importers.clauses import Atom, atoms, sentences
from medenv.records.importers.firewall import Firewall
from medenv.records.importers.report import Tally
from medenv.records.importers.rules import Json, Rules, objects, strings, text_of
from medenv.records.importers.voice import Voice, sentence
from medenv.records.record import Polarity

__all__ = ["chief_complaint_from", "facts_from"]

RULES = Rules("agentclinic.json")
MOST_MUST_ASK, FEWEST_MUST_ASK = 9, 5


@dataclasses.dataclass(slots=True)
class _Draft:
    """A fact being made."""

    atom: Atom
    source: str
    topic: str
    statement: str
    lay: str
    words: frozenset[str]

    @property
    def from_symptoms(self) -> bool:
        return self.source in ("Primary_Symptom", "Secondary_Symptoms")


def facts_from(actor: Json, voice: Voice, firewall: Firewall, tally: Tally) -> list[dict[str, Any]]:
    drafts: list[_Draft] = []
    for source, text in _story(actor):
        for part in sentences(text):
            if RULES.pattern("nothing").fullmatch(part.strip(" .")):
                tally.facts_dropped["says nothing"] += 1
                continue
            if RULES.pattern("sign_sentences").search(part):
                tally.facts_dropped["an examination finding, not something to tell"] += 1
                continue
            for atom in atoms(part, listing=source in ("Past_Medical_History", "Family_History")):
                if (draft := _draft(atom, source, voice, firewall, tally)) is not None:
                    drafts.append(draft)
    drafts = _merged(drafts, tally)
    drafts += _derived(drafts, voice, firewall)
    if not drafts:
        raise RecordError(
            "field $.OSCE_Examination.Patient_Actor: expected a history, got nothing a patient could tell"
        )
    return _finished(drafts, firewall)


def _story(actor: Json) -> Iterator[tuple[str, str]]:
    """The texts of a patient, each with its key; fragments of lists count as sentences of their own."""
    symptoms = objects(actor, "Symptoms", "$.OSCE_Examination.Patient_Actor")
    yield from (("Primary_Symptom", text) for text in strings(symptoms.get("Primary_Symptom", "")))
    yield from (("Secondary_Symptoms", text) for text in strings(symptoms.get("Secondary_Symptoms", [])))
    for key, value in actor.items():
        if key not in ("Demographics", "Symptoms"):
            yield from ((key, text) for text in strings(value))
    if m := re.search(r"(\d+) weeks['\u2019]? (?:of )?gestation", str(actor.get("Demographics", ""))):
        newborn = re.search(r"newborn|neonate|infant|born", str(actor["Demographics"]), re.I)
        yield "History", f"The patient {'was born at' if newborn else 'is pregnant, at'} {m[1]} weeks."


def _draft(atom: Atom, source: str, voice: Voice, firewall: Firewall, tally: Tally) -> _Draft | None:
    text = atom.text.strip(" .,")
    if len(text) < 3 or RULES.pattern("nothing").fullmatch(text):
        tally.facts_dropped["says nothing"] += 1
        return None
    if RULES.pattern("signs").search(text):
        tally.facts_dropped["an examination finding, not something to tell"] += 1
        return None
    if firewall.names(text):
        tally.facts_dropped["names the diagnosis"] += 1
        tally.leaks["fact: dropped"] += 1
        return None
    if found := find_identifiers(text):
        tally.facts_dropped["holds an identifier"] += 1
        tally.identifiers[found[0].kind] += 1
        return None
    topic, polarity, lay = _spoken(atom, text, source, voice)
    if firewall.names(lay):
        tally.facts_dropped["names the diagnosis"] += 1
        tally.leaks["fact: dropped"] += 1
        return None
    ever = "history of " if atom.ever and atom.polarity == "absent" else ""
    statement = sentence(f"no {ever}{text}" if atom.form == "phrase" and atom.polarity == "absent" else text)
    atom = dataclasses.replace(atom, polarity=polarity)
    return _Draft(atom, source, topic, statement, lay, _content(text))


def _spoken(atom: Atom, text: str, source: str, voice: Voice) -> tuple[str, Polarity, str]:
    """The topic, the polarity and the lay words of a statement."""
    topic = _topic(text, source, atom)
    if topic == "history.development" and not (voice.speaker == "caregiver" and voice.parent):
        topic = "history.obstetric" if voice.sex == "female" else "history.medical"
    bare = re.sub(r"^(?:any|the presence of) ", "", text)
    for pattern, polarity, phrase_topic, template in _phrases():
        if (polarity == "absent") != (atom.polarity == "absent") and not template.startswith(("No,", "Yes,")):
            continue
        if atom.polarity == "absent" and polarity == "present":
            continue
        if atom.polarity == "present" and polarity == "absent" and not _SELF_DENYING.match(bare):
            continue
        if m := pattern.fullmatch(re.sub(r"^(?:the patient|he|she|they) ", "", bare, flags=re.I)) or pattern.fullmatch(
            bare
        ):
            values = {k: voice.say(_lower(v or "")) for k, v in m.groupdict().items()}
            lay = sentence(re.sub(r"\s+([.,;])", r"\1", template.format_map({**voice.forms, **values})))
            return phrase_topic or topic, cast(Polarity, polarity), lay
    said = voice.say(_lower(text))
    forms = voice.forms
    if atom.form == "clause":
        opening = "No, " if atom.polarity == "absent" and not said.startswith("no ") else ""
        return topic, atom.polarity, sentence(opening + (said if opening else sentence(said)))
    if atom.polarity == "absent":
        said = re.sub(r"^(?:an?|the) ", "", said)
        if text.startswith("not "):
            return (
                topic,
                "absent",
                sentence(f"No, {forms['I']}'m {said}" if voice.speaker == "self" else f"No, {forms['I']}'s {said}"),
            )
        if atom.ever:
            never = "I've" if voice.speaker == "self" else forms["Ive"]
            return topic, "absent", sentence(f"No, {never} never had {said}")
        return topic, "absent", sentence(f"No, {forms['I']} {forms['havent']} had any {said}")
    if source in ("Current_Medications", "Medications", "Drug_History") and " " not in said.strip():
        return "medications", "present", sentence(f"{forms['I']} take{forms['s']} {said}")
    if source in ("Current_Medications", "Medications"):
        return "medications", "present", sentence(f"{forms['I']} take{forms['s']} {said}")
    if m := re.match(
        r"((?:the |left |right |both )?(?:pain|symptoms?|lesions?|rash|cough|eyes?|legs?|itching|discoloration|vomiting|fever|episodes?|brother|mother|father)) (worsens?|improves?|has|have|is|are|started|spread|starts|was|were|resolved|died)\b",
        text,
        re.I,
    ):
        subject = (
            said
            if re.match(r"(?:my|his|her|their|the|both|i|it|he|she|we)\b", said, re.I)
            else voice.say(f"the {_lower(text)}")
        )
        return topic, "present", sentence(subject)
    if atom.ever and re.search(r"\bago\b|\bprior$|^(?:an )?episode", text, re.I):
        return topic, "present", sentence(f"{forms['I']} had {_with_article(said)}")
    if atom.ever and re.search(r"\bfor \d+ years?$", text):
        return topic, "present", sentence(f"{forms['Ive']} had {re.sub('^known ', '', said)}")
    if topic == "history.medical" and atom.ever:
        said = re.sub("^known ", "", said)
        return topic, "present", sentence(f"{forms['I']} {forms['have']} {_with_article(said)}")
    if re.search(RULES.data["operations"], text, re.I) and topic in (
        "history.surgical",
        "history.obstetric",
        "history.medical",
    ):
        return topic, "present", sentence(f"{forms['I']} had {_with_article(said)}")
    if said.startswith("feeling "):
        return topic, "present", sentence(f"{forms['Ive']} been {said}")
    if said.lower().startswith(("difficulty ", "trouble ")):
        return topic, "present", sentence(f"{forms['Ive']} had {said}")
    return topic, "present", sentence(f"{forms['Ive']} had {_with_article(said)}")


_SELF_DENYING = re.compile(
    r"(?:the patient |he |she )?(?:(?:the )?past medical history is|non-?smoker|nonsmoker|does not|a non|absence|lack|unremarkable|takes no|no |is on no)",
    re.I,
)


@cache
def _phrases() -> tuple[tuple[re.Pattern[str], str, str | None, str], ...]:
    return tuple(
        (re.compile(p, re.I), polarity, topic, template) for p, polarity, topic, template in RULES.data["phrases"]
    )


def _lower(text: str) -> str:
    word = text.split(" ")[0] if text else ""
    proper = len(word) > 1 and (any(c.isupper() or c.isdigit() for c in word[1:]) or word.endswith(("'s", "\u2019s")))
    return text if proper or word in ("I", "Lyme", "Crohn") else text[:1].lower() + text[1:]


def _with_article(text: str) -> str:
    """The phrase with "a" or "an" where its noun is one thing and nothing stands before it yet."""
    if re.match(r"(?:an?|the|my|his|her|their|some|\d|no|one|two|three|several|multiple|many|both)\b", text, re.I):
        return text
    head = re.split(
        r" (?:in|on|of|at|with|over|for|during|after|from|to|by|when|while|since|that|which|before|relieved|radiating|following|and|producing|worse|not|sparing|such)\b|,|\(",
        text,
    )[0].strip()
    if head.split(" ")[-1].lower() not in RULES.data["countable"]:
        return text
    return f"{'an' if text[0].lower() in 'aeio' else 'a'} {text}"


def _topic(text: str, source: str, atom: Atom) -> str:
    finding = _finding(text)
    told = source in ("History", "Primary_Symptom", "Secondary_Symptoms") and atom.polarity == "present"
    for pattern, topic in (*(_topics("hpi")[:3] if told else ()), *_topics("any")):
        if pattern.search(text):
            return "history.medical" if topic == "medications" and atom.ever else topic
    if source == "Past_Medical_History" or (atom.ever and finding is None):
        return "history.medical"
    if told:
        for pattern, topic in _topics("hpi"):
            if pattern.search(text) and (atom.form == "clause" or source == "History"):
                return topic
    if finding is not None:
        return str(finding["topic"])
    default = _ACTOR_KEYS.get(source)
    return default if default and default != "history" else "hpi.associated"


@cache
def _topics(part: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(pattern, re.I), topic) for pattern, topic in RULES.data["topics"][part])


def _finding(text: str) -> Json | None:
    """The finding of the list whose name stands first in a text, the longer of two at one place."""
    best: tuple[int, int] | None = None
    found = None
    for pattern, finding in _findings():
        if (m := pattern.search(text)) and (best is None or (m.start(), -len(m.group())) < best):
            best, found = (m.start(), -len(m.group())), finding
    return found


@cache
def _findings() -> tuple[tuple[re.Pattern[str], Json], ...]:
    return tuple(
        (re.compile(r"\b(?:" + "|".join(sorted(map(re.escape, f["names"]), key=len, reverse=True)) + r")\b", re.I), f)
        for f in RULES.data["findings"]
    )


_STOP = frozenset(
    "a an the of in on at with and or any for to has have had is are was were patient he she his her him it its they their "
    "this that these reports history significant recent no not been past over about approximately currently also being "
    "known which who by from as during noted generalized severe experiencing symptoms episode episodes".split()
)


def _content(text: str) -> frozenset[str]:
    words = re.findall(r"[a-z0-9]+", _LAY_KEY.sub("", text.lower()))
    return frozenset(re.sub(r"(?:ing|es|s|ed|ly)$", "", w) if len(w) > 4 else w for w in words if w not in _STOP)


_LAY_KEY = re.compile(r"\([^)]*\)|['\u2019]s\b")


def _merged(drafts: list[_Draft], tally: Tally) -> list[_Draft]:
    """One draft for each thing said; of two that say the same, the fuller one in the place of the first."""
    kept: list[_Draft] = []
    for draft in drafts:
        for place, other in enumerate(kept):
            if draft.atom.polarity != other.atom.polarity:
                continue
            small, large = sorted((draft, other), key=lambda d: len(d.words))
            same = (small.words == large.words and bool(large.words)) or draft.lay == other.lay
            inside = (
                bool(small.words)
                and small.words < large.words
                and (len(small.words) > 1 or len(large.words) <= 5)
                and small.atom.form == "phrase"
            )
            if same or (inside and draft.atom.polarity == "present"):
                fuller = large if inside and not same else other
                kept[place] = dataclasses.replace(fuller, source=other.source if other.from_symptoms else fuller.source)
                tally.counts["facts_merged"] += 1
                break
        else:
            kept.append(draft)
    return kept


_MEDICATION = re.compile(
    r"\b(?:(?:managed|treated|controlled|medicated) with|(?:currently |is |been )on)(?: a stable regimen of| a low dose of)? "
    r"(?P<x>(?!medication|IV|antibiotics|surgery|a\b|the\b|her|his)[a-z]{5,}(?:, [a-z]{5,})*(?:,? and [a-z]{5,}\b)?)"
)


def _derived(drafts: list[_Draft], voice: Voice, firewall: Firewall) -> list[_Draft]:
    """Medicines that are only mentioned beside a disease, as facts of their own."""
    if any(d.topic == "medications" and d.source not in ("History",) for d in drafts):
        return []
    found = []
    for draft in drafts:
        if (
            draft.topic.startswith("history")
            and draft.atom.polarity == "present"
            and (m := _MEDICATION.search(draft.statement))
        ):
            text = f"takes {m['x']}"
            lay = voice.fill("{I} take{s} " + m["x"].replace("{", "").replace("}", ""))
            if not firewall.names(lay) and " ago" not in draft.statement:
                found.append(
                    _Draft(Atom(text, "clause"), draft.source, "medications", sentence(text), lay, _content(text))
                )
    return found[:1]


def _finished(drafts: list[_Draft], firewall: Firewall) -> list[dict[str, Any]]:
    numbers: dict[str, int] = {}
    facts = []
    asked = _must_ask(drafts)
    opening = [d for d in drafts if d.source == "Primary_Symptom"][:2] or drafts[:1]
    for draft in drafts:
        numbers[draft.topic] = numbers.get(draft.topic, 0) + 1
        text = draft.statement
        present = draft.atom.polarity == "present"
        fact: dict[str, Any] = {
            "id": f"{draft.topic}-{numbers[draft.topic]}",
            "topic": draft.topic,
            "statement": text[:1000],
            "lay": draft.lay[:1000],
            "synonyms": [s for s in _synonyms(text) if not firewall.names(s)],
            "polarity": draft.atom.polarity,
            "must_ask": any(draft is d for d in asked),
            "red_flag": bool(RULES.pattern("red_flags").search(text)) and (present or "suicid" in text)
            and not draft.topic.startswith(("family", "social", "history")),
        }  # fmt: skip
        if RULES.pattern("private").search(text) and (present or "suicid" in text):
            fact["sensitivity"] = "private"
        if any(draft is d for d in opening):
            fact["disclosure"] = "volunteered"
        elif present and RULES.pattern("trusted").search(text) and draft.topic != "family":
            fact["disclosure"] = "trusted"
        facts.append(fact)
    return facts


def _must_ask(drafts: list[_Draft]) -> list[_Draft]:
    """The symptoms of the case, then what else a careful doctor asks, until there are enough."""
    chosen = [d for d in drafts if d.from_symptoms][:MOST_MUST_ASK]
    rest = [d for d in drafts if not d.from_symptoms]
    for wanted in (
        lambda d: bool(RULES.pattern("red_flags").search(d.statement)) and d.atom.polarity == "present",
        lambda d: d.topic in ("allergies", "medications"),
        lambda d: d.topic.startswith("hpi") and d.atom.polarity == "present",
        lambda d: d.topic.startswith(("history", "family")),
        lambda d: d.atom.polarity == "absent",
    ):
        for draft in rest:
            if len(chosen) < FEWEST_MUST_ASK and wanted(draft) and not any(draft is d for d in chosen):
                chosen.append(draft)
    return chosen


def _synonyms(text: str) -> list[str]:
    found: list[str] = []
    for pattern, finding in _findings():
        if m := pattern.search(text):
            found += [n for n in finding["names"] if n.lower() != m.group().lower() and n not in found]
    return found[:12]


def chief_complaint_from(actor: Json, voice: Voice, firewall: Firewall) -> str:
    primary = text_of(objects(actor, "Symptoms", "$"), "Primary_Symptom", "$.OSCE_Examination.Patient_Actor.Symptoms")
    parts = []
    for atom in atoms(primary):
        _, _, lay = _spoken(atom, atom.text.strip(" ."), "Primary_Symptom", voice)
        if not firewall.names(lay) and not find_identifiers(lay):
            parts.append(lay)
    return f"Hello, doctor. {_greeting(voice)}{_joined(parts) or voice.fill('{Im} not well')}"


def _greeting(voice: Voice) -> str:
    if voice.speaker == "self":
        return ""
    return (
        f"It's about {voice.noun}. " if voice.parent else f"I've brought {voice.forms['me']} in because I'm worried. "
    )


def _joined(parts: list[str]) -> str:
    """Sentences that begin alike made into one: "I've had a cough and a fever."""
    opening = re.match(r"\S+ had ", parts[0]) if parts else None
    if opening is None or len(parts) == 1 or not all(p.startswith(opening.group()) for p in parts):
        return " ".join(parts)
    rests = [p.removeprefix(opening.group()).rstrip(".") for p in parts]
    return sentence(f"{opening.group()}{', '.join(rests[:-1])} and {rests[-1]}")
