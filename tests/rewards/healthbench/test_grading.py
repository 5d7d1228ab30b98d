"""The numbers are those of simple-evals. Three sources, which have no code in common, have to agree to the last digit:

the package, the numbers that simple-evals' own functions gave for the cases in `cases.json`, and the algorithm told
again below in plain Python, with NumPy's order of additions and its random numbers made by hand.
"""

from __future__ import annotations

import itertools
import json
import math
import random
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medenv.rewards.healthbench import (
    Example,
    Metric,
    Result,
    RubricItem,
    aggregate,
    example_metrics,
    example_score,
    part_of,
    summarise,
    worst_at_k,
)
from medenv.rewards.healthbench.files import _example
from medenv.rewards.scoring import Verdict

CASES = json.loads(Path(__file__).with_name("cases.json").read_text("utf-8"))["cases"]
cases = pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])


def add(values):
    """A sum in the order in which NumPy takes it."""
    n = len(values)
    if n < 8:
        total = 0.0
        for value in values:
            total += value
        return total
    if n <= 128:
        r = list(values[:8])
        for at in range(8, n - n % 8, 8):
            for lane in range(8):
                r[lane] += values[at + lane]
        total = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]))
        for value in values[n - n % 8 :]:
            total += value
        return total
    half = n // 2 - n // 2 % 8
    return add(values[:half]) + add(values[half:])


def clip(value):
    return min(max(value, 0.0), 1.0)


class Draws:
    """NumPy's legacy random numbers: a Mersenne twister, seeded by Knuth's recurrence."""

    def __init__(self, seed):
        state = [seed]
        for n in range(1, 624):
            state.append((1812433253 * (state[-1] ^ (state[-1] >> 30)) + n) % 2**32)
        self.twister = random.Random()
        self.twister.setstate((3, (*state, 624), None))

    def choice(self, values):
        largest = len(values) - 1
        mask = 2 ** largest.bit_length() - 1
        return [values[self.place(largest, mask)] for _ in values]

    def place(self, largest, mask):
        while largest:
            if (drawn := self.twister.getrandbits(32) & mask) <= largest:
                return drawn
        return 0


def told_again(examples, rounds, seed):
    """What simple-evals reports, from plain rows and the characters of the cases."""
    values = {}
    for met in rounds:
        for example, bits in zip(examples, met, strict=True):
            items = list(zip(example["rubrics"], bits, strict=True))

            def ratio(items):
                positive = sum(item["points"] for item, _ in items if item["points"] > 0)
                return sum(item["points"] for item, bit in items if bit == "1") / positive if positive else None

            overall = ratio(items)
            found = {"overall_score": overall} | dict.fromkeys(example["example_tags"], overall)
            for tag in dict.fromkeys(tag for item, _ in items for tag in item["tags"]):
                score = ratio([(item, bit) for item, bit in items if tag in item["tags"]])
                if score is not None:
                    found[tag] = score
            for name, value in [*found.items(), ("score", overall)]:
                values.setdefault(name, []).append(value)
    draws = Draws(seed)
    told = {}
    for name, scores in values.items():
        means = [clip(add(draws.choice(scores)) / len(scores)) for _ in range(1000)]
        centre = add(means) / 1000
        std = math.sqrt(add([(mean - centre) * (mean - centre) for mean in means]) / 1000)
        told |= {name: clip(add(scores) / len(scores)), f"{name}:n_samples": len(scores), f"{name}:bootstrap_std": std}
    return told


def report_of(case):
    examples = [_example(row) for row in case["examples"]]
    results = [
        Result(e.prompt_id, repeat, "x", tuple(Verdict(str(n), bit == "1") for n, bit in enumerate(bits, start=1)))
        for repeat, met in enumerate(case["met"])
        for e, bits in zip(examples, met, strict=True)
    ]
    return summarise(examples, results, seed=case["seed"])


@cases
def test_the_package_gives_the_numbers_of_simple_evals(case):
    found = report_of(case).as_dict()["metrics"]
    assert found == case["expected"]
    assert [type(value) for value in found.values()] == [int if ":n_samples" in name else float for name in found]
    assert [name for name in found if name != "score"] == [name for name in case["expected"] if name != "score"]


@cases
def test_the_algorithm_told_again_gives_them_too(case):
    assert told_again(case["examples"], case["met"], case["seed"]) == case["expected"]


@cases
def test_worst_at_k_is_that_of_the_enumerated_choices(case):
    found = report_of(case).worst_at_k
    assert list(found) == list(range(1, len(case["met"]) + 1))
    for k, exact in case["worst_at_k"].items():
        assert found[int(k)] == pytest.approx(float(Fraction(exact)), abs=2e-16)


def test_the_seed_moves_the_bootstrap_and_nothing_else():
    case = CASES[-1]
    one, other = report_of(case), report_of({**case, "seed": 99})
    assert one == report_of(case)
    assert {name: (m.mean, m.n) for name, m in one.metrics.items()} == {
        name: (m.mean, m.n) for name, m in other.metrics.items()
    }
    assert one.metrics["overall_score"].bootstrap_std != other.metrics["overall_score"].bootstrap_std


items = st.lists(
    st.tuples(st.integers(-10, 10), st.lists(st.sampled_from("abcd"), unique=True, max_size=3), st.booleans()),
    min_size=1,
    max_size=8,
)


def built(parts, tags=("theme:t",)):
    rubrics = tuple(RubricItem(str(n), f"c{n}", points, tuple(own)) for n, (points, own, _) in enumerate(parts))
    return Example("p", (), rubrics, tags), {str(n): met for n, (_, _, met) in enumerate(parts)}


@given(items)
def test_an_example_scores_points_met_over_positive_points(parts):
    example, met = built(parts)
    positive = sum(points for points, _, _ in parts if points > 0)
    score = example_score(example.rubrics, met)
    if not positive:
        assert score is None
        assert example_metrics(example, met) == {}
        return
    assert score == float(Fraction(sum(points for points, _, yes in parts if yes), positive))
    assert score <= 1
    metrics = example_metrics(example, met)
    assert metrics["overall_score"] == metrics["theme:t"] == score
    for tag in "abcd":
        own = [(points, yes) for points, tags, yes in parts if tag in tags]
        positive = sum(points for points, _ in own if points > 0)
        assert (tag in metrics) == bool(positive)
        if positive:
            assert metrics[tag] == float(Fraction(sum(points for points, yes in own if yes), positive))


def test_a_score_may_be_far_below_zero_and_only_means_are_clipped():
    example, met = built([(1, ["a"], False), (-10, ["a"], True)])
    assert example_metrics(example, met) == {"overall_score": -10.0, "theme:t": -10.0, "a": -10.0}
    good = {"overall_score": 1.0}
    found = aggregate([example_metrics(example, met), good, good])
    assert found["overall_score"].mean == 0
    assert found["overall_score"].n == 3
    assert found["overall_score"].bootstrap_std > 0
    assert found["a"] == Metric(0.0, 0.0, 1)


@given(st.lists(st.dictionaries(st.sampled_from("ab"), st.floats(-3, 1)), min_size=1, max_size=12), st.integers(0, 9))
@settings(max_examples=25)
def test_each_metric_is_the_mean_of_the_responses_that_have_it(rows, seed):
    rows = [{"overall_score": 0.5, **row} for row in rows]
    found = aggregate(rows, seed=seed)
    assert list(found) == list(dict.fromkeys([*rows[0], "score", *(name for row in rows for name in row)]))
    for name, metric in found.items():
        values = [row["overall_score" if name == "score" else name] for row in rows if name == "score" or name in row]
        exact = sum(map(Fraction, values)) / len(values)
        assert metric.n == len(values)
        assert metric.mean == pytest.approx(float(min(max(exact, 0), 1)), abs=1e-15)
        assert 0 <= metric.bootstrap_std <= 0.5


def test_nothing_comes_of_nothing():
    assert aggregate([]) == {}
    assert aggregate([{}]) == {}
    assert worst_at_k([]) == {}
    report = summarise([], [])
    assert (report.score, report.themes, report.axes, report.worst_at_k) == (None, {}, {}, {})
    assert report.as_dict()["metrics"] == {"score": None}


@given(st.integers(1, 7).flatmap(lambda n: st.lists(st.lists(st.floats(-5, 1), min_size=n, max_size=n), min_size=1)))
def test_worst_at_k_by_brute_force(problems):
    found = worst_at_k(problems)
    assert list(found) == list(range(1, len(problems[0]) + 1))
    for k, value in found.items():
        exact = Fraction(0)
        for scores in problems:
            lowest = [Fraction(min(choice)) for choice in itertools.combinations(scores, k)]
            exact += sum(lowest) / len(lowest)
        assert value == pytest.approx(float(min(max(exact / len(problems), 0), 1)), abs=1e-15)


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=6), min_size=1, max_size=5))
def test_worst_at_k_falls_and_goes_as_far_as_every_problem(problems):
    found = list(worst_at_k(problems).values())
    assert len(found) == min(map(len, problems))
    assert all(later <= earlier + 1e-12 for earlier, later in itertools.pairwise(found))


def result(prompt_id, repeat, met, failure=None):
    verdicts = tuple(Verdict(str(n), yes) for n, yes in enumerate(met, start=1))
    return Result(prompt_id, repeat, "x", verdicts, failure)


def test_what_failed_is_in_no_number(row):
    examples = [_example(row("p", points=(4, 4))), _example(row("q", points=(10, -5)))]
    failed = {"kind": "judge", "reason": "gone"}
    results = [
        result("p", 0, (True, False)),
        result("q", 0, (True, True)),
        result("p", 1, (True, True)),
        result("q", 1, (), failed),
    ]
    report = summarise(examples, results)
    assert (report.responses, report.valid, report.invalid, report.examples) == (4, 3, {"judge": 1}, 2)
    assert report.score == pytest.approx(2 / 3)
    assert report.metrics["overall_score"].n == report.themes["hedging"].n == 3
    assert report.problems == 1
    assert report.worst_at_k == {1: 0.75, 2: 0.5}
    without = summarise(examples, results[:3])
    assert report.metrics == without.metrics
    assert report.as_dict()["worst_at_k"] == {"problems": 1, "1": 0.75, "2": 0.5}


def test_an_example_without_positive_points_is_counted_and_not_scored(row):
    examples = [_example(row("p")), _example(row("q", points=(-5, -1)))]
    report = summarise(examples, [result("p", 0, (True, False)), result("q", 0, ())])
    assert (report.responses, report.valid, report.unscored, report.score) == (2, 2, 1, 1.0)


@given(st.data())
@settings(max_examples=10)
def test_a_part_gives_the_numbers_of_a_run_on_it_alone(row, data):
    """As simple-evals does for the consensus file: the same criteria, and no others."""
    rows = [row(f"p{n}", points=(5, -3, 5, 2)) for n in range(4)]
    for each in rows:
        for item in each["rubrics"][::2]:
            item["tags"] = [*item["tags"], "level:cluster"]
    cut = [{**each, "rubrics": each["rubrics"][::2]} for each in rows[1:][::-1]]
    whole, part = [[_example(each) for each in some] for some in (rows, cut)]
    met = {e.prompt_id: data.draw(st.lists(st.booleans(), min_size=4, max_size=4)) for e in whole}
    everything = [result(e.prompt_id, 0, met[e.prompt_id]) for e in part] + [result("p0", 0, met["p0"])]
    alone = [result(e.prompt_id, 0, met[e.prompt_id][::2]) for e in part]
    assert summarise(part_of(whole, part), everything).metrics == summarise(part, alone).metrics
