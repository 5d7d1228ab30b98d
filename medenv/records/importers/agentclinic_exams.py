"""AgentClinic's nested findings and test results, as exams that a doctor can order by name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias, cast

from medenv.errors import RecordError
from medenv.records.exam_names import other_names
from medenv.records.importers.firewall import Firewall
from medenv.records.importers.report import Tally
from medenv.records.importers.rules import Json, Rules
from medenv.records.record import ExamKind, ExamStatus

__all__ = ["exams_from"]

RULES = Rules("agentclinic.json")
FINDINGS, TESTS = "Physical_Examination_Findings", "Test_Results"

Result: TypeAlias = tuple[str, str]
"""A component, if it has a name, and what was found."""


def exams_from(case: Json, firewall: Firewall, tally: Tally) -> list[dict[str, Any]]:
    """The exams of a case, as `record.schema.json` wants them, vital signs always among them.

    Raises:
        RecordError: The findings or the results are no object.
    """
    found: dict[str, list[Result]] = {}
    for section in (FINDINGS, TESTS):
        value = case.get(section, {})
        if not isinstance(value, Mapping):
            raise RecordError(f"field $.OSCE_Examination.{section}: expected an object, got {type(value).__name__}")
        for key, content in value.items():
            for name, results in _orders(_readable(key), content, section, tally):
                found.setdefault(_canonical(name, found), []).extend(results)
    exams = [_exam(name, results, firewall) for name, results in found.items()]
    exams = [e for e in exams if e["result"] or not RULES.pattern("exams", "containers").fullmatch(e["name"])]
    names = {e["name"].casefold() for e in exams}
    if "vital signs" not in names:
        exams.insert(0, _exam("Vital signs", [], firewall))
    for number, exam in enumerate(exams, start=1):
        exam["id"] = f"e{number:02d}"
        others = {e["name"].casefold() for e in exams} - {exam["name"].casefold()}
        exam["synonyms"] = [s for s in exam["synonyms"] if s.casefold() not in others and not firewall.names(s)]
    _choose_key(exams)
    for exam in exams:
        exam.pop("leaked")
    return exams


def _orders(name: str, content: Any, section: str, tally: Tally) -> Iterator[tuple[str, list[Result]]]:
    """What a doctor orders by name, and the results that come back with it."""
    if not isinstance(content, Mapping) or not RULES.pattern("exams", "containers").fullmatch(name):
        _count_unknown(name, section, tally)
        yield _panel(name) or name, list(_results("", content))
        return
    own: list[Result] = []
    for key, value in content.items():
        inner = _readable(key)
        panel = _panel(inner)
        if panel is not None and not isinstance(value, Mapping):
            yield panel, [(inner, text) for _, text in _results("", value)]
        elif section == FINDINGS:
            if other_names(inner) and RULES.pattern("exams", "examinations").search(inner):
                yield inner, list(_results("", value))
            else:
                own += _results(inner, value)
        elif RULES.pattern("exams", "containers").fullmatch(inner) and isinstance(value, Mapping):
            yield from _orders(inner, value, section, tally)
        elif RULES.pattern("exams", "parts").fullmatch(inner):
            own += _results("" if RULES.pattern("exams", "unlabelled").fullmatch(inner) else inner, value)
        else:
            _count_unknown(inner, section, tally)
            yield inner, list(_results("", value))
    if own:
        yield ("General examination" if section == FINDINGS else name), own


def _count_unknown(name: str, section: str, tally: Tally) -> None:
    kinds = RULES.data["exams"]["kinds"][:-1]
    if section == TESTS and not other_names(name) and not any(re.search(p, name, re.I) for p, *_ in kinds):
        tally.unmapped_keys[f"{section}.{name}"] += 1


def _panel(name: str) -> str | None:
    """The order that a component such as "Hemoglobin" comes with."""
    panels: Mapping[str, str] = RULES.data["exams"]["panels"]
    return next((panel for panel, pattern in panels.items() if re.fullmatch(pattern, name, re.I)), None)


def _results(label: str, content: Any) -> Iterator[Result]:
    if isinstance(content, Mapping):
        for key, value in content.items():
            inner = _readable(key)
            plain = RULES.pattern("exams", "unlabelled").fullmatch(inner)
            yield from _results(
                label if plain else f"{label}, {inner[:1].lower()}{inner[1:]}" if label else inner, value
            )
    elif isinstance(content, list):
        yield label, "; ".join(str(item) for item in content if not isinstance(item, (Mapping, list)))
    elif isinstance(content, bool):
        yield label, "yes" if content else "no"
    elif content is not None and str(content).strip():
        yield label, str(content).strip()


_ACRONYM = re.compile(r"^(?:.+[A-Z].*|\w*\d\w*|pH)$")
_NAMES = {"dix-hallpike": "Dix-Hallpike", "finkelstein's": "Finkelstein's", "x-ray": "X-ray", "doppler": "Doppler"}


def _readable(key: str) -> str:
    """A key such as `Complete_Blood_Count` as a doctor would write it: "Complete blood count"."""
    if not re.search(r"\w", key):
        return "Other results"
    text = re.sub(r"\bX[ -]rays?\b", "X-ray", re.sub(r"[_\s]+", " ", key).strip(), flags=re.I)
    words = re.sub(r"\bexam\b", "examination", text, flags=re.I).split(" ")
    text = " ".join(_NAMES.get(w.lower()) or (w if _ACRONYM.match(w) else w.lower()) for w in words)
    return text if re.match(r"(?:aPTT|pH|PaCO2|PaO2)\b", text) else text[:1].upper() + text[1:]


def _canonical(name: str, found: Mapping[str, Any]) -> str:
    """The name under which results of the same order already stand, else the name itself."""
    group = {n.casefold() for n in other_names(name)}
    return next((known for known in found if known.casefold() in group or known.casefold() == name.casefold()), name)


def _exam(name: str, results: list[Result], firewall: Firewall) -> dict[str, Any]:
    if firewall.names(name):
        name = firewall.clean(name, "exam name")
    leaked = any(firewall.names(text) for _, text in results)
    unavailable, pending, normal = (RULES.pattern("exams", key) for key in ("unavailable", "pending", "normal"))
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
    for pattern, kind, cost, minutes, invasive in RULES.data["exams"]["kinds"]:
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
        parts = [p for p in re.split(r"[;.] ", exam["result"]) if not RULES.pattern("exams", "unremarkable").search(p)]
        if exam["kind"] == "lab":  # a bare number does not say by itself whether it is abnormal
            parts = [p for p in parts if RULES.pattern("exams", "abnormal").search(p)]
        if exam["status"] != "recorded" or not parts:
            return 0.0
        return 10.0 * bool(exam["leaked"]) + 2.0 * (exam["kind"] in ("procedure", "imaging")) + min(len(parts), 4)

    for exam in exams:
        exam["key"] = exam["name"].casefold() == "vital signs"
    telling = sorted((e for e in exams if not e["key"] and weight(e) > 0), key=lambda e: -weight(e))
    bedside = [e for e in telling if e["kind"] == "bedside" and e["cost"] == 0]
    for exam in [*bedside[:1], *[e for e in telling if not any(e is b for b in bedside)][:2]]:
        exam["key"] = True
