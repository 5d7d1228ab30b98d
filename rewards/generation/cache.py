"""The cache of rubrics: what was asked for with the same content gets the same rubric, however many ask.

A model may answer the same question differently each time, so a group of rollouts that asked it several times would be
graded by several rubrics. Whoever asks first has the rubric made, and all others wait for that one.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from medenv.errors import RubricError
from medenv.records.record import Record, record_to_dict

from ..rubric import Rubric, rubric_from_dict, rubric_to_dict
from .slices import Slice

__all__ = ["RubricCache", "key_of"]

VERSION = 1
"""Of what stands in a key; another one makes all rubrics anew."""
REMEMBERED = 4096


def key_of(generator: str, record: Record, dialogue: Slice | None) -> str:
    """The key of a rubric: a hash of everything that it depends on.

    Args:
        generator: The id of the generator, which names its prompts, settings and backend.
        record: The record, truth included.
        dialogue: The slice of dialogue; None for the whole consultation.
    """
    cut = None
    if dialogue is not None:
        cut = {
            "messages": [asdict(message) for message in dialogue.messages],
            "told": sorted(dialogue.told),
            "ordered": sorted(dialogue.ordered),
        }
    plain = {"version": VERSION, "generator": generator, "record": record_to_dict(record), "dialogue": cut}
    # Text from outside may hold lone surrogates, which only this way have bytes.
    return hashlib.sha256(json.dumps(plain, sort_keys=True, default=dict).encode("ascii")).hexdigest()


@dataclass(slots=True, eq=False)
class _Making:
    """A rubric that is being made, in the event loop of whoever asked first."""

    loop: asyncio.AbstractEventLoop
    made: Future[Rubric]
    task: asyncio.Task[None] | None = None


class RubricCache:
    """Rubrics by key, in memory and, with a folder, on disk as well.

    It may be used from several event loops and threads, and a folder by several processes: the first rubric on disk
    stays, and who made another in the meantime takes that one. A rubric that could not be made is not remembered; all
    who waited for it get the same error.

    Args:
        folder: Where rubrics are kept, one file each; None keeps them in memory alone.
        size: How many are kept in memory, at least 1; those used longest ago go first.

    Raises:
        RubricError: `size` is below 1, or the folder cannot be made.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None, *, size: int = REMEMBERED) -> None:
        if size < 1:
            raise RubricError(f"expected a size of at least 1, got {size}")
        self.folder = None if folder is None else Path(folder)
        self.size = size
        self._made: OrderedDict[str, Rubric] = OrderedDict()
        self._making: dict[str, _Making] = {}
        self._lock = threading.Lock()
        if self.folder is not None:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise RubricError(f"expected a folder for rubrics, got {str(folder)!r}: {error.strerror}") from None

    async def get(self, key: str, make: Callable[[], Awaitable[Rubric]]) -> Rubric:
        """The rubric of a key, made by `make` if there is none.

        It is made in a task of its own, which goes on where its first asker is cancelled.

        Raises:
            Exception: Whatever `make` raises.
        """
        loop = asyncio.get_running_loop()
        while True:
            with self._lock:
                if key in self._made:
                    self._made.move_to_end(key)
                    return self._made[key]
                making = self._making.get(key)
                if making is not None and _stands_still(making.loop):
                    making.made.cancel()
                    making = None
                if making is None:
                    making = self._making[key] = _Making(loop, Future())
                    making.task = loop.create_task(self._make(key, making, make))
            await _done(making.made, loop)
            if not making.made.cancelled():
                return making.made.result()

    async def _make(self, key: str, making: _Making, make: Callable[[], Awaitable[Rubric]]) -> None:
        try:
            rubric = self._read(key)
            if rubric is None:
                rubric = self._written(key, await make())
        except asyncio.CancelledError:
            self._settle(key, making)
            raise
        except Exception as error:
            self._settle(key, making, error=error)
        else:
            self._settle(key, making, rubric)

    def _settle(self, key: str, making: _Making, rubric: Rubric | None = None, error: Exception | None = None) -> None:
        with self._lock:
            if self._making.get(key) is not making:
                return  # Somebody took over while this loop stood still.
            del self._making[key]
            if rubric is not None:
                self._made[key] = rubric
                if len(self._made) > self.size:
                    self._made.popitem(last=False)
        if rubric is not None:
            making.made.set_result(rubric)
        elif error is not None:
            making.made.set_exception(error)
        else:
            making.made.cancel()

    def _path(self, key: str) -> Path | None:
        return None if self.folder is None else self.folder / key[:2] / f"{key}.json"

    def _read(self, key: str) -> Rubric | None:
        """The rubric on disk; None where there is none, or a file that is not whole."""
        path = self._path(key)
        try:
            if path is None:
                return None
            data = json.loads(path.read_bytes())
            rubric = rubric_from_dict(data["rubric"])
            return rubric if data["key"] == key and data["digest"] == rubric.digest else None
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return None

    def _written(self, key: str, rubric: Rubric) -> Rubric:
        """Writes a rubric unless there is one by now; the one that is on disk afterwards."""
        path = self._path(key)
        if path is None:
            return rubric
        path.parent.mkdir(exist_ok=True)
        data = {"key": key, "digest": rubric.digest, "rubric": rubric_to_dict(rubric)}
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                json.dump(data, file, indent=1)
            try:
                os.link(name, path)
            except OSError:  # There is one already, or the file system has no links.
                if (other := self._read(key)) is not None:
                    return other
                os.replace(name, path)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(name)
        return rubric


def _stands_still(loop: asyncio.AbstractEventLoop) -> bool:
    return loop.is_closed() or not loop.is_running()


async def _done(made: Future[Rubric], loop: asyncio.AbstractEventLoop) -> None:
    """Waits for what another event loop may be making, and leaves it alone where the wait is cancelled."""
    waiter = loop.create_future()

    def wake() -> None:
        if not waiter.done():
            waiter.set_result(None)

    def call(_: Future[Rubric]) -> None:
        with suppress(RuntimeError):  # The loop of the one who waited is closed.
            loop.call_soon_threadsafe(wake)

    made.add_done_callback(call)
    await waiter
