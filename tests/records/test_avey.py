from __future__ import annotations

import csv
import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import medenv
from medenv.errors import RecordError
from medenv.records import load_records
from medenv.records.checking import check_records
from medenv.records.deidentify import identifiers_in_record
from medenv.records.importers import Row, Tally
from medenv.records.importers.avey import AVEY
from medenv.records.leaks import leaks_in_record

# Written for these tests, in the shape of the source: no vignette of it is here.
PATH = Path(__file__).with_name("avey.jsonl")
ROWS = [json.loads(line) for line in PATH.read_text("utf-8").splitlines()]
OTITIS, MIGRAINE, REFLUX, CLOT, PANIC = range(5)


def read(row, tally=None):
    return tuple(AVEY.read(Row(row, "row 1", Path("x")), Tally() if tally is None else tally))


def outcome(row):
    """The records of a row, none where it is an error of one line."""
    try:
        return read(row)
    except RecordError as error:
        lines = str(error).splitlines()
    assert len(lines) == 1
    return ()


def changed(number=MIGRAINE, **changes):
    return {**ROWS[number], **changes}


def lays(record):
    return [fact.lay for fact in record.facts]


@pytest.fixture(scope="module")
def records():
    return load_records(PATH)


def test_the_vignettes_load_clean(records):
    assert records.report.format == "avey"
    assert len(records) == len(ROWS)
    assert not records.report.rows_dropped
    assert not [problem for problem in check_records(PATH) if problem.fatal]
    for record in records:
        assert not leaks_in_record(record)
        assert not identifiers_in_record(record)
        assert record.provenance.licence == "unknown"


@pytest.mark.parametrize(
    ("number", "age", "sex", "speaker", "complaint"),
    [
        (OTITIS, 3, "male", "caregiver", "Hello, doctor. It's about my son. He's had ear pain and a fever."),
        (MIGRAINE, 29, "female", "self", "Hello, doctor. I've had a headache."),
        (REFLUX, 48, "male", "self", "Hello, doctor. I've had heartburn and a cough."),
        (CLOT, 62, "female", "self", "Hello, doctor. I've had leg swelling."),
    ],
)
def test_who_comes_and_why(records, number, age, sex, speaker, complaint):
    record = records[number]
    assert (record.demographics.age.value, record.demographics.sex, record.speaker) == (age, sex, speaker)
    assert record.chief_complaint == complaint


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (MIGRAINE, {"No, I haven't had any neck stiffness.", "No, I haven't had any double vision."}),
        (REFLUX, {"The antacids help for an hour.", "I'm a truck driver.", "No, I haven't had any wheezing."}),
        (CLOT, {"I had a hip replacement 4 weeks ago.", "I have varicose veins.", "I live alone."}),
        (PANIC, {"I think I'm going to die when it happens.", "No, I haven't lost any weight."}),
    ],
)
def test_what_the_patient_says(records, number, expected):
    assert expected <= set(lays(records[number]))


def test_absent_findings_are_denied(records):
    for record in records:
        assert any(fact.polarity == "absent" for fact in record.facts)
        for fact in record.facts:
            assert fact.lay.startswith("No, ") == (fact.polarity == "absent")
            assert not re.search(r"\b(?:patient|denies)\b", fact.lay)


def test_absent_signs_stand_in_the_exams():
    (record,) = read(changed(absent_findings="No fever, No papilledema, No vomiting"))
    assert not any("papill" in lay.casefold() for lay in lays(record))
    assert any("papilledema" in exam.result for exam in record.exams)


def test_the_differential_that_a_row_lists_is_not_weighed(records):
    found = {h.name: h.probability for h in records[PANIC].truth.differential}
    assert found == {"Panic Disorder": 1.0, "Hyperthyroidism": 0.0, "Supraventricular tachycardia": 0.0}


@pytest.mark.parametrize("spelled", [str.upper, str.title, lambda key: key.replace("_", " "), lambda key: f" {key}:"])
def test_keys_are_known_in_any_spelling(spelled):
    (plain,), (other,) = read(ROWS[CLOT]), read({spelled(key): value for key, value in ROWS[CLOT].items()})
    assert (other.facts, other.exams, other.truth) == (plain.facts, plain.exams, plain.truth)


def test_age_and_sex_may_stand_apart():
    row = {key: value for key, value in ROWS[MIGRAINE].items() if key != "demographics"}
    for age in (29, "29", "29 years"):
        (record,) = read({**row, "age": age, "gender": "Female"})
        assert (record.demographics.age.value, record.demographics.sex) == (29, "female")


def test_lists_are_read_like_texts():
    row = changed(absent_findings=["No fever", "No neck stiffness"], chief_complaints=["Headache"])
    (record,) = read(row)
    assert "No, I haven't had any fever." in lays(record)


def test_a_table_is_read(tmp_path):
    path = tmp_path / "vignettes.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(ROWS[MIGRAINE]), extrasaction="ignore")
        table.writeheader()
        table.writerows(ROWS[:3])
    assert [lays(record) for record in load_records(path)] == [lays(record) for record in load_records(PATH)][:3]


def test_an_unknown_key_is_counted():
    tally = Tally()
    read(changed(shoe_size="44"), tally)
    assert tally.unmapped_keys == {"shoe_size": 1}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"demographics": "Female"}, "no age"),
        ({"presentation": "-", "absent_findings": "No fever, No rash", "chief_complaints": "Migraine",
          "physical_history": "", "family_history": "", "social_history": ""}, "too little that a patient could tell"),
    ],
)  # fmt: skip
def test_what_is_no_case_is_dropped_and_counted(changes, reason):
    tally = Tally()
    assert read(changed(**changes), tally) == ()
    assert dict(tally.rows_dropped) == {reason: 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"correct_diagnosis": ""}, "expected a text, got none"),
        ({"correct_diagnosis": None}, "expected a text, got none"),
        ({"chief_complaints": "-"}, "expected a text, got none"),
        ({"presentation": True}, r"field \$\.presentation: expected a text, got bool"),
    ],
)
def test_what_is_no_vignette_is_an_error_of_one_line(changes, message):
    with pytest.raises(RecordError, match=message) as error:
        read(changed(**changes))
    assert "\n" not in str(error.value)


def test_an_age_over_89_is_capped():
    tally = Tally()
    (record,) = read(changed(demographics="101 year old Female"), tally)
    assert record.demographics.age.value == 89
    assert tally.counts["ages_capped"] == 1


def test_a_history_that_names_the_diagnosis_is_not_told():
    (record,) = read(changed(physical_history="Migraine since childhood. Hay fever."))
    assert not leaks_in_record(record)
    assert any("hay fever" in lay.casefold() for lay in lays(record))


def test_the_doctors_rank_as_they_should(records):
    oracle, checklist, chance = (
        medenv.evaluate(doctor, records=records, episodes=9).reward.mean for doctor in ("oracle", "checklist", "random")
    )
    assert oracle > 0.85 > checklist > 0.3 > chance


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=40), st.just("No fever, No rash")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=5,
)


@settings(max_examples=80, deadline=None)
@given(
    number=st.integers(0, len(ROWS) - 1),
    changes=st.dictionaries(st.one_of(st.sampled_from(list(ROWS[0])), st.text(max_size=8)), ANYTHING),
    lost=st.sets(st.sampled_from(list(ROWS[0])), max_size=2),
)
def test_a_mangled_row_gives_a_record_or_an_error(number, changes, lost):
    row = {key: value for key, value in changed(number, **changes).items() if key not in lost}
    for record in outcome(row):
        assert not leaks_in_record(record)
        assert all(fact.lay.startswith("No, ") for fact in record.facts if fact.polarity == "absent")


@pytest.mark.parametrize("scrap", ["a, ", "No ", "No a, ", "and ", "Dr. ", "A. ", ";", "who ", "pain ", "1. ", "aB"])
def test_hostile_text_takes_no_time_to_speak_of(scrap):
    text = scrap * (20_000 // len(scrap))
    started = time.process_time()
    outcome(changed(presentation=text, absent_findings=text, chief_complaints=f"Cough, {text}", social_history=text))
    assert time.process_time() - started < 10


def test_very_many_absent_findings_give_a_record_of_bounded_size():
    findings = ", ".join(f"No pain in joint number {n}" for n in range(20_000))
    started = time.process_time()
    (record,) = read(changed(absent_findings=findings))
    assert time.process_time() - started < 10
    assert len(record.facts) <= 200
