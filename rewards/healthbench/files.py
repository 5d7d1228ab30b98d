"""HealthBench files: JSON lines, one example a line, as openai/simple-evals publishes them.

The benchmark is three such files: all examples, the hard ones among them, and the consensus ones, which keep only the
criteria that physicians agreed on for a whole class of conversations. `part_of` finds the examples of one file in
another, so that verdicts on all of them give the numbers of the parts as well.
"""

from __future__ import annotations

import hashlib
import json
import random
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

from jsonschema.exceptions import best_match

from medenv.consultation.views import Message
from medenv.errors import RubricError
from medenv.schemas import validator

from ..rubric import Axis, Criterion

__all__ = ["Completions", "Example", "RubricItem", "criteria", "digest", "draw", "load_examples", "part_of"]

AXES: Mapping[str, Axis] = {
    "axis:accuracy": "diagnostic_accuracy",
    "axis:completeness": "consultation_logic",
    "axis:context_awareness": "consultation_logic",
    "axis:communication_quality": "communication",
    "axis:instruction_following": "clarity",
}
"""HealthBench's axes, each with the one of a `Criterion` that is nearest to it. No number depends on the likeness."""


@dataclass(frozen=True, slots=True)
class RubricItem:
    """One criterion of an example."""

    id: str
    """Its place in the row, from 1."""
    criterion: str
    points: int
    """Below zero for what a good response does not do."""
    tags: tuple[str, ...]
    """Such as "axis:accuracy" and "level:example"."""


@dataclass(frozen=True, slots=True)
class Completions:
    """What physicians wrote for an example, and what they were shown before they wrote it."""

    ideal: str
    group: str | None
    """"Group 1" saw no reference; "Group 2" and "Group 3" saw responses of models of 2024 and of 2025."""
    references: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """One conversation that waits for its next response, and what that is graded by."""

    prompt_id: str
    prompt: tuple[Message, ...]
    rubrics: tuple[RubricItem, ...]
    example_tags: tuple[str, ...]
    """Such as "theme:global_health"."""
    completions: Completions | None = None


def load_examples(path: str | PathLike[str]) -> tuple[Example, ...]:
    """Reads a HealthBench file.

    Raises:
        RubricError: The file cannot be read, or a line is no example; the message names file and line.
    """
    try:
        content = Path(path).read_bytes().removeprefix(BOM_UTF8)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RubricError(f"expected a HealthBench file, got {str(path)!r}: {reason}") from None
    examples: dict[str, Example] = {}
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            example = _example(json.loads(line.decode("utf-8")))
        except RubricError as error:
            raise RubricError(f"{path}, line {number}: {error}") from None
        except (ValueError, RecursionError) as error:
            reason = " ".join(str(error).split())[:200]
            raise RubricError(f"{path}, line {number}: expected JSON, got text that is none: {reason}") from None
        if example.prompt_id in examples:
            raise RubricError(f"{path}, line {number}: expected every prompt_id once, got {example.prompt_id!r} again")
        examples[example.prompt_id] = example
    if not examples:
        raise RubricError(f"{path}: expected at least one example, got none")
    return tuple(examples.values())


def draw(examples: Sequence[Example], n: int, *, seed: int = 0) -> tuple[Example, ...]:
    """Some of the examples, all of them where there are not more; seed 0 draws those that simple-evals draws.

    Raises:
        RubricError: `n` is below 1.
    """
    if n < 1:
        raise RubricError(f"expected at least 1 example, got {n}")
    return tuple(random.Random(seed).sample(list(examples), n)) if n < len(examples) else tuple(examples)


def part_of(whole: Sequence[Example], part: Sequence[Example]) -> tuple[Example, ...]:
    """The examples of one file, with their criteria under the ids that they have in another.

    Raises:
        RubricError: An example, or a criterion of it, is not there.
    """
    by_id = {example.prompt_id: example for example in whole}
    found = []
    for example in part:
        if example.prompt_id not in by_id:
            raise RubricError(f"expected a part of the examples, got {example.prompt_id!r}, which is not among them")
        waiting = list(by_id[example.prompt_id].rubrics)
        items = []
        for item in example.rubrics:
            same = next((i for i in waiting if (i.criterion, i.points) == (item.criterion, item.points)), None)
            if same is None:
                raise RubricError(
                    f"{example.prompt_id}: expected criteria that the whole example has, got {item.criterion[:80]!r}"
                )
            waiting.remove(same)
            items.append(replace(item, id=same.id))
        found.append(replace(example, rubrics=tuple(items)))
    return tuple(found)


def criteria(example: Example) -> tuple[Criterion, ...]:
    """What a judge is asked about a response to an example."""
    return tuple(
        Criterion(
            item.id,
            item.criterion,
            item.points,
            next((AXES[tag] for tag in item.tags if tag in AXES), "clarity"),
            level="general" if "level:cluster" in item.tags else "case",
            scope="response",
        )
        for item in example.rubrics
    )


def digest(examples: Sequence[Example]) -> str:
    """A hash of all that is in some examples, in their order."""
    sha256 = hashlib.sha256()
    for example in examples:
        sha256.update(json.dumps(asdict(example), sort_keys=True).encode() + b"\n")
    return sha256.hexdigest()


def _example(row: Any) -> Example:
    error = best_match(validator("medenv.rewards.healthbench", "example").iter_errors(row))
    if error is not None:
        raise RubricError(f"field {error.json_path}: {error.message[:300]}")
    items = enumerate(row["rubrics"], start=1)
    return Example(
        prompt_id=row["prompt_id"],
        prompt=tuple(Message(message["role"], message["content"]) for message in row["prompt"]),
        rubrics=tuple(
            RubricItem(str(place), item["criterion"], int(item["points"]), tuple(item["tags"])) for place, item in items
        ),
        example_tags=tuple(row["example_tags"]),
        completions=_completions(row.get("ideal_completions_data")),
    )


def _completions(data: Mapping[str, Any] | None) -> Completions | None:
    if data is None:
        return None
    return Completions(
        ideal=data["ideal_completion"],
        group=data.get("ideal_completions_group"),
        references=tuple(data.get("ideal_completions_ref_completions") or ()),
    )
