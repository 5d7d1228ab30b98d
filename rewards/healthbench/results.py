"""The result: one response to one example, and what was found of it, as plain data."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from medenv.errors import RunError
from medenv.run_file import Format

from ..scoring import Verdict

__all__ = ["FORMAT", "FailureKind", "Result"]

FailureKind: TypeAlias = Literal["doctor", "backend", "judge"]
"""Which part failed. doctor: who was to respond; backend: the model that was to; judge: the judge, or its model."""


@dataclass(frozen=True, slots=True)
class Result:
    """One response: judged, or failed and in no number."""

    prompt_id: str
    repeat: int
    """Which of the responses to this example, from 0."""
    response: str | None
    """None where there is no response."""
    verdicts: tuple[Verdict, ...]
    """One for each rubric item, under its id; none where something failed or there is nothing to score."""
    failure: Mapping[str, str] | None = None
    """For an invalid result the `kind` and the `reason`."""

    @property
    def key(self) -> tuple[str, int]:
        """What tells the results of a run apart."""
        return self.prompt_id, self.repeat

    @property
    def valid(self) -> bool:
        """Whether nothing failed."""
        return self.failure is None

    @property
    def met(self) -> dict[str, bool]:
        """For each rubric item, by its id, whether it is met."""
        return {verdict.criterion: bool(verdict.met) for verdict in self.verdicts}

    def to_json(self) -> str:
        """One line of JSON, keys sorted, in ASCII so that any text survives."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True, ensure_ascii=True, allow_nan=False)

    @classmethod
    def from_dict(cls, data: Any) -> Result:
        """The result that `to_json` wrote.

        Raises:
            RunError: A field is missing, unknown or not what it should be.
        """
        try:
            return cls(**{**data, "verdicts": tuple(Verdict(**verdict) for verdict in data["verdicts"])})
        except (TypeError, KeyError) as error:
            raise RunError(f"expected the fields of a result, got {' '.join(str(error).split())[:200]}") from None


FORMAT: Format[Result] = Format("medenv.healthbench/1", "result", lambda one: one.key, Result.to_json, Result.from_dict)
