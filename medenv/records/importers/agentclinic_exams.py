"""AgentClinic's nested findings and test results, as exams that a doctor can order by name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from medenv.records.exam_names import other_names
from medenv.records.importers.firewall import Firewall
from medenv.records.importers.report import Tally
from medenv.records.importers.rules import Json, Rules, objects
from medenv.records.record import ExamKind, ExamStatus

__all__ = ["exams_from"]

RULES = Rules("agentclinic.json")


def exams_from(case: Json, firewall: Firewall, tally: Tally) -> list[dict[str, Any]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for section in ("Physical_Examination_Findings", "Test_Results"):
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


def _orders(name: str, content: Any, section: str, tally: Tally) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """What a doctor orders by name, and the results (component, value) that come back with it."""
    containers = RULES.pattern("exams", "containers")
    if not isinstance(content, Mapping) or not containers.fullmatch(name):
        if section == "Test_Results" and not other_names(name) and not _kind_is_known(name):
            tally.unmapped_keys[f"Test_Results.{name}"] += 1
        yield _panel(name) or name, list(_results("", content))
        return
    own: list[tuple[str, str]] = []
    for key, value in content.items():
        inner = _readable(key)
        panel = _panel(inner)
        if panel is not None and not isinstance(value, Mapping):
            yield panel, [(inner, text) for _, text in _results("", value)]
        elif section == "Physical_Examination_Findings" and not (other_names(inner) and _own_exam(inner)):
            own += _results(inner, value)
        elif containers.fullmatch(inner) and isinstance(value, Mapping):
            yield from _orders(inner, value, section, tally)
        elif section == "Test_Results" and re.fullmatch(
            r"findings?|results?|level|other(?:s| findings)?|suggestion|optional|appearance", inner, re.I
        ):
            own += _results("" if re.match("finding|result|level|other", inner, re.I) else inner, value)
        else:
            if section == "Test_Results" and not other_names(inner) and not _kind_is_known(inner):
                tally.unmapped_keys[f"Test_Results.{inner}"] += 1
            yield inner, list(_results("", value))
    if own:
        yield (name if section == "Test_Results" else "General examination"), own


def _own_exam(name: str) -> bool:
    return re.search(r"examination|exam$|skin|lymph|oscopy", name, re.I) is not None


def _kind_is_known(name: str) -> bool:
    return any(re.search(p, name, re.I) for p, *_ in RULES.data["exams"]["kinds"][:-1])


def _panel(name: str) -> str | None:
    for panel, pattern in RULES.data["exams"]["panels"].items():
        if re.fullmatch(pattern, name, re.I):
            return str(panel)
    return None


def _results(label: str, content: Any) -> Iterator[tuple[str, str]]:
    if isinstance(content, Mapping):
        for key, value in content.items():
            inner = _readable(key)
            plain = re.fullmatch(
                r"(?:preliminary )?findings?|results?|level|finding|other findings|histopathology(?: findings)?|comments|analysis|interpretation",
                inner,
                re.I,
            )
            yield from _results(label if plain else f"{label}, {_lower(inner)}" if label else inner, value)
    elif isinstance(content, list):
        yield label, "; ".join(str(item) for item in content if not isinstance(item, (Mapping, list)))
    elif isinstance(content, bool):
        yield label, "yes" if content else "no"
    elif content is not None and str(content).strip():
        yield label, str(content).strip()


_ACRONYM = re.compile(r"^(?:.+[A-Z].*|\w*\d\w*|C-peptide|pH|Hb)$")
_EPONYMS = {
    "dix-hallpike": "Dix-Hallpike",
    "finkelstein's": "Finkelstein's",
    "x-ray": "X-ray",
    "x-rays": "X-rays",
    "doppler": "Doppler",
}


def _readable(key: str) -> str:
    """A key such as `Complete_Blood_Count` as a doctor would write it: "Complete blood count"."""
    text = re.sub(r"[_\s]+", " ", key).strip()
    text = re.sub(r"\bX rays?\b", "X-rays", text, flags=re.I) if re.search(r"X rays", text, re.I) else text
    text = re.sub(r"\b[Ee]xam\b", "examination", text)
    words = [w if _ACRONYM.match(w) else _EPONYMS.get(w.lower(), w.lower()) for w in text.split(" ")]
    text = " ".join(words)
    return text[:1].upper() + text[1:] if not re.match(r"(?:aPTT|pH|PaCO2|PaO2)\b", text) else text


def _canonical(name: str, found: Mapping[str, Any]) -> str:
    """The name under which results of the same order already stand, else the name itself."""
    group = {n.casefold() for n in other_names(name)}
    return next((known for known in found if known.casefold() in group or known.casefold() == name.casefold()), name)


def _exam(name: str, results: list[tuple[str, str]], firewall: Firewall) -> dict[str, Any]:
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
        return 10.0 * exam["leaked"] + 2.0 * (exam["kind"] in ("procedure", "imaging")) + min(len(parts), 4)

    for exam in exams:
        exam["key"] = exam["name"].casefold() == "vital signs"
    telling = sorted((e for e in exams if not e["key"] and weight(e) > 0), key=lambda e: -weight(e))
    bedside = [e for e in telling if e["kind"] == "bedside" and e["cost"] == 0]
    for exam in [*bedside[:1], *[e for e in telling if not any(e is b for b in bedside)][:2]]:
        exam["key"] = True
