"""`medenv records`."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medenv.cli import options
from medenv.cli.options import examples
from medenv.cli.output import print_json, print_pairs, print_table, shortened
from medenv.errors import RunError

if TYPE_CHECKING:
    from medenv.records import Record
    from medenv.records.importers import ImportReport

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The cases: list, show, check and convert them.")

Source = Annotated[str, typer.Argument(help="library, synthetic, or the path of a file or folder of records.")]
Format = Annotated[str | None, typer.Option(help="The format of the source.", show_default="recognised")]
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


@app.command(epilog=examples("medenv records check my-cases.jsonl"))
def check(source: Source, format: Format = None, as_json: options.Json = False) -> None:
    """Check records before they are used.

    What is checked: the schema, the de-identification gate, leaks of the diagnosis, licences and duplicates.

    Exits with 1 where a record cannot be used.
    """
    from dataclasses import asdict

    from medenv.records import load_records
    from medenv.records.checking import check_records

    problems = check_records(source, format)
    fatal = sum(problem.fatal for problem in problems)
    records = None if fatal else load_records(source, format)
    report = None if records is None else records.report
    if as_json:
        print_json(
            {
                "source": source,
                "records": None if records is None else len(records),
                "errors": fatal,
                "problems": [asdict(problem) for problem in problems],
                "report": None if report is None else report.as_dict(),
            }
        )
    else:
        if problems:
            rows = (("error" if p.fatal else "warning", p.kind, p.record, p.field, p.message) for p in problems)
            print_table(("", "kind", "record", "field", "problem"), rows)
        if report is not None:
            _show_report(report)
        usable = "the source cannot be used" if records is None else f"{len(records)} records can be used"
        typer.echo(f"{usable}; {fatal} errors, {len(problems) - fatal} warnings")
    if fatal:
        raise typer.Exit(1)


@app.command(epilog=examples("medenv records convert agentclinic_medqa.jsonl -o cases.jsonl"))
def convert(
    source: Source,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file of medenv records, one a line.")],
    format: Format = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    as_json: options.Json = False,
) -> None:
    """Write records of any known format as medenv's own, one a line.

    The report says what was kept, changed and dropped.
    """
    from medenv.records import load_records, record_to_dict

    if out.exists() and not force:
        raise RunError(f"expected a new file, got {str(out)!r}, which exists (--force replaces it)")
    records = load_records(source, format)
    part = out.with_name(out.name + ".part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(record_to_dict(record), ensure_ascii=False) + "\n" for record in records)
        os.replace(part, out)
    except OSError as error:
        raise RunError(f"expected a file that can be written, got {str(out)!r}: {error.strerror or error}") from None
    if as_json:
        report = None if records.report is None else records.report.as_dict()
        print_json({"out": str(out), "records": len(records), "report": report})
        return
    if records.report is not None:
        _show_report(records.report)
    typer.echo(f"{len(records)} records in {out}")


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
