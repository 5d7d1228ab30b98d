"""Rubric generation: criteria from a record by rule, from the record or a dialogue by a model, or by experts in a file.

All three kinds are a `RubricGenerator`: asked with a record they give the rubric of a whole consultation, and with a
dialogue slice as well that of the doctor's next message. A `RubricSource` is what scores whole consultations alone.
"""

from __future__ import annotations

from collections.abc import Callable

from medenv.registry import Registry
from medenv.rewards.generation.expert import ExpertRubrics
from medenv.rewards.generation.generator import GeneratedSource, RubricGenerator, RubricSource, source_of
from medenv.rewards.generation.record import RecordRubrics, record_rubric
from medenv.rewards.generation.slices import Slice, defect_of, score_response, slice_before, slices

__all__ = [
    "ExpertRubrics",
    "GeneratedSource",
    "RecordRubrics",
    "RubricGenerator",
    "RubricSource",
    "Slice",
    "defect_of",
    "record_rubric",
    "rubrics",
    "score_response",
    "slice_before",
    "slices",
    "source_of",
]

rubrics: Registry[RubricSource | Callable[[], RubricGenerator]] = Registry("rubric")
"""Sources, and classes of generators whose settings are taken from the environment."""

rubrics.register("record", record_rubric)
rubrics.register("model", "medenv.rewards.generation.model:ModelRubrics")
