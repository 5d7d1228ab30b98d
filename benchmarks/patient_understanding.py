"""How well the scripted patient understands free questions, on a labelled set it was not tuned on.

    python benchmarks/patient_understanding.py --out benchmarks/results/patient_understanding.json

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


def labelled() -> tuple[Mapping[str, Record], list[dict[str, Any]]]:
    """The records by id, and the labelled questions."""
    records = {record.id: record for record in load_records(HERE / "records")}
    return records, json.loads((HERE / "questions.json").read_text("utf-8"))


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the result here as JSON")
    parser.add_argument("--errors", action="store_true", help="print every question that was misunderstood")
    options = parser.parse_args()
    records, questions = labelled()
    counts: dict[str, dict[str, list[bool]]] = {field: defaultdict(list) for field in ("set", "kind", "style")}
    results = []
    for question in questions:
        told, words = disclosed(records[question["record"]], [*question.get("before", ()), question["question"]])
        results.append(right(question, told))
        for field, values in counts.items():
            values[question[field]].append(results[-1])
        if options.errors and not results[-1]:
            print(
                f"{question['kind']}: {question['question']}\n"
                f"  expected {question['expect']}, told {sorted(told)}: {words}"
            )
    result = {
        "command": "python benchmarks/patient_understanding.py",
        "questions": len(results),
        "accuracy": round(sum(results) / len(results), 4),
        **{
            f"by_{field}": {
                name: [sum(marks), len(marks), round(sum(marks) / len(marks), 4)]
                for name, marks in sorted(values.items())
            }
            for field, values in counts.items()
        },
    }
    print(json.dumps(result, indent=2))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
