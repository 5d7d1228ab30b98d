from __future__ import annotations

import csv
import json
import os
import random
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
from medenv.records.importers.clauses import atoms
from medenv.records.importers.clinical_notes import CLINICAL_NOTES
from medenv.records.importers.introductions import introduction_of
from medenv.records.importers.verbs import base_of, clause_verb, finite, participle_of, past_of
from medenv.records.leaks import leaks_in_record
from medenv.records.record import record_to_dict

# Written for these tests, each in another shape that notes have; the people are made up.
PATH = Path(__file__).with_name("clinical_notes.jsonl")
NOTES = [json.loads(line)["note"] for line in PATH.read_text("utf-8").splitlines()]
PNEUMONIA, STONE, CROUP, HEART_FAILURE, DEPRESSION, KNEE, VERTIGO, ZOSTER = range(8)

STORY = (
    "The patient is a 52-year-old man who presents with heartburn for 2 months. It is worse after meals. He denies "
    "trouble swallowing. He has tried antacids. He works as a plumber."
)


def note(story=STORY, assessment="Gastroesophageal reflux disease.", plan="Start omeprazole 20 mg daily.", **sections):
    more = "".join(f"\n\n{name.replace('_', ' ').upper()}\n{text}" for name, text in sections.items())
    return f"HPI\n{story}{more}\n\nASSESSMENT\n{assessment}\n\nPLAN\n{plan}"


def read(row, tally=None):
    tally = Tally() if tally is None else tally
    return tuple(CLINICAL_NOTES.read(Row(row, "row 1", Path("x")), tally))


def outcome(row):
    """The records of a row, none where it is an error of one line."""
    try:
        return read(row)
    except RecordError as error:
        lines = str(error).splitlines()
    assert len(lines) == 1
    return ()


def record_of(text):
    (record,) = read({"note": text})
    return record


def lays(record):
    return [fact.lay for fact in record.facts]


def told(record):
    """Everything that is told or shown before the case ends."""
    return " ".join((record.chief_complaint, *lays(record), *(exam.result for exam in record.exams)))


@pytest.fixture(scope="module")
def records():
    return load_records(PATH)


def test_the_notes_load_clean(records):
    assert len(records) == len(NOTES)
    assert records.report.format == "clinical-notes"
    assert not [problem for problem in check_records(PATH) if problem.fatal]
    for record in records:
        assert not leaks_in_record(record)
        assert not identifiers_in_record(record)


@pytest.mark.parametrize(
    ("number", "age", "sex", "diagnosis"),
    [
        (PNEUMONIA, 58, "female", "Community-acquired pneumonia"),
        (STONE, 36, "male", "Left ureteral stone"),
        (CROUP, 14, "male", "Croup"),
        (HEART_FAILURE, 74, "male", "Acute decompensated heart failure"),
        (DEPRESSION, 24, "female", "Major depressive disorder"),
        (KNEE, 67, "male", "Right knee osteoarthritis"),
        (VERTIGO, 49, "female", "Benign paroxysmal positional vertigo"),
        (ZOSTER, 31, "male", "Herpes zoster"),
    ],
)
def test_who_it_is_and_what_it_is(records, number, age, sex, diagnosis):
    record = records[number]
    assert (record.demographics.age.value, record.demographics.sex) == (age, sex)
    assert record.truth.diagnosis.name == diagnosis


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (PNEUMONIA, {"The cough started 5 days ago.", "I have high blood pressure.", "I used to smoke."}),
        (PNEUMONIA, {"No, I haven't had any leg swelling.", "Sulfa drugs give me a rash.", "I work as a librarian."}),
        (STONE, {"I've had pain in my left side for 6 hours.", "The pain is 9 out of 10.", "My father had gout."}),
        (STONE, {"I took ibuprofen without relief.", "No, I've never had anything like this before."}),
        (CROUP, {"He's had a barking cough since midnight.", "No, he hasn't had any choking."}),
        (
            HEART_FAILURE,
            {"My brother had a heart attack at 60.", "I stopped smoking in 2005.", "I'm a retired welder."},
        ),
        (DEPRESSION, {"I feel guilty about everything.", "My appetite is poor.", "I've lost 5 kg."}),
        (KNEE, {"I've had morning stiffness for about 10 minutes.", "I'm a retired postman."}),
        (VERTIGO, {"When I turn over in bed the room spins for about 30 seconds.", "I'm a taxi driver."}),
        (ZOSTER, {"The rash doesn't cross to the other side.", "I had chickenpox as a child."}),
    ],
)
def test_what_the_patient_says(records, number, expected):
    assert expected <= set(lays(records[number]))


def test_a_parent_speaks_for_a_child(records):
    record = records[CROUP]
    assert record.speaker == "caregiver"
    assert record.demographics.age.unit == "months"
    assert record.chief_complaint == "Hello, doctor. It's about my son. He's had a barking cough."


def test_every_denial_begins_with_no(records):
    for record in records:
        for fact in record.facts:
            assert fact.lay.startswith("No, ") == (fact.polarity == "absent"), fact
            assert fact.lay[-1] in ".!?"
            assert not re.search(r"\b(?:patient|denies|reports|endorses)\b", fact.lay)


def test_names_dates_and_masks_are_gone(records):
    for record in records:
        everything = json.dumps(record_to_dict(record))
        assert not re.search(
            r"Harriet|Bloomfield|Okafor|Natarajan|lastname|STitle|Hospital1|2141|\*\*|__|\bMr|\bMs|\bDr\b", everything
        )
    assert records.report.identifiers["mask of the source"]
    assert records.report.identifiers["name"]


def test_assessment_plan_and_hospital_course_are_kept_from_the_patient(records):
    words = r"diuresed|Weigh yourself|Return for fever|keep him calm|sputum culture|tamsulosin|amoxicillin|urology"
    for record in records:
        assert not re.search(words, told(record))
    assert "lisinopril" not in told(records[HEART_FAILURE])


def test_the_plan_is_the_truth(records):
    plan = {item.action: item for item in records[PNEUMONIA].truth.plan}
    amoxicillin = next(item for action, item in plan.items() if "amoxicillin" in action)
    lisinopril = next(item for action, item in plan.items() if "lisinopril" in action)
    assert (amoxicillin.kind, amoxicillin.essential) == ("medication", True)
    assert not lisinopril.essential
    assert any(item.kind == "test" and "sputum culture" in action for action, item in plan.items())
    discharged = [item.action for item in records[HEART_FAILURE].truth.plan]
    assert any("urosemide 40 mg" in action for action in discharged)


def test_alternatives_share_what_is_not_certain(records):
    found = {hypothesis.name: hypothesis.probability for hypothesis in records[VERTIGO].truth.differential}
    assert found == {"Benign paroxysmal positional vertigo": 0.7, "Vestibular migraine": 0.3}
    (only,) = records[ZOSTER].truth.differential
    assert only.probability == 1


def test_allergies_are_contraindicated(records):
    assert "sulfa drugs" in records[PNEUMONIA].truth.contraindicated[0].action.casefold()
    assert "penicillin" in records[HEART_FAILURE].truth.contraindicated[0].action.casefold()
    assert not records[STONE].truth.contraindicated


@pytest.mark.parametrize(
    ("number", "exam", "words"),
    [
        (PNEUMONIA, "Chest X-ray", "consolidation"),
        (PNEUMONIA, "Vital signs", "38.9"),
        (STONE, "Abdominal CT", "4 mm stone"),
        (STONE, "Urinalysis", "large blood"),
        (HEART_FAILURE, "Echocardiogram", "30%"),
        (HEART_FAILURE, "Vital signs", "152/88"),
        (DEPRESSION, "Thyroid function tests", "1.9"),
        (KNEE, "Knee X-ray", "osteophytes"),
        (ZOSTER, "Skin examination", "vesicles"),
    ],
)
def test_examination_and_results_can_be_ordered(records, number, exam, words):
    results = {e.name: e.result for e in records[number].exams}
    assert words in results[exam]


def test_a_conclusion_in_a_result_is_cut_off(records):
    xray = next(exam for exam in records[PNEUMONIA].exams if exam.name == "Chest X-ray")
    assert "pneumonia" not in xray.result


def test_the_doctors_rank_as_they_should(records):
    rewards = [medenv.evaluate(doctor, records=records, episodes=8) for doctor in ("oracle", "checklist", "random")]
    assert all(not evaluation.invalid for evaluation in rewards)
    oracle, checklist, chance = (evaluation.reward.mean for evaluation in rewards)
    assert oracle > 0.9 > checklist > 0.3 > chance


# Which notes are dropped, and why


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "an empty note"),
        ("  \n\t", "an empty note"),
        (note("He presents with heartburn. It is worse after meals. He works as a plumber."), "no age"),
        (f"HPI\n{STORY}", "no assessment"),
        (
            note(assessment="Annual physical exam.\nVaccination.", plan="Flu vaccine."),
            "the assessment names no diagnosis",
        ),
        (note(assessment="Headache."), "the assessment names a symptom or finding, no diagnosis"),
        (note(assessment="Abnormal liver function tests."), "the assessment names a symptom or finding, no diagnosis"),
        (
            "CC: Asthma.\n\n"
            + note(
                "The patient is a 22-year-old man who presents for follow-up of his asthma. His asthma is controlled. He "
                "uses an inhaler. He denies waking up with asthma. He works in an office.",
                "Asthma.",
            ),
            "a visit for a diagnosis that is known already",
        ),
        (note("The patient is a 50-year-old man."), "too little that a patient could tell"),
    ],
)
def test_what_cannot_be_a_case_is_dropped_and_counted(text, reason):
    tally = Tally()
    assert read({"note": text}, tally) == ()
    assert dict(tally.rows_dropped) == {reason: 1}


@pytest.mark.parametrize(
    ("assessment", "name", "probability"),
    [
        ("Gastroesophageal reflux disease.", "Gastroesophageal reflux disease", 1.0),
        ("1. Gastroesophageal reflux disease, uncontrolled", "Gastroesophageal reflux disease", 1.0),
        ("Likely peptic ulcer disease.", "Peptic ulcer disease", 0.7),
        ("Heartburn, likely due to peptic ulcer disease.", "Peptic ulcer disease", 0.7),
        ("Heartburn.\n- I believe this is most likely eosinophilic esophagitis.", "Eosinophilic esophagitis", 0.7),
        ("Annual exam.\nPeptic ulcer disease.", "Peptic ulcer disease", 1.0),
        ("Peptic ulcer disease vs. gastritis.", "Peptic ulcer disease", 0.7),
    ],
)
def test_the_diagnosis_of_an_assessment(assessment, name, probability):
    first = record_of(note(assessment=assessment)).truth.differential[0]
    assert (first.name, first.probability) == (name, probability)


def test_an_age_over_89_is_capped():
    tally = Tally()
    (record,) = read({"note": note(STORY.replace("52-year-old", "97-year-old"))}, tally)
    assert record.demographics.age.value == 89
    assert tally.counts["ages_capped"] == 1
    assert "97" not in json.dumps(record_to_dict(record))


# The shape of a note


@pytest.mark.parametrize(
    "shape",
    [
        lambda text: text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: re.sub(r"(?m)^([A-Z]{3,})$", r"\1:", text),
        lambda text: re.sub(r"(?m)^([A-Z]{3,})$", r"## \1", text),
        lambda text: re.sub(r"(?m)^([A-Z]{3,})$", r"**\1:**", text),
        lambda text: re.sub(r"(?m)^([A-Z]{3,})\n", r"\1: ", text),
        lambda text: text.replace("HPI", "History of Present Illness:"),
        lambda text: text.replace("HPI", "Subjective"),
        lambda text: text.replace("ASSESSMENT", "Impression:"),
    ],
)
def test_headings_are_found_however_they_are_written(shape):
    plain, shaped = record_of(note()), record_of(shape(note()))
    assert lays(shaped) == lays(plain)
    assert shaped.truth == plain.truth


def test_what_stands_under_an_unknown_heading_is_kept_from_everybody():
    tally = Tally()
    (record,) = read({"note": note(PSYCHOMETRY="The scale gave 17 points.")}, tally)
    assert "17" not in json.dumps(record_to_dict(record))
    assert tally.unmapped_keys == {"heading PSYCHOMETRY": 1}


def test_a_dialogue_beside_the_note_changes_nothing():
    plain = record_of(note())
    (beside,) = read({"note": note(), "dialogue": "[doctor] hi Bob Smith, you have reflux", "encounter_id": "D1"})
    assert (beside.facts, beside.truth, beside.id) == (plain.facts, plain.truth, plain.id)
    assert (beside.provenance.source, beside.provenance.licence) == ("ACI-Bench", "CC-BY-4.0")


def test_source_and_licence_of_the_row_are_kept():
    (record,) = read({"text": note(), "source": "ward 3", "license": "CC0-1.0"})
    assert (record.provenance.source, record.provenance.licence, record.provenance.synthetic) == (
        "ward 3",
        "CC0-1.0",
        False,
    )


def test_notes_are_read_from_text_files_tables_and_objects(tmp_path):
    texts = [NOTES[STONE], NOTES[VERTIGO]]
    folder = tmp_path / "notes"
    folder.mkdir()
    for number, text in enumerate(texts):
        (folder / f"{number}.txt").write_text(text, "utf-8")
    with (tmp_path / "notes.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, ["id", "note"])
        table.writeheader()
        table.writerows({"id": str(n), "note": text} for n, text in enumerate(texts))
    (tmp_path / "notes.json").write_text(json.dumps([{"text": text} for text in texts]), "utf-8")
    (tmp_path / "one.txt").write_text(texts[0], "utf-8")
    expected = [record.id for record in load_records(folder, "clinical-notes")]
    assert len(expected) == 2
    assert [record.id for record in load_records(tmp_path / "notes.csv")] == expected
    assert [record.id for record in load_records(tmp_path / "notes.json")] == expected
    assert [record.id for record in load_records(tmp_path / "one.txt")] == expected[:1]


@pytest.mark.parametrize(
    "row", [{}, {"note": ""}, {"note": "x y"}, {"note": 3}, {"text": ["a b c d"]}, {"note": None, "text": None}]
)
def test_other_rows_are_not_recognised(row):
    assert not CLINICAL_NOTES.recognises(row)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"note": 3}, r"field \$\.note: expected the text of a note, got int"),
        ({"note": ["a"]}, r"field \$\.note: expected the text of a note, got list"),
        ({"text": None}, r"field \$\.text: expected the text of a note, got NoneType"),
        ({}, r"field \$: expected a note under 'note' or 'text', got none"),
        ({"note": "a" * 100_001}, r"field \$\.note: expected a note of at most 100,000 characters, got 100,001"),
    ],
)
def test_what_is_no_note_is_an_error_of_one_line(row, message):
    with pytest.raises(RecordError, match=message) as error:
        read(row)
    assert "\n" not in str(error.value)


# Attack


SCRAPS = st.sampled_from(
    ["", "\x00", "[** ", "**]", "___", "ASSESSMENT\n", "PLAN:", "\n\n", "No ", "denies ", " and ", ", ", "; ", "((", "\u202e",
     "He ", "Mr. ", "1. ", "\u2022 ", "%s {0} {x}", "\\1", "2019-01-01", "-", "\u00e9\u4e2d", "12345678901234567890"]
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    text=st.sampled_from([*NOTES, note()]),
    cuts=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 400), st.one_of(SCRAPS, st.text(max_size=30))), max_size=6),
)
def test_a_mangled_note_gives_a_record_or_an_error(text, cuts):
    for where, length, instead in cuts:
        start = int(where * len(text))
        text = text[:start] + instead + text[start + length :]
    for record in outcome({"note": text}):
        assert not leaks_in_record(record)
        assert all(fact.lay.startswith("No, ") for fact in record.facts if fact.polarity == "absent")


@given(
    st.dictionaries(
        st.sampled_from(["note", "text", "source", "licence", "dialogue", "encounter_id"]),
        st.one_of(
            st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=50), st.lists(st.text(max_size=5)),
            st.dictionaries(st.text(max_size=3), st.text(max_size=3)), st.just(note()),
        ),
    )
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_a_row_of_anything_gives_a_record_or_an_error(row):
    outcome(row)


def test_the_order_of_sections_does_not_matter_to_the_truth():
    parts = re.split(r"\n\n(?=[A-Z ]+\n)", note(FAMILY_HISTORY="Mother with asthma.", ALLERGIES="Penicillin."))
    expected = record_of("\n\n".join(parts)).truth
    random.Random(3).shuffle(parts)
    assert record_of("\n\n".join(parts)).truth == expected


@pytest.mark.parametrize(
    "scrap",
    ["a, ", "and ", "no ", "she has ", "history of ", "A. ", "Dr. ", ";", "[** ", "___ ", "(", "- ", "x: ", "ASSESSMENT\n",
     "Mr. Smith ", "who presents with ", "2019-01-01 ", "is a 45-year-old ", "a-", "with "],
)  # fmt: skip
def test_hostile_text_takes_no_time_to_speak_of(scrap):
    text = scrap * (15_000 // len(scrap))
    started = time.process_time()
    outcome(
        {
            "note": note(
                f"{STORY} {text}", f"Peptic ulcer.\n- {text}", text, EXAM=text, RESULTS=text, SOCIAL_HISTORY=text
            )
        }
    )
    assert time.process_time() - started < 10


def test_a_long_note_gives_a_record_of_bounded_size():
    tally = Tally()
    more = " ".join(f"He has had pain in joint number {n} since day {n}." for n in range(1500))
    (record,) = read({"note": note(f"{STORY} {more}")}, tally)
    assert len(record.facts) <= 200
    assert any(reason.startswith("beyond") for reason in tally.facts_dropped)


# The prose that notes needed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Over the weekend, he was moving boxes.", [("over the weekend, he was moving boxes", "present")]),
        (
            "Regarding the migraines, she has had no issues.",
            [("issues with the migraines", "absent")],
        ),
        (
            "The pain radiates to the back and is worse at night.",
            [("The pain radiates to the back", "present"), ("The pain is worse at night", "present")],
        ),
        ("She denies hearing a pop.", [("the patient did not hear a pop", "absent")]),
        ("She denies that it spreads.", [("it does not spread", "absent")]),
        ("Denies burning with urination.", [("burning with urination", "absent")]),
        (
            "He has been tired, but he denies fever.",
            [("He has been tired", "present"), ("fever", "absent")],
        ),
    ],
)
def test_statements_of_a_note(text, expected):
    assert [(atom.text, atom.polarity) for atom in atoms(text)] == expected


def test_what_a_statement_is_about_is_kept():
    (atom,) = atoms("As for her diabetes, she is watching her diet.")
    assert (atom.text, atom.about) == ("she is watching her diet", "her diabetes")


@pytest.mark.parametrize(
    ("word", "base", "past", "participle"),
    [("takes", "take", "took", "taken"), ("injured", "injure", "injured", "injured"), ("hearing", "hear", "heard", "heard"),
     ("tried", "try", "tried", "tried"), ("stopping", "stop", "stopped", "stopped")],
)  # fmt: skip
def test_forms_of_verbs(word, base, past, participle):
    assert base_of(word) == base
    assert past_of(base) == past
    assert participle_of(base) == participle


@pytest.mark.parametrize(
    ("text", "verb"),
    [("the pain radiates down", "radiates"), ("his wife noticed a lump", "noticed"), ("it hurts", "hurts"),
     ("pain in the knee", None), ("swelling of the left ankle", None), ("her mother, who smokes", None), ("", None)],
)  # fmt: skip
def test_the_verb_of_a_clause(text, verb):
    place = clause_verb(text)
    assert (text[place:].split()[0] if place is not None else None) == verb


def test_a_form_that_is_a_noun_too_is_no_verb_by_itself():
    assert finite("takes", "the")
    assert not finite("cough", "in")
    assert not finite("swelling", "the")
    assert finite("was")


@pytest.mark.parametrize(
    ("sentence", "known", "complaint"),
    [
        ("A 46-year-old man presents with a painful toe.", "", "a painful toe"),
        ("She is a 60 y.o. woman with a history of gout who comes in for knee pain.", "gout", "knee pain"),
        ("This is a 3-week-old boy brought to the clinic by his mother because of vomiting.", "", "vomiting"),
        ("A 30-year-old female here today for evaluation of a rash.", "", "a rash"),
    ],
)
def test_introductions(sentence, known, complaint):
    found = introduction_of(sentence)
    assert (found.known, found.complaint) == (known, complaint)


@given(st.text(max_size=300))
def test_any_text_may_stand_for_an_introduction(text):
    introduction_of(text)


# The real notes


@pytest.fixture(scope="module")
def real(aci_bench):
    return aci_bench()


def test_the_real_notes_load(real):
    assert 30 <= len(real) <= 67
    assert len(real) + sum(real.report.rows_dropped.values()) == 67
    for record in real:
        assert not leaks_in_record(record)
        assert not identifiers_in_record(record)
        assert record.truth.plan
        for fact in record.facts:
            assert fact.lay.startswith("No, ") == (fact.polarity == "absent")
            assert not re.search(r"\b(?:the patient|denies|endorses)\b", fact.lay)


def test_the_real_notes_give_back_no_name(real):
    with Path(os.environ["MEDENV_ACI_BENCH"]).open(encoding="utf-8", newline="") as file:
        names = {
            match[1]
            for row in csv.DictReader(file)
            for match in re.finditer(r"\b(?:Mr|Mrs|Ms|Miss)\.? ([A-Z][a-z]{3,})", row["note"])
        }
    everything = " ".join(json.dumps(record_to_dict(record)) for record in real)
    assert names
    assert not [name for name in names if re.search(rf"\b{name}\b", everything)]


def test_the_doctors_rank_as_they_should_on_the_real_notes(real):
    oracle, checklist, chance = (
        medenv.evaluate(doctor, records=real, episodes=12).reward.mean for doctor in ("oracle", "checklist", "random")
    )
    assert oracle > 0.9 > checklist > 0.3 > chance
