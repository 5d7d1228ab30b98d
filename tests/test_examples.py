"""Every example runs as a person would run it, from another folder."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
SHORT = sorted(path.name for path in EXAMPLES.glob("*.py") if path.name != "train_reference_agent.py")


@pytest.mark.parametrize("name", SHORT)
def test_an_example_runs(name, tmp_path):
    if name == "reward_model.py":
        pytest.importorskip("torch")
    command = [sys.executable, "-W", "error", str(EXAMPLES / name)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert list(tmp_path.iterdir()) == []


def test_the_reference_agent_trains_and_reports(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("jinja2")
    command = [sys.executable, str(EXAMPLES / "train_reference_agent.py"), "--quick", "--seeds", "5", "--out", "demo"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "demo" / "summary.json").read_text("utf-8"))
    assert [run["seed"] for run in summary["seeds"]] == [5]
    found = {row["doctor"]: row["evaluation"] for row in summary["evaluations"][0]["doctors"]}
    assert set(found) == {"random", "checklist", "warm start", "trained", "oracle"}
    assert all(evaluation["valid"] == evaluation["episodes"] for evaluation in found.values())
    assert "warm start" in (tmp_path / "demo" / "report.html").read_text("utf-8")
