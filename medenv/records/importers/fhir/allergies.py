"""What the patient of a bundle is allergic to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from medenv.records.importers.fhir.bundle import (
    RULES,
    Concept,
    Resource,
    concepts_of,
    items,
    objects,
)
from medenv.records.importers.fhir.told import Case, Told
from medenv.records.importers.fhir.visit import status_of
from medenv.records.importers.fhir.words import drug_of, fitting, lower

__all__ = ["allergen_of", "allergies_of", "allergies_told"]


def allergies_of(case: Case) -> Iterator[tuple[Resource, Concept]]:
    """The allergies that hold at the visit; others are counted."""
    for allergy in case.bundle.of("AllergyIntolerance"):
        concept = case.bundle.code_of(allergy)
        if concept is None:
            continue
        if status_of(allergy, "verificationStatus") in ("refuted", "entered-in-error"):
            continue
        if status_of(allergy, "clinicalStatus") in ("inactive", "resolved"):
            continue
        if case.visit.when(case.bundle, allergy)[0] != "after":
            yield allergy, concept


def allergen_of(concept: Concept) -> str:
    """What somebody is allergic to, in plain words."""
    if found := fitting("allergens", concept.name):
        return str(found[1][0])
    name = re.sub(r"^allergy to |^intolerance to | allergy$| allergen$", "", concept.name, flags=re.I)
    return drug_of(name).plain


def allergies_told(case: Case) -> Iterator[Told]:
    """The allergies that the patient knows of, or that there are none, where the bundle says so."""
    held = list(allergies_of(case))
    if hidden := sum(1 for _ in case.bundle.of("AllergyIntolerance")) - len(held):
        case.drop("an allergy that is later, over, ruled out or without a name", hidden)
    real = [(a, c) for a, c in held if not _is_no_allergy(c)]
    if held and not real:
        yield Told(
            "allergies", "No known allergies", case.fill("No, {Im} not allergic to anything that I know of."),
            ("allergy", "allergic", "reaction"), polarity="absent", rank=0,
        )  # fmt: skip
    for allergy, concept in real:
        if RULES.pattern("allergic_disposition").fullmatch(concept.name):
            case.drop("an allergy to nothing in particular")
        elif case.may_be_told(concept):
            yield _allergy_told(allergy, concept, case)


def _is_no_allergy(concept: Concept) -> bool:
    codes = RULES.data["no_allergy_codes"]
    return RULES.pattern("no_allergy").fullmatch(concept.name) is not None or any(c in codes for _, c in concept.codes)


def _allergy_told(allergy: Resource, concept: Concept, case: Case) -> Told:
    what, speaker = allergen_of(concept), case.voice.forms
    named = [c for r in objects(allergy.data.get("reaction")) for c in concepts_of(r.get("manifestation"))]
    signs = [sign for sign in {c.key: c for c in named}.values() if case.may_be_told(sign)][:3]
    statement = f"Allergy to {what}"
    lay = (
        f"{{I}} {{dont}} tolerate {what}" if allergy.data.get("type") == "intolerance" else f"{{Im}} allergic to {what}"
    )
    if signs:
        statement += f", with {_listed(lower(sign.name) for sign in signs)}"
        lay += f"; it gave {{me}} {_listed(_reaction(sign).format_map(speaker) for sign in signs)}"
    grave = allergy.data.get("criticality") == "high" or any("anaphyla" in sign.key for sign in signs)
    return Told(
        "allergies",
        statement,
        case.fill(lay),
        (what, "allergy", "allergic", "reaction"),
        rank=0 if grave or "medication" in items(allergy.data.get("category")) else 1,
    )


def _reaction(sign: Concept) -> str:
    return str(found[1][0]) if (found := fitting("reactions", sign.name)) else lower(sign.name)


def _listed(parts: Iterable[str]) -> str:
    *first, last = dict.fromkeys(parts)
    return f"{', '.join(first)} and {last}" if first else last
