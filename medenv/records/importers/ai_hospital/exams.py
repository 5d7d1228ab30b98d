"""Chinese examination findings and test results as exams that a doctor can order by name, in Chinese or in English.

The rules are data, in `ai_hospital.json`: the regions of an examination, headings that are no orders, names, costs.
"""

# ruff: noqa: RUF001 (Chinese punctuation is meant)

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, cast

from medenv.records.exam_names import other_names
from medenv.records.importers.ai_hospital.firewall import RULES, ChineseFirewall
from medenv.records.importers.rules import Json
from medenv.records.record import ExamKind, ExamStatus

__all__ = ["exams_from"]

MOST_EXAMS = 60
MOST_RESULTS = 80
VITAL_SIGNS = "生命体征"


def exams_from(examination: str, tests: str, basis: str, firewall: ChineseFirewall) -> list[dict[str, Any]]:
    """The exams of a record, as `record.schema.json` wants them, vital signs always among them.

    The vital signs, the examination at the bedside that shows most and the two tests that tell most, those first that
    the diagnosis was based on, are marked as key.

    Args:
        examination: What was found at the bedside.
        tests: What tests gave.
        basis: What the diagnosis was based on.
        firewall: Keeps the diagnosis and identifiers out of names and results.
    """
    found: dict[str, list[str]] = {VITAL_SIGNS: []}
    for name, result in (*_examined(examination), *_tested(tests)):
        if len(found) < MOST_EXAMS or name in found:
            results = found.setdefault(name, [])
            if result and result not in results and len(results) < MOST_RESULTS:
                results.append(result)
    exams = [_exam(name, results, basis, firewall) for name, results in found.items()]
    names: set[str] = set()
    for number, exam in enumerate(exams, start=1):
        exam["id"] = f"e{number:02d}"
        taken = names | {e["name"].casefold() for e in exams}
        exam["synonyms"] = [n for n in exam["synonyms"] if n.casefold() not in taken and not firewall.names(n)]
        names |= {n.casefold() for n in exam["synonyms"]}
    _choose_key(exams)
    for exam in exams:
        exam.pop("telling")
    return exams


# The bedside


def _examined(text: str) -> Iterator[tuple[str, str]]:
    """The clauses of an examination, each under the region it belongs to; one that names none goes with the last."""
    region = _regions()[-1][0]
    for line in re.split(r"[。；;\n]", text):
        line = re.sub(r"^\s*(?:[-•·*]|\d{1,2}[.、)](?!\d))\s*", "", line).strip()
        heading = None
        if m := re.match(r"(?P<part>[\u4e00-\u9fff]{2,8})\s*[:：]\s*", line):
            heading = _region(m["part"]) and _region(f"{m['part']} {line[m.end() : m.end() + 6]}")
            if heading and (heading != VITAL_SIGNS or m["part"] == VITAL_SIGNS):
                line = line[m.end() :]
        for clause in filter(None, (c.strip(" ，,") for c in re.split(r"，|,(?!\d)", line))):
            region = heading or _region(clause) or region
            yield region, clause


def _region(text: str) -> str | None:
    return next((name for name, _, pattern in _regions() if pattern.search(text)), None)


@cache
def _regions() -> Sequence[tuple[str, str, re.Pattern[str]]]:
    return tuple((name, english, re.compile(pattern)) for name, english, pattern in RULES.data["regions"])


# Tests


def _tested(text: str) -> Iterator[tuple[str, str]]:
    """The tests of a section: a list with headings and items, or prose in which a name stands before each result."""
    headings: list[tuple[int, str]] = []
    for line in text.split("\n"):
        bare = re.sub(r"^\s*(?:[-•·*]|\d{1,2}[.、)](?!\d))\s*", "", line).strip()
        if not bare:
            continue
        level = len(line) - len(line.lstrip()) + bool(re.match(r"\s*[-•·*]", line))
        headings = [(depth, name) for depth, name in headings if depth < level]
        heading = headings[-1][1] if headings else ""
        if _is_heading(bare, heading):
            headings.append((level, bare.rstrip(":：")))
        elif heading and not _is_container(heading):
            yield _test_name(heading), bare
        else:
            yield from _results(bare)


def _is_heading(text: str, above: str) -> bool:
    """Whether a line of a list names what its items belong to."""
    if text.endswith((":", "：")):
        return True
    alone = re.fullmatch(r"[^:：。，,\d]{2,24}", text) is not None
    return alone and (not above or _is_container(above)) and _is_test(text) and not _gives(text)


def _gives(text: str) -> bool:
    """Whether a line without a colon says what a test gave."""
    m = RULES.pattern("exam_then_result").match(text)
    return m is not None and len(m["rest"]) > 1


def _results(text: str) -> Iterator[tuple[str, str]]:
    """The tests that a line names, each before its result; what stands before the first has no name."""
    name = ""
    for part in filter(None, (p.strip() for p in re.split(r"(?<=[。；;])", text))):
        places = [m for m in RULES.pattern("exam_pair").finditer(part) if _is_test(m["name"] or m["name2"])]
        if not places:
            m = RULES.pattern("exam_then_result").match(part)
            name = _test_name(m["name"]) if m else name or "其他检查"
            yield name, re.sub(r"^(?:提示|显示|示|回报)", "", m["rest"] if m else part).strip(" 。；;，")
            continue
        if name and (before := part[: places[0].start()].strip(" 。；;，")):
            yield name, before
        for m, following in zip(places, [*places[1:], None], strict=True):
            name = _test_name(m["name"] or m["name2"])
            yield name, part[m.end() : following.start() if following else None].strip(" 。；;，")


def _is_test(name: str) -> bool:
    """Whether a name is that of a test, rather than of something that a test measures."""
    return RULES.pattern("test_name").search(name) is not None or any(p.search(name) for p, _, _ in _known())


def _is_container(name: str) -> bool:
    return RULES.pattern("containers").fullmatch(_test_name(name)) is not None


def _test_name(text: str) -> str:
    name = re.sub(r"[(（][^()（）]*[)）]?", "", text)
    return re.sub(RULES.data["exam_name_edges"], "", name).strip(" ：:，,。、-")[:60] or "其他检查"


@cache
def _known() -> Sequence[tuple[re.Pattern[str], str, Sequence[str]]]:
    return tuple((re.compile(p, re.I), english, names) for p, english, names in RULES.data["exam_synonyms"])


# From results to exams


def _exam(name: str, results: Sequence[str], basis: str, firewall: ChineseFirewall) -> dict[str, Any]:
    cited = any(len(words) > 2 and words in basis for words in (name, *results))
    shown = any(firewall.names(result) or firewall.shows(result) for result in results)
    if firewall.names(name):
        name = firewall.clean(name, "exam name")
    lines = [firewall.clean(result, "exam result").strip("，。； ") for result in results]
    kind, cost, minutes, invasive = next(
        (kind, cost, minutes, invasive)
        for pattern, kind, cost, minutes, invasive in RULES.data["kinds"]
        if re.search(pattern, name, re.I)
    )
    abnormal = [line for line in lines if line and not RULES.pattern("unremarkable").search(line)]
    telling = 10.0 * shown + 4.0 * cited + 2.0 * (kind in ("imaging", "procedure")) + min(len(abnormal), 4)
    status = _status(lines)
    return {
        "name": name[:200],
        "synonyms": _names(name),
        "kind": cast(ExamKind, kind),
        "status": status,
        "result": "；".join(dict.fromkeys(filter(None, lines)))[:3990] + "。"
        if status in ("recorded", "normal")
        else "",
        "cost": cost,
        "minutes": minutes,
        "invasive": invasive,
        "key": name == VITAL_SIGNS,
        "telling": telling if status == "recorded" and (abnormal or shown) else 0.0,
    }


def _status(lines: Iterable[str]) -> ExamStatus:
    known = [line for line in lines if line and not RULES.pattern("unavailable").match(line)]
    if not known:
        return "unavailable"
    if all(RULES.pattern("pending").search(line) for line in known):
        return "pending"
    return "normal" if all(RULES.pattern("normal").match(line) for line in known) else "recorded"


def _names(name: str) -> list[str]:
    """What else an exam is called, in Chinese and in English."""
    found: dict[str, None] = {}
    for region, english, _ in _regions():
        if name == region:
            found |= dict.fromkeys([english, *other_names(english)])
            found[name.removesuffix("检查") if name != VITAL_SIGNS else "体温"] = None
    for pattern, english, names in _known():
        if pattern.search(name):
            found |= dict.fromkeys([*names, english, *other_names(english)])
            break
    if name.endswith("检查"):
        found[name.removesuffix("检查")] = None
    else:
        found[f"{name}检查"] = None
    return [n for n in found if n.casefold() != name.casefold() and n][:40]


def _choose_key(exams: Sequence[Json]) -> None:
    telling = sorted((e for e in exams if not e["key"] and e["telling"]), key=lambda e: -float(e["telling"]))
    bedside = [e for e in telling if e["kind"] == "bedside" and not e["cost"]][:1]
    tests = [e for e in telling if e["cost"]][:2]
    for exam in (*bedside, *tests):
        cast(dict[str, Any], exam)["key"] = True
