"""Judges: who decides whether a criterion is met, by id.

`PanelJudge` and `RememberedJudge` have no id, for they need other judges.
"""

from __future__ import annotations

from collections.abc import Callable

from medenv.registry import Registry
from medenv.rewards.judging.costs import Costs, costs_of
from medenv.rewards.judging.hybrid import HybridJudge
from medenv.rewards.judging.judge import ConversationJudge, Judge
from medenv.rewards.judging.language_model import LanguageModelJudge
from medenv.rewards.judging.panel import PanelJudge
from medenv.rewards.judging.remembered import RememberedJudge
from medenv.rewards.judging.rule import RuleJudge

__all__ = [
    "ConversationJudge",
    "Costs",
    "HybridJudge",
    "Judge",
    "LanguageModelJudge",
    "PanelJudge",
    "RememberedJudge",
    "RuleJudge",
    "costs_of",
    "judges",
]

judges: Registry[Callable[[], Judge]] = Registry("judge")
judges.register("rule", RuleJudge)
judges.register("language-model", LanguageModelJudge)
judges.register("hybrid", HybridJudge)
judges.register("learned", "medenv.rewards.learned:LearnedJudge")
