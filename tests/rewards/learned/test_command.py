from __future__ import annotations

import pytest

pytest.importorskip("torch")

import json

import typer
from typer.testing import CliRunner

import medenv
from medenv.cli.reward_model import train
from medenv.errors import RunError
from medenv.rewards.learned import LearnedJudge
from medenv.rewards.rubric import AXES


@pytest.fixture(scope="module")
def rollouts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rollouts")
    for doctor in ("random", "checklist"):
        medenv.rollout(doctor, records="synthetic:24", seed=0, out=folder / f"{doctor}.jsonl")
    return folder


def run(*arguments):
    app = typer.Typer()
    app.command()(train)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_judge_is_trained_and_its_calibration_printed(rollouts, tmp_path):
    files = "--rollouts", rollouts / "random.jsonl", "--rollouts", rollouts / "checklist.jsonl"
    done = run(*files, "--out", tmp_path / "one", "--epochs", 1)
    assert done.exit_code == 0, done.output
    for axis in AXES:
        assert axis.replace("_", " ") in done.stdout
    assert "0.9 to 1.0" in done.stdout
    assert "epoch 0" in done.stderr
    done = run(*files, "--out", tmp_path / "two", "--epochs", 1, "--quiet", "--json", "--records", "synthetic:24")
    assert done.stderr == ""
    result = json.loads(done.stdout)
    assert set(result["calibration"]["axes"]) == set(AXES)
    assert LearnedJudge(tmp_path / "one").id == LearnedJudge(tmp_path / "two").id
    assert result["digest"] in LearnedJudge(tmp_path / "two").id
    assert len(result["curve"]) == 1


def test_nothing_to_measure_on_is_an_error(rollouts, tmp_path):
    medenv.rollout("random", records="synthetic:24", split="train", seed=0, out=tmp_path / "train.jsonl")
    with pytest.raises(RunError, match="records of the test split"):
        raise run("--rollouts", tmp_path / "train.jsonl", "--out", tmp_path / "model").exception
    assert not (tmp_path / "model").exists()
