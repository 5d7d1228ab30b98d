"""AgentClinic: OSCE-style cases, one JSON object a line, whose prose becomes atomic facts in the speaker's own words.

The rules are data: `agentclinic.json` (words, topics, exams), `grammar.json` and `diagnosis_names.json`.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Literal

from medenv.errors import RecordError
from medenv.records.deidentify import OLDEST
from medenv.records.importers import Importer, Row, Tally
from medenv.records.importers.agentclinic_exams import exams_from
from medenv.records.importers.agentclinic_facts import ACTOR_KEYS, RULES, chief_complaint_from, facts_from
from medenv.records.importers.diagnosis_names import diagnosis_from
from medenv.records.importers.firewall import Firewall
from medenv.records.importers.rules import Json, object_of, strings, text_of
from medenv.records.importers.voice import Voice
from medenv.records.record import Age, Record, record_from_dict

__all__ = ["AGENTCLINIC"]

CAREGIVER_BELOW_YEARS = 12
CASE = "$.OSCE_Examination"
CASE_KEYS = {
    "Objective_for_Doctor", "Patient_Actor", "Physical_Examination_Findings", "Test_Results", "Correct_Diagnosis",
}  # fmt: skip
NOTES = (
    "the differential is the diagnosis alone, at probability 1",
    "the source gives no plan, no contraindications, no ICD-10 code and no department",
    "cases are examination vignettes, no real patients",
)


def _read(row: Row, tally: Tally) -> tuple[Record, ...]:
    return (_record(row.data, tally),)


AGENTCLINIC = Importer(recognises=lambda data: "OSCE_Examination" in data, read=_read, notes=NOTES)
"""The importer of AgentClinic's JSON lines."""


def _record(row: Json, tally: Tally) -> Record:
    case = object_of(row, "OSCE_Examination", "$")
    actor = object_of(case, "Patient_Actor", CASE)
    object_of(actor, "Symptoms", f"{CASE}.Patient_Actor")
    diagnosis = diagnosis_from(text_of(case, "Correct_Diagnosis", CASE))
    tally.unmapped_keys.update(key for key in case if key not in CASE_KEYS)
    tally.unmapped_keys.update(f"Patient_Actor.{key}" for key in actor if key not in ACTOR_KEYS)
    firewall = Firewall(diagnosis, tally)
    demographics = _demographics(actor, tally)
    voice = _voice(actor, demographics)
    facts = facts_from(actor, voice, firewall, tally)
    exams = exams_from(case, firewall, tally)
    works = (re.search(r"\bworks as an? ([\w ]+)", fact["statement"]) for fact in facts)
    if (job := next((m[1] for m in works if m), "")) and not firewall.names(job):
        demographics["occupation"] = job
    names = {"name": diagnosis.name, "synonyms": list(diagnosis.synonyms)}
    return record_from_dict(
        {
            "id": f"agentclinic-{_digest(row)}",
            "schema": "medenv.record/1",
            "language": "en",
            "speaker": voice.speaker,
            "provenance": {"source": "AgentClinic (MedQA)", "licence": "MIT", "synthetic": True},
            "demographics": demographics,
            "chief_complaint": chief_complaint_from(actor, voice, firewall),
            "facts": facts,
            "exams": exams,
            "truth": {"diagnosis": names, "differential": [{**names, "probability": 1.0}]},
        }
    )


def _digest(row: Json) -> str:
    """What makes the id: the content, so that a case keeps its id and its split wherever it stands."""
    content = json.dumps(row, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()[:10]


def _demographics(actor: Json, tally: Tally) -> dict[str, Any]:
    text = text_of(actor, "Demographics", f"{CASE}.Patient_Actor")
    story = " ".join(strings(actor))
    value, unit = _age(text, story)
    if unit == "years" and value > OLDEST:
        value = OLDEST
        tally.counts["ages_capped"] += 1
    return {"age": {"value": value, "unit": unit}, "sex": _sex(text, story)}


_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7}


def _age(text: str, story: str) -> tuple[int, Literal["years", "months", "weeks", "days"]]:
    if m := re.search(r"(\d+)[- ]?(year|month|week|day)s?[- ]?old", text):
        return int(m[1]), f"{m[2]}s"  # type: ignore[return-value]
    if re.search(r"newborn|neonate|infant", text, re.I):
        born = re.search(r"born (\w+) (day|week)s? ago", story)
        number = (_NUMBERS.get(born[1]) or (int(born[1]) if born[1].isdigit() else 0)) if born else 0
        return number, "weeks" if born and born[2] == "week" else "days"
    raise RecordError(f"field {CASE}.Patient_Actor.Demographics: expected an age such as '35-year-old', got none")


def _sex(text: str, story: str) -> Literal["female", "male", "unknown"]:
    """The sex the demographics name; without one, that of the only pronoun in the story."""
    if re.search(r"\b(?:female|woman|girl|lady)\b", text, re.I):
        return "female"
    if re.search(r"\b(?:male|man|boy|gentleman)\b", text, re.I):
        return "male"
    she = re.search(r"\b(?:she|her)\b", story, re.I) is not None
    he = re.search(r"\b(?:he|his|him)\b", story, re.I) is not None
    return "unknown" if she == he else "female" if she else "male"


def _voice(actor: Json, demographics: Json) -> Voice:
    sex, years = demographics["sex"], Age(**demographics["age"]).years
    caregiver = (
        years < CAREGIVER_BELOW_YEARS
        or RULES.pattern("caregiver", "primary").search(str(actor["Symptoms"].get("Primary_Symptom", "")))
        or RULES.pattern("caregiver", "anywhere").search(" ".join(strings(actor)))
    )
    noun = {"female": "my daughter", "male": "my son"}.get(sex, "my baby" if years < 1 else "my child")
    words = tuple((re.compile(pattern, re.I), replacement) for pattern, replacement in RULES.data["words"])
    return Voice("caregiver" if caregiver else "self", sex, noun, parent=years < 18, words=words)
