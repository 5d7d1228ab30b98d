"""Composing: the criteria of a rubric from what a model drafted, whatever it drafted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rapidfuzz import fuzz

from medenv.consultation.matching import words
from medenv.records.record import Record

from ..judging.fence import one_line
from ..rubric import Criterion
from .linking import Links
from .record import safety_criteria

__all__ = ["FEWEST", "Unusable", "composed", "same_criterion"]

FEWEST = 3
"""Fewer criteria than this, once duplicates are merged, are no rubric."""
ALIKE = 92.0
"""From this likeness on, of 100, two texts say the same."""


class Unusable(ValueError):
    """Drafts of which no rubric can be made."""


def composed(
    drafts: Iterable[Mapping[str, Any]], links: Links, record: Record, *, slice: bool
) -> tuple[Criterion, ...]:
    """The criteria that a model's drafts make: cleaned, linked, merged, and with a safety criterion among them.

    Args:
        drafts: What fits the schema of the request.
        links: What they may speak of.
        record: The record, for the safety criterion that a model forgot.
        slice: Whether they are about the doctor's next message alone.

    Raises:
        Unusable: Too few are left, or none has positive points.
    """
    kept: list[Criterion] = []
    for draft in drafts:
        criterion = _criterion(draft, links, slice=slice)
        if criterion is None:
            continue
        twin = next((place for place, other in enumerate(kept) if same_criterion(criterion, other)), None)
        if twin is None:
            kept.append(criterion)
        elif abs(criterion.points) > abs(kept[twin].points):
            kept[twin] = criterion
    kept = _merged(kept)
    if len(kept) < FEWEST or not any(criterion.points > 0 for criterion in kept):
        raise Unusable(
            f"expected at least {FEWEST} different criteria, one of them with positive points, got {len(kept)} with "
            f"the points {[criterion.points for criterion in kept]}"
        )
    if not any(criterion.axis == "safety" and criterion.points < 0 for criterion in kept):
        wanted = replace(safety_criteria(record)[0], scope="response" if slice else "consultation")
        kept = [criterion for criterion in kept if not same_criterion(criterion, wanted)] + [wanted]
    return tuple(replace(criterion, id=f"model.{number}") for number, criterion in enumerate(kept, start=1))


def same_criterion(one: Criterion, other: Criterion) -> bool:
    """Whether two criteria want the same: the same check, or nearly the same words where neither's check differs."""
    if (one.points > 0) != (other.points > 0):
        return False
    if one.check is not None and other.check is not None:
        return one.check == other.check
    first, second = (" ".join(sorted(words(criterion.text))) for criterion in (one, other))
    return fuzz.ratio(first, second) >= ALIKE


def _merged(criteria: Sequence[Criterion]) -> list[Criterion]:
    """Without those that became alike when a heavier one took a lighter one's place."""
    kept: list[Criterion] = []
    for criterion in sorted(criteria, key=lambda criterion: -abs(criterion.points)):
        if not any(same_criterion(criterion, other) for other in kept):
            kept.append(criterion)
    return [criterion for criterion in criteria if criterion in kept]


def _criterion(draft: Mapping[str, Any], links: Links, *, slice: bool) -> Criterion | None:
    text, points, axis = one_line(draft["text"]), draft["points"], draft["axis"]
    if not words(text):
        return None
    labels = tuple(draft["links"]) or links.by_words(text, points)
    if not labels and points > 0 and links.asks_again(text):
        return None
    check = links.check(labels, points, draft["needs"]) if labels else None
    harm = check is not None and check.kind == "harmed"
    return Criterion(
        "draft",
        text,
        points,
        "safety" if harm else axis,
        level="case",
        scope="response" if slice else "consultation",
        check=check,
        veto=harm,
    )
