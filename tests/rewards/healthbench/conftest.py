"""Examples of HealthBench's form, shared by the tests of this folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medenv.rewards.healthbench import load_examples


def plain_row(prompt_id="p", points=(5, -3), **changes):
    """One example as plain data."""
    return {
        "prompt_id": prompt_id,
        "prompt": [{"role": "user", "content": f"What about {prompt_id}?"}],
        "rubrics": [
            {"criterion": f"{prompt_id} criterion {n}", "points": p, "tags": [f"axis:{'accuracy' if n % 2 else 'x'}"]}
            for n, p in enumerate(points, start=1)
        ],
        "example_tags": ["theme:hedging"],
        "ideal_completions_data": None,
        **changes,
    }


@pytest.fixture(name="row")
def row_factory():
    return plain_row


@pytest.fixture
def write(tmp_path):
    """Writes rows as a HealthBench file."""

    def written(rows, name="examples.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        return path

    return written


@pytest.fixture
def load(write):
    """Rows as examples."""
    return lambda rows: load_examples(write(rows))
