"""The error model of medenv, whole.

Everything medenv raises on purpose derives from `MedenvError`, and its message is one line that says what was expected
and what came. What a *caller* got wrong is raised. What a *seat, judge or backend* got wrong during an episode is not:
the episode ends invalid, with a `Failure` that carries one of the kinds below, and has no reward.
"""

__all__ = [
    "ActionError",
    "BackendError",
    "DeidentificationError",
    "EpisodeOverError",
    "JudgeError",
    "LeakError",
    "MedenvError",
    "MissingExtraError",
    "PersonaError",
    "RecordError",
    "RubricError",
    "RunError",
    "SeatError",
    "UnknownIdError",
]


class MedenvError(Exception):
    """The base of every error that medenv raises on purpose."""


class UnknownIdError(MedenvError, LookupError):
    """An id that its registry or record set does not hold."""


class RecordError(MedenvError, ValueError):
    """A record, or a file of records, that does not fit the record schema or cannot be read."""


class DeidentificationError(RecordError):
    """A record that holds an identifier of a person; the message names the field."""


class LeakError(RecordError):
    """A record whose diagnosis stands in a text that another seat may see; the message names the field."""


class PersonaError(MedenvError, ValueError):
    """A persona that does not fit the persona schema, or an id that is taken."""


class RubricError(MedenvError, ValueError):
    """A rubric that does not fit the rubric schema, or a check that does not exist."""


class ActionError(MedenvError, TypeError):
    """An action that is not a string."""


class SeatError(MedenvError, ValueError):
    """A step for a seat that does not exist or whose turn it is not."""


class EpisodeOverError(MedenvError, RuntimeError):
    """A step before the first reset or after the end of an episode."""


class JudgeError(MedenvError, RuntimeError):
    """A judge that gave no usable verdict."""


class BackendError(MedenvError, RuntimeError):
    """A model backend that gave no usable reply.

    Args:
        message: What was expected and what came.
        kind: What went wrong, one of a few words: "unreachable", "absent" (no server ever answered), "timeout",
            "rate limit", "server error", "garbled" (a reply that is none), "refused" (the request is at fault),
            "schema" (text that does not fit), or "model".
        wait: How many seconds the server asked to be left alone.
    """

    def __init__(self, message: str, kind: str = "model", wait: float = 0.0) -> None:
        super().__init__(message)
        self.kind = kind
        self.wait = wait

    @property
    def passing(self) -> bool:
        """Whether the same request may well succeed later."""
        return self.kind in ("unreachable", "timeout", "rate limit", "server error", "garbled")


class RunError(MedenvError, ValueError):
    """A run folder or trajectory file that does not belong to the run asked for, or cannot be read."""


class MissingExtraError(MedenvError, ImportError):
    """A feature whose optional dependencies are not installed; the message names the extra."""
