"""The visit that a bundle becomes a case of: which one is chosen, and what lies before, in and after it."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from medenv.records.deidentify import find_identifiers
from medenv.records.importers.fhir.bundle import (
    RULES,
    Bundle,
    Concept,
    Day,
    Resource,
    concepts_of,
    day_of,
    number_of,
    objects,
)

__all__ = ["Moment", "Visit", "choose_visit", "finds_only_one", "is_symptom", "onset_of", "status_of"]

Moment: TypeAlias = Literal["before", "during", "after", "undated"]

HISTORY = (
    "Condition", "MedicationRequest", "MedicationStatement", "AllergyIntolerance", "Immunization",
    "FamilyMemberHistory",
)  # fmt: skip
RESULTS = ("Observation", "DiagnosticReport")
LASTING = ("AllergyIntolerance", "FamilyMemberHistory")
"""What holds at any time where it says none."""
DONE = (*RESULTS, "ImagingStudy", "Procedure", "MedicationRequest", "MedicationAdministration", "CarePlan")
_DATES: Mapping[str, tuple[str, ...]] = {
    "Condition": ("recordedDate", "onsetDateTime", "onsetPeriod", "assertedDate"),
    "MedicationRequest": ("authoredOn",),
    "MedicationStatement": ("effectiveDateTime", "effectivePeriod", "dateAsserted"),
    "MedicationAdministration": ("effectiveDateTime", "effectivePeriod"),
    "AllergyIntolerance": ("recordedDate", "onsetDateTime", "assertedDate", "lastOccurrence"),
    "Immunization": ("occurrenceDateTime", "recorded"),
    "FamilyMemberHistory": ("date",),
    "Observation": ("effectiveDateTime", "effectivePeriod", "effectiveInstant", "issued"),
    "DiagnosticReport": ("effectiveDateTime", "effectivePeriod", "issued"),
    "ImagingStudy": ("started",),
    "Procedure": ("performedDateTime", "performedPeriod"),
    "CarePlan": ("period", "created"),
    "ServiceRequest": ("authoredOn", "occurrenceDateTime", "occurrencePeriod"),
}
"""Where a resource says when it was; the first that is there counts."""
LISTED_LAST = 10**6


@dataclass(frozen=True, slots=True, eq=False)
class Visit:
    """One visit: the encounters that make it, when it was, and the condition that it found."""

    encounter: Resource
    """The encounter that found the condition."""
    encounters: frozenset[int]
    """The places of all encounters of the stay."""
    start: Day
    end: Day
    condition: Resource
    concept: Concept

    def when(self, bundle: Bundle, resource: Resource) -> tuple[Moment, Day | None]:
        """Whether a resource lies before, in or after the visit, and its day where that is known."""
        encounter = bundle.encounter_of(resource)
        day = _dated(resource)
        if encounter is not None:
            if encounter.place in self.encounters:
                return "during", day
            started = day_of(encounter.data.get("period"))
            if started is not None:
                return ("before" if started < self.start else "after"), day if day is not None else started
        if day is None:
            return "undated", None
        if day < math.floor(self.start):
            return "before", day
        return ("during" if day <= max(self.end, math.floor(self.start) + 1) else "after"), day


def _dated(resource: Resource) -> Day | None:
    for key in _DATES.get(resource.type, ()):
        if (day := day_of(resource.data.get(key))) is not None:
            return day
    return None


def status_of(resource: Resource, key: str = "status") -> str:
    """The code of a status, whether it is written as a code or as a concept; empty without one."""
    value = resource.data.get(key)
    if isinstance(value, str):
        return value
    codes = (c.get("code") for coding in objects(value) for c in objects(coding.get("coding")))
    return next((code for code in codes if isinstance(code, str)), "")


def onset_of(condition: Resource, birth: Day | None) -> Day | None:
    """When a condition began, as far as it says so."""
    for key in ("onsetDateTime", "onsetPeriod"):
        if (day := day_of(condition.data.get(key))) is not None:
            return day
    for age in objects(condition.data.get("onsetAge")):
        years = number_of(age.get("value"))
        if years is not None and birth is not None and age.get("code", age.get("unit")) in ("a", "year", "years"):
            return birth + years * 365.25
    return None


def abated_by(condition: Resource, day: Day) -> bool:
    """Whether a condition was over at that time."""
    for key in ("abatementDateTime", "abatementPeriod"):
        if (end := day_of(condition.data.get(key))) is not None:
            return end <= day
    return status_of(condition, "clinicalStatus") in ("resolved", "inactive", "remission")


def is_symptom(concept: Concept) -> bool:
    """Whether a concept is a complaint that a patient can voice, and no disease."""
    rules = RULES.data["interest"]["symptom_codes"]
    if _has_code(concept, rules):
        return True
    named = RULES.pattern("symptoms", "pattern").search(concept.name) is not None
    return concept.kind in ("", "finding") and named and not RULES.pattern("symptoms", "not").search(concept.name)


def _is_of_interest(concept: Concept) -> bool:
    rules = RULES.data["interest"]
    return (
        concept.kind in rules["kinds"]
        and not RULES.pattern("interest", "never").search(concept.name)
        and not _has_code(concept, rules["codes_not"])
        and not (concept.kind == "" and is_symptom(concept))
        and not find_identifiers(concept.name)
    )


def finds_only_one(bundle: Bundle, visit: Visit) -> bool:
    """Whether a visit first records no disease but the one that it is about."""
    return not any(
        condition is not visit.condition
        and (concept := bundle.code_of(condition)) is not None
        and concept.key != visit.concept.key
        and _is_of_interest(concept)
        and visit.when(bundle, condition)[0] == "during"
        for condition in bundle.of("Condition")
    )


def _has_code(concept: Concept, rules: Mapping[str, str]) -> bool:
    return any((code := concept.code_in(system)) and re.match(pattern, code) for system, pattern in rules.items())


# The choice


@dataclass(frozen=True, slots=True)
class _Stay:
    """The encounters of one stay, with what counts for the choice."""

    encounter: Resource
    start: Day
    end: Day
    places: frozenset[int]


def choose_visit(bundle: Bundle) -> Visit | str:
    """The visit to make a case of: the last one that found a disease and has enough to ask and to find.

    A visit finds a disease where a condition that is a disorder of clinical interest (no symptom, no social fact, no
    matter of the past, of the teeth or of weight alone) is first recorded at it or at another encounter of the same
    stay, and was not known and present before. Of several, the one listed first by the encounter counts, then one that
    is more than a general name ("fracture of bone"), then the first in the bundle. What "enough" means is in
    `fhir.json`: the last visit of the first tier that any visit meets.

    Returns:
        The visit, or why there is none.
    """
    stays = _stays(bundle)
    if not stays:
        return "no encounter with a date, or none that is a consultation"
    by_encounter = {place: stay for stay in stays for place in stay.places}
    found = _findings(bundle, by_encounter)
    if not found:
        return "no encounter that first records a disease of clinical interest"
    results = Counter(place for place in _places(bundle, RESULTS))
    done = Counter(place for place in _places(bundle, DONE))
    history = sorted(day for resource in bundle.of(*HISTORY) if (day := _known_since(bundle, resource)) is not None)
    ranked = sorted(found, key=lambda item: (item[0].start, item[0].encounter.place))
    for tier in RULES.data["visit"]["tiers"]:
        for stay, condition, concept in reversed(ranked):
            if (
                sum(results[place] for place in stay.places) >= tier["results"]
                and sum(done[place] for place in stay.places) >= tier["done"]
                and bisect_left(history, stay.start) >= tier["history"]
            ):
                return Visit(stay.encounter, stay.places, stay.start, stay.end, condition, concept)
    return "no encounter that first records a disease and has enough beside it to ask and to find"


def _stays(bundle: Bundle) -> list[_Stay]:
    rules = RULES.data["visit"]
    together: dict[int, list[Resource]] = {}
    for encounter in bundle.of("Encounter"):
        if status_of(encounter) not in rules["statuses_not"]:
            together.setdefault(bundle.stay_of(encounter).place, []).append(encounter)
    birth = day_of(bundle.patient.data.get("birthDate"))
    stays = []
    for encounters in together.values():
        starts = [day for e in encounters if (day := day_of(e.data.get("period"))) is not None]
        names = " ".join(concept.name for e in encounters for concept in concepts_of(e.data.get("type")))
        if (
            not starts
            or (birth is not None and min(starts) < birth)
            or RULES.pattern("visit", "types_not").search(names)
        ):
            continue
        ends = [
            day for e in encounters for p in objects(e.data.get("period")) if (day := day_of(p.get("end"))) is not None
        ]
        first = min(encounters, key=lambda e: (day_of(e.data.get("period")) or math.inf, e.place))
        places = frozenset(e.place for e in encounters)
        stays.append(_Stay(first, min(starts), max(starts + ends), places))
    return stays


def _findings(bundle: Bundle, stays: Mapping[int, _Stay]) -> list[tuple[_Stay, Resource, Concept]]:
    """For each stay that finds a disease, the one that counts."""
    by_day: dict[int, list[_Stay]] = {}
    for stay in dict.fromkeys(stays.values()):
        by_day.setdefault(math.floor(stay.start), []).append(stay)
    known: dict[str, list[tuple[Day, Resource]]] = {}
    candidates: list[tuple[_Stay, Resource, Concept]] = []
    for condition in bundle.of("Condition"):
        concept = bundle.code_of(condition)
        if concept is None or status_of(condition, "verificationStatus") in ("refuted", "entered-in-error"):
            continue
        if (since := _known_since(bundle, condition)) is not None:
            known.setdefault(concept.key, []).append((since, condition))
        if status_of(condition, "verificationStatus") in RULES.data["interest"]["working"]:
            continue
        if _is_of_interest(concept):
            candidates += ((stay, condition, concept) for stay in _found_at(bundle, condition, stays, by_day))
    best: dict[int, tuple[tuple[int, bool, int], tuple[_Stay, Resource, Concept]]] = {}
    for stay, condition, concept in candidates:
        if any(since < stay.start and not abated_by(c, stay.start) for since, c in known.get(concept.key, ())):
            continue
        general = RULES.pattern("interest", "general").search(concept.name) is not None
        rank = bundle.listed[condition.place][0] if condition.place in bundle.listed else LISTED_LAST
        key = (rank, general, condition.place)
        if stay.encounter.place not in best or key < best[stay.encounter.place][0]:
            best[stay.encounter.place] = (key, (stay, condition, concept))
    return [found for _, found in best.values()]


def _found_at(
    bundle: Bundle,
    condition: Resource,
    stays: Mapping[int, _Stay],
    by_day: Mapping[int, list[_Stay]],
) -> Iterator[_Stay]:
    encounter = bundle.encounter_of(condition)
    if encounter is not None:
        if encounter.place in stays:
            yield stays[encounter.place]
        return
    day = _dated(condition)
    if day is not None:
        yield from by_day.get(math.floor(day), ())


def _known_since(bundle: Bundle, resource: Resource) -> Day | None:
    encounter = bundle.encounter_of(resource)
    started = None if encounter is None else day_of(encounter.data.get("period"))
    day = started if started is not None else _dated(resource)
    return -math.inf if day is None and resource.type in LASTING else day


def _places(bundle: Bundle, types: tuple[str, ...]) -> Iterator[int]:
    for resource in bundle.of(*types):
        if (encounter := bundle.encounter_of(resource)) is not None:
            yield encounter.place
