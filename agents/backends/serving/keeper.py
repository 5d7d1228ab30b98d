"""Runs one command and lets nothing of it outlive the process that asked for it.

Run as a program, with a pipe as standard input whose other end one process holds: when that end closes, be it because
its owner was killed, the command and all it started is ended. It imports nothing of medenv, so that it starts at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

__all__ = ["keep"]

PR_SET_CHILD_SUBREAPER = 36
KILLED_SECONDS = 2.0
"""How long the system may take to end what was killed."""


def keep(command: Sequence[str], leave_seconds: float) -> int:
    """Runs a command to its end, or to that of standard input; prints its process id, which is also its group's.

    Args:
        command: The program and its arguments.
        leave_seconds: How long the command and what it started may take to end after SIGTERM, before SIGKILL.

    Returns:
        The exit status of the command, as a shell tells it: of one that a signal ended, 128 more than the signal.
    """
    if sys.platform == "linux":  # what the command leaves behind becomes a child of this process, which can see it end
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True)
    print(child.pid, flush=True)
    while child.poll() is None and not select.select([sys.stdin], [], [], 0.1)[0]:
        pass
    _signal(child.pid, signal.SIGTERM)
    _wait(child, leave_seconds)
    _signal(child.pid, signal.SIGKILL)
    _wait(child, KILLED_SECONDS)
    status = child.wait()
    return status if status >= 0 else 128 - status


def _wait(child: subprocess.Popen[bytes], seconds: float) -> None:
    """Waits until the child and its whole group have ended, or for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if child.poll() is not None:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(-child.pid, os.WNOHANG)
            if not _signal(child.pid, 0):
                return
        time.sleep(0.02)


def _signal(group: int, number: int) -> bool:
    """Signals a process group; returns whether there is one."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # the latter, on macOS, of one that only waits to be reaped
        return False
    return True


if __name__ == "__main__":
    sys.exit(keep(sys.argv[2:], float(sys.argv[1])))
