"""The trajectory: everything one episode leaves behind, as plain data."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from medenv.consultation.episode import Episode
from medenv.consultation.ledger import LedgerEntry
from medenv.consultation.views import Turn
from medenv.errors import RunError
from medenv.rewards import Score, metrics

__all__ = ["Trajectory"]


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One episode that is over. All fields but `utterances` survive `to_dict`, JSON and `from_dict` exactly."""

    id: str
    group: int
    """Rollouts of one group share record, persona, budget and patient seed."""
    index: int
    """The place in the group, from 0."""
    record: str
    """The id of the record."""
    persona: str
    """The id of the persona."""
    patient_seed: int
    doctor_seed: int
    max_turns: int
    messages: tuple[Mapping[str, str], ...]
    """The chat as the doctor saw it, each message with `role` and `content`."""
    turns: tuple[Mapping[str, Any], ...]
    """Each turn with `doctor`, `results`, `notes`, `reply`, its `ledger` entry, and the `trace` of the reply if the
    patient gives one."""
    ending: str | None
    """How the consultation ended: "diagnosis", "turn_limit", or why the patient left: "goodbye", "nothing_left" or
    "patience"; none where it failed before."""
    failure: Mapping[str, str] | None
    """For an invalid episode the `kind` and the `reason`."""
    reward: float | None
    """None for an invalid episode."""
    score: Mapping[str, Any] | None
    """`Score.as_dict`; none for an invalid episode."""
    ledger: Mapping[str, int]
    """Counts over the episode: `Ledger.totals`, and what only the record tells apart.

    `turns`; `orders`; `must_ask`, the facts a careful doctor asks for; `must_ask_disclosed`, those that were told;
    `private_unasked`, the turns in which a private fact was told that nobody had asked for.
    """
    metrics: Mapping[str, float]
    """What `medenv.rewards.metrics` measures, without what there was nothing to measure of; empty for an invalid
    episode."""
    utterances: tuple[str, ...] = field(default=(), compare=False, repr=False)
    """What the doctor's `act` returned, the very objects: a trainer finds its token ids on them. Never on disk."""

    def __post_init__(self) -> None:
        if (self.reward is None) != (self.failure is not None) or (self.reward is None) != (self.score is None):
            raise RunError(
                f"trajectory {self.id!r}: expected either a reward with its score or a failure, "
                f"got reward {self.reward!r} and failure {self.failure!r}"
            )

    @property
    def valid(self) -> bool:
        """Whether nothing failed, so that there is a reward."""
        return self.failure is None

    @property
    def terminated(self) -> bool:
        """The doctor gave a diagnosis, or the patient left."""
        return self.ending not in (None, "turn_limit")

    @property
    def truncated(self) -> bool:
        """The turns ran out."""
        return self.ending == "turn_limit"

    @classmethod
    def of(
        cls,
        episode: Episode,
        score: Score | None,
        *,
        id: str,
        group: int = 0,
        index: int = 0,
        utterances: tuple[str, ...] = (),
    ) -> Trajectory:
        """What an episode that is over left behind."""
        scenario, failure = episode.scenario, episode.failure
        return cls(
            id=id,
            group=group,
            index=index,
            record=scenario.record.id,
            persona=scenario.persona.id,
            patient_seed=scenario.patient_seed,
            doctor_seed=episode.doctor_seed,
            max_turns=scenario.max_turns,
            messages=tuple({"role": m.role, "content": m.content} for m in episode.doctor_view().messages),
            turns=tuple(_turn(turn) for turn in episode.turns),
            ending=episode.ending,
            failure=None if failure is None else {"kind": failure.kind, "reason": failure.reason},
            reward=None if score is None else score.reward,
            score=None if score is None else score.as_dict(),
            ledger=_counts(episode),
            metrics={} if score is None else metrics(episode.judge_view(), score),
            utterances=utterances,
        )

    def to_dict(self) -> dict[str, Any]:
        """The trajectory as plain data, without the utterances; `valid` is there for readers of the file."""
        data = {name: getattr(self, name) for name in _STORED}
        return {**data, "messages": list(self.messages), "turns": list(self.turns), "valid": self.valid}

    def to_json(self) -> str:
        """One line of JSON, keys sorted, in ASCII so that any text survives."""
        return json.dumps(self.to_dict(), sort_keys=True, ensure_ascii=True, allow_nan=False)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Trajectory:
        """The trajectory that `to_dict` made the data from.

        Raises:
            RunError: A field is missing, unknown or contradicts another.
        """
        if not isinstance(data, Mapping):
            raise RunError(f"expected a trajectory as an object, got {type(data).__name__}")
        if wrong := sorted({*_STORED, "valid"} ^ data.keys()):
            state = "no" if wrong[0] in {*_STORED, "valid"} else "an unknown"
            raise RunError(f"expected the fields of a trajectory, got {state} field {wrong[0]!r}")
        kept = {name: data[name] for name in _STORED}
        for name in ("messages", "turns"):
            if not isinstance(kept[name], list):
                raise RunError(f"expected {name} as a list, got {type(kept[name]).__name__}")
            kept[name] = tuple(kept[name])
        return cls(**kept)


_STORED = tuple(f.name for f in dataclasses.fields(Trajectory) if f.name != "utterances")


def _turn(turn: Turn) -> dict[str, Any]:
    return {
        "doctor": turn.doctor,
        "results": [dataclasses.asdict(result) for result in turn.results],
        "notes": list(turn.notes),
        "reply": None if turn.reply is None else str(turn.reply),
        "ledger": _entry(turn.entry),
        **({} if turn.trace is None else {"trace": dict(turn.trace)}),
    }


def _entry(entry: LedgerEntry) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for part in dataclasses.fields(entry):
        value = getattr(entry, part.name)
        plain[part.name] = (
            sorted(value) if isinstance(value, frozenset) else list(value) if isinstance(value, tuple) else value
        )
    return plain


def _counts(episode: Episode) -> dict[str, int]:
    facts = episode.scenario.record.facts
    must_ask = {fact.id for fact in facts if fact.must_ask}
    private = {fact.id for fact in facts if fact.sensitivity != "ordinary"}
    asked: set[str] = set()
    private_unasked = 0
    for entry in episode.ledger:
        asked |= {*entry.asked, *entry.withheld}
        private_unasked += bool(private.intersection(entry.disclosed) - asked)
    return {
        **episode.ledger.totals(),
        "turns": len(episode.turns),
        "orders": sum(len(turn.acts.orders) for turn in episode.turns),
        "must_ask": len(must_ask),
        "must_ask_disclosed": len(must_ask & episode.ledger.disclosed),
        "private_unasked": private_unasked,
    }
