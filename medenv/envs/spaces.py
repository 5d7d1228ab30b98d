"""Spaces of a consultation: any text at all, and the chat messages that a seat sees."""

from __future__ import annotations

import string
from typing import Any

from gymnasium import spaces

from medenv.agents.backends.prompts import prompts_for
from medenv.agents.patients.simulator import script
from medenv.agents.patients.simulator.prompts import PACKAGE
from medenv.consultation.views import DoctorView, PatientView

__all__ = ["Utterance", "observation", "observation_space"]

_SAMPLED = 64
_LONGEST_CONTENT = 1 << 20


class Utterance(spaces.Text):
    """Any Unicode string of at most `max_length` characters, the empty one included.

    `spaces.Text` admits only the characters of a charset and looks each one up; this one checks type and length.
    Samples are short and printable.
    """

    def __init__(self, max_length: int, *, seed: int | None = None) -> None:
        super().__init__(max_length, min_length=0, charset=string.ascii_letters + string.digits + " .,?'-", seed=seed)

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        """A short printable string."""
        if mask is not None or probability is not None:
            return super().sample(mask, probability)
        length = int(self.np_random.integers(1, min(self.max_length, _SAMPLED) + 1))
        return "".join(self.np_random.choice(list(self.characters), size=length))

    def contains(self, x: Any) -> bool:
        """Whether `x` is a string that is short enough."""
        return isinstance(x, str) and len(x) <= self.max_length

    def __repr__(self) -> str:
        return f"Utterance({self.max_length})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Utterance) and self.max_length == other.max_length

    __hash__ = None  # type: ignore[assignment]


def observation_space(max_turns: int) -> spaces.Dict:
    """What a seat sees: `messages`, each with `role` and `content`, and `turn`, the doctor messages sent so far."""
    message = spaces.Dict(role=Utterance(16), content=Utterance(_LONGEST_CONTENT))
    return spaces.Dict(messages=spaces.Sequence(message), turn=spaces.Discrete(max_turns + 1))


def observation(view: DoctorView | PatientView) -> dict[str, Any]:
    """The observation of a view, made of new objects at each call.

    A patient's holds what its simulator's model is told: who to be, what was said, and what may be told now.
    """
    told = script(view, prompts_for(PACKAGE, view.language)) if isinstance(view, PatientView) else view.messages
    messages = tuple({"role": message.role, "content": message.content} for message in told)
    return {"messages": messages, "turn": view.turn}
