"""What a rubric generator is, and how one becomes what scores whole consultations."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

from medenv.consultation.seats import release
from medenv.records.record import Record

from ..rubric import Rubric
from .slices import Slice

__all__ = ["GeneratedSource", "RubricGenerator", "RubricSource", "source_of"]

RubricSource: TypeAlias = Callable[[Record], Rubric | Awaitable[Rubric]]
"""What makes the rubric of a whole consultation from its record."""


@runtime_checkable
class RubricGenerator(Protocol):
    """Anything that makes rubrics, at once or as awaitables."""

    def rubric(self, record: Record, dialogue: Slice | None = None) -> Rubric | Awaitable[Rubric]:
        """The rubric of a whole consultation about `record`, or of the doctor's next message after `dialogue`."""
        ...


class GeneratedSource:
    """A generator as a source: makes the rubrics of whole consultations.

    Args:
        generator: What makes them.
    """

    def __init__(self, generator: RubricGenerator) -> None:
        self.generator = generator

    def __call__(self, record: Record) -> Rubric | Awaitable[Rubric]:
        """The rubric of a whole consultation about `record`."""
        return self.generator.rubric(record)

    @property
    def id(self) -> str | None:
        """What the rubrics depend on beside the record, where the generator says so."""
        return getattr(self.generator, "id", None)

    async def aclose(self) -> None:
        """Has the generator let go of what it holds open in the running event loop."""
        await release(self.generator)


def source_of(rubric: str | Path | Rubric | RubricGenerator | RubricSource) -> RubricSource:
    """What scores whole consultations, from whatever may stand for it.

    Args:
        rubric: A registered id, the path of a file that `ExpertRubrics.from_file` reads, one rubric for all records, a
            generator, or a source already.

    Raises:
        UnknownIdError: The id is not registered.
        RubricError: The file cannot be read.
    """
    from medenv.rewards.generation import rubrics
    from medenv.rewards.generation.expert import ExpertRubrics

    if isinstance(rubric, Rubric):
        return lambda record: rubric
    if isinstance(rubric, Path) or (isinstance(rubric, str) and rubric.endswith((".json", ".jsonl"))):
        return GeneratedSource(ExpertRubrics.from_file(rubric))
    made: Any = rubrics.get(rubric) if isinstance(rubric, str) else rubric
    if inspect.isclass(made):
        made = made()
    source: RubricSource = GeneratedSource(made) if isinstance(made, RubricGenerator) else made
    return source
