"""`medenv judge train`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medenv.cli import options
from medenv.cli.output import print_json, print_table

if TYPE_CHECKING:
    from medenv.rewards.learned import Calibration
    from medenv.rewards.learned.calibration import AxisCalibration
    from medenv.rewards.learned.examples import SplitOf

__all__ = ["print_calibration", "train"]


def train(
    rollouts: Annotated[
        list[Path], typer.Option("--rollouts", help="A file of judged trajectories; may be given several times.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder for the reward model.")],
    records: Annotated[
        str | None,
        typer.Option(
            "--records",
            "-r",
            help="The records, where they name splits of their own.",
            show_default="none",
        ),
    ] = None,
    encoder: Annotated[
        Path | None,
        typer.Option(help="The folder of a transformers model to read with.", show_default="hashed words"),
    ] = None,
    pooled: Annotated[bool, typer.Option("--pooled", help="Of that model, one vector a passage.")] = False,
    epochs: Annotated[int, typer.Option(min=1, help="The most passes over what there is to learn.")] = 12,
    limit: Annotated[int, typer.Option(min=1, help="The most conversations.")] = 8192,
    seed: options.Seed = 0,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Train a judge from what other judges decided in rollouts.

    It learns from records of the train split, stops and is scaled by those of the validation split, and what is printed
    in the end comes from those of the test split, which it never saw. Use it as the judge "learned", with the folder in
    MEDENV_REWARD_MODEL.
    """
    from medenv.errors import RunError
    from medenv.rewards.learned import (
        BaseRates,
        RewardModelConfig,
        TransformersEncoder,
        calibration,
        examples_of,
        part_of,
    )
    from medenv.rewards.learned import train as fit
    from medenv.rollout.storage import read_run

    trajectories = [trajectory for path in rollouts for trajectory in read_run(path).trajectories]
    examples = examples_of(trajectories, split=_split(records), limit=limit)
    unseen = part_of(examples, "test")
    if not unseen:
        raise RunError("expected verdicts on records of the test split, to measure the model on; got none")
    trained = fit(
        examples,
        RewardModelConfig(epochs=epochs, seed=seed),
        encoder=None if encoder is None else TransformersEncoder(encoder, pooled=pooled),
        progress=None if quiet else _tell,
    )
    trained.model.save(out)
    found = calibration(trained.model, unseen, BaseRates(part_of(examples, "train")))
    if as_json:
        result = {"model": str(out), "digest": trained.model.digest, "curve": list(trained.curve)}
        print_json({**result, "calibration": found.as_dict()})
        return
    print_calibration(found)
    typer.echo(f"reward model in {out}")


def print_calibration(found: Calibration) -> None:
    """Prints how well probabilities hold, for people."""
    every: list[tuple[str, AxisCalibration]] = [("all", found.overall), *found.axes.items()]
    print_table(
        ("axis", "verdicts", "met", "accuracy", "base rate", "majority", "AUROC", "Brier", "base Brier", "ECE"),
        (
            (
                name.replace("_", " "),
                each.verdicts,
                each.met,
                each.accuracy,
                each.base,
                each.majority,
                "-" if each.auroc is None else f"{each.auroc:.3f}",
                each.brier,
                each.brier_base,
                each.ece,
            )
            for name, each in every
        ),
        title="Agreement with the judge that was learned from, on records that were not",
    )
    print_table(("probability", "verdicts", "mean", "met"), _rows(found), title="Reliability")


def _rows(found: Calibration) -> Iterable[tuple[Any, ...]]:
    for each in found.reliability:
        given = (f"{each.probability:.3f}", f"{each.met:.3f}") if each.verdicts else ("-", "-")
        yield f"{each.low:.1f} to {each.high:.1f}", each.verdicts, *given


def _split(records: str | None) -> SplitOf:
    from medenv.records import load_records
    from medenv.records.record_set import split_of, split_of_id

    if records is None:
        return split_of_id
    known = load_records(records)
    return lambda id: split_of(known[id])


def _tell(point: Mapping[str, float]) -> None:
    measured = "  ".join(f"{name} {value:.4g}" for name, value in point.items())
    print(measured, file=sys.stderr, flush=True)
