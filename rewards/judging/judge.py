"""The judge: anything that gives one verdict a criterion."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol, runtime_checkable

from medenv.consultation.views import JudgeView, Message
from medenv.rewards.rubric import Criterion
from medenv.rewards.scoring import Verdict

__all__ = ["ConversationJudge", "Judge", "name_of_judge"]


@runtime_checkable
class Judge(Protocol):
    """Anything that gives one verdict a criterion, at once or as an awaitable."""

    def judge(self, criteria: Sequence[Criterion], view: JudgeView) -> Sequence[Verdict] | Awaitable[Sequence[Verdict]]:
        """One verdict for each criterion."""
        ...


@runtime_checkable
class ConversationJudge(Protocol):
    """A judge that needs no episode, only what was said."""

    async def verdicts(
        self, criteria: Sequence[Criterion], messages: Sequence[Message], *, language: str = "en"
    ) -> list[Verdict]:
        """One verdict for each criterion on a conversation, in their order."""
        ...


def name_of_judge(judge: object) -> str:
    """What a judge is called in the settings of a run: its `id` where it has one, else its class."""
    named: str = getattr(judge, "id", type(judge).__qualname__)
    return named
