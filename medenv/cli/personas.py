"""`medenv personas`."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from medenv.cli import options
from medenv.cli.options import examples
from medenv.cli.output import print_json, print_pairs, print_table, shortened

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Who the patient is, apart from the illness.")


@app.command("list", epilog=examples("medenv personas list"))
def list_(as_json: options.Json = False) -> None:
    """List the personas."""
    from medenv.personas import personas

    every = [personas.get(id) for id in personas]
    if as_json:
        print_json([dataclasses.asdict(persona) for persona in every])
    else:
        print_table(("id", "description"), ((p.id, shortened(p.description, 90)) for p in every))


@app.command(epilog=examples("medenv personas show neutral"))
def show(id: Annotated[str, typer.Argument(help="The id of a persona.")], as_json: options.Json = False) -> None:
    """Show every field of a persona."""
    from medenv.personas import personas

    data = dataclasses.asdict(personas.get(id))
    if as_json:
        print_json(data)
    else:
        print_pairs(data)
