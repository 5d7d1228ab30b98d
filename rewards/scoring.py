"""Scoring: verdicts become a reward that adds up exactly.

Points, weights and penalties are integers, so the reward is one integer sum over one integer: no rounding can come
between the lines and it.

Two normalisations:

- `healthbench`: sum of the points met over the sum of the positive points, not clipped (openai/simple-evals);
  `healthbench-clipped` limits it to [0, 1].
- `m3`: (sum of w_i a_i - sum of the negative w_i) / sum of |w_i| (arXiv 2602.06570, eq. 1), in [0, 1] where nothing is
  penalised.

How an episode is scored is a `Scoring`: `scoring.toml` is the default, written out, and every score carries its own.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from jsonschema.exceptions import best_match

from medenv.consultation.views import JudgeView
from medenv.errors import JudgeError, RubricError
from medenv.schemas import validator

from .rubric import AXES, Axis, Criterion, Rubric

__all__ = ["Adjustment", "Line", "Normalisation", "Score", "Scoring", "Verdict", "load_scoring", "score"]

Normalisation: TypeAlias = Literal["healthbench", "healthbench-clipped", "m3"]

Level: TypeAlias = Literal["case", "general"]

Scope: TypeAlias = Literal["consultation", "response"]


@dataclass(frozen=True, slots=True)
class Scoring:
    """How verdicts become a reward. The fields are those of `scoring.schema.json`; penalties are off unless asked for.

    Raises:
        RubricError: A field does not fit the schema.
    """

    normalisation: Normalisation = "healthbench"
    """Which of the formulas of this module."""
    veto: bool = True
    """Whether a criterion with a veto that is met takes away whatever lies above zero."""
    weights: Mapping[Axis, int] = field(default_factory=dict, hash=False)
    """What the points of an axis are multiplied by; 1 where it is not named. 0 leaves an axis out of the reward, but
    not its vetoes."""
    repeated: int = 0
    """Points off for each turn that asks again for what was told."""
    turn: int = 0
    """Points off for each turn beyond `free_turns`."""
    free_turns: int = 12
    order: int = 0
    """Points off for each needless order beyond `free_orders`. The first order of a key exam is not needless, nor is
    that of an exam at the bedside."""
    free_orders: int = 3

    def __post_init__(self) -> None:
        plain = {name: getattr(self, name) for name in _FIELDS}
        if (error := best_match(validator("medenv.rewards", "scoring").iter_errors(plain))) is not None:
            raise RubricError(f"scoring: field {error.json_path}: {' '.join(error.message.split())[:300]}")
        # A schema takes 2.0 for an integer.
        weights = {axis: int(self.weights[axis]) for axis in AXES if self.weights.get(axis, 1) != 1}
        object.__setattr__(self, "weights", weights)
        for name in ("repeated", "turn", "free_turns", "order", "free_orders"):
            object.__setattr__(self, name, int(getattr(self, name)))

    def __str__(self) -> str:
        """The scoring in one line, for people."""
        parts = [self.normalisation, "veto" if self.veto else "no veto"]
        parts += [f"{axis.replace('_', ' ')} x {weight}" for axis, weight in self.weights.items()]
        for points, what in (
            (self.repeated, "a turn that asks again"),
            (self.turn, f"a turn beyond {self.free_turns}"),
            (self.order, f"a needless order beyond {self.free_orders}"),
        ):
            if points:
                parts.append(f"-{points} {what}")
        return ", ".join(parts)

    @property
    def penalises(self) -> bool:
        """Whether any penalty is on."""
        return bool(self.repeated or self.turn or self.order)

    def weight(self, axis: Axis) -> int:
        """What the points of an axis are multiplied by."""
        return self.weights.get(axis, 1)

    def as_dict(self) -> dict[str, Any]:
        """The scoring as plain data that `from_dict` reads back, every weight named; fresh at each call."""
        plain = {name: getattr(self, name) for name in _FIELDS}
        return {**plain, "weights": {axis: self.weight(axis) for axis in AXES}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Scoring:
        """Reads a scoring from plain data; what is left out has its default.

        Raises:
            RubricError: A field does not exist or does not fit.
        """
        if unknown := sorted(data.keys() - set(_FIELDS)):
            raise RubricError(f"scoring: expected fields of {', '.join(_FIELDS)}; got {unknown[0]!r}")
        return cls(**data)


_FIELDS = tuple(part.name for part in dataclasses.fields(Scoring))


def load_scoring(path: str | os.PathLike[str]) -> Scoring:
    """The scoring of a TOML file; what the file leaves out has its default.

    Raises:
        RubricError: The file cannot be read, is no TOML, or a field does not fit.
    """
    try:
        data = tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError, TypeError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        raise RubricError(f"expected a TOML file of scoring, got {str(path)!r}: {reason}") from None
    try:
        return Scoring.from_dict(data)
    except RubricError as error:
        raise RubricError(f"{path}: {error}") from None


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
    level: Level = "case"
    veto: bool = False
    weight: int = 1
    """Of its axis."""
    scope: Scope = "consultation"

    @property
    def worth(self) -> int:
        """The points it brings where it is met."""
        return self.points * self.weight

    @property
    def awarded(self) -> int:
        """The points it brings: all it is worth where it is met, else none."""
        return self.worth if self.met else 0


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Points that no criterion brings: what a normalisation adds, what a penalty, clipping or a veto takes away."""

    id: Literal["m3-offset", "repeated", "turns", "orders", "clip", "veto"]
    awarded: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """A scored episode: `reward` is the sum of all points awarded over `denominator`, exactly."""

    lines: tuple[Line, ...]
    adjustments: tuple[Adjustment, ...]
    denominator: int
    scoring: Scoring = field(default_factory=Scoring)

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
        """For each axis that has positive points, the points met over the positive points; at most 1.

        Here and in `levels` and `shares` the points are those of the rubric, whatever an axis weighs, so that they can
        be compared from one scoring to another.
        """
        parts = {axis: _share([line for line in self.lines if line.axis == axis]) for axis in AXES}
        return {axis: share for axis, share in parts.items() if share is not None}

    @property
    def levels(self) -> dict[Level, float]:
        """The same for the criteria about this case and for those about any consultation."""
        parts = {level: _share([line for line in self.lines if line.level == level]) for level in get_args(Level)}
        return {level: share for level, share in parts.items() if share is not None}

    @property
    def shares(self) -> dict[str, float]:
        """Of the positive points those met, and of the negative points those incurred, each in [0, 1]."""
        signs = {
            "positive": [line for line in self.lines if line.points > 0],
            "negative": [line for line in self.lines if line.points < 0],
        }
        return {
            sign: sum(line.points for line in lines if line.met) / sum(line.points for line in lines)
            for sign, lines in signs.items()
            if lines
        }

    def as_dict(self) -> dict[str, Any]:
        """The score as plain data, fresh at each call."""
        return {
            "reward": self.reward,
            "denominator": self.denominator,
            "scoring": self.scoring.as_dict(),
            "axes": dict(self.axes),
            "levels": dict(self.levels),
            "shares": self.shares,
            "criteria": [
                {
                    "id": line.id,
                    "text": line.text,
                    "axis": line.axis,
                    "level": line.level,
                    "scope": line.scope,
                    "veto": line.veto,
                    "points": line.points,
                    "weight": line.weight,
                    "met": line.met,
                    "awarded": line.awarded,
                    "reason": line.reason,
                }
                for line in self.lines
            ],
            "adjustments": [
                {"id": item.id, "awarded": item.awarded, "reason": item.reason} for item in self.adjustments
            ],
        }


def _share(lines: Sequence[Line]) -> float | None:
    positive = sum(line.points for line in lines if line.points > 0)
    return sum(line.points for line in lines if line.met) / positive if positive else None


def score(
    rubric: Rubric,
    verdicts: Iterable[Verdict],
    *,
    scoring: Scoring | None = None,
    normalisation: Normalisation | None = None,
    view: JudgeView | None = None,
) -> Score:
    """Scores an episode from the verdicts on its rubric.

    Args:
        rubric: The criteria.
        verdicts: Exactly one for each criterion, in any order.
        scoring: How; by default nothing weighs more than its points, vetoes hold, and there are no penalties.
        normalisation: In place of a scoring, the default with another normalisation.
        view: The episode; only penalties look at it.

    Raises:
        JudgeError: A verdict is missing, comes twice, names no criterion, or could not be given.
        RubricError: There is no such normalisation, a scoring comes with a normalisation, penalties come without a
            view, or the weights leave no positive points.
    """
    if scoring is not None and normalisation is not None:
        raise RubricError("expected a scoring or a normalisation, got both")
    if scoring is None:
        scoring = Scoring() if normalisation is None else Scoring(normalisation=normalisation)
    met = _by_criterion(rubric, list(verdicts))
    lines = tuple(_line(criterion, met[criterion.id], scoring) for criterion in rubric.criteria)
    denominator = sum(line.worth for line in lines if line.points > 0)
    if not denominator:
        raise RubricError(f"rubric {rubric.id!r}: expected positive points under these weights, got none")
    adjustments: list[Adjustment] = []
    if scoring.normalisation == "m3":
        offset = -sum(line.worth for line in lines if line.points < 0)
        adjustments.append(Adjustment("m3-offset", offset))
        denominator += offset
    if scoring.penalises:
        if view is None:
            raise RubricError("expected the view of the episode for its penalties, got none")
        adjustments += _penalties(scoring, view)
    total = sum(line.awarded for line in lines) + sum(item.awarded for item in adjustments)
    if scoring.normalisation == "healthbench-clipped" and not 0 <= total <= denominator:
        clipped = min(max(total, 0), denominator)
        adjustments.append(Adjustment("clip", clipped - total))
        total = clipped
    if scoring.veto and total > 0 and (harms := [line.id for line in lines if line.veto and line.met]):
        adjustments.append(Adjustment("veto", -total, harms[0]))
    return Score(lines, tuple(adjustments), denominator, scoring)


def _line(criterion: Criterion, verdict: Verdict, scoring: Scoring) -> Line:
    return Line(
        criterion.id,
        criterion.text,
        criterion.axis,
        criterion.points,
        bool(verdict.met),
        verdict.reason,
        criterion.level,
        criterion.veto,
        scoring.weight(criterion.axis),
        criterion.scope,
    )


def _penalties(scoring: Scoring, view: JudgeView) -> Iterator[Adjustment]:
    again = sum(bool(entry.repeated) for entry in view.ledger)
    turns = max(0, len(view.turns) - scoring.free_turns)
    orders = max(0, _needless_orders(view) - scoring.free_orders)
    if again and scoring.repeated:
        yield Adjustment("repeated", -again * scoring.repeated, f"turns that asked again: {again}")
    if turns and scoring.turn:
        yield Adjustment("turns", -turns * scoring.turn, f"turns beyond {scoring.free_turns}: {turns}")
    if orders and scoring.order:
        yield Adjustment("orders", -orders * scoring.order, f"needless orders beyond {scoring.free_orders}: {orders}")


def _needless_orders(view: JudgeView) -> int:
    needed = {exam.id for exam in view.record.exams if exam.key or exam.kind == "bedside"}
    return sum(result.repeated or result.exam not in needed for turn in view.turns for result in turn.results)


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
