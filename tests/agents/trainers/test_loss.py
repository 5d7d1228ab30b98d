from __future__ import annotations

import math

import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medenv.agents.trainers.grpo.loss import clipped_share, surrogate_loss

SETTINGS = {"eps_low": 0.2, "eps_high": 0.28, "length_divisor": 10, "rollouts": 2}


def reference(new, old, advantages, mask, *, eps_low, eps_high, length_divisor, rollouts):
    """The objective, token by token, in plain Python floats."""
    total = 0.0
    for row, advantage in enumerate(advantages):
        for t in range(len(new[row])):
            if mask[row][t]:
                ratio = math.exp(new[row][t] - old[row][t])
                total += min(ratio * advantage, min(max(ratio, 1 - eps_low), 1 + eps_high) * advantage)
    return -total / rollouts / length_divisor


def test_by_hand():
    new = torch.log(torch.tensor([[0.5, 0.6], [0.1, 0.9]], dtype=torch.float64))
    old = torch.log(torch.tensor([[0.5, 0.3], [0.2, 0.9]], dtype=torch.float64))
    loss = surrogate_loss(new, old, torch.tensor([0.4, -0.5]).double(), torch.ones(2, 2, dtype=torch.bool), **SETTINGS)
    # ratios 1, 2 (clipped to 1.28) for the first; 0.5 (clipped to 0.8, which is worse), 1 for the second
    expected = -(0.4 * (1 + 1.28) + -0.5 * (0.8 + 1)) / 20
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_gradient_by_hand():
    new = torch.log(torch.tensor([[0.5, 0.6, 0.5]])).requires_grad_()
    old = torch.log(torch.tensor([[0.4, 0.3, 0.5]]))
    mask = torch.tensor([[True, True, False]])
    surrogate_loss(new, old, torch.tensor([0.4]), mask, **SETTINGS).backward()
    # d ratio / d logp = ratio where the clip is not active, 0 where it is, nothing on the environment's tokens
    assert new.grad[0].tolist() == pytest.approx([-0.4 * 1.25 / 20, 0.0, 0.0])


@pytest.mark.parametrize(
    ("advantage", "ratio", "flows"),
    [(1, 1.27, True), (1, 1.29, False), (1, 0.1, True), (-1, 0.81, True), (-1, 0.79, False), (-1, 9.0, True)],
)
def test_the_clip_stops_only_what_went_far_enough(advantage, ratio, flows):
    new = torch.tensor([[math.log(ratio)]], requires_grad=True)
    one = torch.ones(1, 1, dtype=torch.bool)
    surrogate_loss(new, torch.zeros(1, 1), torch.tensor([float(advantage)]), one, **SETTINGS).backward()
    assert (float(new.grad[0, 0]) != 0) is flows
    share = clipped_share(new, torch.zeros(1, 1), torch.tensor([float(advantage)]), one, eps_low=0.2, eps_high=0.28)
    assert (share == 0) is flows


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_against_plain_python(data):
    rows, columns = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 6))
    grid = lambda of: [[data.draw(of) for _ in range(columns)] for _ in range(rows)]  # noqa: E731
    new, old = grid(st.floats(-6, 0)), grid(st.floats(-6, 0))
    mask = grid(st.booleans())
    advantages = [data.draw(st.floats(-1, 1)) for _ in range(rows)]
    found = surrogate_loss(
        torch.tensor(new, dtype=torch.float64),
        torch.tensor(old, dtype=torch.float64),
        torch.tensor(advantages, dtype=torch.float64),
        torch.tensor(mask),
        **SETTINGS,
    )
    assert float(found) == pytest.approx(reference(new, old, advantages, mask, **SETTINGS), rel=1e-9, abs=1e-12)


def test_a_long_rollout_is_not_worth_less_a_token():
    """A constant divisor: every token of the doctor weighs the same, however long the rollout."""
    short, long = torch.zeros(1, 2, requires_grad=True), torch.zeros(1, 200, requires_grad=True)
    for new in (short, long):
        surrogate_loss(
            new, torch.zeros_like(new), torch.ones(1), torch.ones_like(new, dtype=torch.bool), **SETTINGS
        ).backward()
    assert short.grad[0, 0] == long.grad[0, 0]


def test_padding_may_hold_anything():
    new = torch.tensor([[0.0, math.inf]], requires_grad=True)
    old = torch.tensor([[0.0, math.nan]])
    loss = surrogate_loss(new, old, torch.ones(1), torch.tensor([[True, False]]), **SETTINGS)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(new.grad).all()
