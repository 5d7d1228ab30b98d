"""The rubric: criteria with points, and the machine check that decides each where one exists."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias, get_args

from jsonschema.exceptions import best_match

from medenv.errors import RubricError
from medenv.schemas import validator

__all__ = ["AXES", "Axis", "Check", "Criterion", "Rubric", "rubric_from_dict", "rubric_to_dict"]

Axis: TypeAlias = Literal[
    "diagnostic_accuracy",
    "consultation_logic",
    "treatment",
    "communication",
    "safety",
    "evidence",
    "clarity",
]
"""The seven graded dimensions of Baichuan-M2 (arXiv 2509.02208)."""

AXES: tuple[Axis, ...] = get_args(Axis)


@dataclass(frozen=True, slots=True)
class Check:
    """A machine check: which one, of what, and how many are needed. `checks.py` holds what each kind means."""

    kind: str
    of: tuple[str, ...] = ()
    """Fact ids, exam ids, topics, signs or names, as the kind wants."""
    at_least: int = 1


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing that a good consultation has (positive points) or that a bad one has (negative points)."""

    id: str
    text: str
    points: int
    """In [-10, 10], not zero."""
    axis: Axis
    level: Literal["case", "general"] = "case"
    """case: about this record; general: about any consultation."""
    scope: Literal["consultation", "response"] = "consultation"
    """consultation: about all that was said and done; response: about the doctor's last message alone."""
    check: Check | None = None
    veto: bool = False
    """A harm that no other merit outweighs: once met, the reward is at most zero."""


@dataclass(frozen=True)
class Rubric:
    """The criteria of one case, in a fixed order."""

    id: str
    criteria: tuple[Criterion, ...]

    def __post_init__(self) -> None:
        ids = [criterion.id for criterion in self.criteria]
        if len(set(ids)) < len(ids):
            twice = next(i for i in ids if ids.count(i) > 1)
            raise RubricError(f"rubric {self.id!r}: expected criteria with different ids, got {twice!r} twice")
        if self.positive <= 0:
            raise RubricError(f"rubric {self.id!r}: expected at least one criterion with positive points, got none")

    @cached_property
    def digest(self) -> str:
        """The first 16 hexadecimal digits of a hash of all that is in it: its version."""
        plain = json.dumps(rubric_to_dict(self), sort_keys=True)
        return hashlib.sha256(plain.encode()).hexdigest()[:16]

    @cached_property
    def positive(self) -> int:
        """The sum of all positive points."""
        return sum(criterion.points for criterion in self.criteria if criterion.points > 0)

    @cached_property
    def negative(self) -> int:
        """The sum of all negative points, at most zero."""
        return sum(criterion.points for criterion in self.criteria if criterion.points < 0)


def rubric_from_dict(data: Mapping[str, Any] | Sequence[Mapping[str, Any]], *, id: str = "expert") -> Rubric:
    """Builds a rubric from plain data, after checking it against `rubric.schema.json`.

    Args:
        data: `{"id", "criteria"}`, or the list of criteria alone.
        id: The id of the rubric where the data is a list.

    Raises:
        RubricError: The data does not fit the schema, or names a check that does not exist.
    """
    from medenv.rewards.checks import check_kinds

    if not isinstance(data, Mapping):
        data = {"id": id, "criteria": list(data)}
    if (error := best_match(validator("medenv.rewards", "rubric").iter_errors(data))) is not None:
        raise RubricError(f"rubric {data.get('id', '?')!r}: field {error.json_path}: {error.message[:300]}")
    criteria = []
    for item in data["criteria"]:
        check = item.get("check")
        if check is not None and check["kind"] not in check_kinds():
            raise RubricError(
                f"rubric {data['id']!r}: criterion {item['id']!r}: expected a check of kind "
                f"{', '.join(sorted(check_kinds()))}; got {check['kind']!r}"
            )
        built = None if check is None else Check(**{**check, "of": tuple(check.get("of", ()))})
        criteria.append(Criterion(**{**item, "check": built}))
    return Rubric(data["id"], tuple(criteria))


def rubric_to_dict(rubric: Rubric) -> dict[str, Any]:
    """The rubric as plain data that `rubric_from_dict` reads back."""
    criteria = []
    for criterion in rubric.criteria:
        item = dataclasses.asdict(criterion)
        if criterion.check is None:
            del item["check"]
        else:
            item["check"]["of"] = list(criterion.check.of)
        criteria.append(item)
    return {"id": rubric.id, "criteria": criteria}
