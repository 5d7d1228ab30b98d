"""Trials: what a judge is asked, and what it answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from medenv.consultation.seats import release, settle
from medenv.consultation.views import JudgeView

from ..judging import Judge
from ..rubric import Criterion
from .labels import LabelledConsultation

__all__ = ["Answer", "Trial", "answers"]


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One call of a judge: a consultation, as written or changed, and criteria in an order."""

    consultation: LabelledConsultation
    criteria: tuple[Criterion, ...]
    view: JudgeView
    repeat: int = 0
    """Which of the judge's seeds it is asked with."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What came of a trial."""

    trial: Trial
    met: dict[str, bool | None]
    """By the id of the criterion; None where there was no verdict."""
    failure: str = ""
    """Why the judge gave no verdict at all."""


async def answers(
    judge: Callable[[int], Judge],
    trials: Sequence[Trial],
    *,
    concurrency: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[Answer]:
    """The answers to all trials, in their order; a judge that fails leaves a trial unscored.

    Args:
        judge: The judge of each repeat.
        trials: What is asked.
        concurrency: How many calls are under way at the same time.
        progress: Told how many trials are over, and of how many.
    """
    gate = asyncio.Semaphore(concurrency)
    used: dict[int, Judge] = {}
    over = 0

    async def one(trial: Trial) -> Answer:
        nonlocal over
        async with gate:
            if trial.repeat not in used:
                used[trial.repeat] = judge(trial.repeat)
            answer = await _answer(used[trial.repeat], trial)
        over += 1
        if progress is not None:
            progress(over, len(trials))
        return answer

    tasks = [asyncio.ensure_future(one(trial)) for trial in trials]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await release(*used.values())


async def _answer(judge: Judge, trial: Trial) -> Answer:
    try:
        verdicts = await settle(judge.judge(trial.criteria, trial.view))
        found = {verdict.criterion: verdict.met for verdict in verdicts}
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return Answer(trial, dict.fromkeys(criterion.id for criterion in trial.criteria), reason)
    return Answer(trial, {criterion.id: _verdict(found.get(criterion.id)) for criterion in trial.criteria})


def _verdict(met: object) -> bool | None:
    return met if isinstance(met, bool) else None
