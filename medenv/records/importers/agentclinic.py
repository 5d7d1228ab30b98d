"""AgentClinic: OSCE-style cases, one JSON object a line, whose prose becomes atomic facts in the speaker's own words.

The rules are data: `prose.json`, `exams.json`, `grammar.json` and `diagnosis_names.json`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

from medenv.errors import RecordError
from medenv.records.deidentify import OLDEST
from medenv.records.importers import Importer, Row, Tally
from medenv.records.importers.agentclinic_exams import orders_from
from medenv.records.importers.diagnosis_names import diagnosis_from
from medenv.records.importers.exams import exams_from
from medenv.records.importers.firewall import Firewall
from medenv.records.importers.prose import Passage, Section, chief_complaint_from, facts_from, voice_for
from medenv.records.importers.rules import Json, content_id, object_of, strings, text_of
from medenv.records.record import Record, record_from_dict

__all__ = ["AGENTCLINIC"]

CASE = "$.OSCE_Examination"
CASE_KEYS = {
    "Objective_for_Doctor", "Patient_Actor", "Physical_Examination_Findings", "Test_Results", "Correct_Diagnosis",
}  # fmt: skip
SECTIONS: dict[str, Section] = {
    "History": "story",
    "Past_Medical_History": "past",
    "Current_Medications": "medications",
    "Medications": "medications",
    "Drug_History": "drugs",
    "Allergies": "allergies",
    "Family_History": "family",
    "Social_History": "social",
    "Review_of_Systems": "review",
}
"""The keys of a patient, with what stands under them."""
ACTOR_KEYS = {"Demographics", "Symptoms", *SECTIONS}
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
    complaint = text_of(actor["Symptoms"], "Primary_Symptom", f"{CASE}.Patient_Actor.Symptoms")
    voice = voice_for(demographics, complaint, " ".join(strings(actor)))
    facts = facts_from(_passages(actor), voice, firewall, tally)
    if not facts:
        raise RecordError(f"field {CASE}.Patient_Actor: expected something a patient could tell, got none")
    exams = exams_from(orders_from(case, tally), firewall)
    works = (re.search(r"\bworks as an? ([\w ]+)", fact["statement"]) for fact in facts)
    if (job := next((m[1] for m in works if m), "")) and not firewall.names(job):
        demographics["occupation"] = job
    names = {"name": diagnosis.name, "synonyms": list(diagnosis.synonyms)}
    return record_from_dict(
        {
            "id": content_id("agentclinic", row),
            "schema": "medenv.record/1",
            "language": "en",
            "speaker": voice.speaker,
            "provenance": {"source": "AgentClinic (MedQA)", "licence": "MIT", "synthetic": True},
            "demographics": demographics,
            "chief_complaint": chief_complaint_from(complaint, voice, firewall),
            "facts": facts,
            "exams": exams,
            "truth": {"diagnosis": names, "differential": [{**names, "probability": 1.0}]},
        }
    )


def _passages(actor: Json) -> Iterator[Passage]:
    """The texts of a patient, the symptoms first."""
    symptoms: tuple[tuple[str, Section], ...] = (("Primary_Symptom", "complaint"), ("Secondary_Symptoms", "symptoms"))
    for key, section in symptoms:
        yield from (Passage(section, text) for text in strings(actor["Symptoms"].get(key)))
    for key, value in actor.items():
        if key not in ("Demographics", "Symptoms"):
            yield from (Passage(SECTIONS.get(key, "review"), text) for text in strings(value))
    demographics = str(actor["Demographics"])
    if m := re.search(r"(\d+) weeks['\u2019]? (?:of )?gestation", demographics):
        newborn = re.search(r"newborn|neonate|infant|born", demographics, re.I)
        yield Passage("story", f"The patient {'was born at' if newborn else 'is pregnant, at'} {m[1]} weeks.")


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
