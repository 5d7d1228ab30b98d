from __future__ import annotations

import json
import time
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medenv.records import Diagnosis, Hypothesis, Truth, load_records
from medenv.records.hints import find_hints, hints_in_texts
from medenv.records.leaks import visible_texts
from medenv.schemas import validator


def truth(*names, icd10="", differential=()):
    return Truth(Diagnosis(names[0], names[1:], icd10), tuple(Hypothesis(*item) for item in differential))


def hinted(text, *names, **more):
    return [hint.text for hint in find_hints(text, truth(*names, **more))]


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("Deep vein thrombosis", "Suspected DVT.", "DVT"),
        ("community acquired pneumonia", "CAP likely", "CAP"),
        ("community-acquired pneumonia", "two CAPs", "CAPs"),
        ("Pulmonary embolism", "treated for PE", "PE"),
        ("Gastro-oesophageal reflux disease", "GERD", "GERD"),
        ("Non-ST elevation myocardial infarction", "NSTEMI", "NSTEMI"),
        ("Type 2 diabetes mellitus", "T2DM", "T2DM"),
        ("pneumonia", "pneumonic changes", "pneumonic"),
        ("epilepsy", "a known epileptic", "epileptic"),
        ("psoriasis", "psoriatic plaques", "psoriatic"),
        ("Acute appendicitis", "his sister had appendicitis", "appendicitis"),
        ("Pulmonary embolism", "emboli in both pulmonary arteries", "emboli in both pulmonary"),
        ("deep vein thrombosis", "a thrombotic deep vein", "thrombotic deep vein"),
        ("heart failure", "his heart is failing", "heart is failing"),
        ("kidney infection", "the kidney may be infected", "kidney may be infected"),
        ("Isch\u00e6mic colitis", "isch\u00e6mic and colitic", "isch\u00e6mic and colitic"),
        ("Lung cancer", "bronchogenic carcinoma", "bronchogenic carcinoma"),
    ],
)
def test_what_probably_tells_the_diagnosis_is_a_hint(name, text, found):
    assert hinted(text, name) == [found]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("carpal tunnel", "CT of the wrist"),
        ("community acquired pneumonia", "wears a cap"),
        ("pneumonia", "pneumococcal vaccine"),
        ("Acute abdomen", "Abdomen soft"),
        ("Chronic cough", "No cough"),
        ("deep vein thrombosis", "The vein is deep. A thrombus."),
        ("deep vein thrombosis", "a deep cut beside the vein of her left leg and then, much later, thrombosis"),
        ("Postnatal depression", "ST depressed"),
        ("low iron", "Iron is low"),
        ("Pulmonary embolism", "pulmonary embolism, or PE"),
    ],
)
def test_other_words_are_no_hint(name, text):
    assert hinted(text, name) == []


def test_a_likely_hypothesis_an_id_and_a_category_of_the_code_are_hints():
    assert hinted("maybe septic arthritis", "gout", differential=[("septic arthritis", 0.6)]) == ["septic arthritis"]
    assert hinted("maybe septic arthritis", "gout", differential=[("septic arthritis", 0.5)]) == []
    assert hinted("case-mi-03", "myocardial infarction", "MI") == ["case-mi-03"]
    assert hinted("a mi note", "heart attack", "MI") == []
    assert hinted("coded I21", "heart attack", icd10="I21.9") == ["I21"]
    assert hinted("coded I219", "heart attack", icd10="I21.9") == ["I219"]


def test_each_piece_is_told_once_with_its_field():
    texts = [("a", "DVT and DVT"), ("b", "DVT"), ("c", "no")]
    found = hints_in_texts(texts, truth("deep vein thrombosis"))
    assert [(field, hint.text) for field, hint in found] == [("a", "DVT"), ("b", "DVT")]
    assert "deep vein thrombosis" in found[0][1].why


@given(st.lists(st.text(max_size=20), min_size=1, max_size=3), st.text(max_size=40), st.text(max_size=6))
def test_no_text_makes_it_raise(names, text, icd10):
    find_hints(text, truth(*names, icd10=icd10, differential=[(text, 0.9)]))


def test_a_long_text_takes_no_long_time():
    text = "deep vein thrombosed " * 20_000
    start = time.process_time()
    find_hints(text, truth("deep vein thrombosis"))
    find_hints("deep " * 50_000, truth("deep vein thrombosis of the deep veins of the leg"))
    assert time.process_time() - start < 5


def test_the_library_holds_none():
    assert [r.id for r in load_records() if hints_in_texts(visible_texts(r), r.truth)] == []


def test_the_words_fit_their_schema():
    for name in ("hints", "licences"):
        data = json.loads(resources.files("medenv.records").joinpath(f"{name}.json").read_text("utf-8"))
        validator("medenv.records", name).validate(data)
