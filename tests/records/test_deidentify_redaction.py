from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medenv.cli import main
from medenv.records import load_records, record_from_dict, record_to_dict
from medenv.records.deidentify import check_record, find_identifiers, redact_data, redact_identifiers
from medenv.records.identifier_rules import vocabulary
from medenv.records.redaction import MASK, WITHHELD, redact_records

IDENTIFYING = (
    "Dr Smith", "my son Tom", "3 May 2020", "12/31/2024", "a 92-year-old", "aged ninety-two", "020 7946 0958", "x@y.org",
    "MRN 00123456", "078-05-1120", "I live in Leeds", "14 High Street", "MA 02115", "SW1A 1AA", "fax: 555 1234567",
    "https://example.org/a", "192.168.0.1", "IMG_1.jpg", "Anna Petrova", "PID|1||44718290||A^B",
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Seen by Dr Okafor on 3 May.", "Seen by Dr [name removed] on [date removed]."),
        ("My wife Anna drove me from Leeds.", "My wife [name removed] drove me from [place removed]."),
        ("A 92-year-old woman", "An over-89-year-old woman"),
        ("This is a 94 year old man.", "This is an over 89 year old man."),
        ("Mother lived to 98.", "Mother lived to over 89."),
        ("Age: 91", "Age: over 89"),
        ("Ring 07700 900123.", "Ring [telephone number removed]."),
        ("MRN: 00123456", "MRN: [record number removed]"),
        ("Nothing to see, BP 120/80.", "Nothing to see, BP 120/80."),
        ("", ""),
    ],
)
def test_the_sentence_stays_readable(text, redacted):
    assert redact_identifiers(text) == redacted


TEXTS = st.lists(st.one_of(st.text(max_size=12), st.sampled_from(IDENTIFYING)), max_size=8).flatmap(
    lambda parts: st.sampled_from((" ", "", ", ", ". ", "\n", "|", "-", '"')).map(lambda joint: joint.join(parts))
)


@given(TEXTS)
def test_the_result_has_no_identifier_and_is_the_same_the_second_time(text):
    redacted = redact_identifiers(text)
    assert find_identifiers(redacted) == []
    assert redact_identifiers(redacted) == redacted
    assert (redacted == text) == (not find_identifiers(text))


def test_no_wording_is_an_identifier_itself():
    for words in (*vocabulary()["replacements"].values(), WITHHELD, MASK):
        for text in (words, f"{words} {words}", f"a {words}-year-old", f"Dr {words}, {words}"):
            assert find_identifiers(text) == []


def test_every_kind_has_a_wording():
    kinds = {found.kind for text in IDENTIFYING for found in find_identifiers(text)}
    assert kinds <= set(vocabulary()["replacements"])


@pytest.fixture
def identifying(plain_record):
    data = copy.deepcopy(plain_record())
    data["tags"] = ["Dr Smith", "Dr Jones", "knee"]
    data["demographics"] = {
        **data["demographics"],
        "age": {"value": 1200, "unit": "months"},
        "background": "Lives in Leeds.",
    }
    data["facts"][0]["lay"] = "It began on 3 May and my wife Anna saw it."
    data["facts"][0]["synonyms"] = ["Mr Smith's onset", "Mr Jones's onset"]
    data["exams"][0]["result"] = "MRN 00123456: pulse 84"
    data["truth"]["plan"][0]["action"] = "see Dr Okafor"
    data["rubric"] = [{"criterion": "Asks Mr Smith about pain", "points": 3}]
    return data


def test_a_record_is_redacted_everywhere_and_loads(identifying):
    before = copy.deepcopy(identifying)
    redacted, changes = redact_data(identifying)
    assert identifying == before
    check_record(record_from_dict(redacted))
    assert redacted["demographics"]["age"] == {"value": 89, "unit": "years"}
    assert redacted["tags"] == ["Dr [name removed]", "knee"]
    assert len(redacted["facts"][0]["synonyms"]) == 1
    assert redacted["provenance"] == identifying["provenance"]
    assert {change.field for change in changes} == {
        "tags[0]", "tags[1]", "demographics.age", "demographics.background", "facts[onset].lay", "facts[onset].synonyms[0]",
        "facts[onset].synonyms[1]", "exams[vitals].result", "truth.plan[0].action", "rubric[0].criterion",
    }  # fmt: skip
    assert redact_data(redacted) == (redacted, [])


def test_the_account_shows_no_identifier(identifying):
    for change in redact_data(identifying)[1]:
        shown = f"{change.before} {change.after}"
        assert not any(secret in shown for secret in ("Smith", "Jones", "Anna", "May", "Leeds", "00123456", "1200"))
        assert MASK in change.before
        assert find_identifiers(change.before) == []


def test_clean_records_come_back_as_they_are():
    for record in load_records("library"):
        data = record_to_dict(record)
        assert redact_data(data) == (data, [])


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.sampled_from(IDENTIFYING),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(("id", "age", "lay", "facts")), inner)
        ),
        max_leaves=9,
    )
)
def test_data_of_any_shape_is_taken(value):
    redacted, _ = redact_data({"id": value, "demographics": {"age": value}, "facts": [value]})
    assert redact_data(redacted)[1] == []


def test_ids_stay_ids_and_apart(plain_record, tmp_path):
    rows = [plain_record(id=f"visit-mrn-0012345{n}") for n in range(3)]
    for row in rows:
        row["facts"] = [{**row["facts"][n], "id": f"call-mrn-0012345{n}"} for n in range(3)]
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    records = [record for record, _ in redact_records(file)]
    assert len({record.id for record in records}) == 3
    assert all(len({fact.id for fact in record.facts}) == 3 for record in records)
    assert not any("12345" in text for record in records for text in (record.id, *(fact.id for fact in record.facts)))


# The command


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    told = capsys.readouterr()
    return status, told.out, told.err


@pytest.fixture
def source(identifying, plain_record, tmp_path):
    file = tmp_path / "cases.jsonl"
    file.write_text(f"{json.dumps(identifying)}\n{json.dumps(plain_record(id='other'))}\n")
    return file


def test_without_out_nothing_is_written(capsys, source, tmp_path):
    before = source.read_text()
    status, out, err = run(capsys, "records", "deidentify", source, "-q")
    assert (status, err) == (0, "")
    assert "identifiers in 1 of 2 records" in out
    assert "nothing written" in out
    assert "Smith" not in out
    assert [file.name for file in tmp_path.iterdir()] == [source.name]
    assert source.read_text() == before


@pytest.mark.parametrize("suffix", [".jsonl", ".sqlite"])
def test_what_is_written_loads(capsys, source, tmp_path, suffix):
    out_file = tmp_path / f"out{suffix}"
    status, out, _ = run(capsys, "records", "deidentify", source, "-o", out_file, "--json", "-q")
    told = json.loads(out)
    assert status == 0
    assert (told["records"], told["out"]) == (2, str(out_file))
    assert len(told["changes"]) > 8
    assert load_records(out_file).ids == ("test-knee", "other")
    status, _, err = run(capsys, "records", "deidentify", source, "-o", out_file, "-q")
    assert status == 2
    assert "exists" in err


def test_what_does_not_fit_is_refused_and_nothing_is_left(capsys, source, tmp_path):
    source.write_text(source.read_text().replace('"hpi.onset"', '"nonsense"'))
    status, _, err = run(capsys, "records", "deidentify", source, "-o", tmp_path / "out.jsonl", "-q")
    assert status == 2
    assert "line 1" in err
    assert [file.name for file in tmp_path.iterdir()] == [source.name]
