"""The conversation that a judge reads: what was said and done, and nothing of the record that nobody was told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from medenv.consultation.briefing import describe
from medenv.consultation.views import JudgeView, Message

from .fence import BAR, harmless

__all__ = ["conversation", "written"]


def conversation(view: JudgeView) -> tuple[Message, ...]:
    """An episode as messages: the doctor's are `assistant`, the patient's `user`, test results `tool`, notes `system`.

    It opens with what the doctor knew at the door, and the chief complaint. The truth is not in it.
    """
    return tuple(_messages(view))


def written(messages: Sequence[Message]) -> int:
    """How long all but the patient's words is, behind a fence and in bytes of UTF-8."""
    lines = (
        f"{BAR}{line}\n"
        for message in messages
        if message.role != "user"
        for line in harmless(message.content).split("\n")
    )
    return sum(len(line.encode()) for line in lines)


def _messages(view: JudgeView) -> Iterator[Message]:
    yield Message("system", describe(view.record.demographics))
    yield Message("user", view.record.chief_complaint)
    for turn in view.turns:
        yield Message("assistant", turn.doctor)
        if turn.results:
            yield Message("tool", "\n".join(result.text for result in turn.results))
        if turn.notes:
            yield Message("system", "\n".join(turn.notes))
        if turn.reply is not None:
            yield Message("user", turn.reply)
