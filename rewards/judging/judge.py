"""The judge: anything that gives one verdict a criterion."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol, runtime_checkable

from medenv.consultation.views import JudgeView
from medenv.rewards.rubric import Criterion
from medenv.rewards.scoring import Verdict

__all__ = ["Judge"]


@runtime_checkable
class Judge(Protocol):
    """Anything that gives one verdict a criterion, at once or as an awaitable."""

    def judge(self, criteria: Sequence[Criterion], view: JudgeView) -> Sequence[Verdict] | Awaitable[Sequence[Verdict]]:
        """One verdict for each criterion."""
        ...
