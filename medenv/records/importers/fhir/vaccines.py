"""The vaccinations that the patient of a bundle has had."""

from __future__ import annotations

from collections.abc import Iterator

from medenv.records.importers.fhir.bundle import (
    Day,
    concept_of,
)
from medenv.records.importers.fhir.told import Case, Told
from medenv.records.importers.fhir.visit import status_of
from medenv.records.importers.fhir.words import about, span, vaccine

__all__ = ["vaccines_of"]

VACCINE_DAYS = 10 * 365.25
"""How long a grown-up remembers a vaccination."""


def vaccines_of(case: Case) -> Iterator[Told]:
    """The vaccinations before the visit, the last of each kind."""
    last: dict[str, tuple[str, Day | None]] = {}
    for dose in case.bundle.of("Immunization"):
        concept = concept_of(dose.data.get("vaccineCode"))
        moment, day = case.visit.when(case.bundle, dose)
        if concept is None or moment in ("after", "undated") or status_of(dose) in ("not-done", "entered-in-error"):
            case.drop(
                "later than the visit" if moment == "after" else "a vaccination without name or date, or not given"
            )
        elif moment == "during":
            case.drop("a vaccination given at the visit")
        elif case.may_be_told(concept):
            clinical, plain = vaccine(concept.name)
            if plain in last:
                case.tally.counts["facts_merged"] += 1
            last[plain] = (clinical, max(day or 0.0, last.get(plain, ("", 0.0))[1] or 0.0))
    for plain, (clinical, day) in last.items():
        if not case.is_child and case.visit.start - (day or 0.0) > VACCINE_DAYS:
            case.drop("a vaccination of long ago")
            continue
        ago = span(case.visit.start - (day or 0.0))
        yield Told(
            "history.immunisation",
            f"Vaccinated against {clinical}, last {ago} ago",
            case.fill(f"{{Ive}} had the {plain} vaccine, the last time {about(case.visit.start - (day or 0.0))} ago"),
            (plain, clinical, "vaccine", "jab", "vaccination"),
            rank=5,
        )
