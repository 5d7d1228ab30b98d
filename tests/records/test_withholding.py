from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medenv.errors import LeakError, RecordError
from medenv.records import load_records, record_from_dict
from medenv.records.leaks import leaks_in_record
from medenv.records.withholding import withheld_records, withhold


def changes(data):
    clean, made = withhold(data)
    assert leaks_in_record(record_from_dict(clean)) == []
    assert withhold(clean) == (clean, [])
    return clean, [(change.field, change.after) for change in made]


def test_a_clean_record_stays_as_it_is(plain_record):
    before = plain_record()
    assert withhold(before) == (before, [])


def test_every_place_is_cleaned(plain_record):
    data = plain_record(id="gout-07", tags=["gout", "joint"], chief_complaint="My knee is sore, like gout.")
    data["demographics"] |= {"occupation": "cook", "background": "gout"}
    data["facts"][0] |= {"statement": "Knee swollen as in gout", "lay": "It swelled up.", "synonyms": ["gout", "onset"]}
    data["facts"][1] |= {"statement": "History of gout", "lay": "I've had gout before."}
    data["facts"][2]["id"] = "gout-alcohol"
    data["exams"][1] |= {"name": "Gout aspirate", "result": "Crystals, consistent with gout. No organisms."}
    data["exams"][2] |= {"name": "Gout", "id": "urate"}
    data["exams"][3] |= {"id": "podagra", "result": "M10.9"}
    original = copy.deepcopy(data)
    clean, made = changes(data)
    assert data == original
    assert clean["id"].startswith("record-")
    assert made == [
        ("id", clean["id"]),
        ("demographics.background", ""),
        ("tags", ""),
        ("facts[onset].statement", "Knee swollen as in [withheld]"),
        ("facts[onset].synonyms", ""),
        ("facts[fever]", ""),
        ("facts[gout-alcohol].id", "fact-2"),
        ("exams[aspirate].name", "[withheld] aspirate"),
        ("exams[aspirate].result", "Crystals. No organisms."),
        ("exams[urate].name", ""),
        ("exams[podagra].result", "[withheld]"),
        ("exams[podagra].id", "exam-3"),
        ("chief_complaint", "My knee is sore, like [withheld]."),
    ]
    assert [fact["id"] for fact in clean["facts"]] == ["onset", "fact-2", "allergy"]
    assert clean["exams"][2]["result"] == "[withheld]"
    assert clean["demographics"] == {k: v for k, v in original["demographics"].items() if k != "background"}
    assert clean["truth"] == original["truth"]


def test_a_complaint_that_says_no_more_gives_way_to_what_is_told_unasked(plain_record):
    clean, made = changes(plain_record(chief_complaint="I have gout."))
    assert clean["chief_complaint"] == "It came on suddenly last night."
    assert made == [("chief_complaint", "It came on suddenly last night.")]
    data = plain_record(chief_complaint="I have gout.")
    del data["facts"][0]["disclosure"]
    with pytest.raises(RecordError, match="chief_complaint"):
        withhold(data)


def test_a_record_of_which_nothing_is_left_is_refused(plain_record):
    data = plain_record()
    data["facts"] = [{**data["facts"][0], "lay": "It's gout."}]
    with pytest.raises(RecordError, match="facts"):
        withhold(data)


def test_a_rubric_follows_the_ids(plain_record):
    def criterion(kind, of, **more):
        return {"id": kind, "text": kind, "points": 1, "axis": "safety", "check": {"kind": kind, "of": of, **more}}

    data = plain_record()
    data["facts"][0]["id"] = "gout"
    data["facts"][1]["lay"] = "Only gout."
    data["facts"][1]["statement"] = "Has gout"
    data["rubric"] = [
        criterion("disclosed", ["gout", "fever"], at_least=2),
        criterion("disclosed", ["fever"]),
        criterion("ordered", ["urate"]),
        criterion("leading_diagnosis", ["gout"]),
    ]
    clean, made = changes(data)
    assert [item["check"]["of"] for item in clean["rubric"]] == [["fact-1"], ["urate"], ["gout"]]
    assert clean["rubric"][0]["check"]["at_least"] == 1
    assert ("rubric", "") in made


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["chief_complaint", "statement", "lay", "name", "result", "fact id", "exam id", "tag"]),
            st.integers(0, 4),
            st.lists(
                st.sampled_from(["gout", "podagra", "gouty arthritis", "M10.9", "knee", ";", ".", "likely", "PE"]),
                min_size=1,
                max_size=6,
            ).map(" ".join),
        ),
        max_size=8,
    )
)
def test_whatever_leaks_the_result_can_be_used(plain_record, edits):
    data = plain_record()
    for kind, number, text in edits:
        fact, exam = data["facts"][number % len(data["facts"])], data["exams"][number % len(data["exams"])]
        if kind == "chief_complaint":
            data[kind] = text
        elif kind in ("statement", "lay"):
            fact[kind] = text
        elif kind in ("name", "result"):
            exam[kind] = text
        elif kind == "tag":
            data["tags"] = sorted({*data.get("tags", ()), text})
        else:
            item = fact if kind == "fact id" else exam
            item["id"] = f"gout-{number}-{item['id']}"[:60]
    try:
        clean, made = withhold(data)
    except RecordError:
        return
    record = record_from_dict(clean)
    assert bool(made) == (clean != data)
    assert leaks_in_record(record) == []
    assert withhold(clean) == (clean, [])


def test_records_come_in_order_and_other_errors_stay(tmp_path, plain_record):
    path = tmp_path / "rows.jsonl"
    rows = [plain_record(id="a"), plain_record(id="b", chief_complaint="Sore knee: gout?"), plain_record(id="c")]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    with pytest.raises(LeakError):
        load_records(path)
    found = list(withheld_records(path))
    assert [(record.id, len(made)) for record, made in found] == [("a", 0), ("b", 1), ("c", 0)]
    path.write_text(json.dumps(plain_record(speaker="nobody")), "utf-8")
    with pytest.raises(RecordError, match="speaker"):
        list(withheld_records(path))
    assert len(list(withheld_records("library"))) == len(load_records())
