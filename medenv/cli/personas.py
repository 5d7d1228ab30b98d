"""`medenv personas`."""

from __future__ import annotations

import dataclasses
import json
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medenv.cli import options
from medenv.cli.options import examples
from medenv.cli.output import print_json, print_pairs, print_table, shortened

if TYPE_CHECKING:
    from medenv.personas import Persona

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Who the patient is, apart from the illness.")

Id = Annotated[str, typer.Argument(help="The id of a persona.")]
File = Annotated[Path | None, typer.Option(help="A TOML file of personas of your own.")]


def _known(file: Path | None) -> dict[str, Persona]:
    from medenv.personas import load_personas, personas
    from medenv.personas.registry import persona

    if file is not None:
        return {one.id: one for one in load_personas(file)}
    return {id: persona(id) for id in personas}


def _chosen(id: str, file: Path | None) -> Persona:
    from medenv.registry import unknown_id

    known = _known(file)
    if id not in known:
        raise unknown_id("persona", id, known)
    return known[id]


@app.command("list", epilog=examples("medenv personas list", "medenv personas list --file my-personas.toml"))
def list_(file: File = None, as_json: options.Json = False) -> None:
    """List the personas."""
    every = _known(file).values()
    if as_json:
        print_json([dataclasses.asdict(persona) for persona in every])
    else:
        print_table(("id", "description"), ((p.id, shortened(p.description, 90)) for p in every))


@app.command(epilog=examples("medenv personas show neutral", "medenv personas show stoic-farmer --file my.toml"))
def show(id: Id, file: File = None, as_json: options.Json = False) -> None:
    """Show every field of a persona."""
    data = dataclasses.asdict(_chosen(id, file))
    if as_json:
        print_json(data)
    else:
        print_pairs({name.replace("_", " "): value or "-" for name, value in data.items()})


@app.command("try", epilog=examples("medenv personas try anxious", "medenv personas try newcomer --record lib-03"))
def try_(
    id: Id,
    file: File = None,
    records: options.Records = "library",
    record: Annotated[str | None, typer.Option(help="The id of the record; the first of the set by default.")] = None,
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Hear a persona answer a few things that a doctor says, beside how the neutral one answers."""
    from medenv.agents.patients.scripted import ScriptedPatient
    from medenv.consultation.episode import Episode, Scenario
    from medenv.consultation.seats import DOCTOR, PATIENT
    from medenv.personas import personas
    from medenv.records import load_records

    found = load_records(records)
    case = found[0] if record is None else found[record]
    messages = json.loads(resources.files("medenv.personas").joinpath("try.json").read_text("utf-8"))["messages"]
    episodes = [Episode(Scenario(case, one, seed)) for one in (_chosen(id, file), personas.get("neutral"))]
    for episode in episodes:
        for message in messages:
            episode.step(DOCTOR, message)
            if episode.next_seat == PATIENT:
                episode.step(PATIENT, ScriptedPatient().act(episode.patient_view()))
    turns = [
        {"doctor": theirs.doctor, "patient": theirs.reply or "", "neutral": plain.reply or ""}
        for theirs, plain in zip(*(episode.turns for episode in episodes), strict=True)
    ]
    if as_json:
        print_json({"persona": id, "record": case.id, "seed": seed, "turns": turns})
        return
    print_table(("doctor", id, "neutral"), (tuple(turn.values()) for turn in turns))
