"""The bundled library keeps what the README says of it."""

import pytest

from medenv.consultation.matching import mentions, negates
from medenv.records import load_records
from medenv.records.deidentify import check_record

RECORDS = load_records("library")


def test_there_are_enough_cases():
    assert len(RECORDS) >= 50
    assert sum(record.speaker == "caregiver" for record in RECORDS) >= 3
    assert sum(bool(record.truth.contraindicated) for record in RECORDS) >= 4
    assert sum(any(f.red_flag and f.polarity == "present" for f in record.facts) for record in RECORDS) >= 4


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.id)
def test_a_case_is_whole(record):
    check_record(record)
    assert len(record.facts) >= 18
    assert len(record.exams) >= 6
    assert len(record.truth.differential) >= 4
    assert record.truth.differential[0].name == record.truth.diagnosis.name
    assert sum(h.probability for h in record.truth.differential) == pytest.approx(1, abs=0.051)
    assert any(item.essential for item in record.truth.plan)
    assert 5 <= sum(fact.must_ask for fact in record.facts) <= 14
    assert 2 <= sum(exam.key for exam in record.exams) <= 7
    told = {fact.topic for fact in record.facts}
    assert {"allergies", "medications"} <= told
    assert len({"ideas", "concerns", "expectations"} & told) >= 1
    assert all(fact.lay.strip().endswith((".", "!", "?")) for fact in record.facts)
    assert all(exam.result for exam in record.exams if exam.status in ("recorded", "normal"))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.id)
def test_no_plan_asks_for_what_is_contraindicated(record):
    for item in record.truth.contraindicated:
        names = (item.action, *item.synonyms)
        assert not [p.action for p in record.truth.plan if mentions(p.action, names) and not negates(p.action)]


@pytest.mark.parametrize("record", [r for r in RECORDS if r.speaker == "caregiver"], ids=lambda record: record.id)
def test_a_caregiver_does_not_speak_as_the_patient(record):
    symptoms = [f for f in record.facts if f.topic.startswith(("hpi.", "ros.")) and f.polarity == "present"]
    assert not [f.lay for f in symptoms if f.lay.startswith(("I have ", "I feel ", "My pain", "I've got "))]
