"""Trajectories on disk: a file of JSON lines that outlives the process that writes it.

The first line is the header: the format, the version of medenv, and the settings of the run. Each further line is one
trajectory. While a run goes on they stand in the order in which episodes ended; once it is complete, in plan order.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from medenv.errors import RunError
from medenv.rollout.trajectory import Trajectory

__all__ = ["Run", "TrajectoryFile", "read_run"]

FORMAT = "medenv.rollout/1"
SYNC_SECONDS = 1.0
"""Lines reach the operating system at once, and the disk at least this often."""


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
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise RunError(f"expected a trajectory file, got {str(path)!r}: {_reason(error)}") from None
    run, _ = _parse(Path(path), content)
    if run is None:
        raise RunError(f"{path}: expected a trajectory file, got one without a header")
    return run


class TrajectoryFile:
    """A trajectory file that one run writes to. A context manager; opened again, it goes on where it stopped.

    Args:
        path: The file; it and its folders are made where they are missing.
        settings: The settings of the run.

    Raises:
        RunError: The file belongs to another run (the message names the setting that differs), is no trajectory file,
            or is being written by another process.
    """

    def __init__(self, path: str | os.PathLike[str], settings: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self._version, self._settings = _version(), dict(settings)
        header = {"format": FORMAT, "version": self._version, "settings": self._settings}
        self._first = (json.dumps(header, sort_keys=True, ensure_ascii=True) + "\n").encode()
        self._written: list[str] = []
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = open(self.path, "a+b")  # noqa: SIM115
        except (OSError, ValueError) as error:
            raise RunError(f"expected a file that can be written, got {str(self.path)!r}: {_reason(error)}") from None
        try:
            self._lock()
            self.finished = self._resume()
        except BaseException:
            self._file.close()
            raise
        self._synced = time.monotonic()

    def append(self, trajectory: Trajectory) -> None:
        """Adds an episode that ended."""
        self._file.write(trajectory.to_json().encode() + b"\n")
        self._file.flush()
        self._written.append(trajectory.id)
        if time.monotonic() - self._synced >= SYNC_SECONDS:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()

    def complete(self, trajectories: Iterable[Trajectory]) -> None:
        """Puts all episodes in order, in one atomic step: the file is never there by half."""
        trajectories = list(trajectories)
        if self._written == [trajectory.id for trajectory in trajectories]:
            return
        part = self.path.with_name(self.path.name + ".part")
        with open(part, "wb") as file:
            file.write(self._first)
            for trajectory in trajectories:
                file.write(trajectory.to_json().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._file.close()  # not every system replaces a file that is open
        os.replace(part, self.path)

    def __enter__(self) -> TrajectoryFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def _lock(self) -> None:
        if sys.platform == "win32":
            return
        import fcntl

        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RunError(f"{self.path}: expected a file of this run alone, got one that another run writes") from None

    def _resume(self) -> dict[str, Trajectory]:
        self._file.seek(0)
        content = self._file.read()
        if self._first.startswith(content):  # nothing yet, or a header that was torn off
            self._file.truncate(0)
            self._file.write(self._first)
            self._file.flush()
            return {}
        run, end = _parse(self.path, content)
        if run is None:
            raise RunError(f"{self.path}: expected a trajectory file or none, got a file without a header")
        asked = {"version": self._version, **self._settings}
        held = {"version": run.version, **run.settings}
        for name in sorted(asked.keys() | held.keys(), key=lambda name: (name == "content", name)):
            wanted, found = asked.get(name), held.get(name)
            if wanted != found:
                raise RunError(f"{self.path}: expected the same run, with {name} {wanted!r}; got {name} {found!r}")
        if end < len(content):
            self._file.truncate(end)
        self._written = [trajectory.id for trajectory in run.trajectories]
        return {trajectory.id: trajectory for trajectory in run.trajectories}


def _parse(path: Path, content: bytes) -> tuple[Run | None, int]:
    """The run in a file, none where not even the header is whole, and where its last whole line ends."""
    end = content.rfind(b"\n") + 1
    header: Any = None
    trajectories: dict[str, Trajectory] = {}
    for number, line in enumerate(content[:end].split(b"\n")[:-1], start=1):
        try:
            data = json.loads(line)
            if number == 1:
                header = _checked(data)
                continue
            trajectory = Trajectory.from_dict(data)
        except (ValueError, RecursionError) as error:
            raise RunError(f"{path}, line {number}: {_reason(error)}") from None
        if trajectory.id in trajectories:
            raise RunError(f"{path}, line {number}: expected every episode once, got {trajectory.id!r} twice")
        trajectories[trajectory.id] = trajectory
    if header is None:
        return None, 0
    return Run(header["version"], header["settings"], tuple(trajectories.values())), end


def _checked(header: Any) -> Any:
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        found = header.get("format", "none") if isinstance(header, dict) else f"no object but {type(header).__name__}"
        raise RunError(f"expected a header of format {FORMAT!r}, got {found!r}")
    if not isinstance(header.get("version"), str) or not isinstance(header.get("settings"), dict):
        raise RunError("expected a header with version and settings, got one without")
    return header


def _reason(error: Exception) -> str:
    if isinstance(error, RunError):
        return str(error)
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return f"expected JSON, got text that breaks off: {' '.join(str(error).split())[:200]}"


def _version() -> str:
    try:
        return version("medenv-rl")
    except PackageNotFoundError:
        return "0+uninstalled"
