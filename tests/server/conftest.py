"""A real vLLM server on the CPU, where there is one to start."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from medenv.agents.backends.serving import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """vLLM with a small model; MEDENV_VLLM_PYTHON and MEDENV_VLLM_MODEL say with what."""
    model = os.environ.get("MEDENV_VLLM_MODEL")
    if not model or not os.environ.get("MEDENV_VLLM_PYTHON"):
        pytest.skip("set MEDENV_VLLM_PYTHON and MEDENV_VLLM_MODEL (see make vllm) to run this")
    with Server(model, max_model_len=4096) as running:
        yield running
    running.log.unlink(missing_ok=True)
