"""Judges: who decides whether a criterion is met, by id."""

from __future__ import annotations

from collections.abc import Callable

from medenv.registry import Registry
from medenv.rewards.judging.judge import Judge
from medenv.rewards.judging.rule import RuleJudge

__all__ = ["Judge", "RuleJudge", "judges"]

judges: Registry[Callable[[], Judge]] = Registry("judge")
judges.register("rule", RuleJudge)
