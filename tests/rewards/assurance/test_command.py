"""`medenv judge check`, as a user runs it."""

import json

import pytest
import typer
from typer.testing import CliRunner

from medenv.cli import judging
from medenv.errors import JudgeError, RunError, UnknownIdError
from medenv.rewards.assurance import read_pin

APP = typer.Typer()
APP.add_typer(judging.app, name="judge")
QUICK = ("--limit", "3", "--injections", "6", "--repeats", "1", "--orders", "2")


def run(*arguments):
    return CliRunner().invoke(APP, ["judge", "check", *map(str, arguments)])


def test_the_rule_judge_is_told_for_people():
    result = run(*QUICK)
    assert result.exit_code == 0
    assert result.stderr == ""
    for words in ("rule", "agreement: macro F1", ">= 0.8", "injections: bypass rate, net", "every bound is kept"):
        assert words in result.stdout
    assert "BROKEN" not in result.stdout


def test_json_is_whole_and_the_same_each_time():
    told = [run(*QUICK, "--json").stdout for _ in range(2)]
    assert told[0] == told[1]
    data = json.loads(told[0])
    assert data["judge"] == "rule"
    assert data["bypass"]["tried"] == 6
    assert data["consultations"] == 3
    assert data["bounds"]["f1"] == 0.8
    assert data["breaches"] == []
    assert len(data["verdicts"]) == data["criteria"]


@pytest.mark.parametrize(
    ("option", "value"),
    [("--min-f1", 1.01), ("--min-kappa", 1.01), ("--max-repeat", -1), ("--max-unscored", -1)],
)
def test_a_broken_bound_is_exit_status_1(option, value):
    result = run(*QUICK, "--repeats", 2, option, value)
    assert result.exit_code == 1
    assert "BROKEN" in result.stdout
    assert "broken: " in result.stdout


def test_the_bounds_in_the_help_are_those_of_the_data():
    from dataclasses import asdict

    from medenv.rewards.assurance import default_bounds

    told = " ".join(run("--help").stdout.split())
    for name, value in asdict(default_bounds()).items():
        option = f"--{'min' if name in ('f1', 'kappa') else 'max'}-{name}"
        after = told.split(f"{option} ")[1].split("]")[0]
        assert after.endswith(f"default: ({value})") or after.endswith(f"default: {value}"), (option, after)


def test_pin_and_compare(tmp_path):
    path = tmp_path / "pin.json"
    assert run(*QUICK, "--pin", path).exit_code == 0
    pin = read_pin(path)
    same = run(*QUICK, "--against", path)
    assert same.exit_code == 0
    assert f"0 of {len(pin.verdicts)} verdicts changed" in same.stdout
    data = json.loads(path.read_text())
    first = next(iter(data["verdicts"]))
    data["verdicts"][first] = not data["verdicts"][first]
    path.write_text(json.dumps(data))
    drifted = run(*QUICK, "--against", path)
    assert drifted.exit_code == 1
    assert "broken: drift: expected at most 0, got 0.0" in drifted.stdout
    assert first in drifted.stdout
    assert run(*QUICK, "--against", path, "--max-drift", 0.2).exit_code == 0
    assert json.loads(run(*QUICK, "--against", path, "--json").stdout)["drift"]["changed"] == 1


def test_a_pin_is_not_replaced_unasked(tmp_path):
    path = tmp_path / "pin.json"
    path.write_text("mine")
    refused = run(*QUICK, "--pin", path)
    assert isinstance(refused.exception, RunError)
    assert path.read_text() == "mine"
    assert run(*QUICK, "--pin", path, "--force").exit_code == 0
    assert read_pin(path).judge == "rule"


@pytest.mark.parametrize("judge", ["medenv.rewards:RuleJudge", "medenv.rewards.judging.rule:RuleJudge"])
def test_a_judge_by_import_string(judge):
    assert json.loads(run(*QUICK, "--judge", judge, "--json").stdout)["judge"] == "rule"


@pytest.mark.parametrize(
    ("judge", "error"),
    [
        ("nobody", UnknownIdError),
        ("no_such_module:Judge", RunError),
        ("medenv.rewards:no_such_name", RunError),
        ("json:JSONDecoder", RunError),
        ("medenv.rewards:AXES", RunError),
    ],
)
def test_what_is_no_judge(judge, error):
    result = run(*QUICK, "--judge", judge)
    assert isinstance(result.exception, error)
    assert "\n" not in str(result.exception)


def test_a_pin_that_is_none(tmp_path):
    assert isinstance(run("--against", tmp_path / "none.json").exception, JudgeError)
