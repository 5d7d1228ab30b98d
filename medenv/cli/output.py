"""What commands print: JSON for machines, tables for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medenv.rollout import Evaluation

__all__ = ["print_evaluation", "print_json", "print_pairs", "print_table", "shortened"]

WIDTH = 120
"""Of tables that go to a file or a pipe."""


def print_json(data: Any) -> None:
    """Prints plain data, in ASCII so that any text survives any terminal."""
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=True, allow_nan=False) + "\n")


def shortened(text: str, width: int) -> str:
    """The text on one line, cut to a width."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "\u2026"


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> None:
    """Prints a table; numbers stand to the right, and no cell is read as markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    cells = [list(row) for row in rows]
    for place, column in enumerate(columns):
        numeric = bool(cells) and all(isinstance(row[place], (int, float)) for row in cells)
        table.add_column(column, justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
    for row in cells:
        table.add_row(*(Text(f"{cell:z.3f}" if isinstance(cell, float) else str(cell)) for cell in row))
    _print(table)


def print_pairs(pairs: Mapping[str, Any]) -> None:
    """Prints names with their values, one pair a line."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for name, value in pairs.items():
        table.add_row(Text(name, style="bold"), Text(f"{value:z.3f}" if isinstance(value, float) else str(value)))
    _print(table)


def print_evaluation(result: Evaluation) -> None:
    """Prints an evaluation for people."""
    from medenv.rewards import Scoring

    reward = result.reward
    failed = "".join(f", {count} failed ({kind})" for kind, count in result.invalid.items())
    print_pairs(
        {
            "episodes": f"{result.episodes}, {result.valid} valid{failed}",
            "reward": f"{reward.mean:z.3f}  (95 % interval {reward.low:z.3f} to {reward.high:z.3f}, "
            f"std {reward.std:.3f}, min {reward.min:z.3f}, max {reward.max:z.3f})"
            if reward.n
            else "none: no valid episode",
            **({} if result.scoring is None else {"scoring": str(Scoring.from_dict(result.scoring))}),
            **_reasons(result),
        }
    )
    points = {
        **result.axes,
        **{f"{level} criteria": value for level, value in result.levels.items()},
        **{f"{sign} points met": value for sign, value in result.shares.items()},
    }
    for name, means in (("axis", points), ("metric", result.metrics), ("ledger", result.ledger)):
        if means:
            print_table((name, "mean"), ((k.replace("_", " "), float(v)) for k, v in means.items()))


def _reasons(result: Evaluation) -> dict[str, str]:
    """For each kind of failure the first reason."""
    reasons: dict[str, str] = {}
    for failure in (trajectory.failure for trajectory in result.trajectories):
        if failure is not None:
            reasons.setdefault(f"failed ({failure['kind']})", failure["reason"])
    return reasons


def _print(renderable: Any) -> None:
    from rich.console import Console

    Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH).print(renderable)
