from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medenv.errors import RunError
from medenv.rewards import Scoring
from medenv.rollout import Trajectory, evaluate, summarise

COUNTS = {
    "asked": 4,
    "disclosed": 3,
    "withheld": 1,
    "repeated": 0,
    "contradicted": 0,
    "invented": 0,
    "unanswered": 0,
    "unheard": 0,
    "fishing": 0,
    "turns": 5,
    "orders": 2,
    "must_ask": 4,
    "must_ask_disclosed": 2,
    "private_unasked": 1,
}


def made(place, reward, record="a", axes=None, metrics=None, scoring=None, parts=None, **counts) -> Trajectory:
    failed = reward is None
    score = {"scoring": (scoring or Scoring()).as_dict(), "axes": axes or {}, "levels": {}, "shares": {}}
    return Trajectory(
        id=f"{place:06d}-000",
        group=place,
        index=0,
        record=record,
        persona="neutral",
        patient_seed=0,
        doctor_seed=0,
        max_turns=5,
        messages=(),
        turns=(),
        ending="turn_limit" if place % 2 else "diagnosis",
        failure={"kind": "judge", "reason": ""} if failed else None,
        reward=reward,
        score=None if failed else {**score, "criteria": [], "adjustments": [], **(parts or {})},
        ledger={**COUNTS, **counts},
        metrics={} if failed else metrics or {},
    )


def test_the_numbers_by_hand():
    result = summarise(
        [
            made(0, 0.5, "a", {"safety": 1.0}),
            made(1, 0.1, "b", {"safety": 0.5, "clarity": 0.2}, must_ask=0, must_ask_disclosed=0),
            made(2, None, "c", private_unasked=5),
            made(4, 0.3, "d", {"clarity": -0.4}, must_ask_disclosed=4, turns=10, private_unasked=0, withheld=0),
        ]
    )
    assert (result.episodes, result.valid, result.invalid) == (4, 3, {"judge": 1})
    assert result.reward.n == 3
    assert result.reward.mean == pytest.approx(0.3, abs=1e-15)
    assert result.reward.std == pytest.approx(0.2)
    assert (result.reward.min, result.reward.max) == (0.1, 0.5)
    assert result.reward.min <= result.reward.low <= result.reward.mean <= result.reward.high <= result.reward.max
    assert result.reward.stderr == pytest.approx(0.2 / math.sqrt(3) * math.sqrt(2 / 3), rel=0.05)
    assert result.axes == {"safety": 0.75, "clarity": pytest.approx(-0.1)}
    assert result.ledger["must_ask_coverage"] == pytest.approx((0.5 + 1.0) / 2)
    assert result.ledger["privacy"] == 1 - 2 / 20
    assert result.ledger["withheld_share"] == pytest.approx(2 / 12)
    assert result.ledger["diagnosed"] == pytest.approx(2 / 3)
    assert result.ledger["turns"] == pytest.approx(20 / 3)


def test_invalid_episodes_change_no_mean():
    valid = [made(place, place / 10, record=str(place)) for place in range(6)]
    broken = [made(10 + place, None, asked=100, private_unasked=9) for place in range(5)]
    with_broken, without = summarise([*valid, *broken]).as_dict(), summarise(valid).as_dict()
    assert with_broken.pop("episodes") == 11
    assert with_broken.pop("invalid") == {"judge": 5}
    assert with_broken == {name: value for name, value in without.items() if name not in ("episodes", "invalid")}


def test_nothing_valid_is_no_number():
    result = summarise([made(0, None), made(1, None)])
    assert math.isnan(result.reward.mean)
    assert (result.valid, result.axes, result.ledger) == (0, {}, {})
    assert (result.levels, result.shares, result.metrics, result.scoring) == ({}, {}, {}, None)
    assert json.loads(json.dumps(result.as_dict(), allow_nan=False))["reward"]["mean"] is None


def test_levels_shares_and_metrics_are_means_over_those_that_have_them():
    result = summarise(
        [
            made(0, 0.5, metrics={"brier": 0.5, "top_1": 1.0}, parts={"levels": {"case": 0.5}}),
            made(1, 0.1, metrics={"brier": 1.0}, parts={"levels": {"general": -0.2, "case": 0.0}}),
            made(2, None),
            made(3, 0.3, parts={"shares": {"positive": 0.7}}),
        ]
    )
    assert result.metrics == {"top_1": 1.0, "brier": 0.75}
    assert list(result.metrics) == ["top_1", "brier"]
    assert result.levels == {"case": 0.25, "general": -0.2}
    assert result.shares == {"positive": 0.7}
    assert result.scoring == Scoring().as_dict()


def test_rewards_of_two_kinds_have_no_mean():
    with pytest.raises(RunError, match="scored in one way") as caught:
        summarise([made(0, 0.5), made(1, None), made(2, 0.5, scoring=Scoring(turn=1))])
    assert "\n" not in str(caught.value)


def test_nothing_at_all_is_refused():
    with pytest.raises(RunError):
        summarise([])


def test_playing_one_record_often_does_not_narrow_the_interval():
    once = [made(place, reward, record=str(place)) for place, reward in enumerate([0.1, 0.9, 0.4, 0.6])]
    often = [dataclasses.replace(one, id=f"{one.id}{k}") for one in once for k in range(50)]
    assert summarise(often).reward.low == pytest.approx(summarise(once).reward.low)
    assert summarise(often).reward.stderr == pytest.approx(summarise(once).reward.stderr)
    alone = [made(place, reward, record="a") for place, reward in enumerate([0.1, 0.9, 0.4, 0.6])]
    assert summarise(alone).reward.stderr > 0


def test_the_interval_covers_the_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(150):
        drawn = rng.normal(0.3, 0.2, size=40)
        reward = summarise([made(k, float(r), record=str(k)) for k, r in enumerate(drawn)], seed=trial).reward
        covered += reward.low <= 0.3 <= reward.high
    assert 0.88 <= covered / 150 <= 0.99


@given(st.lists(st.floats(-2, 1) | st.none(), min_size=1, max_size=12), st.integers(0, 2**64))
@settings(max_examples=30, deadline=None)
def test_any_rewards_make_bytes_that_depend_on_them_alone(rewards, seed):
    every = [made(place, reward, record=str(place // 2)) for place, reward in enumerate(rewards)]
    first = json.dumps(summarise(every, seed=seed).as_dict(), allow_nan=False)
    assert first == json.dumps(summarise(every, seed=seed).as_dict(), allow_nan=False)
    known = [reward for reward in rewards if reward is not None]
    result = summarise(every, seed=seed)
    assert result.reward.n == len(known)
    if known:
        assert result.reward.mean == pytest.approx(sum(known) / len(known))


def test_evaluate_is_summarise_over_rollout(tmp_path):
    first = evaluate("random", records="library", episodes=18, seed=3, out=tmp_path / "x.jsonl")
    again = evaluate("random", records="library", episodes=18, seed=3, concurrency=2)
    assert json.dumps(first.as_dict()) == json.dumps(again.as_dict())
    assert first.as_dict() == summarise(first.trajectories, seed=3).as_dict()
    assert first.as_dict() != evaluate("random", episodes=18, seed=4).as_dict()
    assert first.reward.mean == pytest.approx(np.mean([t.reward for t in first.trajectories]))
    assert {t.record for t in first.trajectories} == {t.record for t in again.trajectories}
    assert len({t.record for t in first.trajectories}) == 18


def test_penalties_lower_the_reward_and_nothing_else():
    plain = evaluate("checklist", episodes=9)
    strict = evaluate("checklist", episodes=9, scoring=Scoring(turn=1, free_turns=0))
    assert strict.reward.mean < plain.reward.mean
    assert strict.scoring == Scoring(turn=1, free_turns=0).as_dict()
    assert (strict.axes, strict.metrics, strict.ledger) == (plain.axes, plain.metrics, plain.ledger)
    for trajectory in strict.trajectories:
        points = sum(line["awarded"] for line in trajectory.score["criteria"])
        points += sum(item["awarded"] for item in trajectory.score["adjustments"])
        assert trajectory.reward == points / trajectory.score["denominator"]
        assert {item["id"]: item["awarded"] for item in trajectory.score["adjustments"]}["turns"] == -len(
            trajectory.turns
        )
