"""The scripted backend: what it replies, what it counts, and the faults it draws."""

import asyncio
import json
import time
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medenv.agents.backends import Backend, Reply, Request
from medenv.agents.backends import scripted as module
from medenv.agents.backends.scripted import FAULT_KINDS, Faults, ScriptedBackend
from medenv.consultation.views import Message
from medenv.errors import BackendError

NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def asked(content="hello", **changes):
    return Request((Message("system", "be brief"), Message("user", content)), **changes)


def complete(backend, *requests):
    async def all_of_them():
        return await asyncio.gather(*(backend.complete(request) for request in requests), return_exceptions=True)

    return asyncio.run(all_of_them())


def failure(backend, request):
    with pytest.raises(BackendError) as caught:
        asyncio.run(backend.complete(request))
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_function_a_mapping_and_a_sequence_give_replies():
    assert isinstance(ScriptedBackend(()), Backend)
    for script in (lambda request: request.messages[-1].content.upper(), {"hello": "HELLO"}, ["HELLO"]):
        assert complete(ScriptedBackend(script), asked())[0].text == "HELLO"


def test_a_sequence_is_given_in_the_order_of_the_calls_and_ends():
    backend = ScriptedBackend(["one", "two", "three"], latency=0.01)
    assert [reply.text for reply in complete(backend, *[asked()] * 3)] == ["one", "two", "three"]
    assert failure(backend, asked()).kind == "refused"


def test_a_cancelled_call_gives_its_recorded_reply_back():
    async def run():
        backend = ScriptedBackend(["one", "two", "three"], latency=0.05)
        tasks = [asyncio.create_task(backend.complete(asked())) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return tasks[2].result().text, (await backend.complete(asked())).text, (await backend.complete(asked())).text

    assert asyncio.run(run()) == ("three", "one", "two")


def test_what_is_no_script_is_refused():
    for script in ("a string", 5, None):
        with pytest.raises(BackendError, match="expected a function, a mapping or a sequence"):
            ScriptedBackend(script)
    assert failure(ScriptedBackend({"known": "x"}), asked("unknown\n" * 99)).kind == "refused"


def test_tokens_are_words_and_the_limit_cuts():
    (reply,) = complete(ScriptedBackend(lambda _: " one  two\nthree four "), asked("how are you", max_tokens=3))
    assert reply == Reply(" one  two\nthree", "length", 5, 3)
    (whole,) = complete(ScriptedBackend(lambda _: "one two three"), asked("how are you", max_tokens=3))
    assert whole == Reply("one two three", "stop", 5, 3)


def test_the_first_stop_text_ends_a_reply():
    (reply,) = complete(ScriptedBackend(lambda _: "one END two STOP"), asked(stop=("STOP", "END", "")))
    assert reply == Reply("one ", "stop", 3, 1)


def test_a_whole_reply_is_given_as_it_stands():
    given_reply = Reply("one two three", "length", 7, 8, 9)
    assert complete(ScriptedBackend([given_reply]), asked(max_tokens=1, stop=("two",))) == [given_reply]


@pytest.mark.parametrize(
    "text", ["no JSON", "", '{"n": "one"}', '{"n": NaN}', "[" * 100_000, "{}", '{"n": 1', "9" * 5000]
)
def test_text_that_does_not_fit_the_schema_fails(text):
    backend = ScriptedBackend(lambda _: text)
    for schema in (NUMBER, MappingProxyType(NUMBER)):
        error = failure(backend, asked(schema=schema, max_tokens=10))
        assert (error.kind, error.passing) == ("schema", False)
        assert len(str(error)) <= 300


def test_text_that_fits_the_schema_passes():
    for schema in (NUMBER, MappingProxyType(NUMBER)):
        assert complete(ScriptedBackend(lambda _: '{"n": 1}'), asked(schema=schema))[0].text == '{"n": 1}'


def test_a_schema_that_is_none_is_refused():
    assert failure(ScriptedBackend(lambda _: "1"), asked(schema={"type": "nonsense"})).kind == "refused"


def test_every_kind_of_fault_is_the_error_that_a_client_would_raise():
    kinds = {}
    for kind in FAULT_KINDS:
        backend = ScriptedBackend(lambda _: "right", faults=Faults(1.0, (kind,), latency=0.001, wait=2.5))
        if kind == "latency":
            assert complete(backend, asked())[0].text == "right"
            continue
        error = failure(backend, asked())
        assert error.passing
        kinds[kind] = error.kind
        assert error.wait == (2.5 if kind == "rate limit" else 0)
    assert kinds == {
        "rate limit": "rate limit",
        "server error": "server error",
        "truncated": "garbled",
        "garbage": "garbled",
        "disconnect": "unreachable",
    }


def outcomes(backend, requests):
    return [getattr(result, "kind", "fine") for result in complete(backend, *requests)]


def test_which_call_fails_follows_from_the_request_whatever_the_order():
    faults = Faults(0.4, latency=0.0, seed=3)
    requests = [asked(f"message {place}", seed=place % 7) for place in range(200)]
    forwards = outcomes(ScriptedBackend(lambda _: "x", faults=faults), requests)
    backwards = outcomes(ScriptedBackend(lambda _: "x", faults=faults), requests[::-1])[::-1]
    assert forwards == backwards
    assert 40 < sum(kind != "fine" for kind in forwards) < 100  # a sixth of the 40 % is only late
    assert forwards != outcomes(ScriptedBackend(lambda _: "x", faults=Faults(0.4, latency=0.0, seed=4)), requests)


def test_the_conversation_has_no_part_in_it_but_everything_else_has():
    faults = Faults(0.5, ("garbage",))
    draws = {}
    for place in range(64):
        request = asked(f"message {place}", conversation="a")
        again = asked(f"message {place}", conversation="b")
        assert outcomes(ScriptedBackend(lambda _: "x", faults=faults), [request]) == outcomes(
            ScriptedBackend(lambda _: "x", faults=faults), [again]
        )
        for name, changes in {
            "seed": {"seed": 1},
            "temperature": {"temperature": 0.1},
            "max_tokens": {"max_tokens": 9},
            "stop": {"stop": ("x",)},
            "schema": {"schema": {}},
        }.items():
            changed = asked(f"message {place}", **changes)
            draws.setdefault(name, []).append(module._identity(changed) != module._identity(request))
    assert all(map(all, draws.values()))


def test_an_attempt_draws_anew_and_a_good_reply_starts_over():
    backend = ScriptedBackend(lambda _: "x", faults=Faults(0.5, ("server error", "latency"), latency=0.0, seed=1))
    for place in range(50):
        first, second = [], []
        for series in (first, second):
            while not series or series[-1] != "fine":
                series += outcomes(backend, [asked(f"message {place}")])
        assert first == second
    assert not backend._attempts._failed


def test_the_memory_for_failed_attempts_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "REMEMBERED", 10)
    backend = ScriptedBackend(lambda _: "x", faults=Faults(1.0, ("garbage",)))
    outcomes(backend, [asked(f"message {place}") for place in range(50)])
    assert len(backend._attempts._failed) == 10


def test_a_fault_takes_no_recorded_reply():
    faults = next(
        faults
        for seed in range(100)
        if (faults := Faults(0.5, ("garbage",), seed=seed)).draw(module._identity(asked()), 0)
        and not faults.draw(module._identity(asked()), 1)
    )
    backend = ScriptedBackend(["one"], faults=faults)
    assert outcomes(backend, [asked()]) == ["garbled"]
    assert complete(backend, asked())[0].text == "one"


@given(
    st.binary(max_size=16),
    st.integers(0, 100),
    st.integers(0, 2**63),
    st.sets(st.sampled_from(FAULT_KINDS), min_size=1),
)
def test_draws_keep_to_rate_and_kinds(identity, attempt, seed, kinds):
    assert Faults(0.0, tuple(kinds), seed).draw(identity, attempt) is None
    assert Faults(1.0, tuple(kinds), seed).draw(identity, attempt) in kinds


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": -0.1},
        {"rate": 1.1},
        {"kinds": ()},
        {"kinds": ("fire",)},
        {"latency": -1},
        {"wait": -1},
        {"rate": float("nan")},
    ],
)
def test_faults_that_cannot_be_are_refused(wrong):
    with pytest.raises(BackendError, match="expected"):
        Faults(**({"rate": 0.5} | wrong))


def test_a_thousand_calls_wait_together_and_cost_little():
    backend = ScriptedBackend(lambda _: json.dumps({"n": 1}), latency=0.2)
    requests = [asked(f"message {place}") for place in range(1024)]
    clock, cost = time.monotonic(), time.process_time()
    assert len(complete(backend, *requests)) == 1024
    assert time.monotonic() - clock < 2.0
    assert (time.process_time() - cost) / 1024 < 400e-6  # measured: 25e-6
