"""`medenv report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medenv.cli import options
from medenv.cli.output import print_json

__all__ = ["report"]


def report(
    source: Annotated[
        Path, typer.Argument(help="A run folder with summary.json, that file, or a file of trajectories.")
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The page.", show_default="beside the source")] = None,
    as_json: options.Json = False,
) -> None:
    """Write a report: one page of HTML that needs nothing else."""
    from medenv.reporting import write_report

    written = write_report(source, out)
    if as_json:
        print_json({"report": str(written), "bytes": written.stat().st_size})
    else:
        typer.echo(f"wrote {written}")
