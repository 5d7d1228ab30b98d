"""The gate on the corpus of the benchmark: what it finds by kind, and what it takes for an identifier by mistake."""

from __future__ import annotations

import functools
import importlib.util
import sys
from pathlib import Path

import pytest

from medenv.records.deidentify import find_identifiers, redact_identifiers

ROOT = Path(__file__).parents[2]

FLOORS = {
    "development": {
        "name": 0.98, "place smaller than a state": 0.98, "street address": 0.95, "postal code": 1.0, "date": 0.95,
        "age over 89": 1.0, "telephone number": 0.95, "fax number": 1.0, "e-mail address": 1.0,
        "social security number": 1.0, "medical record number": 1.0, "health plan number": 1.0, "account number": 1.0,
        "licence or certificate number": 1.0, "vehicle number": 1.0, "device number": 1.0, "web address": 1.0,
        "IP address": 1.0, "biometric identifier": 1.0, "image": 1.0, "identifying number": 1.0,
    },
    "held_out": {
        "name": 0.95, "place smaller than a state": 0.9, "street address": 0.95, "postal code": 0.85, "date": 0.95,
        "age over 89": 0.9, "telephone number": 0.95, "fax number": 1.0, "e-mail address": 1.0,
        "social security number": 1.0, "medical record number": 0.9, "health plan number": 0.95, "account number": 0.9,
        "licence or certificate number": 0.9, "vehicle number": 0.95, "device number": 0.9, "web address": 1.0,
        "IP address": 1.0, "biometric identifier": 0.9, "image": 0.95, "identifying number": 0.85,
    },
}  # fmt: skip
"""Shares of the planted identifiers that are found; those of a month alone and of a bare name are in no floor."""
KINDS = sorted(FLOORS["development"])


@functools.cache
def benchmark():
    spec = importlib.util.spec_from_file_location("deidentification", ROOT / "benchmarks" / "deidentification.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


@functools.cache
def corpus(part):
    return benchmark().corpus(part)


@functools.cache
def measured(part):
    return benchmark().measure(corpus(part))


@pytest.mark.parametrize("part", FLOORS)
def test_the_corpus_is_what_it_is_said_to_be(part):
    texts = corpus(part)
    assert len({text.text for text in texts}) == len(texts)
    assert sum(bool(text.planted) for text in texts) >= 300
    assert sum(not text.planted for text in texts) >= 300
    assert all(text.text[planted.start : planted.end].strip() for text in texts for planted in text.planted)
    counts = {kind: sum(p.kind == kind for text in texts for p in text.planted) for kind in KINDS}
    assert min(counts.values()) >= 9
    assert {p.kind for text in texts for p in text.planted} == {*KINDS, *benchmark().WITHOUT_A_CUE}


def test_no_text_is_in_both_parts():
    development, held_out = ({text.text for text in corpus(part)} for part in FLOORS)
    assert not development & held_out


@pytest.mark.parametrize(("part", "kind"), [(part, kind) for part in FLOORS for kind in KINDS])
def test_recall_by_kind(part, kind):
    assert measured(part)["by_kind"][kind]["found"] >= FLOORS[part][kind]


@pytest.mark.parametrize("part", FLOORS)
def test_recall_in_total_and_false_alarms(part):
    result = measured(part)
    assert result["all_kinds_with_a_cue"]["found"] >= 0.95
    assert result["all_kinds_with_a_cue"]["removed"] >= 0.93
    assert result["stray_findings_beside_identifiers"] <= 3


def test_false_alarms_over_both_parts():
    alarms, clean = (sum(measured(part)["false_alarms"][n] for part in FLOORS) for n in (0, 1))
    assert alarms / clean <= 0.005


@pytest.mark.parametrize("part", FLOORS)
def test_redacted_texts_hold_no_identifier_and_stay_as_they_are(part):
    for text in corpus(part):
        redacted = redact_identifiers(text.text)
        assert find_identifiers(redacted) == []
        assert redact_identifiers(redacted) == redacted
        if not find_identifiers(text.text):
            assert redacted == text.text


@pytest.mark.parametrize("part", FLOORS)
def test_what_is_found_whole_is_gone_after_redaction(part):
    for text in corpus(part):
        redacted = redact_identifiers(text.text)
        for planted in text.planted:
            words = text.text[planted.start : planted.end]
            if len(words) > 5 and text.text.count(words) == 1:
                whole = benchmark().removed(text, planted, find_identifiers(text.text))
                assert not (whole and words in redacted)


def test_marks_are_read():
    text = benchmark().unmarked("note", "Seen by Dr \u27e6name|Okafor\u27e7 on \u27e6date|3 May\u27e7.")
    assert text.text == "Seen by Dr Okafor on 3 May."
    assert [(p.kind, text.text[p.start : p.end]) for p in text.planted] == [("name", "Okafor"), ("date", "3 May")]
