from __future__ import annotations

import pytest

pytest.importorskip("torch")

import dataclasses

import numpy as np
import torch

from medenv.consultation.views import Message
from medenv.errors import RunError
from medenv.rewards.learned import BaseRates, HashedEncoder, RewardModel, RewardModelConfig, calibration, part_of, train
from medenv.rewards.rubric import AXES, Criterion

from .conftest import SMALL, planted


def test_a_planted_rule_is_learned(examples, trained):
    base = BaseRates(part_of(examples, "train"))
    found = calibration(trained.model, part_of(examples, "test"), base).axes["consultation_logic"]
    assert found.accuracy > 0.97
    assert found.auroc > 0.99
    assert found.base < 0.7
    assert found.brier < found.brier_base / 3


def test_a_word_that_training_never_saw_is_matched_where_it_stands(trained):
    asked = [Criterion(name, f"Elicits: {name}", 3, "consultation_logic") for name in ("hiccups", "tremor")]
    talk = [
        Message("user", "Hello."),
        Message("assistant", "Surely you have tremor."),
        Message("user", "Yes, I have had hiccups."),
    ]
    told, claimed = trained.model.probabilities(talk, asked)
    assert told > 0.5 > claimed


def test_talking_more_is_no_feature():
    model = RewardModel(HashedEncoder(8, 64), width=8, hidden=4)
    asked = [Criterion("it", "Greets the patient.", 3, axis) for axis in AXES]
    talk = [Message("user", "It hurts."), Message("assistant", "Good day."), Message("assistant", "Well.")]
    more = [*talk[:1], Message("assistant", "Good day. " * 50), Message("assistant", "Well. " * 50)]
    assert model.logits(more, asked) == pytest.approx(model.logits(talk, asked), abs=1e-6)
    orders = [*talk[:2], Message("assistant", "Well." + "\nORDER: ECG" * 20)]
    once = [*talk[:2], Message("assistant", "Well.\nORDER: ECG")]
    assert model.logits(orders, asked) != pytest.approx(model.logits(once, asked), abs=1e-3)


def test_what_no_text_decides_keeps_its_base_rate(trained, examples):
    given = [trained.model.probabilities(e.messages, e.criteria)[-1] for e in part_of(examples, "test")]
    assert 0.2 < np.mean(given) < 0.8


def test_the_same_seed_gives_the_same_bytes_and_touches_no_global_generator(examples, tmp_path):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    settings = dataclasses.replace(SMALL, epochs=2)
    seen = []
    for name, threads in (("one", 1), ("two", 2)):
        torch.set_num_threads(threads)
        train(examples, settings, progress=lambda _: seen.append(torch.get_num_threads())).model.save(tmp_path / name)
        assert torch.get_num_threads() == threads
    assert set(seen) == {1}
    for file in ("model.safetensors", "reward_model.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert torch.equal(torch.get_rng_state(), state)
    other = train(examples, dataclasses.replace(settings, seed=1)).model
    assert other.digest != RewardModel.load(tmp_path / "one").digest


def test_training_stops_where_validation_gets_no_better_and_keeps_the_best(examples):
    coins = np.random.default_rng(0).integers(0, 2, size=(len(examples), len(examples[0].met)))
    noise = [dataclasses.replace(e, met=tuple(map(bool, row))) for e, row in zip(examples, coins, strict=True)]
    stopped = train(noise, dataclasses.replace(SMALL, epochs=30))
    losses = [point["validation"] for point in stopped.curve]
    assert len(losses) < 30
    assert len(losses) - 1 - losses.index(min(losses)) in (SMALL.patience, len(losses) - 1)
    assert stopped.model.facts["passes"] == len(losses)
    held = part_of(noise, "validation")
    logits = torch.tensor([x for e in held for x in stopped.model.logits(e.messages, e.criteria)])
    met = torch.tensor([float(v) for e in held for v in e.met])
    assert torch.nn.functional.binary_cross_entropy_with_logits(logits, met) <= min(losses) + 1e-5 < losses[-1]


def test_the_test_split_is_never_looked_at(examples):
    settings = dataclasses.replace(SMALL, epochs=1)
    other = [dataclasses.replace(e, met=tuple(not v for v in e.met)) if e.split == "test" else e for e in examples]
    assert train(examples, settings).model.digest == train(other, settings).model.digest


def test_an_axis_is_learned_only_from_verdicts_in_both_splits(examples):
    def without(split):
        return [
            dataclasses.replace(e, criteria=e.criteria[:-1], met=e.met[:-1]) if e.split == split else e
            for e in examples
        ]

    settings = dataclasses.replace(SMALL, epochs=1)
    assert set(train(examples, settings).model.scaling) == {"consultation_logic", "communication"}
    for split in ("train", "validation"):
        model = train(without(split), settings).model
        assert set(model.scaling) == {"consultation_logic"}
        held = part_of(examples, "test")
        found = calibration(model, held, BaseRates(part_of(examples, "train")))
        assert found.overall.verdicts == sum(len(e.met) - 1 for e in held)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_without_verdicts_there_is_nothing_to_learn(split):
    with pytest.raises(RunError, match=f"verdicts on records of the {split} split"):
        train([e for e in planted(10) if e.split != split], SMALL)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch": 0}, {"learning_rate": 0.0}, {"seed": -1}, {"buckets": 0}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(RunError, match="expected settings above 0"):
        RewardModelConfig(**wrong)
