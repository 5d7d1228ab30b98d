"""The human doctor: a person at a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from medenv.consultation.views import DoctorView, Message

__all__ = ["HumanDoctor"]


def _print(messages: Sequence[Message]) -> None:
    for message in messages:
        print({"user": "Patient: ", "assistant": "Doctor: "}.get(message.role, "") + message.content)


class HumanDoctor:
    """Shows what is new in the consultation, and reads what the person says to it.

    A message may have several lines; an empty line sends it.

    Args:
        show: Gets the messages since the person last spoke.
        read: Gets a prompt and returns one line; it may raise `EOFError` at the end of the input.
    """

    def __init__(
        self,
        show: Callable[[Sequence[Message]], None] = _print,
        read: Callable[[str], str] = input,
    ) -> None:
        self._show = show
        self._read = read

    def act(self, view: DoctorView) -> str:
        """The person's next message.

        Raises:
            EOFError: The input ended before anything was said.
        """
        said = [place for place, message in enumerate(view.messages) if message.role == "assistant"]
        self._show(view.messages[said[-1] + 1 :] if said else view.messages)
        lines: list[str] = []
        while True:
            try:
                line = self._read("... " if lines else f"[{view.turn + 1}/{view.max_turns}] ")
            except EOFError:
                if not lines:
                    raise
                break
            if line.strip():
                lines.append(line)
            elif lines:
                break
        return "\n".join(lines)
