"""Judges: who decides whether a criterion is met."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, runtime_checkable

from medenv.consultation.views import JudgeView
from medenv.registry import Registry
from medenv.rewards.checks import holds
from medenv.rewards.rubric import Criterion
from medenv.rewards.scoring import Verdict

__all__ = ["Judge", "RuleJudge", "judges"]


@runtime_checkable
class Judge(Protocol):
    """Anything that gives one verdict a criterion, at once or as an awaitable."""

    def judge(self, criteria: Sequence[Criterion], view: JudgeView) -> Sequence[Verdict] | Awaitable[Sequence[Verdict]]:
        """One verdict for each criterion."""
        ...


class RuleJudge:
    """Decides by machine checks alone: no model, no network, nothing that words could talk round."""

    def judge(self, criteria: Sequence[Criterion], view: JudgeView) -> list[Verdict]:
        """One verdict for each criterion; a criterion without a check gets none, which makes the episode invalid."""
        return [self._verdict(criterion, view) for criterion in criteria]

    def _verdict(self, criterion: Criterion, view: JudgeView) -> Verdict:
        if criterion.check is None:
            return Verdict(criterion.id, None, "the rule judge decides by machine checks, and this criterion has none")
        return Verdict(criterion.id, holds(criterion.check, view), f"check: {criterion.check.kind}")


judges: Registry[Callable[[], Judge]] = Registry("judge")
judges.register("rule", RuleJudge)
