from __future__ import annotations

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medenv.errors import RecordError
from medenv.records import load_records, record_from_dict, record_to_dict, split_of
from medenv.records.counterfactual import counterfactual, counterfactual_pairs

LIBRARY = list(load_records())
FEMALE_ONLY = re.compile(r"\b(?:pregnan|uterus|ovar|vagin|menstru|smear test|midwife|breastfeed)", re.I)
CHANGES = [
    {"sex": "opposite"},
    {"age": 30},
    {"age": 75},
    {"background": "sleeps in a shelter"},
    {"occupation": "judge"},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_every_record_is_changed_or_skipped_with_a_reason(change):
    made = counterfactual_pairs(LIBRARY, **change)
    assert len(made.pairs) + len(made.skipped) == len(LIBRARY)
    assert len(made.pairs) >= 20
    for before, after in made.pairs:
        assert record_from_dict(record_to_dict(after)) == after
        assert after.id != before.id
        assert after.demographics != before.demographics
        assert after.truth.diagnosis == before.truth.diagnosis
        assert split_of(after) == split_of(before)
        assert set(after.facts) <= set(before.facts)
        assert {exam for exam in before.exams if exam.key} <= set(after.exams)
    assert len({after.id for _, after in made.pairs}) == len(made.pairs)
    for reason in made.skipped.values():
        assert "expected" in reason
        assert "\n" not in reason


def test_no_man_is_left_with_what_only_women_have():
    for before, after in counterfactual_pairs(LIBRARY, sex="opposite").pairs:
        assert {before.demographics.sex, after.demographics.sex} == {"female", "male"}
        told = " ".join(f"{fact.statement} {fact.lay}" for fact in after.facts)
        if after.demographics.sex == "male":
            assert not FEMALE_ONLY.search(told)


def test_what_matters_to_the_case_cannot_be_left_out():
    by_id = {record.id: record for record in LIBRARY}
    for id in ("lib-10", "lib-27", "lib-28"):
        with pytest.raises(RecordError, match=r"truth\.diagnosis|facts\["):
            counterfactual(by_id[id], sex="opposite")


def test_a_caregiver_and_a_grown_up_do_not_change_places():
    child = next(record for record in LIBRARY if record.demographics.age.years < 12)
    adult = next(record for record in LIBRARY if record.speaker == "self")
    for record, age in ((child, 40), (adult, 5), (adult, 95), (adult, -1)):
        with pytest.raises(RecordError, match="expected an age"):
            counterfactual(record, age=age)
    with pytest.raises(RecordError, match="caregiver"):
        counterfactual(child, sex="opposite")


def test_the_words_of_the_background_follow_the_sex():
    record = next(record for record in LIBRARY if "Widower" in record.demographics.background)
    assert "Widow," in counterfactual(record, sex="female").demographics.background


def test_nothing_changed_is_no_counterfactual():
    with pytest.raises(RecordError, match="expected a change"):
        counterfactual(LIBRARY[0])
    with pytest.raises(RecordError, match="expected a change"):
        counterfactual(LIBRARY[0], sex=LIBRARY[0].demographics.sex)
    unknown = dataclasses.replace(LIBRARY[0], demographics=dataclasses.replace(LIBRARY[0].demographics, sex="unknown"))
    with pytest.raises(RecordError, match="opposite"):
        counterfactual(unknown, sex="opposite")
    assert counterfactual(unknown, sex="male").demographics.sex == "male"


@given(st.sampled_from(LIBRARY), st.floats(0, 89), st.text(max_size=60))
def test_any_age_and_background_gives_a_record_or_a_record_error(record, age, background):
    try:
        made = counterfactual(record, age=age, background=background)
    except RecordError:
        return
    assert made.demographics.age.value == age
