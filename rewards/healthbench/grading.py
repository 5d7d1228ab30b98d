"""Grading: verdicts become the numbers that openai/simple-evals gives for them.

- An example scores the points that it met over its positive points. That is not clipped, and may be below zero.
- Each tag of an example has the example's score. Each tag of rubric items has the score of those items alone, and is
  left out where they have no positive points.
- Over the data set each of these is a mean, clipped to [0, 1], with the standard deviation of 1,000 bootstrap means,
  which are clipped as well.
- Worst at k is, for one problem, the mean of the lowest score over all choices of k among its responses; over the data
  set it is a mean again, clipped.

All but the last are equal to the last digit, for floating-point operations and random draws come in the order of
simple-evals. It draws from NumPy's global state; here a generator of the same kind is made from a seed, so that the
numbers are those after `numpy.random.seed(seed)`. Worst at k is found without going through the choices, which comes
closer to the exact value than their mean does, and may differ from it in the last digit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .files import Example, RubricItem

__all__ = ["OVERALL", "SCORE", "Metric", "aggregate", "example_metrics", "example_score", "worst_at_k"]

OVERALL = "overall_score"
SCORE = "score"
"""The same number as `OVERALL`, with a bootstrap of its own: simple-evals reports both."""
RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Metric:
    """One number over the data set."""

    mean: float
    """Clipped to [0, 1]."""
    bootstrap_std: float
    n: int
    """How many responses it is a mean of."""


def example_score(items: Sequence[RubricItem], met: Mapping[str, bool]) -> float | None:
    """The points of the items that are met over the positive points; None where there are no positive points.

    Args:
        items: Some or all of the rubric items of an example.
        met: What was found of each, by the id of the item.
    """
    positive = sum(item.points for item in items if item.points > 0)
    if not positive:
        return None
    return sum(item.points for item in items if met[item.id]) / positive


def example_metrics(example: Example, met: Mapping[str, bool]) -> dict[str, float]:
    """The overall score of one response and that of each tag; empty where the example has no positive points."""
    overall = example_score(example.rubrics, met)
    if overall is None:
        return {}
    metrics = {OVERALL: overall, **dict.fromkeys(example.example_tags, overall)}
    tagged: dict[str, list[RubricItem]] = {}
    for item in example.rubrics:
        for tag in item.tags:
            tagged.setdefault(tag, []).append(item)
    for tag, items in tagged.items():
        if (score := example_score(items, met)) is not None:
            metrics[tag] = score
    return metrics


def aggregate(responses: Iterable[Mapping[str, float]], *, seed: int = 0) -> dict[str, Metric]:
    """The metrics of all responses together, in the order in which simple-evals comes to them.

    Args:
        responses: The `example_metrics` of each response.
        seed: Of the bootstrap, at least 0 and below 2**32.
    """
    values: dict[str, list[float]] = {}
    for metrics in responses:
        for name, value in metrics.items():
            values.setdefault(name, []).append(value)
        if metrics:
            values.setdefault(SCORE, []).append(metrics[OVERALL])
    rng = np.random.RandomState(seed)
    return {name: _metric(np.array(found), rng) for name, found in values.items()}


def worst_at_k(problems: Sequence[Sequence[float]]) -> dict[int, float]:
    """The worst score to be expected of k responses, for each k up to how many responses every problem has.

    The mean over all choices is not enumerated: among `n` scores in rising order, the one at place i (from 0) is the
    lowest of C(n - 1 - i, k - 1) of the C(n, k) choices.

    Args:
        problems: For each problem, the scores of its responses.
    """
    most = min(map(len, problems), default=0)
    ordered = [sorted(scores) for scores in problems]
    return {
        k: float(np.clip(math.fsum(_worst(scores, k) for scores in ordered) / len(ordered), 0, 1))
        for k in range(1, most + 1)
    }


def _worst(rising: Sequence[float], k: int) -> float:
    n = len(rising)
    lowest = math.fsum(score * math.comb(n - 1 - place, k - 1) for place, score in enumerate(rising[: n - k + 1]))
    return lowest / math.comb(n, k)


def _metric(values: np.ndarray[tuple[int], np.dtype[np.float64]], rng: np.random.RandomState) -> Metric:
    means = [rng.choice(values, len(values)).mean() for _ in range(RESAMPLES)]
    return Metric(float(np.clip(values.mean(), 0, 1)), float(np.clip(means, 0, 1).std()), len(values))
