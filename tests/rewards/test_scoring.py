from __future__ import annotations

import copy
import json
import pickle
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medenv.agents.patients import patients
from medenv.consultation.acts import Acts
from medenv.consultation.episode import Episode, Scenario
from medenv.consultation.ledger import Ledger, LedgerEntry
from medenv.consultation.playing import play_now
from medenv.consultation.questions import Understanding
from medenv.consultation.seats import DOCTOR, PATIENT
from medenv.consultation.views import JudgeView, Result, Turn
from medenv.envs.task import make_task
from medenv.errors import JudgeError, MedenvError, RubricError
from medenv.personas import Persona
from medenv.rewards import AXES, Criterion, Rubric, Scoring, Verdict, load_scoring, score
from medenv.schemas import validator

points = st.integers(-10, 10).filter(bool)
NORMALISATIONS = ("healthbench", "healthbench-clipped", "m3")
rows = st.lists(st.tuples(points, st.booleans(), st.booleans(), st.sampled_from(AXES)), min_size=1, max_size=20).filter(
    lambda found: any(row[0] > 0 for row in found)
)
scorings = st.builds(
    Scoring,
    normalisation=st.sampled_from(NORMALISATIONS),
    veto=st.booleans(),
    weights=st.dictionaries(st.sampled_from(AXES), st.integers(0, 7)),
    repeated=st.integers(0, 9),
    turn=st.integers(0, 9),
    free_turns=st.integers(0, 9),
    order=st.integers(0, 9),
    free_orders=st.integers(0, 5),
)


def rubric_of(weights, vetoes=(), axes=AXES):
    return Rubric(
        "r",
        tuple(
            Criterion(f"c{i}", "text", weight, axes[i % len(axes)], ("case", "general")[i % 2], veto=i in vetoes)
            for i, weight in enumerate(weights)
        ),
    )


def verdicts_of(met):
    return [Verdict(f"c{i}", value) for i, value in enumerate(met)]


def view_of(record, turns, again=(), orders=()):
    """A view with so many turns; `again` numbers those that repeat, and `orders` is what the first one ordered."""
    entries = tuple(LedgerEntry(repeated=("onset",) if place in again else ()) for place in range(turns))
    results = tuple(Result(name, "recorded", name, exam, repeated) for name, exam, repeated in orders)
    said = tuple(
        Turn("...", Acts(), Understanding(), results if place == 0 else (), (), "", entry)
        for place, entry in enumerate(entries)
    )
    return JudgeView(record, Persona("test"), said, Ledger(entries), "turn_limit")


def added_up(told):
    return sum(Fraction(line["awarded"]) for line in (*told["criteria"], *told["adjustments"]))


@pytest.mark.parametrize(("normalisation", "expected"), [("healthbench", 0.5), ("m3", 17 / 28)])
def test_the_worked_example_of_both_formulas(normalisation, expected):
    scored = score(rubric_of((7, 5, 10, -6)), verdicts_of((True, False, True, True)), normalisation=normalisation)
    assert scored.reward == expected
    assert f"{scored.reward:.3f}" == {"healthbench": "0.500", "m3": "0.607"}[normalisation]
    assert (
        score(
            rubric_of((7, 5, 10, -6)),
            verdicts_of((True, False, True, True)),
            scoring=Scoring(normalisation=normalisation),
        )
        == scored
    )


@given(st.lists(st.tuples(points, st.booleans(), st.booleans()), min_size=1), st.sampled_from(NORMALISATIONS))
def test_the_reward_is_the_sum_of_its_lines_exactly(rows, normalisation):
    weights = [row[0] for row in rows]
    if not any(weight > 0 for weight in weights):
        return
    rubric = rubric_of(weights, {i for i, row in enumerate(rows) if row[2] and row[0] < 0})
    told = score(rubric, verdicts_of([row[1] for row in rows]), normalisation=normalisation).as_dict()
    assert told["reward"] == float(added_up(told) / told["denominator"])
    assert told["reward"] <= 1
    if normalisation != "healthbench":
        assert told["reward"] >= 0
    assert all(line["awarded"] == (line["points"] if line["met"] else 0) for line in told["criteria"])


@given(rows, scorings, st.integers(0, 20), st.data())
def test_it_adds_up_with_any_weights_penalties_and_vetoes(record, rows, scoring, turns, data):
    rubric = Rubric(
        "r",
        tuple(Criterion(f"c{i}", "t", row[0], row[3], veto=row[2] and row[0] < 0) for i, row in enumerate(rows)),
    )
    again = data.draw(st.sets(st.integers(0, max(turns - 1, 0)), max_size=turns))
    ordered = st.tuples(st.just("x"), st.sampled_from(["vitals", "aspirate", "urate", None]), st.booleans())
    orders = data.draw(st.lists(ordered, max_size=8)) if turns else []
    view = view_of(record, turns, again, orders)
    verdicts = verdicts_of([row[1] for row in rows])
    positive = sum(row[0] * scoring.weight(row[3]) for row in rows if row[0] > 0)
    if not positive:
        with pytest.raises(RubricError, match="positive points under these weights"):
            score(rubric, verdicts, scoring=scoring, view=view)
        return
    told = json.loads(json.dumps(score(rubric, verdicts, scoring=scoring, view=view).as_dict()))
    assert all(type(line["awarded"]) is int for line in (*told["criteria"], *told["adjustments"]))
    assert all(
        line["awarded"] == (line["points"] * line["weight"] if line["met"] else 0)
        and line["weight"] == told["scoring"]["weights"][line["axis"]]
        for line in told["criteria"]
    )
    assert told["reward"] == float(added_up(told) / told["denominator"])

    # The same, computed once more from nothing but the formulas.
    negative = sum(row[0] * scoring.weight(row[3]) for row in rows if row[0] < 0)
    total = sum(row[0] * scoring.weight(row[3]) for row in rows if row[1])
    total -= scoring.repeated * len(again) + scoring.turn * max(0, turns - scoring.free_turns)
    needless = sum(repeated or exam not in ("vitals", "aspirate") for _, exam, repeated in orders)
    total -= scoring.order * max(0, needless - scoring.free_orders)
    if scoring.normalisation == "m3":
        total, positive = total - negative, positive - negative
    if scoring.normalisation == "healthbench-clipped":
        total = min(max(total, 0), positive)
    if scoring.veto and any(row[1] and row[2] and row[0] < 0 for row in rows):
        total = min(total, 0)
    assert told["reward"] == total / positive
    assert Scoring.from_dict(told["scoring"]) == scoring


@given(rows, scorings, st.integers(0, 20))
def test_penalties_never_add(record, rows, scoring, turns):
    rubric, verdicts = rubric_of([row[0] for row in rows]), verdicts_of([row[1] for row in rows])
    kind = scoring.as_dict() | {"weights": {}}
    free = Scoring(**kind | {"repeated": 0, "turn": 0, "order": 0})
    view = view_of(record, turns, range(turns), [("x", None, False)] * 9 if turns else ())
    scored = score(rubric, verdicts, scoring=Scoring(**kind), view=view)
    assert scored.reward <= score(rubric, verdicts, scoring=free).reward
    assert all(item.awarded < 0 for item in scored.adjustments if item.id in ("repeated", "turns", "orders"))


def test_penalties_by_hand(record):
    scoring = Scoring(repeated=2, turn=1, free_turns=3, order=1, free_orders=1)
    orders = [
        ("vital signs", "vitals", False),
        ("joint aspiration", "aspirate", False),
        ("joint aspiration", "aspirate", True),
        ("urate", "urate", False),
        ("brain scan", None, False),
    ]
    view = view_of(record, 5, {1, 4}, orders)
    scored = score(rubric_of((10, 10)), verdicts_of((True, True)), scoring=scoring, view=view)
    assert [(item.id, item.awarded) for item in scored.adjustments] == [("repeated", -4), ("turns", -2), ("orders", -2)]
    assert [item.reason for item in scored.adjustments] == [
        "turns that asked again: 2",
        "turns beyond 3: 2",
        "needless orders beyond 1: 2",
    ]
    assert scored.reward == 12 / 20


def test_penalties_need_the_episode():
    with pytest.raises(RubricError, match="expected the view"):
        score(rubric_of((1,)), verdicts_of((True,)), scoring=Scoring(turn=1))


def test_a_real_consultation_pays_for_asking_twice(record):
    episode = Episode(Scenario(record, Persona("test"), 1, max_turns=8))
    for message in ["Any fever?", "Any fever?", "ORDER: biopsy; biopsy", "DIAGNOSIS: gout"]:
        episode.step(DOCTOR, message)
        play_now(episode, {PATIENT: patients.get("scripted")()}, until=DOCTOR)
    scoring = Scoring(repeated=3, turn=5, free_turns=3, order=7, free_orders=0)
    scored = score(rubric_of((10,)), verdicts_of((True,)), scoring=scoring, view=episode.judge_view())
    assert {item.id: item.awarded for item in scored.adjustments} == {"repeated": -3, "turns": -5, "orders": -14}


def test_weights_move_the_reward_and_not_the_axes():
    rubric, verdicts = rubric_of((10, 10, -5)), verdicts_of((True, False, True))
    plain = score(rubric, verdicts)
    weighted = score(rubric, verdicts, scoring=Scoring(weights={AXES[0]: 3, AXES[2]: 2}))
    without = score(rubric, verdicts, scoring=Scoring(weights={AXES[1]: 0, AXES[2]: 0}))
    assert (plain.reward, weighted.reward, without.reward) == (5 / 20, 20 / 40, 1.0)
    assert plain.axes == weighted.axes == without.axes == {AXES[0]: 1.0, AXES[1]: 0.0}
    assert plain.levels == weighted.levels == without.levels
    assert plain.shares == weighted.shares == without.shares


def test_levels_and_shares_by_hand():
    scored = score(rubric_of((6, 4, 2, -8, -2)), verdicts_of((True, True, False, True, False)))
    assert scored.levels == {"case": 6 / 8, "general": (4 - 8) / 4}
    assert scored.shares == {"positive": 10 / 12, "negative": 8 / 10}
    only = score(rubric_of((6,)), verdicts_of((True,)))
    assert (only.levels, only.shares) == ({"case": 1.0}, {"positive": 1.0})


@given(st.lists(st.tuples(points, st.booleans()), min_size=1), st.randoms(use_true_random=False))
def test_the_order_of_verdicts_does_not_matter(rows, random):
    if not any(row[0] > 0 for row in rows):
        return
    rubric, verdicts = rubric_of([row[0] for row in rows]), verdicts_of([row[1] for row in rows])
    shuffled = list(verdicts)
    random.shuffle(shuffled)
    assert score(rubric, verdicts) == score(rubric, shuffled)


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_a_veto_leaves_nothing_above_zero(normalisation):
    rubric = rubric_of((10, 10, -1), vetoes={2})
    scored = score(rubric, verdicts_of((True, True, True)), normalisation=normalisation)
    assert scored.reward == 0
    assert (scored.adjustments[-1].id, scored.adjustments[-1].reason) == ("veto", "c2")
    lenient = Scoring(normalisation=normalisation, veto=False)
    assert score(rubric, verdicts_of((True, True, True)), scoring=lenient).reward > 0.9
    ignored = Scoring(normalisation=normalisation, weights={AXES[2]: 0})
    assert score(rubric, verdicts_of((True, True, True)), scoring=ignored).reward == 0


@pytest.mark.parametrize(
    "verdicts",
    [
        verdicts_of((True,)),
        verdicts_of((True, True, True)),
        [Verdict("c0", True), Verdict("c0", False)],
        [Verdict("c0", True), Verdict("c1", True), Verdict("c1", True)],
        verdicts_of((True, None)),
        [Verdict("c0", True), Verdict("x", True)],
        [],
    ],
)
def test_verdicts_that_do_not_fit_are_never_filled_in(verdicts):
    with pytest.raises(JudgeError, match="expected"):
        score(rubric_of((1, 2)), verdicts)


@pytest.mark.parametrize(
    "wrong",
    [
        {"normalisation": "zscore"},
        {"normalisation": None},
        {"veto": 1},
        {"weights": {"kindness": 1}},
        {"weights": {"safety": -1}},
        {"weights": {"safety": 0.5}},
        {"weights": {"safety": True}},
        {"weights": [1]},
        {"turn": -1},
        {"turn": 0.5},
        {"repeated": "2"},
        {"order": 101},
        {"free_orders": -1},
    ],
)
def test_a_scoring_that_does_not_fit_is_refused_in_one_line(wrong):
    with pytest.raises(RubricError, match=f"scoring: field .*{next(iter(wrong))}") as caught:
        Scoring.from_dict(wrong)
    assert "\n" not in str(caught.value)


def test_a_normalisation_alone():
    with pytest.raises(RubricError, match="zscore"):
        score(rubric_of((1,)), verdicts_of((True,)), normalisation="zscore")
    with pytest.raises(RubricError, match="got both"):
        score(rubric_of((1,)), verdicts_of((True,)), normalisation="m3", scoring=Scoring())


def test_the_file_that_comes_with_it_is_the_default():
    from importlib import resources

    default = load_scoring(str(resources.files("medenv.rewards").joinpath("scoring.toml")))
    assert default == Scoring()
    assert not default.penalises
    properties = validator("medenv.rewards", "scoring").schema["properties"]
    assert set(properties) == set(Scoring().as_dict())
    assert set(properties["weights"]["properties"]) == set(AXES)
    assert properties["normalisation"]["enum"] == list(NORMALISATIONS)


def test_a_file(tmp_path):
    file = tmp_path / "strict.toml"
    file.write_text('normalisation = "m3"\nrepeated = 2\n[weights]\nsafety = 3\n')
    assert load_scoring(file) == Scoring(normalisation="m3", repeated=2, weights={"safety": 3})
    for text, found in (
        ("turns = 3", "turns"),
        ("turn = -1", "turn"),
        ("turn =", "TOML"),
        ("[weights]\nkindness = 1", "kindness"),
    ):
        file.write_text(text)
        with pytest.raises(RubricError, match=found) as caught:
            load_scoring(file)
        assert str(file) in str(caught.value)
        assert "\n" not in str(caught.value)
    for path in (tmp_path, tmp_path / "none.toml", "\0", 3):
        with pytest.raises(RubricError, match="expected a TOML file"):
            load_scoring(path)


@given(scorings)
def test_a_scoring_survives_and_is_one_line(scoring):
    assert Scoring.from_dict(json.loads(json.dumps(scoring.as_dict()))) == scoring
    assert pickle.loads(pickle.dumps(scoring)) == copy.deepcopy(scoring) == scoring
    assert "\n" not in str(scoring)
    assert hash(scoring) == hash(copy.copy(scoring))
    scoring.as_dict()["weights"].clear()
    assert set(scoring.as_dict()["weights"]) == set(AXES)


def test_the_line_says_what_was_changed():
    assert str(Scoring()) == "healthbench, veto"
    told = str(Scoring("m3", False, {"safety": 3, "clarity": 1}, repeated=2, turn=1, order=4, free_orders=0))
    assert told == (
        "m3, no veto, safety x 3, -2 a turn that asks again, -1 a turn beyond 12, -4 a needless order beyond 0"
    )


def test_whole_numbers_only():
    scoring = Scoring(weights={"safety": 2.0}, turn=3.0)
    assert scoring == Scoring(weights={"safety": 2}, turn=3)
    assert all(type(value) is int for value in (scoring.turn, scoring.weight("safety")))


def test_a_task_takes_an_object_a_file_or_a_normalisation(tmp_path):
    file = tmp_path / "x.toml"
    file.write_text("turn = 1\n")
    assert make_task().scoring == Scoring()
    assert make_task(scoring=Scoring(turn=1)).scoring == make_task(scoring=file).scoring == Scoring(turn=1)
    assert make_task(scoring=str(file)).scoring == Scoring(turn=1)
    assert make_task(normalisation="m3").scoring == Scoring(normalisation="m3")
    with pytest.raises(MedenvError, match="got both"):
        make_task(scoring=Scoring(), normalisation="m3")
    with pytest.raises(MedenvError, match="zscore"):
        make_task(normalisation="zscore")


@pytest.mark.parametrize("weights", [(), (-1,), (-3, -5)])
def test_a_rubric_needs_positive_points(weights):
    with pytest.raises(RubricError, match="positive points"):
        rubric_of(weights)


def test_criteria_need_different_ids():
    with pytest.raises(RubricError, match="twice"):
        Rubric("r", (Criterion("a", "t", 1, "safety"), Criterion("a", "t", 1, "safety")))
