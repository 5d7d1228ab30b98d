"""Options that several commands share, and what they mean to the library."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = [
    "Concurrency",
    "Doctor",
    "Episodes",
    "Json",
    "Judge",
    "MaxTurns",
    "Normalisation",
    "Orders",
    "Out",
    "Patient",
    "Personas",
    "Quiet",
    "Records",
    "Rubric",
    "Scoring",
    "Seed",
    "Split",
    "examples",
    "task_options",
]

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress bar.")]

Doctor = Annotated[
    str,
    typer.Option("--doctor", "-d", help="Who the doctor is: random, checklist, oracle, chat, ..., or a policy folder."),
]
Episodes = Annotated[
    int | None, typer.Option("--episodes", "-n", help="How many episodes.", show_default="each record once")
]
Seed = Annotated[int, typer.Option(help="Everything random follows from it.")]
Concurrency = Annotated[int, typer.Option(help="How many episodes are played at the same time.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="A file for the trajectories, as JSON lines.")]

Records = Annotated[
    str, typer.Option("--records", "-r", help="library, synthetic, or the path of a file or folder of records.")
]
Split = Annotated[str | None, typer.Option(help="Only the records of this split: train, validation or test.")]
Personas = Annotated[
    list[str] | None,
    typer.Option(
        "--persona",
        "-p",
        help="Who the patient is: an id or a .toml file; of several, each episode draws one.",
        show_default="neutral",
    ),
]
Patient = Annotated[
    str, typer.Option(help="Who answers the doctor: scripted, or simulator, a model on the server at $MEDENV_SERVER.")
]
Rubric = Annotated[str, typer.Option(help="How criteria are made from a record.")]
Judge = Annotated[str, typer.Option(help="Who decides the criteria.")]
MaxTurns = Annotated[int, typer.Option(help="Doctor messages before the episode is cut off.")]
Scoring = Annotated[
    Path | None,
    typer.Option(help="A .toml file of weights, penalties and more.", show_default="weights of 1, no penalties"),
]
Normalisation = Annotated[
    str | None,
    typer.Option(
        help="Without --scoring, how points become the reward: healthbench, healthbench-clipped or m3.",
        show_default="healthbench",
    ),
]
Orders = Annotated[str, typer.Option(help="How a test that the record lacks is answered: unavailable or normal.")]


def task_options(**given: Any) -> dict[str, Any]:
    """The options of a command as the arguments of `make_task`."""
    scoring = given["scoring"]
    return {
        **given,
        "persona": given["persona"] or ["neutral"],
        "scoring": None if scoring is None else str(scoring),
    }


def examples(*lines: str) -> str:
    """Examples below the help text of a command."""
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))
