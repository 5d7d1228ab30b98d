from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from medenv.agents.doctors.language_model import load_doctor
from medenv.agents.trainers import Trainer, TrainResult, trainers
from medenv.agents.trainers.grpo import GRPOConfig, GRPOTrainer
from medenv.envs.task import make_task
from medenv.errors import RunError
from medenv.rewards import Criterion, Rubric, Verdict

TOY = Rubric("toy", (Criterion("ascii", "Begins in ASCII.", 1, "clarity"),))


class AsciiJudge:
    """The simplest of bandits: the reward is 1 if the first character of the first message is ASCII, else 0."""

    def judge(self, criteria, view):
        return [Verdict(c.id, view.turns[0].doctor[:1].isascii() and view.turns[0].doctor != "") for c in criteria]


class MoodyJudge(AsciiJudge):
    """Fails on every episode whose first message begins with bytes of an odd sum."""

    def judge(self, criteria, view):
        if sum(view.turns[0].doctor.encode()[:3]) % 2:
            raise RuntimeError("the judge is unwell")
        return super().judge(criteria, view)


def task(record, judge=None, turns=1):
    return make_task([record], rubric=TOY, judge=judge or AsciiJudge(), max_turns=turns)


CONFIG = {"steps": 4, "groups": 2, "group_size": 4, "learning_rate": 0.01, "length_divisor": 8, "checkpoint_every": 1}


@pytest.fixture
def start(new_doctor, tmp_path) -> Path:
    new_doctor(max_tokens=6).save(tmp_path / "start")
    return tmp_path / "start"


def weights(policy: Path) -> dict[str, torch.Tensor]:
    return load_doctor(policy).model.state_dict()


def same(one: Path, other: Path) -> bool:
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_it_is_registered_and_fits_the_protocol():
    assert trainers.get("grpo") is GRPOTrainer
    assert isinstance(GRPOTrainer(), Trainer)
    assert next(iter(trainers)) == "grpo"


def test_a_bandit_is_solved_in_seconds(record, start, tmp_path):
    begun = time.monotonic()
    config = {**CONFIG, "steps": 20, "group_size": 8}
    result = GRPOTrainer().train(task(record), start, config, out=tmp_path / "run")
    rewards = [point["reward"] for point in result.curve]
    assert np.mean(rewards[:3]) < 0.75
    assert np.mean(rewards[-3:]) > 0.95
    assert time.monotonic() - begun < 30


def test_the_start_is_left_alone_and_the_same_seed_gives_the_same_policy(record, start, tmp_path):
    before = weights(start)
    one = GRPOTrainer().train(task(record, turns=2), start, CONFIG, out=tmp_path / "one")
    other = GRPOTrainer().train(task(record, turns=2), start, CONFIG, out=tmp_path / "other")
    seeded = GRPOTrainer().train(task(record, turns=2), start, {**CONFIG, "seed": 1}, out=tmp_path / "seeded")
    assert one.curve == other.curve
    assert same(one.policy, other.policy)
    assert not same(one.policy, seeded.policy)
    assert all(torch.equal(before[name], value) for name, value in weights(start).items())


def test_a_run_that_was_cut_off_ends_as_if_nothing_had_happened(record, start, tmp_path):
    whole = GRPOTrainer().train(task(record, turns=2), start, CONFIG, out=tmp_path / "whole")

    class Stop(Exception):
        pass

    def stop(point):
        if point["step"] == 2:
            raise Stop

    with pytest.raises(Stop):
        GRPOTrainer().train(task(record, turns=2), start, CONFIG, out=tmp_path / "cut", progress=stop)
    seen: list[float] = []
    resumed = GRPOTrainer().train(
        task(record, turns=2), start, CONFIG, out=tmp_path / "cut", progress=lambda point: seen.append(point["step"])
    )
    assert seen == [2, 3]
    assert resumed.curve == whole.curve
    assert same(resumed.policy, whole.policy)


def test_a_run_that_was_killed_ends_as_if_nothing_had_happened(record, start, tmp_path):
    """A real SIGKILL, in the middle of writing a checkpoint."""
    script = textwrap.dedent(
        """
        import json, os, signal, sys
        import torch
        torch.set_num_threads(1)
        from medenv.agents.trainers.grpo import GRPOTrainer, checkpoint
        sys.path.insert(0, {here!r})
        from test_grpo import task
        from medenv.records import record_from_dict
        real = torch.save
        def save(state, path):
            if "unfinished" in str(path) and save.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            save.left -= 1
            real(state, path)
        save.left = 2
        checkpoint.torch.save = save
        record = record_from_dict(json.loads({record!r}))
        GRPOTrainer().train(task(record, turns=2), {start!r}, {config!r}, out={out!r})
        """
    )
    from medenv.records import record_to_dict

    filled = script.format(
        here=str(Path(__file__).parent),
        record=json.dumps(record_to_dict(record)),
        start=str(start),
        config=CONFIG,
        out=str(tmp_path / "cut"),
    )
    done = subprocess.run([sys.executable, "-c", filled], capture_output=True, text=True, timeout=120)
    assert done.returncode == -9, done.stderr
    assert (tmp_path / "cut" / "checkpoints" / "unfinished").is_dir()
    whole = GRPOTrainer().train(task(record, turns=2), start, CONFIG, out=tmp_path / "whole")
    resumed = GRPOTrainer().train(task(record, turns=2), start, CONFIG, out=tmp_path / "cut")
    assert resumed.curve == whole.curve
    assert same(resumed.policy, whole.policy)


def test_a_finished_run_can_be_made_longer(record, start, tmp_path):
    whole = GRPOTrainer().train(task(record), start, CONFIG, out=tmp_path / "whole")
    GRPOTrainer().train(task(record), start, {**CONFIG, "steps": 2}, out=tmp_path / "part")
    longer = GRPOTrainer().train(task(record), start, CONFIG, out=tmp_path / "part")
    assert longer == TrainResult(tmp_path / "part" / "policy", whole.curve)
    assert same(longer.policy, whole.policy)


def test_another_run_in_the_same_folder_is_refused(record, start, new_doctor, tmp_path):
    GRPOTrainer().train(task(record), start, {**CONFIG, "steps": 1}, out=tmp_path / "run")
    with pytest.raises(RunError, match="learning_rate"):
        GRPOTrainer().train(task(record), start, {**CONFIG, "learning_rate": 0.5}, out=tmp_path / "run")
    with pytest.raises(RunError, match="max_turns"):
        GRPOTrainer().train(task(record, turns=3), start, CONFIG, out=tmp_path / "run")
    (tmp_path / "run" / "checkpoints" / "000001" / "state.json").write_text("{")
    with pytest.raises(RunError, match="expected a checkpoint"):
        GRPOTrainer().train(task(record), start, CONFIG, out=tmp_path / "run")


def test_invalid_rollouts_leave_no_trace(record, start, tmp_path, monkeypatch):
    """What reaches the update is the valid rollouts, with advantages over them alone."""
    from medenv.agents.trainers.grpo import trainer

    batches, played = [], []
    real_update, real_played = trainer.update, trainer._played

    async def keep(*arguments):
        played.append(await real_played(*arguments))
        return played[-1]

    monkeypatch.setattr(trainer, "_played", keep)
    monkeypatch.setattr(
        trainer,
        "update",
        lambda model, optimizer, samples, *rest, **more: (
            batches.append(samples) or real_update(model, optimizer, samples, *rest, **more)
        ),
    )
    result = GRPOTrainer().train(task(record, MoodyJudge()), start, CONFIG, out=tmp_path / "run")
    for samples, trajectories, point in zip(batches, played, result.curve, strict=True):
        valid = [t for t in trajectories if t.valid]
        assert point["valid"] == len(valid) / len(trajectories)
        assert point["reward"] == (pytest.approx(np.mean([t.reward for t in valid])) if valid else None)
        assert len(samples) == len(valid)
        for sample, trajectory in zip(samples, valid, strict=True):
            peers = [t.reward for t in valid if t.group == trajectory.group]
            assert sample.advantage == pytest.approx(trajectory.reward - np.mean(peers))
    assert 0 < sum(len(samples) for samples in batches) < sum(len(trajectories) for trajectories in played)


def test_a_judge_that_always_fails_trains_nothing(record, start, tmp_path):
    class Ill:
        def judge(self, criteria, view):
            raise RuntimeError("no")

    result = GRPOTrainer().train(task(record, Ill()), start, {**CONFIG, "steps": 1}, out=tmp_path / "run")
    assert same(result.policy, start)
    json.loads((tmp_path / "run" / "training.json").read_text())


def test_a_length_reward_makes_messages_shorter(record, start, tmp_path):
    class Any:
        def judge(self, criteria, view):
            return [Verdict(c.id, True) for c in criteria]

    config = GRPOConfig.from_dict(
        {**CONFIG, "steps": 15, "group_size": 8, "length_reward": {"bonus": 1.0, "at": 6, "threshold": 0.5}}
    )
    result = GRPOTrainer().train(task(record, Any()), start, config, out=tmp_path / "run")
    assert result.curve[-1]["tokens"] < result.curve[0]["tokens"] - 1
