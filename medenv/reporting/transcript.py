"""Transcripts: one trajectory as the report shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medenv.rollout import Trajectory

__all__ = ["Bubble", "Transcript", "choose", "transcript"]

_COMMAND = re.compile(r"\s*\W*(?:order|diagnosis|plan|refer)\W*:", re.IGNORECASE)
_NOTED = {
    "asked": "asked for",
    "disclosed": "told",
    "withheld": "withheld",
    "repeated": "asked again",
    "contradicted": "contradicted",
    "invented": "invented",
    "signs": "signs of",
}
_ENDINGS = {
    "diagnosis": "The doctor gave a diagnosis, which ends the consultation.",
    "turn_limit": "The turns ran out.",
    "goodbye": "The doctor said goodbye, and the patient left.",
    "nothing_left": "There was nothing left to ask, and the patient left.",
    "patience": "The patient's patience was exhausted, and the patient left.",
}
_COUNTED = {"unanswered": "not in the record", "unheard": "too many at once", "fishing": "fishing"}


@dataclass(frozen=True, slots=True)
class Bubble:
    """One message of a transcript."""

    side: str
    """"patient", "doctor", "results" or "briefing"."""
    lines: tuple[tuple[bool, str], ...]
    """Each line, and whether it is a command."""
    notes: tuple[str, ...] = ()
    """What the ledger says about this message."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """One episode, ready for the page."""

    title: str
    facts: tuple[str, ...]
    bubbles: tuple[Bubble, ...]
    ending: str
    criteria: tuple[tuple[str, str, tuple[Mapping[str, Any], ...]], ...]
    """The lines of the score by what became of them: a name for the style sheet, a heading, and the lines."""
    sums: tuple[tuple[str, str], ...]
    """How the points become the reward."""


def transcript(trajectory: Trajectory, title: str) -> Transcript:
    """A trajectory as the report shows it."""
    reward = "no score" if trajectory.reward is None else f"reward {trajectory.reward:z.3f}"
    score = trajectory.score or {"criteria": [], "adjustments": []}
    return Transcript(
        title=title,
        facts=(
            f"record {trajectory.record}",
            f"persona {trajectory.persona}",
            f"{len(trajectory.turns)} of {trajectory.max_turns} turns",
            reward,
        ),
        bubbles=tuple(_bubbles(trajectory)),
        ending=_ending(trajectory),
        criteria=tuple(_groups(score["criteria"])),
        sums=tuple(_sums(score)) if trajectory.score is not None else (),
    )


def choose(trajectories: Sequence[Trajectory]) -> list[tuple[str, Trajectory]]:
    """The episodes of a file that are shown: the best, the middle one and the worst, and the first invalid one."""
    valid = sorted((t for t in trajectories if t.reward is not None), key=lambda t: -(t.reward or 0.0))
    places = (
        {0: "Best", len(valid) // 2: "Middle", len(valid) - 1: "Worst"} if len(valid) > 2 else {0: "Only", 1: "Other"}
    )
    chosen = [(f"{name} reward", valid[place]) for place, name in sorted(places.items()) if place < len(valid)]
    return chosen + [("Invalid", trajectory) for trajectory in trajectories if not trajectory.valid][:1]


def _bubbles(trajectory: Trajectory) -> Iterator[Bubble]:
    sides = {"system": "briefing", "user": "patient", "assistant": "doctor", "tool": "results"}
    turns = iter(trajectory.turns)
    for message in trajectory.messages:
        side = sides[message["role"]]
        turn = next(turns, None) if side == "doctor" else None
        commands = side == "doctor"
        lines = tuple((commands and _COMMAND.match(line) is not None, line) for line in message["content"].split("\n"))
        yield Bubble(side, lines, tuple(_notes(turn["ledger"])) if turn is not None else ())


def _notes(entry: Mapping[str, Any]) -> Iterator[str]:
    for name, words in _NOTED.items():
        if entry[name]:
            yield f"{words}: {', '.join(item.replace('_', ' ') for item in entry[name])}"
    for name, words in _COUNTED.items():
        if entry[name]:
            yield f"{words}: {entry[name]}"


def _ending(trajectory: Trajectory) -> str:
    if trajectory.failure is not None:
        return f"Invalid, so there is no score. {trajectory.failure['kind']}: {trajectory.failure['reason']}"
    return _ENDINGS[str(trajectory.ending)]


def _groups(lines: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, tuple[Mapping[str, Any], ...]]]:
    headings = {
        ("met", True, True): "Done well",
        ("harm", True, False): "Done wrong",
        ("missed", False, True): "Missed",
        ("avoided", False, False): "Rightly avoided",
    }
    for (name, met, good), heading in headings.items():
        group = [line for line in lines if line["met"] is met and (line["points"] > 0) is good]
        if group:
            yield name, heading, tuple(sorted(group, key=lambda line: -abs(line["points"])))


def _sums(score: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    points = sum(line["awarded"] for line in score["criteria"])
    yield "points met", str(points)
    for item in score["adjustments"]:
        yield f"{item['id']}: {item['reason']}" if item["reason"] else item["id"], f"{item['awarded']:+d}"
    total = points + sum(item["awarded"] for item in score["adjustments"])
    yield "reward", f"{total} / {score['denominator']} = {score['reward']:z.3f}"
