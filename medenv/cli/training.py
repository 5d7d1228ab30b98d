"""`medenv train`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from medenv.cli import options
from medenv.cli.output import print_json
from medenv.errors import RunError

__all__ = ["train"]


def train(
    policy: Annotated[Path, typer.Option(help="The folder of the policy to start from; it is left as it is.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The run folder; a run cut off there goes on.")],
    trainer: Annotated[str, typer.Option(help="Who trains it.")] = "grpo",
    config: Annotated[
        Path | None, typer.Option(help="The trainer's settings, as a JSON file.", show_default="the trainer's defaults")
    ] = None,
    records: options.Records = "synthetic",
    split: options.Split = "train",
    persona: options.Personas = None,
    patient: options.Patient = "scripted",
    rubric: options.Rubric = "record",
    judge: options.Judge = "rule",
    max_turns: options.MaxTurns = 20,
    scoring: options.Scoring = None,
    normalisation: options.Normalisation = None,
    orders: options.Orders = "unavailable",
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Train a doctor."""
    from medenv.agents.trainers import trainers
    from medenv.envs.task import make_task

    settings = _settings(config)
    made = trainers.get(trainer)()
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
            normalisation=normalisation,
            orders=orders,
        )
    )
    result = made.train(task, policy, settings, out=out, progress=None if quiet else _tell)
    if as_json:
        print_json({"policy": str(result.policy), "curve": list(result.curve)})
    else:
        typer.echo(f"trained policy in {result.policy}")


def _settings(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        data = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise RunError(f"expected a JSON file of settings, got {str(path)!r}: {error.strerror or error}") from None
    except ValueError as error:
        raise RunError(f"{path}: expected a JSON file of settings: {error}") from None
    if not isinstance(data, dict):
        raise RunError(f"{path}: expected settings as a JSON object, got {type(data).__name__}")
    return data


def _tell(point: Mapping[str, float | None]) -> None:
    measured = "  ".join(f"{name} -" if value is None else f"{name} {value:.4g}" for name, value in point.items())
    print(measured, file=sys.stderr, flush=True)
