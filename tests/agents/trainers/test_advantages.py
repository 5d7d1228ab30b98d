from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("torch")

from hypothesis import given
from hypothesis import strategies as st

from medenv.agents.trainers.grpo import advantages

REWARDS = st.one_of(st.none(), st.floats(-2, 1, allow_nan=False))


def test_by_hand():
    assert advantages([1.0, 0.0, 0.5, 0.5], ["a", "a", "b", "b"]) == [0.5, -0.5, 0.0, 0.0]
    assert advantages([1.0, None, 0.0, 0.5], [0, 0, 0, 0]) == [0.5, None, -0.5, 0.0]
    assert advantages([None, None], [0, 0]) == [None, None]
    assert advantages([0.7], [0]) == [0.0]


@given(st.lists(st.tuples(REWARDS, st.integers(0, 3)), max_size=24))
def test_valid_advantages_of_a_group_sum_to_zero_and_invalid_ones_are_as_if_never_sampled(pairs):
    rewards, groups = [r for r, _ in pairs], [g for _, g in pairs]
    found = advantages(rewards, groups)
    assert [a is None for a in found] == [r is None for r in rewards]
    for group in set(groups):
        assert math.isclose(
            sum(a for a, g in zip(found, groups, strict=True) if g == group and a is not None), 0, abs_tol=1e-9
        )
    kept = [(r, g) for r, g in pairs if r is not None]
    assert advantages([r for r, _ in kept], [g for _, g in kept]) == [a for a in found if a is not None]


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=8), st.floats(-3, 3), st.floats(0.1, 4))
def test_no_division_by_the_deviation(rewards, shift, scale):
    group = [0] * len(rewards)
    base = advantages(rewards, group)
    moved = advantages([scale * r + shift for r in rewards], group)
    assert np.allclose(moved, [scale * a for a in base], atol=1e-9)
