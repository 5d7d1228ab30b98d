"""Findings are cited by what was told and what was shown, however it is put, and never by the name of a test."""

import json
from pathlib import Path

import pytest

import medenv
from medenv.rewards.citing import cited

DATA = json.loads((Path(__file__).parents[1] / "data" / "citations.json").read_text("utf-8"))
LIBRARY = {record.id: record for record in medenv.load_records("library")}
RECOGNISED = 0.85
"""How many of the paraphrases must be recognised."""


def count(record, words, of=()):
    return cited(words, record, {fact.id for fact in record.facts} | shown(record), of)


def shown(record):
    return {exam.id for exam in record.exams if exam.status == "recorded"}


def recognised(entry):
    return count(LIBRARY[entry["record"]], entry["words"], (entry["finding"],)) > 0


def test_there_are_enough_paraphrases():
    assert len(DATA["cites"]) >= 30
    for entry in DATA["cites"]:
        record = LIBRARY[entry["record"]]
        assert entry["finding"] in {one.id for one in (*record.facts, *record.exams)}


def test_most_paraphrases_are_recognised():
    missed = [entry["words"] for entry in DATA["cites"] if not recognised(entry)]
    assert 1 - len(missed) / len(DATA["cites"]) >= RECOGNISED, missed


@pytest.mark.parametrize("entry", DATA["cites_nothing"], ids=lambda entry: entry["words"][:40])
def test_what_names_nothing_cites_nothing(entry):
    assert count(LIBRARY[entry["record"]], entry["words"]) == 0


@pytest.mark.parametrize("source", ["library", "synthetic:96"])
def test_no_list_of_names_of_tests_cites_a_test(source):
    for record in medenv.load_records(source):
        for words in (
            "; ".join(exam.name for exam in record.exams),
            " ".join(f"We did the {exam.name}." for exam in record.exams),
            "; ".join(name for exam in record.exams for name in exam.synonyms),
        ):
            assert cited(words, record, shown(record)) == 0, (record.id, words)


@pytest.mark.parametrize("source", ["library", "synthetic:96"])
def test_findings_are_cited_by_their_own_words(source):
    tried = missed = 0
    for record in medenv.load_records(source):
        for fact in record.facts:
            tried += 1
            missed += not count(record, fact.statement, (fact.id,))
        for exam in record.exams:
            if exam.status == "recorded":
                assert count(record, f"{exam.name}: {exam.result}", (exam.id,)), (record.id, exam.id, exam.result)
    assert missed <= 0.05 * tried  # "no fever, cough or pain": of a list only the first word is denied


def test_a_clause_stands_for_one_finding():
    record = LIBRARY["lib-31"]
    assert count(record, "No weakness.") <= 1
    assert count(record, "You had fevers most evenings and lost six kilos.") == 2
