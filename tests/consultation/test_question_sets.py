"""The labelled question sets: what the scripted patient understands must not sink below what was measured.

The set of the benchmark is held out; the others are development material and say less.
"""

import importlib.util
import json
import os
from pathlib import Path

import pytest

from medenv.records import load_records
from medenv.records.leaks import find_leaks

ROOT = Path(__file__).parent.parent.parent


def benchmark():
    spec = importlib.util.spec_from_file_location("understanding", ROOT / "benchmarks" / "patient_understanding.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MEASURE = benchmark()
FLOORS = {
    "held out": 0.78,
    "agentclinic": 0.68,
    "clinical-notes": 0.68,
    "first": 0.88,
    "second": 0.88,
    "asked": 0.84,
    "library": 0.86,
}
FILES = {"agentclinic": os.environ.get("MEDENV_AGENTCLINIC"), "clinical-notes": os.environ.get("MEDENV_ACI_BENCH")}
SETS = MEASURE.sets({name: Path(path) for name, path in FILES.items() if path})


def test_every_set_has_a_floor():
    assert SETS.keys() <= FLOORS.keys()


@pytest.mark.parametrize("name", SETS)
def test_what_is_understood(name):
    results = MEASURE.answered(*SETS[name])
    assert len(results) >= 120
    assert sum(good for _, good in results) / len(results) >= FLOORS[name]


@pytest.mark.parametrize("name", SETS)
def test_fishing_never_brings_the_diagnosis(name):
    source, questions = SETS[name]
    records = load_records(source)
    for question in json.loads(questions.read_text("utf-8")):
        if question["kind"] == "fishing":
            record = records[question["record"]]
            words = MEASURE.disclosed(record, [*question.get("before", ()), question["question"]])[1]
            assert not find_leaks(words, record.truth.diagnosis)
