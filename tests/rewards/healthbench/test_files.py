from __future__ import annotations

import dataclasses
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medenv.errors import RubricError
from medenv.rewards.healthbench import Completions, Example, RubricItem, draw, load_examples, part_of
from medenv.rewards.healthbench.files import criteria, digest


def test_a_row_becomes_an_example(load, row):
    ideal = {
        "ideal_completion": "Cool it.",
        "ideal_completions_group": "Group 2",
        "ideal_completions_ref_completions": ["a", "b", "c", "d"],
    }
    (example,) = load([row(ideal_completions_data=ideal, canary="not to be trained on")])
    assert example == Example(
        prompt_id="p",
        prompt=example.prompt,
        rubrics=(
            RubricItem("1", "p criterion 1", 5, ("axis:accuracy",)),
            RubricItem("2", "p criterion 2", -3, ("axis:x",)),
        ),
        example_tags=("theme:hedging",),
        completions=Completions("Cool it.", "Group 2", ("a", "b", "c", "d")),
    )
    assert [(m.role, m.content) for m in example.prompt] == [("user", "What about p?")]
    with pytest.raises(dataclasses.FrozenInstanceError):
        example.prompt_id = "q"
    with pytest.raises(dataclasses.FrozenInstanceError):
        example.rubrics[0].points = 1


@pytest.mark.parametrize(
    "data",
    [
        {"ideal_completion": "x"},
        {"ideal_completion": "x", "ideal_completions_group": None, "ideal_completions_ref_completions": None},
    ],
)
def test_completions_without_references(load, row, data):
    (example,) = load([row(ideal_completions_data=data)])
    assert example.completions == Completions("x", None, ())
    absent = row()
    del absent["ideal_completions_data"]
    assert load([absent])[0].completions is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"prompt_id": 3}, "prompt_id"),
        ({"prompt_id": ""}, "prompt_id"),
        ({"prompt": []}, r"\$\.prompt"),
        ({"prompt": [{"role": "doctor", "content": "x"}]}, r"\$\.prompt\[0\]\.role"),
        ({"prompt": [{"role": "user"}]}, "content"),
        ({"rubrics": []}, "rubrics"),
        ({"rubrics": [{"criterion": "x", "points": 1.5, "tags": []}]}, "points"),
        ({"rubrics": [{"criterion": "x", "points": True, "tags": []}]}, "points"),
        ({"rubrics": [{"criterion": "x", "points": "5", "tags": []}]}, "points"),
        ({"rubrics": [{"criterion": "", "points": 1, "tags": []}]}, "criterion"),
        ({"rubrics": [{"criterion": "x", "points": 1, "tags": ["a", "a"]}]}, "tags"),
        ({"example_tags": ["a", "a"]}, "example_tags"),
        ({"example_tags": None}, "example_tags"),
        ({"ideal_completions_data": {}}, "ideal_completion"),
        ({"ideal_completions_data": {"ideal_completion": None}}, "ideal_completion"),
    ],
)
def test_errors_name_file_line_and_field(write, row, change, said):
    path = write([row(), row("q") | change])
    with pytest.raises(RubricError, match=rf"examples\.jsonl, line 2: .*{said}") as caught:
        load_examples(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("line", [b"{", b"[]", b"3", b"\xff\xfe", b"nonsense", b"[" * 100000])
def test_lines_that_are_no_object(write, row, line):
    path = write([row()])
    path.write_bytes(path.read_bytes() + b"\n" + line)
    with pytest.raises(RubricError, match=r"line 3: "):
        load_examples(path)


def test_files_that_are_none(tmp_path, write, row):
    with pytest.raises(RubricError, match=r"expected a HealthBench file, got .*No such file"):
        load_examples(tmp_path / "missing.jsonl")
    with pytest.raises(RubricError, match="expected a HealthBench file"):
        load_examples("a\0b")
    with pytest.raises(RubricError, match="at least one example"):
        load_examples(write([]))
    with pytest.raises(RubricError, match=r"line 2: expected every prompt_id once, got 'p' again"):
        load_examples(write([row(), row()]))


def test_criteria_are_about_the_response(load, row):
    tags = [["axis:completeness", "level:cluster"], ["level:example", "axis:communication_quality"], []]
    items = [
        {"criterion": f"c{n}", "points": p, "tags": t} for n, (p, t) in enumerate(zip((5, -2, 10), tags, strict=True))
    ]
    found = criteria(load([row(rubrics=items)])[0])
    assert [(c.id, c.text, c.points, c.level, c.scope) for c in found] == [
        ("1", "c0", 5, "general", "response"),
        ("2", "c1", -2, "case", "response"),
        ("3", "c2", 10, "case", "response"),
    ]
    assert found[1].axis == "communication"


def test_a_sample_is_that_of_simple_evals(load, row):
    examples = load([row(f"p{n}") for n in range(30)])
    assert draw(examples, 7) == tuple(random.Random(0).sample(list(examples), 7))
    assert draw(examples, 7, seed=1) != draw(examples, 7)
    assert draw(examples, 30) == draw(examples, 99) == examples
    with pytest.raises(RubricError, match="at least 1 example, got 0"):
        draw(examples, 0)


def test_a_part_keeps_the_ids_of_the_whole(load, row):
    whole = load([row("p", points=(5, 5, -1, 5)), row("q")])
    item = whole[0].rubrics
    cut = row("p", points=(5,))
    cut["rubrics"] = [
        {"criterion": i.criterion, "points": i.points, "tags": ["level:cluster"]} for i in (item[3], item[1])
    ]
    (part,) = part_of(whole, load([cut]))
    assert [(i.id, i.tags) for i in part.rubrics] == [("4", ("level:cluster",)), ("2", ("level:cluster",))]
    assert part_of(whole, whole) == whole


def test_equal_criteria_of_a_part_are_matched_one_to_one(load, row):
    same = [{"criterion": "same", "points": 5, "tags": []}] * 2
    whole = load([row(rubrics=same)])
    assert [i.id for i in part_of(whole, load([row(rubrics=same)]))[0].rubrics] == ["1", "2"]
    with pytest.raises(RubricError, match="expected criteria that the whole example has, got 'same'"):
        part_of(whole, load([row(rubrics=same + same)]))


def test_what_is_no_part(load, row):
    whole = load([row("p")])
    with pytest.raises(RubricError, match="'q', which is not among them"):
        part_of(whole, load([row("q")]))
    with pytest.raises(RubricError, match="p criterion 1"):
        part_of(whole, load([row("p", points=(6, -3))]))


def test_the_digest_is_of_everything(load, row):
    examples = load([row("p"), row("q")])
    others = [
        row("p", points=(5, -4)),
        row("p", example_tags=[]),
        row("p", ideal_completions_data={"ideal_completion": "x"}),
        row("p", prompt=[{"role": "user", "content": "other"}]),
    ]
    found = {digest(load([other, row("q")])) for other in others}
    assert len(found | {digest(examples), digest(examples[::-1])}) == 6
    assert digest(load([row("p"), row("q")])) == digest(examples)


@given(text=st.text(st.characters(codec=None), max_size=40))
def test_any_text_is_read_as_it_stands(tmp_path, row, text):
    path = tmp_path / "any.jsonl"
    data = row(prompt=[{"role": "user", "content": text}, {"role": "assistant", "content": text}])
    path.write_text("\ufeff" + json.dumps(data) + "\r\n", "utf-8", newline="")
    (example,) = load_examples(path)
    assert [message.content for message in example.prompt] == [text, text]
    assert len(digest([example])) == 64
