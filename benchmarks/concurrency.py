"""A thousand consultations at once in one process, beside plain asyncio and GEM's threads in the same run.

    python -m venv /tmp/gem && /tmp/gem/bin/pip install gem-llm
    python benchmarks/concurrency.py --gem-python /tmp/gem/bin/python --out benchmarks/results/concurrency.json

Every model call takes 500 ms, so that 1,024 consultations that never wait for anything else make 2,048 calls a second:
the ideal that each rate is held against. In medenv each turn is two calls, the chat doctor's and the simulated
patient's, and all that a consultation is happens in between: the doctor's words are understood, the facts to tell are
released, both prompts are made, the patient's draft is held against the record claim by claim, and the end is scored.
The doctor's words differ from turn to turn, so that no cache of whole messages helps, and how many questions it asks is
drawn, so that consultations end at different times and the next one begins in the seat that is free.

The peers do far less. "asyncio" is 1,024 coroutines that call one backend over and over: what an event loop gives.
"gem" is GEM's own vector environment (`gem.make_vec(..., async_mode=True)`), with a thread for each of 1,024
environments, whose `step` sleeps 500 ms and returns a constant; its threads are started before the clock is.

Rates are calls a second. "full" counts the calls that end between the first one that is sent and the moment the last
episode of the plan begins, in which every seat is taken: with the start, without the tail. "whole" counts everything up
to the last score, with the tail, in which seats stay empty because the plan is at its end. What is made once a process
is made before the clock starts, and Python's collector of cycles is told, for all that is run in this process, to leave
that alone (`gc.freeze()`) and to look less often (`gc.set_threshold`); both are advised to whoever plays thousands of
episodes. "milliseconds_per_call" is the processor time of the process, with the event loop and the backend. Above 0.49
one core cannot reach the ideal.
"load_before" is the load average of the machine when the run began: figures count only where it was idle.

"memory" plays episodes through `collect`, which keeps none of them, in processes of their own: what is resident after
more and more episodes (the slope is what each leaves behind), and the most that is resident with more and more at once.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import os
import platform
import re
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from medenv.agents.backends import Reply, Request
from medenv.agents.backends.scripted import ScriptedBackend
from medenv.agents.doctors.chat import ChatDoctor
from medenv.agents.patients.simulator import SimulatedPatient
from medenv.consultation.views import Message
from medenv.envs.task import Task, make_task
from medenv.records.record import topics
from medenv.rollout import Planned, Trajectory, collect, make_plan

MAX_TURNS = 20
APART = 0.001
"""Seconds between the beginnings of the first consultations, so that they do not stay in step."""
COLLECTED_EVERY = 20_000
"""New objects after which Python looks for cycles; its default, 700, is a few model calls here."""
QUESTIONS = (8, 16)
"""The fewest and the most that a doctor asks before the diagnosis."""
STRIDE = 20
"""From one question to the next; it has no factor in common with their number, so that none comes twice."""
NOTHING_TO_TELL = "I don't know."
CLOSING = "Thank you. I think I know enough.\nDIAGNOSIS: viral illness (0.6); anaemia (0.2)\nPLAN: rest; fluids"

GEM = """
import json, sys, time
import gem

class Waiting(gem.Env):
    def __init__(self, seed=0):
        super().__init__()

    def reset(self, seed=None):
        return "", {}

    def step(self, action):
        time.sleep(LATENCY)
        return "", 0.0, False, False, {}

envs, steps, LATENCY = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
gem.register("waiting", Waiting)
vector = gem.make_vec(["waiting"] * envs, async_mode=True)
vector.reset()
actions = [""] * envs
vector.step(actions)
processor, start = time.process_time(), time.perf_counter()
for _ in range(steps):
    vector.step(actions)
seconds, spent = time.perf_counter() - start, time.process_time() - processor
print(json.dumps({"calls": envs * steps, "seconds": seconds, "processor_seconds": spent}))
"""


# The model


@cache
def questions() -> Sequence[str]:
    """The question of each topic."""
    return [topic["question"] for topic in topics().values()]


def answer(request: Request) -> Reply:
    """What the one model says, in the doctor's seat and in the patient's; nobody counts tokens."""
    if request.conversation.startswith("doctor:"):
        return Reply(as_doctor(request))
    return Reply(as_patient(request.messages[-1].content))


def as_doctor(request: Request) -> str:
    """The next of the doctor's own questions, or the diagnosis at their end; which they are follows from the seed."""
    seed = int(request.conversation.removeprefix("doctor:"))
    asked = sum(message.role == "assistant" for message in request.messages)
    fewest, most = QUESTIONS
    if asked == fewest + seed % (most - fewest + 1):
        return CLOSING
    question = questions()[(seed + STRIDE * asked) % len(questions())]
    return f"{question.rstrip('?.')}, in the last {request.seed % 99999} days?"


def as_patient(turn: str) -> str:
    """The facts of the patient's note, in order."""
    return " ".join(re.findall(r"^- (.+)$", turn, re.M)) or NOTHING_TO_TELL


@dataclass
class Clocked:
    """A backend that notes when each call ended."""

    backend: ScriptedBackend
    ended: list[float] = field(default_factory=list)

    async def complete(self, request: Request) -> Reply:
        """The reply of the backend."""
        reply = await self.backend.complete(request)
        self.ended.append(time.perf_counter())
        return reply

    async def aclose(self) -> None:
        """Closes the backend."""
        await self.backend.aclose()


# The rates


def rates(ended: Sequence[float], start: float, full_until: float, end: float, spent: float) -> dict[str, float]:
    """The figures of one pass; see the top of this file."""
    return {
        "calls": len(ended),
        "seconds": end - start,
        "rate_full": sum(moment <= full_until for moment in ended) / (full_until - start),
        "rate_whole": len(ended) / (end - start),
        "milliseconds_per_call": 1000 * spent / len(ended),
    }


def task_with(backend: Clocked | ScriptedBackend) -> Task:
    """Consultations with the simulator over the bundled records."""
    return make_task("library", patient=SimulatedPatient(backend), max_turns=MAX_TURNS)


async def consultations(at_once: int, episodes: int, latency: float) -> dict[str, Any]:
    """One pass of medenv."""
    clocked = Clocked(ScriptedBackend(answer, latency=latency))
    task, doctor = task_with(clocked), ChatDoctor(clocked)
    plan = make_plan(task, groups=episodes)
    begun: list[float] = []
    repairs: dict[str, int] = {}
    turns = 0

    def taken() -> Iterator[Planned]:
        for planned in plan:
            begun.append(time.perf_counter())
            yield planned

    gc.collect()
    processor, start = time.process_time(), time.perf_counter()
    async for trajectory in collect(task, doctor, taken(), concurrency=at_once, apart=APART):
        turns += len(trajectory.turns)
        if trajectory.failure is not None:
            raise RuntimeError(f"expected valid episodes, got {trajectory.failure}")
        for repair in repairs_of(trajectory):
            repairs[repair] = repairs.get(repair, 0) + 1
    end, spent = time.perf_counter(), time.process_time() - processor
    counted = {"episodes": episodes, "turns": turns, "repairs": repairs}
    return {**counted, **rates(clocked.ended, start, begun[-1], end, spent)}


def repairs_of(trajectory: Trajectory) -> Iterator[str]:
    """What became of each draft of the patient: "none" for one that went out as it was."""
    for turn in trajectory.turns:
        if "trace" in turn:
            yield turn["trace"]["repair"]


async def bare_loops(at_once: int, calls_each: int, latency: float) -> dict[str, Any]:
    """One pass of plain asyncio."""
    clocked = Clocked(ScriptedBackend(lambda request: Reply(CLOSING), latency=latency))
    request = Request((Message("user", "Hello"),))

    async def loop() -> None:
        for _ in range(calls_each):
            await clocked.complete(request)

    gc.collect()
    processor, start = time.process_time(), time.perf_counter()
    await asyncio.gather(*(loop() for _ in range(at_once)))
    end, spent = time.perf_counter(), time.process_time() - processor
    return rates(clocked.ended, start, end, end, spent)


def gem_threads(python: Path, at_once: int, steps: int, latency: float) -> dict[str, Any]:
    """One pass of GEM."""
    command = [str(python), "-c", GEM, str(at_once), str(steps), str(latency)]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    measured = json.loads(output.splitlines()[-1])
    calls, seconds = measured["calls"], measured["seconds"]
    return {
        "calls": calls,
        "seconds": seconds,
        "rate_whole": calls / seconds,
        "rate_full": calls / seconds,
        "milliseconds_per_call": 1000 * measured["processor_seconds"] / calls,
    }


# Memory


def resident() -> int:
    """The bytes that this process has in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak() -> int:
    """The most bytes that this process has had in memory; unlike `ru_maxrss`, without what its parent had."""
    (kibibytes,) = re.findall(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text("utf-8"), re.MULTILINE)
    return int(kibibytes) * 1024


def played(counts: Sequence[int], at_once: int) -> list[int]:
    """What is resident after so many episodes, in one process."""

    async def play() -> list[int]:
        backend = ScriptedBackend(answer)
        task, found = task_with(backend), []
        done = 0
        for count in counts:
            plan = make_plan(task, groups=count - done, start=done)
            async for _ in collect(task, ChatDoctor(backend), plan, concurrency=at_once):
                pass
            done = count
            del plan
            gc.collect()
            found.append(resident())
        return found

    return asyncio.run(play())


def highest(at_once: int, latency: float) -> int:
    """The most that is resident while so many consultations go on at once."""
    asyncio.run(consultations(at_once, at_once, latency))
    return peak()


def slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """The slope of the straight line nearest to the points."""
    return statistics.linear_regression(xs, ys).slope


def memory(at_once: int, most: int, latency: float) -> dict[str, Any]:
    """The figures on memory; each point at which many are played at once has a process of its own."""
    counts = [most * share // 8 for share in range(1, 9)]
    together = [max(1, at_once // 8), at_once // 4, at_once // 2, at_once]
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as processes:
        after = processes.submit(played, counts, 64).result()
        peaks = [processes.submit(highest, number, latency).result() for number in together]
    half = len(counts) // 2
    return {
        "resident_mib_after_episodes": {
            str(count): round(size / 2**20, 1) for count, size in zip(counts, after, strict=True)
        },
        "bytes_per_episode": round(slope(counts, after)),
        "bytes_per_episode_in_second_half": round(slope(counts[half:], after[half:])),
        "peak_mib_at_once": {str(number): round(size / 2**20, 1) for number, size in zip(together, peaks, strict=True)},
        "peak_bytes_per_consultation_at_once": round(slope(together, peaks)),
    }


def median_of(passes: Sequence[dict[str, Any]], ideal: float) -> dict[str, Any]:
    """The medians of some passes, and the share of the ideal that they reach."""
    found = {name: statistics.median(each[name] for each in passes) for name in passes[0] if name.startswith("rate")}
    return {
        **{name: round(rate, 1) for name, rate in found.items()},
        **{name.replace("rate", "of_ideal"): round(rate / ideal, 4) for name, rate in found.items()},
        "milliseconds_per_call": round(statistics.median(each["milliseconds_per_call"] for each in passes), 4),
    }


def rounded(measured: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in measured.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--at-once", type=int, default=1024, help="consultations at the same time")
    parser.add_argument("--episodes", type=int, default=3072, help="consultations a pass")
    parser.add_argument("--latency", type=float, default=0.5, help="seconds a model call takes")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--gem-python", type=Path, help="a Python that has gem-llm; without it GEM is left out")
    parser.add_argument("--memory-episodes", type=int, default=4096, help="0 leaves the figures on memory out")
    parser.add_argument("--out", type=Path, help="write the result here as JSON")
    options = parser.parse_args()
    at_once, latency = options.at_once, options.latency
    ideal = at_once / latency
    load = os.getloadavg()[0]
    # What is made once a process is made before the clock starts: knowledge, lexicon, the reader of a record.
    asyncio.run(consultations(64, 64, 0.0))
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_EVERY)
    passes: dict[str, list[dict[str, Any]]] = {"medenv": [], "asyncio": [], "gem": []}
    for _ in range(options.repetitions):
        passes["medenv"].append(asyncio.run(consultations(at_once, options.episodes, latency)))
        passes["asyncio"].append(asyncio.run(bare_loops(at_once, 40, latency)))
        if options.gem_python is not None:
            passes["gem"].append(gem_threads(options.gem_python, at_once, 40, latency))
        print(json.dumps({name: rounded(found[-1]) for name, found in passes.items() if found}), flush=True)
    if not passes["gem"]:
        print("GEM is left out: no --gem-python")
    result = {
        "command": "python benchmarks/concurrency.py",
        "at_once": at_once,
        "latency": latency,
        "ideal_rate": ideal,
        "repetitions": options.repetitions,
        "load_before": round(load, 2),
        "medians": {name: median_of(found, ideal) for name, found in passes.items() if found},
        "passes": {name: [rounded(each) for each in found] for name, found in passes.items() if found},
        "memory": memory(at_once, options.memory_episodes, latency) if options.memory_episodes else None,
        "versions": {"medenv-rl": version("medenv-rl"), "gem-llm": gem_version(options.gem_python)},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    print(json.dumps(result, indent=2))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(result, indent=2) + "\n")


def gem_version(python: Path | None) -> str | None:
    if python is None:
        return None
    asked = "import importlib.metadata as m; print(m.version('gem-llm'))"
    return subprocess.run([str(python), "-c", asked], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
