"""The same content is asked for once, by however many, wherever they run."""

import asyncio
import itertools
import json
import subprocess
import sys
import threading
import time

import pytest

import medenv
from medenv.agents.backends.scripted import ScriptedBackend
from medenv.consultation.seats import settle_now
from medenv.consultation.views import Message
from medenv.errors import BackendError, RubricError
from medenv.records import load_records
from medenv.rewards import Criterion, Rubric
from medenv.rewards.generation.cache import RubricCache, key_of
from medenv.rewards.generation.model import ModelRubrics
from medenv.rewards.generation.slices import Slice

KEY = "ab" * 32


def rubric(name="r", points=1):
    return Rubric(name, (Criterion("a", f"Greets, {name}.", points, "communication"),))


class Maker:
    """Makes another rubric each time."""

    def __init__(self, seconds=0.0, error=None):
        self.calls, self.seconds, self.error = 0, seconds, error

    async def __call__(self):
        self.calls += 1
        made = rubric(f"r{self.calls}")
        await asyncio.sleep(self.seconds)
        if self.error:
            raise self.error
        return made


def test_those_who_ask_together_get_one_rubric():
    async def ask():
        cache, make = RubricCache(), Maker(0.01)
        found = await asyncio.gather(*(cache.get(KEY, make) for _ in range(32)))
        again = await cache.get(KEY, make)
        assert make.calls == 1
        assert {id(each) for each in (*found, again)} == {id(again)}

    asyncio.run(ask())


def test_the_others_get_it_where_the_first_who_asked_is_cancelled():
    async def ask():
        cache, make = RubricCache(), Maker(0.02)
        first = asyncio.create_task(cache.get(KEY, make))
        await asyncio.sleep(0)
        others = [asyncio.create_task(cache.get(KEY, make)) for _ in range(3)]
        await asyncio.sleep(0.005)
        first.cancel()
        found = await asyncio.gather(*others)
        assert make.calls == 1
        assert {each.id for each in found} == {"r1"}
        with pytest.raises(asyncio.CancelledError):
            await first

    asyncio.run(ask())


def test_a_failure_is_shared_and_not_remembered():
    async def ask():
        cache, failing = RubricCache(), Maker(0.005, BackendError("expected a reply, got none"))
        found = await asyncio.gather(*(cache.get(KEY, failing) for _ in range(5)), return_exceptions=True)
        assert failing.calls == 1
        assert all(isinstance(each, BackendError) for each in found)
        assert (await cache.get(KEY, Maker())).id == "r1"

    asyncio.run(ask())


def test_threads_with_event_loops_of_their_own_share_it():
    cache, make, found = RubricCache(), Maker(0.05), []
    start = threading.Barrier(6)

    def ask():
        start.wait()
        found.append(asyncio.run(cache.get(KEY, make)))

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    start.wait()
    found.append(settle_now(cache.get(KEY, make)))
    for thread in threads:
        thread.join()
    assert len({each.id for each in found}) == 1
    assert asyncio.run(cache.get(KEY, make)).id == found[0].id


def test_somebody_takes_over_where_the_loop_of_the_first_ended():
    cache, slow = RubricCache(), Maker(60)

    async def give_up():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(cache.get(KEY, slow), 0.01)

    stopped = asyncio.new_event_loop()
    stopped.run_until_complete(give_up())  # The task of the rubric stays behind in a loop that stands still.
    assert asyncio.run(cache.get(KEY, Maker())).id == "r1"
    for task in asyncio.all_tasks(stopped):
        task.cancel()
    stopped.run_until_complete(asyncio.sleep(0))
    stopped.close()
    assert asyncio.run(cache.get(KEY, slow)).id == "r1"
    assert slow.calls == 1


def test_a_waiter_in_another_loop_goes_on_where_the_first_loop_is_shut_down():
    cache, slow, found = RubricCache(), Maker(60), []
    asked = threading.Event()

    async def give_up():
        task = asyncio.create_task(cache.get(KEY, slow))
        await asyncio.sleep(0.01)
        asked.set()
        await asyncio.sleep(0.05)
        task.cancel()

    first = threading.Thread(target=lambda: asyncio.run(give_up()))
    first.start()
    asked.wait()
    second = threading.Thread(target=lambda: found.append(asyncio.run(cache.get(KEY, Maker()))))
    second.start()
    first.join()
    second.join(5)
    assert [each.id for each in found] == ["r1"]


def test_memory_is_bounded():
    async def ask():
        cache, make = RubricCache(size=2), Maker()
        for key in ("a", "b", "a", "c", "a", "b"):
            await cache.get(key, make)
        assert make.calls == 4

    asyncio.run(ask())
    with pytest.raises(RubricError, match="size of at least 1"):
        RubricCache(size=0)


def test_a_folder_outlives_the_object(tmp_path):
    first = asyncio.run(RubricCache(tmp_path).get(KEY, Maker()))
    other = Maker()
    assert asyncio.run(RubricCache(tmp_path).get(KEY, other)) == first
    assert other.calls == 0
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[:-20],
        lambda text: "\0" * len(text),
        lambda text: "[" * 100_000,
        lambda text: "[]",
        lambda text: "null",
        lambda text: "{}",
        lambda text: text.replace("Greets", "Hits"),
        lambda text: text.replace('"points": 1', '"points": 9'),
        lambda text: text.replace('"points": 1', '"points": "1"'),
        lambda text: text.replace(KEY, "c" * 64),
    ],
)
def test_a_corrupt_file_is_made_anew(tmp_path, damage):
    asyncio.run(RubricCache(tmp_path).get(KEY, Maker()))
    (path,) = tmp_path.rglob("*.json")
    whole = path.read_text("utf-8")
    path.write_text(damage(whole), "utf-8")
    make = Maker()
    assert asyncio.run(RubricCache(tmp_path).get(KEY, make)) == rubric("r1")
    assert make.calls == 1
    assert path.read_text("utf-8") == whole
    assert not list(tmp_path.rglob("*.part"))


def test_the_first_on_disk_stays(tmp_path):
    one, other = RubricCache(tmp_path), RubricCache(tmp_path)

    async def ask():
        make = Maker()
        make.calls = 6
        early, late = await asyncio.gather(one.get(KEY, Maker(0.01)), other.get(KEY, make))
        assert early == late == rubric("r7")

    asyncio.run(ask())


ASKING = """
import asyncio, sys
from medenv.rewards import Criterion, Rubric
from medenv.rewards.generation.cache import RubricCache

async def make():
    await asyncio.sleep(0.2)
    return Rubric(f"by {sys.argv[3]}", (Criterion("a", "Greets.", 1, "communication"),))

print(asyncio.run(RubricCache(sys.argv[1]).get(sys.argv[2], make)).id)
"""


def test_processes_that_ask_together_get_one_rubric(tmp_path):
    asking = [
        subprocess.Popen([sys.executable, "-c", ASKING, str(tmp_path), KEY, str(n)], stdout=subprocess.PIPE, text=True)
        for n in range(2)
    ]
    said = [process.communicate(timeout=120)[0] for process in asking]
    assert said[0] == said[1] in ("by 0\n", "by 1\n")


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(RubricError, match="expected a folder"):
        RubricCache(tmp_path / "file")


def test_a_key_changes_with_all_that_matters(record):
    message = Message("user", "My knee. \ud800")
    keys = [
        key_of("g", record, None),
        key_of("h", record, None),
        key_of("g", load_records("library")[0], None),
        key_of("g", record, Slice((message,))),
        key_of("g", record, Slice((message, message))),
        key_of("g", record, Slice((message,), told=frozenset(("fever",)))),
        key_of("g", record, Slice((message,), ordered=frozenset(("mri",)))),
    ]
    assert len(set(keys)) == len(keys)
    told = key_of("g", record, Slice((message,), told=frozenset(("fever", "onset", "alcohol"))))
    assert told == key_of("g", record, Slice((message,), told=frozenset(("alcohol", "onset", "fever"))))


def _changing():
    """A model that writes another rubric each time, slowly enough for all of a group to ask before it has."""
    numbers = itertools.count(1)

    def reply(request):
        n = next(numbers)
        items = [
            {
                "text": f"Asks question {n}{letter * 9}",
                "points": n % 9 + 1,
                "axis": "safety",
                "links": [f"F{at}"],
                "needs": "all",
            }
            for at, letter in enumerate("xyz", start=1)
        ]
        return json.dumps({"criteria": items})

    return ScriptedBackend(reply, latency=0.01), numbers


@pytest.mark.parametrize("concurrency", [1, 64])
def test_a_group_is_graded_by_one_rubric(record, concurrency):
    backend, numbers = _changing()
    records = [record, *load_records("library")[:2]]
    episodes = medenv.rollout(
        "random", records=records, episodes=24, group_size=8, concurrency=concurrency, rubric=ModelRubrics(backend)
    )
    graded = {}
    for episode in episodes:
        assert episode.failure is None
        lines = [(line["id"], line["text"], line["points"]) for line in episode.score["criteria"]]
        graded.setdefault(episode.record, []).append(lines)
    assert all(lines == group[0] for group in graded.values() for lines in group)
    assert next(numbers) == 1 + len(graded)


def test_a_group_whose_rubric_fails_is_invalid_and_the_run_goes_on(record):
    started = time.monotonic()
    backend = ScriptedBackend(lambda request: "no rubric")
    episodes = medenv.rollout("random", records=[record], episodes=4, group_size=4, rubric=ModelRubrics(backend))
    assert all(episode.reward is None for episode in episodes)
    assert all("expected a rubric" in episode.failure["reason"] for episode in episodes)
    assert time.monotonic() - started < 30
