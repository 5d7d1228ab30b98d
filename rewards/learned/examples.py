"""Examples: what judges decided in rollouts, as a reward model learns it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from medenv.consultation.views import Message
from medenv.errors import RunError
from medenv.records.record import Split
from medenv.records.record_set import split_of_id

from ..rubric import AXES, Criterion

if TYPE_CHECKING:
    from medenv.rollout.trajectory import Trajectory

__all__ = ["LIMIT", "Example", "SplitOf", "examples_of", "part_of"]

LIMIT = 8192
"""The most conversations that are learned from, unless told otherwise."""

SplitOf: TypeAlias = Callable[[str], Split]
"""The split of the record with an id."""


@dataclass(frozen=True, slots=True)
class Example:
    """One conversation with all that a judge decided about it."""

    record: str
    """The id of the record."""
    split: Split
    messages: tuple[Message, ...]
    """The conversation as a judge reads it, from the chief complaint on."""
    criteria: tuple[Criterion, ...]
    """Without their machine checks, of which a learned judge knows nothing."""
    met: tuple[bool, ...]
    """One verdict for each."""


def examples_of(
    trajectories: Iterable[Trajectory], *, split: SplitOf = split_of_id, limit: int = LIMIT
) -> tuple[Example, ...]:
    """The examples in judged rollouts; invalid episodes are left out, and so is what comes a second time.

    All rollouts of a record are in one split. What is kept, and in which order, does not depend on the order of the
    trajectories: they come in that of a hash of their content, so that a limit takes from all runs alike.

    Args:
        trajectories: Of any number of runs.
        split: For records whose provenance fixes a split that does not follow from the id.
        limit: The most examples, at least 1.

    Raises:
        RunError: The limit is out of range, or a trajectory holds no criteria with verdicts.
    """
    if limit < 1:
        raise RunError(f"expected a limit of at least 1, got {limit}")
    found = {_digest(example): example for example in _examples(trajectories, split)}
    return tuple(found[key] for key in sorted(found)[:limit])


def part_of(examples: Iterable[Example], split: Split) -> tuple[Example, ...]:
    """The examples of one split."""
    return tuple(example for example in examples if example.split == split)


def _examples(trajectories: Iterable[Trajectory], split: SplitOf) -> Iterator[Example]:
    for trajectory in trajectories:
        if trajectory.score is None:
            continue
        try:
            lines = trajectory.score["criteria"]
            criteria = tuple(_criterion(line) for line in lines)
            met = tuple(line["met"] for line in lines)
            if not all(isinstance(verdict, bool) for verdict in met):
                raise TypeError("a verdict that is neither true nor false")
            yield Example(trajectory.record, split(trajectory.record), tuple(_messages(trajectory)), criteria, met)
        except (KeyError, TypeError, IndexError) as error:
            raise RunError(
                f"trajectory {trajectory.id!r}: expected turns and criteria with verdicts, got {error!r}"
            ) from None


def _criterion(line: Mapping[str, Any]) -> Criterion:
    if line["axis"] not in AXES:
        raise TypeError(f"axis {line['axis']!r}")
    return Criterion(
        line["id"],
        line["text"],
        line["points"],
        line["axis"],
        level=line["level"],
        scope=line.get("scope", "consultation"),
        veto=line["veto"],
    )


def _messages(trajectory: Trajectory) -> Iterator[Message]:
    yield Message("user", trajectory.messages[1]["content"])
    for turn in trajectory.turns:
        yield Message("assistant", turn["doctor"])
        if turn["results"]:
            yield Message("tool", "\n".join(result["text"] for result in turn["results"]))
        if turn["reply"] is not None:
            yield Message("user", turn["reply"])


def _digest(example: Example) -> bytes:
    said = [[message.role, message.content] for message in example.messages]
    decided = [[c.id, c.text, c.points, met] for c, met in zip(example.criteria, example.met, strict=True)]
    return hashlib.sha256(json.dumps([example.record, said, decided]).encode()).digest()
