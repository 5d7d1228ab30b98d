from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medenv.errors import LeakError, RecordError
from medenv.records import Age, load_records, record_from_dict, record_to_dict, topics


def test_round_trip_keeps_every_field(record):
    assert record_from_dict(record_to_dict(record)) == record
    assert record_from_dict(json.loads(json.dumps(record_to_dict(record)))) == record


def test_round_trip_of_the_library():
    for record in load_records():
        assert record_from_dict(record_to_dict(record)) == record


def test_a_record_is_frozen(record):
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.id = "other"
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.facts[0].lay = "other"
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.truth.diagnosis.name = "other"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", ""),
        ("id", "Upper"),
        ("id", "a" * 121),
        ("schema", "medenv.record/2"),
        ("language", "english"),
        ("speaker", "doctor"),
        ("provenance", {"source": "x", "synthetic": True}),
        ("demographics", {"age": {"value": 90, "unit": "years"}, "sex": "male"}),
        ("demographics", {"age": {"value": -1, "unit": "years"}, "sex": "male"}),
        ("demographics", {"age": {"value": 4, "unit": "decades"}, "sex": "male"}),
        ("chief_complaint", ""),
        ("facts", []),
        ("truth", {}),
        ("truth", {"diagnosis": {"name": ""}}),
        ("unheard_of", 1),
    ],
)
def test_what_does_not_fit_the_schema_is_refused(plain_record, field, value):
    with pytest.raises(RecordError) as caught:
        record_from_dict(plain_record(**{field: value}))
    assert "\n" not in str(caught.value)
    assert field in str(caught.value)


@pytest.mark.parametrize("missing", ["id", "schema", "provenance", "facts", "exams", "truth", "chief_complaint"])
def test_a_missing_field_is_named(plain_record, missing):
    data = plain_record()
    del data[missing]
    with pytest.raises(RecordError, match=missing):
        record_from_dict(data)


@pytest.mark.parametrize("key", ["facts", "exams"])
def test_repeated_ids_are_refused(plain_record, key):
    data = plain_record()
    data[key] = [*data[key], data[key][0]]
    with pytest.raises(RecordError, match="twice"):
        record_from_dict(data)


@pytest.mark.parametrize("data", [None, [], "x", 3])
def test_what_is_no_object_is_refused(data):
    with pytest.raises(RecordError):
        record_from_dict(data)


def test_no_leak_survives_any_way_of_building_a_record(record):
    with pytest.raises(LeakError, match="facts"):
        dataclasses.replace(record, facts=(dataclasses.replace(record.facts[0], lay="It is gout."), *record.facts[1:]))
    with pytest.raises(LeakError, match="tags"):
        dataclasses.replace(record, tags=("gout",))


@given(st.floats(0, 89, allow_nan=False), st.sampled_from(["years", "months", "weeks", "days"]))
def test_an_age_in_years_never_grows_with_a_smaller_unit(value, unit):
    assert Age(value, unit).years <= value


def test_every_topic_has_a_label_and_a_question():
    assert len(topics()) > 40
    for id, topic in topics().items():
        assert set(topic) == {"label", "question"}, id
        assert topic["question"].endswith("?"), id
