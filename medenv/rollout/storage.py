"""Trajectories on disk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medenv.rollout.trajectory import Trajectory
from medenv.run_file import Format, RunFile, read_run_file

__all__ = ["Run", "TrajectoryFile", "read_run"]

FORMAT: Format[Trajectory] = Format(
    "medenv.rollout/1", "trajectory", lambda one: one.id, Trajectory.to_json, Trajectory.from_dict
)


@dataclass(frozen=True, slots=True)
class Run:
    """What a trajectory file holds."""

    version: str
    """The version of medenv that wrote it."""
    settings: Mapping[str, Any]
    trajectories: tuple[Trajectory, ...]


def read_run(path: str | os.PathLike[str]) -> Run:
    """Reads a trajectory file, finished or not; a last line that was torn off is left out.

    Raises:
        RunError: The file cannot be read or is no trajectory file; the message names the line.
    """
    content = read_run_file(FORMAT, path)
    return Run(content.version, content.settings, content.items)


class TrajectoryFile(RunFile[Trajectory]):
    """A trajectory file that one run writes to. A context manager; opened again, it goes on where it stopped.

    Args:
        path: The file; it and its folders are made where they are missing.
        settings: The settings of the run.

    Raises:
        RunError: The file belongs to another run (the message names the setting that differs), is no trajectory file,
            or is being written by another process.
    """

    def __init__(self, path: str | os.PathLike[str], settings: Mapping[str, Any]) -> None:
        super().__init__(FORMAT, path, settings)
