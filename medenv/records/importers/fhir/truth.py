"""What only the judge may see of a FHIR case: the diagnosis with its other names, the plan, what would do harm."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from medenv.records.deidentify import find_identifiers
from medenv.records.importers.diagnosis_names import diagnosis_from
from medenv.records.importers.fhir.allergies import allergen_of, allergies_of
from medenv.records.importers.fhir.bundle import (
    RULES,
    Concept,
    Resource,
    concept_of,
    concepts_of,
    items,
    objects,
)
from medenv.records.importers.fhir.medicines import medicine_of, reasons_of
from medenv.records.importers.fhir.results import is_test
from medenv.records.importers.fhir.told import Case
from medenv.records.importers.fhir.visit import Visit, finds_only_one, status_of
from medenv.records.importers.fhir.words import drug_of, lower
from medenv.records.knowledge_base import Condition, load_knowledge
from medenv.records.record import Diagnosis

__all__ = ["diagnosis_of", "truth_of"]

NOT_MEANT = ("entered-in-error", "cancelled", "draft", "not-done", "revoked", "not-taken", "unknown")
MOST_NAMES = 60


def diagnosis_of(visit: Visit) -> Diagnosis:
    """The diagnosis, with the other names that count as naming it and the code, where the bundle or medenv knows one.

    Names come from the code itself, from `diagnosis_names.json`, from `fhir.json` and from the knowledge base.
    """
    named = diagnosis_from(_spoken_name(visit.concept.name))
    known = known_condition(named)
    others = [*_other_names(named.name), *named.synonyms, *_displays(visit)]
    if known is not None:
        others += known.diagnosis.names
    others = [name for name in others if not RULES.pattern("names_not").fullmatch(name)]
    unique: dict[str, str] = {}
    for other in others:
        if 1 < len(other) <= 160 and other.casefold() != named.name.casefold() and not find_identifiers(other):
            unique.setdefault(other.casefold(), other)
    return Diagnosis(named.name, tuple(unique.values())[:MOST_NAMES], _icd10(visit.concept) or _known_code(known))


_OF_CODERS = re.compile(
    r"\s*\((?:primary|congestive)\)|,? unspecified(?: organism)?$|,? (?:initial|subsequent) encounter.*$|"
    r", not elsewhere classified$|,? without complications?$"
)


def _spoken_name(name: str) -> str:
    """The name without what only coders write."""
    return _OF_CODERS.sub("", name) or name


def _displays(visit: Visit) -> Iterator[str]:
    for coding in objects(visit.condition.data.get("code")):
        for one in objects(coding.get("coding")):
            if (concept := concept_of(one)) is not None and not concept.free:
                yield _spoken_name(concept.name)


@cache
def _groups() -> Mapping[str, tuple[str, ...]]:
    return {group[0].casefold(): tuple(group[1:]) for group in RULES.data["names"]}


def _other_names(name: str) -> tuple[str, ...]:
    return _groups().get(name.casefold(), ())


def known_condition(diagnosis: Diagnosis) -> Condition | None:
    """The condition of the knowledge base that a diagnosis is: one of the two has the other's name."""
    names = {name.casefold() for name in (diagnosis.name, *_other_names(diagnosis.name))}
    for condition in load_knowledge().conditions.values():
        if diagnosis.name.casefold() in map(str.casefold, condition.diagnosis.names):
            return condition
        if condition.diagnosis.name.casefold() in names:
            return condition
    return None


def _icd10(concept: Concept) -> str:
    code = concept.code_in("icd-10").upper()
    if re.fullmatch(r"[A-Z]\d[0-9A-Z][0-9A-Z]{1,4}", code):
        code = f"{code[:3]}.{code[3:]}"
    return code if re.fullmatch(r"[A-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?", code) else ""


def _known_code(known: Condition | None) -> str:
    return "" if known is None else known.diagnosis.icd10


def truth_of(case: Case) -> dict[str, Any]:
    """The truth as `record.schema.json` wants it."""
    diagnosis = case.firewall.diagnosis
    known = known_condition(diagnosis)
    names = {"name": diagnosis.name, "synonyms": list(diagnosis.synonyms)}
    harmful = list(_contraindicated(case))
    forbidden = {name.casefold() for harm in harmful for name in (harm["action"], *harm["synonyms"])}
    plan = []
    for item in _plan(case):
        if forbidden.intersection(name.casefold() for name in (item["action"], *item["synonyms"])):
            case.drop("an order that an allergy forbids")
        else:
            plan.append(item)
    department = _department(case)
    truth: dict[str, Any] = {
        "diagnosis": {**names, **({"icd10": diagnosis.icd10} if diagnosis.icd10 else {})},
        "differential": [{**names, "probability": 1.0}],
        "plan": plan,
        "contraindicated": harmful,
        "urgency": known.urgency if known is not None else _urgency(case),
    }
    if department or known is not None:
        truth["department"] = department or (known.department if known is not None else "")
    return truth


def _department(case: Case) -> str:
    for key in ("serviceType", "specialty"):
        for concept in concepts_of(case.visit.encounter.data.get(key)):
            if not concept.free and not find_identifiers(concept.name):
                return lower(concept.name)[:120]
    return ""


def _urgency(case: Case) -> str:
    codes = {str(c.get("code")) for c in objects(case.visit.encounter.data.get("class"))}
    return "urgent" if codes & {"EMER", "IMP", "ACUTE", "NONAC"} else "routine"


# The plan


def _plan(case: Case) -> list[dict[str, Any]]:
    """What was ordered and done at the visit for the diagnosis, or for no reason that is given; each thing once."""
    found: dict[str, dict[str, Any]] = {}
    for item in (*_medication(case), *_procedures(case), *_care(case)):
        if find_identifiers(" ; ".join((item["action"], *item["synonyms"]))):
            case.drop("holds an identifier")
            continue
        held = found.setdefault(item["action"].casefold(), item)
        held["essential"] = held["essential"] or item["essential"]
    ordered = sorted(found.values(), key=lambda item: not item["essential"])
    most = RULES.data["plan"]["most"]
    if len(ordered) > most:
        case.drop(f"an order beyond {most}", len(ordered) - most)
    return ordered[:most]


def _during(case: Case, *types: str) -> Iterator[tuple[Resource, bool]]:
    """What was ordered or done at the visit, with whether the diagnosis is given as the reason, or is the only one."""
    alone = finds_only_one(case.bundle, case.visit)
    for resource in case.bundle.of(*types):
        if case.visit.when(case.bundle, resource)[0] != "during" or status_of(resource) in NOT_MEANT:
            continue
        reasons = list(reasons_of(resource, case))
        own = any(
            r is case.visit.condition or c.key == case.visit.concept.key or case.firewall.names(c.name)
            for c, r in reasons
        )
        if reasons and not own:
            case.drop("an order for something other than the diagnosis")
        else:
            yield resource, own or alone


def _medication(case: Case) -> Iterator[dict[str, Any]]:
    earlier = {
        drug_of(concept.name).plain
        for order in case.bundle.of("MedicationRequest", "MedicationStatement")
        if case.visit.when(case.bundle, order)[0] == "before" and (concept := medicine_of(order, case)) is not None
    }
    for order, own in _during(case, "MedicationRequest", "MedicationAdministration"):
        concept = medicine_of(order, case)
        if concept is None or (concept.free and case.identity.names(concept.name)):
            case.drop("a medicine without a name, or one that was not given")
            continue
        drug = drug_of(concept.name)
        if drug.plain in earlier and not any(True for _ in reasons_of(order, case)):
            case.drop("a medicine that goes on as before")
            continue
        names = [name for name in (drug.plain, *drug.names) if name.casefold() != drug.clinical.casefold()]
        yield _item(drug.clinical, "medication", own, names)


def _procedures(case: Case) -> Iterator[dict[str, Any]]:
    for resource, own in _during(case, "Procedure", "ServiceRequest"):
        concept = case.bundle.code_of(resource)
        if concept is None or RULES.pattern("plan", "not").search(concept.name):
            case.drop("a matter of routine or administration, no part of a plan")
        elif is_test(concept):
            continue  # an exam
        else:
            yield from _step(concept, own, "procedure", case)


def _care(case: Case) -> Iterator[dict[str, Any]]:
    for plan, own in _during(case, "CarePlan"):
        for activity in objects(plan.data.get("activity")):
            for detail in objects(activity.get("detail")):
                if (concept := concept_of(detail.get("code"))) is None or detail.get("status") in NOT_MEANT:
                    continue
                if RULES.pattern("plan", "not").search(concept.name):
                    case.drop("a matter of routine or administration, no part of a plan")
                else:
                    yield from _step(concept, own, "advice", case)


def _step(concept: Concept, own: bool, kind: str, case: Case) -> Iterator[dict[str, Any]]:
    if concept.free and case.identity.names(concept.name):
        case.drop("holds an identifier")
        return
    kinds = RULES.data["plan"]["kinds"]
    kind = next((found for pattern, found in kinds if re.search(pattern, concept.name, re.I)), kind)
    action, *names = _plain_step(concept.name)
    yield _item(action, kind, own, names)


def _plain_step(name: str) -> list[str]:
    """What a step of a plan is called, and what else."""
    for pattern, action, *names in RULES.data["plan"]["words"]:
        if re.fullmatch(pattern, name, re.I):
            return [action, *names, lower(name)]
    return [lower(name)]


def _item(action: str, kind: str, essential: bool, names: list[str]) -> dict[str, Any]:
    unique = {name.casefold(): name for name in names if name.casefold() != action.casefold()}
    return {"action": action[:300], "kind": kind, "essential": essential, "synonyms": list(unique.values())}


def _contraindicated(case: Case) -> Iterator[dict[str, Any]]:
    for allergy, concept in allergies_of(case):
        systems = " ".join(where for where, _ in concept.codes)
        if "medication" not in items(allergy.data.get("category")) and "rxnorm" not in systems:
            continue
        what = allergen_of(concept)
        names = [name for name in drug_of(concept.name).names if name.casefold() != what.casefold()]
        if len(what) < 3 or _is_none(concept) or find_identifiers(" ; ".join((what, *names))):
            continue
        yield {"action": what, "because": f"allergy to {what}", "synonyms": names}


def _is_none(concept: Concept) -> bool:
    return RULES.pattern("no_allergy").search(concept.name) is not None
