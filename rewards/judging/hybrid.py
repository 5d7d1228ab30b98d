"""The hybrid judge: machine checks where there are some, and a model for the rest."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from medenv.consultation.seats import release, settle
from medenv.consultation.views import JudgeView

from ..rubric import Criterion
from ..scoring import Verdict
from .costs import Costs, costs_of
from .judge import Judge, name_of_judge
from .language_model import LanguageModelJudge
from .rule import RuleJudge

__all__ = ["HybridJudge"]


class HybridJudge:
    """Decides by machine check whatever has one, and asks another judge only about what no check decides.

    Args:
        other: Who decides the rest; without it a `LanguageModelJudge` on the server that the environment names.
    """

    def __init__(self, other: Judge | None = None) -> None:
        self.rule = RuleJudge()
        self.other: Judge = LanguageModelJudge() if other is None else other

    @property
    def id(self) -> str:
        """Who decides what no check decides."""
        return f"hybrid ({name_of_judge(self.other)})"

    def judge(self, criteria: Sequence[Criterion], view: JudgeView) -> Sequence[Verdict] | Awaitable[Sequence[Verdict]]:
        """One verdict for each criterion, in their order; at once where every criterion has a check."""
        by_rule = self.rule.judge([criterion for criterion in criteria if criterion.check is not None], view)
        rest = [criterion for criterion in criteria if criterion.check is None]
        return self._with_the_rest(criteria, by_rule, rest, view) if rest else by_rule

    async def _with_the_rest(
        self, criteria: Sequence[Criterion], by_rule: Sequence[Verdict], rest: Sequence[Criterion], view: JudgeView
    ) -> Sequence[Verdict]:
        asked = await settle(self.other.judge(rest, view))
        places = {criterion.id: place for place, criterion in enumerate(criteria)}
        return sorted((*by_rule, *asked), key=lambda verdict: places.get(verdict.criterion, len(places)))

    @property
    def costs(self) -> Costs | None:
        """What the other judge has spent; None where nobody counts."""
        return costs_of(self.other)

    async def aclose(self) -> None:
        """Lets go of what the other judge holds open in the running event loop."""
        await release(self.other)
