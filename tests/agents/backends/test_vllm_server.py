"""The client of model servers, against servers on this machine that behave and servers that do not."""

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import asynccontextmanager
from email.utils import formatdate

import pytest
from aiohttp import web

from medenv.agents.backends import Backend, Reply, Request, backends, connections, replicas, retries, vllm_server
from medenv.agents.backends.replicas import preference
from medenv.agents.backends.scripted import FAULT_KINDS, Faults, ScriptedBackend
from medenv.agents.backends.vllm_server import VllmServer
from medenv.agents.doctors.chat import ChatDoctor
from medenv.consultation.views import Message
from medenv.errors import BackendError
from medenv.testing.model_server import serve_backend

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in ("MEDENV_SERVER", "MEDENV_MODEL", "MEDENV_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def asked(content="hello", **changes):
    return Request((Message("system", "be brief"), Message("user", content)), **changes)


def echo(request):
    return f"you said: {request.messages[-1].content}"


def answer(content="fine", finish="stop", **more):
    return {"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": finish}]} | more


@asynccontextmanager
async def serving(handle, models=None):
    """A server whose completions are whatever `handle(request)` returns or does."""
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/v1/chat/completions", handle)
    if models is not None:
        app.router.add_get("/v1/models", models)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield "http://{}:{}".format(*runner.addresses[0])
    finally:
        await runner.cleanup()


@asynccontextmanager
async def client(*args, **settings):
    backend = VllmServer(*args, **settings)
    try:
        yield backend
    finally:
        await backend.aclose()


def exchange(respond, request=None, **settings):
    """What the client makes of one kind of response."""

    async def handle(http):
        await http.read()
        response = respond(http)
        return await response if asyncio.iscoroutine(response) else response

    async def run():
        async with serving(handle) as url, client(url, "m", **({"total_timeout": 10} | settings)) as backend:
            return await backend.complete(request or asked())

    return asyncio.run(run())


def failure(respond, request=None, *, attempts=1):
    """What the client raises; waits that would end too late keep it from a second attempt."""
    with pytest.MonkeyPatch.context() as patch:
        if attempts == 1:
            patch.setattr(retries, "FIRST", 1000.0)
            patch.setattr(retries, "LONGEST", 1000.0)
        with pytest.raises(BackendError) as caught:
            exchange(respond, request, total_timeout=10 if attempts == 1 else 0.5)
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500
    return caught.value


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# What is sent


def test_the_request_as_the_server_gets_it():
    seen = []

    async def handle(http):
        seen.append((await http.json(), http.headers.get("Authorization")))
        return web.json_response(answer('{"n": 1}'))

    async def run():
        async with serving(handle) as url, client(url, "some/model") as backend:
            assert isinstance(backend, Backend)
            await backend.complete(asked(seed=2**70 + 5, max_tokens=7, temperature=0.25))
            await backend.complete(asked(stop=("A", "B"), schema=SCHEMA, conversation="private"))
        async with serving(handle) as url, client(url, "m", api_key=" secret\n") as backend:
            await backend.complete(asked("half a pair: \ud83d, a whole one: 😀"))

    asyncio.run(run())
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}]
    plain = {"model": "some/model", "messages": messages, "max_tokens": 7, "temperature": 0.25, "seed": 5}
    assert seen[0] == (plain, None)
    form = {"type": "json_schema", "json_schema": {"name": "reply", "schema": SCHEMA, "strict": True}}
    assert seen[1][0] == plain | {
        "max_tokens": 256, "temperature": 0.7, "seed": 0, "stop": ["A", "B"], "response_format": form,
    }  # fmt: skip
    assert seen[2][1] == "Bearer secret"
    assert seen[2][0]["messages"][-1]["content"] == "half a pair: ?, a whole one: 😀"


def test_urls_with_and_without_version_and_from_the_environment(monkeypatch):
    assert VllmServer("http://host:1/v1/").urls == VllmServer(["http://host:1"]).urls == ("http://host:1",)
    assert VllmServer(" http://a:1/v1 ,https://b/prefix/v1,http://a:1").urls == ("http://a:1", "https://b/prefix")
    assert VllmServer().urls == ("http://127.0.0.1:8000",)
    monkeypatch.setenv("MEDENV_SERVER", "http://a:1,http://b:2/v1")
    monkeypatch.setenv("MEDENV_MODEL", "from-there")
    backend = backends.get("vllm-server")()
    assert (backend.urls, backend.model) == (("http://a:1", "http://b:2"), "from-there")
    assert VllmServer("http://c:3", "given").model == "given"


@pytest.mark.parametrize(
    "wrong", ["", "host:8000", "ftp://host", "http://", "http://host:port", "http://a,", (), "http://h/?q"]
)
def test_what_is_no_url_is_refused(wrong):
    with pytest.raises(BackendError, match="expected the URL of a server"):
        VllmServer(wrong)


@pytest.mark.parametrize("wrong", [{"max_concurrency": 0}, {"total_timeout": 0}])
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(BackendError, match="expected"):
        VllmServer(**wrong)


def test_the_model_is_asked_for_once():
    asked_for = []

    async def models(_):
        asked_for.append(1)
        await asyncio.sleep(0.05)
        return web.json_response({"data": [{"id": "first"}, {"id": "second"}]})

    async def handle(http):
        return web.json_response(answer((await http.json())["model"]))

    async def run():
        async with serving(handle, models) as url, client(url) as backend:
            requests = [asyncio.create_task(backend.complete(asked(f"{place}"))) for place in range(50)]
            await asyncio.sleep(0.02)
            requests[0].cancel()
            replies = await asyncio.gather(*requests[1:])
            replies.append(await backend.complete(asked()))
            assert {reply.text for reply in replies} == {"first"}

    asyncio.run(run())
    assert len(asked_for) == 1


def test_a_list_of_models_that_fails_for_now_is_asked_for_again():
    answers = [
        web.Response(status=503), web.Response(text="junk"), web.json_response({"data": []}),
        web.json_response({"data": [{"id": "m"}]}),
    ]  # fmt: skip

    async def models(_):
        return answers.pop(0)

    async def handle(_):
        return web.json_response(answer())

    async def run():
        async with serving(handle, models) as url, client(url) as backend:
            await backend.complete(asked())
            assert backend.model == "m"

    asyncio.run(run())
    assert not answers


# What comes back


def test_the_reply_and_its_tokens():
    usage = {"prompt_tokens": 11, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 8}}
    assert exchange(lambda _: web.json_response(answer("text", "length", usage=usage))) == Reply(
        "text", "length", 11, 3, 8
    )
    plain = {"prompt_tokens": 11, "completion_tokens": 3, "prompt_tokens_details": None}
    assert exchange(lambda _: web.json_response(answer(usage=plain))) == Reply("fine", "stop", 11, 3, 0)
    for strange in (None, "many", {"prompt_tokens": "11", "completion_tokens": True}, {"prompt_tokens": -1}, [1]):
        assert exchange(lambda _, strange=strange: web.json_response(answer(usage=strange))) == Reply("fine")


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ("", ""),
        ("\x00\x1b[2J\r\n\x07\u202e\u2028", "\x00\x1b[2J\r\n\x07\u202e\u2028"),
        ("half a pair: \ud83d.", "half a pair: \ufffd."),
        ("\udc00\ud83d\ude00", "\ufffd😀"),
        ("x" * 2**20, "x" * 2**20),
        ("[" * 10_000, "[" * 10_000),
    ],
)
def test_hostile_text_comes_through_as_text_that_can_be_stored(sent, text):
    reply = exchange(lambda _: web.json_response(answer(sent)))
    assert reply.text == text
    assert reply.text.encode("utf-8").decode("utf-8") == text


MALFORMED = {
    "nothing": b"",
    "no JSON": b"<html>\x00\xff oops",
    "half of it": json.dumps(answer()).encode()[:-9],
    "no object": b"[1, 2]",
    "null": b"null",
    "deep": b"[" * 200_000,
    "a long number": b'{"choices": ' + b"9" * 5000 + b"}",
    "no choices": b"{}",
    "empty choices": b'{"choices": []}',
    "choices of another kind": b'{"choices": {"0": 1}}',
    "a choice that is none": b'{"choices": ["x"]}',
    "no message": b'{"choices": [{"finish_reason": "stop"}]}',
    "content null": json.dumps(answer(None)).encode(),
    "content of parts": json.dumps(answer([{"type": "text", "text": "x"}])).encode(),
    "content a number": json.dumps(answer(5)).encode(),
    "finish null": json.dumps(answer("x", None)).encode(),
    "finish a list": json.dumps(answer("x", ["stop"])).encode(),
    "finish unknown": json.dumps(answer("x", "abort")).encode(),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_replies_are_garbled(body):
    assert failure(lambda _: web.Response(body=body, content_type="application/json")).kind == "garbled"


def test_a_body_that_is_too_large_is_garbled(monkeypatch):
    monkeypatch.setattr(connections, "LARGEST_BODY", 10_000)
    assert failure(lambda _: web.json_response(answer("x" * 20_000))).kind == "garbled"


def test_a_body_that_breaks_off_and_a_connection_that_is_cut():
    async def breaks_off(http):
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(http)
        await response.write(b'{"choices": ')
        http.transport.close()
        return response

    async def is_cut(http):
        http.transport.close()
        return web.Response()

    assert failure(breaks_off).kind == "garbled"
    assert failure(is_cut).kind == "unreachable"


def test_what_does_not_speak_http(monkeypatch):
    async def run(first_words):
        async def talk(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(first_words)
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, client(f"http://127.0.0.1:{port}", "m") as backend:
            with pytest.raises(BackendError) as caught:
                await backend.complete(asked())
            return caught.value

    monkeypatch.setattr(retries, "FIRST", 100_000.0)
    monkeypatch.setattr(retries, "LONGEST", 100_000.0)
    for words in (
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\njunk",
    ):
        assert asyncio.run(run(words)).kind == "garbled"


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 413, 422])
def test_a_request_at_fault_is_refused_with_the_server_s_reason_and_not_repeated(status):
    requests = []

    def respond(http):
        requests.append(http)
        return web.json_response(
            {"error": {"message": f"too\nlong\x00\x1b {'x' * 5000}"}}, status=status, headers={"Location": "/elsewhere"}
        )

    error = failure(respond, attempts=5)
    assert (error.kind, error.passing) == ("refused", False)
    assert f"HTTP {status}: too long xxx" in str(error)
    assert len(requests) == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"detail": "no"}', "no"),
        (b'{"message": "no"}', "no"),
        (b'{"error": "no"}', "no"),
        (b"plain no", "plain no"),
        (b"", "nothing"),
        (b"[" * 99_999, "[[["),
    ],
)
def test_the_reason_wherever_the_server_puts_it(body, message):
    assert f"HTTP 400: {message}" in str(failure(lambda _: web.Response(status=400, body=body)))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (408, "timeout"),
        (409, "server error"),
        (425, "server error"),
        (429, "rate limit"),
        (500, "server error"),
        (502, "server error"),
        (503, "server error"),
        (204, "garbled"),
    ],
)
def test_statuses_that_pass_are_asked_again(status, kind):
    requests = []

    def respond(http):
        requests.append(http)
        return web.Response(status=status)

    error = failure(respond, attempts=5)
    assert error.kind == kind
    assert error.passing
    assert f"{len(requests)} attempts" in str(error)
    assert len(requests) > 1


def test_content_that_does_not_fit_the_schema_is_not_asked_for_again():
    for content in ("no JSON", '{"n": "one"}', "", "[" * 100_000, '{"n": NaN}'):
        requests = []

        def respond(http, content=content, requests=requests):
            requests.append(http)
            return web.json_response(answer(content))

        assert failure(respond, asked(schema=SCHEMA), attempts=5).kind == "schema"
        assert len(requests) == 1
    assert exchange(lambda _: web.json_response(answer('{"n": 1}')), asked(schema=SCHEMA)).text == '{"n": 1}'


# Trouble


def test_retry_after_in_seconds_and_as_a_date_is_kept_to():
    for header, least in (("0.4", 0.4), (lambda: formatdate(time.time() + 2, usegmt=True), 0.9)):
        times = []

        def respond(_, header=header, times=times):
            times.append(time.monotonic())
            if len(times) > 1:
                return web.json_response(answer())
            return web.Response(status=429, headers={"Retry-After": header if isinstance(header, str) else header()})

        exchange(respond, total_timeout=10)
        assert least <= times[1] - times[0] < least + 2


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3),
        ("0.5", 0.5),
        ("-5", 0),
        ("nan", 0),
        ("inf", 0),
        ("soon", 0),
        ("", 0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Thu, 99 Foo", 0),
        ("Thu, 01 Jan 1970 00:00:00", 0),
    ],
)
def test_retry_after_of_any_form(header, seconds):
    assert vllm_server._seconds(header) == seconds


def test_faults_on_the_wire_change_no_reply_and_repeat_none(monkeypatch):
    monkeypatch.setattr(retries, "LONGEST", 0.5)
    answered = Counter()

    def count(request):
        answered[request.messages[-1].content] += 1
        return echo(request)

    async def run():
        requests = [asked(f"message {place}", seed=place, conversation=f"c{place % 40}") for place in range(300)]
        faults = Faults(0.3, latency=0.05, seed=1)
        async with serve_backend(ScriptedBackend(echo)) as url, client(url) as backend:
            right = await asyncio.gather(*map(backend.complete, requests))
        async with serve_backend(ScriptedBackend(count), faults=faults) as url, client(url) as backend:
            assert await asyncio.gather(*map(backend.complete, requests)) == right
            assert [replica.limit.busy for replica in backend._replicas._replicas.values()] == [0]

    asyncio.run(run())
    assert len(answered) == 300
    assert set(answered.values()) == {1}


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_every_fault_on_the_wire_is_what_it_is_in_process(kind):
    async def run():
        faults = Faults(1.0, (kind,), latency=2.0, wait=9.0)
        async with (
            serve_backend(ScriptedBackend(echo), faults=faults) as url,
            client(url, "m", total_timeout=1.0) as backend,
        ):
            with pytest.raises(BackendError) as wire:
                await backend.complete(asked())
        with pytest.raises(BackendError) as local:
            await retries.Retrying(ScriptedBackend(echo, faults=faults), total_timeout=0.2).complete(asked())
        assert (wire.value.kind, wire.value.wait) == (local.value.kind, local.value.wait)
        return wire.value.kind

    assert asyncio.run(run()) in ("timeout", "rate limit", "server error", "garbled", "unreachable")


def test_a_server_that_is_down_and_comes_back_is_waited_for(monkeypatch):
    monkeypatch.setattr(retries, "LONGEST", 0.2)

    async def run():
        port = free_port()
        async with client(f"http://127.0.0.1:{port}") as backend:
            waiting = [asyncio.create_task(backend.complete(asked(f"{place}"))) for place in range(20)]
            await asyncio.sleep(0.5)
            assert not any(task.done() for task in waiting)
            async with serve_backend(ScriptedBackend(echo), port=port):
                await asyncio.wait_for(asyncio.gather(*waiting), 5)
            waiting = [asyncio.create_task(backend.complete(asked(f"{place}"))) for place in range(20)]
            await asyncio.sleep(0.3)
            assert not any(task.done() for task in waiting)
            async with serve_backend(ScriptedBackend(echo), port=port):
                await asyncio.wait_for(asyncio.gather(*waiting), 5)

    asyncio.run(run())


class Noting:
    """Notes which replica got which conversation; the first word of a message names it."""

    def __init__(self):
        self.got = {}

    def on(self, name, latency=0.0):
        def reply(request):
            self.got.setdefault(request.messages[-1].content.split()[0], []).append(name)
            return echo(request)

        return ScriptedBackend(reply, latency=latency)


def test_a_server_that_never_answered_is_not_waited_for_to_the_end(monkeypatch):
    monkeypatch.setattr(vllm_server, "FIRST_CONTACT", 0.3)
    monkeypatch.setattr(retries, "LONGEST", 0.1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    backend = VllmServer(url, "m", total_timeout=60.0)
    with pytest.raises(BackendError, match="expected a server at http") as raised:
        asyncio.run(backend.complete(asked()))
    assert raised.value.kind == "absent"


def test_a_conversation_stays_on_its_replica():
    async def run():
        noting = Noting()
        async with serve_backend(noting.on(0)) as a, serve_backend(noting.on(1)) as b, serve_backend(noting.on(2)) as c:
            urls = [a, b, c]
            async with client(urls) as backend:
                names = [f"talk{place}" for place in range(30)]
                for turn in range(5):
                    await asyncio.gather(
                        *(backend.complete(asked(f"{name} {turn}", conversation=name)) for name in names)
                    )
                for name in names:
                    assert noting.got[name] == [urls.index(preference(name, urls)[0])] * 5
                assert {places[0] for places in noting.got.values()} == {0, 1, 2}
                await asyncio.gather(*(backend.complete(asked(f"alone {place}")) for place in range(30)))
                assert Counter(noting.got["alone"]) == {0: 10, 1: 10, 2: 10}

    asyncio.run(run())


def test_a_replica_killed_in_mid_run_loses_its_conversations_and_gets_them_back(monkeypatch):
    monkeypatch.setattr(replicas, "FIRST_REST", 0.1)
    monkeypatch.setattr(replicas, "LONGEST_REST", 0.2)
    monkeypatch.setattr(retries, "LONGEST", 0.1)

    async def run():
        noting = Noting()
        port = free_port()
        names = [f"talk{place}" for place in range(40)]

        async def turn(number):
            replies = await asyncio.gather(
                *(backend.complete(asked(f"{name} {number}", conversation=name)) for name in names)
            )
            assert [reply.text for reply in replies] == [f"you said: {name} {number}" for name in names]

        async with serve_backend(noting.on("stays", 0.02)) as stays:
            urls = [stays, f"http://127.0.0.1:{port}"]
            homes = {name: ["stays", "dies"][urls.index(preference(name, urls)[0])] for name in names}
            assert 8 < Counter(homes.values())["dies"] < 32
            async with client(urls, max_concurrency=16) as backend:
                dying = serve_backend(noting.on("dies", 0.3), port=port)
                await dying.__aenter__()
                turns = asyncio.create_task(turn(1))
                await asyncio.sleep(0.15)  # its requests are under way
                await dying.__aexit__(None, None, None)
                await asyncio.wait_for(turns, 10)
                noting.got.clear()
                await asyncio.wait_for(turn(2), 10)
                assert {name: places[-1] for name, places in noting.got.items()} == dict.fromkeys(names, "stays")
                async with serve_backend(noting.on("dies"), port=port):
                    await asyncio.sleep(0.25)
                    await turn(3)  # one of them tries it
                    noting.got.clear()
                    await turn(4)
                    assert noting.got == {name: [home] for name, home in homes.items()}

    asyncio.run(run())


def test_a_replica_that_hangs_holds_up_few(monkeypatch):
    async def run():
        hung = 0

        async def hang(_):
            nonlocal hung
            hung += 1
            await asyncio.sleep(60)

        async with (
            serving(hang) as bad,
            serve_backend(ScriptedBackend(echo)) as good,
            client([bad, good], "m", attempt_timeout=0.5, max_concurrency=8) as backend,
        ):
            requests = [backend.complete(asked(f"{place}", conversation=f"c{place}")) for place in range(200)]
            await asyncio.wait_for(asyncio.gather(*requests), 20)
        # Those that waited for their turn behind the first eight went elsewhere; later ones only tried it.
        assert 1 <= hung <= 16

    asyncio.run(run())


def test_the_total_time_holds(monkeypatch):
    async def hang(_):
        await asyncio.sleep(60)

    async def run():
        async with (
            serving(hang) as url,
            client(url, "m", attempt_timeout=0.2, total_timeout=0.7, max_concurrency=2) as backend,
        ):
            start = time.monotonic()
            results = await asyncio.gather(*(backend.complete(asked()) for _ in range(10)), return_exceptions=True)
            assert 0.5 < time.monotonic() - start < 1.5
            assert {result.kind for result in results} == {"timeout"}
            assert [replica.limit.busy for replica in backend._replicas._replicas.values()] == [0]

    asyncio.run(run())


def test_overload_lowers_what_a_server_is_given_and_calm_raises_it():
    async def run():
        under_way = most = 0

        async def crowded(http):
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            try:
                if under_way > 10:
                    return web.Response(status=503, headers={"Retry-After": "0.01"})
                await asyncio.sleep(0.01)
                return web.json_response(answer())
            finally:
                under_way -= 1

        async with serving(crowded) as url, client(url, "m", max_concurrency=64) as backend:
            await asyncio.wait_for(asyncio.gather(*(backend.complete(asked()) for _ in range(200))), 20)
            (replica,) = backend._replicas._replicas.values()
            assert replica.limit.limit < 40

    asyncio.run(run())


def test_cancelled_requests_leak_nothing():
    async def run():
        started = 0

        async def slow(_):
            nonlocal started
            started += 1
            await asyncio.sleep(60)

        async with serving(slow) as url, client(url, "m", max_concurrency=4) as backend:
            tasks = [asyncio.create_task(backend.complete(asked())) for _ in range(20)]
            while started < 4:
                await asyncio.sleep(0.01)
            (replica,) = backend._replicas._replicas.values()
            assert replica.limit.busy == 20
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(result, asyncio.CancelledError) for result in results)
            assert replica.limit.busy == 0
            assert replica.limit.limit == 4
            assert not replica.resting
            await asyncio.sleep(0.05)
            assert started == 4

    asyncio.run(run())


def test_connections_are_kept_and_closed_by_loop():
    async def run():
        ports = set()

        async def handle(http):
            ports.add(http.transport.get_extra_info("peername")[1])
            return web.json_response(answer())

        async with serving(handle) as url:
            backend = VllmServer(url, "m")
            for _ in range(5):
                await backend.complete(asked())
            assert len(ports) == 1
            await backend.aclose()
            await backend.aclose()
            await backend.complete(asked())
            assert len(ports) == 2
            await backend.aclose()

    asyncio.run(run())


def test_one_backend_in_many_loops_and_threads():
    ready, stop, url = threading.Event(), threading.Event(), []

    async def serve():
        async with serve_backend(ScriptedBackend(echo)) as served:
            url.append(served)
            ready.set()
            while not stop.is_set():
                await asyncio.sleep(0.01)

    server = threading.Thread(target=asyncio.run, args=(serve(),))
    server.start()
    try:
        assert ready.wait(10)
        backend = VllmServer(url[0])
        texts = []

        async def ask(place):
            texts.extend([(await backend.complete(asked(f"{place}/{turn}"))).text for turn in range(5)])

        threads = [threading.Thread(target=asyncio.run, args=(ask(place),)) for place in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        for place in range(6, 12):
            asyncio.run(ask(place))
        assert sorted(texts) == sorted(f"you said: {place}/{turn}" for place in range(12) for turn in range(5))
        assert len(backend._connections._open) == 1  # of the last loop, closed as it is
    finally:
        stop.set()
        server.join(10)


SCRIPTS = {
    "two loops": "asyncio.run(backend.complete(request)); asyncio.run(backend.complete(request))",
    "in the background": "settle_now(backend.complete(request))",
    "dropped": "settle_now(backend.complete(request)); del backend; gc.collect()",
    "a loop closed by hand": (
        "loop = asyncio.new_event_loop(); loop.run_until_complete(backend.complete(request));"
        "loop.run_until_complete(loop.shutdown_asyncgens()); loop.close()"
    ),
    "requests under way": "asyncio.run_coroutine_threadsafe(backend.complete(slow), _background_loop()); time.sleep(0.2)",
    "a program that ends in its loop": "async def main(): await backend.complete(request); sys.exit(0)\nasyncio.run(main())",
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_a_program_that_just_ends_makes_no_noise(script):
    imports = (
        "import asyncio, gc, sys, time; from medenv.agents.backends import Request; from medenv.consultation.views import Message;"
        "from medenv.agents.backends.vllm_server import VllmServer;"
        "from medenv.consultation.seats import _background_loop, settle_now;"
        "request, slow = (Request((Message('user', word),)) for word in ('quick', 'slow')); backend = VllmServer(sys.argv[1], 'm')\n"
    )

    async def handle(http):
        await asyncio.sleep(5 if (await http.json())["messages"][0]["content"] == "slow" else 0)
        return web.json_response(answer())

    async def run():
        async with serving(handle) as url:
            pipe = subprocess.PIPE
            program = (sys.executable, "-W", "default", "-c", imports + script, url)
            done = await asyncio.create_subprocess_exec(*program, stdout=pipe, stderr=pipe)
            out, noise = await asyncio.wait_for(done.communicate(), 30)
            assert (out, noise, done.returncode) == (b"", b"", 0)

    asyncio.run(run())


def test_the_extra_is_asked_for_when_it_is_missing_and_not_before():
    code = (
        "import sys\nclass Hide:\n    def find_spec(self, name, *_):\n"
        "        if name.split('.')[0] in ('aiohttp', 'tenacity'): raise ModuleNotFoundError(f'No module named {name!r}')\n"
        "sys.meta_path.insert(0, Hide())\n"
        "import medenv, medenv.agents.backends, medenv.agents.backends.scripted\n"
        "assert not {'aiohttp', 'tenacity', 'torch'} & set(sys.modules)\n"
        "from medenv.errors import MissingExtraError\n"
        "for module in ('vllm_server', 'retries', 'connections'):\n"
        "    try: __import__(f'medenv.agents.backends.{module}')\n"
        "    except MissingExtraError as error: assert \"pip install 'medenv-rl[serve]'\" in str(error), error\n"
        "    else: raise AssertionError(module)\n"
        "try: import medenv.testing.model_server\n"
        "except MissingExtraError as error: pass\n"
        "else: raise AssertionError\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


# The server of `medenv.testing`


def test_the_stand_in_server_speaks_as_a_real_one():
    import aiohttp

    async def run():
        async with (
            serve_backend(ScriptedBackend(lambda request: f"{request.temperature} {request.stop}")) as url,
            aiohttp.ClientSession(url) as http,
        ):
            assert (await http.get("/health")).status == 200
            assert [model["id"] for model in (await (await http.get("/v1/models")).json())["data"]] == ["served"]
            message = {"role": "user", "content": "hello you", "name": "ignored"}
            plain = await http.post("/v1/chat/completions", json={"messages": [message], "stop": "x", "temperature": 0})
            body = await plain.json()
            assert body["choices"][0] == {
                "index": 0,
                "message": {"role": "assistant", "content": "0 ('"},
                "finish_reason": "stop",
            }
            assert body["usage"]["total_tokens"] == 4
            for wrong in (
                "[" * 99_999,
                "{}",
                "[]",
                "null",
                '{"messages": [{"role": "user", "content": null}]}',
                '{"messages": [5]}',
            ):
                response = await http.post("/v1/chat/completions", data=wrong)
                assert response.status == 400
                assert (await response.json())["error"]["message"].startswith("expected a chat completion request")

    asyncio.run(run())


def test_it_hands_on_what_a_backend_raises():
    class Failing:
        async def complete(self, request):
            kind, wait = request.messages[-1].content.split("/")
            raise BackendError("as it was", kind, float(wait))

    async def run():
        kinds = {}
        async with serve_backend(Failing()) as url, client(url, "m", total_timeout=5) as backend:
            for kind in (
                "unreachable",
                "timeout",
                "rate limit",
                "server error",
                "garbled",
                "refused",
                "schema",
                "model",
            ):
                with pytest.raises(BackendError, match="as it was") as caught:
                    await backend.complete(asked(f"{kind}/7"))
                assert caught.value.passing == BackendError("", kind).passing
                assert caught.value.wait == 7
                kinds[kind] = caught.value.kind
        assert (kinds["rate limit"], kinds["refused"]) == ("rate limit", "refused")

    asyncio.run(run())


def test_it_is_a_proxy_that_makes_trouble(monkeypatch):
    monkeypatch.setattr(retries, "LONGEST", 0.3)

    async def run():
        async with (
            serve_backend(ScriptedBackend(echo)) as real,
            client(real) as behind,
            serve_backend(behind, faults=Faults(0.5, latency=0.01)) as url,
            client(url) as backend,
        ):
            replies = await asyncio.gather(*(backend.complete(asked(f"{place}")) for place in range(60)))
            assert [reply.text for reply in replies] == [f"you said: {place}" for place in range(60)]

    asyncio.run(run())


def test_a_run_with_another_model_is_another_run(monkeypatch):
    monkeypatch.delenv("MEDENV_MODEL", raising=False)
    named = [ChatDoctor(VllmServer("http://127.0.0.1:1", model)).id for model in ("small", "large", None)]
    assert len(set(named)) == 3
    assert ChatDoctor(VllmServer("http://127.0.0.1:2", "small")).id == named[0]
