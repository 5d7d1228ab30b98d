from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medenv.agents.backends.scripted import ScriptedBackend
from medenv.errors import BackendError, JudgeError, MedenvError, RunError, SeatError, UnknownIdError
from medenv.rewards import Verdict
from medenv.rewards.healthbench import (
    ModelResponder,
    Result,
    arun_healthbench,
    load_examples,
    make_responder,
    part_of,
    run_healthbench,
    summarise,
)
from medenv.rewards.healthbench.results import FORMAT
from medenv.run_file import RunFile


class CoinJudge:
    """Verdicts that follow from the words of the response and the criterion; keeps what it was asked."""

    id = "coin"

    def __init__(self, change=lambda verdicts: verdicts):
        self.asked = []
        self.change = change

    async def verdicts(self, criteria, messages, *, language="en"):
        self.asked.append((tuple(criteria), tuple(messages), language))
        found = []
        for criterion in criteria:
            words = json.dumps([messages[-1].content, criterion.text])
            found.append(Verdict(criterion.id, hashlib.sha256(words.encode()).digest()[0] < 128, "a coin"))
        return self.change(found)


class Echo:
    """Responds with the seed it got; keeps what it was asked."""

    id = "echo"

    def __init__(self):
        self.asked = []

    def respond(self, example, repeat, seed):
        self.asked.append((example.prompt_id, repeat))
        return f"{example.prompt_id} {repeat} {seed}"


@pytest.fixture
def examples(load, row):
    return load([row(f"p{n}", points=(5, -3, 2)) for n in range(6)])


def test_every_example_is_responded_to_and_judged(examples):
    judge, echo = CoinJudge(), Echo()
    report = run_healthbench(examples, echo, judge, n_repeats=2, language="zh")
    assert [result.key for result in report.results] == [(f"p{n}", repeat) for repeat in range(2) for n in range(6)]
    assert (report.examples, report.responses, report.valid, report.invalid) == (6, 12, 12, {})
    assert len({result.response for result in report.results}) == 12
    criteria, messages, language = judge.asked[0]
    assert [(c.id, c.points, c.scope) for c in criteria] == [
        ("1", 5, "response"),
        ("2", -3, "response"),
        ("3", 2, "response"),
    ]
    assert [(m.role, m.content) for m in messages] == [
        ("user", "What about p0?"),
        ("assistant", report.results[0].response),
    ]
    assert language == "zh"
    assert report == summarise(examples, report.results)
    assert list(report.worst_at_k) == [1, 2]


def test_what_is_asked_depends_on_the_seed_and_not_on_the_order(examples):
    class Restless(Echo):
        async def respond(self, example, repeat, seed):
            await asyncio.sleep(int(example.prompt_id[1]) % 3 * 0.002)
            return super().respond(example, repeat, seed)

    reports = [
        run_healthbench(examples, responder(), CoinJudge(), n_repeats=3, concurrency=concurrency)
        for responder, concurrency in ((Echo, 1), (Restless, 4), (Restless, 64))
    ]
    assert reports[0] == reports[1] == reports[2]
    other = run_healthbench(examples, Echo(), CoinJudge(), n_repeats=3, seed=1)
    assert not {r.response for r in other.results} & {r.response for r in reports[0].results}


def test_no_more_than_concurrency_at_the_same_time(examples):
    class Counting:
        id, now, most = "counting", 0, 0

        async def respond(self, example, repeat, seed):
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(0.001)
            self.now -= 1
            return "x"

    counting = Counting()
    run_healthbench(examples, counting, CoinJudge(), concurrency=4, n_repeats=3)
    assert counting.most == 4


def test_a_model_is_given_the_conversation_as_it_stands(load, row):
    prompt = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello, what is it?"},
        {"role": "user", "content": "A cough."},
    ]
    asked = []

    def model(request):
        asked.append(request)
        return "Since when?"

    (example,) = load([row(prompt=prompt)])
    run_healthbench([example], ScriptedBackend(model), CoinJudge(), n_repeats=2)
    assert [[(m.role, m.content) for m in request.messages] for request in asked] == [
        [(m["role"], m["content"]) for m in prompt]
    ] * 2
    assert asked[0].seed != asked[1].seed
    assert asked[0].conversation == asked[1].conversation
    assert (asked[0].temperature, asked[0].max_tokens) == (0.5, 2048)
    asked.clear()
    run_healthbench([example], ModelResponder(ScriptedBackend(model), temperature=0, max_tokens=9), CoinJudge())
    assert (asked[0].temperature, asked[0].max_tokens) == (0, 9)


def test_another_model_is_another_responder():
    backend = ScriptedBackend([])
    ids = {
        ModelResponder(backend).id,
        ModelResponder(backend, temperature=0).id,
        ModelResponder(backend, max_tokens=9).id,
    }
    backend.model = "small"
    ids.add(ModelResponder(backend).id)
    assert len(ids) == 4


def test_a_doctor_sits_in_at_its_turn(load, row):
    views = []

    class Doctor:
        def act(self, view):
            views.append(view)
            return f"Turn {view.turn}."

    talk = [{"role": role, "content": "x"} for role in ("user", "assistant", "user")]
    report = run_healthbench(load([row(prompt=talk)]), Doctor(), CoinJudge())
    assert report.results[0].response == "Turn 1."
    assert (views[0].turn, views[0].max_turns, len(views[0].messages)) == (1, 2, 3)


def test_doctors_by_id(examples):
    report = run_healthbench(examples, "random", CoinJudge())
    assert report.valid == 6
    assert report == run_healthbench(examples, "random", CoinJudge())


def completions(ideal, group="Group 2", references=()):
    return {
        "ideal_completion": ideal,
        "ideal_completions_group": group,
        "ideal_completions_ref_completions": list(references),
    }


def test_ideal_and_reference_completions(load, row):
    examples = load(
        [
            row("a", ideal_completions_data=completions("ideal a", references=["a1", "a2"])),
            row("b"),
            row("c", ideal_completions_data=completions("ideal c", references=["c1", "c2"])),
        ]
    )
    ideal = run_healthbench(examples, "ideal", CoinJudge())
    assert [result.response for result in ideal.results] == ["ideal a", "ideal c"]
    assert (ideal.examples, ideal.responses) == (2, 2)
    reference = run_healthbench(examples, "reference", CoinJudge())
    assert [result.response for result in reference.results] == ["a1", "a2", "c1", "c2"]
    assert (reference.examples, reference.responses) == (2, 4)
    with pytest.raises(RunError, match="expected n_repeats 1"):
        run_healthbench(examples, "ideal", CoinJudge(), n_repeats=2)
    with pytest.raises(RunError, match="at least one example with reference completions"):
        run_healthbench(examples[1:2], "reference", CoinJudge())


def failing(error):
    class Failing:
        id = "failing"

        def respond(self, example, repeat, seed):
            if example.prompt_id == "p1":
                raise error
            return "x"

    return Failing()


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (BackendError("expected a reply,\ngot none", "timeout"), "backend", "BackendError: expected a reply, got none"),
        (ValueError("no idea"), "doctor", "ValueError: no idea"),
    ],
)
def test_a_responder_that_fails_is_counted_and_in_no_number(examples, error, kind, reason):
    judge = CoinJudge()
    report = run_healthbench(examples, failing(error), judge)
    assert (report.responses, report.valid, report.invalid) == (6, 5, {kind: 1})
    failed = report.results[1]
    assert (failed.response, failed.verdicts, failed.failure) == (None, (), {"kind": kind, "reason": reason})
    others = [example for example in examples if example.prompt_id != "p1"]
    assert report.metrics == run_healthbench(others, failing(error), CoinJudge()).metrics
    assert len(judge.asked) == 5


@pytest.mark.parametrize("said", [None, 3, b"bytes"])
def test_a_response_that_is_no_text_is_a_failure(examples, said):
    class Odd:
        def act(self, view):
            return said

    assert run_healthbench(examples, Odd(), CoinJudge()).invalid == {"doctor": 6}


def test_an_empty_response_is_a_response(examples):
    report = run_healthbench(examples, ScriptedBackend(lambda request: ""), CoinJudge())
    assert (report.valid, report.results[0].response) == (6, "")


def raising(verdicts):
    raise JudgeError("gone")


@pytest.mark.parametrize(
    "change",
    [
        raising,
        lambda verdicts: verdicts[:-1],
        lambda verdicts: [*verdicts, verdicts[0]],
        lambda verdicts: [*verdicts[:-1], verdicts[0]],
        lambda verdicts: [*verdicts[:-1], Verdict("9", True)],
        lambda verdicts: [*verdicts[:-1], Verdict(verdicts[-1].criterion, None, "unsure")],
        lambda verdicts: None,
        lambda verdicts: [3],
    ],
)
def test_a_judge_that_fails_never_makes_a_score(examples, change):
    report = run_healthbench(examples, Echo(), CoinJudge(change))
    assert (report.valid, report.invalid, report.score, report.metrics) == (0, {"judge": 6}, None, {})
    assert all(result.response and not result.verdicts for result in report.results)


def test_verdicts_in_another_order_are_put_right(examples):
    turned = run_healthbench(examples, Echo(), CoinJudge(lambda verdicts: verdicts[::-1]))
    assert turned == run_healthbench(examples, Echo(), CoinJudge())


def test_a_judge_that_dies_in_the_middle(examples):
    class Dying(CoinJudge):
        async def verdicts(self, criteria, messages, *, language="en"):
            if len(self.asked) >= 3:
                raise BackendError("expected a reply, got a connection refused", "unreachable")
            return await super().verdicts(criteria, messages, language=language)

    report = run_healthbench(examples, Echo(), Dying(), concurrency=1)
    assert (report.valid, report.invalid) == (3, {"judge": 3})
    assert report.metrics == run_healthbench(examples[:3], Echo(), CoinJudge()).metrics


def test_the_language_model_judge_of_medenv(examples):
    from medenv.rewards.judging import LanguageModelJudge

    def model(request):
        words = request.messages[-1].content
        if "p3 criterion 2" in words:
            return "I would rather not say."
        (key,) = request.schema["properties"]
        return json.dumps({key: key == "met" and "criterion 1" in words})

    judge = LanguageModelJudge(ScriptedBackend(model))
    report = run_healthbench(examples, ScriptedBackend(lambda request: "Rest."), judge)
    assert (report.valid, report.invalid) == (5, {"judge": 1})
    assert report.results[3].failure["reason"].startswith("JudgeError: expected a verdict on criterion '2', got none")
    assert report.score == 5 / 7
    assert report.results[0].met == {"1": True, "2": False, "3": False}


def test_an_example_without_positive_points_is_not_judged(load, row):
    judge = CoinJudge()
    report = run_healthbench(load([row("p"), row("q", points=(-1, -2))]), Echo(), judge)
    assert (report.valid, report.unscored, len(judge.asked)) == (2, 1, 1)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"n_repeats": 0}, "n_repeats 0"),
        ({"concurrency": 0}, "concurrency 0"),
        ({"seed": -1}, "got -1"),
        ({"seed": 2**32}, "below"),
    ],
)
def test_numbers_out_of_range(examples, changed, said):
    with pytest.raises(RunError, match=said):
        run_healthbench(examples, Echo(), CoinJudge(), **changed)


def test_what_is_no_responder_or_judge(examples):
    with pytest.raises(UnknownIdError, match="registered responder, got 'vllm'; did you mean 'vllm-server'"):
        make_responder("vllm")
    for nothing in (3, None, Echo, "oracle"):
        with pytest.raises(SeatError, match="expected a responder"):
            make_responder(nothing)
    for nothing in ("rule", CoinJudge, None, Echo()):
        with pytest.raises(JudgeError, match="expected a judge that gives verdicts on messages"):
            run_healthbench(examples, Echo(), nothing)
    with pytest.raises(UnknownIdError):
        run_healthbench(examples, Echo(), "nobody")
    with pytest.raises(MedenvError):
        ModelResponder(ScriptedBackend([]), max_tokens=0)
    with pytest.raises(RunError, match="every prompt_id once"):
        run_healthbench([*examples, examples[0]], Echo(), CoinJudge())
    with pytest.raises(RunError, match="at least one example, got none"):
        run_healthbench([], Echo(), CoinJudge())


def test_connections_are_let_go_of_even_where_the_run_ends_early(examples):
    closed = []

    class Closing(CoinJudge):
        async def aclose(self):
            closed.append("judge")

    class Backend(ScriptedBackend):
        async def aclose(self):
            closed.append("backend")

    run_healthbench(examples, Backend(lambda request: "x"), Closing())
    assert sorted(closed) == ["backend", "judge"]

    def stop(finished, total):
        if finished == 2:
            raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        run_healthbench(examples, Backend(lambda request: "x"), Closing(), progress=stop)
    assert sorted(closed) == ["backend", "backend", "judge", "judge"]


def test_it_runs_where_a_loop_runs(examples):
    expected = run_healthbench(examples, Echo(), CoinJudge())

    async def inside():
        there = run_healthbench(examples, Echo(), CoinJudge())
        return there, await arun_healthbench(examples, Echo(), CoinJudge())

    assert asyncio.run(inside()) == (expected, expected)


def test_progress_is_told(examples, tmp_path):
    told = []
    for _ in range(2):
        run_healthbench(
            examples, Echo(), CoinJudge(), out=tmp_path / "run.jsonl", progress=lambda *now: told.append(now)
        )
    assert told == [(n, 6) for n in range(7)] + [(6, 6)]


def test_the_file_is_header_and_results_in_order(examples, tmp_path):
    path = tmp_path / "deep" / "run.jsonl"
    report = run_healthbench(examples, Echo(), CoinJudge(), n_repeats=2, out=path, seed=3)
    header, *lines = map(json.loads, path.read_text("ascii").splitlines())
    assert header["format"] == "medenv.healthbench/1"
    assert {"responder": "echo", "judge": "coin", "seed": 3, "n_repeats": 2, "examples": 6}.items() <= header[
        "settings"
    ].items()
    assert tuple(Result.from_dict(line) for line in lines) == report.results


@pytest.mark.parametrize(
    ("name", "changed"),
    [("seed", {"seed": 1}), ("n_repeats", {"n_repeats": 2}), ("language", {"language": "zh"})],
)
def test_another_run_is_refused_by_the_name_of_what_differs(examples, tmp_path, name, changed):
    path = tmp_path / "run.jsonl"
    run_healthbench(examples, Echo(), CoinJudge(), out=path)
    before = path.read_bytes()
    with pytest.raises(RunError, match=rf"run\.jsonl.*: expected the same run, with {name} "):
        run_healthbench(examples, Echo(), CoinJudge(), out=path, **changed)
    assert path.read_bytes() == before


def test_other_examples_responders_or_judges_are_another_run(examples, tmp_path):
    path = tmp_path / "run.jsonl"
    run_healthbench(examples, Echo(), CoinJudge(), out=path)
    named = Echo()
    named.id = "other"
    with pytest.raises(RunError, match="with responder 'other'; got responder 'echo'"):
        run_healthbench(examples, named, CoinJudge(), out=path)
    judge = CoinJudge()
    judge.id = "other"
    with pytest.raises(RunError, match="with judge "):
        run_healthbench(examples, Echo(), judge, out=path)
    with pytest.raises(RunError, match="with content "):
        run_healthbench(examples[::-1], Echo(), CoinJudge(), out=path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no results", "without a header"),
        (b"no results\n", "line 1: expected JSON"),
        (b"[]\n", "line 1: expected a header"),
        (b'{"format": "medenv.rollout/1"}\n', "line 1: expected a header"),
    ],
)
def test_files_that_hold_something_else_are_left_alone(examples, tmp_path, content, said):
    path = tmp_path / "run.jsonl"
    path.write_bytes(content)
    with pytest.raises(RunError, match=said):
        run_healthbench(examples, Echo(), CoinJudge(), out=path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("line", [b"3", b"{}", b'{"verdicts": 3}', b"nonsense", b'{"verdicts": [], "odd": 1}'])
def test_lines_that_are_no_result(examples, tmp_path, line):
    path = tmp_path / "run.jsonl"
    run_healthbench(examples, Echo(), CoinJudge(), out=path)
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(RunError, match="line 8: expected "):
        run_healthbench(examples, Echo(), CoinJudge(), out=path)


def test_a_result_twice_is_an_error_and_so_is_a_second_writer(examples, tmp_path):
    path = tmp_path / "run.jsonl"
    run_healthbench(examples, Echo(), CoinJudge(), out=path)
    good = path.read_bytes()
    path.write_bytes(good + good.splitlines(keepends=True)[1])
    with pytest.raises(RunError, match="line 8: expected every result once"):
        run_healthbench(examples, Echo(), CoinJudge(), out=path)
    path.write_bytes(good)

    class Second(Echo):
        def respond(self, example, repeat, seed):
            with pytest.raises(RunError, match="another run writes"):
                RunFile(FORMAT, tmp_path / "new.jsonl", {})
            return "x"

    assert run_healthbench(examples, Second(), CoinJudge(), out=tmp_path / "new.jsonl").valid == 6


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run with failures and hostile text in it: its file, its bytes and its report."""
    folder = tmp_path_factory.mktemp("whole")
    rows = [
        {
            "prompt_id": f"p{n}",
            "prompt": [{"role": "user", "content": "x"}],
            "rubrics": [{"criterion": f"c{n}", "points": 3, "tags": []}],
            "example_tags": [],
        }
        for n in range(8)
    ]
    (folder / "e.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    examples = load_examples(folder / "e.jsonl")
    report = run_healthbench(examples, Hostile(), Yes(), out=folder / "run.jsonl", n_repeats=2)
    assert report.invalid == {"doctor": 2}
    return examples, (folder / "run.jsonl").read_bytes(), report


class Hostile:
    id = "hostile"

    def __init__(self):
        self.asked = []

    def respond(self, example, repeat, seed):
        self.asked.append((example.prompt_id, repeat))
        if example.prompt_id == "p5":
            raise ValueError("no\nidea \ud800")
        return f'\n{{"verdicts": []}}\u2028\ud800\x00{example.prompt_id}'


class Yes:
    id = "yes"

    async def verdicts(self, criteria, messages, *, language="en"):
        return [Verdict(criterion.id, True, "\u2028\ud800\n") for criterion in criteria]


@given(data=st.data())
@settings(max_examples=40)
def test_a_run_torn_at_any_byte_goes_on(finished, tmp_path, data):
    examples, content, report = finished
    header, *lines = content.splitlines(keepends=True)
    mixed = header + b"".join(data.draw(st.permutations(lines)))
    cut = data.draw(st.one_of(st.integers(0, len(header)), st.integers(0, len(mixed))))
    path = tmp_path / "torn.jsonl"
    path.write_bytes(mixed[:cut])
    again = Hostile()
    assert run_healthbench(examples, again, Yes(), out=path, n_repeats=2) == report
    assert path.read_bytes() == content
    assert len(again.asked) == len(set(again.asked)) == 16 - max(0, mixed[:cut].count(b"\n") - 1)


KILLED = """
import sys, time
from medenv.rewards import Verdict
from medenv.rewards.healthbench import load_examples, run_healthbench

class Echo:
    id = "echo"
    def respond(self, example, repeat, seed):
        time.sleep(0.004)
        return f"{example.prompt_id} {repeat} {seed}"

class Yes:
    id = "yes"
    async def verdicts(self, criteria, messages, *, language="en"):
        return [Verdict(criterion.id, True, "\\u2028\\ud800\\n") for criterion in criteria]

run_healthbench(load_examples(sys.argv[1]), Echo(), Yes(), out=sys.argv[2], concurrency=int(sys.argv[3]))
"""


@pytest.mark.parametrize("concurrency", [1, 16])
def test_kill_9_and_resume(write, row, tmp_path, concurrency):
    file = write([row(f"p{n}") for n in range(50)])
    examples = load_examples(file)
    expected = run_healthbench(examples, Echo(), Yes(), out=tmp_path / "expected.jsonl")
    path = tmp_path / "killed.jsonl"
    kills = 0
    for lines in (3, 10, 25):
        command = [sys.executable, "-c", KILLED, str(file), str(path), str(concurrency)]
        process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if path.exists() and path.read_bytes().count(b"\n") > lines:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.002)
        kills += process.wait() == -signal.SIGKILL
        kept = path.read_bytes().count(b"\n") - 1
        assert kept >= lines
    assert kills >= 2
    echo = Echo()
    assert run_healthbench(examples, echo, Yes(), out=path) == expected
    assert len(echo.asked) == 50 - kept
    assert path.read_bytes() == (tmp_path / "expected.jsonl").read_bytes()
    assert [entry for entry in Path(tmp_path).iterdir() if entry.suffix == ".part"] == []


def test_parts_of_a_run_need_no_further_question(load, row):
    rows = [row(f"p{n}", points=(5, -3, 5)) for n in range(6)]
    examples = load(rows)
    judge = CoinJudge()
    report = run_healthbench(examples, Echo(), judge)
    cut = load([{**each, "rubrics": each["rubrics"][2:]} for each in rows[3:]])
    part = summarise(part_of(examples, cut), report.results)
    met = [result.met["3"] for result in report.results[3:]]
    assert part.score == sum(met) / 3
    assert part.responses == 3
    assert len(judge.asked) == 6
