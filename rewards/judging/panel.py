"""The panel: several judges vote on each criterion."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from medenv.consultation.seats import release, settle
from medenv.consultation.views import JudgeView, Message
from medenv.errors import JudgeError, MedenvError

from ..rubric import Criterion
from ..scoring import Verdict
from .costs import Costs, total
from .judge import ConversationJudge, Judge, name_of_judge

__all__ = ["PanelJudge"]


class PanelJudge:
    """Takes the majority of several judges on each criterion.

    A judge that could not tell, or that failed, abstains. A tie, or fewer votes than the quorum, leaves the criterion
    unscored.

    Args:
        judges: At least one; of an even number, some criteria may stay tied.
        quorum: How many votes there have to be; without it more than half of the judges.
    """

    def __init__(self, judges: Sequence[Judge], *, quorum: int | None = None) -> None:
        self.judges = tuple(judges)
        self.quorum = len(self.judges) // 2 + 1 if quorum is None else quorum
        if not self.judges or not 1 <= self.quorum <= len(self.judges):
            raise MedenvError(f"expected at least one judge and a quorum of 1 to {len(self.judges)}, got {self.quorum}")

    @property
    def id(self) -> str:
        """The judges and the quorum."""
        return f"panel quorum={self.quorum} " + " ".join(f"({name_of_judge(judge)})" for judge in self.judges)

    async def judge(self, criteria: Sequence[Criterion], view: JudgeView) -> list[Verdict]:
        """One verdict for each criterion, in their order, by majority."""

        async def one(judge: Judge) -> Sequence[Verdict]:
            return await settle(judge.judge(criteria, view))

        return self._counted(criteria, await asyncio.gather(*(_ballot(criteria, one(each)) for each in self.judges)))

    async def verdicts(
        self, criteria: Sequence[Criterion], messages: Sequence[Message], *, language: str = "en"
    ) -> list[Verdict]:
        """One verdict for each criterion on a conversation, in their order, by majority.

        Raises:
            JudgeError: One of the judges needs an episode and cannot judge a conversation.
        """
        able = [judge for judge in self.judges if isinstance(judge, ConversationJudge)]
        if len(able) < len(self.judges):
            unable = next(judge for judge in self.judges if not isinstance(judge, ConversationJudge))
            raise JudgeError(f"expected judges that can judge a conversation, got {name_of_judge(unable)}")
        answers = (judge.verdicts(criteria, messages, language=language) for judge in able)
        return self._counted(criteria, await asyncio.gather(*(_ballot(criteria, answer) for answer in answers)))

    @property
    def costs(self) -> Costs | None:
        """What the judges have spent; None where nobody counts."""
        return total(self.judges)

    async def aclose(self) -> None:
        """Lets go of what the judges hold open in the running event loop."""
        await release(*self.judges)

    def _counted(self, criteria: Sequence[Criterion], ballots: Sequence[Sequence[Verdict]]) -> list[Verdict]:
        return [self._verdict(votes) for votes in zip(*ballots, strict=True)] if criteria else []

    def _verdict(self, votes: Sequence[Verdict]) -> Verdict:
        criterion = votes[0].criterion
        yes, no = sum(vote.met is True for vote in votes), sum(vote.met is False for vote in votes)
        count = f"{yes} for, {no} against, {len(votes) - yes - no} abstained"
        if yes + no < self.quorum:
            why = next((vote.reason for vote in votes if vote.met is None and vote.reason), "no reason")
            return Verdict(criterion, None, f"expected {self.quorum} votes, got {count}: {why}")
        return Verdict(criterion, None if yes == no else yes > no, count)


async def _ballot(criteria: Sequence[Criterion], answer: Awaitable[Sequence[Verdict]]) -> list[Verdict]:
    """What one judge says of each criterion; a judge that fails abstains on all."""
    try:
        said = {verdict.criterion: verdict for verdict in await answer}
        why = "no verdict"
    except Exception as error:
        said, why = {}, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return [said.get(criterion.id, Verdict(criterion.id, None, why)) for criterion in criteria]
