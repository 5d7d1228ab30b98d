"""Scaling: what makes the probabilities of a model those with which it is right, after Platt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

__all__ = ["Scaling", "fit_scaling"]

PRIOR = 1.0
"""How firmly slope and offset stay at 1 and 0, as a precision: on few verdicts they hardly move."""
STEPS = 50
LARGEST = 30.0
"""Beyond it a logit is as good as certain."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """A logit becomes the probability `sigmoid(slope * logit + offset)`."""

    slope: float = 1.0
    """Above 0, so that scaling changes no order."""
    offset: float = 0.0

    def __post_init__(self) -> None:
        if not (self.slope > 0 and math.isfinite(self.slope) and math.isfinite(self.offset)):
            raise ValueError(f"a slope of {self.slope!r} with an offset of {self.offset!r}")

    def probability(self, logit: float) -> float:
        """The probability that a logit stands for; of none, none."""
        if math.isnan(logit):
            return math.nan
        scaled = max(-LARGEST, min(LARGEST, self.slope * logit + self.offset))
        return 1 / (1 + math.exp(-scaled))

    def as_dict(self) -> dict[str, float]:
        """The scaling as plain data."""
        return asdict(self)


def fit_scaling(logits: Sequence[float], met: Sequence[bool]) -> Scaling:
    """The scaling under which verdicts that training never saw are likeliest, by Newton's method."""
    x, y = np.clip(np.asarray(logits, float), -LARGEST, LARGEST), np.asarray(met, float)
    log_slope, offset = 0.0, 0.0
    loss = _loss(x, y, log_slope, offset)
    for _ in range(STEPS):
        # The slope is fitted as its logarithm, which keeps it above 0.
        scaled = math.exp(log_slope) * x
        p = _sigmoid(scaled + offset)
        wrong, spread = p - y, p * (1 - p)
        gradient = np.array([wrong @ scaled + PRIOR * log_slope, wrong.sum() + PRIOR * offset])
        # Without the part that can make it indefinite: Gauss-Newton.
        hessian = np.array(
            [
                [spread @ scaled**2 + PRIOR, spread @ scaled],
                [spread @ scaled, spread.sum() + PRIOR],
            ]
        )
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while size > 1e-6:
            tried = log_slope - size * step[0], offset - size * step[1]
            if (better := _loss(x, y, *tried)) <= loss:
                break
            size /= 2
        else:
            break
        done = loss - better < 1e-10 * (1 + loss)
        (log_slope, offset), loss = tried, better
        if done:
            break
    return Scaling(math.exp(log_slope), float(offset))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    p: np.ndarray = 1 / (1 + np.exp(-x))
    return p


def _loss(x: np.ndarray, y: np.ndarray, log_slope: float, offset: float) -> float:
    z = math.exp(log_slope) * x + offset
    fit = float(np.logaddexp(0, z).sum() - y @ z)
    return fit + PRIOR / 2 * (log_slope**2 + offset**2)
