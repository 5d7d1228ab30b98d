"""Dialogue slices: a consultation cut before each doctor message, so that one response can be graded at a time.

Fragment-level reinforcement learning after Baichuan-M2 (arXiv 2509.02208): a rubric is made for the slice, and the
doctor's next message alone is graded with it. As there, fragments with repeats, over-long dialogue or role inversion
are left out; what counts as one is a choice made here, for the paper does not say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from rapidfuzz import fuzz

from medenv.consultation.seats import settle
from medenv.consultation.views import JudgeView, Message
from medenv.errors import RubricError

from ..judging.conversation import conversation
from ..judging.judge import Judge
from ..scoring import Score, Scoring, score

if TYPE_CHECKING:
    from .generator import RubricGenerator

__all__ = ["Slice", "SliceDefect", "defect_of", "score_response", "slice_before", "slices"]

SliceDefect: TypeAlias = Literal["repeat", "long", "inverted"]

LONGEST = 24_000
"""Characters of dialogue beyond which a slice is over-long."""
ALIKE = 95.0
"""From this likeness on, of 100, one message repeats another."""
TELLING = 24
"""Shorter messages, such as "I don't know", may come again without being repeats."""
_SPOKEN_FOR = {
    "assistant": re.compile(r"^\W*(?:patient|病人|患者)\s*[:\uff1a]", re.I | re.M),
    "user": re.compile(r"^\W*(?:(?:doctor|医生)\s*[:\uff1a]|(?:order|diagnosis|plan|refer)\s*:)", re.I | re.M),
}
"""What shows that a message speaks for the other side."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A consultation up to, and without, a message of the doctor's."""

    messages: tuple[Message, ...]
    """The doctor's words are `assistant`, the patient's `user`, test results `tool`, notes `system`."""
    told: frozenset[str] = frozenset()
    """Ids of the facts that the patient told so far."""
    ordered: frozenset[str] = frozenset()
    """Ids of the exams ordered so far."""

    @property
    def turn(self) -> int:
        """How many messages the doctor has sent."""
        return sum(message.role == "assistant" for message in self.messages)


def slice_before(view: JudgeView, turn: int) -> Slice:
    """The slice before a message of the doctor's, counted from 0.

    Raises:
        RubricError: The consultation has no such message.
    """
    if not 0 <= turn < len(view.turns):
        raise RubricError(f"expected a turn from 0 to {len(view.turns) - 1}, got {turn}")
    before = view.turns[:turn]
    return Slice(
        conversation(replace(view, turns=before)),
        frozenset(fact for entry in view.ledger.entries[:turn] for fact in entry.disclosed),
        frozenset(result.exam for each in before for result in each.results if result.exam is not None),
    )


def slices(view: JudgeView, *, longest: int = LONGEST) -> Iterator[tuple[int, Slice]]:
    """The turns of a consultation whose messages can be graded alone, each with the slice before it.

    Args:
        view: The consultation.
        longest: Characters of dialogue beyond which a slice is over-long.
    """
    for turn in range(len(view.turns)):
        cut = slice_before(view, turn)
        if defect_of(cut.messages, longest=longest) is None:
            yield turn, cut


def defect_of(messages: Sequence[Message], *, longest: int = LONGEST) -> SliceDefect | None:
    """Why a dialogue is no good as the beginning of a fragment; None where it is good.

    It repeats where somebody says a message of some length again, is inverted where somebody speaks for the other
    side, and is long beyond `longest` characters.
    """
    if sum(len(message.content) for message in messages) > longest:
        return "long"
    heard: dict[str, list[str]] = {role: [] for role in _SPOKEN_FOR}
    for message in messages:
        if message.role not in heard:
            continue
        if _SPOKEN_FOR[message.role].search(message.content):
            return "inverted"
        said = " ".join(message.content.casefold().split())
        if len(said) >= TELLING:
            if any(fuzz.ratio(said, other, score_cutoff=ALIKE) for other in heard[message.role]):
                return "repeat"
            heard[message.role].append(said)
    return None


async def score_response(
    generator: RubricGenerator, judge: Judge, view: JudgeView, *, scoring: Scoring | None = None
) -> Score:
    """Scores the last message of a consultation alone, with a rubric made for the slice before it.

    Args:
        generator: What makes the rubric.
        judge: Who decides its criteria.
        view: The consultation, which ends with the message to be scored and what answered it.
        scoring: How verdicts become the reward; penalties look at the last message alone.

    Raises:
        RubricError: The consultation has no message yet, or the rubric grades more than one message.
        JudgeError: The judge gave no usable verdicts.
        BackendError: A model gave no usable reply.
    """
    rubric = await settle(generator.rubric(view.record, slice_before(view, len(view.turns) - 1)))
    if wide := [criterion.id for criterion in rubric.criteria if criterion.scope != "response"]:
        raise RubricError(f"rubric {rubric.id!r}: expected criteria of scope 'response', got {wide[0]!r}")
    verdicts = await settle(judge.judge(rubric.criteria, view))
    return score(rubric, verdicts, scoring=scoring, view=view.response())
