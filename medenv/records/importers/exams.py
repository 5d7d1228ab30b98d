"""Examinations and tests of a source, as exams that a doctor can order by name.

The rules are data, in `exams.json`: kinds and costs, what an unavailable, pending or normal result reads like, panels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from medenv.records.exam_names import other_names
from medenv.records.importers.firewall import Firewall
from medenv.records.importers.rules import Json, Rules
from medenv.records.record import ExamKind, ExamStatus

__all__ = ["RULES", "Result", "exams_from", "panel_of"]

RULES = Rules("exams.json")

Result: TypeAlias = tuple[str, str]
"""A component, if it has a name, and what was found."""


def exams_from(orders: Iterable[tuple[str, Sequence[Result]]], firewall: Firewall) -> list[dict[str, Any]]:
    """The exams of a record, as `record.schema.json` wants them, vital signs always among them.

    Results under names of the same order come together. The vital signs, the examination at the bedside that shows most
    and the two tests that tell most are marked as key.

    Args:
        orders: What a doctor orders by name, and what comes back with it.
        firewall: Keeps the diagnosis and identifiers out of names and results.
    """
    found: dict[str, list[Result]] = {}
    for name, results in orders:
        found.setdefault(_canonical(name, found), []).extend(results)
    exams = [_exam(name, results, firewall) for name, results in found.items()]
    exams = [e for e in exams if e["result"] or not RULES.pattern("containers").fullmatch(e["name"])]
    names = {e["name"].casefold() for e in exams}
    if "vital signs" not in names:
        exams.insert(0, _exam("Vital signs", [], firewall))
    for number, exam in enumerate(exams, start=1):
        exam["id"] = f"e{number:02d}"
        others = {e["name"].casefold() for e in exams} - {exam["name"].casefold()}
        exam["synonyms"] = [s for s in exam["synonyms"] if s.casefold() not in others and not firewall.names(s)]
    _choose_key(exams)
    _answer_to_all(exams)
    for exam in exams:
        exam.pop("leaked")
    return exams


def _answer_to_all(exams: list[dict[str, Any]]) -> None:
    """Lets the bedside examination that shows most answer to "physical examination", where no general one does."""
    every = other_names("Physical examination")
    if any(exam["name"] in every for exam in exams):
        return
    bedside = [
        e
        for e in exams
        if e["kind"] == "bedside" and e["status"] != "unavailable" and e["name"].endswith("examination")
    ]
    for exam in sorted(bedside, key=lambda e: (not e["key"], -len(e["result"])))[:1]:
        exam["synonyms"] += ["physical examination", "general examination"]


def panel_of(name: str) -> str | None:
    """The order that a component such as "Hemoglobin" comes with."""
    panels: Mapping[str, str] = RULES.data["panels"]
    return next((panel for panel, pattern in panels.items() if re.fullmatch(pattern, name, re.I)), None)


def _canonical(name: str, found: Mapping[str, Any]) -> str:
    """The name under which results of the same order already stand, else the name itself."""
    group = {n.casefold() for n in other_names(name)}
    return next((known for known in found if known.casefold() in group or known.casefold() == name.casefold()), name)


def _exam(name: str, results: list[Result], firewall: Firewall) -> dict[str, Any]:
    if firewall.names(name):
        name = firewall.clean(name, "exam name")
    leaked = any(firewall.names(text) for _, text in results)
    unavailable, pending, normal = (RULES.pattern(key) for key in ("unavailable", "pending", "normal"))
    known = [(label, text) for label, text in results if not unavailable.fullmatch(text)]
    ready = [(label, text) for label, text in known if not pending.fullmatch(text)]
    status: ExamStatus = "recorded"
    if not known:
        status = "unavailable"
    elif not ready:
        status = "pending"
    elif all(normal.fullmatch(text) for _, text in ready):
        status = "normal"
    kind, cost, minutes, invasive = _cost(name)
    seen: set[str] = set()
    lines = []
    for label, text in ready:
        line = f"{label}: {text}" if label else text
        line = firewall.clean(line, "exam result").strip().rstrip(".;")
        if line.casefold() not in seen:
            seen.add(line.casefold())
            lines.append(line)
    return {
        "name": name[:200],
        "synonyms": [n for n in other_names(name) if n.casefold() != name.casefold()],
        "kind": kind,
        "status": status,
        "result": ("; ".join(lines) + ".")[:4000] if lines else "",
        "cost": cost,
        "minutes": minutes,
        "invasive": invasive,
        "key": False,
        "leaked": leaked,
    }


def _cost(name: str) -> tuple[ExamKind, float, float, bool]:
    for pattern, kind, cost, minutes, invasive in RULES.data["kinds"]:
        if re.search(pattern, name, re.I):
            if name in ("Complete blood count", "Full blood count"):
                cost = 1
            return cast(ExamKind, kind), cost, minutes, invasive
    raise AssertionError("the last rule matches every name")


def _choose_key(exams: list[dict[str, Any]]) -> None:
    """Vital signs, the examination at the bedside that shows most, and the two tests that tell most.

    A test whose result named the diagnosis tells most; then one that is invasive or an image; then the most abnormal.
    """

    def weight(exam: Json) -> float:
        parts = [p for p in re.split(r"[;.] ", exam["result"]) if not RULES.pattern("unremarkable").search(p)]
        if exam["kind"] == "lab":  # a bare number does not say by itself whether it is abnormal
            parts = [p for p in parts if RULES.pattern("abnormal").search(p)]
        if exam["status"] != "recorded" or not parts:
            return 0.0
        return 10.0 * bool(exam["leaked"]) + 2.0 * (exam["kind"] in ("procedure", "imaging")) + min(len(parts), 4)

    for exam in exams:
        exam["key"] = exam["name"].casefold() == "vital signs"
    telling = sorted((e for e in exams if not e["key"] and weight(e) > 0), key=lambda e: -weight(e))
    bedside = [e for e in telling if e["kind"] == "bedside" and e["cost"] == 0]
    for exam in [*bedside[:1], *[e for e in telling if not any(e is b for b in bedside)][:2]]:
        exam["key"] = True
