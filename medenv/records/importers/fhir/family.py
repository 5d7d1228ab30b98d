"""The illnesses in the family of the patient of a bundle."""

from __future__ import annotations

from collections.abc import Iterator

from medenv.records.importers.fhir.bundle import (
    RULES,
    Concept,
    Resource,
    concept_of,
    number_of,
    objects,
)
from medenv.records.importers.fhir.told import Case, Told
from medenv.records.importers.fhir.visit import status_of
from medenv.records.importers.fhir.words import filled, fitting, illness, lower
from medenv.records.importers.rules import Json

__all__ = ["family_of"]

OLDEST = 89


def family_of(case: Case) -> Iterator[Told]:
    """The illnesses of relatives, who are called by what they are to the patient and never by a name."""
    for member in case.bundle.of("FamilyMemberHistory"):
        who = _relative(member)
        conditions = [c for c in objects(member.data.get("condition")) if concept_of(c.get("code")) is not None]
        if status_of(member) == "entered-in-error" or not who or case.visit.when(case.bundle, member)[0] == "after":
            case.drop("a relative who is not named, or who is told of later", max(1, len(conditions)))
            continue
        for condition in conditions:
            concept = concept_of(condition.get("code"))
            if concept is not None and case.may_be_told(concept):
                yield _relative_told(who, condition, concept, case)


def _relative(member: Resource) -> str:
    relation = concept_of(member.data.get("relationship"))
    codes = [c.get("code") for r in objects(member.data.get("relationship")) for c in objects(r.get("coding"))]
    for code in codes:
        if isinstance(code, str) and code in RULES.data["relatives"]:
            return str(RULES.data["relatives"][code])
    if relation is not None and (found := fitting("relative_words", relation.name)):
        return filled(found[1][0], found[0])
    return ""


def _relative_told(who: str, condition: Json, concept: Concept, case: Case) -> Told:
    said, age = illness(concept.name, case.voice), ""
    for onset in objects(condition.get("onsetAge")):
        years = number_of(onset.get("value"))
        if years is not None and 0 < years <= OLDEST and onset.get("code", onset.get("unit")) in ("a", "year", "years"):
            age = f" at {int(years)}"
    died = condition.get("contributedToDeath") is True
    verb = "died of" if died else "has had" if not age else "had"
    return Told(
        "family",
        f"{who} {'died of' if died else 'with'} {lower(concept.name)}{age}",
        case.fill(f"{{my}} {who} {verb} {said}{age}"),
        (who, lower(concept.name), "family", "relatives"),
        rank=3,
    )
