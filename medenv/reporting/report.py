"""The report: from a run folder or a file of trajectories to one page of HTML that needs nothing else."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from medenv.errors import MissingExtraError, RunError
from medenv.reporting.plots import Bar, axis_bars, learning_curve, reward_bars
from medenv.reporting.summary import NAME, Summary, read_summary
from medenv.reporting.transcript import Transcript, choose, transcript
from medenv.rewards import AXES, Scoring
from medenv.rollout import Trajectory, read_run, summarise

__all__ = ["write_report"]

LEDGER = {
    "turns": "turns",
    "orders": "tests ordered",
    "must_ask_coverage": "must-ask facts elicited",
    "asked": "facts asked for",
    "disclosed": "facts told",
    "withheld_share": "asked for, never told",
    "repeated": "asked again though told",
    "unanswered": "questions the record cannot answer",
    "unheard": "questions too many at once",
    "fishing": "attempts to get the answer",
    "contradicted": "contradictions of the patient",
    "invented": "inventions of the patient",
    "privacy": "turns without a private fact unasked",
    "diagnosed": "ended with a diagnosis",
}
METRICS = {
    "top_1": "right diagnosis first",
    "top_3": "right diagnosis among the first three",
    "brier": "Brier score of the differential, 0 to 2, less is better",
    "log_score": "log score of the differential, at most 0, more is better",
    "coverage_area": "must-ask facts told, mean over twenty turns",
    "efficiency_index": "diagnostic efficiency index",
    "question_turns": "turns with a question",
    "repeated_per_turn": "facts asked again though told, per turn",
    "grade_symptoms": "grade of the symptoms",
    "grade_exams": "grade of the examinations",
    "grade_diagnosis": "grade of the diagnosis",
    "grade_rationale": "grade of the rationale",
    "grade_treatment": "grade of the treatment",
}
SHARES = {
    "must_ask_coverage",
    "withheld_share",
    "privacy",
    "diagnosed",
    "top_1",
    "top_3",
    "coverage_area",
    "question_turns",
}


@dataclass(frozen=True, slots=True)
class _Doctor:
    """One row: a doctor, over its training seeds where it has several."""

    name: str
    evaluations: Sequence[Mapping[str, Any]]
    seeds: Sequence[int | None]

    def mean(self, group: str, name: str) -> float | None:
        """The mean of a value over the seeds; none where no seed has it."""
        values = [one[group][name] for one in self.evaluations if one[group].get(name) is not None]
        return math.fsum(values) / len(values) if values else None

    @property
    def bar(self) -> Bar | None:
        """The doctor in a plot of rewards; none without a valid episode."""
        values = [self.mean("reward", name) for name in ("mean", "low", "high")]
        if any(value is None for value in values):
            return None
        mean, low, high = (value for value in values if value is not None)
        seeds = [one["reward"]["mean"] for one in self.evaluations if one["reward"]["mean"] is not None]
        if len(seeds) > 1:
            low, high = min(seeds), max(seeds)
        return Bar(self.name, mean, low, high, seeds)

    @property
    def row(self) -> dict[str, Any]:
        """The doctor in the table of results."""
        bar = self.bar
        rewards = [one["reward"]["mean"] for one in self.evaluations]
        several = len(self.evaluations) > 1
        return {
            "name": self.name,
            "mean": None if bar is None else f"{bar.mean:z.3f}",
            "interval": None if bar is None else f"{bar.low:z.3f} to {bar.high:z.3f}",
            "over": "over seeds" if several else "95 %",
            "seeds": [
                f"seed {seed}: {'none' if reward is None else f'{reward:z.3f}'}"
                for seed, reward in zip(self.seeds, rewards, strict=True)
            ]
            if several
            else [],
            "valid": sum(one["valid"] for one in self.evaluations),
            "episodes": sum(one["episodes"] for one in self.evaluations),
        }


def write_report(source: str | os.PathLike[str], out: str | os.PathLike[str] | None = None) -> Path:
    """Writes a report.

    Args:
        source: A run folder with `summary.json`, such a file, or a file of trajectories.
        out: The page; without it, `report.html` in the run folder, or the source with the ending `.html`.

    Returns:
        The page.

    Raises:
        RunError: The source cannot be read, or the page cannot be written.
        MissingExtraError: jinja2 or matplotlib is not installed.
    """
    source = Path(source)
    if source.is_dir():
        source = source / NAME
    if source.suffix == ".json":
        context, beside = _of_summary(read_summary(source), source.parent), source.with_name("report.html")
    else:
        context, beside = _of_trajectories(source), source.with_suffix(".html")
    page = _render(context)
    path = beside if out is None else Path(out)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(page.encode("utf-8", "replace"))
    except OSError as error:
        raise RunError(f"expected a page that can be written, got {str(path)!r}: {error.strerror or error}") from None
    return path


def _render(context: Mapping[str, Any]) -> str:
    try:
        import jinja2
    except ImportError:
        raise MissingExtraError("expected jinja2 for the report; pip install 'medenv-rl[report]'") from None
    folder = resources.files("medenv.reporting")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: folder.joinpath(name).read_text("utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = folder.joinpath("report.css").read_text("utf-8")
    return environment.get_template("report.html.j2").render(style=style, **context)


def _of_summary(summary: Summary, folder: Path) -> dict[str, Any]:
    sets = [_results(entry) for entry in summary["evaluations"]]
    first = sets[0]["doctors"] if sets else []
    return {
        "title": summary["title"],
        "lead": _lead(sets),
        "notes": summary.get("notes", []),
        "sets": sets,
        "curve": _curve(summary),
        "seconds": [(one["seed"], one["seconds"]) for one in summary["seeds"] if "seconds" in one],
        "axes_plot": _axes_plot(first),
        "metrics": _rows(first, "metrics", METRICS),
        "ledger": _rows(first, "ledger", LEDGER),
        "ledger_names": [doctor.name for doctor in first],
        "first": sets[0]["records"] if sets else "",
        "transcripts": list(_transcripts(summary.get("transcripts", []), folder)),
        "command": summary.get("command"),
        "versions": summary.get("versions", {}),
        "settings": list(_flat(summary.get("settings", {}))),
    }


def _of_trajectories(path: Path) -> dict[str, Any]:
    run = read_run(path)
    seed = run.settings.get("seed", 0)
    evaluation = summarise(run.trajectories, seed=seed if isinstance(seed, int) else 0).as_dict()
    entry = {"doctor": str(run.settings.get("doctor", "doctor")), "evaluation": evaluation}
    results = _results({"records": "the records of the run", "doctors": [entry]})
    failures = ", ".join(f"{count} by the {kind}" for kind, count in evaluation["invalid"].items())
    return {
        "title": f"Consultations of {entry['doctor']}",
        "lead": "",
        "notes": [f"Failed episodes have no reward and are in no mean: {failures}."] if failures else [],
        "sets": [results],
        "curve": None,
        "seconds": [],
        "axes_plot": _axes_plot(results["doctors"]),
        "metrics": _rows(results["doctors"], "metrics", METRICS),
        "ledger": _rows(results["doctors"], "ledger", LEDGER),
        "ledger_names": [entry["doctor"]],
        "first": results["records"],
        "transcripts": [transcript(one, title) for title, one in choose(run.trajectories)],
        "command": None,
        "versions": {"medenv": run.version},
        "settings": list(_flat(run.settings)),
    }


def _results(entry: Mapping[str, Any]) -> dict[str, Any]:
    names = list(dict.fromkeys(one["doctor"] for one in entry["doctors"]))
    doctors = []
    for name in names:
        own = [one for one in entry["doctors"] if one["doctor"] == name]
        doctors.append(_Doctor(name, [one["evaluation"] for one in own], [one.get("seed") for one in own]))
    bars = [doctor.bar for doctor in doctors]
    return {
        "records": entry["records"],
        "description": entry.get("description", ""),
        "doctors": doctors,
        "rows": [doctor.row for doctor in doctors],
        "scoring": _scorings(doctors),
        "plot": reward_bars([bar for bar in bars if bar is not None]) if any(bars) else None,
    }


def _scorings(doctors: Sequence[_Doctor]) -> list[str]:
    """How the doctors were scored, a line for each way there is."""
    known = [one["scoring"] for doctor in doctors for one in doctor.evaluations if one["scoring"] is not None]
    return list(dict.fromkeys(str(Scoring.from_dict(one)) for one in known))


def _lead(sets: Sequence[Mapping[str, Any]]) -> str:
    """One sentence on what training changed, where the summary tells."""
    if not sets:
        return ""
    means = {doctor.name: doctor.mean("reward", "mean") for doctor in sets[0]["doctors"]}
    before, after = means.get("warm start"), means.get("trained")
    if before is None or after is None:
        return ""
    others = [
        f"{name} {mean:z.2f}"
        for name, mean in means.items()
        if name not in ("warm start", "trained") and mean is not None
    ]
    beside = f" Beside it: {', '.join(others)}." if others else ""
    return (
        f"On {sets[0]['records']} records the mean reward went from {before:z.2f} before training to {after:z.2f} "
        f"after it ({after - before:+.2f}).{beside}"
    )


def _curve(summary: Summary) -> str | None:
    curves = {
        f"seed {one['seed']}": [(p["step"], p["reward"]) for p in one["curve"] if p["reward"] is not None]
        for one in summary["seeds"]
    }
    return (
        learning_curve({label: points for label, points in curves.items() if points}) if any(curves.values()) else None
    )


def _axes_plot(doctors: Sequence[_Doctor]) -> str | None:
    values = {
        doctor.name: {axis: mean for axis in AXES if (mean := doctor.mean("axes", axis)) is not None}
        for doctor in doctors
    }
    present = [axis for axis in AXES if any(axis in found for found in values.values())]
    return axis_bars(values, present) if present else None


def _rows(doctors: Sequence[_Doctor], group: str, names: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    rows = []
    for name, words in names.items():
        values = [doctor.mean(group, name) for doctor in doctors]
        if any(value is not None for value in values):
            rows.append((words, [_number(value, share=name in SHARES) for value in values]))
    return rows


def _number(value: float | None, *, share: bool) -> str:
    if value is None:
        return "\u2013"
    return f"{100 * value:.0f} %" if share else f"{value:z.2f}"


def _transcripts(entries: Sequence[Mapping[str, str]], folder: Path) -> Iterator[Transcript]:
    """One case, the same for every file where they have one in common: that which went as usual in the last file."""
    files = [(entry["title"], read_run(folder / entry["file"]).trajectories) for entry in entries]
    shared = set.intersection(*({_case(one) for one in found} for _, found in files)) if files else set()
    usual = next((one for one in _from_the_middle(files[-1][1]) if _case(one) in shared), None) if files else None
    for title, found in files:
        same = [one for one in found if usual is not None and _case(one) == _case(usual)]
        if shown := same or _from_the_middle(found):
            yield transcript(shown[0], title)


def _case(trajectory: Trajectory) -> tuple[str, str, int]:
    return trajectory.record, trajectory.persona, trajectory.patient_seed


def _from_the_middle(trajectories: Sequence[Trajectory]) -> list[Trajectory]:
    """The valid episodes, those with the most usual reward first; where none is valid, all."""
    valid = sorted((one for one in trajectories if one.reward is not None), key=lambda one: one.reward or 0.0)
    middle = len(valid) // 2
    return sorted(valid, key=lambda one: abs(valid.index(one) - middle)) or list(trajectories)


def _flat(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in data.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else "\u2013" if value is None else str(value)
            yield f"{prefix}{name}", text
