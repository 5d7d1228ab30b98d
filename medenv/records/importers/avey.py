"""Avey-style vignettes: one case a row, its sections under keys, with the findings that are absent listed.

Every key is looked up in the table of `avey.json`, in any spelling; the other rules are those of the prose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from medenv.errors import RecordError
from medenv.records.importers import Importer, Row, Tally
from medenv.records.importers.clauses import sentences
from medenv.records.importers.demographics import demographics_from
from medenv.records.importers.diagnosis_names import diagnosis_from
from medenv.records.importers.exam_prose import is_finding, sentence_orders
from medenv.records.importers.exams import exams_from
from medenv.records.importers.firewall import Firewall
from medenv.records.importers.introductions import story_from
from medenv.records.importers.prose import Passage, Section, chief_complaint_from, facts_from, voice_for
from medenv.records.importers.rules import Json, Rules, content_id, strings
from medenv.records.record import Record, record_from_dict

__all__ = ["AVEY"]

RULES = Rules("avey.json")
NEEDED = ("diagnosis", "complaint")
SECTIONS: tuple[Section, ...] = ("past", "surgical", "medications", "allergies", "family", "social")
FEWEST_FACTS = 2
NOTES = (
    "the diagnosis has probability 1; what else a row lists as differential stands at 0, since it is not weighed there",
    "absent findings that only an examination shows stand in the exams",
    "the source gives no plan, no contraindications, no ICD-10 code and no department",
    "cases are vignettes written for a comparison of symptom checkers, no real patients",
)


def _plain(key: str) -> str:
    return re.sub(r"[\W_]+", " ", key).strip().casefold()


def _kind(key: str) -> str | None:
    plain = _plain(key)
    return next((kind for kind in _KINDS if plain in RULES.data[kind]), None)


_KINDS = (
    "diagnosis",
    "differential",
    "demographics",
    "age",
    "sex",
    "complaint",
    "story",
    "absent",
    "exam",
    *SECTIONS,
    "unused",
)


def _recognises(row: Json) -> bool:
    kinds = {_kind(key) for key in row}
    return {"diagnosis", "complaint"} <= kinds and bool(kinds & {"story", "absent"})


def _read(row: Row, tally: Tally) -> tuple[Record, ...]:
    texts = _texts(row.data, tally)
    for kind in NEEDED:
        if not texts[kind]:
            raise RecordError(f"field $.{RULES.data[kind][0]}: expected a text, got none")
    introduction = " ".join((*map(_age, texts["age"]), *texts["sex"], *texts["demographics"]))
    story = " ".join((*texts["story"], *texts["complaint"]))
    demographics = demographics_from(introduction or story, story, tally)
    if demographics is None:
        return tally.drop_row("no age")
    firewall = Firewall(diagnosis_from(texts["diagnosis"][0].strip(" .")[:200]), tally)
    complaint = ", ".join(text.strip(" .") for text in texts["complaint"])
    voice = voice_for(demographics, complaint, story)
    findings: list[str] = list(texts["exam"])
    facts = facts_from(_passages(complaint, texts, findings), voice, firewall, tally)
    if len(facts) < FEWEST_FACTS or all(fact["polarity"] != "present" for fact in facts):
        return tally.drop_row("too little that a patient could tell")
    return (
        record_from_dict(
            {
                "id": content_id("avey", row.data),
                "schema": "medenv.record/1",
                "language": "en",
                "speaker": voice.speaker,
                "provenance": {"source": "Avey vignettes", "licence": "unknown", "synthetic": True},
                "demographics": demographics,
                "chief_complaint": chief_complaint_from(_small(complaint), voice, firewall, facts[0]["lay"])[:600],
                "facts": facts,
                "exams": exams_from(sentence_orders(findings), firewall),
                "truth": _truth(firewall, texts["differential"]),
            }
        ),
    )


AVEY = Importer(recognises=_recognises, read=_read, notes=NOTES, suffixes=(".json", ".jsonl", ".csv"))
"""The importer of Avey-style vignettes."""


def _age(text: str) -> str:
    if not re.search(r"[a-z]", text, re.I):
        return f"{text} years old"
    return text if re.search(r"old|y/?o", text, re.I) else f"{text} old"


def _texts(row: Json, tally: Tally) -> Mapping[str, list[str]]:
    """The texts of a row by what they are; those that say nothing are left out.

    Raises:
        RecordError: A value is neither a text, a number nor a list or object of texts.
    """
    found: dict[str, list[str]] = {kind: [] for kind in _KINDS}
    for key, value in row.items():
        if (kind := _kind(key)) is None:
            tally.unmapped_keys[key] += 1
            continue
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = str(value)
        if value is not None and not isinstance(value, (str, list, Mapping)):
            raise RecordError(f"field $.{key}: expected a text, got {type(value).__name__}")
        for text in strings(value):
            for pattern, replacement in RULES.data["spellings"]:
                text = re.sub(pattern, replacement, text)
            if not RULES.pattern("nothing").fullmatch(text.strip()):
                found[kind].append(text.strip())
    return found


def _passages(complaint: str, texts: Mapping[str, list[str]], findings: list[str]) -> Iterator[Passage]:
    """What the patient could tell; sentences and absent findings that only an examination shows go to `findings`."""
    yield Passage("complaint", _small(complaint))
    for text in texts["story"]:
        for sentence in sentences(text):
            if is_finding(sentence):
                findings.append(sentence)
            else:
                yield from story_from(sentence)
    for text in texts["absent"]:
        for part in re.split(r"[,;]\s*(?=(?:No|Not|Denies|Without)\b)|\.\s+|\n", text):
            if RULES.pattern("sign").search(part):
                findings.append(part.strip())
            elif part.strip():
                yield Passage("review", part.strip())
    for section in SECTIONS:
        yield from (Passage(section, text) for text in texts[section])


def _small(text: str) -> str:
    """A list of complaints with small letters: "Fever, Cough" as "fever, cough"."""
    return re.sub(r"(?:^|(?<=, ))([A-Z])(?=[a-z])", lambda m: m[1].lower(), text)


def _truth(firewall: Firewall, differential: list[str]) -> dict[str, Any]:
    right = firewall.diagnosis
    names = {"name": right.name, "synonyms": list(right.synonyms)}
    known = {name.casefold() for name in right.names}
    others = {
        name.strip(" .-")[:200]: None
        for text in differential
        for name in re.split(r"[,;\n]|\d+[.)]\s", text)
        if len(name.strip(" .-")) > 1 and name.strip(" .-").casefold() not in known
    }
    return {
        "diagnosis": names,
        "differential": [
            {**names, "probability": 1.0},
            *({"name": name, "probability": 0.0} for name in list(others)[:12]),
        ],
    }
