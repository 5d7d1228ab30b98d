from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medenv.records import Diagnosis, find_leaks, load_records
from medenv.records.leaks import WITHHELD, leaks_in_record, redact, visible_texts

PE = Diagnosis("Pulmonary embolism", ("PE", "lung clot", "blood clot in the lung"))


@pytest.mark.parametrize(
    "text",
    [
        "pulmonary embolism",
        "PULMONARY EMBOLISM.",
        "Pulmonary  embolism",
        "pulmonary-embolism",
        "pulmonary\u2013embolism",
        "pulmonary_embolism",
        "a PulmonaryEmbolism-like picture",
        "suspected PE today",
        "lung-clot",
        "\uff50\uff55\uff4c\uff4d\uff4f\uff4e\uff41\uff52\uff59 embolism",
        "pulmonary\nembolism",
    ],
)
def test_a_name_is_found_however_it_is_written(text):
    assert find_leaks(text, PE)


@pytest.mark.parametrize("text", ["PEEP 5", "peak flow", "pe", "pulmonary oedema", "embolism risk", "type", ""])
def test_other_words_are_no_leak(text):
    assert find_leaks(text, PE) == []


@given(st.text(max_size=60), st.sampled_from(PE.names), st.text(max_size=60))
def test_redaction_leaves_no_leak(before, name, after):
    assert find_leaks(redact(f"{before} {name} {after}", PE), PE) == []


@given(st.text(max_size=120))
def test_clean_text_comes_back_unchanged(text):
    if not find_leaks(text, PE):
        assert redact(text, PE) == text


def test_redaction_says_that_something_was_withheld():
    assert redact("Signs of pulmonary embolism.", PE) == f"Signs of {WITHHELD}."


def test_every_visible_text_is_looked_at(record):
    texts = [text for _, text in visible_texts(record)]
    for text in (record.id, record.chief_complaint, record.facts[0].lay, record.exams[0].result, *record.tags):
        assert text in texts
    for fact in record.facts:
        assert set(fact.synonyms) <= set(texts)


def test_no_bundled_record_leaks():
    for record in load_records():
        assert leaks_in_record(record) == []
