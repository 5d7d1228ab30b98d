"""The file of a run: JSON lines that outlive the process that writes them.

The first line is the header: the format, the version of medenv, and the settings of the run. Each further line is one
item. While a run goes on they stand in the order in which they came; once it is complete, in the order of the plan.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Generic, TypeVar

from medenv.errors import RunError

__all__ = ["Content", "Format", "RunFile", "read_run_file"]

SYNC_SECONDS = 1.0
"""Lines reach the operating system at once, and the disk at least this often."""

T = TypeVar("T")
F = TypeVar("F", bound="RunFile[Any]")


@dataclass(frozen=True, slots=True)
class Format(Generic[T]):
    """What the items of a file are."""

    name: str
    """What the header calls it, with its version, such as "medenv.rollout/1"."""
    noun: str
    """What messages call one item, such as "trajectory"."""
    key: Callable[[T], Hashable]
    """What tells the items of a run apart."""
    to_json: Callable[[T], str]
    """An item as one line."""
    from_data: Callable[[Any], T]
    """The item that a line holds; raises `RunError`."""


@dataclass(frozen=True, slots=True)
class Content(Generic[T]):
    """What a file of a run holds."""

    version: str
    """The version of medenv that wrote it."""
    settings: Mapping[str, Any]
    items: tuple[T, ...]


def read_run_file(format: Format[T], path: str | os.PathLike[str]) -> Content[T]:
    """Reads the file of a run, finished or not; a last line that was torn off is left out.

    Raises:
        RunError: The file cannot be read or is of another format; the message names the line.
    """
    try:
        text = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise RunError(f"expected a {format.noun} file, got {str(path)!r}: {_reason(error)}") from None
    content, _ = _parse(format, Path(path), text)
    if content is None:
        raise RunError(f"{path}: expected a {format.noun} file, got one without a header")
    return content


class RunFile(Generic[T]):
    """A file that one run writes to. A context manager; opened again, it goes on where it stopped.

    Args:
        format: What its items are.
        path: The file; it and its folders are made where they are missing.
        settings: The settings of the run.

    Raises:
        RunError: The file belongs to another run (the message names the setting that differs), is of another format,
            or is being written by another process.
    """

    def __init__(self, format: Format[T], path: str | os.PathLike[str], settings: Mapping[str, Any]) -> None:
        self.format = format
        self.path = Path(path)
        self._version, self._settings = _version(), dict(settings)
        header = {"format": format.name, "version": self._version, "settings": self._settings}
        self._first = (json.dumps(header, sort_keys=True, ensure_ascii=True) + "\n").encode()
        self._written: list[Hashable] = []
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

    def append(self, item: T) -> None:
        """Adds an item."""
        self._file.write(self.format.to_json(item).encode() + b"\n")
        self._file.flush()
        self._written.append(self.format.key(item))
        if time.monotonic() - self._synced >= SYNC_SECONDS:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()

    def complete(self, items: Iterable[T]) -> None:
        """Puts all items in order, in one atomic step: the file is never there by half."""
        items = list(items)
        if self._written == [self.format.key(item) for item in items]:
            return
        part = self.path.with_name(self.path.name + ".part")
        with open(part, "wb") as file:
            file.write(self._first)
            for item in items:
                file.write(self.format.to_json(item).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._file.close()  # not every system replaces a file that is open
        os.replace(part, self.path)

    def __enter__(self: F) -> F:
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

    def _resume(self) -> dict[Hashable, T]:
        self._file.seek(0)
        text = self._file.read()
        if self._first.startswith(text):  # nothing yet, or a header that was torn off
            self._file.truncate(0)
            self._file.write(self._first)
            self._file.flush()
            return {}
        content, end = _parse(self.format, self.path, text)
        if content is None:
            raise RunError(f"{self.path}: expected a {self.format.noun} file or none, got a file without a header")
        asked = {"version": self._version, **self._settings}
        held = {"version": content.version, **content.settings}
        for name in sorted(asked.keys() | held.keys(), key=lambda name: (name == "content", name)):
            wanted, found = asked.get(name), held.get(name)
            if wanted != found:
                raise RunError(f"{self.path}: expected the same run, with {name} {wanted!r}; got {name} {found!r}")
        if end < len(text):
            self._file.truncate(end)
        finished = {self.format.key(item): item for item in content.items}
        self._written = list(finished)
        return finished


def _parse(format: Format[T], path: Path, text: bytes) -> tuple[Content[T] | None, int]:
    """What is in a file, none where not even the header is whole, and where its last whole line ends."""
    end = text.rfind(b"\n") + 1
    header: Any = None
    items: dict[Hashable, T] = {}
    for number, line in enumerate(text[:end].split(b"\n")[:-1], start=1):
        try:
            data = json.loads(line)
            if number == 1:
                header = _checked(format, data)
                continue
            item = format.from_data(data)
        except (ValueError, RecursionError) as error:
            raise RunError(f"{path}, line {number}: {_reason(error)}") from None
        key = format.key(item)
        if key in items:
            raise RunError(f"{path}, line {number}: expected every {format.noun} once, got {key!r} twice")
        items[key] = item
    if header is None:
        return None, 0
    return Content(header["version"], header["settings"], tuple(items.values())), end


def _checked(format: Format[Any], header: Any) -> Any:
    if not isinstance(header, dict) or header.get("format") != format.name:
        found = header.get("format", "none") if isinstance(header, dict) else f"no object but {type(header).__name__}"
        raise RunError(f"expected a header of format {format.name!r}, got {found!r}")
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
