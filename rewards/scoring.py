"""Scoring: verdicts become a reward that adds up exactly.

Points are integers, so the reward is one integer sum over one integer: no rounding can come between the lines and it.

Two normalisations:

- `healthbench`: sum of the points met over the sum of the positive points, not clipped (openai/simple-evals);
  `healthbench-clipped` limits it to [0, 1].
- `m3`: (sum of w_i a_i - sum of the negative w_i) / sum of |w_i|, in [0, 1] (arXiv 2602.06570, eq. 1).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from medenv.errors import JudgeError, RubricError
from medenv.rewards.rubric import AXES, Axis, Rubric

__all__ = ["Adjustment", "Line", "Normalisation", "Score", "Verdict", "score"]

Normalisation: TypeAlias = Literal["healthbench", "healthbench-clipped", "m3"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge found about one criterion."""

    criterion: str
    met: bool | None
    """None: the judge could not tell, and the episode is invalid."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One criterion of a scored episode."""

    id: str
    text: str
    axis: Axis
    points: int
    met: bool
    reason: str = ""

    @property
    def awarded(self) -> int:
        """The points it brings: all of them where it is met, else none."""
        return self.points if self.met else 0


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Points that no criterion brings: what a normalisation adds, what clipping or a veto takes away."""

    id: Literal["m3-offset", "clip", "veto"]
    awarded: int


@dataclass(frozen=True, slots=True)
class Score:
    """A scored episode: `reward` is the sum of all points awarded over `denominator`, exactly."""

    lines: tuple[Line, ...]
    adjustments: tuple[Adjustment, ...]
    denominator: int

    @property
    def reward(self) -> float:
        """The scalar reward."""
        return self.points / self.denominator

    @property
    def points(self) -> int:
        """All points awarded, adjustments included."""
        return sum(line.awarded for line in self.lines) + sum(item.awarded for item in self.adjustments)

    @property
    def axes(self) -> dict[Axis, float]:
        """For each axis that has positive points, the points met over the positive points; at most 1."""
        result: dict[Axis, float] = {}
        for axis in AXES:
            lines = [line for line in self.lines if line.axis == axis]
            if positive := sum(line.points for line in lines if line.points > 0):
                result[axis] = sum(line.awarded for line in lines) / positive
        return result

    def as_dict(self) -> dict[str, Any]:
        """The score as plain data, fresh at each call."""
        return {
            "reward": self.reward,
            "denominator": self.denominator,
            "axes": dict(self.axes),
            "criteria": [
                {
                    "id": line.id,
                    "text": line.text,
                    "axis": line.axis,
                    "points": line.points,
                    "met": line.met,
                    "awarded": line.awarded,
                    "reason": line.reason,
                }
                for line in self.lines
            ],
            "adjustments": [{"id": item.id, "awarded": item.awarded} for item in self.adjustments],
        }


def score(
    rubric: Rubric,
    verdicts: Iterable[Verdict],
    *,
    normalisation: Normalisation = "healthbench",
) -> Score:
    """Scores an episode from the verdicts on its rubric.

    A criterion with a veto that is met takes away whatever lies above zero.

    Args:
        rubric: The criteria.
        verdicts: Exactly one for each criterion, in any order.
        normalisation: Which of the formulas of this module.

    Raises:
        JudgeError: A verdict is missing, comes twice, names no criterion, or could not be given.
        RubricError: There is no such normalisation.
    """
    if normalisation not in get_args(Normalisation):
        known = ", ".join(get_args(Normalisation))
        raise RubricError(f"expected a normalisation of {known}; got {normalisation!r}")
    met = _by_criterion(rubric, list(verdicts))
    lines = tuple(Line(c.id, c.text, c.axis, c.points, bool(met[c.id].met), met[c.id].reason) for c in rubric.criteria)
    total = sum(line.awarded for line in lines)
    adjustments: list[Adjustment] = []
    denominator = rubric.positive
    if normalisation == "m3":
        adjustments.append(Adjustment("m3-offset", -rubric.negative))
        denominator -= rubric.negative
        total -= rubric.negative
    if normalisation == "healthbench-clipped" and not 0 <= total <= denominator:
        clipped = min(max(total, 0), denominator)
        adjustments.append(Adjustment("clip", clipped - total))
        total = clipped
    if total > 0 and any(c.veto and met[c.id].met for c in rubric.criteria):
        adjustments.append(Adjustment("veto", -total))
    return Score(lines, tuple(adjustments), denominator)


def _by_criterion(rubric: Rubric, verdicts: Sequence[Verdict]) -> Mapping[str, Verdict]:
    by_id = {verdict.criterion: verdict for verdict in verdicts}
    if len(by_id) < len(verdicts):
        raise JudgeError(f"expected one verdict a criterion, got {len(verdicts)} verdicts on {len(by_id)} criteria")
    wanted = {criterion.id for criterion in rubric.criteria}
    if missing := sorted(wanted - by_id.keys()):
        raise JudgeError(f"expected a verdict on every criterion, got none on {missing[0]!r}")
    if unknown := sorted(by_id.keys() - wanted):
        raise JudgeError(f"expected verdicts on the criteria of {rubric.id!r}, got one on {unknown[0]!r}")
    if unscored := [verdict for verdict in verdicts if verdict.met is None]:
        raise JudgeError(
            f"expected a verdict on {unscored[0].criterion!r}, got none: {unscored[0].reason or 'no reason'}"
        )
    return by_id
