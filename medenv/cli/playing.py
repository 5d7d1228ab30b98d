"""`medenv play`: a person is the doctor."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medenv.cli import options
from medenv.cli.output import print_json, print_pairs, print_table

if TYPE_CHECKING:
    from medenv.consultation.views import Message
    from medenv.rollout import Trajectory

__all__ = ["play"]

STYLES = {"user": ("Patient", "cyan"), "tool": ("Results", "yellow"), "system": ("", "dim"), "assistant": ("You", "")}


def play(
    record: Annotated[
        str | None, typer.Argument(help="The id of the case.", show_default="one drawn by the seed")
    ] = None,
    records: options.Records = "library",
    persona: options.Personas = None,
    patient: options.Patient = "scripted",
    rubric: options.Rubric = "record",
    judge: options.Judge = "rule",
    max_turns: options.MaxTurns = 20,
    split: options.Split = None,
    scoring: options.Scoring = None,
    orders: options.Orders = "unavailable",
    seed: Annotated[int | None, typer.Option(help="What is drawn follows from it.", show_default="another one")] = None,
    as_json: options.Json = False,
) -> None:
    """Be the doctor yourself, and be scored.

    A message may have several lines; an empty line sends it. Ctrl-D leaves.
    """
    import numpy as np

    from medenv.agents.doctors.human import HumanDoctor
    from medenv.consultation.episode import Episode
    from medenv.consultation.playing import play_now
    from medenv.consultation.seats import DOCTOR, PATIENT
    from medenv.envs.task import make_task
    from medenv.rollout import Trajectory

    task = make_task(
        **options.task_options(
            records=records,
            persona=persona,
            patient=patient,
            rubric=rubric,
            judge=judge,
            max_turns=max_turns,
            split=split,
            scoring=scoring,
            orders=orders,
        )
    )
    seed = secrets.randbelow(2**31) if seed is None else seed
    scenario = task.draw(np.random.default_rng(seed))
    if record is not None:
        scenario = task.scenario(task.records[record], scenario.persona, scenario.patient_seed)
    episode = Episode(scenario)
    play_now(episode, {DOCTOR: HumanDoctor(_show, _read), PATIENT: task.patient})
    if episode.failure is not None and episode.failure.reason.startswith("EOFError"):
        typer.echo("\nYou left before the end, so there is no score.", err=True)
        raise typer.Exit
    trajectory = Trajectory.of(episode, task.score_now(episode), id=f"{scenario.record.id}-{seed}")
    if as_json:
        print_json(trajectory.to_dict())
        return
    if trajectory.turns:
        _show(episode.doctor_view().messages[_last_said(trajectory) + 1 :])
    _tell(trajectory, scenario.record.truth.diagnosis.name)
    typer.echo(f"play it again: medenv play {scenario.record.id} --seed {seed}")


def _last_said(trajectory: Trajectory) -> int:
    return max(place for place, message in enumerate(trajectory.messages) if message["role"] == "assistant")


def _read(prompt: str) -> str:
    sys.stderr.write(prompt)
    sys.stderr.flush()
    return input()


def _show(messages: Sequence[Message]) -> None:
    """Shows messages on standard error, so that standard output holds nothing but the result."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, highlight=False)
    for message in messages:
        name, style = STYLES[message.role]
        console.print(Text.assemble((f"{name}: " if name else "", f"bold {style}"), (message.content, style)))


def _tell(trajectory: Trajectory, diagnosis: str) -> None:
    from medenv.rewards import Scoring

    if trajectory.score is None:
        failure: Any = trajectory.failure
        typer.echo(f"The consultation is invalid and has no score: {failure['kind']}: {failure['reason']}")
        return
    lines = sorted(trajectory.score["criteria"], key=lambda line: (not line["met"], line["points"] < 0))
    print_table(
        ("", "points", "of", "criterion", "axis"),
        (
            (
                _mark(line),
                line["awarded"],
                line["points"] * line["weight"],
                line["text"],
                line["axis"].replace("_", " "),
            )
            for line in lines
        ),
    )
    print_pairs(
        {
            "diagnosis": diagnosis,
            "scoring": str(Scoring.from_dict(trajectory.score["scoring"])),
            **{item["id"]: f"{item['awarded']:+d}  {item['reason']}" for item in trajectory.score["adjustments"]},
            "reward": float(trajectory.score["reward"]),
            **{axis.replace("_", " "): float(value) for axis, value in trajectory.score["axes"].items()},
        }
    )


def _mark(line: Any) -> str:
    if line["met"]:
        return "\u2713" if line["points"] > 0 else "\u2717"
    return "missed" if line["points"] > 0 else "avoided"
