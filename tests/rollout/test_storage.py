from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medenv import run_file
from medenv.errors import RunError
from medenv.personas import Persona
from medenv.rewards import Scoring
from medenv.rollout import Trajectory, TrajectoryFile, read_run, rollout

TEXT = st.text(st.characters(codec=None), max_size=60)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run: its bytes and its trajectories."""
    path = tmp_path_factory.mktemp("whole") / "run.jsonl"
    trajectories = rollout("random", episodes=12, seed=4, out=path)
    return path.read_bytes(), trajectories


class Counted:
    """The random doctor under the id it has, counting the episodes it opens."""

    id = "random"

    def __init__(self):
        from medenv.agents.doctors import doctors

        self.inner, self.opened = doctors.get("random")(), 0

    def act(self, view):
        self.opened += view.turn == 0
        return self.inner.act(view)


def resume(path, doctor="random", **changed):
    return rollout(doctor, **{"episodes": 12, "seed": 4, "out": path, **changed})


def test_the_file_is_header_and_episodes_in_order(whole):
    content, trajectories = whole
    header, *lines = content.decode("ascii").splitlines()
    assert json.loads(header)["format"] == "medenv.rollout/1"
    assert json.loads(header)["settings"]["seed"] == 4
    assert [Trajectory.from_dict(json.loads(line)) for line in lines] == trajectories
    assert lines == [json.dumps(json.loads(line), sort_keys=True) for line in lines]


@pytest.mark.parametrize("concurrency", [1, 3, 64])
def test_the_file_does_not_tell_how_it_came_about(whole, tmp_path, concurrency, chatty):
    assert resume(tmp_path / "a.jsonl", concurrency=concurrency) == whole[1]
    assert (tmp_path / "a.jsonl").read_bytes() == whole[0]
    rollout(chatty(0.0005), episodes=12, out=tmp_path / "b.jsonl", concurrency=concurrency)
    rollout(chatty(), episodes=12, out=tmp_path / "c.jsonl")
    assert (tmp_path / "b.jsonl").read_bytes() == (tmp_path / "c.jsonl").read_bytes()


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_run_torn_at_any_byte_goes_on(whole, tmp_path, data):
    content, trajectories = whole
    header, *lines = content.splitlines(keepends=True)
    shuffled = data.draw(st.permutations(lines))
    mixed = header + b"".join(shuffled)
    cut = data.draw(st.one_of(st.integers(0, len(header)), st.integers(0, len(mixed))))
    path = tmp_path / "torn.jsonl"
    path.write_bytes(mixed[:cut])
    doctor = Counted()
    assert resume(path, doctor) == trajectories
    assert path.read_bytes() == content
    assert doctor.opened == 12 - max(0, mixed[:cut].count(b"\n") - 1)


def test_a_finished_run_is_read_and_not_played_again(whole, tmp_path):
    path = tmp_path / "done.jsonl"
    path.write_bytes(whole[0])
    before = path.stat().st_mtime_ns
    doctor = Counted()
    assert resume(path, doctor) == whole[1]
    assert doctor.opened == 0
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("seed", {"seed": 5}),
        ("episodes", {"episodes": 24}),
        ("group_size", {"group_size": 2}),
        ("doctor", {"doctor": "checklist"}),
        ("persona", {"persona": "anxious"}),
        ("max_turns", {"max_turns": 3}),
        ("scoring", {"normalisation": "m3"}),
        ("scoring", {"scoring": Scoring(turn=1)}),
        ("orders", {"orders": "normal"}),
    ],
)
def test_another_run_is_refused_by_the_name_of_what_differs(whole, tmp_path, name, changed):
    path = tmp_path / "other.jsonl"
    path.write_bytes(whole[0])
    with pytest.raises(RunError, match=rf"with {name} "):
        resume(path, **changed)
    assert path.read_bytes() == whole[0]


def test_other_records_or_personas_under_the_same_ids_are_another_run(tmp_path):
    from medenv.records import load_records

    records = list(load_records())[:2]
    rollout("random", records=records, out=tmp_path / "x.jsonl")
    changed = [dataclasses.replace(records[0], chief_complaint="I do not feel well."), records[1]]
    with pytest.raises(RunError, match="with content "):
        rollout("random", records=changed, out=tmp_path / "x.jsonl")
    with pytest.raises(RunError, match="with content "):
        rollout("random", records=records, persona=Persona(id="neutral", patience=1), out=tmp_path / "x.jsonl")


def test_another_version_is_another_run(whole, tmp_path, monkeypatch):
    path = tmp_path / "old.jsonl"
    path.write_bytes(whole[0])
    monkeypatch.setattr(run_file, "_version", lambda: "99.0")
    with pytest.raises(RunError, match=r"version '99\.0'"):
        resume(path)


@pytest.mark.parametrize(
    "content",
    [
        b"hello",
        b"hello\n",
        b"{}\n",
        b"[]\n",
        b'{"format": "other/1"}\n',
        b'{"format": "medenv.rollout/1"}\n',
        b"\xff\xfe\x00\n",
        b"\n\n",
        b"null\n{}\n",
        b"[" * 100_000 + b"\n",
    ],
)
def test_a_foreign_file_is_left_alone(tmp_path, content):
    path = tmp_path / "foreign.jsonl"
    path.write_bytes(content)
    for act in (resume, read_run):
        with pytest.raises(RunError) as caught:
            act(path)
        assert "\n" not in str(caught.value)
        assert path.read_bytes() == content


def damaged(content: bytes):
    header, first, second, *_ = content.splitlines(keepends=True)
    data = json.loads(first)
    yield header + b"{broken}\n" + second
    yield header + first + first
    yield header + json.dumps({**data, "surprise": 1}).encode() + b"\n"
    yield header + json.dumps({k: v for k, v in data.items() if k != "reward"}).encode() + b"\n"
    yield header + json.dumps({**data, "reward": None}).encode() + b"\n"
    yield header + json.dumps({**data, "turns": {}}).encode() + b"\n"
    yield header + b"\n" + first


def test_a_damaged_line_is_named(whole, tmp_path):
    path = tmp_path / "damaged.jsonl"
    for content in damaged(whole[0]):
        path.write_bytes(content)
        with pytest.raises(RunError, match=r"line \d"):
            resume(path)
        assert path.read_bytes() == content


@pytest.mark.parametrize("path", ["", "\0", "no/such/file.jsonl"])
def test_paths_that_cannot_be_read(path):
    with pytest.raises(RunError):
        read_run(path)


def test_a_path_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "x.jsonl"):
        with pytest.raises(RunError, match="can be written"):
            resume(path)


@pytest.mark.skipif(sys.platform == "win32", reason="no locks there")
def test_two_runs_do_not_write_one_file(tmp_path):
    with TrajectoryFile(tmp_path / "x.jsonl", {}), pytest.raises(RunError, match="another run"):
        TrajectoryFile(tmp_path / "x.jsonl", {})
    TrajectoryFile(tmp_path / "x.jsonl", {}).__exit__(None, None, None)


@given(words=TEXT, reason=TEXT)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_survives(whole, tmp_path, words, reason):
    spoken = dataclasses.replace(
        whole[1][0],
        id=words,
        messages=({"role": "user", "content": words},),
        failure={"kind": "patient", "reason": reason},
        reward=None,
        score=None,
    )
    path = tmp_path / "text.jsonl"
    path.unlink(missing_ok=True)
    with TrajectoryFile(path, {"note": words}) as file:
        file.append(spoken)
    run = read_run(path)
    assert run.settings == {"note": words}
    assert run.trajectories == (spoken,)


KILLED = """
import sys, time
from medenv.agents.doctors import doctors
from medenv.rollout import rollout

class Slow:
    id = "random"
    inner = doctors.get("random")()
    def act(self, view):
        time.sleep(0.004)
        return self.inner.act(view)

rollout(Slow(), episodes=60, seed=9, concurrency=int(sys.argv[2]), out=sys.argv[1])
"""


@pytest.mark.parametrize("concurrency", [1, 16])
def test_kill_9_and_resume(tmp_path, concurrency):
    expected = rollout("random", episodes=60, seed=9, out=tmp_path / "expected.jsonl")
    path = tmp_path / "killed.jsonl"
    kills = 0
    for lines in (3, 10, 25):
        command = [sys.executable, "-c", KILLED, str(path), str(concurrency)]
        process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if path.exists() and path.read_bytes().count(b"\n") > lines:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.002)
        kills += process.wait() == -signal.SIGKILL
        kept = path.read_bytes()
        kept = kept[: kept.rfind(b"\n") + 1]
        finished = read_run(path).trajectories
        assert len(finished) >= lines
        assert len({trajectory.id for trajectory in finished}) == len(finished)
    assert kills >= 2
    doctor = Counted()
    assert rollout(doctor, episodes=60, seed=9, out=path) == expected
    assert doctor.opened == 60 - len(finished)
    assert path.read_bytes() == (tmp_path / "expected.jsonl").read_bytes()
    assert [entry for entry in Path(tmp_path).iterdir() if entry.suffix == ".part"] == []
    assert set(kept.splitlines()) <= set(path.read_bytes().splitlines())
