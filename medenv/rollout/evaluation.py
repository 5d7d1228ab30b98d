"""Evaluation: what the episodes of one doctor come to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from os import PathLike
from typing import Any, Unpack

import numpy as np

from medenv.errors import RunError
from medenv.rewards import AXES
from medenv.rewards.metrics import METRICS
from medenv.rollout.engine import Doctor, TaskOptions, rollout
from medenv.rollout.trajectory import Trajectory

__all__ = ["Evaluation", "RewardSummary", "evaluate", "summarise"]

LEVELS = ("case", "general")
SIGNS = ("positive", "negative")
RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class RewardSummary:
    """The rewards of the valid episodes; all values are NaN where there is none.

    The uncertainty is that of a bootstrap over records, so that playing one record often does not make it look smaller
    than it is; where all episodes are about one record, it is over episodes.
    """

    mean: float
    std: float
    """The sample standard deviation; 0 for a single episode."""
    stderr: float
    """The standard deviation of the bootstrap means."""
    low: float
    """The lower end of the 95 % percentile interval of the mean."""
    high: float
    """The upper end."""
    min: float
    max: float
    n: int
    """How many valid episodes there are."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the episodes of one doctor come to. Invalid episodes are counted, and are in no mean."""

    reward: RewardSummary
    axes: Mapping[str, float]
    """The mean of each axis over the episodes whose rubric has it."""
    levels: Mapping[str, float]
    """The same for criteria about the case and for those about any consultation: "case" and "general"."""
    shares: Mapping[str, float]
    """Of the positive points those met, "positive", and of the negative points those incurred, "negative": means over
    the episodes whose rubric has such points."""
    metrics: Mapping[str, float]
    """The mean of each of `Trajectory.metrics` over the episodes that have it."""
    ledger: Mapping[str, float]
    """Means an episode of the counts of `Trajectory.ledger`, and rates in [0, 1].

    `must_ask_coverage`: of the facts that must be asked for, those told, a mean over episodes. `privacy`: of all turns,
    those in which no private fact was told that nobody had asked for. `withheld_share`: of all facts asked for, those
    never told. `diagnosed`: of all episodes, those that ended with a diagnosis. A rate of nothing is left out.
    """
    valid: int
    invalid: Mapping[str, int]
    """How many episodes failed, by the kind of the failure."""
    episodes: int
    """All of them, valid or not."""
    scoring: Mapping[str, Any] | None
    """How the episodes were scored, as `Scoring.as_dict` gives it; none without a valid episode."""
    trajectories: tuple[Trajectory, ...] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """The evaluation as plain data, without the trajectories and without a clock: same episodes, same bytes."""
        numbers = {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(self.reward).items()}
        return {
            "episodes": self.episodes,
            "valid": self.valid,
            "invalid": dict(self.invalid),
            "reward": numbers,
            "scoring": None if self.scoring is None else dict(self.scoring),
            "axes": dict(self.axes),
            "levels": dict(self.levels),
            "shares": dict(self.shares),
            "metrics": dict(self.metrics),
            "ledger": dict(self.ledger),
        }


def evaluate(
    doctor: Doctor,
    *,
    episodes: int | None = None,
    concurrency: int = 64,
    seed: int = 0,
    out: str | PathLike[str] | None = None,
    progress: bool = False,
    **task: Unpack[TaskOptions],
) -> Evaluation:
    """Plays episodes and says what they come to.

        result = medenv.evaluate("checklist", records="library", episodes=64, seed=0)
        result.reward.mean, result.axes, result.metrics, result.ledger, result.valid, result.episodes

    Args:
        doctor: Who is evaluated: an id, the folder of a saved policy, or a seat.
        episodes: How many; without it each record once.
        concurrency: How many episodes are played at the same time; it changes no number.
        seed: At least 0.
        out: A file of JSON lines for the trajectories; see `rollout`.
        progress: Whether a progress bar is shown on standard error.
        **task: `records`, `persona`, `patient`, `rubric`, `judge`, `max_turns`, `split`, ... as for `medenv.make`.

    Raises:
        MedenvError: As `rollout` does.
    """
    trajectories = rollout(
        doctor, episodes=episodes, concurrency=concurrency, seed=seed, out=out, progress=progress, **task
    )
    return summarise(trajectories, seed=seed)


def summarise(trajectories: Iterable[Trajectory], *, seed: int = 0) -> Evaluation:
    """What some trajectories come to.

    Args:
        trajectories: At least one, in an order that the bootstrap depends on.
        seed: The seed of the bootstrap, at least 0.

    Raises:
        RunError: There is no trajectory, or two were not scored in the same way.
    """
    every = tuple(trajectories)
    if not every:
        raise RunError("expected at least one trajectory, got none")
    valid = [trajectory for trajectory in every if trajectory.valid]
    scores = [trajectory.score for trajectory in valid if trajectory.score is not None]
    if other := next((score for score in scores if score["scoring"] != scores[0]["scoring"]), None):
        raise RunError(
            f"expected episodes scored in one way, got {dict(scores[0]['scoring'])} and {dict(other['scoring'])}"
        )
    failures = Counter(trajectory.failure["kind"] for trajectory in every if trajectory.failure is not None)
    return Evaluation(
        reward=_reward(valid, seed),
        axes=_means([score["axes"] for score in scores], AXES),
        levels=_means([score["levels"] for score in scores], LEVELS),
        shares=_means([score["shares"] for score in scores], SIGNS),
        metrics=_means([trajectory.metrics for trajectory in valid], METRICS),
        ledger=_ledger(valid),
        valid=len(valid),
        invalid=dict(sorted(failures.items())),
        episodes=len(every),
        scoring=scores[0]["scoring"] if scores else None,
        trajectories=every,
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _reward(valid: Sequence[Trajectory], seed: int) -> RewardSummary:
    rewards = [trajectory.reward for trajectory in valid if trajectory.reward is not None]
    n = len(rewards)
    if not n:
        nan = math.nan
        return RewardSummary(nan, nan, nan, nan, nan, nan, nan, 0)
    mean = _mean(rewards)
    std = math.sqrt(math.fsum((reward - mean) ** 2 for reward in rewards) / max(n - 1, 1))
    means = _bootstrap(valid, rewards, np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(3,))))
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    return RewardSummary(mean, std, float(means.std()), float(low), float(high), min(rewards), max(rewards), n)


def _bootstrap(valid: Sequence[Trajectory], rewards: Sequence[float], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    records = [trajectory.record for trajectory in valid]
    units = records if len(set(records)) > 1 else [trajectory.id for trajectory in valid]
    places = {unit: place for place, unit in enumerate(dict.fromkeys(units))}
    sums, counts = np.zeros(len(places)), np.zeros(len(places))
    for unit, reward in zip(units, rewards, strict=True):
        sums[places[unit]] += reward
        counts[places[unit]] += 1
    rows = max(1, 1_000_000 // len(places))  # keeps the memory small however many records there are
    drawn = (
        rng.integers(len(places), size=(min(rows, RESAMPLES - done), len(places))) for done in range(0, RESAMPLES, rows)
    )
    return np.concatenate([sums[draw].sum(axis=1) / counts[draw].sum(axis=1) for draw in drawn])


def _means(found: Sequence[Mapping[str, float]], names: Sequence[str]) -> dict[str, float]:
    """The mean of each name over those that have it, in the order of the names."""
    values = {name: [one[name] for one in found if name in one] for name in names}
    return {name: _mean(known) for name, known in values.items() if known}


def _ledger(valid: Sequence[Trajectory]) -> dict[str, float]:
    if not valid:
        return {}
    counts = [trajectory.ledger for trajectory in valid]
    total = {name: sum(count[name] for count in counts) for name in counts[0]}
    means = {name: value / len(valid) for name, value in total.items()}
    covered = [count["must_ask_disclosed"] / count["must_ask"] for count in counts if count["must_ask"]]
    rates = {
        "must_ask_coverage": _mean(covered) if covered else None,
        "privacy": 1 - total["private_unasked"] / total["turns"] if total["turns"] else None,
        "withheld_share": total["withheld"] / total["asked"] if total["asked"] else None,
        "diagnosed": sum(trajectory.ending == "diagnosis" for trajectory in valid) / len(valid),
    }
    return {**means, **{name: rate for name, rate in rates.items() if rate is not None}}
