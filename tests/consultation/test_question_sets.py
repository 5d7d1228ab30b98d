"""The labelled question sets: what the scripted patient understands must not sink below what was measured.

The set of the benchmark is held out; the others are development material and say less.
"""

import importlib.util
import json
from pathlib import Path

import pytest

from medenv.records import load_records

ROOT = Path(__file__).parent.parent.parent


def benchmark():
    spec = importlib.util.spec_from_file_location("understanding", ROOT / "benchmarks" / "patient_understanding.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


HELD_OUT, DATA = ROOT / "benchmarks/patient_questions", ROOT / "tests/data"
SETS = {
    "held out": (HELD_OUT / "records", HELD_OUT / "questions.json", 0.76),
    "first": (DATA / "development_set/records", DATA / "development_set/questions.json", 0.88),
    "second": (DATA / "second_set/records", DATA / "second_set/questions.json", 0.88),
    "asked": (HELD_OUT / "records", DATA / "asked_questions.json", 0.84),
    "library": ("library", DATA / "library_questions.json", 0.86),
}


@pytest.mark.parametrize("name", SETS)
def test_what_is_understood(name):
    records, questions, floor = SETS[name]
    records, questions, measure = load_records(records), json.loads(questions.read_text("utf-8")), benchmark()
    assert len(questions) >= 140
    right = [
        measure.right(q, measure.disclosed(records[q["record"]], [*q.get("before", ()), q["question"]])[0])
        for q in questions
    ]
    assert sum(right) / len(right) >= floor


@pytest.mark.parametrize("name", SETS)
def test_fishing_never_brings_the_diagnosis(name):
    from medenv.records.leaks import find_leaks

    records, questions, _ = SETS[name]
    records, measure = load_records(records), benchmark()
    for question in json.loads(questions.read_text("utf-8")):
        if question["kind"] == "fishing":
            record = records[question["record"]]
            asked = [*question.get("before", ()), question["question"]]
            words = measure.disclosed(record, asked)[1]
            assert not find_leaks(words, record.truth.diagnosis)
