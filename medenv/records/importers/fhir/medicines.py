"""The medicines that the patient of a bundle takes, and what an order is for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from medenv.records.importers.fhir.bundle import (
    RULES,
    Concept,
    Resource,
    concept_of,
    concepts_of,
    day_of,
    items,
    objects,
)
from medenv.records.importers.fhir.history import is_past
from medenv.records.importers.fhir.told import Case, Told
from medenv.records.importers.fhir.visit import onset_of, status_of
from medenv.records.importers.fhir.words import drug_of, illness, lower

__all__ = ["medicine_of", "medicines_of", "reasons_of"]

NOT_MEANT = ("cancelled", "draft", "entered-in-error", "not-taken", "not-done")
GOING_ON = ("active", "on-hold", "intended", "")


def medicine_of(resource: Resource, case: Case) -> Concept | None:
    """The medicine that an order, a statement or an administration names, in itself or by reference."""
    data = resource.data
    if (concept := concept_of(data.get("medicationCodeableConcept"))) is not None:
        return concept
    found = case.bundle.resolve(data.get("medicationReference"), resource)
    if found is not None and found.type == "Medication":
        return concept_of(found.data.get("code"))
    return None


def reasons_of(resource: Resource, case: Case) -> Iterator[tuple[Concept, Resource | None]]:
    """What something was done for: concepts, with the condition where one is referred to."""
    for concept in concepts_of(resource.data.get("reasonCode")):
        yield concept, None
    for key in ("reasonReference", "addresses"):
        for reference in items(resource.data.get(key)):
            reason = case.bundle.resolve(reference, resource)
            named = None if reason is None else concept_of(reason.data.get("code"))
            if named is not None:
                yield named, reason


@dataclass(slots=True)
class _Medicine:
    """All orders of one medicine."""

    concept: Concept
    current: bool = False
    again: bool = False
    orders: int = 0
    reason: Concept | None = None
    for_diagnosis: bool = False


def medicines_of(case: Case) -> Iterator[Told]:
    """The medicines that the patient takes when the visit begins, with what for where that gives nothing away."""
    known: dict[str, _Medicine] = {}
    for order in case.bundle.of("MedicationRequest", "MedicationStatement"):
        concept = medicine_of(order, case)
        if concept is None or status_of(order) in NOT_MEANT:
            case.drop("a medicine without a name, or one that was not given")
            continue
        moment, _ = case.visit.when(case.bundle, order)
        one = known.setdefault(drug_of(concept.name).plain.casefold(), _Medicine(concept))
        if moment == "before":
            one.orders += 1
            one.concept = concept
            over = _is_over(order, case)
            reasons = list(reasons_of(order, case))
            for reason, condition in reasons:
                one.for_diagnosis = condition is case.visit.condition or reason.key == case.visit.concept.key
                if condition is not None:
                    over = over or is_past(condition, reason, onset_of(condition, case.birth), case)
            if not over and reasons:
                one.reason = reasons[-1][0]
            one.current = one.current or (not over and status_of(order) in GOING_ON)
            one.again = one.again or not over
        elif moment == "during":
            one.current = one.current or (one.orders > 0 and one.again)
        else:
            one.current = one.current or (moment == "after" and one.again)
            case.drop("later than the visit" if moment == "after" else "a medicine without a date")
    for one in known.values():
        if not one.orders:
            continue
        case.tally.counts["facts_merged"] += one.orders - 1
        if not one.current:
            case.drop("a medicine no longer taken")
        elif RULES.pattern("drugs", "not_taken").search(one.concept.name):
            case.drop("a medicine that is only given in hospital")
        elif one.for_diagnosis:
            case.drop("a medicine for the diagnosis")
            case.tally.leaks["fact: dropped"] += 1
        elif case.may_be_told(one.concept):
            yield _medicine_told(one, case)


def _is_over(order: Resource, case: Case) -> bool:
    """Whether an order says that it ended before the visit."""
    periods = [order.data.get("effectivePeriod")]
    periods += [dispense.get("validityPeriod") for dispense in objects(order.data.get("dispenseRequest"))]
    ends = [day for period in objects(periods) if (day := day_of(period.get("end"))) is not None]
    return bool(ends) and max(ends) < case.visit.start


def _medicine_told(one: _Medicine, case: Case) -> Told:
    drug = drug_of(one.concept.name)
    statement, lay = f"Takes {drug.clinical}", drug.said(case.voice)
    if one.reason is not None:
        said = illness(one.reason.name, case.voice)
        if case.firewall.names(f"{one.reason.name} {said}"):
            case.tally.leaks["reason of a medicine: left out"] += 1
        else:
            statement, lay = f"{statement} for {lower(one.reason.name)}", f"{lay} for {said}"
    return Told(
        "medications", statement, lay, (drug.plain, *drug.names, "medicine", "tablets"), rank=2,
        private=one.reason is not None and RULES.pattern("private_illness").search(one.reason.name) is not None,
    )  # fmt: skip
