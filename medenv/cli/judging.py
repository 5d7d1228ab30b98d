"""`medenv judge`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medenv.cli import options, reward_model
from medenv.cli.options import examples
from medenv.cli.output import print_json, print_pairs, print_table, shortened
from medenv.errors import MedenvError, RunError

if TYPE_CHECKING:
    from medenv.rewards import Judge
    from medenv.rewards.assurance import Bounds, Drift, Estimate, JudgeReport

__all__ = ["app"]

SHOWN = 20
"""How many verdicts of a kind are listed."""

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The judges: how far each can be relied on.")


@app.callback()
def _judge() -> None:
    pass


@app.command(
    epilog=examples(
        "medenv judge check",
        "medenv judge check --judge hybrid --repeats 5 --json > hybrid.json",
        "medenv judge check --judge my_package.judges:MyJudge --limit 8",
        "medenv judge check --judge language-model --pin judge.json",
        "medenv judge check --judge language-model --against judge.json --max-drift 0.02",
    )
)
def check(
    judge: Annotated[
        str,
        typer.Option(
            help="Who is checked: rule; language-model or hybrid, with a model on the server at $MEDENV_SERVER; or an "
            "import string such as package.module:name."
        ),
    ] = "rule",
    repeats: Annotated[int, typer.Option(min=1, help="How often the same is asked.")] = 3,
    orders: Annotated[int, typer.Option(min=1, help="In how many orders the criteria are asked.")] = 3,
    injections: Annotated[
        int | None, typer.Option(min=0, help="Only so many injections, drawn.", show_default="all")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, help="Only so many consultations, drawn; with few, intervals are too narrow.", show_default="all"
        ),
    ] = None,
    seed: options.Seed = 0,
    concurrency: Annotated[int, typer.Option(min=1, help="How many calls are under way at the same time.")] = 16,
    pin: Annotated[
        Path | None, typer.Option(help="Write the verdicts to this file, to compare with later.", show_default=False)
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Compare with the verdicts that --pin wrote.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Let --pin replace a file that exists.")] = False,
    min_f1: Annotated[
        float | None, typer.Option(help="The least macro F1 with the labels.", show_default="0.8")
    ] = None,
    min_kappa: Annotated[
        float | None, typer.Option(help="The least Cohen's kappa with the labels.", show_default="0.6")
    ] = None,
    max_repeat: Annotated[
        float | None,
        typer.Option(help="The largest share of criteria on which repeats disagree.", show_default="0.05"),
    ] = None,
    max_position: Annotated[
        float | None, typer.Option(help="The largest effect of the order of the criteria.", show_default="0.1")
    ] = None,
    max_length: Annotated[
        float | None, typer.Option(help="The largest effect of neutral sentences.", show_default="0.1")
    ] = None,
    max_bypass: Annotated[
        float | None,
        typer.Option(help="The largest share of unfavourable verdicts that injections turn.", show_default="0.01"),
    ] = None,
    max_unscored: Annotated[
        float | None, typer.Option(help="The largest share of criteria without a verdict.", show_default="0.02")
    ] = None,
    max_drift: Annotated[
        float | None,
        typer.Option(help="The largest share of verdicts that differ from the pinned ones.", show_default="0.0"),
    ] = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Measure a judge on labelled verdicts.

    How far it agrees with the labels; what it wavers by; and what changes with the order of the criteria, with neutral
    sentences in the doctor's messages, and with words that try to talk it round. The consultations and labels come
    with medenv; no clinician has reviewed them.

    Exits with 1 where a bound is broken or the verdicts drifted. Effects of order, length and injections break a bound
    only where their interval leaves out zero.
    """
    from medenv.rewards.assurance import check_judge_quality, default_bounds, read_pin, write_pin

    if pin is not None and pin.exists() and not force:
        raise RunError(f"expected a new file for --pin, got {pin}, which exists; --force replaces it")
    bounds = _bounds(
        default_bounds(),
        f1=min_f1,
        kappa=min_kappa,
        repeat=max_repeat,
        position=max_position,
        length=max_length,
        bypass=max_bypass,
        unscored=max_unscored,
        drift=max_drift,
    )
    pinned = None if against is None else read_pin(against)
    made = _made(judge)
    with _bar(not quiet) as progress:
        report = check_judge_quality(
            made,
            repeats=repeats,
            orders=orders,
            injections=_injections(injections, seed),
            seed=seed,
            concurrency=concurrency,
            limit=limit,
            against=pinned,
            bounds=bounds,
            progress=progress,
        )
    if pin is not None:
        write_pin(pin, report.pin)
    if as_json:
        print_json({"pin": None if pin is None else str(pin), **report.as_dict()})
    else:
        _tell(report)
        if pin is not None:
            typer.echo(f"{len(report.pin.verdicts)} verdicts in {pin}")
    if report.breaches:
        raise typer.Exit(1)


def _made(judge: str) -> Judge:
    from medenv.registry import load
    from medenv.rewards import Judge, judges

    if ":" not in judge:
        return judges.get(judge)()
    try:
        found = load(judge)
        made = found() if isinstance(found, type) or not isinstance(found, Judge) else found
    except MedenvError:
        raise
    except Exception as error:
        raise RunError(f"expected the import string of a judge, got {judge!r}: {error}") from None
    if not isinstance(made, Judge):
        raise RunError(f"expected {judge!r} to make a judge, got {type(made).__name__}")
    return made


def _injections(count: int | None, seed: int) -> dict[str, str]:
    """Those that are worth nothing at all; what has an honest side may change a verdict by it."""
    import numpy as np

    from medenv.testing.injections import injections

    known = [injection for injection in injections() if not injection.plain]
    if count is not None:
        order = np.random.default_rng(np.random.SeedSequence(seed)).permutation(len(known))[:count]
        known = [known[place] for place in sorted(order)]
    return {injection.id: injection.text for injection in known}


def _bounds(defaults: Bounds, **given: float | None) -> Bounds:
    from dataclasses import replace

    return replace(defaults, **{name: value for name, value in given.items() if value is not None})


@contextmanager
def _bar(shown: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not shown or not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("judgements", total=None)
        yield lambda finished, total: bar.update(task, completed=finished, total=total)


def _tell(report: JudgeReport) -> None:
    undecidable = f", {report.undecidable} more have no check" if report.undecidable else ""
    print_pairs(
        {
            "judge": report.judge,
            "labels": f"{report.criteria} criteria of {report.consultations} consultations{undecidable} "
            f"(version {report.labels})",
            "asked": f"{report.calls} times; repeats "
            + ("with other seeds" if report.reseeded else "ask exactly the same again"),
            **{f"failed ({place})": why for place, why in enumerate(report.failed[:3], 1)},
        }
    )
    broken = {breach.figure for breach in report.breaches}
    rows = list(_rows(report))
    print_table(
        ("measure", "figure", "95 % interval", "n", "bound", ""),
        ((name, *_cells(each), bound, "BROKEN" if key in broken else "") for key, name, each, bound in rows),
    )
    hard = {**report.agreement.signs, **report.agreement.traps}
    print_table(
        ("accuracy on", "figure", "95 % interval", "n"),
        ((_KINDS.get(name, name), *_cells(each)) for name, each in hard.items()),
    )
    _tell_wrong(report)
    # Of a judge that wavers as much beside neutral text, no injection can be said to have turned anything.
    if report.bypass.worst and (report.bypass.net.real or not report.bypass.control.value):
        print_table(("injection", "verdicts turned"), report.bypass.worst[:SHOWN])
    if report.bypass.left_out:
        typer.echo(f"{len(report.bypass.left_out)} injections were left out, for they do more than talk")
    if report.drift is not None:
        _tell_drift(report.drift)
    for breach in report.breaches:
        typer.echo(f"broken: {breach}")
    if not report.breaches:
        typer.echo("every bound is kept")


_KINDS = {
    "positive": "positive points",
    "negative": "negative points",
    "none": "labels without a trap",
    "formula": "the words without the thing",
    "negated": "mentioned and negated",
    "neighbour": "a near neighbour",
    "partial": "only part of it",
    "patient": "said by the patient",
    "promised": "promised, not done",
    "rejected": "discussed and rejected",
    "ruled-out": "named to be ruled out",
    "subtle": "done in other words",
    "timing": "at another time",
    "vague": "too vague to count",
}


def _rows(report: JudgeReport) -> Iterator[tuple[str, str, Estimate, str]]:
    """The key of each figure in the report, what it is, the figure, and the bound."""
    agreement, bounds = report.agreement, report.bounds
    yield "accuracy", "agreement: accuracy", agreement.accuracy, ""
    yield "f1", "agreement: macro F1", agreement.f1, f">= {bounds.f1:g}"
    yield "kappa", "agreement: Cohen's kappa", agreement.kappa, f">= {bounds.kappa:g}"
    yield "unscored", "without a verdict", report.unscored, f"<= {bounds.unscored:g}"
    yield "repeat.changed", "repeats: criteria that change", report.repeat.changed, f"<= {bounds.repeat:g}"
    position = f"+-{bounds.position:g}"
    yield "position.changed", "order: verdicts that change", report.position.changed, position
    yield "position.first", "order: met oftener when first", report.position.first, position
    yield "position.last", "order: met oftener when last", report.position.last, position
    yield "length.changed", "length: verdicts that change", report.length.changed, f"+-{bounds.length:g}"
    yield "length.favour", "length: oftener in favour", report.length.favour, f"+-{bounds.length:g}"
    yield "length.met", "length: oftener met", report.length.met, ""
    yield "length.correlation", "length: correlation with favour", report.length.correlation, ""
    bypass = report.bypass
    yield "bypass.flipped", "injections: turned in favour", bypass.flipped, ""
    yield "bypass.control", "neutral text: turned in favour", bypass.control, ""
    yield "bypass.net", "injections: bypass rate, net", bypass.net, f"<= {bounds.bypass:g}"
    yield "bypass.against", "injections: turned against", bypass.against, ""
    yield "bypass.silenced", "injections: verdict lost", bypass.silenced, f"<= {bounds.unscored:g}"


def _cells(each: Estimate) -> tuple[str, str, int]:
    value = "-" if each.value is None else f"{each.value:.3f}"
    interval = "-" if each.low is None else f"{each.low:.3f} to {each.high:.3f}"
    return value, interval, each.n


def _tell_wrong(report: JudgeReport) -> None:
    from medenv.rewards.assurance import load_labels

    if not report.agreement.wrong:
        return
    labels: dict[str, Any] = {f"{c.id}/{y.criterion.id}": y for c in load_labels().consultations for y in c.labels}
    wrong = [(id, labels[id]) for id in report.agreement.wrong]
    print_table(
        ("disagrees on", "label", "criterion"),
        ((id, _word(label.met), shortened(label.criterion.text, 70)) for id, label in wrong[:SHOWN]),
    )
    if len(wrong) > SHOWN:
        typer.echo(f"{len(wrong) - SHOWN} more (--json tells all verdicts)")


def _tell_drift(found: Drift) -> None:
    print_pairs(
        {
            "drift": f"{len(found.changes)} of {found.compared} verdicts changed; {found.mended} were wrong and are "
            f"right, {found.spoiled} were right and are wrong (exact McNemar p = {found.p:.3g})",
            **({"pinned judge": found.judge_before} if found.judge_before != found.judge_now else {}),
        }
    )
    if found.changes:
        print_table(
            ("changed", "before", "now", "label"),
            ((c.criterion, _word(c.before), _word(c.now), _word(c.label)) for c in found.changes[:SHOWN]),
        )
    if len(found.changes) > SHOWN:
        typer.echo(f"{len(found.changes) - SHOWN} more (--json tells all)")


def _word(met: bool | None) -> str:
    return "no verdict" if met is None else "met" if met else "not met"


app.command(
    epilog=examples(
        "medenv judge train --rollouts runs/checklist.jsonl --rollouts runs/novice.jsonl --out runs/judge",
        "MEDENV_REWARD_MODEL=runs/judge medenv evaluate --judge learned",
    )
)(reward_model.train)
