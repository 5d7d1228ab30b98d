"""Rubrics that people wrote, from files of several forms."""

import json

import pytest

import medenv
from medenv.errors import RubricError
from medenv.records import load_records
from medenv.rewards import rubric_to_dict
from medenv.rewards.generation import ExpertRubrics, RecordRubrics

ITEM = {"criterion": "Asks about fever.", "points": 4, "category": "History taking"}
ROW = {
    "prompt_id": "test-knee",
    "prompt": [{"role": "user", "content": "My knee hurts."}],
    "rubrics": [
        {"criterion": "Asks about fever.", "points": 7, "tags": ["level:example", "axis:context_awareness"]},
        {"criterion": "Says it is nothing.", "points": -5, "tags": ["level:cluster", "axis:accuracy"]},
    ],
    "example_tags": ["theme:context_seeking"],
}


@pytest.fixture
def file(tmp_path):
    def write(content, name="rubrics.json"):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return path

    return write


def test_medenvs_own_form_is_for_every_record(file, record):
    rubric = RecordRubrics().rubric(record)
    expert = ExpertRubrics.from_file(file(rubric_to_dict(rubric)))
    assert expert.rubric(record) == expert(load_records("library")[0]) == rubric
    listed = ExpertRubrics.from_file(file(rubric_to_dict(rubric)["criteria"], "mine.json")).rubric(record)
    assert (listed.id, listed.criteria) == ("mine", rubric.criteria)


@pytest.mark.parametrize("rows", [[ROW], [ROW, {**ROW, "prompt_id": "b"}]])
def test_healthbench_rows(file, record, rows):
    expert = ExpertRubrics.from_file(file("\n".join(map(json.dumps, rows)) + "\n", "hb.jsonl"))
    one, other = expert.rubric(record).criteria
    assert (one.text, one.points, one.axis, one.level, one.scope) == (
        "Asks about fever.", 7, "consultation_logic", "case", "response",
    )  # fmt: skip
    assert (other.points, other.axis, other.level) == (-5, "diagnostic_accuracy", "general")
    assert len(expert.by_record) == len(rows)


def test_plain_lists(file, record):
    cases = {
        "test-knee": [
            ITEM,
            {"text": "Plans a harm.", "weight": -10, "category": "ETHICS & Safety"},
            {"text": "共情", "weight": 2, "category": "人文关怀"},
        ]
    }
    rubric = ExpertRubrics.from_file(file(cases)).rubric(record)
    assert [(c.text, c.points, c.axis) for c in rubric.criteria] == [
        ("Asks about fever.", 4, "consultation_logic"),
        ("Plans a harm.", -10, "safety"),
        ("共情", 2, "communication"),
    ]


def test_a_record_without_one(file):
    expert = ExpertRubrics.from_file(file({"test-knee": [ITEM]}))
    with pytest.raises(RubricError, match=r"record 'lib-01', got some for test-knee"):
        expert.rubric(load_records("library")[0])


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("", "expected JSON"),
        ("{", "expected JSON"),
        ("[" * 100_000, "expected JSON"),
        ("3", r"field \$"),
        ("{}", r"field \$"),
        ({"a": []}, r"field \$\.a"),
        ({"a": [{**ITEM, "points": 11}]}, r"field \$\.a\[0\]\.points"),
        ({"a": [{**ITEM, "points": 0}]}, r"field \$\.a\[0\]\.points"),
        ({"a": [{**ITEM, "points": 2.5}]}, r"field \$\.a\[0\]\.points"),
        (
            {"a": [ITEM, {**ITEM, "category": "charm"}]},
            r"field \$\.a\[1\]\.category: expected a category of .*; got 'charm'",
        ),
        ({"a": [{"points": 1, "category": "plan"}]}, r"field \$\.a\[0\]"),
        ({"a": [{"text": "x", "category": "plan"}]}, r"field \$\.a\[0\]"),
        ({"a": [{**ITEM, "points": -1}]}, "positive points"),
        ({"criteria": []}, r"field"),
        (json.dumps(ROW) + "\n{", "line 2"),
        (json.dumps(ROW) + "\n" + json.dumps({**ROW, "prompt_id": "b", "rubrics": [{"criterion": "x"}]}), "line 2"),
        (json.dumps({**ROW, "rubrics": [{"criterion": "x", "points": 12, "tags": []}]}), r"rubrics\[0\].points"),
    ],
)
def test_what_cannot_be_read_says_where(file, content, place):
    with pytest.raises(RubricError, match=place) as caught:
        ExpertRubrics.from_file(file(content))
    assert "\n" not in str(caught.value)
    assert "rubrics.json" in str(caught.value) or "positive points" in str(caught.value)


def test_files_that_are_none(tmp_path):
    (tmp_path / "latin.json").write_bytes(b"\xff\xfe{}")
    for path in (tmp_path, tmp_path / "none.json", tmp_path / "latin.json"):
        with pytest.raises(RubricError, match="expected a file of rubrics"):
            ExpertRubrics.from_file(path)


def test_it_grades_a_rollout(file, record):
    rubric = RecordRubrics().rubric(record)
    expert = ExpertRubrics.from_file(file(rubric_to_dict(rubric)))
    (graded,) = medenv.rollout("checklist", records=[record], rubric=expert, episodes=1)
    (plain,) = medenv.rollout("checklist", records=[record], episodes=1)
    assert graded.reward == plain.reward
