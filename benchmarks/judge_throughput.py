"""Judgements a second on a real server, beside the way in which HealthBench grades, and what replicas compute twice.

    make vllm
    VLLM_SERVER_DEV_MODE=1 python benchmarks/judge_throughput.py --model .vllm/smollm2-135m-instruct \
        --python .vllm/bin/python --out FILE
    python benchmarks/judge_throughput.py --server http://127.0.0.1:8000[,http://127.0.0.1:8001]

A judgement is one verdict on one criterion. The consultations are of the library, played by the checklist doctor and
novices in turn with the scripted patient; the criteria are a fixed choice of each record's own rubric, a quarter of
them negative. All ways judge the same ones.

"published" grades as simple-evals does for HealthBench, in code of our own: one user message with the conversation,
then the criterion with its points, then instructions of the length and the structure of the published ones
(`judge_throughput/published.txt`); one call a criterion at temperature 0.5, from a pool of 120 threads; an explanation
and a verdict in JSON that nothing enforces; and another call as long as the JSON cannot be read. There the number of
calls has no limit and a reply may have 2,048 tokens; here `--tries` and `--explanation` limit both, for a small model
may never write JSON. "published, one try" does not call again, and what cannot be read counts as judged: it is what the
published way costs with a model that always writes JSON, in replies no longer than `--explanation`. "ratio" is over the
published way, "ratio_one_try" over this one.

"one", "four" and "all" are `LanguageModelJudge` with one criterion a call, four, and all that may share a call, without
explanations; "one, explained" is the first with them. "one, first alone" sends the first call of each conversation
ahead of the others. Passes of all ways alternate; before each, the prefix cache of the server is emptied (POST
/reset_prefix_cache, which vLLM has where VLLM_SERVER_DEV_MODE=1 is set). Rates are medians over repetitions.

"agreement" holds the verdicts of each way against those of "one" in the same repetition: the share of equal ones, and
Cohen's kappa, over the criteria that both have a verdict on. "met" is how often a way said yes: a model that says the
same to everything agrees with itself, and has no kappa.

"replicas" is with two servers: prompt tokens that they computed (asked of the prefix cache, less those found there),
where all criteria of a conversation go to one replica ("affinity") and where calls go to each in turn ("round-robin"),
with one criterion a call and with four. Affinity saves the second reading of the conversation, never that of the
criteria, so the ratio is lower the less is said a call beside the conversation.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import platform
import re
import statistics
import time
import urllib.request
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Any, TypeAlias

from server_throughput import COUNTERS, block_size, counters, emptied, fetched, server_version

from medenv.agents.backends import Backend, Reply, Request
from medenv.agents.backends.serving import Server
from medenv.agents.backends.vllm_server import VllmServer
from medenv.agents.doctors.checklist import ChecklistDoctor
from medenv.agents.doctors.novice import NoviceDoctor
from medenv.agents.patients.scripted import ScriptedPatient
from medenv.consultation.episode import Episode, Scenario
from medenv.consultation.playing import play_now
from medenv.consultation.seats import DOCTOR, PATIENT, Seat
from medenv.consultation.views import Message
from medenv.personas import Persona
from medenv.records import load_records
from medenv.rewards import Criterion, LanguageModelJudge, Verdict, record_rubric
from medenv.rewards.judging.conversation import conversation

PLAYERS: tuple[Callable[[], Seat], ...] = (ChecklistDoctor, NoviceDoctor)
TRIES_TEMPERATURE = 0.5
TARGET, REPLICA_TARGET = 3.0, 0.6

PUBLISHED = Path(__file__).with_suffix("") / "published.txt"

Body: TypeAlias = dict[str, Any]
Verdicts: TypeAlias = list[list[Verdict]]


@dataclass(frozen=True, slots=True)
class Case:
    """A consultation that is over, and what is judged of it."""

    messages: tuple[Message, ...]
    criteria: tuple[Criterion, ...]


@dataclass
class Pass:
    """What one way of judging came to, once over all cases."""

    verdicts: Verdicts
    seconds: float
    calls: int
    unscored: int
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def judgements(self) -> int:
        """Criteria judged, with a verdict or without."""
        return sum(map(len, self.verdicts))

    @property
    def rate(self) -> float:
        """Judgements a second."""
        return self.judgements / self.seconds

    def as_dict(self) -> dict[str, Any]:
        """The figures of the pass."""
        scored = [verdict.met for several in self.verdicts for verdict in several if verdict.met is not None]
        return {
            "judgements": self.judgements,
            "unscored": self.unscored,
            "met": round(sum(scored) / len(scored), 4) if scored else None,
            "calls": self.calls,
            "seconds": round(self.seconds, 2),
            "judgements_per_second": round(self.rate, 4),
            **self.figures,
        }


# What is judged


def cases(consultations: int, criteria: int, max_turns: int) -> list[Case]:
    """Consultations of the library with the criteria that are judged of each."""
    records, made = list(load_records("library")), []
    for number in range(consultations):
        record = records[number % len(records)]
        doctor = PLAYERS[number % len(PLAYERS)]()
        episode = Episode(Scenario(record, Persona("neutral"), number, max_turns), doctor_seed=number)
        play_now(episode, {DOCTOR: doctor, PATIENT: ScriptedPatient()})
        made.append(Case(conversation(episode.judge_view()), chosen(record_rubric(record).criteria, criteria)))
    return made


def chosen(criteria: Sequence[Criterion], count: int) -> tuple[Criterion, ...]:
    """Criteria spread evenly over a rubric, a quarter of them negative where there are as many."""
    faults = spread([criterion for criterion in criteria if criterion.points < 0], count // 4)
    merits = spread([criterion for criterion in criteria if criterion.points > 0], count - len(faults))
    return tuple(sorted((*merits, *faults), key=criteria.index))


def spread(several: Sequence[Criterion], count: int) -> list[Criterion]:
    """At most so many of a sequence, at equal distances."""
    count = min(count, len(several))
    return [several[place * len(several) // count] for place in range(count)]


# The ways of judging


class FirstAlone:
    """A backend that holds back all calls of a conversation until the first has its answer."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._first: dict[str, asyncio.Event] = {}

    async def complete(self, request: Request) -> Reply:
        """The reply of the backend."""
        if (answered := self._first.get(request.conversation)) is not None:
            await answered.wait()
            return await self.backend.complete(request)
        answered = self._first[request.conversation] = asyncio.Event()
        try:
            return await self.backend.complete(request)
        finally:
            answered.set()

    async def aclose(self) -> None:
        """Closes the backend."""
        await self.backend.aclose()


class RoundRobin:
    """Several servers that get the calls in turn, whatever conversation they are of."""

    def __init__(self, backends: Sequence[Backend]) -> None:
        self.backends = backends
        self._turn = itertools.cycle(backends)

    async def complete(self, request: Request) -> Reply:
        """The reply of the server whose turn it is."""
        return await next(self._turn).complete(request)

    async def aclose(self) -> None:
        """Closes all."""
        for backend in self.backends:
            await backend.aclose()


async def ours(work: Sequence[Case], backend: Backend, **settings: Any) -> Pass:
    """The judge of medenv over all cases at the same time; the backend limits how many calls are under way."""
    judge = LanguageModelJudge(backend, **settings)
    started = time.perf_counter()
    verdicts = await asyncio.gather(*(judge.verdicts(case.criteria, case.messages) for case in work))
    seconds = time.perf_counter() - started
    await judge.aclose()
    costs = judge.costs
    figures = {
        "asked_again": costs.asked_again,
        "prompt_tokens": costs.prompt_tokens,
        "cached_tokens": costs.cached_tokens,
        "completion_tokens": costs.completion_tokens,
    }
    return Pass(list(verdicts), seconds, costs.calls, costs.unscored, figures)


async def published(work: Sequence[Case], url: str, model: str, options: argparse.Namespace, tries: int) -> Pass:
    """One call a criterion from a pool of threads, again as long as the JSON cannot be read."""
    pairs = [(case, criterion) for case in work for criterion in case.criteria]
    started = time.perf_counter()
    with ThreadPoolExecutor(options.at_once) as pool:
        grade = partial(graded, url, model, options.explanation, tries)
        answers = await asyncio.gather(
            *(asyncio.get_running_loop().run_in_executor(pool, grade, case, criterion) for case, criterion in pairs)
        )
    seconds = time.perf_counter() - started
    found = iter(answers)
    by_case = [[next(found) for _ in case.criteria] for case in work]
    verdicts = [[verdict for verdict, _ in several] for several in by_case]
    usages = [usage for several in by_case for _, several_usages in several for usage in several_usages]
    figures = {
        "asked_again": len(usages) - len(answers),
        "prompt_tokens": sum(usage["prompt_tokens"] for usage in usages),
        "completion_tokens": sum(usage["completion_tokens"] for usage in usages),
    }
    unscored = sum(verdict.met is None for several in verdicts for verdict in several)
    return Pass(verdicts, seconds, len(usages), unscored, figures)


def graded(
    url: str, model: str, explanation: int, tries: int, case: Case, criterion: Criterion
) -> tuple[Verdict, list[Body]]:
    """One criterion as HealthBench grades it, and what each call used."""
    template = Template(PUBLISHED.read_text("utf-8").strip())
    talk = "\n\n".join(f"{message.role}: {message.content}" for message in case.messages)
    item = f"[{criterion.points}] {criterion.text}"
    body = {
        "model": model,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": template.substitute(conversation=talk, item=item)},
        ],
        "temperature": TRIES_TEMPERATURE,
        "max_tokens": explanation,
    }
    usages = []
    for _ in range(tries):
        request = urllib.request.Request(
            f"{url}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=3600) as response:
            answer = json.load(response)
        usages.append(answer["usage"])
        if (met := read(answer["choices"][0]["message"]["content"])) is not None:
            return Verdict(criterion.id, met), usages
    return Verdict(criterion.id, None, "no JSON"), usages


def read(text: str) -> bool | None:
    """The verdict of a reply that is JSON, in a block of markdown or without."""
    try:
        parsed = json.loads(re.sub(r"^```(?:json)?\s*|\s*```$", "", text.strip()))
    except ValueError:
        return None
    met = parsed.get("criteria_met") if isinstance(parsed, dict) else None
    return met if isinstance(met, bool) else None


# What they come to


def agreement(verdicts: Verdicts, reference: Verdicts) -> dict[str, Any]:
    """The share of equal verdicts and Cohen's kappa, over the criteria on which both have one."""
    pairs = [
        (mine.met, other.met)
        for several, others in zip(verdicts, reference, strict=True)
        for mine, other in zip(several, others, strict=True)
        if mine.met is not None and other.met is not None
    ]
    if not pairs:
        return {"verdicts": 0, "share": None, "kappa": None}
    share = sum(mine == other for mine, other in pairs) / len(pairs)
    yes, other_yes = (sum(pair[side] for pair in pairs) / len(pairs) for side in (0, 1))
    chance = yes * other_yes + (1 - yes) * (1 - other_yes)
    kappa = round((share - chance) / (1 - chance), 4) if chance < 1 else None
    return {"verdicts": len(pairs), "share": round(share, 4), "kappa": kappa}


async def throughput(url: str, model: str, work: Sequence[Case], options: argparse.Namespace) -> dict[str, Any]:
    """All ways of judging over one server, in turn."""

    def server() -> VllmServer:
        return VllmServer(url, model, max_concurrency=options.at_once, attempt_timeout=3600, total_timeout=7200)

    ways: dict[str, Callable[[], Coroutine[Any, Any, Pass]]] = {
        "one": lambda: ours(work, server()),
        "four": lambda: ours(work, server(), at_once=4),
        "all": lambda: ours(work, server(), at_once=None),
        "one, first alone": lambda: ours(work, FirstAlone(server())),
        "one, explained": lambda: ours(work, server(), explain=True, max_tokens=options.explanation),
        "published": lambda: published(work, url, model, options, options.tries),
        "published, one try": lambda: published(work, url, model, options, 1),
    }
    ways = {name: way for name, way in ways.items() if name not in options.skip}
    passes: dict[str, list[Pass]] = {name: [] for name in ways}
    resets = []
    await ours(work[:2], server())
    for repetition in range(options.repetitions):
        names = list(ways)
        for name in names[repetition % len(names) :] + names[: repetition % len(names)]:
            resets.append(await emptied(url))
            result = await ways[name]()
            passes[name].append(result)
            print(json.dumps({name: result.as_dict()}), flush=True)
    rates = {name: statistics.median(each.rate for each in several) for name, several in passes.items()}

    def over(peer: str) -> dict[str, float] | None:
        if peer not in rates:
            return None
        return {name: round(rate / rates[peer], 4) for name, rate in rates.items() if not name.startswith("published")}

    return {
        "model": model,
        "cache_emptied": all(resets),
        "block_size": await block_size(url),
        "target": TARGET,
        "ratio": over("published"),
        "ratio_one_try": over("published, one try"),
        "judgements_per_second": {name: round(rate, 4) for name, rate in rates.items()},
        "agreement": {
            name: [agreement(each.verdicts, one.verdicts) for each, one in zip(several, passes["one"], strict=True)]
            for name, several in passes.items()
            if name != "one"
        },
        "agreement_of_one_with_itself": [
            agreement(again.verdicts, passes["one"][0].verdicts) for again in passes["one"][1:]
        ],
        "passes": {name: [each.as_dict() for each in several] for name, several in passes.items()},
    }


async def replicas(urls: Sequence[str], model: str, work: Sequence[Case], options: argparse.Namespace) -> Any:
    """What two servers compute, with affinity and without, where a call holds one criterion and where it holds four."""
    ways = {
        "one": await shared(urls, model, work, options),
        "four": await shared(urls, model, work, options, at_once=4),
    }
    return {"target": REPLICA_TARGET, **ways}


async def shared(
    urls: Sequence[str], model: str, work: Sequence[Case], options: argparse.Namespace, **judge: Any
) -> dict[str, Any]:
    """What two servers compute for a judge with these settings, with affinity and without."""
    settings = {"max_concurrency": options.at_once, "attempt_timeout": 3600, "total_timeout": 7200}
    backends: dict[str, Callable[[], Backend]] = {
        "affinity": lambda: VllmServer(urls, model, **settings),
        "round-robin": lambda: RoundRobin([VllmServer(url, model, **settings) for url in urls]),
    }
    found: dict[str, Any] = {}
    resets = []
    for name, backend in backends.items():
        resets += [await emptied(url) for url in urls]
        before = [await counters(url) for url in urls]
        result = await ours(work, backend(), **judge)
        after = [await counters(url) for url in urls]
        queries, hits = (
            [late.get(name, 0.0) - early.get(name, 0.0) for early, late in zip(before, after, strict=True)]
            for name in COUNTERS
        )
        found[name] = {
            "prompt_tokens": sum(queries),
            "computed": sum(queries) - sum(hits),
            "computed_by_replica": [asked - hit for asked, hit in zip(queries, hits, strict=True)],
            **result.as_dict(),
        }
        print(json.dumps({name: found[name]}), flush=True)
    with_affinity, in_turn = (found[name]["computed"] for name in backends)
    ratio = round(with_affinity / in_turn, 4) if in_turn else None  # A server need not have these counters.
    return {"ratio": ratio, "cache_emptied": all(resets), **found}


async def model_of(url: str) -> str:
    """The first model that a server lists."""
    name: str = json.loads((await fetched("GET", f"{url}/v1/models"))[1])["data"][0]["id"]
    return name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--server", help="URLs of one or two servers that run already, separated by a comma")
    where.add_argument("--model", help="a folder or a hub id: vLLM is started with it, twice, and stopped at the end")
    parser.add_argument("--python", type=Path, help="the Python that has vLLM")
    parser.add_argument("--extra", default="", help="further arguments of vLLM, separated by spaces")
    parser.add_argument("--consultations", type=int, default=64)
    parser.add_argument("--criteria", type=int, default=12, help="of each consultation")
    parser.add_argument("--max-turns", type=int, default=20)
    parser.add_argument("--at-once", type=int, default=120, help="calls, and threads, at the same time")
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--tries", type=int, default=3, help="the most calls a criterion of the published way")
    parser.add_argument("--explanation", type=int, default=128, help="tokens of a reply with an explanation")
    parser.add_argument(
        "--skip",
        action="append",
        default=[],
        choices=("four", "all", "one, first alone", "one, explained", "published", "published, one try"),
        help="a way of judging to leave out",
    )
    parser.add_argument("--out", type=Path, help="write the result here as JSON")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    work = cases(options.consultations, options.criteria, options.max_turns)
    with ExitStack() as stack:

        def started() -> str:
            os.environ["VLLM_SERVER_DEV_MODE"] = "1"  # for /reset_prefix_cache
            extra = ("--max-model-len", "8192", *options.extra.split())
            return stack.enter_context(Server(options.model, python=options.python, extra=extra)).url

        urls = (
            [url.strip().rstrip("/").removesuffix("/v1") for url in options.server.split(",")] if options.server else []
        )
        urls = urls or [started()]
        model = asyncio.run(model_of(urls[0]))
        result = {
            "command": "python benchmarks/judge_throughput.py",
            "consultations": options.consultations,
            "criteria": sum(len(case.criteria) for case in work),
            "negative_criteria": sum(criterion.points < 0 for case in work for criterion in case.criteria),
            "max_turns": options.max_turns,
            "at_once": options.at_once,
            "repetitions": options.repetitions,
            "tries": options.tries,
            "explanation": options.explanation,
            "load_before": round(load, 2),
            **asyncio.run(throughput(urls[0], model, work, options)),
        }
        if options.model:
            urls.append(started())
        if len(urls) > 1:
            result["replicas"] = asyncio.run(replicas(urls, model, work, options))
        result["versions"] = {
            **{name: version(name) for name in ("medenv-rl", "aiohttp")},
            "vllm": asyncio.run(server_version(urls[0])),
        }
        result["machine"] = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(json.dumps(result, indent=2))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
