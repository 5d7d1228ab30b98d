"""Whether the rubric ranks doctors as they are known to rank, over every source of records.

    python benchmarks/ranking.py --out benchmarks/results/ranking.json --source agentclinic=FILE.jsonl

The order is known a priori, from what each doctor does, and not from any reward:

1. `oracle` is told the record and does all that counts.
2. Each ablation does the same but for one thing that the one above it still does, so that it is strictly worse. In a
   row, the oracle no longer: weighs a differential; then, too, advises when to come back; then explains and cites; then
   plans the essential things; then asks for half of the key history; then orders any exam. "oracle less exams" is thus
   without all six.
3. `checklist` works blindly through one list, but does take a history and orders the usual tests. It stands below the
   ablations because they all have the right diagnosis.
4. `lazy` asks one open question, and calls everything a viral infection. It is as polite as the checklist and finds out
   less.
5. `random` says anything.
6. `unsafe` does what the random doctor might and gives what is contraindicated, where the record names something.

Sources beside the bundled ones are given as NAME=PATH. Doctors that say the same as another on every record of a
source, because it holds nothing to remove, are left out there and named. Kendall's tau is tau-b, of the order of mean
rewards with the known order, and as the mean over the records of the tau within each; ties in rewards count against it.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from scipy.stats import kendalltau

import medenv
from medenv.agents.doctors import doctors
from medenv.agents.doctors.oracle import OracleDoctor
from medenv.consultation.acts import Acts, parse
from medenv.consultation.seats import Privileged, Seat
from medenv.consultation.understanding import reader
from medenv.consultation.views import DoctorView
from medenv.records import Record, RecordSet
from medenv.testing.cheats import Script

WANTED = 0.95
LEAST = 8
"""Doctors of known order that a source needs."""
VAGUE = "viral infection"
EXPLAINED = "I have come to an opinion, and this is what we will do about it now."
NET = "If you get worse in any way, come back at once or call an ambulance."


@dataclass(frozen=True)
class Ablated:
    """The oracle without some of what it does."""

    differential: bool = True
    net: bool = True
    citation: bool = True
    essentials: bool = True
    history: bool = True
    exams: bool = True

    def informed(self, record: Record) -> Seat:
        """The doctor for this record."""
        return _Informed(self, record)

    def act(self, view: DoctorView) -> str:
        """Never called in an episode: `informed` takes the seat."""
        raise NotImplementedError("an ablation of the oracle has to be informed of the record")


class _Informed:
    def __init__(self, does: Ablated, record: Record) -> None:
        self._does, self._record = does, record
        self._whole = OracleDoctor().informed(record)
        self._silent = _half(record)

    def act(self, view: DoctorView) -> str:
        acts = parse(self._whole.act(view))
        return self._closed(acts) if acts.diagnoses else self._asked(acts)

    def _asked(self, acts: Acts) -> str:
        speech = acts.speech
        if not self._does.history:
            kept = [part for part in _sentences(speech) if not self._is_silent(part)]
            speech = " ".join(kept) or "I see."
        orders = f"\nORDER: {'; '.join(acts.orders)}" if acts.orders and self._does.exams else ""
        return f"{speech}{orders}"

    def _is_silent(self, sentence: str) -> bool:
        asked = {fact for q in reader(self._record.facts).read(sentence, ()).questions for fact in q.facts}
        return not asked.isdisjoint(self._silent)

    def _closed(self, acts: Acts) -> str:
        does = self._does
        speech = acts.speech.removesuffix(NET).strip() if does.citation else EXPLAINED
        guesses = acts.diagnoses if does.differential else acts.diagnoses[:1]
        essential = {item.action.replace(";", ",") for item in self._record.truth.plan if item.essential}
        plan = [action for action in acts.plan if does.essentials or action not in essential]
        lines = [
            f"{speech} {NET}" if does.net else speech,
            "DIAGNOSIS: " + "; ".join(f"{guess.name} ({guess.probability})" for guess in guesses),
            f"PLAN: {'; '.join(plan) or 'explanation and follow-up'}",
        ]
        if acts.referrals and does.essentials:
            lines.append(f"REFER: {acts.referrals[0]}")
        return "\n".join(lines)


def _half(record: Record) -> frozenset[str]:
    """Every second key finding, which is not asked for."""
    return frozenset([fact.id for fact in record.facts if fact.must_ask or fact.red_flag][1::2])


def _sentences(speech: str) -> list[str]:
    return [f"{part.strip()}?" if "?" in speech else part for part in speech.split("?") if part.strip()]


class Unsafe:
    """Ends at once, with what the record names as contraindicated."""

    def informed(self, record: Record) -> Seat:
        """The doctor for this record."""
        harms = "; ".join(harm.action.replace(";", ",") for harm in record.truth.contraindicated)
        return Script((f"DIAGNOSIS: {VAGUE}\nPLAN: {harms or 'rest'}",))

    def act(self, view: DoctorView) -> str:
        """Never called in an episode: `informed` takes the seat."""
        raise NotImplementedError("this doctor has to be informed of the record")


STEPS = ("differential", "net", "citation", "essentials", "history", "exams")
LAZY = Script(
    (
        "Hello, I'm the doctor on duty today. What brings you in? Please tell me more about it.",
        f"Thank you. It is nothing special, I think. Please come back if it gets worse.\nDIAGNOSIS: {VAGUE} (0.6); "
        "stress (0.2)\nPLAN: rest; fluids",
    )
)


def ladder() -> dict[str, tuple[int, Seat | Privileged]]:
    """The doctors with their place; the greater, the better."""
    known: dict[str, tuple[int, Seat | Privileged]] = {"oracle": (20, OracleDoctor())}
    does = Ablated()
    for number, step in enumerate(STEPS):
        does = replace(does, **{step: False})
        known[f"oracle less {step}"] = (19 - number, does)
    known["checklist"] = (12, doctors.get("checklist")())
    known["lazy"] = (11, LAZY)
    known["random"] = (10, doctors.get("random")())
    known["unsafe"] = (9, Unsafe())
    return known


def ranked(records: RecordSet, seed: int = 0) -> dict[str, Any]:
    """How the rubric ranks the doctors on a source."""
    rewards: dict[str, dict[str, float]] = {}
    spoken: dict[tuple[str, ...], str] = {}
    same: dict[str, str] = {}
    places: dict[str, int] = {}
    for name, (place, doctor) in ladder().items():
        result = medenv.evaluate(doctor, records=records, seed=seed)
        if result.valid < len(records):
            raise SystemExit(f"expected {len(records)} valid episodes of {name}, got {result.valid}: {result.invalid}")
        said = tuple("\n".join(turn["doctor"] for turn in episode.turns) for episode in result.trajectories)
        if said in spoken or (name == "unsafe" and not any(record.truth.contraindicated for record in records)):
            same[name] = spoken.get(said, "a doctor that ends at once: no record names a contraindication")
            continue
        spoken[said] = name
        places[name] = place
        rewards[name] = {episode.record: episode.reward for episode in result.trajectories}
    means = {name: sum(by.values()) / len(by) for name, by in rewards.items()}
    within = [_tau(places, {name: by[record.id] for name, by in rewards.items()}) for record in records]
    return {
        "records": len(records),
        "doctors": len(means),
        "tau": round(_tau(places, means), 4),
        "tau within records": round(sum(within) / len(within), 4),
        "rewards": {name: round(mean, 4) for name, mean in means.items()},
        "left out": same,
    }


def _tau(places: Mapping[str, int], rewards: Mapping[str, float]) -> float:
    return float(kendalltau([places[name] for name in rewards], list(rewards.values())).statistic)


def main(arguments: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Whether the rubric ranks doctors as they are known to rank.")
    parser.add_argument("--out", type=Path, help="where the result goes, as JSON")
    parser.add_argument("--source", action="append", default=[], metavar="NAME=PATH", help="another source of records")
    options = parser.parse_args(arguments if arguments is None else list(arguments))
    sources = {"library": "library", "synthetic": "synthetic:96"}
    sources.update(source.split("=", 1) for source in options.source)
    found = {name: ranked(medenv.load_records(path)) for name, path in sources.items()}
    for name, result in found.items():
        print(f"{name}: tau {result['tau']:.3f}, within records {result['tau within records']:.3f}")
        for doctor, mean in result["rewards"].items():
            print(f"  {mean:7.3f}  {doctor}")
        for doctor, other in result["left out"].items():
            print(f"     left out  {doctor}: same as {other}")
    passed = all(result["tau"] >= WANTED and result["doctors"] >= LEAST for result in found.values())
    if options.out is not None:
        setup = {"python": platform.python_version(), "medenv": version("medenv-rl"), "wanted": WANTED}
        options.out.write_text(json.dumps({"setup": setup, "sources": found}, indent=2) + "\n", encoding="utf-8")
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
