"""How the patient of a bundle comes: the opening words, the symptoms, when it began. Nothing of it is made up.

Bundles tell no story. What there is are reasons for the visit and conditions that are symptoms, the kind of the visit,
and for an injury that there was one and where. Where even that is missing, the opening says no more than that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from medenv.records.importers.fhir.bundle import RULES, Concept, concept_of, concepts_of, items, number_of, objects
from medenv.records.importers.fhir.social import question_of
from medenv.records.importers.fhir.told import Case, Told
from medenv.records.importers.fhir.visit import abated_by, is_symptom, onset_of, status_of
from medenv.records.importers.fhir.words import about, lower, part_of, span
from medenv.records.importers.prose import Passage, chief_complaint_from, facts_from

__all__ = ["Opening", "opening_of", "symptoms_of"]

GREETING = "Hello, doctor. "
SELF_REPORT_YEARS = 5
"""Below this age nobody puts a number to pain."""
NO_STORY = "no-presenting-story"
"""The tag of a record whose bundle names no symptom."""


@dataclass(frozen=True, slots=True)
class Opening:
    """How a consultation begins."""

    complaint: str
    symptoms: list[dict[str, Any]]
    told: list[Told]
    tags: list[str]


def symptoms_of(case: Case) -> list[str]:
    """The symptoms that the bundle names for the visit, as clinical phrases, the reason for the visit first."""
    found: dict[str, str] = {}
    for concept in _reasons(case):
        if (phrase := _phrase(concept)) is None:
            case.drop("a reason for the visit that is no symptom")
        elif case.may_be_told(concept):
            found.setdefault(phrase.casefold(), phrase)
    return list(found.values())


def opening_of(case: Case, symptoms: list[str]) -> Opening:
    """The opening words, and what the patient tells of why there is a visit.

    Args:
        case: The case.
        symptoms: What `symptoms_of` found.
    """
    passages = [Passage("complaint", text) for text in symptoms[:1]] + [Passage("symptoms", t) for t in symptoms[1:]]
    facts = facts_from(passages, case.voice, case.firewall, case.tally)
    rules = _kind_of_visit(case)
    told: list[Told] = []
    tags: list[str] = []
    injury = RULES.data["injury"]
    is_injury = _is_injury(case.visit.concept)
    if facts:
        complaint = chief_complaint_from(symptoms[0], case.voice, case.firewall)
    else:
        tags.append(NO_STORY)
        chosen = injury if is_injury else rules or RULES.data["neutral"]
        case.tally.unmapped_keys[_no_story(chosen)] += 1
        complaint = GREETING + _words(chosen, case)
        told.append(_told(chosen, case, volunteered=True))
    if is_injury:
        told += [] if not facts else [_told(injury, case, volunteered=False)]
        if part := part_of(case.visit.concept.name):
            lay = case.fill(f"It's {{my}} {part}.")
            told.append(Told("hpi.location", f"Injury of the {part}.", lay, (part, "where"), rank=0))
    if rules is not None and (facts or is_injury):
        told.append(_told(rules, case, volunteered=False))
    if facts or is_injury or not (rules or {}).get("story"):
        told += _onset(case)
    told += _sites(case)
    told += _pain(case)
    if case.firewall.names(complaint):
        complaint = GREETING + _words(RULES.data["neutral"], case)
    return Opening(complaint, facts, told, tags)


def _words(rules: Any, case: Case) -> str:
    return case.fill(rules["self" if case.voice.speaker == "self" else "caregiver"])


def _no_story(chosen: Any) -> str:
    if chosen is RULES.data["injury"]:
        return "Encounter.reasonCode: no symptom, so the opening says that there was an injury"
    if chosen is RULES.data["neutral"]:
        return "Encounter.reasonCode: no symptom, so the opening is neutral"
    return "Encounter.reasonCode: no symptom, so the opening says what kind of visit it is"


def _told(rules: Any, case: Case, *, volunteered: bool) -> Told:
    return Told(
        rules.get("topic", "hpi.context"),
        rules["statement"],
        case.fill(rules["lay"]),
        tuple(rules["synonyms"]),
        disclosure="volunteered" if volunteered else "asked",
    )


def _kind_of_visit(case: Case) -> Any:
    """The rule for the kind of visit that the encounter says it is."""
    data = case.visit.encounter.data
    names = " ".join(concept.name for concept in (*concepts_of(data.get("type")), *concepts_of(data.get("class"))))
    for coding in objects(data.get("class")):
        names += {"EMER": " emergency", "IMP": " inpatient", "ACUTE": " inpatient"}.get(str(coding.get("code")), "")
    for rule in RULES.data["openings"]:
        if re.search(rule["pattern"], names, re.I) and rule.get("sex", case.voice.sex) == case.voice.sex:
            return rule
    return None


def _is_injury(concept: Concept) -> bool:
    return (
        RULES.pattern("injury", "pattern").search(concept.name) is not None
        and RULES.pattern("injury", "not").search(concept.name) is None
    )


# Symptoms


def _reasons(case: Case) -> Iterator[Concept]:
    """What the encounter gives as its reason, what the condition shows itself by, and other symptoms of the visit."""
    bundle, visit = case.bundle, case.visit
    data = visit.encounter.data
    yield from concepts_of(data.get("reasonCode"))
    for reference in items(data.get("reasonReference")):
        reason = bundle.resolve(reference, visit.encounter)
        if reason is not None and reason is not visit.condition:
            yield from concepts_of(reason.data.get("code"))
    for evidence in objects(visit.condition.data.get("evidence")):
        yield from concepts_of(evidence.get("code"))
    for observation in bundle.of("Observation"):
        concept = bundle.code_of(observation)
        if concept is None or question_of(concept) != "symptom" or visit.when(bundle, observation)[0] != "during":
            continue
        named = concept_of(observation.data.get("valueCodeableConcept"))
        if named is not None and is_symptom(named) and status_of(observation) not in ("entered-in-error", "cancelled"):
            yield named
    for condition in bundle.of("Condition"):
        if condition is not visit.condition and visit.when(bundle, condition)[0] == "during":
            concept = case.bundle.code_of(condition)
            if concept is not None and is_symptom(concept):
                yield concept


def _phrase(concept: Concept) -> str | None:
    """A symptom as a clinical phrase; nothing for what is none."""
    text = concept.name if " " in concept.name else concept.name.replace("_", " ").lower()
    text = lower(RULES.pattern("symptoms", "trim").sub("", text.lower() if text.istitle() else text)).strip()
    if not is_symptom(Concept(text, concept.kind, concept.codes)):
        return None
    for pattern, phrase in RULES.data["symptoms"]["words"]:
        if m := re.fullmatch(pattern, text, re.I):
            return m.expand(phrase)
    return text


# When, where and how bad


def _onset(case: Case) -> Iterator[Told]:
    began = onset_of(case.visit.condition, case.birth)
    if began is None or case.visit.start - began < 1.0 or abated_by(case.visit.condition, case.visit.start):
        return
    days = case.visit.start - began
    lay = f"It began {about(days)} ago"
    yield Told("hpi.onset", f"Onset {span(days)} before the visit", lay, ("start", "how long", "begin"), rank=0)


def _sites(case: Case) -> Iterator[Told]:
    for site in concepts_of(case.visit.condition.data.get("bodySite"))[:3]:
        part = re.sub(r"^(?:entire |structure of )|(?: region)?(?: structure)?$", "", lower(site.name))
        if case.may_be_told(site):
            lay = case.fill(f"It's {{my}} {case.voice.say(part)}.")
            yield Told("hpi.location", f"Site: {part}", lay, (part, "where"), rank=0)


def _pain(case: Case) -> Iterator[Told]:
    """How bad the pain is, where the patient was asked at the visit; the last answer counts."""
    rules = RULES.data["pain"]
    if case.years < SELF_REPORT_YEARS:
        return
    scores = []
    for observation in case.bundle.of("Observation"):
        concept = case.bundle.code_of(observation)
        if concept is None or question_of(concept) != "pain":
            continue
        for quantity in objects(observation.data.get("valueQuantity")):
            moment, day = case.visit.when(case.bundle, observation)
            score = number_of(quantity.get("value"))
            if moment == "during" and score is not None and 0 <= score <= 10:
                scores.append((day or 0.0, observation.place, round(score)))
    if not scores:
        return
    score, synonyms = max(scores)[2], tuple(rules["synonyms"])
    if score == 0:
        lay = case.fill("No, {Im} not in any pain.")
        yield Told(rules["topic"], "No pain", lay, synonyms, polarity="absent", rank=1)
    else:
        lay = case.fill(f"{{I}} {{have}} some pain; {{I}}'d put it at {score} out of 10.")
        yield Told(rules["topic"], f"Has pain, {score} of 10", lay, synonyms, rank=1)
