"""Checkpoints: everything a run needs to go on exactly where it was cut off.

Every random choice follows from the seed and the number of the step, so weights, optimiser and step are all there is.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from medenv.agents.trainers import Point
from medenv.errors import RunError

__all__ = ["Checkpoint", "load_latest", "save"]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint on disk."""

    policy: Path
    """The folder of the policy."""
    step: int
    """Steps that are done."""
    optimizer: dict[str, Any]
    curve: tuple[Point, ...]


def save(
    folder: Path,
    *,
    step: int,
    settings: dict[str, Any],
    curve: Sequence[Point],
    optimizer: dict[str, Any],
    save_policy: Callable[[Path], None],
) -> None:
    """Writes a checkpoint whole or not at all, then drops the ones before it."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    save_policy(unfinished / "policy")
    torch.save(optimizer, unfinished / "optimizer.pt")
    state = {"step": step, "settings": settings, "curve": list(curve)}
    (unfinished / "state.json").write_text(json.dumps(state, indent=1) + "\n", "utf-8")
    finished = folder / f"{step:06d}"
    shutil.rmtree(finished, ignore_errors=True)
    os.replace(unfinished, finished)
    for older in _steps(folder):
        if older != finished:
            shutil.rmtree(older)


def load_latest(folder: Path, settings: dict[str, Any]) -> Checkpoint | None:
    """The newest checkpoint of a run; None where there is none.

    Args:
        folder: Where the checkpoints are.
        settings: What the run depends on, as `save` was given it.

    Raises:
        RunError: The checkpoint belongs to a run with other settings, or cannot be read.
    """
    found = _steps(folder)
    if not found:
        return None
    newest = found[-1]
    try:
        state = json.loads((newest / "state.json").read_text("utf-8"))
        optimizer = torch.load(newest / "optimizer.pt", weights_only=True)
        saved, step, curve = state["settings"], int(state["step"]), tuple(state["curve"])
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise RunError(f"{newest}: expected a checkpoint, got {' '.join(str(error).split())[:200]}") from None
    wanted = json.loads(json.dumps(settings))
    for name in sorted({*saved, *wanted}):
        if saved.get(name) != wanted.get(name):
            raise RunError(
                f"{folder}: expected the run with {name} {saved.get(name)!r}, got {wanted.get(name)!r}; "
                "give another folder, or the settings that it was begun with"
            )
    return Checkpoint(newest / "policy", step, optimizer, curve)


def _steps(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("[0-9]" * 6) if path.is_dir())
