"""`medenv rollout` and `medenv evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medenv.cli import options
from medenv.cli.output import print_evaluation, print_json

if TYPE_CHECKING:
    from medenv.rollout import Evaluation

__all__ = ["evaluate", "rollout"]


def rollout(
    out: Annotated[Path, typer.Option("--out", "-o", help="The file for the trajectories, as JSON lines.")],
    doctor: options.Doctor = "checklist",
    records: options.Records = "library",
    episodes: options.Episodes = None,
    group_size: Annotated[
        int, typer.Option(help="How many episodes share record, persona, budget and patient seed.")
    ] = 1,
    seed: options.Seed = 0,
    persona: options.Personas = None,
    patient: options.Patient = "scripted",
    rubric: options.Rubric = "record",
    judge: options.Judge = "rule",
    max_turns: options.MaxTurns = 20,
    split: options.Split = None,
    scoring: options.Scoring = None,
    normalisation: options.Normalisation = None,
    orders: options.Orders = "unavailable",
    concurrency: options.Concurrency = 64,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Play many consultations and keep them in a file.

    A run that was cut off goes on where it stopped when the same command is given again.
    """
    from medenv.rollout import rollout, summarise

    task = options.task_options(
        records=records,
        persona=persona,
        patient=patient,
        rubric=rubric,
        judge=judge,
        max_turns=max_turns,
        split=split,
        scoring=scoring,
        normalisation=normalisation,
        orders=orders,
    )
    trajectories = rollout(
        doctor,
        episodes=episodes,
        group_size=group_size,
        seed=seed,
        concurrency=concurrency,
        out=out,
        progress=not quiet,
        **task,
    )
    _tell(summarise(trajectories, seed=seed), as_json, doctor, seed, task, out)


def evaluate(
    doctor: options.Doctor = "checklist",
    records: options.Records = "library",
    episodes: options.Episodes = None,
    seed: options.Seed = 0,
    persona: options.Personas = None,
    patient: options.Patient = "scripted",
    rubric: options.Rubric = "record",
    judge: options.Judge = "rule",
    max_turns: options.MaxTurns = 20,
    split: options.Split = None,
    scoring: options.Scoring = None,
    normalisation: options.Normalisation = None,
    orders: options.Orders = "unavailable",
    concurrency: options.Concurrency = 64,
    out: options.Out = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Play consultations and say what the doctor comes to.

    The same options give the same numbers. Episodes in which something failed are counted, and are in no mean.
    """
    from medenv.rollout import evaluate

    task = options.task_options(
        records=records,
        persona=persona,
        patient=patient,
        rubric=rubric,
        judge=judge,
        max_turns=max_turns,
        split=split,
        scoring=scoring,
        normalisation=normalisation,
        orders=orders,
    )
    result = evaluate(
        doctor, episodes=episodes, seed=seed, concurrency=concurrency, out=out, progress=not quiet, **task
    )
    _tell(result, as_json, doctor, seed, task, out)


def _tell(result: Evaluation, as_json: bool, doctor: str, seed: int, task: dict[str, Any], out: Path | None) -> None:
    if as_json:
        print_json({"settings": {"doctor": doctor, "seed": seed, **task}, **result.as_dict()})
        return
    print_evaluation(result)
    if out is not None:
        typer.echo(f"{result.episodes} trajectories in {out}")
