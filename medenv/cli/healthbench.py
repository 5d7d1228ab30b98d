"""`medenv healthbench`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medenv.cli import options
from medenv.cli.output import print_json, print_pairs, print_table
from medenv.errors import RunError

if TYPE_CHECKING:
    from medenv.rewards.healthbench import Metric, Report

__all__ = ["healthbench"]


def healthbench(
    file: Annotated[
        Path, typer.Argument(help="A HealthBench file, as openai/simple-evals publishes them.", show_default=False)
    ],
    responder: Annotated[
        str,
        typer.Option(
            "--responder",
            help="Who responds: vllm-server, a model on the server at $MEDENV_SERVER; transformers; a doctor's id; a "
            "policy folder; ideal or reference, the completions that come with the data.",
        ),
    ] = "vllm-server",
    judge: Annotated[str, typer.Option(help="Who decides the criteria.")] = "language-model",
    part: Annotated[
        list[Path] | None,
        typer.Option(
            help="A file with some of the examples, such as the hard or the consensus ones, to report on as well; "
            "nothing more is asked for it."
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(help="How many responses to each example; worst-at-k needs several.")] = 1,
    examples: Annotated[
        int | None, typer.Option("--examples", "-n", help="Only so many examples, drawn.", show_default="all")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help='Only examples with completions of this group of physicians, such as "Group 1".')
    ] = None,
    temperature: Annotated[float, typer.Option(help="Of a model that responds.")] = 0.5,
    max_tokens: Annotated[int, typer.Option(help="The longest response of a model.")] = 2048,
    language: Annotated[str, typer.Option(help="The language that the judge is asked in.")] = "en",
    seed: options.Seed = 0,
    concurrency: Annotated[int, typer.Option(help="How many responses are worked on at the same time.")] = 64,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A file for responses and verdicts, as JSON lines.")
    ] = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Run HealthBench and report what openai/simple-evals would on the same verdicts.

    A run that was cut off goes on where it stopped when the same command is given again. Responses that failed are
    counted, and are in no number.
    """
    from medenv.rewards.healthbench import draw, load_examples, make_responder, part_of, run_healthbench, summarise

    chosen = load_examples(file)
    parts = {path.stem: part_of(chosen, load_examples(path)) for path in part or ()}
    if len(parts) < len(part or ()):
        raise RunError("expected parts in files with different names, got one name twice")
    if group is not None:
        chosen = tuple(e for e in chosen if e.completions is not None and e.completions.group == group)
        if not chosen:
            raise RunError(f"{file}: expected examples with completions of {group!r}, got none")
    if examples is not None:
        chosen = draw(chosen, examples)
    with _bar(not quiet) as progress:
        report = run_healthbench(
            chosen,
            make_responder(responder, temperature=temperature, max_tokens=max_tokens),
            judge,
            n_repeats=repeats,
            concurrency=concurrency,
            seed=seed,
            language=language,
            out=out,
            progress=progress,
        )
    reports = {name: summarise(some, report.results, seed=seed) for name, some in parts.items()}
    if as_json:
        settings = {"file": str(file), "responder": responder, "judge": judge, "repeats": repeats, "seed": seed}
        plain = {name: each.as_dict() for name, each in reports.items()}
        print_json({"settings": settings, **report.as_dict(), "parts": plain})
        return
    _tell(report, reports)
    if out is not None:
        typer.echo(f"{report.responses} responses in {out}")


@contextmanager
def _bar(shown: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on standard error."""
    if not shown:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("responses", total=None)
        yield lambda finished, total: bar.update(task, completed=finished, total=total)


def _tell(report: Report, parts: dict[str, Report]) -> None:
    failed = "".join(f", {count} failed ({kind})" for kind, count in report.invalid.items())
    unscored = f", {report.unscored} without positive points" if report.unscored else ""
    reasons: dict[str, str] = {}
    for failure in (result.failure for result in report.results):
        if failure is not None:
            reasons.setdefault(f"failed ({failure['kind']})", failure["reason"])
    print_pairs(
        {
            "examples": str(report.examples),
            "responses": f"{report.responses}, {report.valid} valid{failed}{unscored}",
            **reasons,
        }
    )
    overall = {"overall": report, **parts}
    named = {name: each.metrics["overall_score"] for name, each in overall.items() if each.score is not None}
    if not named:
        typer.echo("no score: no valid response")
        return
    _table("", named)
    _table("theme", report.themes)
    _table("axis", report.axes)
    if len(report.worst_at_k) > 1:
        title = f"over {report.problems} examples of which every response is valid"
        print_table(("k", "worst at k"), report.worst_at_k.items(), title=title)


def _table(title: str, metrics: dict[str, Metric]) -> None:
    if metrics:
        rows = ((name.replace("_", " "), each.mean, each.bootstrap_std, each.n) for name, each in metrics.items())
        print_table((title, "score", "bootstrap std", "n"), rows)
