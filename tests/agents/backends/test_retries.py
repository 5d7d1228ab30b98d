"""Retries: what is asked again, when, and for how long."""

import asyncio
import random
import time

import pytest

from medenv.agents.backends import Backend, Reply, Request, retries
from medenv.agents.backends.retries import Retries, Retrying
from medenv.agents.backends.scripted import Faults, ScriptedBackend
from medenv.consultation.views import Message
from medenv.errors import BackendError

PASSING = ("unreachable", "timeout", "rate limit", "server error", "garbled")
REQUEST = Request((Message("user", "hello"),))


class Failing:
    """Fails a number of times, each as told, then replies; notes when it was asked."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.asked = []

    async def complete(self, request):
        self.asked.append(time.monotonic())
        if self.errors:
            raise self.errors.pop(0)
        return Reply("right")

    async def aclose(self):
        self.closed = True


@pytest.fixture
def in_no_time(monkeypatch):
    """Runs coroutines on a clock that jumps to whatever is awaited next."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def run(main):
        loop = asyncio.new_event_loop()
        select = loop._selector.select

        def jump(timeout):
            now[0] += timeout or 0.0
            return select(0)

        loop._selector.select = jump
        try:
            return loop.run_until_complete(main)
        finally:
            loop.close()

    return run


def test_it_is_a_backend_and_closes_what_it_wraps(in_no_time):
    inner = Failing()
    backend = Retrying(inner)
    assert isinstance(backend, Backend)
    in_no_time(backend.aclose())
    assert inner.closed


@pytest.mark.parametrize("kind", PASSING)
def test_what_passes_is_asked_again(kind, in_no_time):
    inner = Failing(*(BackendError("no", kind) for _ in range(5)))
    assert in_no_time(Retrying(inner).complete(REQUEST)).text == "right"
    assert len(inner.asked) == 6


@pytest.mark.parametrize(
    "error", [BackendError("no", "refused"), BackendError("no", "schema"), BackendError("no"), KeyError("bug")]
)
def test_what_does_not_pass_is_raised_at_once_and_as_it_is(error, in_no_time):
    inner = Failing(BackendError("no", "timeout"), error)
    with pytest.raises(type(error)) as caught:
        in_no_time(Retrying(inner).complete(REQUEST))
    assert caught.value is error
    assert len(inner.asked) == 2


def test_waits_are_jittered_grow_and_are_bounded(in_no_time):
    inner = Failing(*(BackendError("no", "unreachable") for _ in range(60)))
    in_no_time(Retrying(inner, seed=1).complete(REQUEST))
    waits = [later - earlier for earlier, later in zip(inner.asked, inner.asked[1:], strict=False)]
    for place, wait in enumerate(waits):
        assert 0 <= wait <= min(retries.LONGEST, retries.FIRST * 2**place) + 1e-6
    assert max(waits) > 0.8 * retries.LONGEST
    assert min(waits[10:]) < 0.2 * retries.LONGEST
    again = Failing(*(BackendError("no", "unreachable") for _ in range(60)))
    in_no_time(Retrying(again, seed=2).complete(REQUEST))
    assert len(set(waits) & {later - earlier for earlier, later in zip(again.asked, again.asked[1:], strict=False)}) < 5


def test_the_global_generator_is_left_alone(in_no_time):
    before = random.getstate()
    in_no_time(Retrying(Failing(*(BackendError("no", "timeout") for _ in range(9)))).complete(REQUEST))
    assert random.getstate() == before


def test_a_server_is_left_alone_for_as_long_as_it_asks(in_no_time):
    inner = Failing(BackendError("no", "rate limit", 42.0), BackendError("no", "rate limit", 7.0))
    in_no_time(Retrying(inner).complete(REQUEST))
    first, second, third = inner.asked
    assert 42 <= second - first <= 42 + retries.FIRST
    assert 7 <= third - second <= 7 + 2 * retries.FIRST


def test_a_wait_that_would_end_too_late_is_not_begun(in_no_time):
    inner = Failing(*(BackendError("no", "rate limit", 60.0) for _ in range(9)))
    with pytest.raises(BackendError, match=r"^no; gave up after 2 attempts in 60\.\d s$") as caught:
        in_no_time(Retrying(inner, total_timeout=100).complete(REQUEST))
    assert (caught.value.kind, caught.value.wait) == ("rate limit", 60.0)


def test_a_server_that_is_away_for_90_seconds_is_survived(in_no_time):
    class Away(Failing):
        async def complete(self, request):
            self.asked.append(time.monotonic())
            if self.asked[-1] < self.asked[0] + 90:
                raise BackendError("connection refused", "unreachable")
            return Reply("right")

    inner = Away()
    assert in_no_time(Retrying(inner, total_timeout=900).complete(REQUEST)).text == "right"
    assert inner.asked[-1] - inner.asked[0] < 90 + retries.LONGEST
    assert len(inner.asked) < 60


def test_the_error_at_the_end_keeps_the_kind_and_says_how_often_it_was_tried(in_no_time):
    for kind in PASSING:
        inner = Failing(*(BackendError("what was expected", kind) for _ in range(999)))
        with pytest.raises(
            BackendError, match=r"^what was expected; gave up after \d+ attempts in \d+\.\d s$"
        ) as caught:
            in_no_time(Retrying(inner, total_timeout=50).complete(REQUEST))
        assert caught.value.kind == kind
        assert f"{len(inner.asked)} attempts" in str(caught.value)
        assert 30 < inner.asked[-1] - inner.asked[0] <= 50


class Hanging(Failing):
    """Never replies but on a certain attempt."""

    def __init__(self, replies_at=None):
        super().__init__()
        self.replies_at = replies_at

    async def complete(self, request):
        self.asked.append(time.monotonic())
        if len(self.asked) != self.replies_at:
            await asyncio.sleep(1e6)
        return Reply("right")


def test_an_attempt_that_hangs_ends_and_is_made_again(in_no_time):
    inner = Hanging(replies_at=3)
    assert in_no_time(Retrying(inner, attempt_timeout=20).complete(REQUEST)).text == "right"
    assert 40 <= inner.asked[-1] - inner.asked[0] < 41


@pytest.mark.parametrize(("attempt", "total", "attempts"), [(20, 90, "attempts"), (500, 90, "1 attempt ")])
def test_the_total_holds_even_in_the_middle_of_an_attempt(attempt, total, attempts, in_no_time):
    start = time.monotonic()
    with pytest.raises(BackendError, match=attempts) as caught:
        in_no_time(Retrying(Hanging(), attempt_timeout=attempt, total_timeout=total).complete(REQUEST))
    assert caught.value.kind == "timeout"
    assert time.monotonic() - start <= total + 1e-6


def test_a_timeout_of_the_caller_or_of_the_backend_is_not_taken_for_its_own(in_no_time):
    async def impatient():
        async with asyncio.timeout(5):
            await Retrying(Hanging(), attempt_timeout=20).complete(REQUEST)

    with pytest.raises(TimeoutError):
        in_no_time(impatient())
    inner = Failing(TimeoutError("a bug"))
    with pytest.raises(TimeoutError, match="a bug"):
        in_no_time(Retrying(inner).complete(REQUEST))


@pytest.mark.parametrize("seconds", [0.0, 3.0])
def test_a_cancelled_call_stops_at_once(seconds, in_no_time):
    async def run(inner):
        task = asyncio.create_task(Retrying(inner).complete(REQUEST))
        await asyncio.sleep(seconds)
        asked = len(inner.asked)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(100)
        assert len(inner.asked) == asked

    in_no_time(run(Hanging()))
    in_no_time(run(Failing(*(BackendError("no", "timeout") for _ in range(99)))))


def test_calls_at_the_same_time_do_not_disturb_each_other(in_no_time):
    async def run():
        backend = Retrying(ScriptedBackend(lambda request: request.messages[0].content, faults=Faults(0.5)))
        requests = [Request((Message("user", f"message {place}"),)) for place in range(200)]
        replies = await asyncio.gather(*map(backend.complete, requests))
        assert [reply.text for reply in replies] == [f"message {place}" for place in range(200)]

    in_no_time(run())


def test_a_time_of_nothing_is_refused():
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(BackendError, match="above 0"):
            Retries(total_timeout=wrong)
