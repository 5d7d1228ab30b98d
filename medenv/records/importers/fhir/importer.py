"""FHIR R4: a bundle with one patient and all that belongs to the patient becomes one consultation.

One visit of the bundle becomes the case (`visit` says which): the disease that it found is the truth, what was
known before it can be told, what was measured at it can be ordered, and what came later is left out. The rules and
words are data: `fhir.json`.
"""

from __future__ import annotations

import math
import re
from datetime import date
from typing import Any

from medenv.errors import RecordError
from medenv.records.deidentify import OLDEST, find_identifiers
from medenv.records.importers import Importer, Row, Tally
from medenv.records.importers.exams import exams_from
from medenv.records.importers.fhir.allergies import allergies_told
from medenv.records.importers.fhir.bundle import RULES, Bundle, Day, day_of, objects
from medenv.records.importers.fhir.family import family_of
from medenv.records.importers.fhir.history import illnesses_of, operations_of
from medenv.records.importers.fhir.identity import Identity
from medenv.records.importers.fhir.medicines import medicines_of
from medenv.records.importers.fhir.opening import opening_of, symptoms_of
from medenv.records.importers.fhir.results import orders_of
from medenv.records.importers.fhir.social import occupation_of, social_of
from medenv.records.importers.fhir.told import Case, finished
from medenv.records.importers.fhir.truth import diagnosis_of, truth_of
from medenv.records.importers.fhir.vaccines import vaccines_of
from medenv.records.importers.fhir.visit import Visit, choose_visit
from medenv.records.importers.firewall import Firewall
from medenv.records.importers.prose import voice_for
from medenv.records.importers.rules import Json, content_id
from medenv.records.record import Record, record_from_dict

__all__ = ["FHIR"]

NOTES = (
    "bundles hold no presenting story: symptoms come only from the reason for the visit and from conditions that are "
    "symptoms; where there is none, the opening says no more than that there was an injury, what kind of visit it is, "
    "or that the patient is not well, and the record is tagged 'no-presenting-story'",
    "the case is the last visit that first found a disease and has enough to ask and to find; what came later is left "
    "out",
    "the differential is the diagnosis alone, at probability 1",
    "other names, the ICD-10 code, the department and the urgency come from the knowledge base where it knows the "
    "disease and the bundle does not say",
    "a result without a reference range is called high or low after the usual range for grown-ups in fhir.json",
)
READ = {
    "Patient", "Encounter", "Condition", "Observation", "DiagnosticReport", "ImagingStudy", "Procedure", "Medication",
    "MedicationRequest", "MedicationStatement", "MedicationAdministration", "AllergyIntolerance", "Immunization",
    "FamilyMemberHistory", "CarePlan", "ServiceRequest",
}  # fmt: skip
WORKING_AGE = 12
TOLD = (illnesses_of, operations_of, medicines_of, allergies_told, family_of, vaccines_of, social_of)
"""What a patient tells beside the complaint, in the order of the facts."""
SEXES = ("female", "male", "other", "unknown")


def _recognises(data: Json) -> bool:
    return isinstance(data.get("resourceType"), str)


def _read(row: Row, tally: Tally) -> tuple[Record, ...]:
    bundle = Bundle(row.data, tally)
    if isinstance(language := row.data.get("language"), str) and not language.lower().startswith("en"):
        return tally.drop_row("not in English")
    birth = _birth(bundle)
    if birth is None:
        return tally.drop_row("no date of birth, so no age")
    visit = choose_visit(bundle)
    if isinstance(visit, str):
        return tally.drop_row(visit)
    case = _case(bundle, visit, birth, tally)
    if visit.concept.free and case.identity.names(visit.concept.name):
        return tally.drop_row("a diagnosis in free text that may name the patient")
    _count_unused(bundle, tally)
    opening = opening_of(case, symptoms_of(case))
    told = [*opening.told, *(fact for part in TOLD for fact in part(case))]
    facts = finished(opening.symptoms, told, case)
    demographics = _demographics(case)
    if (job := occupation_of(case)) and case.years >= WORKING_AGE and not find_identifiers(job):
        demographics["occupation"] = job[:120]
    return (
        record_from_dict(
            {
                "id": content_id("fhir", row.data),
                "schema": "medenv.record/1",
                "language": "en",
                "speaker": case.voice.speaker,
                "tags": opening.tags,
                "provenance": _provenance(bundle, row.data),
                "demographics": demographics,
                "chief_complaint": opening.complaint,
                "facts": facts,
                "exams": exams_from(orders_of(case), case.firewall),
                "truth": truth_of(case),
            }
        ),
    )


FHIR = Importer(recognises=_recognises, read=_read, notes=NOTES)
"""The importer of FHIR R4 bundles."""


def _birth(bundle: Bundle) -> Day | None:
    value = bundle.patient.data.get("birthDate")
    if value is None:
        return None
    if (day := day_of(value)) is None:
        where = f"$.entry[{bundle.patient.place}].resource.birthDate"
        raise RecordError(f"field {where}: expected a date such as '1974-05-21', got {type(value).__name__}")
    return day


def _case(bundle: Bundle, visit: Visit, birth: Day, tally: Tally) -> Case:
    firewall = Firewall(diagnosis_of(visit), tally)
    years = _months(birth, visit.start) // 12
    sex = bundle.patient.data.get("gender")
    demographics = {"age": _age(birth, visit.start), "sex": sex if sex in SEXES else "unknown"}
    voice = voice_for(demographics, "", "")
    return Case(bundle, visit, voice, firewall, Identity(bundle.patient, tally), tally, birth, years)


def _demographics(case: Case) -> dict[str, Any]:
    age = _age(case.birth, case.visit.start)
    if case.years > OLDEST:
        case.tally.counts["ages_capped"] += 1
    return {"age": age, "sex": case.voice.sex}


def _age(birth: Day, then: Day) -> dict[str, Any]:
    """An age in full years, below two in months, below two months in weeks, below two weeks in days."""
    months = _months(birth, then)
    if months >= 24:
        return {"value": min(months // 12, OLDEST), "unit": "years"}
    if months >= 2:
        return {"value": months, "unit": "months"}
    days = int(then - birth)
    return {"value": days // 7, "unit": "weeks"} if days >= 14 else {"value": max(days, 0), "unit": "days"}


def _months(birth: Day, then: Day) -> int:
    """Full months between two days."""
    first, last = (date.fromordinal(min(max(1, math.floor(day)), date.max.toordinal())) for day in (birth, then))
    return (last.year - first.year) * 12 + last.month - first.month - (last.day < first.day)


def _count_unused(bundle: Bundle, tally: Tally) -> None:
    """Counts the resources that nothing is made of."""
    administration = set(RULES.data["administration"])
    for type, count in bundle.types.items():
        if type in administration:
            tally.facts_dropped["administration: claims, staff, places, devices"] += count
        elif type == "DocumentReference":
            tally.facts_dropped["a report or note in free text, which is not read"] += count
        elif type not in READ:
            name = type if re.fullmatch(r"[A-Za-z]{1,40}", type) else "of no FHIR type"
            tally.unmapped_keys[f"resource {name}"] += count


def _provenance(bundle: Bundle, data: Json) -> dict[str, Any]:
    """Where the bundle comes from: the Synthea generator where the patient says so, else nobody knows."""
    patient = bundle.patient.data
    marks = [c.get("code") for m in objects(patient.get("meta")) for c in objects(m.get("tag"))]
    marks += [c.get("code") for m in objects(data.get("meta")) for c in objects(m.get("tag"))]
    marks += [i.get("system") for i in objects(patient.get("identifier"))]
    marks += [t.get("div") for t in objects(patient.get("text"))]
    if any(isinstance(mark, str) and "synthea" in mark.lower() for mark in marks):
        return {"source": "FHIR R4 bundle (Synthea)", "licence": "Apache-2.0", "synthetic": True}
    return {"source": "FHIR R4 bundle", "licence": "unknown", "synthetic": "HTEST" in marks}
