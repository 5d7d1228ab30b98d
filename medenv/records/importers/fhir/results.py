"""Observations, reports, images and tests of a FHIR visit, as what a doctor orders by name and what comes back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from medenv.records.deidentify import find_identifiers
from medenv.records.importers.exams import Result
from medenv.records.importers.fhir.bundle import (
    RULES,
    Concept,
    Day,
    Resource,
    concept_of,
    concepts_of,
    items,
    number_of,
    objects,
    plain,
)
from medenv.records.importers.fhir.social import question_of
from medenv.records.importers.fhir.told import Case
from medenv.records.importers.fhir.visit import is_symptom, status_of
from medenv.records.importers.fhir.words import first_match, fitting, lower

__all__ = ["is_test", "orders_of"]

MOST_ORDERS, MOST_RESULTS = 120, 60
"""The orders of a case, and the results of an order; what is beyond is counted."""
LONGEST_TEXT = 600
SYSTOLIC, DIASTOLIC = "systolic blood pressure", "diastolic blood pressure"
NOT_DONE = ("entered-in-error", "cancelled", "not-done", "preparation", "unknown")
UNFINISHED = ("registered", "partial", "preliminary", "in-progress")
PENDING = "Result pending"


def is_test(concept: Concept) -> bool:
    """Whether a procedure finds something out, instead of treating."""
    return RULES.pattern("plan", "tests").search(concept.name) is not None


@dataclass(slots=True)
class _Order:
    """An order with the last value under each label."""

    name: str
    results: dict[str, tuple[tuple[Day, int], str]] = field(default_factory=dict)


class _Orders:
    """The orders of a case while they are gathered."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._orders: dict[str, _Order] = {}

    def add(self, name: str, label: str, text: str, at: tuple[Day, int]) -> None:
        """Adds what was found under a label; of several values the last counts."""
        order = self._order(name)
        if order is None:
            return
        if not text:
            return
        if label in order.results:
            self._case.drop("an earlier value of the same test")
            if at < order.results[label][0]:
                return
        elif len(order.results) >= MOST_RESULTS:
            self._case.drop(f"beyond {MOST_RESULTS} results of a test")
            return
        order.results[label] = (at, text)

    def _order(self, name: str) -> _Order | None:
        if found := find_identifiers(name):
            self._case.drop("holds an identifier")
            self._case.tally.identifiers[found[0].kind] += 1
            return None
        key = name.casefold()
        if key not in self._orders and len(self._orders) >= MOST_ORDERS:
            self._case.drop(f"beyond {MOST_ORDERS} tests")
            return None
        return self._orders.setdefault(key, _Order(name))

    def __iter__(self) -> Iterator[tuple[str, list[Result]]]:
        for order in self._orders.values():
            results = {label: text for label, (_, text) in order.results.items()}
            if SYSTOLIC in results and DIASTOLIC in results:
                results = {"blood pressure": _blood_pressure(results.pop(SYSTOLIC), results.pop(DIASTOLIC)), **results}
            yield order.name, [(_capital(label), text) for label, text in results.items()]


def _capital(label: str) -> str:
    return label if re.match(r"[a-z]+[A-Z]", label) else label[:1].upper() + label[1:]


def _blood_pressure(systolic: str, diastolic: str) -> str:
    """The two values as one: "148/96 mmHg (high)"."""
    flags = dict.fromkeys(re.findall(r"\((?:critically )?(high|low)\b", f"{systolic} {diastolic}"))
    upper, under = (re.sub(r" (?:mmHg)?.*$", "", value) for value in (systolic, diastolic))
    return f"{upper}/{under} mmHg" + (f" ({' and '.join(flags)})" if flags else "")


def orders_of(case: Case) -> Iterator[tuple[str, list[Result]]]:
    """What was found out at the visit, by the name under which it is ordered; tests without a result come empty."""
    orders = _Orders(case)
    panels = _panels(case)
    for observation in case.bundle.of("Observation"):
        if _is_of_visit(observation, "a result", case):
            _add_observation(observation, panels, orders, case)
    for report in case.bundle.of("DiagnosticReport"):
        if _is_of_visit(report, "a report", case):
            _add_report(report, orders, case)
    for study in case.bundle.of("ImagingStudy"):
        if _is_of_visit(study, "an image", case) and (name := _study_name(study)):
            orders.add(name, "", "", (0.0, 0))
    for procedure in case.bundle.of("Procedure"):
        concept = case.bundle.code_of(procedure)
        if concept is None or not is_test(concept) or RULES.pattern("plan", "not").search(concept.name):
            continue
        if not fitting("procedure_names", concept.name) and RULES.pattern("plan", "no_exam").search(concept.name):
            continue
        if case.visit.when(case.bundle, procedure)[0] == "during" and status_of(procedure) not in NOT_DONE:
            outcome = concept_of(procedure.data.get("outcome"))
            text = "" if outcome is None else case.identity.clean(outcome.name)
            orders.add(_procedure_name(concept.name), "", text, (0.0, procedure.place))
    return iter(orders)


def _is_of_visit(resource: Resource, what: str, case: Case) -> bool:
    moment = case.visit.when(case.bundle, resource)[0]
    if moment == "during":
        return True
    concept = case.bundle.code_of(resource)
    if resource.type != "Observation" or (concept is not None and not question_of(concept)):
        reasons = {"before": f"{what} of an earlier visit", "after": "later than the visit"}
        case.drop(reasons.get(moment, "without a date, so perhaps later than the visit"))
    return False


# Observations


def _panels(case: Case) -> Mapping[int, str]:
    """For the places of observations that come as part of something: what that is called."""
    panels: dict[int, str] = {}
    for whole in case.bundle.of("DiagnosticReport", "Observation"):
        key = "result" if whole.type == "DiagnosticReport" else "hasMember"
        if not (references := items(whole.data.get(key))) or (concept := case.bundle.code_of(whole)) is None:
            continue
        for reference in references:
            part = case.bundle.resolve(reference, whole)
            if part is not None and part.place >= 0 and part is not whole:
                panels.setdefault(part.place, concept.name)
    return panels


def _add_observation(observation: Resource, panels: Mapping[int, str], orders: _Orders, case: Case) -> None:
    data, concept = observation.data, case.bundle.code_of(observation)
    if concept is None:
        case.drop("a result without a name")
    elif status_of(observation) in NOT_DONE[:3]:
        case.drop("a result that was cancelled or entered in error")
    elif (kind := question_of(concept)) == "unasked":
        case.drop("an answer that is no matter for a consultation")
    elif kind == "symptom":
        sign = concept_of(data.get("valueCodeableConcept"))
        if sign is not None and not is_symptom(sign):
            name = case.identity.clean(sign.name) if sign.free else sign.name
            orders.add(RULES.data["symptom"]["sign_order"], lower(name), "present", (0.0, observation.place))
    elif not kind:
        at = (case.visit.when(case.bundle, observation)[1] or 0.0, observation.place)
        order, label, entry = _place_of(concept, panels.get(observation.place, ""), data, case)
        text = _value(data, entry, case)
        if not text and status_of(observation) in UNFINISHED:
            text = PENDING
        parts = objects(data.get("component"))
        if text:
            orders.add(order, label, text, at)
        elif not parts and not items(data.get("hasMember")):
            case.drop("a result without a value")
        for part in parts:
            if (part_concept := concept_of(part.get("code"))) is None:
                case.drop("a result without a name")
                continue
            inner, inner_label, inner_entry = _place_of(part_concept, concept.name, part, case)
            if value := _value(part, inner_entry, case):
                orders.add(inner, inner_label, value, at)
            else:
                case.drop("a result without a value")


@cache
def _by_code() -> Mapping[str, Any]:
    return {code: entry for entry in RULES.data["results"] for code in entry["codes"].split()}


@lru_cache(maxsize=16384)
def _by_name(name: str) -> int:
    """Which entry of the table has a name, in full or without its specimen; -1 for none."""
    bare = _trimmed(name)
    for text in (name, bare) if not first_match("specimens", name) else (name,):
        for number, entry in enumerate(RULES.data["results"]):
            if re.fullmatch(entry["pattern"], text, re.I):
                return number
    return -1


@lru_cache(maxsize=16384)
def _trimmed(name: str) -> str:
    """A LOINC name without method, property and specimen."""
    text = name
    for pattern in RULES.data["loinc_trim"]:
        text = re.sub(pattern, "", text, flags=re.I) or text
    return text.strip(" ,-") or name


def _place_of(concept: Concept, panel: str, data: Any, case: Case) -> tuple[str, str, Any]:
    """The order and the label that a result stands under, and what the table says of it."""
    code = concept.code_in("loinc") or concept.code_in("snomed")
    entry = _by_code().get(code)
    if entry is None and (number := _by_name(concept.name)) >= 0:
        entry = RULES.data["results"][number]
    if entry is not None:
        order = entry["child"] if case.is_child and "child" in entry else entry["order"]
        return order, entry["label"] or (lower(_trimmed(concept.name)) if order == "Growth parameters" else ""), entry
    name = case.identity.clean(concept.name) if concept.free else concept.name
    label = lower(_trimmed(name))
    if found := first_match("specimens", name):
        return found[0], label, {}
    if panel:
        found_panel = fitting("panels", panel)
        return (found_panel[1][0] if found_panel else _trimmed(panel)), label, {}
    kinds = {str(c.get("code")) for k in objects(data.get("category")) for c in objects(k.get("coding"))}
    name = _trimmed(name)
    return (f"{name} screening" if "survey" in kinds else name), "", {}


# Values


def _value(data: Any, entry: Any, case: Case) -> str:
    """The value of an observation or of a part of one, with its unit and what is known of what it means."""
    for quantity in objects(data.get("valueQuantity")):
        if (number := number_of(quantity.get("value"))) is not None:
            return _quantity(number, quantity, data, entry, case)
    flag = _interpretation(data)
    if (text := _words(data, case)) and flag and flag not in text.casefold():
        return f"{text} ({flag})"
    return text


def _words(data: Any, case: Case) -> str:
    """A value that is no quantity."""
    if (concept := concept_of(data.get("valueCodeableConcept"))) is not None:
        name = case.identity.clean(concept.name) if concept.free else concept.name
        return re.sub(r"^.*\btest = ", "", lower(name))
    if isinstance(text := data.get("valueString"), str):
        return case.identity.clean(re.sub(r"\s+", " ", text[:LONGEST_TEXT]).strip())
    if isinstance(yes := data.get("valueBoolean"), bool):
        return "yes" if yes else "no"
    if (number := number_of(data.get("valueInteger"))) is not None:
        return _rounded(number)
    for low, high, between in (("low", "high", " to "), ("numerator", "denominator", ":")):
        for pair in objects(data.get("valueRange" if low == "low" else "valueRatio")):
            ends = [number_of(q.get("value")) for key in (low, high) for q in objects(pair.get(key))]
            if len(ends) == 2 and None not in ends:
                return between.join(_rounded(end) for end in ends if end is not None)
    return ""


def _quantity(number: float, quantity: Any, data: Any, entry: Any, case: Case) -> str:
    unit = next((u for u in (quantity.get("unit"), quantity.get("code")) if isinstance(u, str)), "")
    shown = RULES.data["units"].get(unit, plain(unit)[:24])
    sign = quantity.get("comparator")
    sign = sign if sign in ("<", "<=", ">=", ">") else ""
    digits = _rounded(round(number) if entry and entry.get("label") in (SYSTOLIC, DIASTOLIC) else number)
    text = f"{sign}{digits}" + (shown if shown == "%" else f" {shown}" if shown else "")
    flag, bounds = _interpretation(data), _reference(data)
    reference = "" if bounds is None else _range(bounds)
    if bounds is None and entry and not case.is_child:
        usual = {**entry.get("normal", {}), **entry.get(case.voice.sex, {})}
        low_high = usual.get(unit) or usual.get(shown)
        bounds = None if low_high is None else (low_high[0], low_high[1])
    if bounds is not None:
        flag = flag or _flag(number, bounds) or "normal"
    if flag == "normal":
        return f"{text} (normal)" if entry and entry.get("say_normal") else text
    notes = "; ".join(filter(None, (flag, f"reference {reference}" if reference else "")))
    return f"{text} ({notes})" if notes else text


def _interpretation(data: Any) -> str:
    for value in objects(data.get("interpretation")):
        for coding in objects(value.get("coding")):
            if isinstance(code := coding.get("code"), str) and code in RULES.data["interpretations"]:
                return str(RULES.data["interpretations"][code])
    return ""


def _reference(data: Any) -> tuple[float | None, float | None] | None:
    for bounds in objects(data.get("referenceRange")):
        ends = [
            next((n for q in objects(bounds.get(key)) if (n := number_of(q.get("value"))) is not None), None)
            for key in ("low", "high")
        ]
        if ends[0] is not None or ends[1] is not None:
            return ends[0], ends[1]
    return None


def _range(bounds: tuple[float | None, float | None]) -> str:
    low, high = bounds
    if low is None or high is None:
        return f"from {_rounded(low)}" if low is not None else f"up to {_rounded(high or 0.0)}"
    return f"{_rounded(low)} to {_rounded(high)}"


def _flag(number: float, bounds: tuple[float | None, float | None]) -> str:
    low, high = bounds
    if low is not None and number < low:
        return "low"
    return "high" if high is not None and number > high else ""


def _rounded(number: float) -> str:
    """A number as it is written down: three or four digits, no more."""
    size = abs(number)
    if size >= 1e7:
        return f"{number:.4g}"
    places = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    text = f"{number:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


# Reports, images and tests


def _add_report(report: Resource, orders: _Orders, case: Case) -> None:
    concept = case.bundle.code_of(report)
    if concept is None or status_of(report) in NOT_DONE[:2]:
        case.drop("a report without a name, or one that was cancelled")
        return
    parts = [case.bundle.resolve(reference, report) for reference in items(report.data.get("result"))]
    text = report.data.get("conclusion")
    conclusion = case.identity.clean(re.sub(r"\s+", " ", text[:LONGEST_TEXT]).strip()) if isinstance(text, str) else ""
    if not conclusion:
        conclusion = "; ".join(c.name for c in concepts_of(report.data.get("conclusionCode")))[:LONGEST_TEXT]
    if objects(report.data.get("presentedForm")):
        case.drop("a report or note in free text, which is not read")
    if question_of(concept) or (not conclusion and any(part is not None for part in parts)):
        return
    name = case.identity.clean(concept.name) if concept.free else concept.name
    found = fitting("panels", name) or fitting("procedure_names", name)
    order = _procedure_name(name) if found is None or "{" in found[1][0] else found[1][0]
    if not conclusion and status_of(report) in UNFINISHED:
        conclusion = PENDING
    orders.add(order, "", conclusion, (case.visit.when(case.bundle, report)[1] or 0.0, report.place))


def _study_name(study: Resource) -> str:
    for concept in concepts_of(study.data.get("procedureCode")):
        return _procedure_name(concept.name)
    for series in objects(study.data.get("series")):
        modality, part = concept_of(series.get("modality")), concept_of(series.get("bodySite"))
        if modality is not None and part is not None:
            where = re.sub(r" (?:region|structure).*$", "", part.name)
            return f"{modality.name} of the {lower(where)}"
    return ""


def _procedure_name(name: str) -> str:
    found = fitting("procedure_names", name)
    if found is None:
        return _trimmed(name)
    match, (template, *_) = found
    group = match[match.lastindex] if match.lastindex else ""
    group = re.sub(r"\b(?:region|structure|entire)\b", "", group).strip()
    text = template.replace("{1}", group if template.startswith("{1}") else lower(group))
    return text[:1].upper() + text[1:]
