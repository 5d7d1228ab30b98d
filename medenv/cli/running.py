"""`medenv rollout` and `medenv evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medenv.cli import options
from medenv.cli.output import print_evaluation, print_json, print_table
from medenv.rewards.judging import costs_of

if TYPE_CHECKING:
    from medenv.rewards import Judge
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
    from medenv.rewards import judges
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
    made = judges.get(judge)()
    trajectories = rollout(
        doctor,
        episodes=episodes,
        group_size=group_size,
        seed=seed,
        concurrency=concurrency,
        out=out,
        progress=not quiet,
        **{**task, "judge": made},
    )
    _tell(summarise(trajectories, seed=seed), as_json, doctor, seed, task, made, out)


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
    from medenv.rewards import judges
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
    made = judges.get(judge)()
    result = evaluate(
        doctor,
        episodes=episodes,
        seed=seed,
        concurrency=concurrency,
        out=out,
        progress=not quiet,
        **{**task, "judge": made},
    )
    _tell(result, as_json, doctor, seed, task, made, out)


def _tell(
    result: Evaluation, as_json: bool, doctor: str, seed: int, task: dict[str, Any], judge: Judge, out: Path | None
) -> None:
    costs = {} if (spent := costs_of(judge)) is None else spent.as_dict()
    if as_json:
        judging = {"judging": costs} if costs else {}
        print_json({"settings": {"doctor": doctor, "seed": seed, **task}, **result.as_dict(), **judging})
        return
    print_evaluation(result)
    if costs:
        print_table(("judging", "in all"), ((name.replace("_", " "), spent) for name, spent in costs.items()))
    if out is not None:
        typer.echo(f"{result.episodes} trajectories in {out}")
