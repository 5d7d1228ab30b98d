"""The validator remembers objects that fitted: it must find what one without a memory finds."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from medenv import schemas
from medenv.schemas import validator

values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, 1.0, "", "a", "present", "hpi.onset"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "lay", "a"]), inner, max_size=3),
    max_leaves=6,
)


def found(errors):
    return sorted((error.json_path, error.message) for error in errors)


@given(st.data())
def test_it_finds_what_a_validator_without_a_memory_finds(plain_record, data):
    ours = validator("medenv.records", "record")
    plain = Draft202012Validator(ours.schema)
    row = copy.deepcopy(plain_record())
    for _ in range(data.draw(st.integers(0, 3))):
        part = data.draw(st.sampled_from([row, *row["facts"], *row["exams"], row["truth"], *row["truth"]["plan"]]))
        part[data.draw(st.sampled_from(sorted(part)))] = data.draw(values)
        if not all(isinstance(row.get(key), list) and row[key] for key in ("facts", "exams")):
            break
        if not isinstance(row["truth"], dict) or not isinstance(row["truth"].get("plan"), list):
            break
        if not all(isinstance(item, dict) and item for key in ("facts", "exams") for item in row[key]):
            break
    for _ in range(2):
        assert found(ours.iter_errors(row)) == found(plain.iter_errors(row))
        assert ours.is_valid(row) == plain.is_valid(row)


@pytest.mark.parametrize(
    "change", [{"synonyms": ("a",)}, {"must_ask": 1}, {"must_ask": 0}, {"must_ask": 1.0}, {1: "x"}, {"lay": b"x"}]
)
def test_what_only_looks_like_an_object_that_fitted_is_looked_at(plain_record, change):
    ours = validator("medenv.records", "record")
    row = plain_record()
    row["facts"][0]["synonyms"] = ["a"]
    assert ours.is_valid(row)
    row["facts"][0].update(change)
    assert not ours.is_valid(row)


def test_the_memory_stays_small(plain_record, monkeypatch):
    monkeypatch.setattr(schemas, "REMEMBERED", 10)
    for n in range(30):
        row = plain_record()
        row["facts"][0]["statement"] = f"Pain for {n} days"
        assert validator("medenv.records", "record").is_valid(row)
        assert len(schemas._FITTING) <= 10 or n == 0
