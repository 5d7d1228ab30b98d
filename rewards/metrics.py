"""Metrics of a consultation beside its reward, exact from the turns and the ledger.

None of them enters the reward. A metric of which this record or rubric gives nothing to measure is left out. The
constants are in `metrics.json`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from medenv.consultation.acts import Guess
from medenv.consultation.matching import same_name
from medenv.consultation.views import JudgeView
from medenv.schemas import validator

from .checks import holds
from .rubric import Check
from .scoring import Score

__all__ = ["METRICS", "brier_score", "coverage", "log_score", "metrics"]

METRICS = (
    "top_1",
    "top_3",
    "brier",
    "log_score",
    "must_ask_coverage",
    "coverage_area",
    "efficiency_index",
    "repeated_per_turn",
    "question_turns",
    "grade_symptoms",
    "grade_exams",
    "grade_diagnosis",
    "grade_rationale",
    "grade_treatment",
)
"""The metrics there are, in the order in which they are told."""

_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(f"[{_UNSPACED}]|[^\\s{_UNSPACED}]+")
"""What stands between spaces, or one character of a script that has none."""


@dataclass(frozen=True, slots=True)
class _Constants:
    others: int
    least_probability: float
    horizon: int
    efficiency: Mapping[str, float]
    grades: Mapping[str, Sequence[float]]


@cache
def _constants() -> _Constants:
    data = json.loads(resources.files("medenv.rewards").joinpath("metrics.json").read_text("utf-8"))
    validator("medenv.rewards", "metrics").validate(data)
    return _Constants(**data)


def metrics(view: JudgeView, score: Score) -> dict[str, float]:
    """The metrics of a valid episode that is over.

    - `top_1`, `top_3`: 1 where the first diagnosis, or one of the first three, is the right one, else 0.
    - `brier`, `log_score`: see the functions; who gives no diagnosis has named none.
    - `must_ask_coverage`: of the facts that a careful doctor asks for, the share that was told.
    - `coverage_area`: the area under `coverage` over the first 20 turns, in [0, 1]. A consultation that ends earlier
      keeps what it had, so that neither haste nor padding pays.
    - `efficiency_index`: DoctorAgent-RL's diagnostic efficiency index (arXiv 2505.19630) as its published evaluation
      computes it: s^2 / (turns + 0.01 * mean length of a doctor message). Its s is a model's opinion of diagnosis and
      advice mixed with ROUGE-L, and its lengths are tokens. Ours: s is the mean of `top_1` and of the share of the
      treatment points, within [0, 1], or `top_1` alone where nothing is to be treated; lengths are words. The values
      are not comparable with the paper's.
    - `repeated_per_turn`: facts asked for again although told, per turn.
    - `question_turns`: the share of turns that ask the patient something.
    - `grade_...`: 1 to 4, the five views of AI Hospital's MVME (arXiv 2402.09742), where a model gives 4 for all of the
      expert's findings, 3 for a considerable part, 2 for a small part and 1 for hardly any. Ours: the share of the
      must-ask facts told (symptoms), of the key exams ordered (exams) and of the treatment points (treatment; 1 after a
      harm with a veto), each held against thresholds. The diagnosis is 4 where it leads, 3 where it is among the first
      three, 2 where another of the record's differential leads, else 1. The rationale is graded by how many findings of
      this consultation the closing words name, and no better than the diagnosis that it is for.

    Args:
        view: The episode.
        score: Its score; the grades of the treatment and the efficiency index look at it.
    """
    treatment = score.axes.get("treatment")
    found = dict((*_diagnosis(view), *_history(view)))
    found.update(_efficiency(view, treatment, found["top_1"]))
    found.update(_grades(view, found))
    if treatment is not None:
        harmed = any(line.veto and line.met for line in score.lines)
        found["grade_treatment"] = 1 if harmed else _grade("treatment", treatment)
    return {name: float(found[name]) for name in METRICS if name in found}


def coverage(view: JudgeView) -> tuple[float, ...]:
    """The share of the must-ask facts told after each turn; empty where the record has none.

    MedDialogRubrics (arXiv 2601.03023) follows its must-ask items over the turns in this way.
    """
    wanted = {fact.id for fact in view.record.facts if fact.must_ask}
    if not wanted:
        return ()
    told: set[str] = set()
    shares = []
    for entry in view.ledger:
        told |= wanted.intersection(entry.disclosed)
        shares.append(len(told) / len(wanted))
    return tuple(shares)


def brier_score(guesses: Sequence[Guess], names: Sequence[str]) -> float:
    """The Brier score of a differential: the sum over all diagnoses of (p - o)^2, in [0, 2], 0 the best.

    o is 1 for the right diagnosis and 0 for all others (G. W. Brier, Monthly Weather Review 78, 1950). "All" are those
    that the doctor named and 100 others, over which the probability left over is spread evenly. "None of these" as one
    class that can come true would give a perfect score to whoever names nothing that is likely; here such a doctor gets
    0.99. The score is proper: a doctor expects the best one from naming the probabilities that it believes in.

    Args:
        guesses: The differential. Names of one disease count once, with the sum of their probabilities. Of guesses
            without a probability each gets an equal share of what the others leave over, so that a diagnosis that
            stands alone is certain. Probabilities that sum to more than 1 are divided by their sum.
        names: All names of the right diagnosis.
    """
    named, right, left = _forecast(guesses, names)
    others = _constants().others
    each = left / others
    wrong = math.fsum(p * p for p in named)
    if right is None:
        return wrong + (others - 1) * each**2 + (1 - each) ** 2
    return wrong + others * each**2 + (1 - right) ** 2


def log_score(guesses: Sequence[Guess], names: Sequence[str]) -> float:
    """The log score of a differential: the natural logarithm of the right diagnosis' probability, 0 the best.

    Where the right diagnosis was not named, it has its even share of what was left over for 100 others (see
    `brier_score`): ln(0.01) = -4.6 for a doctor who commits to nothing. No probability counts as less than 0.00001, so
    that no score is below -11.5: the floor, and what whoever was certain of another diagnosis gets. The score (I. J.
    Good, Journal of the Royal Statistical Society B 14, 1952) is proper as long as nothing is believed to be less
    likely than about three times the floor.

    Args:
        guesses: The differential.
        names: All names of the right diagnosis.
    """
    _, right, left = _forecast(guesses, names)
    chance = left / _constants().others if right is None else right
    return math.log(min(1.0, max(chance, _constants().least_probability)))


def _forecast(guesses: Sequence[Guess], names: Sequence[str]) -> tuple[list[float], float | None, float]:
    """The probabilities of the wrong diagnoses named, that of the right one, none where not named, and the rest."""
    given = math.fsum(guess.probability or 0.0 for guess in guesses)
    silent = sum(guess.probability is None for guess in guesses)
    share = max(0.0, 1.0 - given) / silent if silent else 0.0
    wrong: dict[str, float] = {}
    right: float | None = None
    for guess in guesses:
        chance = (share if guess.probability is None else guess.probability) / max(1.0, given)
        if same_name(guess.name, names):
            right = (right or 0.0) + chance
        else:
            known = next((name for name in wrong if same_name(guess.name, (name,))), guess.name)
            wrong[known] = wrong.get(known, 0.0) + chance
    left = max(0.0, 1.0 - math.fsum((*wrong.values(), right or 0.0)))
    return list(wrong.values()), right, left


def _guesses(view: JudgeView) -> tuple[Guess, ...]:
    return view.turns[-1].acts.diagnoses if view.turns else ()


def _diagnosis(view: JudgeView) -> Iterator[tuple[str, float]]:
    names = view.record.truth.diagnosis.names
    yield "top_1", holds(Check("leading_diagnosis", names), view)
    yield "top_3", holds(Check("in_differential", names), view)
    yield "brier", brier_score(_guesses(view), names)
    yield "log_score", log_score(_guesses(view), names)


def _history(view: JudgeView) -> Iterator[tuple[str, float]]:
    if shares := coverage(view):
        horizon = _constants().horizon
        seen = shares[:horizon]
        yield "must_ask_coverage", shares[-1]
        yield "coverage_area", math.fsum((*seen, (horizon - len(seen)) * seen[-1])) / horizon
    if turns := len(view.turns):
        yield "repeated_per_turn", sum(len(entry.repeated) for entry in view.ledger) / turns
        yield "question_turns", sum(bool(turn.understanding.questions) for turn in view.turns) / turns


def _efficiency(view: JudgeView, treatment: float | None, top_1: float) -> Iterator[tuple[str, float]]:
    if not view.turns:
        return
    cost = _constants().efficiency
    success = top_1 if treatment is None else (top_1 + min(1.0, max(0.0, treatment))) / 2
    words = sum(len(_WORD.findall(turn.doctor)) for turn in view.turns) / len(view.turns)
    yield "efficiency_index", success**2 / (cost["turn"] * len(view.turns) + cost["word"] * words)


def _grades(view: JudgeView, found: Mapping[str, float]) -> Iterator[tuple[str, int]]:
    if "must_ask_coverage" in found:
        yield "grade_symptoms", _grade("symptoms", found["must_ask_coverage"])
    if key := {exam.id for exam in view.record.exams if exam.key}:
        ordered = {result.exam for turn in view.turns for result in turn.results}
        yield "grade_exams", _grade("exams", len(key & ordered) / len(key))
    diagnosis = 4 if found["top_1"] else 3 if found["top_3"] else 2 if _plausible(view) else 1
    yield "grade_diagnosis", diagnosis
    cited = dict(zip((2, 3, 4), map(int, _constants().grades["rationale"]), strict=True))
    reached = (grade for grade in range(diagnosis, 1, -1) if holds(Check("cited", at_least=cited[grade]), view))
    yield "grade_rationale", next(reached, 1)


def _grade(what: str, share: float) -> int:
    return 1 + sum(share >= least for least in _constants().grades[what])


def _plausible(view: JudgeView) -> bool:
    names = tuple(name for hypothesis in view.record.truth.differential for name in hypothesis.names)
    return holds(Check("leading_diagnosis", names), view)
