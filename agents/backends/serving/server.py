"""A vLLM server that is started, watched, started again when it dies, and ended with all its processes."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from medenv.errors import BackendError

from .installation import Installation, find_installation

__all__ = ["Server"]

DEATHS = 3
WITHIN_SECONDS = 600.0
"""A server that dies `DEATHS` times within this time is not started again."""
PAUSE_SECONDS = 2.0
"""Before it is started again."""
LEAVE_SECONDS = 15.0
"""How long it may take to end after SIGTERM, before SIGKILL."""
POLL_SECONDS = 0.2
TAIL = 20
"""Lines of the log that go with an error."""
KEEPER = Path(__file__).with_name("keeper.py")
HUB_ID = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


class Server:
    """A vLLM server on this machine, from `start` (or `with`) to `stop`.

    A server that dies after it was healthy is started again, on the same port. Nothing of it outlives this process,
    however this process ends.

    Args:
        model: A folder or a hub id.
        host: The address it listens on.
        port: The port it listens on; 0 takes one that is free.
        name: What requests call the model; without it, the name of the folder, or the hub id.
        max_model_len: The most tokens of prompt and reply together; without it, what the model takes.
        python: The interpreter that has vLLM; without it, as `find_installation` finds it.
        extra: Further arguments of vLLM.
        log: The file that what vLLM prints is added to; without it, a temporary one, deleted when all went well.
        startup_seconds: How long the server may take to become healthy.
        tell: Called with a line on what happened: that the server died, say.

    Raises:
        BackendError: The model is neither a folder nor a hub id.
        MissingExtraError: There is no vLLM.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        name: str | None = None,
        max_model_len: int | None = None,
        python: str | Path | None = None,
        extra: Sequence[str] = (),
        log: Path | None = None,
        startup_seconds: float = 600.0,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        folder = Path(model).expanduser()
        if not (str(model) and folder.is_dir()) and not HUB_ID.fullmatch(str(model)):
            raise BackendError(f"expected the folder or the hub id of a model, got {model}", kind="refused")
        self.installation: Installation = find_installation(python)
        self.model = str(folder.resolve()) if folder.is_dir() else str(model)
        self.name = name or (Path(self.model).name if folder.is_dir() else self.model)
        self.host = host
        self.port = port
        self.log = log
        self.failure: BackendError | None = None
        self._discard_log = log is None
        self._max_model_len = max_model_len
        self._extra = tuple(extra)
        self._startup_seconds = startup_seconds
        self._tell = tell or (lambda line: None)
        self._running: subprocess.Popen[str] | None = None
        self._group = 0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._over = threading.Event()
        self._watcher: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where clients on this machine reach it."""
        host = _reachable(self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def pid(self) -> int:
        """The process that answers at the port at present; another one after the server died."""
        return self._group

    def start(self) -> None:
        """Starts the server and waits until it is healthy.

        Raises:
            BackendError: The port is in use, the log cannot be written, or the server did not become healthy; a note
                then has the end of its log.
        """
        self.port = _free_port(self.host, self.port)
        if self.log is None:
            handle, path = tempfile.mkstemp(prefix="medenv-serve-", suffix=".log")
            os.close(handle)
            self.log = Path(path)
        try:
            self.log.touch()
        except OSError as error:
            raise BackendError(
                f"expected a log that can be written, got {self.log} ({error.strerror})", kind="refused"
            ) from None
        try:
            reason = self._launch()
        except BaseException:
            self.stop()
            raise
        if reason is not None:
            self._discard_log = False
            self.failure = self._error(f"expected a healthy server, got {reason}")
            self.stop()
            raise self.failure
        self._watcher = threading.Thread(target=self._watch, name="medenv-serve", daemon=True)
        self._watcher.start()

    def wait(self) -> None:
        """Waits until the server is stopped, or given up.

        Raises:
            BackendError: It died too often.
        """
        self._over.wait()
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        """Ends every process of the server; the server cannot be started again."""
        self._stopping.set()
        with self._lock:
            self._end()
        if self._watcher is not None:
            self._watcher.join()
        self._over.set()
        if self._discard_log and self.log is not None:
            self.log.unlink(missing_ok=True)

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _launch(self) -> str | None:
        """Starts the process and waits for its health; returns what went wrong, if anything did."""
        assert self.log is not None
        command = self.installation.command(
            self.model,
            host=self.host,
            port=self.port,
            name=self.name,
            max_model_len=self._max_model_len,
            extra=self._extra,
        )
        deadline = time.monotonic() + self._startup_seconds
        with self._lock, self.log.open("ab") as log:
            if self._stopping.is_set():
                return "a stop"
            self._running = running = subprocess.Popen(
                [sys.executable, "-I", str(KEEPER), str(LEAVE_SECONDS), *command],
                env=self.installation.environment(self.model, os.environ),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                text=True,
            )
            assert running.stdout is not None
            with running.stdout as told:
                self._group = int(told.readline() or 0)
        while time.monotonic() < deadline:
            if running.poll() is not None:
                return f"its end ({self._buried(running)})"
            if _healthy(_reachable(self.host), self.port):
                return None
            if self._stopping.wait(POLL_SECONDS):
                return "a stop"
        with self._lock:
            self._end()
        return f"none in {self._startup_seconds:g} s"

    def _end(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            self._buried(running)

    def _buried(self, running: subprocess.Popen[str]) -> str:
        """Ends what of a server still runs; returns how it ended."""
        assert running.stdin is not None
        running.stdin.close()  # at which the keeper ends the server
        status = running.wait()
        if status < 0 and self._group:  # the keeper itself was killed
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._group, signal.SIGKILL)
        ended_by = -status if status < 0 else status - 128
        return f"signal {ended_by}" if ended_by > 0 else f"status {status}"

    def _watch(self) -> None:
        deaths: deque[float] = deque(maxlen=DEATHS)
        running = self._running
        while running is not None:
            running.wait()
            reason: str | None = self._buried(running)
            while reason is not None:
                if self._stopping.is_set():
                    return
                self._discard_log = False
                deaths.append(time.monotonic())
                if len(deaths) == DEATHS and deaths[-1] - deaths[0] < WITHIN_SECONDS:
                    self.failure = self._error(
                        f"expected a server that lives, got {DEATHS} deaths within {WITHIN_SECONDS / 60:g} minutes"
                    )
                    self._over.set()
                    return
                self._tell(f"the server died ({reason}) and is started again; log: {self.log}")
                if self._stopping.wait(PAUSE_SECONDS):
                    return
                try:
                    reason = self._launch()
                except OSError as error:
                    reason = str(error)
            self._tell(f"the server is healthy again at {self.url}")
            running = self._running

    def _error(self, message: str) -> BackendError:
        assert self.log is not None
        lines = [line for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        last = f"; its last words: {lines[-1].strip()[:200]}" if lines else ""
        error = BackendError(f"{message}; log: {self.log}{last}", kind="unreachable")
        error.add_note("\n".join(lines[-TAIL:]))
        return error


def _free_port(host: str, port: int) -> int:
    """The port, or a free one for 0."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
            return int(trial.getsockname()[1])
    except OSError as taken:
        raise BackendError(
            f"expected a free port at {host}, got {port} ({taken.strerror}); port 0 takes a free one", kind="refused"
        ) from None


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def _healthy(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=5.0)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
