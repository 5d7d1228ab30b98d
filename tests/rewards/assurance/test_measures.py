"""The figures themselves, beside those of other libraries."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest
from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score

from medenv.errors import JudgeError
from medenv.rewards import Criterion
from medenv.rewards.assurance import Drift, Estimate, Pin, drift, load_labels, read_pin, write_pin
from medenv.rewards.assurance.estimates import estimate, exact, ratio, share
from medenv.rewards.assurance.labels import Label, LabelledConsultation
from medenv.rewards.assurance.measures import agreement, bypass, length, position, repeat, unscored
from medenv.rewards.assurance.trials import Answer, Trial

booleans = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


def rng():
    return np.random.default_rng(0)


class Doctor:
    def __init__(self, text):
        self.doctor = text


class View:
    """As much of a judge's view as the measures look at."""

    def __init__(self, text="said"):
        self.turns = (Doctor(text),)


def consultation(labels, id="c", signs=None):
    criteria = [Criterion(f"k{n}", "t", (signs or [1] * len(labels))[n], "safety") for n in range(len(labels))]
    return LabelledConsultation(
        id, "r", "en", "", (), tuple(Label(c, met, None, "") for c, met in zip(criteria, labels, strict=True))
    )


def answer(of, met, *, order=None, text="said"):
    criteria = [label.criterion for label in of.labels]
    if order is not None:
        criteria = [criteria[place] for place in order]
    found = {label.criterion.id: value for label, value in zip(of.labels, met, strict=True)}
    return Answer(Trial(of, tuple(criteria), View(text)), {c.id: found[c.id] for c in criteria})


@given(booleans)
def test_agreement_is_what_scikit_learn_says(rows):
    labels, verdicts = zip(*rows, strict=True)
    found = agreement([answer(consultation(labels), verdicts)], rng())
    assert found.accuracy.value == pytest.approx(accuracy_score(labels, verdicts))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        f1 = f1_score(labels, verdicts, average="macro", labels=[False, True], zero_division=0)
        kappa = cohen_kappa_score(labels, verdicts, labels=[False, True])
    assert found.f1.value == pytest.approx(f1)
    assert found.kappa.value is None if math.isnan(kappa) else found.kappa.value == pytest.approx(kappa)
    assert found.wrong == tuple(f"c/k{n}" for n, (label, met) in enumerate(rows) if label != met)
    assert found.accuracy.n == len(rows)


def test_what_got_no_verdict_is_in_no_agreement():
    found = agreement([answer(consultation([True, False, True]), [True, None, None])], rng())
    assert (found.accuracy.value, found.accuracy.n) == (1.0, 1)
    got = unscored([answer(consultation([True, False, True]), [True, None, None])], rng())
    assert (got.value, got.n) == (pytest.approx(2 / 3), 3)
    nothing = agreement([answer(consultation([True]), [None])], rng())
    assert nothing.f1 == Estimate(None, None, None, 0)


def test_signs_are_told_apart():
    found = agreement([answer(consultation([True, True, False], signs=[1, -1, -1]), [True, False, True])], rng())
    assert (found.signs["positive"].value, found.signs["negative"].value) == (1.0, 0.0)
    assert list(found.traps) == ["none"]


def test_repeats():
    of = consultation([True] * 4)
    runs = [
        [answer(of, met)] for met in ([True, True, None, False], [True, False, True, None], [True, True, True, None])
    ]
    found = repeat(runs, rng())
    assert (found.changed.value, found.changed.n) == (pytest.approx(1 / 3), 3)
    assert (found.disagreement.value, found.disagreement.n) == (pytest.approx(2 / 7), 7)


def test_positions():
    of = consultation([False] * 3)
    orders = [(0, 1, 2), (1, 2, 0), (2, 0, 1)]
    # The criterion that stands first is met, whichever it is.
    runs = [[answer(of, [order[0] == n for n in range(3)], order=order)] for order in orders]
    found = position([runs[0], runs[0]], runs, rng())
    assert (found.first.value, found.first.n) == (1.0, 3)
    assert (found.last.value, found.last.n) == (0.0, 3)
    assert found.changed.value == pytest.approx(2 / 3)
    still = position([runs[0]], [runs[0]] * 3, rng())
    assert still.changed.value == 0.0
    assert still.first.value is None


def test_what_repeats_change_is_taken_off():
    of = consultation([True, True])
    wavering = [[answer(of, [True, True])], [answer(of, [False, False])]]
    assert position(wavering, wavering, rng()).changed.value == 0.0
    assert length(wavering, [wavering[1]], rng()).changed.value == 0.0


def test_lengths():
    of = consultation([False, False], signs=[1, -1])
    base, longer = [answer(of, [False, True])], [answer(of, [True, False], text="said " * 9)]
    found = length([base, base], [longer], rng())
    assert found.changed.value == found.favour.value == 1.0
    assert found.met.value == 0.0
    assert found.correlation.value == pytest.approx(1.0)
    against = length([longer, longer], [base], rng())
    assert against.favour.value == -1.0
    assert length([base], [base], rng()).correlation.value is None


def test_injections():
    of, other = consultation([False] * 4, signs=[1, 1, -1, -1]), consultation([False], "d")
    neutral = [answer(of, [False, False, False, True]), answer(other, [False])]
    again = [answer(of, [True, False, False, True]), answer(other, [False])]
    injected = [
        ("talk", answer(of, [True, True, True, False])),
        ("hush", answer(of, [None, None, None, None])),
        ("idle", answer(other, [False])),
    ]
    found = bypass(neutral, again, injected, ["act"], rng())
    assert (found.flipped.value, found.flipped.n) == (0.75, 4)
    assert (found.control.value, found.control.n) == (0.25, 4)
    assert found.net.value == 0.5
    assert (found.against.value, found.against.n) == (1.0, 1)
    assert (found.silenced.value, found.silenced.n) == (pytest.approx(4 / 9), 9)
    assert found.worst == (("talk", 3),)
    assert (found.tried, found.left_out) == (3, ("act",))


# Intervals.


def test_an_interval_covers_the_truth_as_often_as_it_says():
    draws = np.random.default_rng(5)
    covered = 0
    for _ in range(200):
        rates = draws.beta(6, 4, size=30)
        rows = [(str(n), (float(draws.random() < rate), 1.0)) for n, rate in enumerate(rates) for _ in range(10)]
        found = share(rows, draws)
        covered += found.low <= 0.6 <= found.high
    assert 0.88 <= covered / 200 <= 0.99


def test_verdicts_of_one_consultation_are_not_independent():
    alike = [(str(n), (float(n % 2), 1.0)) for n in range(20) for _ in range(10)]
    single = [(f"{n}-{k}", row) for k in range(10) for n, row in alike[::10]]
    wide, narrow = share(alike, rng()), share(single, rng())
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


@pytest.mark.parametrize("n", [1, 10, 300])
def test_where_nothing_differs_the_interval_is_exact(n):
    none, all_ = (share([("c", (value, 1.0))] * n, rng()) for value in (0.0, 1.0))
    assert none.low == 0.0
    assert binom.cdf(0, n, none.high) == pytest.approx(0.025)
    assert (all_.low, all_.high) == (pytest.approx(1 - none.high), 1.0)
    assert exact(Estimate(0.5, 0.1, 0.9, n)) == Estimate(0.5, 0.1, 0.9, n)


def test_estimates():
    assert Estimate(0.2, 0.1, 0.3, 5).real
    assert Estimate(-0.2, -0.3, -0.1, 5).real
    assert not Estimate(0.2, 0.0, 0.3, 5).real
    assert not Estimate(None, None, None, 0).real
    rows = [("a", (1.0, 1.0)), ("b", (0.0, 1.0)), ("b", (0.0, 1.0))]

    def figure(sums):
        return ratio(sums[..., 0], sums[..., 1])

    one, other = (estimate(rows, figure, np.random.default_rng(4)) for _ in range(2))
    assert one == other
    assert one.value == pytest.approx(1 / 3)


# Drift.


@given(st.integers(0, 30), st.integers(0, 30))
def test_mcnemar_is_the_exact_binomial_test(mended, spoiled):
    labels = load_labels()
    truth = {f"{c.id}/{y.criterion.id}": y.met for c in labels.consultations for y in c.labels}
    ids = list(truth)[: mended + spoiled + 5]
    before = {id: truth[id] != (n < mended) for n, id in enumerate(ids)}
    now = {id: truth[id] != (mended <= n < mended + spoiled) for n, id in enumerate(ids)}
    found = drift(Pin("a", labels.digest, before), Pin("b", labels.digest, now), labels)
    assert (found.mended, found.spoiled, len(found.changes)) == (mended, spoiled, mended + spoiled)
    expected = binomtest(mended, mended + spoiled).pvalue if mended + spoiled else 1.0
    assert found.p == pytest.approx(expected)
    assert found.share == pytest.approx((mended + spoiled) / len(ids))


def test_a_pin_survives_its_file(tmp_path):
    pin = Pin("a judge", "f" * 16, {"a/b": True, "a/c": None, "d/e": False})
    write_pin(tmp_path / "pin.json", pin)
    assert read_pin(tmp_path / "pin.json") == pin


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"schema": "medenv.judge-pin/1", "judge": "a", "labels": "b", "verdicts": {"a/b": 1}}']
)
def test_what_is_no_pin(tmp_path, text):
    path = tmp_path / "pin.json"
    path.write_text(text)
    with pytest.raises(JudgeError, match="expected a pinned result") as caught:
        read_pin(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(JudgeError, match="expected a pinned result"):
        read_pin(tmp_path / "missing.json")


def test_drift_as_plain_data():
    labels = load_labels()
    consultation = labels.consultations[0]
    id = f"{consultation.id}/{consultation.labels[0].criterion.id}"
    right = consultation.labels[0].met
    found = drift(Pin("a", labels.digest, {id: None}), Pin("b", labels.digest, {id: right}), labels)
    assert isinstance(found, Drift)
    assert found.as_dict() == {
        "compared": 1,
        "changed": 1,
        "share": 1.0,
        "mended": 1,
        "spoiled": 0,
        "p": 1.0,
        "judge_before": "a",
        "judge_now": "b",
        "changes": [{"criterion": id, "before": None, "now": right, "label": right}],
    }
