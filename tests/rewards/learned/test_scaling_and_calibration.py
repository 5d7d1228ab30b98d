from __future__ import annotations

import math

import pytest

pytest.importorskip("torch")

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, roc_auc_score

from medenv.consultation.views import Message
from medenv.errors import RunError
from medenv.rewards.learned import BaseRates, Example
from medenv.rewards.learned.calibration import BINS, measure
from medenv.rewards.learned.scaling import Scaling, fit_scaling
from medenv.rewards.rubric import Criterion

SAID = (Message("user", "x"),)


def some(id: str, axis: str = "safety", points: int = 1) -> Criterion:
    return Criterion(id, f"text of {id}", points, axis)


def rates(*verdicts: tuple[Criterion, bool]) -> BaseRates:
    return BaseRates([Example("r", "train", SAID, (criterion,), (met,)) for criterion, met in verdicts])


BASE = rates((some("a"), True))


def coins(count: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, count)
    met = rng.random(count) < 1 / (1 + np.exp(-logits))
    return logits, met


def measured(probabilities, met, criterion=None):
    return measure([criterion or some("a")] * len(met), probabilities, met, BASE)


def test_true_probabilities_are_calibrated_and_overconfident_ones_are_not_until_they_are_scaled():
    logits, met = coins(20_000)
    true = [Scaling().probability(x) for x in logits]
    bold = [Scaling().probability(3 * x + 1) for x in logits]
    assert measured(true, met).overall.ece < 0.012
    assert measured(bold, met).overall.ece > 0.1
    fitted = fit_scaling([3 * x + 1 for x in logits], met)
    assert (fitted.slope, fitted.offset) == (pytest.approx(1 / 3, abs=0.02), pytest.approx(-1 / 3, abs=0.06))
    other_logits, other_met = coins(20_000, seed=1)
    assert measured([fitted.probability(3 * x + 1) for x in other_logits], other_met).overall.ece < 0.015


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.booleans()), max_size=30))
def test_any_verdicts_give_a_scaling_that_changes_no_order_and_is_no_less_likely(pairs):
    logits, met = [x for x, _ in pairs], [y for _, y in pairs]
    fitted = fit_scaling(logits, met)
    assert fitted.slope > 0
    given = [fitted.probability(x) for x in sorted(logits)]
    assert given == sorted(given)
    assert all(0 < p < 1 for p in given)


def test_few_verdicts_hardly_move_the_scaling():
    assert fit_scaling([], []) == Scaling()
    fitted = fit_scaling([2.0], [True])
    assert abs(fitted.slope - 1) < 0.3
    assert abs(fitted.offset) < 0.3


def test_no_logit_gives_no_probability():
    assert math.isnan(Scaling().probability(math.nan))
    assert Scaling().probability(math.inf) > 0.999
    assert Scaling().probability(-math.inf) < 0.001


@pytest.mark.parametrize("wrong", [{"slope": 0.0}, {"slope": -1.0}, {"slope": math.nan}, {"offset": math.inf}])
def test_a_scaling_that_would_turn_the_order_is_refused(wrong):
    with pytest.raises(ValueError, match="slope"):
        Scaling(**wrong)


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=2, max_size=60))
def test_auroc_and_brier_are_those_of_scikit_learn(pairs):
    p, met = [place / 20 for place, _ in pairs], [y for _, y in pairs]
    found = measured(p, met).overall
    assert found.brier == pytest.approx(
        brier_score_loss(met, p) if len(set(met)) > 1 else np.mean((np.array(p) - met) ** 2)
    )
    if len(set(met)) > 1:
        assert found.auroc == pytest.approx(roc_auc_score(met, p))
    else:
        assert found.auroc is None


def test_the_reliability_table_by_hand():
    found = measured([0.05, 0.05, 0.5, 0.59, 1.0], [False, True, True, False, True])
    rows = {row.low: (row.verdicts, row.probability, row.met) for row in found.reliability if row.verdicts}
    assert rows == {
        0.0: (2, pytest.approx(0.05), 0.5),
        0.5: (2, pytest.approx(0.545), 0.5),
        0.9: (1, 1.0, 1.0),
    }
    assert len(found.reliability) == BINS
    assert found.overall.ece == pytest.approx((2 * 0.45 + 2 * 0.045 + 0) / 5)
    assert found.overall.accuracy == pytest.approx(3 / 5)
    assert json.loads(json.dumps(found.as_dict()))["overall"]["verdicts"] == 5


def test_base_rates_know_a_criterion_its_sign_its_axis_or_nothing():
    base = rates(
        *[(some("often"), n < 8) for n in range(10)],
        *[(some("rare"), False)] * 2,
        *[(some("bad", points=-3), n < 1) for n in range(5)],
        *[(some("other", "clarity"), True)] * 4,
    )
    assert base.probability(some("often")) == pytest.approx(0.8)
    assert base.probability(some("rare")) == pytest.approx(8 / 12)
    assert base.probability(some("unknown", points=-1)) == pytest.approx(1 / 5)
    assert base.probability(some("unknown", "treatment")) == pytest.approx(13 / 21)
    assert base.majority("safety")
    assert not rates(*[(some("a"), False)] * 5).majority("safety")


def test_axes_are_apart_and_beside_base_rates():
    base = rates(*[(some("a"), True)] * 9, (some("a"), False), *[(some("b", "clarity"), False)] * 5)
    found = measure([some("a"), some("a"), some("b", "clarity")], [0.9, 0.2, 0.9], [True, False, False], base)
    assert set(found.axes) == {"safety", "clarity"}
    assert (found.axes["safety"].accuracy, found.axes["safety"].majority, found.axes["safety"].base) == (1.0, 0.5, 0.5)
    assert found.axes["clarity"].accuracy == 0.0
    assert found.axes["clarity"].base == 1.0
    assert found.axes["safety"].brier_base == pytest.approx((0.01 + 0.81) / 2)


def test_nothing_can_be_measured_on_nothing():
    with pytest.raises(RunError, match="got none"):
        measure([], [], [], BASE)
    with pytest.raises(RunError, match="got none"):
        BaseRates([])
