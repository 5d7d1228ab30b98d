"""The command line: `medenv records | personas | judge | play | rollout | evaluate | train | report | ...`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from medenv.cli import healthbench, judging, personas, playing, records, reporting, running, serving, training
from medenv.cli.options import examples
from medenv.errors import MedenvError

__all__ = ["app", "main"]

app = typer.Typer(
    name="medenv",
    help="Medical consultations as reinforcement learning environments. Every command takes --json, for machines.",
    epilog=examples("medenv play", "medenv evaluate --doctor checklist", "medenv evaluate --help")
    + "\n\nMade for research on models. Nothing here is for the care of patients.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
app.add_typer(records.app, name="records")
app.add_typer(personas.app, name="personas")
app.add_typer(judging.app, name="judge")
for _name, _command, _examples in (
    ("play", playing.play, ("medenv play", "medenv play lib-03 --persona anxious")),
    (
        "rollout",
        running.rollout,
        (
            "medenv rollout --doctor checklist --out runs/checklist.jsonl",
            "medenv rollout --doctor random --records synthetic --group-size 8 --out runs/random.jsonl",
        ),
    ),
    (
        "evaluate",
        running.evaluate,
        (
            "medenv evaluate --doctor checklist",
            "medenv evaluate --doctor runs/demo/policy --records synthetic --split test --episodes 256 --json",
        ),
    ),
    (
        "train",
        training.train,
        ("medenv train --policy runs/demo/warm-start --config grpo.json --out runs/mine",),
    ),
    ("report", reporting.report, ("medenv report runs/demo", "medenv report runs/checklist.jsonl -o checklist.html")),
    (
        "serve",
        serving.serve,
        (
            "medenv serve .vllm/smollm2-135m-instruct",
            "medenv serve Qwen/Qwen3-8B --port 0 --json -- --tensor-parallel-size 2",
        ),
    ),
    (
        "healthbench",
        healthbench.healthbench,
        (
            "medenv healthbench oss_eval.jsonl --part hard.jsonl --part consensus.jsonl --out runs/healthbench.jsonl",
            "medenv healthbench oss_eval.jsonl --responder ideal --group 'Group 1' --json",
        ),
    ),
):
    app.command(_name, epilog=examples(*_examples))(_command)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"medenv {version('medenv-rl')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: What stands after `medenv` on the command line; without it, that of the process.

    Returns:
        The exit status: 0; 1 where `records check` or `judge check` found something; 2 for an error, which is one line
        on standard error; 130 where the user interrupted.
    """
    try:
        status = app(args=None if arguments is None else list(arguments), prog_name="medenv", standalone_mode=False)
    except MedenvError as error:
        return _error(str(error))
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except SystemExit as left:  # a closed pipe ends the program without a word
        return int(left.code or 0)
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        return _error(f"{error.format_message() or 'expected a command'} (see: medenv --help)")
    return status if isinstance(status, int) else 0


def _error(message: str) -> int:
    print(f"medenv: {' '.join(message.split())}", file=sys.stderr)
    return 2
