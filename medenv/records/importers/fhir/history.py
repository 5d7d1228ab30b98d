"""The illnesses and operations that the patient of a bundle has had before the visit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from medenv.records.importers.fhir.bundle import (
    RULES,
    Concept,
    Day,
    Resource,
)
from medenv.records.importers.fhir.told import Case, Told
from medenv.records.importers.fhir.visit import abated_by, is_symptom, onset_of, status_of
from medenv.records.importers.fhir.words import about, filled, fitting, illness, lower, span, times

__all__ = ["illnesses_of", "is_past", "is_social", "operations_of"]

NEWBORN_DAYS = 31
MINOR_DAYS, FORGOTTEN_DAYS = 60, 5 * 365.25
"""How long a minor illness lasts, and how long it is remembered."""
MOST_ASKED = 3
"""How many of a patient's illnesses a careful doctor has to hear of, at least."""


def is_social(concept: Concept) -> bool:
    """Whether a condition says how somebody lives."""
    return any(re.fullmatch(rule["pattern"], concept.name, re.I) for rule in RULES.data["social"])


def _said_within(text: str, key: str) -> str:
    m = RULES.pattern(key).fullmatch(text)
    return str(m["what"]) if m else ""


@dataclass(slots=True)
class _Illness:
    """All that a bundle says of one illness."""

    concept: Concept
    said: str
    """What a lay person calls it."""
    onsets: list[Day] = field(default_factory=list)
    active: bool = False
    seen: int = 0


def illnesses_of(case: Case) -> Iterator[Told]:
    """The illnesses that were known before the visit, each told once."""
    known: dict[str, _Illness] = {}
    for condition in case.bundle.of("Condition"):
        concept = case.bundle.code_of(condition)
        if concept is None:
            case.drop("a condition without a name")
            continue
        moment, day = case.visit.when(case.bundle, condition)
        reason = _not_history(condition, concept, moment, case)
        if reason:
            case.drop(reason)
        if reason != "":
            continue
        began = onset_of(condition, case.birth) or day
        if relation := _said_within(concept.name, "family_history_of"):
            yield from _in_family(replace(concept, name=relation), case)
        elif past := _said_within(concept.name, "history_of"):
            past = past[:1].upper() + past[1:]
            if not fitting("operations", past):
                _add(replace(concept, name=past), None, False, known, case)
        else:
            _add(concept, began, not is_past(condition, concept, began, case), known, case)
    yield from _ranked(known.values(), case)


def _add(concept: Concept, began: Day | None, active: bool, known: dict[str, _Illness], case: Case) -> None:
    if not case.may_be_told(concept):
        return
    said = illness(concept.name, case.voice)
    one = known.setdefault(re.sub(r",? stage \w+", "", said).casefold(), _Illness(concept, said))
    one.seen += 1
    if said != one.said:  # another stage of it, of which the last counts
        if began is None or began < max(one.onsets, default=began):
            return
        one.concept, one.said, one.onsets = concept, said, []
    one.active = one.active or active
    if began is not None:
        one.onsets.append(began)


def is_past(condition: Resource, concept: Concept, began: Day | None, case: Case) -> bool:
    """Whether an illness was over by the visit; a minor one ends by itself, even if nobody wrote down when."""
    if abated_by(condition, case.visit.start):
        return True
    minor = RULES.pattern("minor").search(concept.name) and not RULES.pattern("lasting").search(concept.name)
    return bool(minor) and began is not None and case.visit.start - began > MINOR_DAYS


def _ranked(found: Iterable[_Illness], case: Case) -> Iterator[Told]:
    """The illnesses, present ones and late ones first, without what nobody would remember."""
    dated = [(day, one) for one in found for day in one.onsets]
    active = 0
    for one in sorted(found, key=lambda one: (not one.active, -max(one.onsets, default=0.0))):
        name, last = one.concept.name, max(one.onsets, default=None)
        case.tally.counts["facts_merged"] += one.seen - 1
        general = last is not None and RULES.pattern("interest", "general").search(name)
        if general and any(other is not one and day == last and other.active == one.active for day, other in dated):
            case.tally.counts["facts_merged"] += 1
            continue
        if last is not None and not one.active:
            minor = RULES.pattern("minor").search(name) and not RULES.pattern("grave").search(name)
            if minor and case.visit.start - last > FORGOTTEN_DAYS:
                case.drop("a minor illness of long ago")
                continue
        active += one.active
        told = _illness_told(one, case)
        yield told if told.rank == 0 else replace(told, rank=1 if one.active and active <= MOST_ASKED else 4)


def _in_family(concept: Concept, case: Case) -> Iterator[Told]:
    if case.may_be_told(concept):
        said = illness(concept.name[:1].upper() + concept.name[1:], case.voice)
        yield Told(
            "family",
            f"Family history of {lower(concept.name)}",
            f"Someone in the family has had {said}",
            ("family", "relatives", lower(concept.name)),
            rank=3,
        )


def _not_history(condition: Resource, concept: Concept, moment: str, case: Case) -> str | None:
    """Why a condition is no illness to tell of; empty where it is one, nothing where it is dealt with elsewhere."""
    if condition is case.visit.condition or is_social(concept):
        return None
    if status_of(condition, "verificationStatus") in ("refuted", "entered-in-error"):
        return "a condition that was ruled out"
    if RULES.pattern("untold").search(concept.name):
        return "a judgement or a matter of administration, not something to tell"
    if moment == "after":
        return "later than the visit"
    if moment == "undated":
        return "without a date, so perhaps later than the visit"
    if is_symptom(concept):
        if moment == "during":
            return None
        return "" if not abated_by(condition, case.visit.start) else "a symptom of an earlier illness"
    if moment == "during":
        return "found at the visit, so not known to the patient yet"
    told = concept.kind in RULES.data["told_kinds"] or fitting("illnesses", concept.name) is not None
    if told or RULES.pattern("history_of").fullmatch(concept.name) or _said_within(concept.name, "family_history_of"):
        return ""
    _count_unknown("Condition", concept, case)
    return "of a kind that no rule knows"


def _count_unknown(type: str, concept: Concept, case: Case) -> None:
    """Counts a code that no rule knows; the code alone, since a name may be anything."""
    code = next((code for _, code in concept.codes if re.fullmatch(r"[\w.-]{1,20}", code)), "")
    case.tally.unmapped_keys[f"{type}.code {code}".strip()] += 1


def _illness_told(one: _Illness, case: Case) -> Told:
    name, said, start = one.concept.name, one.said, case.visit.start
    if RULES.pattern("pregnancy").fullmatch(name):
        return _pregnancy_told(one, case)
    first, last = min(one.onsets, default=None), max(one.onsets, default=None)
    if one.active:
        if first is None:
            statement, lay = name, f"{{I}} {{have}} {said}"
        elif first - case.birth < NEWBORN_DAYS:
            statement, lay = f"{name} since birth", f"{{Ive}} had {said} since {{I}} {{was}} born"
        else:
            statement, lay = f"{name} for {span(start - first)}", f"{{Ive}} had {said} for {about(start - first)}"
    elif last is None:
        statement, lay = f"{name} in the past", f"{{Ive}} had {said} in the past"
    elif (count := len(set(one.onsets))) > 1:
        ago = span(start - last)
        statement = f"{name} {times(count)}, the last {ago} ago"
        lay = f"{{Ive}} had {said} {times(count)}, the last time {about(start - last)} ago"
    else:
        ago = span(start - last)
        statement, lay = f"{name} {ago} ago, resolved", f"{{I}} had {said} {about(start - last)} ago"
    return Told(
        "history.obstetric" if RULES.pattern("obstetric").search(name) else "history.medical",
        statement,
        case.fill(lay),
        (lower(name), re.sub(r"^an? ", "", said)),
        disclosure="trusted" if RULES.pattern("trusted_illness").search(name) else "asked",
        private=RULES.pattern("private_illness").search(name) is not None,
        rank=1 if one.active else 4,
    )


def _pregnancy_told(one: _Illness, case: Case) -> Told:
    if one.active and case.visit.start - max(one.onsets, default=case.visit.start) < 310:
        rules = RULES.data["pregnancy_known"]
        return Told("ros.gynaecological", rules["statement"], case.fill(rules["lay"]), tuple(rules["synonyms"]), rank=0)
    count, last = max(1, len(set(one.onsets))), max(one.onsets, default=None)
    ago = "" if last is None else f", the last time {about(case.visit.start - last)} ago"
    return Told(
        "history.obstetric",
        f"Pregnant {times(count)} before",
        case.fill(f"{{Ive}} been pregnant {times(count)} before{ago}"),
        ("pregnant before", "pregnancies", "children"),
        rank=4,
    )


def operations_of(case: Case) -> Iterator[Told]:
    """The operations before the visit, from procedures and from codes such as "History of appendectomy"."""
    last: dict[str, tuple[Concept, Day | None, str, re.Match[str]]] = {}
    for condition in case.bundle.of("Condition"):
        concept = case.bundle.code_of(condition)
        past = "" if concept is None else _said_within(concept.name, "history_of")
        if concept is not None and past and case.visit.when(case.bundle, condition)[0] == "before":
            concept = replace(concept, name=past[:1].upper() + past[1:])
            if (found := fitting("operations", concept.name)) and case.may_be_told(concept):
                last.setdefault(found[1][0] or concept.key, (concept, None, found[1][0], found[0]))
    for procedure in case.bundle.of("Procedure"):
        concept = case.bundle.code_of(procedure)
        moment, day = case.visit.when(case.bundle, procedure)
        if moment == "during" and concept is not None:
            continue
        found = None if concept is None else fitting("operations", concept.name)
        if concept is None or moment in ("after", "undated"):
            case.drop("later than the visit" if moment == "after" else "a procedure without a name or a date")
        elif found is None or RULES.pattern("operations_not").search(concept.name):
            case.drop("a procedure of an earlier visit that is no operation")
        elif status_of(procedure) in ("not-done", "entered-in-error", "preparation"):
            case.drop("a procedure that was not done")
        elif case.may_be_told(concept):
            key = found[1][0] or concept.key
            if key in last:
                case.tally.counts["facts_merged"] += 1
            last[key] = (concept, day, found[1][0], found[0])
    for concept, day, said, match in last.values():
        yield _operation_told(concept, said, match, day, case)


def _operation_told(concept: Concept, said: str, match: re.Match[str], day: Day | None, case: Case) -> Told:
    ago = "" if day is None else f" {span(case.visit.start - day)} ago"
    ago_said = "" if day is None else f" {about(case.visit.start - day)} ago"
    if said:
        lay = f"{{I}} had {filled(said, match)}{ago_said}"
    else:
        name = re.sub(r" (?:using|with|by|under) .*$", "", lower(concept.name))
        lay = f"{{I}} had an operation{ago_said}; on paper it's called {name}"
    obstetric = re.search(r"c(?:a)?esarean", concept.name, re.I)
    return Told(
        "history.obstetric" if obstetric else "history.surgical",
        f"{concept.name}{ago}",
        case.fill(lay),
        (lower(concept.name), "operation", "surgery"),
        rank=4,
    )
