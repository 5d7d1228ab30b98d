"""The rule judge: machine checks and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from medenv.consultation.views import JudgeView
from medenv.rewards.checks import holds
from medenv.rewards.rubric import Criterion
from medenv.rewards.scoring import Verdict

__all__ = ["RuleJudge"]


class RuleJudge:
    """Decides by machine checks alone: no model, no network, nothing that words could talk round."""

    id = "rule"

    def judge(self, criteria: Sequence[Criterion], view: JudgeView) -> list[Verdict]:
        """One verdict for each criterion; a criterion without a check gets none, which makes the episode invalid."""
        return [self._verdict(criterion, view) for criterion in criteria]

    def _verdict(self, criterion: Criterion, view: JudgeView) -> Verdict:
        if criterion.check is None:
            return Verdict(criterion.id, None, "the rule judge decides by machine checks, and this criterion has none")
        seen = view if criterion.scope == "consultation" else view.response()
        return Verdict(criterion.id, holds(criterion.check, seen), f"check: {criterion.check.kind}")
