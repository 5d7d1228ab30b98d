"""`medenv records`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medenv.cli import options
from medenv.cli.options import examples
from medenv.cli.output import print_json, print_pairs, print_table, shortened

if TYPE_CHECKING:
    from medenv.records import Record
    from medenv.records.checking import Checked
    from medenv.records.importers import ImportReport
    from medenv.records.record_store import Entry
    from medenv.records.withholding import Withheld

__all__ = ["app"]

SHOWN = 200
"""Rows of a table for people."""

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The cases: list, show, check and convert them.")

Source = Annotated[str, typer.Argument(help="library, synthetic, or the path of a file or folder of records.")]
Format = Annotated[str | None, typer.Option(help="The format of the source.", show_default="recognised")]
OutFile = Annotated[
    Path, typer.Option("--out", "-o", help="The file of medenv records: .jsonl, or .sqlite for a record store.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that exists.")]
SHOWN = 200
"""How many rows of a table are printed."""
WithTruth = Annotated[bool, typer.Option("--truth", help="Show the diagnosis too: it spoils the case.")]


@app.command(
    "list", epilog=examples("medenv records list", "medenv records list --records my-cases.jsonl --split test --truth")
)
def list_(
    records: options.Records = "library",
    split: options.Split = None,
    truth: WithTruth = False,
    as_json: options.Json = False,
) -> None:
    """List records."""
    from medenv.envs.task import make_task
    from medenv.records.record_set import split_of

    found = make_task(records, split=split).records  # type: ignore[arg-type]
    rows = [
        {
            "id": record.id,
            "patient": _patient(record),
            "complaint": record.chief_complaint,
            "facts": len(record.facts),
            "exams": len(record.exams),
            "split": split_of(record),
            **({"diagnosis": record.truth.diagnosis.name} if truth else {}),
        }
        for record in found
    ]
    if as_json:
        print_json(rows)
        return
    print_table(tuple(rows[0]), ([shortened(c, 60) if isinstance(c, str) else c for c in row.values()] for row in rows))


@app.command(epilog=examples("medenv records show lib-01", "medenv records show lib-01 --truth --json"))
def show(
    id: Annotated[str, typer.Argument(help="The id of a record.")],
    records: options.Records = "library",
    truth: WithTruth = False,
    as_json: options.Json = False,
) -> None:
    """Show one record."""
    from medenv.records import load_records, record_to_dict

    record = load_records(records)[id]
    if as_json:
        data = record_to_dict(record)
        print_json(data if truth else {name: value for name, value in data.items() if name not in ("truth", "rubric")})
        return
    print_pairs(
        {
            "id": record.id,
            "patient": _patient(record),
            "speaker": record.speaker,
            "complaint": record.chief_complaint,
            "licence": record.provenance.licence,
        }
    )
    print_table(
        ("fact", "topic", "statement", "told when"),
        ((fact.id, fact.topic, fact.statement, _told_when(fact)) for fact in record.facts),
    )
    print_table(("exam", "kind", "result"), ((e.name, e.kind, e.result or e.status) for e in record.exams))
    if truth:
        _show_truth(record)


@app.command(
    epilog=examples(
        "medenv records check my-cases.jsonl",
        "medenv records check my-cases.jsonl --json > problems.json",
        "medenv records check my-cases.jsonl --redact clean.jsonl",
        "medenv records check train.jsonl --against test.sqlite",
    )
)
def check(
    source: Source,
    format: Format = None,
    against: Annotated[
        str | None,
        typer.Option(help="Another source, such as a test set: find what the two share.", show_default=False),
    ] = None,
    redact: Annotated[
        Path | None,
        typer.Option(help="Write the records to this file, with the diagnosis withheld.", show_default=False),
    ] = None,
    force: Force = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Check records before they are used.

    Errors, which keep a source from being used: what cannot be read or does not fit the schema, the diagnosis named
    where the doctor or the patient may see it, identifiers of persons, and ids that come twice. Warnings: words that
    probably tell the diagnosis, licences and sources that say nothing or do not go together, records that are nearly
    the same, and facts that are stated twice.

    With --against: ids, contents, nearly all statements, or most of the text that are there too.

    Exits with 1 where a record cannot be used, or shares something with the other source; warnings leave it at 0.
    """
    import sys
    from dataclasses import asdict

    from medenv.records.checking import check_source

    quiet = quiet or not sys.stderr.isatty()
    checked = check_source(source, format, against=against, track=lambda rows: _tracked(rows, None, quiet))
    errors = sum(problem.fatal for problem in checked.problems)
    count, changes = 0, None
    if redact is not None and all(problem.kind == "leak" for problem in checked.problems if problem.fatal):
        count, changes = _write_withheld(source, format, redact, force, quiet)
    if as_json:
        print_json(
            {
                "source": source,
                "records": checked.records if checked.usable else None,
                "errors": errors,
                "warnings": len(checked.problems) - errors,
                "kinds": Counter(problem.kind for problem in checked.problems),
                "problems": [asdict(problem) for problem in checked.problems],
                "report": None if checked.report is None else checked.report.as_dict(),
                "withheld": None if changes is None else [asdict(change) for change in changes],
            }
        )
    else:
        _show_checked(checked, errors)
        if changes is not None:
            _show_withheld(changes)
            typer.echo(f"{count} records in {redact}")
        elif redact is not None:
            typer.echo(f"{redact} was not written: what is more than a leak has to be mended first")
    if (errors and changes is None) or any(problem.kind == "overlap" for problem in checked.problems):
        raise typer.Exit(1)


@app.command(
    epilog=examples(
        "medenv records convert agentclinic_medqa.jsonl -o cases.jsonl",
        "medenv records convert cases.jsonl -o cases.sqlite",
    )
)
def convert(
    source: Source,
    out: OutFile,
    format: Format = None,
    force: Force = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Write records of any known format as medenv's own: one a line (.jsonl) or in a record store (.sqlite).

    The report says what was kept, changed and dropped.
    """
    from medenv.records.loading import open_records
    from medenv.records.record_set import RecordSet
    from medenv.records.record_store import entry_of
    from medenv.records.writing import write_records

    records = open_records(source, format)
    total = len(records) if isinstance(records, RecordSet) else None
    entries = _tracked(map(entry_of, records), total, quiet)
    count = write_records(out, entries, report=lambda: records.report, replace=force)
    report = records.report
    if as_json:
        print_json({"out": str(out), "records": count, "report": None if report is None else report.as_dict()})
        return
    if report is not None:
        _show_report(report)
    typer.echo(f"{count} records in {out}")


@app.command(
    epilog=examples(
        "medenv records synthesise 10000 -o cases.jsonl",
        "medenv records synthesise 1000000 -o cases.sqlite --jobs 8",
        "medenv records synthesise 500 -o chest.jsonl --condition pulmonary-embolism --condition pneumonia",
    )
)
def synthesise(
    count: Annotated[int, typer.Argument(help="How many records.")],
    out: OutFile,
    seed: options.Seed = 0,
    condition: Annotated[
        list[str] | None,
        typer.Option(
            "--condition",
            "--conditions",
            help="The id of a condition that patients may have; may be given several times.",
            show_default="all",
        ),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="How many processes; the file is the same.")] = 1,
    force: Force = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Make records from the bundled knowledge, as many as wanted, and write them to a file."""
    from medenv.records.bulk import synthesise_entries
    from medenv.records.writing import write_records

    entries = synthesise_entries(count, seed, conditions=condition, jobs=jobs)
    write_records(out, _tracked(entries, count, quiet), replace=force)
    if as_json:
        print_json({"out": str(out), "records": count, "seed": seed, "conditions": condition})
        return
    typer.echo(f"{count} records in {out}")


@app.command(
    epilog=examples(
        "medenv records deidentify my-cases.jsonl",
        "medenv records deidentify my-cases.jsonl -o my-cases-deidentified.jsonl",
    )
)
def deidentify(
    source: Annotated[str, typer.Argument(help="The path of a file or folder of records.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write the records as proposed: .jsonl, or .sqlite for a record store."),
    ] = None,
    format: Format = None,
    force: Force = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Propose plain words for whatever may identify a person.

    Nothing is written without -o. The words shown are masked. What no pattern sees, such as a rare name without a
    title, stays: read the records before they are passed on.
    """
    from dataclasses import asdict

    from medenv.records.record_store import entry_of
    from medenv.records.redaction import Change, redact_records
    from medenv.records.writing import write_records

    changes: list[Change] = []
    count = 0

    def redacted() -> Iterable[Record]:
        nonlocal count
        for record, changed in redact_records(Path(source), format):
            changes.extend(changed)
            count += 1
            yield record

    entries = _tracked(map(entry_of, redacted()), None, quiet)
    if out is None:
        for _ in entries:
            pass
    else:
        write_records(out, entries, replace=force)
    if as_json:
        told = {"source": source, "records": count, "changes": [asdict(change) for change in changes]}
        print_json({**told, "out": None if out is None else str(out)})
        return
    if changes:
        rows = ((c.record, c.field, c.kind, c.before, c.after) for c in changes[:SHOWN])
        print_table(("record", "field", "kind", "words around it", "proposed"), rows)
    more = f", {len(changes) - SHOWN} not shown (--json shows all)" if len(changes) > SHOWN else ""
    typer.echo(f"{len(changes)} identifiers in {len({c.record for c in changes})} of {count} records{more}")
    written = "nothing written; -o FILE writes the records as proposed" if out is None else f"{count} records in {out}"
    typer.echo(written)


def _tracked(entries: Iterable[Entry], total: int | None, quiet: bool) -> Iterator[Entry]:
    """The same entries, with a progress bar where standard error is a terminal."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    waiting = iter(entries)
    first = list(islice(waiting, 1))  # so that no bar comes before a source that cannot be read
    hidden = quiet or not console.is_terminal
    yield from track(chain(first, waiting), "records", total, console=console, disable=hidden)


def _write_withheld(source: str, format: str | None, out: Path, force: bool, quiet: bool) -> tuple[int, list[Withheld]]:
    """Writes the records of a source without their leaks, and gives how many there are and what was withheld."""
    from medenv.records.record_store import entry_of
    from medenv.records.withholding import withheld_records
    from medenv.records.writing import write_records

    changes: list[Withheld] = []

    def entries() -> Iterator[Entry]:
        for record, made in withheld_records(source, format):
            changes.extend(made)
            yield entry_of(record)

    count = write_records(out, _tracked(entries(), None, quiet), replace=force)
    return count, changes


def _show_checked(checked: Checked, errors: int) -> None:
    problems = sorted(checked.problems, key=lambda problem: not problem.fatal)
    if problems:
        rows = (("error" if p.fatal else "warning", p.kind, p.record, p.field, p.message) for p in problems[:SHOWN])
        print_table(("", "kind", "record", "field", "problem"), rows)
        kinds = Counter(("error" if p.fatal else "warning", p.kind) for p in problems)
        print_table(("", "kind", "problems"), ((level, kind, count) for (level, kind), count in sorted(kinds.items())))
    if len(problems) > SHOWN:
        typer.echo(f"{len(problems) - SHOWN} problems more (--json tells all)")
    if checked.report is not None and checked.usable:
        _show_report(checked.report)
    usable = f"{checked.records} records can be used" if checked.usable else "the source cannot be used"
    typer.echo(f"{usable}; {errors} errors, {len(problems) - errors} warnings")


def _show_withheld(changes: list[Withheld]) -> None:
    if changes:
        rows = ((c.record, c.field, shortened(c.before, 60), shortened(c.after, 60) or "-") for c in changes[:SHOWN])
        print_table(("record", "field", "before", "after"), rows)
    records = len({change.record for change in changes})
    facts = sum(change.is_fact and not change.after for change in changes)
    typer.echo(f"withheld in {len(changes)} places of {records} records; {facts} facts dropped, which said no more")


def _patient(record: Record) -> str:
    age = record.demographics.age
    return f"{record.demographics.sex}, {age.value:g} {age.unit}"


def _told_when(fact: Any) -> str:
    told = {"volunteered": "unasked", "asked": "asked", "trusted": "asked and trusting"}[fact.disclosure]
    return ", ".join([told, *(["must ask"] if fact.must_ask else []), *(["red flag"] if fact.red_flag else [])])


def _show_truth(record: Record) -> None:
    truth = record.truth
    print_pairs(
        {
            "diagnosis": truth.diagnosis.name,
            "differential": "; ".join(f"{h.name} ({h.probability:g})" for h in truth.differential) or "-",
            "plan": "; ".join(item.action for item in truth.plan) or "-",
            "contraindicated": "; ".join(f"{c.action} ({c.because})" for c in truth.contraindicated) or "-",
            "department": truth.department or "-",
            "urgency": truth.urgency,
        }
    )


def _show_report(report: ImportReport) -> None:
    def told(value: Any) -> str:
        if isinstance(value, dict):
            return ", ".join(f"{name} ({count})" for name, count in Counter(value).most_common(12)) or "none"
        return "; ".join(value) or "none" if isinstance(value, list) else str(value)

    print_pairs({name.replace("_", " "): told(value) for name, value in report.as_dict().items()})
