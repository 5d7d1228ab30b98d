from __future__ import annotations

import copy
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
from medenv.records.importers.mediq import MEDIQ
from medenv.records.leaks import leaks_in_record

# Written for these tests, in the shape of the source: no item of it is here.
PATH = Path(__file__).with_name("mediq.jsonl")
ITEMS = [json.loads(line) for line in PATH.read_text("utf-8").splitlines()]
ECZEMA, CROUP, FEET, MANAGEMENT, MANIA, STENOSIS, EYE = range(7)
VIGNETTE = (
    "A 61-year-old man comes to the physician because of pain in the left big toe that woke him last night. He drinks "
    "beer every evening. He takes hydrochlorothiazide. He has no fever. He denies injury. On examination, the toe is "
    "red and swollen. Serum uric acid is 9.8 mg/dL."
)
CRAFT = {
    "case_id": "7",
    "case_vignette": VIGNETTE,
    "choice_1": "Cellulitis",
    "choice_2": "Gout",
    "choice_3": "Septic arthritis",
    "choice_4": "Pseudogout",
    "answer": "Gout",
}


def read(item, tally=None):
    return tuple(MEDIQ.read(Row(item, "row 1", Path("x")), Tally() if tally is None else tally))


def outcome(item):
    """The records of a row, none where it is an error of one line."""
    try:
        return read(item)
    except RecordError as error:
        lines = str(error).splitlines()
    assert len(lines) == 1
    return ()


def changed(number=ECZEMA, **changes):
    return {**copy.deepcopy(ITEMS[number]), **changes}


def lays(record):
    return [fact.lay for fact in record.facts]


@pytest.fixture(scope="module")
def records():
    return {record.truth.diagnosis.name: record for record in load_records(PATH)}


def test_items_that_ask_for_a_diagnosis_load_clean():
    loaded = load_records(PATH)
    assert loaded.report.format == "mediq"
    assert len(loaded) == 8
    assert loaded.report.rows_dropped == {"the question asks for no diagnosis": 2}
    assert not [problem for problem in check_records(PATH) if problem.fatal]
    for record in loaded:
        assert not leaks_in_record(record)
        assert not identifiers_in_record(record)
        assert (record.provenance.source, record.provenance.licence) == ("MediQ", "CC-BY-4.0")


def test_the_right_option_is_certain_and_the_others_are_not_weighed(records):
    found = {h.name: h.probability for h in records["Viral croup"].truth.differential}
    assert found == {
        "Viral croup": 1.0,
        "Acute epiglottitis": 0.0,
        "Foreign body aspiration": 0.0,
        "Bacterial tracheitis": 0.0,
    }


@pytest.mark.parametrize(
    ("diagnosis", "expected"),
    [
        ("Irritant contact dermatitis", {"I'm a baker.", "The rash clears up during my holidays."}),
        ("Irritant contact dermatitis", {"No, I haven't had any joint pain.", "My brother has hay fever."}),
        ("Viral croup", {"He had a runny nose for 2 days before that.", "Yes, all his vaccinations are up to date."}),
        ("Alcoholic polyneuropathy", {"I cannot feel the pedals when I drive.", "I take amlodipine."}),
        ("Bipolar I disorder", {"I have hardly slept for 6 nights.", "No, I don't use recreational drugs."}),
        ("Hypertrophic pyloric stenosis", {"She is hungry again right after vomiting.", "The vomit is never green."}),
        ("Central retinal artery occlusion", {"I stopped taking my blood thinner last month."}),
    ],
)
def test_what_the_patient_says(records, diagnosis, expected):
    assert expected <= set(lays(records[diagnosis]))


def test_findings_stand_in_the_exams_and_not_in_what_is_said(records):
    for record in records.values():
        said = " ".join((record.chief_complaint, *lays(record)))
        assert not re.search(
            r"examination|erythematous|hydroxide|mg/dL|pulse is|auscultation|stridor|fontanel|Fundoscopic|retina\b",
            said,
        )
        for fact in record.facts:
            assert fact.lay.startswith("No, ") == (fact.polarity == "absent")
            assert not re.search(r"\b(?:patient|the (?:wo)?man|the boy|the girl|denied)\b", fact.lay)
    shown = {exam.name: exam.result for exam in records["Viral croup"].exams}
    assert "38.1" in shown["Vital signs"]
    assert "stridor" in shown["Respiratory examination"]
    assert "subglottic" in shown["Neck X-ray"]


def test_children_are_spoken_for(records):
    assert records["Viral croup"].speaker == "caregiver"
    assert records["Hypertrophic pyloric stenosis"].demographics.age.unit == "weeks"
    assert records["Hypertrophic pyloric stenosis"].chief_complaint.startswith("Hello, doctor. It's about my daughter.")
    assert records["Irritant contact dermatitis"].speaker == "self"


def test_an_item_without_atomic_facts_is_read_from_its_sentences():
    item = changed()
    with_facts, (without,) = read(item)[0], read({k: v for k, v in item.items() if k != "facts"})
    assert without.truth == with_facts.truth
    assert without.id == with_facts.id
    assert {f.polarity for f in without.facts} == {"present", "absent"}
    assert any("itchy rash" in lay for lay in lays(without))


def test_a_vignette_in_one_text_is_the_same_as_in_sentences():
    (listed,) = read(changed(CROUP))
    (joined,) = read(changed(CROUP, context=" ".join(ITEMS[CROUP]["context"])))
    assert lays(joined) == lays(listed)
    assert joined.exams == listed.exams


def test_craft_md_tables_are_read(tmp_path):
    path = tmp_path / "craft.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(CRAFT))
        table.writeheader()
        table.writerow(CRAFT)
    (record,) = load_records(path)
    assert (record.provenance.source, record.provenance.licence) == ("CRAFT-MD", "unknown")
    assert [h.name for h in record.truth.differential] == ["Gout", "Cellulitis", "Septic arthritis", "Pseudogout"]
    assert "I take hydrochlorothiazide." in lays(record)
    assert any("9.8" in exam.result for exam in record.exams)


@pytest.mark.parametrize(
    "changes",
    [{"answer": "A", "answer_idx": "A"}, {"answer": "1"}, {"answer": 1}, {"answer": None, "answer_idx": "a"},
     {"options": ["Irritant contact dermatitis", "Scabies"]}],
)  # fmt: skip
def test_the_answer_may_be_a_letter_a_number_or_words(changes):
    (record,) = read(changed(**changes))
    assert record.truth.diagnosis.name == "Irritant contact dermatitis"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"question": "Which of the following is the best next step in management?"},
            "the question asks for no diagnosis",
        ),
        ({"question": "Which organism is the most likely cause?"}, "the question asks for no diagnosis"),
        ({"context": []}, "no vignette"),
        ({"answer": "Increased production of thyroid hormone by autoantibodies"}, "the answer is no diagnosis"),
        ({"context": ["A man has a rash.", "It itches."], "facts": None, "patient": {}}, "no age"),
        ({"context": ["A 30-year-old man."], "facts": []}, "too little that a patient could tell"),
    ],
)
def test_what_is_no_case_is_dropped_and_counted(changes, reason):
    tally = Tally()
    assert read(changed(**changes), tally) == ()
    assert dict(tally.rows_dropped) == {reason: 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"context": 3}, r"field \$\.context: expected a text or a list of texts, got int"),
        ({"context": ["a", 3]}, r"field \$\.context: expected a text or a list of texts, got a list with int"),
        ({"facts": {}}, r"field \$\.facts: expected a text or a list of texts, got dict"),
        ({"question": ""}, r"field \$\.question: expected a text, got an empty one"),
        ({"question": 4}, r"field \$\.question: expected a text, got int"),
        ({"options": 4}, r"field \$\.options: expected an object or a list of options, got int"),
        ({"options": {"A": None}}, r"field \$\.options\.A: expected a text, got NoneType"),
        ({"answer": "Z", "answer_idx": "Z"}, r"field \$\.answer: expected the right answer or the letter of an option"),
        ({"patient": {"age": ["x"]}}, r"field \$\.patient\.age: expected a text, got list"),
    ],
)
def test_what_is_no_item_is_an_error_of_one_line(changes, message):
    with pytest.raises(RecordError, match=message) as error:
        read(changed(**changes))
    assert "\n" not in str(error.value)


def test_an_age_over_89_is_capped():
    tally = Tally()
    item = json.loads(json.dumps(changed(EYE)).replace("71-year-old", "95-year-old").replace("71 years", "95 years"))
    (record,) = read(item, tally)
    assert record.demographics.age.value == 89
    assert tally.counts["ages_capped"] == 1


def test_the_option_that_is_right_is_never_said(records):
    for name, record in records.items():
        for text in (record.chief_complaint, *lays(record), *(exam.result for exam in record.exams)):
            assert name.casefold() not in text.casefold()


def test_the_doctors_rank_as_they_should():
    loaded = load_records(PATH)
    oracle, checklist, chance = (
        medenv.evaluate(doctor, records=loaded, episodes=8).reward.mean for doctor in ("oracle", "checklist", "random")
    )
    assert oracle > 0.85 > checklist > 0.3 > chance


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=40), st.just(VIGNETTE)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=5,
)


@settings(max_examples=80, deadline=None)
@given(
    number=st.integers(0, len(ITEMS) - 1),
    changes=st.dictionaries(
        st.sampled_from(["question", "context", "options", "answer", "answer_idx", "facts", "patient", "id"]), ANYTHING
    ),
    lost=st.sets(st.sampled_from(["question", "context", "options", "answer", "facts", "patient"]), max_size=2),
)
def test_a_mangled_item_gives_a_record_or_an_error(number, changes, lost):
    item = {key: value for key, value in changed(number, **changes).items() if key not in lost}
    for record in outcome(item):
        assert not leaks_in_record(record)
        assert all(fact.lay.startswith("No, ") for fact in record.facts if fact.polarity == "absent")


def test_more_than_anybody_tells_is_counted_and_not_kept():
    tally = Tally()
    started = time.process_time()
    (record,) = read(changed(facts=[f"The woman had pain in joint number {n}." for n in range(100_000)]), tally)
    assert time.process_time() - started < 10
    assert len(record.facts) <= 200
    assert tally.facts_dropped["beyond the sentences looked at"] >= 99_000


@pytest.mark.parametrize(
    "scrap", ["a, ", "and ", "Dr. ", "A. ", ";", "no ", "who ", "is a 45-year-old ", "x|", "37 mg/dL "]
)
def test_hostile_text_takes_no_time_to_speak_of(scrap):
    text = scrap * (20_000 // len(scrap))
    started = time.process_time()
    for context in ([VIGNETTE, text], f"{VIGNETTE} {text}", [f"A 45-year-old man with {text} presents with a cough."]):
        outcome(changed(context=context, facts=None, answer=text[:150]))
    assert time.process_time() - started < 10
