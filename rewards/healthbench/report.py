"""The report: what the results of a run come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .files import Example
from .grading import OVERALL, SCORE, Metric, aggregate, example_metrics, worst_at_k
from .results import Result

__all__ = ["Report", "summarise"]


@dataclass(frozen=True, slots=True)
class Report:
    """What the results of a run come to. Invalid ones are counted, and are in no number."""

    metrics: Mapping[str, Metric]
    """By the names that simple-evals gives them, in its order: "overall_score", each tag, and "score"."""
    worst_at_k: Mapping[int, float]
    """For each k from 1; over the problems of which every response is valid."""
    problems: int
    """How many problems those are."""
    examples: int
    responses: int
    """All of them, valid or not."""
    valid: int
    unscored: int
    """Of the valid ones, those to examples without positive points, which have no score."""
    invalid: Mapping[str, int]
    """How many failed, by the kind of the failure."""
    results: tuple[Result, ...] = field(repr=False)

    @property
    def score(self) -> float | None:
        """The overall score; None where no response has one."""
        return self.metrics[OVERALL].mean if OVERALL in self.metrics else None

    @property
    def themes(self) -> dict[str, Metric]:
        """The metrics of the themes, by their names, in alphabetical order."""
        return self._tagged("theme:")

    @property
    def axes(self) -> dict[str, Metric]:
        """The metrics of the axes, by their names, in alphabetical order."""
        return self._tagged("axis:")

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data, without the results; `metrics` has the names and the form of simple-evals' file."""
        metrics: dict[str, float | int | None] = {}
        for name, metric in self.metrics.items():
            metrics |= {
                name: metric.mean,
                f"{name}:n_samples": metric.n,
                f"{name}:bootstrap_std": metric.bootstrap_std,
            }
        return {
            "examples": self.examples,
            "responses": self.responses,
            "valid": self.valid,
            "unscored": self.unscored,
            "invalid": dict(self.invalid),
            "metrics": {**metrics, SCORE: self.score},
            "worst_at_k": {"problems": self.problems, **{str(k): value for k, value in self.worst_at_k.items()}},
        }

    def _tagged(self, prefix: str) -> dict[str, Metric]:
        names = sorted(name for name in self.metrics if name.startswith(prefix))
        return {name.removeprefix(prefix): self.metrics[name] for name in names}


def summarise(examples: Sequence[Example], results: Iterable[Result], *, seed: int = 0) -> Report:
    """What some results come to.

    Args:
        examples: What is reported on; results on other examples are left out. `part_of` makes a part of the examples.
        results: In the order of the run.
        seed: Of the bootstrap, at least 0 and below 2**32.
    """
    by_id = {example.prompt_id: example for example in examples}
    every = tuple(result for result in results if result.prompt_id in by_id)
    rows = [(r, example_metrics(by_id[r.prompt_id], r.met) if r.verdicts else {}) for r in every if r.valid]
    failed = {result.prompt_id for result in every if not result.valid}
    problems: dict[str, list[float]] = {}
    for result, metrics in rows:
        if metrics and result.prompt_id not in failed:
            problems.setdefault(result.prompt_id, []).append(metrics[OVERALL])
    return Report(
        metrics=aggregate((metrics for _, metrics in rows), seed=seed),
        worst_at_k=worst_at_k(list(problems.values())),
        problems=len(problems),
        examples=len({result.prompt_id for result in every}),
        responses=len(every),
        valid=len(rows),
        unscored=sum(not metrics for _, metrics in rows),
        invalid=dict(sorted(Counter(result.failure["kind"] for result in every if result.failure).items())),
        results=every,
    )
