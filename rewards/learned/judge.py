"""The learned judge: a reward model in the place of a judge that is asked live."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

from medenv.consultation.views import JudgeView, Message
from medenv.errors import RunError

from ..judging.conversation import conversation
from ..rubric import Criterion
from ..scoring import Verdict
from .model import RewardModel

__all__ = ["LearnedJudge"]


class LearnedJudge:
    """Decides by the probability that a reward model gives: met from one half on.

    It reads what was said and done and nothing of the record, and it looks at no machine check. A criterion on an axis
    that the model never learned is left unscored. Words may move it,
    which is what `benchmarks/reward_model.py` measures; where a check exists, let the hybrid judge ask that first.

    Args:
        folder: A reward model as `RewardModel.save` wrote it; MEDENV_REWARD_MODEL where none is given.
        abstain: In [0, 0.5): a criterion whose probability is nearer to one half than this is left unscored, which
            makes the episode invalid. 0 leaves none.

    Raises:
        RunError: There is no reward model in the folder, or `abstain` is out of range.
    """

    def __init__(self, folder: str | Path | None = None, *, abstain: float = 0.0) -> None:
        given = folder if folder is not None else os.environ.get("MEDENV_REWARD_MODEL")
        if not given:
            raise RunError("expected the folder of a reward model, or MEDENV_REWARD_MODEL, got none")
        if not 0 <= abstain < 0.5:
            raise RunError(f"expected abstain in [0, 0.5), got {abstain}")
        self.model = RewardModel.load(given)
        self.abstain = abstain
        self.id = f"learned model={self.model.digest} abstain={abstain:g}"

    def judge(self, criteria: Sequence[Criterion], view: JudgeView) -> list[Verdict]:
        """One verdict for each criterion, in their order; its reason is the probability."""
        return self._verdicts(criteria, conversation(view))

    async def verdicts(
        self, criteria: Sequence[Criterion], messages: Sequence[Message], *, language: str = "en"
    ) -> list[Verdict]:
        """One verdict for each criterion on a conversation, in their order.

        Args:
            criteria: Of each, the text, the axis, the scope and the sign of the points count.
            messages: The doctor's words are `assistant`, the patient's `user`, test results `tool`.
            language: Counts for nothing; the model knows the languages that it was trained on.
        """
        return self._verdicts(criteria, messages)

    def _verdicts(self, criteria: Sequence[Criterion], messages: Sequence[Message]) -> list[Verdict]:
        probabilities = self.model.probabilities(messages, criteria)
        return [self._verdict(criterion, p) for criterion, p in zip(criteria, probabilities, strict=True)]

    def _verdict(self, criterion: Criterion, probability: float) -> Verdict:
        if math.isnan(probability):
            return Verdict(criterion.id, None, f"the model has learned nothing about {criterion.axis}")
        unsure = abs(probability - 0.5) < self.abstain
        return Verdict(criterion.id, None if unsure else probability >= 0.5, f"probability {probability:.3f}")
