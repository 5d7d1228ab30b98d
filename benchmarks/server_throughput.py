"""Requests a second that rollouts get out of a server, beside a bare client that sends the very same requests.

    make vllm
    python benchmarks/server_throughput.py --model .vllm/smollm2-135m-instruct --python .vllm/bin/python --out FILE
    python benchmarks/server_throughput.py --server http://127.0.0.1:8000

"rollout" plays 64 consultations, 32 at a time: the checklist doctor, the simulated patient on the server, records of
the library. Every request is written down with its conversation. "replay" is a closed loop of aiohttp and nothing else:
32 users, each of which takes the next conversation and sends its requests one after another, as the rollout had to.
"unordered" is 32 users who send the same requests in an order drawn at random, with no regard to conversations; no
rollout could do that, and it is there for comparison.

Passes alternate, each replay with the requests of the rollout before it, after a short one of each that does
not count. Before each pass the prefix cache of the server is emptied (POST /reset_prefix_cache, which vLLM has where
VLLM_SERVER_DEV_MODE=1 is set); "cache_emptied" says whether the server did. "ratio" is the median over the pairs of the
rollout's requests a second over the replay's. Requests carry their seed, but what a server samples also depends on what
else is in the batch, so the tokens of the replies are counted too, and "ratio_of_tokens" compares tokens a second.

"cached" is the share of the prompt tokens of the rollouts that the server took from its prefix cache, by its own
/metrics. "cached_after_first_turn" is the same for the requests of all turns but the first of each conversation, by
what the replies say of themselves (usage.prompt_tokens_details.cached_tokens). vLLM keeps whole blocks only, so the
block size bounds both. "cacheable" is what a cache without blocks could give within a conversation: the share of the
characters of these prompts that stood at the beginning of an earlier prompt of the same conversation. "load_before" is
the load average of the machine when the run began: figures count only where it was idle.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import re
import statistics
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp

from medenv.agents.backends import Reply, Request
from medenv.agents.backends.serving import Server
from medenv.agents.backends.vllm_server import VllmServer
from medenv.agents.doctors.checklist import ChecklistDoctor
from medenv.agents.patients.simulator import SimulatedPatient
from medenv.envs.task import make_task
from medenv.rollout import collect, make_plan

COUNTERS = ("vllm:prefix_cache_queries", "vllm:prefix_cache_hits")
WARM_UP = 8
"""Consultations before anything counts."""
BLOCK = re.compile(r'block_size="(\d+)"')

Body: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request as it went out, and what came back."""

    request: Request
    reply: Reply


@dataclass
class Recording:
    """A backend that writes down what goes through it, by conversation."""

    backend: VllmServer
    exchanges: dict[str, list[Exchange]] = field(default_factory=dict)

    async def complete(self, request: Request) -> Reply:
        """The reply of the backend."""
        reply = await self.backend.complete(request)
        self.exchanges.setdefault(request.conversation, []).append(Exchange(request, reply))
        return reply

    async def aclose(self) -> None:
        """Closes the backend."""
        await self.backend.aclose()


@dataclass
class Pass:
    """What one pass over the server came to."""

    requests: int
    tokens: int
    seconds: float
    processor_seconds: float
    repairs: dict[str, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    def as_dict(self) -> dict[str, Any]:
        """The figures of the pass."""
        return {
            "requests": self.requests,
            "completion_tokens": self.tokens,
            "seconds": round(self.seconds, 2),
            "requests_per_second": round(self.rate, 4),
            "tokens_per_second": round(self.tokens / self.seconds, 2),
            "client_processor_seconds": round(self.processor_seconds, 2),
            **({"repairs": self.repairs} if self.repairs else {}),
        }


# The passes


async def rolled_out(
    url: str, model: str, consultations: int, options: argparse.Namespace
) -> tuple[Pass, dict[str, list[Exchange]]]:
    """Consultations through medenv, and the requests that they made, by conversation."""
    recording = Recording(VllmServer(url, model, max_concurrency=options.at_once))
    patient = SimulatedPatient(recording, max_tokens=options.max_tokens)
    task = make_task("library", patient=patient, max_turns=options.max_turns)
    plan = make_plan(task, groups=consultations)
    repairs: dict[str, int] = {}
    processor, start = time.process_time(), time.perf_counter()
    async for trajectory in collect(task, ChecklistDoctor(), plan, concurrency=options.at_once):
        if trajectory.failure is not None:
            raise RuntimeError(f"expected valid episodes, got {trajectory.failure}")
        for turn in trajectory.turns:
            if "trace" in turn:
                repair = turn["trace"]["repair"]
                repairs[repair] = repairs.get(repair, 0) + 1
    seconds, spent = time.perf_counter() - start, time.process_time() - processor
    await recording.aclose()
    replies = [exchange.reply for several in recording.exchanges.values() for exchange in several]
    tokens = sum(reply.completion_tokens for reply in replies)
    return Pass(len(replies), tokens, seconds, spent, repairs), recording.exchanges


async def replayed(url: str, work: Sequence[Sequence[Body]], users: int) -> Pass:
    """A closed loop: each user takes the next piece of work and sends its requests one after another."""
    waiting = iter(work)
    requests = tokens = 0

    async def user(session: aiohttp.ClientSession) -> None:
        nonlocal requests, tokens
        for bodies in waiting:
            for body in bodies:
                async with session.post(f"{url}/v1/chat/completions", json=body) as response:
                    response.raise_for_status()
                    usage = (await response.json())["usage"]
                    requests, tokens = requests + 1, tokens + usage["completion_tokens"]

    connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=None)
    processor, start = time.process_time(), time.perf_counter()
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        await asyncio.gather(*(user(session) for _ in range(users)))
        seconds, spent = time.perf_counter() - start, time.process_time() - processor
    return Pass(requests, tokens, seconds, spent)


def body_of(request: Request, model: str) -> Body:
    """A request as the server gets it."""
    body = {
        "model": model,
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "seed": request.seed,
    }
    return body | ({"stop": list(request.stop)} if request.stop else {})


# The server's own word


async def fetched(method: str, url: str) -> tuple[int, str]:
    """The status and the text of an answer."""
    async with aiohttp.ClientSession() as session, session.request(method, url) as response:
        return response.status, await response.text()


async def counters(url: str) -> dict[str, float]:
    """The counters of the prefix cache, summed over engines; nothing where the server has none."""
    _, text = await fetched("GET", f"{url}/metrics")
    found = {}
    for name in COUNTERS:
        values = re.findall(rf"^{name}(?:_total)?(?:{{[^}}]*}})? (\S+)$", text, re.M)
        if values:
            found[name] = sum(map(float, values))
    return found


async def block_size(url: str) -> int | None:
    """How many tokens a block of the cache holds, where the server says so."""
    found = BLOCK.search((await fetched("GET", f"{url}/metrics"))[1])
    return int(found[1]) if found else None


async def server_version(url: str) -> str | None:
    """The version of vLLM, where the server says so."""
    status, text = await fetched("GET", f"{url}/version")
    return json.loads(text)["version"] if status == 200 else None


async def emptied(url: str) -> bool:
    """Empties the prefix cache; returns whether the server could."""
    status, _ = await fetched("POST", f"{url}/reset_prefix_cache")
    return status == 200


# The prefix cache, conversation by conversation


@dataclass
class Cached:
    """How many prompt tokens were cached; of which turns is up to whoever counts."""

    prompt: int = 0
    cached: int = 0
    characters: int = 0
    shared: int = 0

    def add(self, exchange: Exchange, characters: int, shared: int) -> None:
        """Counts one prompt."""
        self.prompt += exchange.reply.prompt_tokens
        self.cached += exchange.reply.cached_tokens
        self.characters += characters
        self.shared += shared

    def as_dict(self) -> dict[str, float]:
        """The shares."""
        return {
            "prompt_tokens": self.prompt,
            "cached": round(self.cached / max(self.prompt, 1), 4),
            "cacheable": round(self.shared / max(self.characters, 1), 4),
        }


def by_turn(conversations: Sequence[Sequence[Exchange]]) -> dict[str, dict[str, float]]:
    """What was cached of the prompts of each turn; "first" and "later" are all turns."""
    found: dict[str, Cached] = {}
    for exchanges in conversations:
        texts: list[str] = []
        for exchange, turn in zip(exchanges, turns_of(exchanges), strict=True):
            text = "".join(f"{message.role}\0{message.content}\0" for message in exchange.request.messages)
            shared = max((alike(text, earlier) for earlier in texts), default=0)
            texts.append(text)
            for name in ("first" if turn == 1 else "later", f"turn {turn}"):
                found.setdefault(name, Cached()).add(exchange, len(text), shared)
    order = sorted(found, key=lambda name: (name.startswith("turn"), len(name), name))
    return {name: found[name].as_dict() for name in order}


def alike(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    return next(
        (place for place, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]),
        len(min(one, other, key=len)),
    )


def turns_of(exchanges: Sequence[Exchange]) -> Iterator[int]:
    """The turn of each request, from 1; a draft that is said again belongs to the turn of its first request."""
    turn, draft = 0, None
    for exchange in exchanges:
        messages = exchange.request.messages
        if draft is None or messages[: len(draft)] != draft:
            turn, draft = turn + 1, messages
        yield turn


# All of it


async def measured(url: str, options: argparse.Namespace) -> dict[str, Any]:
    """All passes over one server, and what they come to."""
    model = json.loads((await fetched("GET", f"{url}/v1/models"))[1])["data"][0]["id"]
    passes: dict[str, list[Pass]] = {"rollout": [], "replay": [], "unordered": []}
    totals = dict.fromkeys(COUNTERS, 0.0)
    recorded: list[list[Exchange]] = []
    resets: list[bool] = []

    async def one(name: str, run: Callable[[], Coroutine[Any, Any, Any]], *, counts: bool) -> Any:
        resets.append(await emptied(url))
        outcome = await run()
        result = outcome[0] if isinstance(outcome, tuple) else outcome
        if counts:
            passes[name].append(result)
        label = name if counts else f"{name}, to warm up"
        print(json.dumps({label: result.as_dict()}), flush=True)
        return outcome

    for repetition in range(-1, options.repetitions):
        counts = repetition >= 0
        before = await counters(url)
        number = options.consultations if counts else WARM_UP
        _, exchanges = await one(
            "rollout", lambda number=number: rolled_out(url, model, number, options), counts=counts
        )
        after = await counters(url)
        if counts:
            recorded += exchanges.values()
            for name in totals:
                totals[name] += after.get(name, 0.0) - before.get(name, 0.0)
        work = [[body_of(each.request, model) for each in several] for several in exchanges.values()]
        await one("replay", partial(replayed, url, work, options.at_once), counts=counts)
        if repetition >= options.repetitions - options.unordered:
            shuffled = [[body] for bodies in work for body in bodies]
            random.Random(repetition).shuffle(shuffled)
            await one("unordered", partial(replayed, url, shuffled, options.at_once), counts=True)
    pairs = list(zip(passes["rollout"], passes["replay"], strict=True))
    tokens = {name: sum(each.tokens for each in passes[name]) for name in ("rollout", "replay")}
    queries, hits = (totals[name] for name in COUNTERS)
    turns = by_turn(recorded)
    return {
        "model": model,
        "cache_emptied": all(resets),
        "block_size": await block_size(url),
        "ratio": round(statistics.median(one.rate / other.rate for one, other in pairs), 4),
        "ratios": [round(one.rate / other.rate, 4) for one, other in pairs],
        "ratio_of_tokens": round(
            statistics.median((one.tokens / one.seconds) / (other.tokens / other.seconds) for one, other in pairs), 4
        ),
        "completion_tokens": {**tokens, "differ_by": round(abs(tokens["rollout"] / tokens["replay"] - 1), 4)},
        "requests_per_second": {
            name: round(statistics.median(each.rate for each in several), 4)
            for name, several in passes.items()
            if several
        },
        "cached": round(hits / queries, 4) if queries else None,
        "cached_after_first_turn": turns["later"]["cached"],
        "cacheable_after_first_turn": turns["later"]["cacheable"],
        "by_turn": turns,
        "passes": {name: [each.as_dict() for each in several] for name, several in passes.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--server", help="the URL of a server that runs already and has nothing else to do")
    where.add_argument("--model", help="a folder or a hub id: vLLM is started with it and stopped at the end")
    parser.add_argument("--python", type=Path, help="the Python that has vLLM")
    parser.add_argument("--extra", default="", help="further arguments of vLLM, separated by spaces")
    parser.add_argument("--at-once", type=int, default=32, help="consultations, and users, at the same time")
    parser.add_argument("--consultations", type=int, default=64)
    parser.add_argument("--max-turns", type=int, default=12)
    parser.add_argument("--max-tokens", type=int, default=32, help="the longest draft of the patient")
    parser.add_argument("--repetitions", type=int, default=3, help="pairs of a rollout and a replay")
    parser.add_argument("--unordered", type=int, default=1, help="in how many of them there is an unordered replay too")
    parser.add_argument("--out", type=Path, help="write the result here as JSON")
    options = parser.parse_args()
    versions = {name: version(name) for name in ("medenv-rl", "aiohttp")}
    load = os.getloadavg()[0]
    with ExitStack() as stack:
        url = options.server
        if url is None:
            os.environ["VLLM_SERVER_DEV_MODE"] = "1"  # for /reset_prefix_cache
            extra = ("--max-model-len", "4096", *options.extra.split())
            server = stack.enter_context(Server(options.model, python=options.python, extra=extra))
            url = server.url
        url = url.rstrip("/").removesuffix("/v1")
        result = {
            "command": "python benchmarks/server_throughput.py",
            "consultations": options.consultations,
            "at_once": options.at_once,
            "max_turns": options.max_turns,
            "max_tokens": options.max_tokens,
            "repetitions": options.repetitions,
            "load_before": round(load, 2),
            **asyncio.run(measured(url, options)),
            "versions": {**versions, "vllm": asyncio.run(server_version(url))},
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        }
    print(json.dumps(result, indent=2))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
