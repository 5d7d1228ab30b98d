from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medenv.errors import RunError
from medenv.rewards import LengthReward, length_rewards

ROLLOUT = st.tuples(st.none() | st.floats(-2, 1), st.integers(0, 5000), st.integers(0, 2))


def by_hand(rewards, share=0.2):
    """A quantile between the two values that it lies between."""
    ordered = sorted(rewards)
    place = share * (len(ordered) - 1)
    low, part = int(place), place - int(place)
    return ordered[low] + part * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low])


def test_the_paper_s_length_reward():
    found = length_rewards([0.2, 0.5, 0.6, 0.9, None], [100, 4000, 256, 1024, 50], [0] * 5, LengthReward())
    assert by_hand([0.2, 0.5, 0.6, 0.9]) == pytest.approx(0.38)
    assert found == pytest.approx([0.0, 4 / math.sqrt(4000), 4 / math.sqrt(256), 4 / math.sqrt(1024), 0.0])
    assert found[1] == pytest.approx(0.063, abs=5e-4)
    assert found[2] == pytest.approx(0.25)


def test_nobody_is_paid_for_brevity_in_a_poor_group():
    assert length_rewards([0.1, 0.2, 0.3], [10, 10, 10], [0, 0, 0], LengthReward(threshold=0.5)) == [0.0, 0.0, 0.0]
    assert length_rewards([0.5, 0.5], [10, 10], [0, 0], LengthReward(threshold=0.5)) == [0.0, 0.0]
    assert length_rewards([0.0, 0.0], [10, 10], [0, 0], LengthReward()) == [0.0, 0.0]


def test_the_scale_moves_the_bonus_to_short_answers():
    rule = LengthReward(bonus=0.06, at=150)
    assert length_rewards([0.5, 0.5], [150, 600], [0, 0], rule) == pytest.approx([0.06, 0.03])


def test_groups_in_which_nothing_is_valid():
    rule = LengthReward()
    assert length_rewards([None, None, 0.5], [1, 2, 16], ["a", "a", "b"], rule) == pytest.approx([0.0, 0.0, 1.0])
    assert length_rewards([], [], [], rule) == []


def test_who_wrote_nothing_gets_nothing():
    assert length_rewards([0.5], [0], [0], LengthReward()) == [0.0]


@given(st.lists(ROLLOUT, max_size=24), st.floats(-1, 1), st.integers(1, 4000), st.floats(0.001, 1))
def test_it_follows_its_formula(rollouts, threshold, at, bonus):
    rewards, lengths, groups = map(list, zip(*rollouts, strict=True)) if rollouts else ([], [], [])
    found = length_rewards(rewards, lengths, groups, LengthReward(bonus=bonus, at=at, threshold=threshold))
    for got, reward, length, group in zip(found, rewards, lengths, groups, strict=True):
        own = [r for r, g in zip(rewards, groups, strict=True) if g == group and r is not None]
        if reward is None or length == 0:
            assert got == 0
            continue
        p80 = by_hand(own)
        if min(abs(p80 - threshold), abs(reward - p80)) > 1e-9:
            expected = bonus * math.sqrt(at / length) if p80 > threshold and reward >= p80 else 0
            assert got == pytest.approx(expected)


@given(st.lists(ROLLOUT, min_size=1, max_size=24))
def test_invalid_rollouts_are_as_if_never_sampled(rollouts):
    kept = [one for one in rollouts if one[0] is not None]
    rule = LengthReward(threshold=-1.0)
    found = length_rewards(*map(list, zip(*rollouts, strict=True)), rule)
    alone = length_rewards(*map(list, zip(*kept, strict=True)), rule) if kept else []
    assert [bonus for bonus, one in zip(found, rollouts, strict=True) if one[0] is not None] == alone


@given(st.lists(st.floats(0.1, 1), min_size=1, max_size=12), st.integers(1, 400), st.integers(2, 50))
def test_the_bonus_keeps_its_size_when_at_follows_the_length(rewards, length, times):
    group = [0] * len(rewards)
    short = length_rewards(rewards, [length] * len(rewards), group, LengthReward(bonus=0.05, at=length))
    long = length_rewards(rewards, [times * length] * len(rewards), group, LengthReward(bonus=0.05, at=times * length))
    assert short == pytest.approx(long)
    assert set(short) <= {0.0, 0.05}
    assert sum(bonus > 0 for bonus in short) >= 0.8 * (len(rewards) - 1)


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_shorter_is_never_worth_less(one, other):
    found = length_rewards([0.5, 0.5], [one, other], [0, 0], LengthReward())
    assert (found[0] > found[1]) == (one < other)


@pytest.mark.parametrize(
    "wrong",
    [{"bonus": 0}, {"bonus": -1.0}, {"bonus": math.nan}, {"at": 0}, {"at": "far"}, {"at": True}, {"threshold": None}],
)
def test_settings_that_do_not_fit(wrong):
    with pytest.raises(RunError, match="expected a length_reward") as caught:
        LengthReward(**wrong)
    assert "\n" not in str(caught.value)
