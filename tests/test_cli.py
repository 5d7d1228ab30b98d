from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from medenv.cli import app, main
from medenv.records import load_records, record_to_dict

COMMANDS = [
    ["records", "list"],
    ["records", "show"],
    ["records", "check"],
    ["records", "convert"],
    ["records", "deidentify"],
    ["personas", "list"],
    ["personas", "show"],
    ["personas", "try"],
    ["play"],
    ["rollout"],
    ["evaluate"],
    ["train"],
    ["report"],
    ["serve"],
    ["healthbench"],
    ["judge", "check"],
    ["judge", "train"],
]
RECORD = "lib-01"


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    told = capsys.readouterr()
    return status, told.out, told.err


def good(capsys, *arguments):
    status, out, err = run(capsys, *arguments)
    assert (status, err) == (0, "")
    return out


def bad(capsys, *arguments):
    status, out, err = run(capsys, *arguments)
    assert status == 2
    assert out == ""
    assert re.fullmatch(r"medenv: [^\n]+\n", err)
    return err


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_has_help_with_examples_and_json(command, flag):
    result = CliRunner().invoke(app, [*command, flag])
    assert result.exit_code == 0
    assert f"medenv {' '.join(command)}" in result.output.split("Examples:")[1]
    assert "--json" in result.output


def test_the_program_itself(capsys):
    out = good(capsys, "--help")
    assert all(command[0] in out for command in COMMANDS)
    assert good(capsys, "--version").startswith("medenv 0.")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["evaluate", "--nonsense"],
        ["evaluate", "--episodes", "many"],
        ["evaluate", "--doctor", "nobody"],
        ["evaluate", "--persona", "nobody"],
        ["evaluate", "--patient", "nobody"],
        ["evaluate", "--judge", "nobody"],
        ["evaluate", "--rubric", "nobody"],
        ["evaluate", "--split", "nothing"],
        ["evaluate", "--orders", "nothing"],
        ["evaluate", "--normalisation", "nothing"],
        ["evaluate", "--scoring", "no/such/file.toml"],
        ["play", "--scoring", "no/such/file.toml"],
        ["evaluate", "--records", "no/such/place"],
        ["evaluate", "--seed", "-1"],
        ["evaluate", "--episodes", "0"],
        ["evaluate", "--concurrency", "0"],
        ["evaluate", "--max-turns", "0"],
        ["rollout"],
        ["rollout", "--out", "x.jsonl", "--group-size", "0"],
        ["records", "show"],
        ["records", "show", "nobody"],
        ["records", "convert", "no/such/place", "--out", "x.jsonl"],
        ["personas", "show", "nobody"],
        ["play", "nobody"],
        ["train", "--policy", "p", "--out", "o", "--trainer", "nobody"],
        ["train", "--policy", "p", "--out", "o", "--config", "no/such/file.json"],
        ["report", "no/such/place"],
        ["healthbench", "no/such/file.jsonl"],
    ],
    ids=" ".join,
)
def test_errors_are_one_line_and_status_2(capsys, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bad(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_extra_is_one_line(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith("medenv.agents.trainers.grpo")]:
        monkeypatch.delitem(sys.modules, name)
    from medenv.agents.trainers import trainers

    monkeypatch.setitem(trainers._entries, "grpo", "medenv.agents.trainers.grpo:GRPOTrainer")
    err = bad(capsys, "train", "--policy", tmp_path, "--out", tmp_path / "out")
    assert "pip install 'medenv-rl[train]'" in err


def test_training_calls_the_trainer(capsys, tmp_path, monkeypatch):
    from medenv.agents.trainers import TrainResult, trainers

    class Fake:
        def train(self, task, policy, config, *, out, progress=None):
            point = {"step": 1.0, "reward": 0.25}
            if progress is not None:
                progress(point)
            assert len(task.records) == 3
            return TrainResult(policy=out / f"policy-{config['steps']}", curve=(point,))

    monkeypatch.setitem(trainers._entries, "fake", Fake)
    (tmp_path / "c.json").write_text('{"steps": 7}')
    arguments = ("train", "--trainer", "fake", "--policy", tmp_path, "--config", tmp_path / "c.json", "--out", tmp_path)
    arguments += ("--records", tmp_path / "r.jsonl")
    records = [record_to_dict(record) for record in load_records().split("train")][:3]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(data) + "\n" for data in records))
    out = json.loads(good(capsys, *arguments, "--quiet", "--json"))
    assert out == {"policy": str(tmp_path / "policy-7"), "curve": [{"step": 1.0, "reward": 0.25}]}
    status, told, err = run(capsys, *arguments)
    assert (status, err) == (0, "step 1  reward 0.25\n")
    assert "policy-7" in told
    (tmp_path / "c.json").write_text("[1]")
    assert "object" in bad(capsys, *arguments)


def test_records_list_and_show_keep_the_diagnosis_to_themselves(capsys):
    record = load_records()[RECORD]
    for arguments in (("list",), ("list", "--json"), ("show", RECORD), ("show", RECORD, "--json")):
        hidden = good(capsys, "records", *arguments)
        assert RECORD in hidden
        assert record.truth.diagnosis.name.lower() not in hidden.lower()
        open_ = good(capsys, "records", *arguments, "--truth")
        assert record.truth.diagnosis.name.lower() in re.sub(r"\s+", " ", open_).lower()
    assert json.loads(good(capsys, "records", "show", RECORD, "--truth", "--json")) == record_to_dict(record)
    assert [row["id"] for row in json.loads(good(capsys, "records", "list", "--json"))] == list(load_records().ids)


def test_personas(capsys):
    personas = json.loads(good(capsys, "personas", "list", "--json"))
    assert personas[0]["id"] == "neutral"
    assert json.loads(good(capsys, "personas", "show", "neutral", "--json")) == personas[0]
    assert "neutral" in good(capsys, "personas", "list")
    assert "verbosity" in good(capsys, "personas", "show", "neutral")
    tried = json.loads(good(capsys, "personas", "try", "newcomer", "--record", "lib-03", "--seed", "2", "--json"))
    assert tried["record"] == "lib-03"
    assert any(turn["patient"] != turn["neutral"] for turn in tried["turns"])
    assert "newcomer" in good(capsys, "personas", "try", "newcomer")


def test_personas_of_a_file(capsys, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('id = "gruff-miller"\ntone = "irritable"\n', "utf-8")
    listed = json.loads(good(capsys, "personas", "list", "--file", str(file), "--json"))
    assert [persona["id"] for persona in listed] == ["gruff-miller"]
    assert "irritable" in good(capsys, "personas", "show", "gruff-miller", "--file", str(file))
    assert "gruff-miller" in good(capsys, "personas", "try", "gruff-miller", "--file", str(file))
    result = json.loads(good(capsys, "evaluate", "-d", "checklist", "-n", "2", "-p", str(file), "-q", "--json"))
    assert result["valid"] == 2


def test_check_names_every_problem(capsys, tmp_path):
    fine, phone, leak, broken = (record_to_dict(record) for record in list(load_records())[:4])
    phone["facts"][0]["statement"] = "Call me at (555) 123-4567."
    leak["chief_complaint"] = f"I have {leak['truth']['diagnosis']['name']}."
    del broken["chief_complaint"]
    path = tmp_path / "cases.jsonl"
    path.write_text("".join(json.dumps(data) + "\n" for data in (fine, phone, leak, broken)))
    status, out, _ = run(capsys, "records", "check", path, "--json")
    told = json.loads(out)
    assert status == 1
    assert [problem["kind"] for problem in told["problems"]] == ["identifier", "leak", "schema"]
    assert [problem["record"] for problem in told["problems"]] == [data["id"] for data in (phone, leak, broken)]
    assert "555" not in out
    status, out, _ = run(capsys, "records", "check", path)
    assert status == 1
    assert "3 errors" in out


def test_check_warns_of_duplicates_and_missing_licences(capsys, tmp_path):
    first = record_to_dict(load_records()[0])
    second = {**first, "id": "other", "provenance": {**first["provenance"], "licence": "unknown"}}
    third = {**first, "id": "third"}
    path = tmp_path / "cases.json"
    path.write_text(json.dumps([first, second, third]))
    told = json.loads(good(capsys, "records", "check", path, "--json"))
    assert sorted(problem["kind"] for problem in told["problems"]) == ["duplicate", "duplicate", "licence"]
    assert (told["records"], told["errors"]) == (3, 0)
    path.write_text(json.dumps([first, first]))
    status, out, _ = run(capsys, "records", "check", path, "--json")
    assert status == 1
    assert [p["record"] for p in json.loads(out)["problems"] if p["fatal"]] == [first["id"]]
    path.write_text("not JSON")
    assert run(capsys, "records", "check", path)[0] == 1
    assert run(capsys, "records", "check", tmp_path / "missing.json")[0] == 1
    assert json.loads(good(capsys, "records", "check", "library", "--json"))["errors"] == 0


def test_convert_writes_what_load_records_reads(capsys, tmp_path):
    out = tmp_path / "deep" / "cases.jsonl"
    told = json.loads(good(capsys, "records", "convert", "library", "--out", out, "--json"))
    assert told["records"] == len(load_records())
    assert load_records(out) == load_records()
    assert "exists" in bad(capsys, "records", "convert", "library", "--out", out)
    assert str(out) in good(capsys, "records", "convert", "library", "--out", out, "--force").replace("\n", "")
    assert [path.name for path in out.parent.iterdir()] == ["cases.jsonl"]


def test_evaluate_gives_the_same_bytes_twice(capsys):
    arguments = ("evaluate", "--doctor", "random", "--episodes", 20, "--seed", 7, "--quiet", "--json")
    first = good(capsys, *arguments)
    assert first == good(capsys, *arguments)
    assert first == good(capsys, *arguments, "--concurrency", 3)
    told = json.loads(first)
    assert (told["episodes"], told["valid"], told["settings"]["seed"]) == (20, 20, 7)
    assert first != good(capsys, *arguments, "--persona", "anxious", "--persona", "stoic")
    assert "reward" in good(capsys, *arguments[:-1])


def test_scoring_is_taken_from_a_file_and_told_with_every_result(capsys, tmp_path):
    file = tmp_path / "strict.toml"
    file.write_text('normalisation = "m3"\nturn = 2\nfree_turns = 0\n[weights]\nsafety = 3\n')
    arguments = ("evaluate", "-n", 3, "-q", "--scoring", file)
    told = json.loads(good(capsys, *arguments, "--json"))
    assert told["settings"]["scoring"] == str(file)
    assert (told["scoring"]["turn"], told["scoring"]["weights"]["safety"]) == (2, 3)
    assert told["metrics"]["grade_symptoms"] >= 1
    shown = " ".join(good(capsys, *arguments).split())
    assert "m3, veto, safety x 3, -2 a turn beyond 0" in shown
    for words in ("case criteria", "negative points met", "metric", "efficiency index"):
        assert words in shown
    assert "scoring healthbench, veto" in " ".join(good(capsys, "evaluate", "-n", 1, "-q").split())
    assert "got both" in bad(capsys, *arguments, "--normalisation", "m3")


def test_rollout_keeps_and_continues(capsys, tmp_path):
    out = tmp_path / "x.jsonl"
    arguments = ("rollout", "--doctor", "random", "--episodes", 8, "--group-size", 2, "--out", out, "--quiet")
    told = json.loads(good(capsys, *arguments, "--json"))
    assert told["episodes"] == 8
    content = out.read_bytes()
    assert "8 trajectories" in good(capsys, *arguments)
    assert out.read_bytes() == content
    assert "seed" in bad(capsys, *arguments, "--seed", 1)
    status, _, err = run(capsys, *arguments[:-1])
    assert (status, "8/8" in err) == (0, True)


def test_report(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    out = tmp_path / "x.jsonl"
    good(capsys, "rollout", "--doctor", "random", "--episodes", 4, "--out", out, "--quiet")
    told = json.loads(good(capsys, "report", out, "--json"))
    assert told == {"report": str(tmp_path / "x.html"), "bytes": (tmp_path / "x.html").stat().st_size}
    assert "wrote" in good(capsys, "report", out, "-o", tmp_path / "y.html")


def play(words, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "medenv.cli", "play", *map(str, arguments)],
        input=words,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_person_plays():
    words = "Good morning.\n\nORDER: ECG\n\nThank you.\nDIAGNOSIS: atrial fibrillation (0.9)\nPLAN: apixaban\n\n"
    done = play(words, RECORD, "--seed", 3, "--json")
    assert done.returncode == 0
    told = json.loads(done.stdout)
    assert (told["record"], told["valid"], len(told["turns"])) == (RECORD, True, 3)
    assert told["turns"][2]["doctor"] == "Thank you.\nDIAGNOSIS: atrial fibrillation (0.9)\nPLAN: apixaban"
    assert "Patient: " in done.stderr
    shown = play(words, RECORD, "--seed", 3)
    assert "--seed 3" in shown.stdout
    assert f"{told['reward']:.3f}" in shown.stdout


def test_a_person_leaves():
    done = play("Good morning.\n\n", RECORD)
    assert (done.returncode, done.stdout) == (0, "")
    assert "no score" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_closed_pipe_ends_quietly():
    command = [sys.executable, "-m", "medenv.cli", "records", "show", RECORD, "--json"]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(write)
    assert done.stderr == ""


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal there")
def test_an_interrupt_ends_quietly(tmp_path):
    import signal

    command = [sys.executable, "-m", "medenv.cli", "rollout", "-d", "checklist", "-n", "50000", "-q"]
    process = subprocess.Popen([*command, "--out", str(tmp_path / "x.jsonl")], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (tmp_path / "x.jsonl").exists() and (tmp_path / "x.jsonl").stat().st_size > 10_000:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")


def test_the_installed_program_and_its_speed():
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "medenv.cli", "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert time.monotonic() - began < 15
    for heavy in ("torch", "transformers", "matplotlib", "rich.table"):
        assert not re.search(rf"\| +{heavy}$", done.stderr, re.MULTILINE)
