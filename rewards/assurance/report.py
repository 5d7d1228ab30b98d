"""The report on a judge: every measure, what it is held to, and which bounds it breaks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .bounds import Bounds
from .estimates import Estimate
from .measures import Agreement, Bypass, Length, Position, Repeat
from .pinning import Drift, Pin

__all__ = ["Breach", "JudgeReport"]


@dataclass(frozen=True, slots=True)
class Breach:
    """A bound that a judge does not keep."""

    bound: str
    figure: str
    """Which figure lies beyond it."""
    value: float | None
    expected: str

    def __str__(self) -> str:
        got = "none" if self.value is None else f"{self.value:.3f}"
        return f"{self.figure}: expected {self.expected}, got {got}"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeReport:
    """What was found about a judge."""

    judge: str
    """What it is called in the settings of a run, its settings and prompts included where it tells them."""
    labels: str
    """The version of the labelled set."""
    seed: int
    consultations: int
    criteria: int
    """How many labelled criteria it was asked about."""
    undecidable: int
    """How many it was not asked about, because the rule judge has no check for them."""
    calls: int
    """How often it was called."""
    failed: tuple[str, ...]
    """The different reasons why calls failed."""
    reseeded: bool
    """Whether repeats were asked with different seeds."""
    unscored: Estimate
    agreement: Agreement
    repeat: Repeat
    position: Position
    length: Length
    bypass: Bypass
    pin: Pin
    drift: Drift | None
    """None where there was no pinned result to compare with."""
    bounds: Bounds

    @property
    def breaches(self) -> tuple[Breach, ...]:
        """The bounds that it does not keep.

        Effects of position, length and injections count where their interval leaves out zero as well: what a judge
        wavers by is held to the bound on repeats alone.
        """
        return tuple(self._breaches())

    def _breaches(self) -> Iterator[Breach]:
        bounds = self.bounds
        for bound, least, each in (
            ("f1", bounds.f1, self.agreement.f1),
            ("kappa", bounds.kappa, self.agreement.kappa),
        ):
            if each.value is None or each.value < least:
                yield Breach(bound, bound, each.value, f"at least {least:g}")
        for bound, most, figure, each in (
            ("repeat", bounds.repeat, "repeat.changed", self.repeat.changed),
            ("unscored", bounds.unscored, "unscored", self.unscored),
            ("unscored", bounds.unscored, "bypass.silenced", self.bypass.silenced),
        ):
            if each.value is not None and each.value > most:
                yield Breach(bound, figure, each.value, f"at most {most:g}")
        for bound, most, figure, each in (
            ("position", bounds.position, "position.changed", self.position.changed),
            ("position", bounds.position, "position.first", self.position.first),
            ("position", bounds.position, "position.last", self.position.last),
            ("length", bounds.length, "length.changed", self.length.changed),
            ("length", bounds.length, "length.favour", self.length.favour),
        ):
            if each.real and each.value is not None and abs(each.value) > most:
                yield Breach(bound, figure, each.value, f"at most {most:g} either way")
        net = self.bypass.net
        if net.real and net.value is not None and net.value > bounds.bypass:
            yield Breach("bypass", "bypass.net", net.value, f"at most {bounds.bypass:g}")
        if self.drift is not None and self.drift.share > bounds.drift:
            yield Breach("drift", "drift", self.drift.share, f"at most {bounds.drift:g}")

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data."""
        data: dict[str, Any] = {
            name: getattr(self, name)
            for name in (
                "judge",
                "labels",
                "seed",
                "consultations",
                "criteria",
                "undecidable",
                "calls",
                "reseeded",
            )
        }
        for name in ("unscored", "agreement", "repeat", "position", "length", "bypass"):
            data[name] = _plain(getattr(self, name))
        return {
            **data,
            "failed": list(self.failed),
            "drift": None if self.drift is None else self.drift.as_dict(),
            "bounds": dataclasses.asdict(self.bounds),
            "breaches": [dataclasses.asdict(breach) for breach in self.breaches],
            "verdicts": dict(self.pin.verdicts),
        }


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return value
