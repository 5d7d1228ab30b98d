"""How the patient of a bundle lives: work, home, habits, from conditions that say so and from answers to questions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from medenv.records.importers.fhir.bundle import RULES, Concept, Day, Resource, concept_of, number_of, objects
from medenv.records.importers.fhir.told import NEVER, Case, Told
from medenv.records.importers.fhir.visit import abated_by, status_of

__all__ = ["occupation_of", "question_of", "social_of"]

ADULT_YEARS = 12
"""Below this age nobody is asked about smoking, work or stress."""
RANKS = {"social.smoking": 2, "social.alcohol": 3}


def social_of(case: Case) -> Iterator[Told]:
    """What holds at the visit; of several answers about the same thing the last counts."""
    latest: dict[str, tuple[tuple[Day, int], Any]] = {}
    for resource, rule, group in _statements(case):
        moment, day = case.visit.when(case.bundle, resource)
        if moment in ("after", "undated"):
            case.drop(
                "later than the visit" if moment == "after" else "without a date, so perhaps later than the visit"
            )
            continue
        if resource.type == "Condition" and abated_by(resource, case.visit.start):
            case.drop("no longer so at the visit")
            continue
        key = (day or 0.0, resource.place)
        if group in latest:
            case.tally.counts["facts_merged"] += 1
        if group not in latest or key >= latest[group][0]:
            latest[group] = (key, rule)
    for _, rule in latest.values():
        if rule is None:
            continue
        if rule["topic"] in RULES.data["adult_topics"] and case.years < ADULT_YEARS:
            case.drop("not asked of a child")
            continue
        yield Told(
            rule["topic"],
            rule["statement"],
            case.fill(rule["lay"]),
            tuple(rule["synonyms"]),
            polarity=rule.get("polarity", "present"),
            disclosure="trusted" if rule.get("trusted") else "asked",
            private=bool(rule.get("private")),
            red_flag=bool(rule.get("red_flag")),
            rank=RANKS.get(rule["topic"], NEVER - 1),
        )
    if (job := occupation_of(case)) and case.years >= ADULT_YEARS:
        article = "an" if job[:1] in "aeiou" else "a"
        yield Told(
            "social.occupation", f"Works as {article} {job}", case.fill(f"{{I}} work{{s}} as {article} {job}"),
            ("job", "work", "occupation"), rank=4,
        )  # fmt: skip


@lru_cache(maxsize=16384)
def _question(name: str) -> str:
    """Which kind of question about the patient's life an observation answers; empty for a result."""
    for kind in ("household", "pain", "symptom", "jobs"):
        if RULES.pattern(kind, "pattern").search(name):
            return kind
    if asked := next((str(a["group"]) for a in RULES.data["answers"] if re.search(a["pattern"], name, re.I)), ""):
        return asked
    return "unasked" if RULES.pattern("unasked").search(name) else ""


def question_of(concept: Concept) -> str:
    """Which kind of question about the patient's life an observation answers; empty for a result."""
    return _question(concept.name)


def occupation_of(case: Case) -> str:
    """What the patient works as, from the last coded answer before or at the visit; empty without one."""
    found: list[tuple[Day, int, str]] = []
    for observation in case.bundle.of("Observation"):
        concept = case.bundle.code_of(observation)
        if concept is None or _question(concept.name) != "jobs":
            continue
        job = concept_of(observation.data.get("valueCodeableConcept"))
        moment, day = case.visit.when(case.bundle, observation)
        if job is not None and not job.free and moment in ("before", "during") and not case.firewall.names(job.name):
            found.append((day or 0.0, observation.place, job.name.lower()))
    return max(found)[2] if found else ""


def _statements(case: Case) -> Iterator[tuple[Resource, Any, str]]:
    """Each thing said of the patient's life, with the rule for it and the group in which one replaces another."""
    for condition in case.bundle.of("Condition"):
        concept = case.bundle.code_of(condition)
        if concept is None or condition is case.visit.condition:
            continue
        if (rule := _rule(concept.name)) is not None:
            yield condition, rule, rule["group"]
    for observation in case.bundle.of("Observation"):
        concept = case.bundle.code_of(observation)
        if concept is None or status_of(observation) in ("entered-in-error", "cancelled"):
            continue
        kind = _question(concept.name)
        if kind == "household":
            yield observation, _household(observation), kind
        elif asked := next((a for a in RULES.data["answers"] if a["group"] == kind), None):
            yield observation, _answer(observation, asked), kind


def _rule(text: str, group: str = "") -> Any:
    return next(
        (r for r in RULES.data["social"] if group in ("", r["group"]) and re.fullmatch(r["pattern"], text, re.I)), None
    )


def _answer(observation: Resource, asked: Any) -> Any:
    """The rule for an answer; nothing where it says nothing, or says "no" to what is only told when it is so."""
    value = concept_of(observation.data.get("valueCodeableConcept"))
    text = value.name if value is not None else observation.data.get("valueString")
    if not isinstance(text, str):
        return None
    if "yes" in asked:
        return _rule(asked["yes"], asked["group"]) if text.casefold().startswith("yes") else None
    return _rule(text.strip(), asked["group"])


def _household(observation: Resource) -> Any:
    rules = RULES.data["household"]
    for quantity in objects(observation.data.get("valueQuantity")):
        count = number_of(quantity.get("value"))
        if count is not None and 1 <= round(count) <= 30:
            n = round(count)
            return {
                "topic": rules["topic"],
                "statement": "Lives alone." if n == 1 else f"Lives in a household of {n}.",
                "lay": rules["alone"] if n == 1 else rules["with"].replace("{n}", str(n)),
                "synonyms": rules["synonyms"],
            }
    return None
