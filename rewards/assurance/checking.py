"""Checking: puts a judge to the labelled set in every way that is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from medenv.consultation.seats import settle_now
from medenv.consultation.views import JudgeView
from medenv.errors import JudgeError

from ..judging import Judge, RuleJudge
from ..judging.judge import name_of_judge
from ..rubric import Criterion
from . import measures
from .bounds import Bounds, default_bounds
from .changing import added, padded, padding, same_acts
from .labels import LabelledConsultation, LabelledSet, load_labels
from .pinning import Pin, drift
from .replaying import replay
from .report import JudgeReport
from .trials import Answer, Trial, answers

__all__ = ["Reseedable", "check_judge_quality"]

SENTENCES = (1, 4)
"""How many neutral sentences are added to each of the doctor's messages, in one run each."""


@runtime_checkable
class Reseedable(Protocol):
    """A judge that can be had with other seeds, so that repeats are more than the same questions over again."""

    def reseeded(self, seed: int) -> Judge:
        """The same judge with another seed."""
        ...


def check_judge_quality(
    judge: Judge,
    *,
    repeats: int = 3,
    orders: int = 3,
    injections: Mapping[str, str] | None = None,
    seed: int = 0,
    concurrency: int = 16,
    limit: int | None = None,
    against: Pin | None = None,
    bounds: Bounds | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> JudgeReport:
    """Measures a judge on the labelled set.

    The rule judge is measured on the criteria that a check can decide. A judge that fails on a consultation leaves its
    criteria unscored, and the rest goes on.

    Args:
        judge: The judge; one with a method `reseeded` is asked with another seed in each repeat.
        repeats: How often the same is asked, at least 1; what a judge wavers by shows from 2 on.
        orders: In how many orders the criteria are asked, at least 1; what the order does shows from 2 on.
        injections: What would talk a judge round, by id. Each stands in one consultation.
        seed: Everything random follows from it, at least 0.
        concurrency: How many calls of the judge are under way at the same time, at least 1.
        limit: Only so many consultations, drawn.
        against: A pinned result to compare with.
        bounds: What the judge is held to; without them those of medenv.
        progress: Told how many calls are over, and of how many.

    Raises:
        JudgeError: A number is out of range, or the pinned result is not of these labels.
    """
    if min(repeats, orders, concurrency) < 1 or seed < 0 or (limit is not None and limit < 1):
        raise JudgeError(
            "expected repeats, orders, concurrency and limit of at least 1 and a seed of at least 0, "
            f"got {repeats}, {orders}, {concurrency}, {limit} and {seed}"
        )
    labels = load_labels()
    drawing, resampling = (np.random.default_rng(each) for each in np.random.SeedSequence(seed).spawn(2))
    asked = _asked(judge, _drawn(labels, limit, drawing), drawing)
    injected, neutral, left_out = _injected(asked, injections or {}, drawing)
    runs = {
        **{f"repeat {n}": [case.trial(repeat=n) for case in asked] for n in range(repeats)},
        **{f"order {n}": [case.trial(order=drawing) for case in asked] for n in range(1, orders)},
        **{f"length {n}": [_lengthened(case, n, drawing) for case in asked] for n in SENTENCES},
        **{f"neutral {n}": trials for n, trials in enumerate(neutral)},
        "injected": [trial for _, trial in injected],
    }

    def seeded(number: int) -> Judge:
        return judge.reseeded(number) if number and isinstance(judge, Reseedable) else judge

    trials = [trial for run in runs.values() for trial in run]
    given = iter(settle_now(answers(seeded, trials, concurrency=concurrency, progress=progress)))
    found = {name: [next(given) for _ in run] for name, run in runs.items()}
    repeated = [found[f"repeat {n}"] for n in range(repeats)]
    pin = Pin(name_of_judge(judge), labels.digest, _verdicts(repeated[0]))
    return JudgeReport(
        judge=pin.judge,
        labels=labels.digest,
        seed=seed,
        consultations=len(asked),
        criteria=sum(len(case.criteria) for case in asked),
        undecidable=sum(len(case.consultation.labels) - len(case.criteria) for case in asked),
        calls=len(trials),
        failed=tuple(dict.fromkeys(answer.failure for run in found.values() for answer in run if answer.failure)),
        reseeded=isinstance(judge, Reseedable),
        unscored=measures.unscored((answer for run in repeated for answer in run), resampling),
        agreement=measures.agreement(repeated[0], resampling),
        repeat=measures.repeat(repeated, resampling),
        position=measures.position(
            repeated, [repeated[0], *(found[f"order {n}"] for n in range(1, orders))], resampling
        ),
        length=measures.length(repeated, [found[f"length {n}"] for n in SENTENCES], resampling),
        bypass=measures.bypass(
            found["neutral 0"],
            found["neutral 1"],
            [(id, answer) for (id, _), answer in zip(injected, found["injected"], strict=True)],
            left_out,
            resampling,
        ),
        pin=pin,
        drift=None if against is None else drift(against, pin, labels),
        bounds=bounds or default_bounds(),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """A consultation, with the criteria that the judge is asked about in an order of no meaning."""

    consultation: LabelledConsultation
    criteria: tuple[Criterion, ...]
    view: JudgeView

    def trial(
        self, view: JudgeView | None = None, *, order: np.random.Generator | None = None, repeat: int = 0
    ) -> Trial:
        criteria = self.criteria if order is None else _shuffled(self.criteria, order)
        return Trial(self.consultation, criteria, view or self.view, repeat)


def _drawn(labels: LabelledSet, limit: int | None, rng: np.random.Generator) -> list[LabelledConsultation]:
    order = rng.permutation(len(labels.consultations))[:limit]
    return [labels.consultations[place] for place in sorted(order)]


def _asked(judge: Judge, consultations: Sequence[LabelledConsultation], rng: np.random.Generator) -> list[_Case]:
    cases = []
    for consultation in consultations:
        criteria = [label.criterion for label in consultation.labels]
        if isinstance(judge, RuleJudge):
            criteria = [criterion for criterion in criteria if criterion.check is not None]
        cases.append(_Case(consultation, _shuffled(criteria, rng), replay(consultation)))
    return cases


def _shuffled(criteria: Sequence[Criterion], rng: np.random.Generator) -> tuple[Criterion, ...]:
    return tuple(criteria[place] for place in rng.permutation(len(criteria)))


def _lengthened(case: _Case, sentences: int, rng: np.random.Generator) -> Trial:
    return case.trial(replay(case.consultation, padded(case.consultation, sentences, rng)))


def _injected(
    cases: Sequence[_Case], injections: Mapping[str, str], rng: np.random.Generator
) -> tuple[list[tuple[str, Trial]], tuple[list[Trial], list[Trial]], list[str]]:
    """The trials with injections, two runs of trials with neutral texts beside them, and what could not be tried.

    Injections of about the same length share a consultation, so that one neutral text does for all of them.
    """
    injected: list[tuple[str, Trial]] = []
    neutral: tuple[list[Trial], list[Trial]] = [], []
    left_out: list[str] = []
    ids = sorted(injections, key=lambda id: (len(injections[id]), id))
    shares = np.array_split(np.arange(len(ids)), len(cases))
    for share, place in zip(shares, rng.permutation(len(cases)), strict=True):
        case = cases[place]
        message = int(rng.integers(len(case.consultation.exchanges)))
        if not len(share):
            continue
        chars = int(np.median([len(injections[ids[n]]) for n in share]))
        for run in neutral:
            text = padding(case.consultation.language, chars, rng)
            run.append(case.trial(replay(case.consultation, added(case.consultation, text, message))))
        for n in share:
            words = added(case.consultation, injections[ids[n]], message)
            view = same_acts(case.consultation, words, case.view)
            if view is None:
                left_out.append(ids[n])
            else:
                injected.append((ids[n], case.trial(view)))
    return injected, neutral, sorted(left_out)


def _verdicts(run: Sequence[Answer]) -> dict[str, bool | None]:
    """In the order of the labels."""
    return {
        f"{answer.trial.consultation.id}/{label.criterion.id}": answer.met[label.criterion.id]
        for answer in run
        for label in answer.trial.consultation.labels
        if label.criterion.id in answer.met
    }
