"""Calibration: how well probabilities of verdicts hold on verdicts that training never saw, beside base rates."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medenv.errors import RunError

from ..rubric import AXES, Axis, Criterion

if TYPE_CHECKING:
    from .examples import Example
    from .model import RewardModel

__all__ = ["AxisCalibration", "BaseRates", "Bin", "Calibration", "calibration", "measure"]

BINS = 10
"""Of the reliability table, equally wide."""
SEEN = 5
"""Verdicts from which on a criterion has a base rate of its own."""


@dataclass(frozen=True, slots=True)
class Bin:
    """One row of the reliability table: verdicts whose probability lay in [low, high), the last bin with its end."""

    low: float
    high: float
    verdicts: int
    probability: float
    """The mean of those given; 0 where there are none."""
    met: float
    """The share that was met; 0 where there are none."""


@dataclass(frozen=True, slots=True)
class AxisCalibration:
    """How well the probabilities of one axis, or of all, hold."""

    verdicts: int
    met: float
    """The share that was met."""
    accuracy: float
    majority: float
    """The accuracy of the answer that is commoner in training on this axis, always given."""
    base: float
    """The accuracy of the base rate of each criterion."""
    brier: float
    """The mean squared error of the probabilities."""
    brier_base: float
    """The same for the base rates of the criteria."""
    ece: float
    """The expected calibration error over `BINS` bins."""
    auroc: float | None
    """None where all verdicts are the same."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """How well probabilities hold, over all verdicts and by axis."""

    overall: AxisCalibration
    axes: dict[Axis, AxisCalibration]
    """Those of which there are verdicts."""
    reliability: tuple[Bin, ...]

    def as_dict(self) -> dict[str, Any]:
        """The calibration as plain data, fresh at each call."""
        data = asdict(self)
        return {**data, "reliability": list(data["reliability"])}


class BaseRates:
    """What one would guess without reading a word: how often each criterion was met in training.

    A criterion that training hardly knows, as one about a single record, has the base rate of its axis and sign.

    Args:
        examples: What a model learned from.

    Raises:
        RunError: There is no verdict.
    """

    def __init__(self, examples: Iterable[Example]) -> None:
        self._met: Counter[tuple[str, ...]] = Counter()
        self._all: Counter[tuple[str, ...]] = Counter()
        for example in examples:
            for criterion, met in zip(example.criteria, example.met, strict=True):
                for key in _keys(criterion):
                    self._all[key] += 1
                    self._met[key] += met
        if not self._all:
            raise RunError("expected verdicts to take base rates from, got none")

    def probability(self, criterion: Criterion) -> float:
        """How often the criterion was met, or those of its axis and sign, or of its axis, or any."""
        return self._rate(_keys(criterion))

    def majority(self, axis: Axis) -> bool:
        """What is commoner on an axis."""
        return self._rate((("axis", axis), ())) >= 0.5

    def _rate(self, keys: Iterable[tuple[str, ...]]) -> float:
        key = next((key for key in keys if self._all[key] >= SEEN), ())
        return self._met[key] / self._all[key]


def _keys(criterion: Criterion) -> tuple[tuple[str, ...], ...]:
    sign = "+" if criterion.points > 0 else "-"
    return ("id", criterion.id), ("axis", criterion.axis, sign), ("axis", criterion.axis), ()


def calibration(model: RewardModel, examples: Sequence[Example], base: BaseRates) -> Calibration:
    """How well a model's probabilities hold on examples; criteria on an axis that it never learned count for nothing.

    Args:
        model: The model.
        examples: Those of records that it never saw.
        base: The base rates of what it was trained on.

    Raises:
        RunError: There is no verdict among the examples.
    """
    criteria: list[Criterion] = []
    probabilities: list[float] = []
    met: list[bool] = []
    for example in examples:
        given = model.probabilities(example.messages, example.criteria)
        known = [row for row, probability in enumerate(given) if not math.isnan(probability)]
        criteria += [example.criteria[row] for row in known]
        probabilities += [given[row] for row in known]
        met += [example.met[row] for row in known]
    return measure(criteria, probabilities, met, base)


def measure(
    criteria: Sequence[Criterion], probabilities: Sequence[float], met: Sequence[bool], base: BaseRates
) -> Calibration:
    """How well probabilities hold.

    Args:
        criteria: What each verdict is about.
        probabilities: That it is met.
        met: Whether it is.
        base: What is compared with.

    Raises:
        RunError: There is no verdict.
    """
    if not len(met):
        raise RunError("expected verdicts to measure probabilities on, got none")
    p, y = np.asarray(probabilities, float), np.asarray(met, bool)
    guessed = np.array([base.probability(criterion) for criterion in criteria])
    commoner = np.array([base.majority(criterion.axis) for criterion in criteria])
    on = np.array([criterion.axis for criterion in criteria])
    rows = {axis: on == axis for axis in AXES if (on == axis).any()}
    every = np.ones(len(y), bool)
    return Calibration(
        _measured(p, y, guessed, commoner, every),
        {axis: _measured(p, y, guessed, commoner, chosen) for axis, chosen in rows.items()},
        _reliability(p, y),
    )


def _measured(
    p: np.ndarray, y: np.ndarray, guessed: np.ndarray, commoner: np.ndarray, rows: np.ndarray
) -> AxisCalibration:
    p, y, guessed, commoner = p[rows], y[rows], guessed[rows], commoner[rows]
    bins = _reliability(p, y)
    return AxisCalibration(
        verdicts=len(y),
        met=float(y.mean()),
        accuracy=float(((p >= 0.5) == y).mean()),
        majority=float((commoner == y).mean()),
        base=float(((guessed >= 0.5) == y).mean()),
        brier=float(((p - y) ** 2).mean()),
        brier_base=float(((guessed - y) ** 2).mean()),
        ece=sum(each.verdicts * abs(each.probability - each.met) for each in bins) / len(y),
        auroc=_auroc(p, y),
    )


def _reliability(p: np.ndarray, y: np.ndarray) -> tuple[Bin, ...]:
    place = np.minimum((p * BINS).astype(int), BINS - 1)
    found = []
    for number in range(BINS):
        rows = place == number
        count = int(rows.sum())
        means = (float(p[rows].mean()), float(y[rows].mean())) if count else (0.0, 0.0)
        found.append(Bin(number / BINS, (number + 1) / BINS, count, *means))
    return tuple(found)


def _auroc(p: np.ndarray, y: np.ndarray) -> float | None:
    """The chance that a met criterion has a higher probability than one that is not; half where they are alike."""
    positive = int(y.sum())
    negative = len(y) - positive
    if not positive or not negative:
        return None
    _, place, counts = np.unique(p, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float((ranks[y].sum() - positive * (positive + 1) / 2) / (positive * negative))
