"""AgentClinic's nested findings and test results, as what a doctor orders by name and what comes back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from medenv.errors import RecordError
from medenv.records.exam_names import other_names
from medenv.records.importers.exams import RULES, Result, panel_of
from medenv.records.importers.report import Tally
from medenv.records.importers.rules import Json

__all__ = ["orders_from"]

FINDINGS, TESTS = "Physical_Examination_Findings", "Test_Results"


def orders_from(case: Json, tally: Tally) -> Iterator[tuple[str, list[Result]]]:
    """What can be ordered in a case, with its results.

    Raises:
        RecordError: The findings or the results are no object.
    """
    for section in (FINDINGS, TESTS):
        value = case.get(section, {})
        if not isinstance(value, Mapping):
            raise RecordError(f"field $.OSCE_Examination.{section}: expected an object, got {type(value).__name__}")
        for key, content in value.items():
            yield from _orders(_readable(key), content, section, tally)


def _orders(name: str, content: Any, section: str, tally: Tally) -> Iterator[tuple[str, list[Result]]]:
    """What a doctor orders by name, and the results that come back with it."""
    if not isinstance(content, Mapping) or not RULES.pattern("containers").fullmatch(name):
        _count_unknown(name, section, tally)
        yield panel_of(name) or name, list(_results("", content))
        return
    own: list[Result] = []
    for key, value in content.items():
        inner = _readable(key)
        panel = panel_of(inner)
        if panel is not None and not isinstance(value, Mapping):
            yield panel, [(inner, text) for _, text in _results("", value)]
        elif section == FINDINGS:
            if other_names(inner) and RULES.pattern("examinations").search(inner):
                yield inner, list(_results("", value))
            else:
                own += _results(inner, value)
        elif RULES.pattern("containers").fullmatch(inner) and isinstance(value, Mapping):
            yield from _orders(inner, value, section, tally)
        elif RULES.pattern("parts").fullmatch(inner):
            own += _results("" if RULES.pattern("unlabelled").fullmatch(inner) else inner, value)
        else:
            _count_unknown(inner, section, tally)
            yield inner, list(_results("", value))
    if own:
        yield ("General examination" if section == FINDINGS else name), own


def _count_unknown(name: str, section: str, tally: Tally) -> None:
    kinds = RULES.data["kinds"][:-1]
    if section == TESTS and not other_names(name) and not any(re.search(p, name, re.I) for p, *_ in kinds):
        tally.unmapped_keys[f"{section}.{name}"] += 1


def _results(label: str, content: Any) -> Iterator[Result]:
    if isinstance(content, Mapping):
        for key, value in content.items():
            inner = _readable(key)
            plain = RULES.pattern("unlabelled").fullmatch(inner)
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
