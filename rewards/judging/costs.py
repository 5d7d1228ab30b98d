"""What judging cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from medenv.agents.backends import Reply

__all__ = ["Costs", "costs_of", "total"]


@dataclass(slots=True)
class Costs:
    """What a judge has spent since it was made. No result depends on it."""

    judgements: int = 0
    """Conversations judged."""
    criteria: int = 0
    """Verdicts given, unscored ones included."""
    unscored: int = 0
    calls: int = 0
    """Requests to the backend, whatever became of them."""
    asked_again: int = 0
    """Of these, the ones after a reply with a defect."""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    """Of the prompt tokens, those that the server had computed before."""
    completion_tokens: int = 0
    """Of replies that came; a backend tells nothing of those that did not fit."""
    seconds: float = 0.0
    """By the clock, summed over judgements, which may run at the same time."""
    slowest: float = 0.0
    """Seconds of the slowest judgement."""

    def add_call(self, reply: Reply) -> None:
        """Counts the tokens of a reply."""
        self.prompt_tokens += reply.prompt_tokens
        self.cached_tokens += reply.cached_tokens
        self.completion_tokens += reply.completion_tokens

    def add_judgement(self, criteria: int, unscored: int, seconds: float) -> None:
        """Counts a judgement that is over."""
        self.judgements += 1
        self.criteria += criteria
        self.unscored += unscored
        self.seconds += seconds
        self.slowest = max(self.slowest, seconds)

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain data."""
        return asdict(self)


def costs_of(judge: object) -> Costs | None:
    """What a judge has spent, with those that it asks; None where nobody counts."""
    found = getattr(judge, "costs", None)
    return found if isinstance(found, Costs) else None


def total(judges: Iterable[object]) -> Costs | None:
    """What several judges have spent together; None where nobody counts."""
    found = [costs for costs in map(costs_of, judges) if costs is not None]
    if not found:
        return None
    plain = [costs.as_dict() for costs in found]
    added = {name: sum(costs[name] for costs in plain) for name in plain[0]}
    return Costs(**{**added, "slowest": max(costs.slowest for costs in found)})
