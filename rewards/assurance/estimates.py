"""Estimates: a figure and its bootstrap interval over consultations, whose verdicts are not independent.

Where a share is 0 or 1 no resampling tells anything, and the interval is the exact binomial one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

__all__ = ["Estimate", "Sums", "estimate", "exact", "ratio", "share"]

Sums: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
"""Sums from which a figure follows, in the last dimension."""

RESAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval; None where nothing was there to tell it by."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    """How many verdicts or pairs of verdicts it is made of."""

    @property
    def real(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    def as_dict(self) -> dict[str, float | int | None]:
        """The estimate as plain data."""
        return {"value": self.value, "low": self.low, "high": self.high, "n": self.n}


def estimate(
    rows: Iterable[tuple[str, Sequence[float]]],
    figure: Callable[[Sums], Sums],
    rng: np.random.Generator,
    *,
    n: int | None = None,
) -> Estimate:
    """A figure that follows from sums, with an interval from whole consultations drawn with replacement.

    Args:
        rows: For each thing counted, its consultation and its share of each sum.
        figure: The figure from the sums, nan where they do not tell it; works along the last dimension.
        rng: Where the draws come from.
        n: How many things count, where not all rows do.
    """
    clusters: dict[str, list[Sequence[float]]] = {}
    count = 0
    for cluster, row in rows:
        clusters.setdefault(cluster, []).append(row)
        count += 1
    if not clusters:
        return Estimate(None, None, None, 0)
    sums = np.array([np.sum(cluster, axis=0) for cluster in clusters.values()], dtype=np.float64)
    value = float(figure(sums.sum(axis=0)))
    drawn = rng.integers(len(sums), size=(RESAMPLES, len(sums)))
    found = figure(sums[drawn].sum(axis=1))
    found = found[~np.isnan(found)]
    low, high = np.quantile(found, ((1 - LEVEL) / 2, (1 + LEVEL) / 2)) if len(found) else (math.nan, math.nan)
    return Estimate(_told(value), _told(low), _told(high), count if n is None else n)


def share(rows: Iterable[tuple[str, Sequence[float]]], rng: np.random.Generator) -> Estimate:
    """The share of ones among rows of (one or zero, 1)."""
    return exact(estimate(rows, lambda sums: ratio(sums[..., 0], sums[..., 1]), rng))


def exact(found: Estimate) -> Estimate:
    """The estimate of a share with the exact interval where it is 0 or 1."""
    if found.value not in (0.0, 1.0):
        return found
    end = ((1 - LEVEL) / 2) ** (1 / found.n)
    return replace(found, low=0.0, high=1 - end) if found.value == 0.0 else replace(found, low=end, high=1.0)


def ratio(above: Sums, below: Sums) -> Sums:
    """One sum over another; nan where the other is zero."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(below != 0, above / below, np.nan))


def _told(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
