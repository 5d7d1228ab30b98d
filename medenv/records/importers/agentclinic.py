"""AgentClinic: OSCE-style cases, one JSON object a line, whose prose becomes atomic facts in the speaker's own words.

The rules are data, in `agentclinic.json` (words, topics, exams) and `diagnosis_names.json` (names of the same diagnosis).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, Literal, cast

from medenv.errors import RecordError
from medenv.records.deidentify import OLDEST, find_identifiers
from medenv.records.exam_names import other_names
from medenv.records.importers import Importer, Row
from medenv.records.importers.clauses import Atom, atoms, sentences
from medenv.records.importers.report import ImportReport, Tally
from medenv.records.importers.voice import Voice, sentence
from medenv.records.leaks import find_leaks, redact
from medenv.records.record import Diagnosis, ExamKind, ExamStatus, Polarity, Record, record_from_dict

__all__ = ["AGENTCLINIC"]

NOTES = (
    "the differential is the diagnosis alone, at probability 1",
    "the source gives no plan, no contraindications, no ICD-10 code and no department",
    "cases are examination vignettes, no real patients",
)
MOST_MUST_ASK, FEWEST_MUST_ASK = 9, 5
CAREGIVER_BELOW_YEARS = 12

Json = Mapping[str, Any]


@cache
def _rules() -> Json:
    text = resources.files("medenv.records.importers").joinpath("agentclinic.json").read_text("utf-8")
    return cast(Json, json.loads(text))


@cache
def _any_of(*path: str) -> re.Pattern[str]:
    found: Any = _rules()
    for key in path:
        found = found[key]
    return re.compile("|".join(f"(?:{p})" for p in found) if isinstance(found, list) else found, re.I)


def _read(rows: Sequence[Row]) -> tuple[list[Record], ImportReport]:
    tally = Tally()
    records = []
    for row in rows:
        try:
            records.append(_record(row.data, tally))
        except RecordError as error:
            raise type(error)(f"{row.where}: {error}") from None
    tally.counts["records"] = len(records)
    return records, tally.report("agentclinic", NOTES)


AGENTCLINIC = Importer(recognises=lambda data: "OSCE_Examination" in data, read=_read)
"""The importer of AgentClinic's JSON lines."""


def _record(row: Json, tally: Tally) -> Record:
    case = _object(row, "OSCE_Examination", "$")
    actor = _object(case, "Patient_Actor", "$.OSCE_Examination")
    diagnosis = _diagnosis(_text(case, "Correct_Diagnosis", "$.OSCE_Examination"))
    for key in case.keys() - _CASE_KEYS:
        tally.unmapped_keys[key] += 1
    for key in actor.keys() - _ACTOR_KEYS.keys():
        tally.unmapped_keys[f"Patient_Actor.{key}"] += 1
    demographics = _demographics(actor, tally)
    voice = _voice(actor, demographics)
    tally.counts["caregivers"] += voice.speaker == "caregiver"
    firewall = _Firewall(diagnosis, tally)
    facts = _facts(actor, voice, firewall, tally)
    exams = _exams(case, firewall, tally)
    tally.counts["facts_kept"] += len(facts)
    tally.counts["exams_kept"] += len(exams)
    everything = json.dumps(row, sort_keys=True, ensure_ascii=False)
    occupation = next((m[1] for f in facts if (m := re.search(r"\bworks as an? ([\w ]+)", f["statement"]))), "")
    if occupation and not firewall.names(occupation):
        demographics["occupation"] = occupation
    return record_from_dict(
        {
            "id": f"agentclinic-{hashlib.sha256(everything.encode()).hexdigest()[:10]}",
            "schema": "medenv.record/1",
            "language": "en",
            "speaker": voice.speaker,
            "provenance": {"source": "AgentClinic (MedQA)", "licence": "MIT", "synthetic": True},
            "demographics": demographics,
            "chief_complaint": _chief_complaint(actor, voice, firewall),
            "facts": facts,
            "exams": exams,
            "truth": {
                "diagnosis": {"name": diagnosis.name, "synonyms": list(diagnosis.synonyms)},
                "differential": [
                    {"name": diagnosis.name, "synonyms": list(diagnosis.synonyms), "probability": 1.0},
                ],
            },
        }
    )


_CASE_KEYS = {
    "Objective_for_Doctor", "Patient_Actor", "Physical_Examination_Findings", "Test_Results", "Correct_Diagnosis",
}  # fmt: skip
_ACTOR_KEYS: Mapping[str, str | None] = {
    "Demographics": None,
    "History": "history",
    "Symptoms": None,
    "Past_Medical_History": "history.medical",
    "Current_Medications": "medications",
    "Medications": "medications",
    "Drug_History": "medications",
    "Allergies": "allergies",
    "Family_History": "family",
    "Social_History": "social.living",
    "Review_of_Systems": "hpi.associated",
}
"""The keys of a patient, with the topic of what stands under them where no rule says better."""


def _object(data: Json, key: str, where: str) -> Json:
    if not isinstance(value := data.get(key), Mapping):
        raise RecordError(f"field {where}.{key}: expected an object, got {type(value).__name__}")
    return value


def _text(data: Json, key: str, where: str) -> str:
    if not isinstance(value := data.get(key), str) or not value.strip():
        raise RecordError(
            f"field {where}.{key}: expected a text, got {'an empty one' if value == '' else type(value).__name__}"
        )
    return value


class _Firewall:
    """Keeps the diagnosis and identifiers out of what other seats may see, and counts what it did."""

    def __init__(self, diagnosis: Diagnosis, tally: Tally) -> None:
        self.diagnosis = diagnosis
        self.tally = tally

    def names(self, text: str) -> bool:
        return bool(find_leaks(text, self.diagnosis))

    def clean(self, text: str, what: str) -> str:
        """The text without the diagnosis: the clause that concludes it goes; failing that, the words are withheld."""
        for identifier in reversed(find_identifiers(text)):
            self.tally.identifiers[identifier.kind] += 1
            text = f"{text[: identifier.start]}[removed]{text[identifier.end :]}"
        if (cut := _CONCLUSION.sub(self._cut, text)) != text:
            self.tally.leaks[f"{what}: conclusion cut off"] += 1
            text = cut
        if not self.names(text):
            return text
        kept = []
        for part in re.split(r"(?<=[.;])\s+", text):
            if self.names(part):
                self.tally.leaks[f"{what}: name withheld"] += 1
                part = redact(part, self.diagnosis)
            kept.append(part)
        text = " ".join(kept)
        return redact(text, self.diagnosis) if self.names(text) else text

    def _cut(self, match: re.Match[str]) -> str:
        """Nothing, where a conclusion names the diagnosis or the word that makes it out; else what stood there."""
        telling = {
            word
            for name in self.diagnosis.names
            for word in re.findall(r"[a-z]{8,}", name.casefold())
            if not _GENERIC.fullmatch(word)
        }
        names = self.names(match.group()) or any(word in match.group().casefold() for word in telling)
        return "" if names and match.start() > 5 else match.group()


_GENERIC = re.compile(
    r"syndrome|disorder|infection|deficiency|congenital|primary|secondary|chronic|neonatal|posterior|personality|"
    r"production|inflammatory|impaired|pulmonary|abdominal|anterior|bacterial|acquired|community|peripheral|reaction|"
    r"response|newborn|pregnancy|awareness|intestinal|essential|behaviou?r"
)
_CONCLUSION = re.compile(
    r"[,;]?\s*\b(?:which |that |and )?(?:(?:is|are|was|were|findings|alignment) )?(?:highly |most |strongly )?"
    r"(?:compatible|consistent|suggestive|suggesting|suggests|indicative|indicating|indicates|diagnostic|characteristic|typical|in keeping|"
    r"confirming|confirms|supporting|consonant|pathognomonic|concerning|associated)\b(?: with| of| for)?[^.;]*"
)  # fmt: skip


# Who speaks


def _demographics(actor: Json, tally: Tally) -> dict[str, Any]:
    text = _text(actor, "Demographics", "$.OSCE_Examination.Patient_Actor")
    story = " ".join(_strings(actor))
    value, unit = _age(text, story)
    if value > OLDEST and unit == "years":
        value, _ = OLDEST, tally.counts.update(ages_capped=1)
    return {"age": {"value": value, "unit": unit}, "sex": _sex(text, story)}


def _age(text: str, story: str) -> tuple[int | float, str]:
    if m := re.search(r"(\d+)[- ]?(year|month|week|day)s?[- ]?old", text):
        return int(m[1]), f"{m[2]}s"
    if re.search(r"newborn|neonate|infant", text, re.I):
        born = re.search(r"born (\w+) (day|week)s? ago", story)
        words = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7}
        if born and (number := words.get(born[1]) or (int(born[1]) if born[1].isdigit() else 0)):
            return number, f"{born[2]}s"
        return 0, "days"
    raise RecordError(
        "field $.OSCE_Examination.Patient_Actor.Demographics: expected an age such as '35-year-old', got none"
    )


def _sex(text: str, story: str) -> Literal["female", "male", "unknown"]:
    if re.search(r"\b(?:female|woman|girl|lady)\b", text, re.I):
        return "female"
    if re.search(r"\b(?:male|man|boy|gentleman)\b", text, re.I):
        return "male"
    she = len(re.findall(r"(?<!mother )\b(?:she|her)\b", story, re.I))
    he = len(re.findall(r"\b(?:he|his|him)\b", story, re.I))
    return "unknown" if bool(she) == bool(he) else "female" if she else "male"


def _voice(actor: Json, demographics: Json) -> Voice:
    age, sex = demographics["age"], demographics["sex"]
    years = age["value"] / {"years": 1, "months": 12, "weeks": 52.18, "days": 365.25}[age["unit"]]
    primary = str(_object(actor, "Symptoms", "$.OSCE_Examination.Patient_Actor").get("Primary_Symptom", ""))
    child = years < CAREGIVER_BELOW_YEARS
    caregiver = (
        child
        or _any_of("caregiver", "primary").search(primary)
        or _any_of("caregiver", "anywhere").search(" ".join(_strings(actor)))
    )
    noun = {"female": "my daughter", "male": "my son"}.get(sex, "my baby" if years < 1 else "my child")
    if years >= 18:
        noun = {"female": "she", "male": "he"}.get(sex, "they")
    return Voice("caregiver" if caregiver else "self", sex, noun, parent=years < 18, words=_words())


@cache
def _words() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(pattern, re.I), replacement) for pattern, replacement in _rules()["words"])


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


# Facts


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


def _facts(actor: Json, voice: Voice, firewall: _Firewall, tally: Tally) -> list[dict[str, Any]]:
    drafts: list[_Draft] = []
    for source, text in _story(actor):
        for part in sentences(text):
            if _any_of("nothing").fullmatch(part.strip(" .")):
                tally.facts_dropped["says nothing"] += 1
                continue
            if _any_of("sign_sentences").search(part):
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
    symptoms = _object(actor, "Symptoms", "$.OSCE_Examination.Patient_Actor")
    yield from (("Primary_Symptom", text) for text in _strings(symptoms.get("Primary_Symptom", "")))
    yield from (("Secondary_Symptoms", text) for text in _strings(symptoms.get("Secondary_Symptoms", [])))
    for key, value in actor.items():
        if key not in ("Demographics", "Symptoms"):
            yield from ((key, text) for text in _strings(value))
    if m := re.search(r"(\d+) weeks['\u2019]? (?:of )?gestation", str(actor.get("Demographics", ""))):
        newborn = re.search(r"newborn|neonate|infant|born", str(actor["Demographics"]), re.I)
        yield "History", f"The patient {'was born at' if newborn else 'is pregnant, at'} {m[1]} weeks."


def _draft(atom: Atom, source: str, voice: Voice, firewall: _Firewall, tally: Tally) -> _Draft | None:
    text = atom.text.strip(" .,")
    if len(text) < 3 or _any_of("nothing").fullmatch(text):
        tally.facts_dropped["says nothing"] += 1
        return None
    if _any_of("signs").search(text):
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
    if re.search(_rules()["operations"], text, re.I) and topic in (
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
        (re.compile(p, re.I), polarity, topic, template) for p, polarity, topic, template in _rules()["phrases"]
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
    if head.split(" ")[-1].lower() not in _rules()["countable"]:
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
    return tuple((re.compile(pattern, re.I), topic) for pattern, topic in _rules()["topics"][part])


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
        for f in _rules()["findings"]
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


def _derived(drafts: list[_Draft], voice: Voice, firewall: _Firewall) -> list[_Draft]:
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


def _finished(drafts: list[_Draft], firewall: _Firewall) -> list[dict[str, Any]]:
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
            "red_flag": bool(_any_of("red_flags").search(text)) and (present or "suicid" in text)
            and not draft.topic.startswith(("family", "social", "history")),
        }  # fmt: skip
        if _any_of("private").search(text) and (present or "suicid" in text):
            fact["sensitivity"] = "private"
        if any(draft is d for d in opening):
            fact["disclosure"] = "volunteered"
        elif present and _any_of("trusted").search(text) and draft.topic != "family":
            fact["disclosure"] = "trusted"
        facts.append(fact)
    return facts


def _must_ask(drafts: list[_Draft]) -> list[_Draft]:
    """The symptoms of the case, then what else a careful doctor asks, until there are enough."""
    chosen = [d for d in drafts if d.from_symptoms][:MOST_MUST_ASK]
    rest = [d for d in drafts if not d.from_symptoms]
    for wanted in (
        lambda d: bool(_any_of("red_flags").search(d.statement)) and d.atom.polarity == "present",
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


def _chief_complaint(actor: Json, voice: Voice, firewall: _Firewall) -> str:
    primary = _text(_object(actor, "Symptoms", "$"), "Primary_Symptom", "$.OSCE_Examination.Patient_Actor.Symptoms")
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


# Truth


@cache
def _diagnosis_groups() -> Mapping[str, tuple[str, ...]]:
    text = resources.files("medenv.records.importers").joinpath("diagnosis_names.json").read_text("utf-8")
    return {_name_key(name): tuple(group) for group in json.loads(text) for name in group}


def _name_key(name: str) -> str:
    return re.sub(r"['\u2019]s?\b", "", name).casefold().strip()


_SPELLINGS = (
    ("tumor", "tumour"), ("leukemia", "leukaemia"), ("hemo", "haemo"), ("hemorr", "haemorr"), ("anemia", "anaemia"),
    ("ischemi", "ischaemi"), ("edema", "oedema"), ("esophag", "oesophag"), ("pediatric", "paediatric"), ("behavior", "behaviour"),
    ("cythemia", "cythaemia"), ("globulinemia", "globulinaemia"), ("seborrheic", "seborrhoeic"), ("gonorrhea", "gonorrhoea"),
    ("glycemi", "glycaemi"), ("uremi", "uraemi"), ("gynec", "gynaec"), ("diarrhea", "diarrhoea"), ("fetal", "foetal"),
)  # fmt: skip


def _diagnosis(text: str) -> Diagnosis:
    """The diagnosis with the other names that count as naming it: abbreviation, spelling, possessive, word order."""
    name, short = text.strip(" ."), []
    if m := re.fullmatch(r"(?P<name>.+?)\s*\((?P<short>[A-Z][A-Za-z0-9-]{1,9})\)", name):
        name, short = m["name"], [m["short"]]
    names = [name, *short, *_diagnosis_groups().get(_name_key(name), ())]
    for known in list(names):
        plain = re.sub(r"['\u2019]s?\b", "", known)
        names.append(plain)
        if m := re.fullmatch(r"(?P<eponym>[A-Z]\w+) (?P<kind>disease|syndrome)", plain):
            names.append(f"{m['eponym']}'s {m['kind']}")
            if "\u2019" in known or "'" in known:
                names.append(m["eponym"])
        if m := re.fullmatch(r"(?P<what>\w+) of (?:the )?(?P<where>\w+)", known):
            names.append(f"{m['where']} {m['what'].lower()}")
        for american, british in _SPELLINGS:
            for a, b in ((american, british), (british, american)):
                if re.search(rf"(?i){a}", known) and not (a in b and re.search(rf"(?i){b}", known)):
                    names.append(
                        re.sub(rf"(?i){a}", lambda m, b=b: b.capitalize() if m.group()[0].isupper() else b, known)
                    )  # type: ignore[misc]
    unique = {n.casefold(): n for n in reversed(names) if len(n) > 1}
    unique.pop(name.casefold(), None)
    return Diagnosis(name, tuple(reversed(unique.values())))


# Exams


def _exams(case: Json, firewall: _Firewall, tally: Tally) -> list[dict[str, Any]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for section in ("Physical_Examination_Findings", "Test_Results"):
        value = case.get(section, {})
        if not isinstance(value, Mapping):
            raise RecordError(f"field $.OSCE_Examination.{section}: expected an object, got {type(value).__name__}")
        for key, content in value.items():
            for name, results in _orders(_readable(key), content, section, tally):
                found.setdefault(_canonical(name, found), []).extend(results)
    exams = [_exam(name, results, firewall) for name, results in found.items()]
    exams = [e for e in exams if e["result"] or not _any_of("exams", "containers").fullmatch(e["name"])]
    names = {e["name"].casefold() for e in exams}
    if "vital signs" not in names:
        exams.insert(0, _exam("Vital signs", [], firewall))
    for number, exam in enumerate(exams, start=1):
        exam["id"] = f"e{number:02d}"
        others = {e["name"].casefold() for e in exams} - {exam["name"].casefold()}
        exam["synonyms"] = [s for s in exam["synonyms"] if s.casefold() not in others and not firewall.names(s)]
    _choose_key(exams)
    for exam in exams:
        exam.pop("leaked")
    return exams


def _orders(name: str, content: Any, section: str, tally: Tally) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """What a doctor orders by name, and the results (component, value) that come back with it."""
    containers = _any_of("exams", "containers")
    if not isinstance(content, Mapping) or not containers.fullmatch(name):
        if section == "Test_Results" and not other_names(name) and not _kind_is_known(name):
            tally.unmapped_keys[f"Test_Results.{name}"] += 1
        yield _panel(name) or name, list(_results("", content))
        return
    own: list[tuple[str, str]] = []
    for key, value in content.items():
        inner = _readable(key)
        panel = _panel(inner)
        if panel is not None and not isinstance(value, Mapping):
            yield panel, [(inner, text) for _, text in _results("", value)]
        elif section == "Physical_Examination_Findings" and not (other_names(inner) and _own_exam(inner)):
            own += _results(inner, value)
        elif containers.fullmatch(inner) and isinstance(value, Mapping):
            yield from _orders(inner, value, section, tally)
        elif section == "Test_Results" and re.fullmatch(
            r"findings?|results?|level|other(?:s| findings)?|suggestion|optional|appearance", inner, re.I
        ):
            own += _results("" if re.match("finding|result|level|other", inner, re.I) else inner, value)
        else:
            if section == "Test_Results" and not other_names(inner) and not _kind_is_known(inner):
                tally.unmapped_keys[f"Test_Results.{inner}"] += 1
            yield inner, list(_results("", value))
    if own:
        yield (name if section == "Test_Results" else "General examination"), own


def _own_exam(name: str) -> bool:
    return re.search(r"examination|exam$|skin|lymph|oscopy", name, re.I) is not None


def _kind_is_known(name: str) -> bool:
    return any(re.search(p, name, re.I) for p, *_ in _rules()["exams"]["kinds"][:-1])


def _panel(name: str) -> str | None:
    for panel, pattern in _rules()["exams"]["panels"].items():
        if re.fullmatch(pattern, name, re.I):
            return str(panel)
    return None


def _results(label: str, content: Any) -> Iterator[tuple[str, str]]:
    if isinstance(content, Mapping):
        for key, value in content.items():
            inner = _readable(key)
            plain = re.fullmatch(
                r"(?:preliminary )?findings?|results?|level|finding|other findings|histopathology(?: findings)?|comments|analysis|interpretation",
                inner,
                re.I,
            )
            yield from _results(label if plain else f"{label}, {_lower(inner)}" if label else inner, value)
    elif isinstance(content, list):
        yield label, "; ".join(str(item) for item in content if not isinstance(item, (Mapping, list)))
    elif isinstance(content, bool):
        yield label, "yes" if content else "no"
    elif content is not None and str(content).strip():
        yield label, str(content).strip()


_ACRONYM = re.compile(r"^(?:.+[A-Z].*|\w*\d\w*|C-peptide|pH|Hb)$")
_EPONYMS = {
    "dix-hallpike": "Dix-Hallpike",
    "finkelstein's": "Finkelstein's",
    "x-ray": "X-ray",
    "x-rays": "X-rays",
    "doppler": "Doppler",
}


def _readable(key: str) -> str:
    """A key such as `Complete_Blood_Count` as a doctor would write it: "Complete blood count"."""
    text = re.sub(r"[_\s]+", " ", key).strip()
    text = re.sub(r"\bX rays?\b", "X-rays", text, flags=re.I) if re.search(r"X rays", text, re.I) else text
    text = re.sub(r"\b[Ee]xam\b", "examination", text)
    words = [w if _ACRONYM.match(w) else _EPONYMS.get(w.lower(), w.lower()) for w in text.split(" ")]
    text = " ".join(words)
    return text[:1].upper() + text[1:] if not re.match(r"(?:aPTT|pH|PaCO2|PaO2)\b", text) else text


def _canonical(name: str, found: Mapping[str, Any]) -> str:
    """The name under which results of the same order already stand, else the name itself."""
    group = {n.casefold() for n in other_names(name)}
    return next((known for known in found if known.casefold() in group or known.casefold() == name.casefold()), name)


def _exam(name: str, results: list[tuple[str, str]], firewall: _Firewall) -> dict[str, Any]:
    if firewall.names(name):
        name = firewall.clean(name, "exam name")
    leaked = any(firewall.names(text) for _, text in results)
    unavailable, pending, normal = (_any_of("exams", key) for key in ("unavailable", "pending", "normal"))
    known = [(label, text) for label, text in results if not unavailable.fullmatch(text)]
    ready = [(label, text) for label, text in known if not pending.fullmatch(text)]
    status: ExamStatus = "recorded"
    if not known:
        status = "unavailable"
    elif not ready:
        status = "pending"
    elif all(normal.fullmatch(text) for _, text in ready):
        status = "normal"
    kind, cost, minutes, invasive = _cost(name)
    seen: set[str] = set()
    lines = []
    for label, text in ready:
        line = f"{label}: {text}" if label else text
        line = firewall.clean(line, "exam result").strip().rstrip(".;")
        if line.casefold() not in seen:
            seen.add(line.casefold())
            lines.append(line)
    return {
        "name": name[:200],
        "synonyms": [n for n in other_names(name) if n.casefold() != name.casefold()],
        "kind": kind,
        "status": status,
        "result": ("; ".join(lines) + ".")[:4000] if lines else "",
        "cost": cost,
        "minutes": minutes,
        "invasive": invasive,
        "key": False,
        "leaked": leaked,
    }


def _cost(name: str) -> tuple[ExamKind, float, float, bool]:
    for pattern, kind, cost, minutes, invasive in _rules()["exams"]["kinds"]:
        if re.search(pattern, name, re.I):
            if name in ("Complete blood count", "Full blood count"):
                cost = 1
            return cast(ExamKind, kind), cost, minutes, invasive
    raise AssertionError("the last rule matches every name")


def _choose_key(exams: list[dict[str, Any]]) -> None:
    """Vital signs, the examination at the bedside that shows most, and the two tests that tell most.

    A test whose result named the diagnosis tells most; then one that is invasive or an image; then the most abnormal.
    """

    def weight(exam: Json) -> float:
        parts = [p for p in re.split(r"[;.] ", exam["result"]) if not _any_of("exams", "unremarkable").search(p)]
        if exam["kind"] == "lab":  # a bare number does not say by itself whether it is abnormal
            parts = [p for p in parts if _any_of("exams", "abnormal").search(p)]
        if exam["status"] != "recorded" or not parts:
            return 0.0
        return 10.0 * exam["leaked"] + 2.0 * (exam["kind"] in ("procedure", "imaging")) + min(len(parts), 4)

    for exam in exams:
        exam["key"] = exam["name"].casefold() == "vital signs"
    telling = sorted((e for e in exams if not e["key"] and weight(e) > 0), key=lambda e: -weight(e))
    bedside = [e for e in telling if e["kind"] == "bedside" and e["cost"] == 0]
    for exam in [*bedside[:1], *[e for e in telling if not any(e is b for b in bedside)][:2]]:
        exam["key"] = True
