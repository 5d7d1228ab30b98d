from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medenv.errors import JudgeError, RubricError
from medenv.rewards import AXES, Criterion, Rubric, Verdict, score

points = st.integers(-10, 10).filter(bool)
NORMALISATIONS = ("healthbench", "healthbench-clipped", "m3")


def rubric_of(weights, vetoes=()):
    return Rubric(
        "r",
        tuple(
            Criterion(f"c{i}", "text", weight, AXES[i % len(AXES)], veto=i in vetoes)
            for i, weight in enumerate(weights)
        ),
    )


def verdicts_of(met):
    return [Verdict(f"c{i}", value) for i, value in enumerate(met)]


@pytest.mark.parametrize(("normalisation", "expected"), [("healthbench", 0.5), ("m3", 17 / 28)])
def test_the_worked_example_of_both_formulas(normalisation, expected):
    scored = score(rubric_of((7, 5, 10, -6)), verdicts_of((True, False, True, True)), normalisation=normalisation)
    assert scored.reward == expected


@given(st.lists(st.tuples(points, st.booleans(), st.booleans()), min_size=1), st.sampled_from(NORMALISATIONS))
def test_the_reward_is_the_sum_of_its_lines_exactly(rows, normalisation):
    weights = [row[0] for row in rows]
    if not any(weight > 0 for weight in weights):
        return
    rubric = rubric_of(weights, {i for i, row in enumerate(rows) if row[2] and row[0] < 0})
    told = score(rubric, verdicts_of([row[1] for row in rows]), normalisation=normalisation).as_dict()
    total = sum(Fraction(line["awarded"]) for line in (*told["criteria"], *told["adjustments"]))
    assert told["reward"] == float(total / told["denominator"])
    assert told["reward"] <= 1
    if normalisation != "healthbench":
        assert told["reward"] >= 0
    assert all(line["awarded"] == (line["points"] if line["met"] else 0) for line in told["criteria"])


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
    assert [item.id for item in scored.adjustments][-1] == "veto"


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


def test_unknown_normalisation():
    with pytest.raises(RubricError, match="expected a normalisation"):
        score(rubric_of((1,)), verdicts_of((True,)), normalisation="zscore")


@pytest.mark.parametrize("weights", [(), (-1,), (-3, -5)])
def test_a_rubric_needs_positive_points(weights):
    with pytest.raises(RubricError, match="positive points"):
        rubric_of(weights)


def test_criteria_need_different_ids():
    with pytest.raises(RubricError, match="twice"):
        Rubric("r", (Criterion("a", "t", 1, "safety"), Criterion("a", "t", 1, "safety")))
