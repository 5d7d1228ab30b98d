"""Orders: how the record answers a test, and which policy answers where the record is silent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cache, lru_cache
from typing import Literal, TypeAlias

from medenv.consultation.matching import words
from medenv.consultation.views import ExaminerView, Result
from medenv.records.exam_names import exam_groups
from medenv.records.record import Exam

__all__ = ["OrderPolicy", "answer", "distinct_exams", "find_exam"]

OrderPolicy: TypeAlias = Literal["unavailable", "normal"]
"""What a test gives that the record lacks. Never silently: the result says that a policy answered."""


@cache
def _canonical() -> dict[frozenset[str], str]:
    return {frozenset(words(name)): group[0] for group in exam_groups() for name in group}


@lru_cache(maxsize=32768)
def _name(text: str) -> frozenset[str]:
    """A test's words; names that the shared list of test names holds all become the first of their group."""
    said = frozenset(words(text))
    return frozenset(words(_canonical().get(said, text)))


@lru_cache(maxsize=2048)
def _catalogue(exams: tuple[Exam, ...]) -> dict[frozenset[str], Exam]:
    named: dict[frozenset[str], Exam] = {}
    for exam in exams:
        for name in (exam.name, *exam.synonyms):
            named.setdefault(_name(name), exam)
    return named


def find_exam(request: str, exams: Sequence[Exam]) -> Exam | None:
    """The exam that a request names: the same words, else the one exam whose name shares the most of them.

    A request that fits two exams equally well names neither.
    """
    wanted = _name(request)
    if not wanted:
        return None
    catalogue = _catalogue(tuple(exams))
    if (exact := catalogue.get(wanted)) is not None:
        return exact
    scores: dict[str, float] = {}
    by_id = {exam.id: exam for exam in exams}
    for name, exam in catalogue.items():
        if name and (name <= wanted or wanted <= name):
            scores[exam.id] = max(scores.get(exam.id, 0.0), len(name & wanted) / len(name | wanted))
    best = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    if not best or best[0][1] < 0.5 or (len(best) > 1 and best[1][1] == best[0][1]):
        return None
    return by_id[best[0][0]]


def answer(view: ExaminerView, policy: OrderPolicy, earlier: Collection[str] = ()) -> tuple[Result, ...]:
    """Answers every order from the record.

    Args:
        view: The exams and the orders.
        policy: How a test that the record lacks is answered.
        earlier: Ids of exams answered in earlier turns; asking again repeats the result and says so.
    """
    seen = set(earlier)
    results = []
    for request in view.orders:
        exam = find_exam(request, view.exams)
        results.append(_result(request, exam, policy, exam is not None and exam.id in seen))
        if exam is not None:
            seen.add(exam.id)
    return tuple(results)


def _result(request: str, exam: Exam | None, policy: OrderPolicy, repeated: bool) -> Result:
    if exam is None:
        text = {
            "unavailable": f"{request}: not available here.",
            "normal": f"{request}: not in the record; taken as normal by policy.",
        }[policy]
        return Result(request, policy, text)
    text = {
        "recorded": f"{exam.name}: {exam.result}",
        "normal": f"{exam.name}: {exam.result or 'normal.'}",
        "unavailable": f"{exam.name}: not available here.",
        "pending": f"{exam.name}: taken, result pending.",
    }[exam.status]
    return Result(request, exam.status, f"{text} (repeated)" if repeated else text, exam.id, repeated)


def distinct_exams(results: Iterable[Result]) -> tuple[str, ...]:
    """The ids of the exams that were answered, each once, in order."""
    return tuple(dict.fromkeys(result.exam for result in results if result.exam is not None))
