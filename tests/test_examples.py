"""Every example runs as a person would run it, from another folder."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
SHORT = sorted(path.name for path in EXAMPLES.glob("*.py") if path.name != "train_reference_agent.py")


@pytest.mark.parametrize("name", SHORT)
def test_an_example_runs(name, tmp_path):
    command = [sys.executable, "-W", "error", str(EXAMPLES / name)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert list(tmp_path.iterdir()) == []
