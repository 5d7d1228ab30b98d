"""Adaptive concurrency: never more than the limit, in order, nothing lost."""

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medenv.agents.backends.limits import DECREASE, AdaptiveLimit
from medenv.errors import BackendError


def test_a_limit_is_at_least_one():
    with pytest.raises(BackendError, match="at least 1"):
        AdaptiveLimit(0)


def test_permits_are_bounded_and_given_in_order():
    async def run():
        limit, order, inside, most = AdaptiveLimit(3), [], 0, 0

        async def work(place):
            nonlocal inside, most
            async with limit.permit():
                inside += 1
                most = max(most, inside)
                order.append(place)
                await asyncio.sleep(0.001 * (place % 3))
                inside -= 1

        await asyncio.gather(*map(work, range(40)))
        assert limit.busy == 0
        return order, most

    assert asyncio.run(run()) == (list(range(40)), 3)


def test_one_overload_counts_once_however_many_requests_see_it():
    async def run():
        limit = AdaptiveLimit(10)
        together = [limit.permit() for _ in range(10)]
        permits = [await one.__aenter__() for one in together]
        for permit in permits:
            permit.overloaded()
        assert limit.limit == 10 * DECREASE
        for one in together:
            await one.__aexit__(None, None, None)
        async with limit.permit() as later:
            later.overloaded()
        assert limit.limit == pytest.approx(10 * DECREASE**2)

    asyncio.run(run())


def test_the_limit_stays_between_one_and_the_most_and_recovers():
    async def run():
        limit = AdaptiveLimit(8)
        for _ in range(50):
            async with limit.permit() as permit:
                permit.overloaded()
        assert limit.limit == 1
        for _ in range(100):
            async with limit.permit() as permit:
                permit.kept_up()
        assert limit.limit == 8

    asyncio.run(run())


def test_a_lowered_limit_holds_back_those_who_wait():
    async def run():
        limit = AdaptiveLimit(10)
        together = [limit.permit() for _ in range(10)]
        permits = [await one.__aenter__() for one in together]
        after = limit.permit()
        waiting = asyncio.create_task(after.__aenter__())
        permits[0].overloaded()
        for one in together[:3]:
            await one.__aexit__(None, None, None)
            await asyncio.sleep(0)
            assert not waiting.done()
        await together[3].__aexit__(None, None, None)
        await waiting

    asyncio.run(run())


def test_a_permit_that_comes_with_the_cancellation_is_passed_on():
    async def run():
        limit, entered = AdaptiveLimit(1), []

        async def hold(name):
            async with limit.permit():
                entered.append(name)
                await asyncio.sleep(0.01)

        first = limit.permit()
        await first.__aenter__()
        second, third = (asyncio.create_task(hold(name)) for name in ("second", "third"))
        await asyncio.sleep(0)
        await first.__aexit__(None, None, None)  # the permit is handed to the second...
        second.cancel()  # ...which is cancelled before it runs
        await asyncio.wait_for(third, 1)
        assert second.cancelled()
        assert entered == ["third"]
        assert limit.busy == 0

    asyncio.run(run())


def test_nobody_overtakes_when_the_limit_rises_meanwhile():
    async def run():
        limit, entered = AdaptiveLimit(5), []

        async def hold(name):
            async with limit.permit():
                entered.append(name)
                await asyncio.sleep(0.01)

        for _ in range(20):
            limit.fall(limit.decreases)
        tasks = [asyncio.create_task(hold(name)) for name in ("first", "second")]
        await asyncio.sleep(0)
        limit.rise()  # as another event loop might, while the second waits
        tasks.append(asyncio.create_task(hold("third")))
        await asyncio.gather(*tasks)
        assert entered == ["first", "second", "third"]

    asyncio.run(run())


@given(
    st.integers(1, 5),
    st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from(["kept up", "overloaded", "raise", "cancel", "nothing"])),
        max_size=40,
    ),
)
def test_whatever_happens_nothing_is_lost_and_nobody_starves(most, works):
    async def run():
        limit, inside, entered = AdaptiveLimit(most), set(), []

        async def work(place, rounds, end):
            async with limit.permit() as permit:
                assert len(inside) < limit.limit
                inside.add(place)
                entered.append(place)
                try:
                    for _ in range(rounds):
                        await asyncio.sleep(0)
                    if end == "kept up":
                        permit.kept_up()
                    elif end == "overloaded":
                        permit.overloaded()
                    elif end == "raise":
                        raise LookupError
                finally:
                    inside.discard(place)

        tasks = []
        for place, (rounds, end) in enumerate(works):
            tasks.append(asyncio.create_task(work(place, rounds, end)))
            if end == "cancel":
                asyncio.get_running_loop().call_later(0, tasks[-1].cancel)
            if rounds == 4:
                await asyncio.sleep(0)
        results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        kinds = {asyncio.CancelledError: "cancel", LookupError: "raise"}
        for (_, end), result in zip(works, results, strict=True):
            assert result is None or kinds[type(result)] == end
        assert entered == sorted(entered)
        assert 1 <= limit.limit <= most
        assert limit.busy == 0
        for _ in range(2 * most):
            async with asyncio.timeout(1), limit.permit():
                pass

    asyncio.run(run())


def test_event_loops_share_what_was_learnt_and_nothing_else():
    limit = AdaptiveLimit(4)

    async def overload():
        async with limit.permit() as permit:
            permit.overloaded()
            await asyncio.sleep(0.01)

    async def many():
        await asyncio.gather(*(overload() for _ in range(20)))

    threads = [threading.Thread(target=asyncio.run, args=(many(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert limit.limit < 4
    asyncio.run(many())
