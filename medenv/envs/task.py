"""The task: everything about a consultation environment that stays the same from episode to episode."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np

from medenv.agents.patients import patients
from medenv.consultation.episode import Episode, Scenario
from medenv.consultation.orders import OrderPolicy
from medenv.consultation.seats import Seat, release, settle, settle_now
from medenv.consultation.views import JudgeView
from medenv.errors import MedenvError, RecordError
from medenv.personas import Persona
from medenv.personas.files import find_personas
from medenv.records import Record, RecordSet, load_records
from medenv.rewards import (
    Judge,
    Normalisation,
    Rubric,
    RubricSource,
    Score,
    Scoring,
    Verdict,
    judges,
    load_scoring,
    score,
)
from medenv.rewards.generation import RubricGenerator, source_of

__all__ = ["Graded", "RecordSource", "Task", "make_task"]

RecordSource: TypeAlias = str | Path | RecordSet | Iterable[Record]

Split: TypeAlias = Literal["train", "validation", "test"]

Graded: TypeAlias = Callable[[Episode], Score | Awaitable[Score]]

REMEMBERED = 4096
"""How many records' rubrics are kept in mind."""


@dataclass(frozen=True)
class Task:
    """What to consult about and how it is scored; makes scenarios and scores episodes."""

    records: RecordSet
    personas: tuple[Persona, ...]
    patient: Seat
    rubric: RubricSource
    judge: Judge
    max_turns: int = 20
    scoring: Scoring = field(default_factory=Scoring)
    orders: OrderPolicy = "unavailable"
    max_chars: int = 8192

    def draw(self, rng: np.random.Generator) -> Scenario:
        """A scenario with record, persona and patient seed drawn from `rng`."""
        record = self.records.sample(rng)
        persona = self.personas[int(rng.integers(len(self.personas)))]
        return self.scenario(record, persona, int(rng.integers(2**31)))

    def scenario(self, record: Record, persona: Persona, patient_seed: int) -> Scenario:
        """The scenario of one group of rollouts."""
        return Scenario(record, persona, patient_seed, self.max_turns, self.orders, self.max_chars)

    def graded(self, episode: Episode) -> Score | Awaitable[Score]:
        """The score of a valid episode that is over; awaited where the rubric or the verdicts have to be.

        Raises:
            Exception: Whatever the rubric or the judge raises.
        """
        rubric = self.rubric(episode.scenario.record)
        view = episode.judge_view()
        if inspect.isawaitable(rubric):
            return self._graded_later(rubric, view)
        verdicts = self.judge.judge(rubric.criteria, view)
        if inspect.isawaitable(verdicts):
            return self._scored_later(rubric, verdicts, view)
        return score(rubric, verdicts, scoring=self.scoring, view=view)

    async def _graded_later(self, awaited: Awaitable[Rubric], view: JudgeView) -> Score:
        rubric = await awaited
        return await self._scored_later(rubric, self.judge.judge(rubric.criteria, view), view)

    async def _scored_later(
        self, rubric: Rubric, verdicts: Sequence[Verdict] | Awaitable[Sequence[Verdict]], view: JudgeView
    ) -> Score:
        return score(rubric, await settle(verdicts), scoring=self.scoring, view=view)

    async def score(self, episode: Episode) -> Score | None:
        """Scores an episode that is over; None for an invalid one. A judge that fails makes it invalid."""
        if episode.failure is not None:
            return None
        try:
            return await settle(self.graded(episode))
        except Exception as error:
            _unscored(episode, error)
            return None

    def score_now(self, episode: Episode, graded: Graded | None = None) -> Score | None:
        """`score` for callers that are not coroutines; a plain judge needs no event loop.

        Args:
            episode: An episode that is over.
            graded: What stands in for the method `graded`, where it has been called already.
        """
        if episode.failure is not None:
            return None
        try:
            return settle_now((graded or self.graded)(episode))
        except Exception as error:
            _unscored(episode, error)
            return None


def _unscored(episode: Episode, error: Exception) -> None:
    episode.fail("judge", f"{type(error).__name__}: {' '.join(str(error).split())[:500]}")


def make_task(
    records: RecordSource = "library",
    *,
    persona: str | Persona | Iterable[str | Persona] = "neutral",
    patient: str | Seat = "scripted",
    rubric: str | Path | Rubric | RubricGenerator | RubricSource = "record",
    judge: str | Judge = "rule",
    max_turns: int = 20,
    split: Split | None = None,
    scoring: Scoring | str | Path | None = None,
    normalisation: Normalisation | None = None,
    orders: OrderPolicy = "unavailable",
    max_chars: int = 8192,
) -> Task:
    """Makes a task; whatever has an id may be given as the id or as the object.

    Args:
        records: "library", "synthetic", a path, a `RecordSet` or records.
        persona: Who the patient is: a persona, its id, or a .toml file of personas; of several, each episode draws one.
        patient: Who answers the doctor.
        rubric: What is scored: a registered way to make a rubric from a record, a file of expert rubrics, a generator,
            a function of the record, or one rubric for all.
        judge: Who decides the criteria.
        max_turns: Doctor messages before the episode is truncated, at least 1.
        split: Only the records of this split.
        scoring: How verdicts become the reward: a `Scoring`, or a .toml file of one.
        normalisation: In place of a scoring, the default with another normalisation: "healthbench",
            "healthbench-clipped" or "m3".
        orders: How a test that the record lacks is answered.
        max_chars: The longest message; what is longer is cut.

    Raises:
        MedenvError: An argument is out of range, or an id is unknown.
    """
    if max_turns < 1 or max_chars < 1:
        raise MedenvError(f"expected max_turns and max_chars of at least 1, got {max_turns} and {max_chars}")
    if orders not in get_args(OrderPolicy):
        raise MedenvError(f"expected orders to be one of {', '.join(get_args(OrderPolicy))}; got {orders!r}")
    loaded = load_records(records)
    if split is not None:
        loaded = loaded.split(split)
    if not len(loaded):
        raise RecordError(f"expected at least one record, got none{f' in split {split!r}' if split else ''}")
    several = [persona] if isinstance(persona, (str, Persona)) else list(persona)
    return Task(
        records=loaded,
        personas=tuple(found for one in several for found in find_personas(one)),
        patient=patients.get(patient)() if isinstance(patient, str) else patient,
        rubric=_Remembered(source_of(rubric)),
        judge=judges.get(judge)() if isinstance(judge, str) else judge,
        max_turns=max_turns,
        scoring=_scoring(scoring, normalisation),
        orders=orders,
        max_chars=max_chars,
    )


def _scoring(scoring: Scoring | str | Path | None, normalisation: Normalisation | None) -> Scoring:
    if scoring is None:
        return Scoring() if normalisation is None else Scoring(normalisation=normalisation)
    if normalisation is not None:
        raise MedenvError("expected scoring or normalisation, got both")
    return scoring if isinstance(scoring, Scoring) else load_scoring(scoring)


class _Remembered:
    """Makes each record's rubric once, so that rules are not run again each episode.

    What has to be awaited is not kept: an awaitable belongs to one event loop, and generators that ask a model remember
    what it answered themselves.
    """

    def __init__(self, make: RubricSource) -> None:
        self._make = make
        self._made: OrderedDict[_ById, Rubric] = OrderedDict()

    @property
    def id(self) -> str | None:
        """What the rubrics depend on beside the record, where their source says so."""
        return getattr(self._make, "id", None)

    async def aclose(self) -> None:
        """Has what makes the rubrics let go of what it holds open in the running event loop."""
        await release(self._make)

    def __call__(self, record: Record) -> Rubric | Awaitable[Rubric]:
        key = _ById(record)
        if key in self._made:
            self._made.move_to_end(key)
            return self._made[key]
        made = self._make(record)
        if isinstance(made, Rubric):
            self._made[key] = made
            if len(self._made) > REMEMBERED:
                self._made.popitem(last=False)
        return made


class _ById:
    """A record as a key: the id where nothing else is cheap to hash, the object where two share an id."""

    __slots__ = ("record",)

    def __init__(self, record: Record) -> None:
        self.record = record

    def __hash__(self) -> int:
        return hash(self.record.id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and self.record == other.record
