"""Plots for the report, as SVG that stands in the page; the same data gives the same bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medenv.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Bar", "axis_bars", "learning_curve", "reward_bars"]

INK, FAINT = "#1f2933", "#c9d1d9"
COLOURS = ("#9aa5b1", "#627d98", "#e0a458", "#12715b", "#8496c2", "#b0413e", "#7a5195", "#2f7ed8")
"""One for each doctor, in the order of the table."""
ALONE = COLOURS[3]
STYLE: Any = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "medenv",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One doctor in a plot of rewards."""

    label: str
    mean: float
    low: float
    high: float
    seeds: Sequence[float] = ()
    """The mean of each training seed, where there are several."""


class _Drawing:
    """A figure under the report's style, without any state of pyplot's."""

    def __init__(self, width: float, height: float) -> None:
        try:
            import matplotlib
            from matplotlib.figure import Figure
        except ImportError:
            raise MissingExtraError("expected matplotlib for the plots; pip install 'medenv-rl[report]'") from None
        self._style: Any = matplotlib.rc_context(STYLE)
        self._style.__enter__()
        self.figure: Figure = Figure(figsize=(width, height), layout="constrained")
        self.axes: Axes = self.figure.add_subplot()

    def __enter__(self) -> _Drawing:
        return self

    def __exit__(self, *problem: Any) -> None:
        self._style.__exit__(*problem)

    def svg(self) -> str:
        """The figure as an SVG element."""
        buffer = io.StringIO()
        self.figure.savefig(
            buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
        text = buffer.getvalue()
        return text[text.index("<svg") :]


def _shortened(label: str) -> str:
    line = " ".join(label.split())
    line = f" {line}" if line.startswith("_") else line  # matplotlib hides labels that begin with an underscore
    return line if len(line) <= 28 else line[:27] + "\u2026"


def reward_bars(bars: Sequence[Bar]) -> str:
    """The mean reward of each doctor with its 95 % interval; a dot for each training seed."""
    with _Drawing(7.2, 0.42 * len(bars) + 0.7) as drawing:
        axes = drawing.axes
        for place, bar in enumerate(bars):
            axes.barh(place, bar.mean, color=COLOURS[place % len(COLOURS)], height=0.62)
            axes.hlines(place, bar.low, bar.high, color=INK, linewidth=1.2)
            if len(bar.seeds) > 1:
                axes.plot(bar.seeds, [place] * len(bar.seeds), "o", markersize=4.5, mfc="white", mec=INK, mew=0.9)
        axes.set_yticks(range(len(bars)), labels=[_shortened(bar.label) for bar in bars], parse_math=False)
        axes.invert_yaxis()
        _zero_line(axes, vertical=True)
        axes.set_xlabel("mean reward")
        axes.tick_params(axis="y", length=0)
        return drawing.svg()


def learning_curve(curves: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """The reward over training steps, a line for each seed; thin as measured, thick as a running mean."""
    with _Drawing(7.2, 3.1) as drawing:
        axes = drawing.axes
        for place, (label, points) in enumerate(curves.items()):
            colour = COLOURS[(place + 2) % len(COLOURS)]
            steps, rewards = [step for step, _ in points], [reward for _, reward in points]
            axes.plot(steps, rewards, color=colour, linewidth=0.8, alpha=0.45)
            axes.plot(steps, _running_mean(rewards), color=colour, linewidth=2, label=_shortened(label))
        axes.set_xlabel("training step")
        axes.set_ylabel("mean reward")
        axes.grid(axis="y", color=FAINT, linewidth=0.5)
        axes.set_axisbelow(True)
        if curves:
            axes.legend(frameon=False, loc="lower right")
        return drawing.svg()


def axis_bars(doctors: Mapping[str, Mapping[Any, float]], axes_names: Sequence[str]) -> str:
    """The mean of each axis, a bar for each doctor."""
    with _Drawing(7.2, 3.3) as drawing:
        axes = drawing.axes
        width = 0.82 / max(len(doctors), 1)
        for place, (label, values) in enumerate(doctors.items()):
            at = [where + (place - (len(doctors) - 1) / 2) * width for where in range(len(axes_names))]
            heights = [values.get(name, 0.0) for name in axes_names]
            colour = COLOURS[place % len(COLOURS)] if len(doctors) > 1 else ALONE
            axes.bar(at, heights, width * 0.92, color=colour, label=_shortened(label))
        labels = [name.replace("_", "\n") for name in axes_names]
        axes.set_xticks(range(len(axes_names)), labels=labels, parse_math=False)
        axes.tick_params(axis="x", length=0)
        axes.set_ylabel("points met / positive points")
        axes.grid(axis="y", color=FAINT, linewidth=0.5)
        axes.set_axisbelow(True)
        _zero_line(axes, vertical=False)
        legend = drawing.figure.legend(frameon=False, loc="outside upper center", ncols=min(len(doctors), 5))
        for text in legend.get_texts():
            text.set_parse_math(False)
        return drawing.svg()


def _zero_line(axes: Axes, *, vertical: bool) -> None:
    (axes.axvline if vertical else axes.axhline)(0, color=INK, linewidth=0.8)


def _running_mean(values: Sequence[float], width: int = 5) -> list[float]:
    windows = (values[max(0, place - width + 1) : place + 1] for place in range(len(values)))
    return [sum(window) / len(window) for window in windows]
