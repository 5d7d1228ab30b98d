"""Replicas: who gets which conversation, and who is left alone."""

import asyncio
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medenv.agents.backends.replicas import FIRST_REST, LONGEST_REST, Replicas, preference
from medenv.errors import BackendError

URLS = [f"http://replica-{place}:8000" for place in range(4)]

some_urls = st.lists(st.text(min_size=1, max_size=12), min_size=2, max_size=6, unique=True)
some_conversations = st.lists(st.text(st.characters(), max_size=20), max_size=20)


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def fail(replica, kind="unreachable"):
    with pytest.raises(BackendError), replica.attempt():
        raise BackendError("no", kind)


def succeed(replica):
    with replica.attempt():
        pass


@given(some_urls, some_conversations, st.data())
def test_losing_a_replica_moves_only_its_own_conversations(urls, conversations, data):
    lost = data.draw(st.sampled_from(urls))
    left = [url for url in urls if url != lost]
    for conversation in conversations:
        before, after = preference(conversation, urls), preference(conversation, left)
        assert [url for url in before if url != lost] == after
        assert preference(conversation, urls[::-1]) == before


def test_conversations_are_spread_evenly():
    homes = Counter(preference(f"episode-{place}", URLS)[0] for place in range(4000))
    assert all(850 < count < 1150 for count in homes.values()), homes
    seconds = Counter(tuple(preference(f"episode-{place}", URLS)[:2]) for place in range(4000))
    assert len(seconds) == 12


def test_a_conversation_stays(clock):
    replicas = Replicas(URLS, 8)
    assert len({replicas.choose("talk").url for _ in range(100)}) == 1
    assert replicas.choose("talk").url == preference("talk", URLS)[0]


def test_a_replica_that_fails_is_left_alone_and_its_conversations_return(clock):
    replicas = Replicas(URLS, 8)
    first, second, *_ = preference("talk", URLS)
    fail(replicas.choose("talk"))
    assert replicas.choose("talk").url == second
    clock[0] += FIRST_REST * 0.99
    assert replicas.choose("talk").url == second
    clock[0] += FIRST_REST * 0.02
    assert replicas.choose("talk").url == first
    succeed(replicas.choose("talk"))
    assert replicas.choose("talk").url == first
    assert not replicas.choose("talk").resting


@pytest.mark.parametrize(
    ("kind", "rests"),
    [
        ("unreachable", True),
        ("timeout", True),
        ("server error", True),
        ("rate limit", False),
        ("refused", False),
        ("garbled", False),
    ],
)
def test_what_counts_as_a_failure(kind, rests, clock):
    replica = Replicas(URLS, 8).choose("talk")
    fail(replica, kind)
    assert replica.resting == rests


def test_only_one_request_tries_a_replica_that_has_rested(clock):
    replicas = Replicas(URLS, 8)
    home, other, *_ = preference("talk", URLS)
    replica = replicas.choose("talk")
    fail(replica)
    clock[0] += FIRST_REST
    with replicas.choose("talk").attempt():
        assert replicas.choose("talk").url == other
        assert not replicas.stands(replica)
    assert replicas.choose("talk").url == home


def test_a_cancelled_try_leaves_the_replica_to_the_next(clock):
    replicas = Replicas(URLS, 8)
    replica = replicas.choose("talk")
    fail(replica)
    clock[0] += FIRST_REST
    with pytest.raises(asyncio.CancelledError), replica.attempt():
        raise asyncio.CancelledError
    assert replicas.choose("talk") is replica


def test_rests_double_up_to_a_bound(clock):
    replica = Replicas(URLS, 8).choose("talk")
    rests = []
    for _ in range(12):
        fail(replica)
        began = clock[0]
        while replica.resting:
            clock[0] += FIRST_REST
        rests.append(clock[0] - began)
    assert rests[:4] == [0.5, 1.0, 2.0, 4.0]
    assert rests[-1] == LONGEST_REST
    succeed(replica)
    fail(replica)
    clock[0] += FIRST_REST
    assert not replica.resting


def test_requests_that_fail_together_count_once(clock):
    replica = Replicas(URLS, 8).choose("talk")
    attempts = replica.attempt(), replica.attempt(), replica.attempt()
    for attempt in attempts:
        attempt.__enter__()
    for attempt in attempts:
        assert not attempt.__exit__(BackendError, BackendError("no", "unreachable"), None)
    clock[0] += FIRST_REST
    assert not replica.resting


def test_when_all_rest_the_one_that_rested_longest_is_taken(clock):
    replicas = Replicas(URLS[:3], 8)
    order = preference("talk", URLS[:3])
    for url in (order[1], order[0], order[2]):
        clock[0] += 0.01
        fail(replicas._replicas[url])
    assert replicas.choose("talk").url == order[1]
    assert replicas.stands(replicas.choose("talk"))
    assert replicas.stands(replicas._replicas[order[0]])


def test_a_request_of_no_conversation_goes_where_the_fewest_are():
    async def run():
        replicas = Replicas(URLS, 2)
        held = []
        for _ in range(8):
            held.append(replicas.choose("").limit.permit())
            await held[-1].__aenter__()
        assert [replica.limit.busy for replica in replicas._replicas.values()] == [2, 2, 2, 2]
        await held[5].__aexit__(None, None, None)
        assert replicas.choose("").url == URLS[1]

    asyncio.run(run())
