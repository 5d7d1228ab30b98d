from __future__ import annotations

import dataclasses
import json

import pytest

pytest.importorskip("torch")

from medenv.agents.trainers.grpo import GRPOConfig, LengthReward
from medenv.errors import RunError


@pytest.mark.parametrize(
    "bad",
    [
        {"group_size": 1},
        {"groups": 0},
        {"steps": -1},
        {"learning_rate": float("nan")},
        {"learning_rate": "fast"},
        {"eps_low": 1.0},
        {"length_divisor": 0},
        {"length_divisor": 2.5},
        {"microbatch": True},
        {"seed": -1},
        {"length_reward": {"bonus": 0}},
        {"length_reward": {"speed": 1}},
        {"length_reward": 3},
        {"kl": 0.1},
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(bad):
    with pytest.raises(RunError, match="expected") as caught:
        GRPOConfig.from_dict(bad)
    assert "\n" not in str(caught.value)


def test_it_survives_json(tmp_path):
    config = GRPOConfig(steps=3, learning_rate=1e-3, length_reward=LengthReward(at=150))
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config.as_dict()))
    assert GRPOConfig.from_json(file) == config
    file.write_text("{")
    with pytest.raises(RunError, match=str(file)):
        GRPOConfig.from_json(file)


def test_it_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        GRPOConfig().steps = 3  # type: ignore[misc]
