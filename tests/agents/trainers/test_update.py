from __future__ import annotations

import copy
import math

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from medenv.agents.trainers.grpo import GRPOConfig, Sample, update
from medenv.agents.trainers.sequences import TokenSequence


def samples(count: int = 9, seed: int = 0) -> list[Sample]:
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        length = int(rng.integers(4, 20))
        ids = tuple(int(i) for i in rng.integers(1, 64, size=length))
        own = (False, *(bool(rng.random() < 0.5) for _ in range(length - 2)), True)
        logprobs = tuple(float(rng.uniform(-5, -3)) if mine else 0.0 for mine in own)
        made.append(Sample((TokenSequence(ids, own, logprobs),), float(rng.normal())))
    return made


def updated(model, some, config, seed=0):
    """The parameters after one update by plain gradient descent, which keeps differences of scale visible."""
    model = copy.deepcopy(model)
    measured = update(
        model, torch.optim.SGD(model.parameters(), lr=config.learning_rate), some, config, np.random.default_rng(seed)
    )
    return model, measured


CONFIG = GRPOConfig(learning_rate=0.5, length_divisor=16, max_grad_norm=1e9)


def close(one, other, tolerance=1e-6):
    return all(torch.allclose(a, b, atol=tolerance) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("size", [1, 2, 5, 64])
def test_microbatches_change_nothing(model, size):
    whole, measured = updated(model, samples(), CONFIG)
    split, also = updated(model, samples(), GRPOConfig(**{**CONFIG.as_dict(), "microbatch": size}))
    assert not close(whole, model)
    assert close(whole, split)
    assert measured == pytest.approx(also, abs=1e-5)


def test_the_order_of_the_rollouts_changes_nothing(model):
    assert close(updated(model, samples(), CONFIG)[0], updated(model, samples()[::-1], CONFIG)[0])


def test_one_step_is_the_gradient_of_the_objective_written_out(model):
    """Against an implementation of its own: one sequence at a time, token by token, no padding, no mask."""
    some = samples(5)
    reference = copy.deepcopy(model)
    total = torch.zeros(())
    for sample in some:
        [sequence] = sample.sequences
        logp = torch.log_softmax(reference(torch.tensor([sequence.ids])).logits[0], dim=-1)
        for t in range(1, len(sequence.ids)):
            if sequence.own[t]:
                ratio = torch.exp(logp[t - 1, sequence.ids[t]] - sequence.logprobs[t])
                clipped = torch.clip(ratio, 0.8, 1.28)
                total = total + torch.minimum(ratio * sample.advantage, clipped * sample.advantage) / 16 / len(some)
    total.backward()
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter += 0.5 * parameter.grad
    found, measured = updated(model, some, CONFIG)
    assert close(found, reference, 2e-6)
    assert measured["loss"] == pytest.approx(-float(total.detach()), abs=1e-5)


def test_an_episode_in_parts_weighs_as_one_rollout(model):
    one, two = samples(2)
    both = Sample((*one.sequences, *two.sequences), 0.7)
    half = GRPOConfig(**{**CONFIG.as_dict(), "learning_rate": 1.0})
    apart = [Sample(one.sequences, 0.7), Sample(two.sequences, 0.7)]
    assert close(updated(model, [both], CONFIG)[0], updated(model, apart, half)[0])


def test_no_valid_rollout_is_no_update(model):
    found, measured = updated(model, [], CONFIG)
    assert all(torch.equal(a, b) for a, b in zip(found.parameters(), model.parameters(), strict=True))
    assert measured == {"loss": 0.0, "grad_norm": 0.0, "clipped": 0.0}


def test_every_rollout_is_in_one_minibatch_a_pass(model, monkeypatch):
    seen: list[int] = []
    from medenv.agents.trainers.grpo import update as function

    module = __import__(function.__module__, fromlist=["_microbatches"])
    real = module._microbatches
    monkeypatch.setattr(module, "_microbatches", lambda some, size: seen.append(len(some)) or real(some, size))
    updated(model, samples(10), GRPOConfig(**{**CONFIG.as_dict(), "minibatches": 3, "epochs": 2}))
    assert seen == [4, 3, 3, 4, 3, 3]


def test_the_gradient_is_clipped_to_its_norm(model):
    config = GRPOConfig(**{**CONFIG.as_dict(), "max_grad_norm": 1e-3, "learning_rate": 1.0})
    found, measured = updated(model, samples(), config)
    pairs = zip(found.parameters(), model.parameters(), strict=True)
    moved = math.sqrt(sum(float(((a - b).detach() ** 2).sum()) for a, b in pairs))
    assert measured["grad_norm"] > 1e-3
    assert moved == pytest.approx(1e-3, rel=1e-2)
