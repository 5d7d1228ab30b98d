"""How well the scripted patient understands free questions, on labelled sets that it was not tuned on.

    python benchmarks/patient_understanding.py --out benchmarks/results/patient_understanding.json

The sets about imported records are asked where their records are given, as `--source agentclinic=FILE.jsonl`.

A reply is right when it discloses every fact the label expects and nothing that the label does not allow; see
`benchmarks/patient_questions/README.md`.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from medenv.agents.patients import patients
from medenv.consultation.episode import Episode, Scenario
from medenv.consultation.playing import play_now
from medenv.consultation.seats import DOCTOR, PATIENT
from medenv.personas import Persona
from medenv.records import Record, load_records

HERE = Path(__file__).parent / "patient_questions"
DEVELOPMENT = Path(__file__).parent.parent / "tests" / "data"
HELD_OUT = {"held out": (HERE / "records", HERE / "questions.json")}
TUNED_ON = {
    "first": (DEVELOPMENT / "development_set/records", DEVELOPMENT / "development_set/questions.json"),
    "second": (DEVELOPMENT / "second_set/records", DEVELOPMENT / "second_set/questions.json"),
    "asked": (HERE / "records", DEVELOPMENT / "asked_questions.json"),
    "library": ("library", DEVELOPMENT / "library_questions.json"),
}
IMPORTED = ("agentclinic", "clinical-notes")


def sets(sources: Mapping[str, Path]) -> dict[str, tuple[Any, Path]]:
    """Every labelled set that can be asked: its records and its questions.

    Args:
        sources: Where the records of imported sets are, by format.
    """
    imported = {name: (sources[name], HERE / f"{name}.json") for name in IMPORTED if name in sources}
    return {**HELD_OUT, **imported, **TUNED_ON}


def disclosed(record: Record, questions: Iterable[str]) -> tuple[frozenset[str], str]:
    """What the last of some questions made the patient tell, and the words.

    How many of the volunteered facts an open question brings out is for the persona to say; here all of them count.
    """
    episode = Episode(Scenario(record, Persona("listener", patience=8), patient_seed=0, max_turns=100))
    patient = {PATIENT: patients.get("scripted")()}
    for question in questions:
        episode.step(DOCTOR, question)
        play_now(episode, patient, until=DOCTOR)
    turn = episode.turns[-1]
    opened = {fact for asked in turn.understanding.questions if asked.kind == "open" for fact in asked.facts}
    return frozenset(turn.entry.disclosed) | opened, turn.reply or ""


def right(question: Mapping[str, Any], told: frozenset[str]) -> bool:
    """Whether a reply that told these facts is what the label wants."""
    expected = frozenset(question["expect"])
    return expected <= told and told <= expected | frozenset(question["allow"])


def answered(source: Any, questions: Path, *, errors: bool = False) -> list[tuple[Mapping[str, Any], bool]]:
    """Each question of a set with whether it was answered rightly."""
    records = {record.id: record for record in load_records(source)}
    results = []
    for question in json.loads(questions.read_text("utf-8")):
        told, words = disclosed(records[question["record"]], [*question.get("before", ()), question["question"]])
        results.append((question, right(question, told)))
        if errors and not results[-1][1]:
            print(
                f"{question['kind']}: {question['question']}\n"
                f"  expected {question['expect']}, told {sorted(told)}: {words}"
            )
    return results


def summary(results: list[tuple[Mapping[str, Any], bool]]) -> dict[str, Any]:
    """How many are right, overall and by set, kind and style: right, asked, share."""
    counts: dict[str, dict[str, list[bool]]] = {field: defaultdict(list) for field in ("set", "kind", "style")}
    for question, good in results:
        for field, values in counts.items():
            if field in question:
                values[question[field]].append(good)
    return {
        "questions": len(results),
        "accuracy": round(sum(good for _, good in results) / len(results), 4),
        **{
            f"by_{field}": {
                name: [sum(marks), len(marks), round(sum(marks) / len(marks), 4)]
                for name, marks in sorted(values.items())
            }
            for field, values in counts.items()
            if values
        },
    }


def every_set(sources: Mapping[str, Path]) -> dict[str, Any]:
    """The summary of each set, and of all those that the patient was not tuned on together."""
    results = {name: answered(*files) for name, files in sets(sources).items()}
    unseen = [result for name, found in results.items() if name not in TUNED_ON for result in found]
    return {"not tuned on": summary(unseen), **{name: summary(found) for name, found in results.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", action="append", default=[], metavar="NAME=PATH", help="the records of a format")
    parser.add_argument("--out", type=Path, help="write the result here as JSON")
    parser.add_argument("--errors", metavar="SET", help="only print every question of a set that was misunderstood")
    options = parser.parse_args()
    sources = {name: Path(path) for name, _, path in (given.partition("=") for given in options.source)}
    if options.errors:
        print(json.dumps(summary(answered(*sets(sources)[options.errors], errors=True)), indent=2))
        return
    result = {"command": "python benchmarks/patient_understanding.py", **every_set(sources)}
    print(json.dumps(result, indent=2))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
