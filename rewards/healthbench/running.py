"""Running HealthBench: every example gets its response, every response its verdicts, and all of it is on disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from contextlib import ExitStack
from os import PathLike
from typing import Any, Protocol, TypeAlias, runtime_checkable

from medenv.agents.backends.chat import seed_of
from medenv.consultation.seats import release, settle, settle_now
from medenv.consultation.views import Message
from medenv.errors import BackendError, JudgeError, RunError
from medenv.run_file import RunFile

from ..judging import judges
from ..rubric import Criterion
from ..scoring import Verdict
from .files import Example, criteria, digest
from .grading import example_score
from .report import Report, summarise
from .responding import CompletionResponder, Responder, Responding, make_responder
from .results import FORMAT, FailureKind, Result

__all__ = ["ResponseJudge", "arun_healthbench", "run_healthbench"]


@runtime_checkable
class ResponseJudge(Protocol):
    """A judge that needs no episode: a conversation is enough."""

    async def verdicts(
        self, criteria: Sequence[Criterion], messages: Sequence[Message], *, language: str = "en"
    ) -> list[Verdict]:
        """One verdict for each criterion, about the last message."""
        ...


_Trial: TypeAlias = tuple[Example, int]


def run_healthbench(
    examples: Sequence[Example],
    responder: Responding,
    judge: str | ResponseJudge,
    *,
    n_repeats: int = 1,
    concurrency: int = 64,
    seed: int = 0,
    language: str = "en",
    out: str | PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Has examples responded to and judged, and says what that comes to.

        report = run_healthbench(load_examples("hard.jsonl"), "vllm-server", "language-model", out="runs/hard.jsonl")
        report.score, report.themes, report.axes, report.metrics["overall_score"].bootstrap_std

    What is asked depends on the examples and `seed` alone, never on `concurrency`. A responder or a judge that fails
    makes that response invalid: it is counted, it is in no number, and the run goes on.

    With `out`, every response is on disk with its verdicts as soon as it is judged. A run that was cut off is continued
    by the same call: nothing that is there is asked for again, and the file ends up the same, byte for byte, as if
    nothing had happened.

    Args:
        examples: What is responded to; see `load_examples`.
        responder: Who responds. "ideal" and "reference" take the completions that come with the data, and leave out
            the examples without.
        judge: Who decides the criteria: an id, or anything that gives `verdicts` on messages.
        n_repeats: How many responses there are to each example, at least 1.
        concurrency: How many responses are worked on at the same time, at least 1.
        seed: Of the responses and the bootstrap, at least 0 and below 2**32.
        language: The language that the judge is asked in.
        out: A file of JSON lines.
        progress: Gets how many responses are finished, and how many there are.

    Raises:
        RunError: A number is out of range, no example is left, or `out` belongs to another run.
        MedenvError: An id is unknown, or an object is no responder or no such judge.
    """
    return settle_now(
        arun_healthbench(
            examples,
            responder,
            judge,
            n_repeats=n_repeats,
            concurrency=concurrency,
            seed=seed,
            language=language,
            out=out,
            progress=progress,
        )
    )


async def arun_healthbench(
    examples: Sequence[Example],
    responder: Responding,
    judge: str | ResponseJudge,
    *,
    n_repeats: int = 1,
    concurrency: int = 64,
    seed: int = 0,
    language: str = "en",
    out: str | PathLike[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """`run_healthbench` for coroutines."""
    if n_repeats < 1 or concurrency < 1:
        raise RunError(
            f"expected n_repeats and concurrency of at least 1, got n_repeats {n_repeats} and concurrency {concurrency}"
        )
    if not 0 <= seed < 2**32:
        raise RunError(f"expected a seed of at least 0 and below 2**32, got {seed}")
    seat, asked = make_responder(responder), _judge(judge)
    plan = _plan(examples, seat, n_repeats)
    finished: dict[Hashable, Result] = {}
    with ExitStack() as stack:
        file = None
        if out is not None:
            settings = {
                "responder": seat.id,
                "judge": _name(asked),
                "n_repeats": n_repeats,
                "seed": seed,
                "language": language,
                "examples": len(examples),
                "content": digest(examples),
            }
            file = stack.enter_context(RunFile(FORMAT, out, settings))
            finished.update(file.finished)

        def tell() -> None:
            if progress is not None:
                progress(len(finished), len(plan))

        waiting = (trial for trial in plan if (trial[0].prompt_id, trial[1]) not in finished)

        async def work() -> None:
            for example, repeat in waiting:
                result = await _try(example, repeat, seat, asked, seed, language)
                if file is not None:
                    file.append(result)
                finished[result.key] = result
                tell()

        tell()
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(concurrency, len(plan))):
                    group.create_task(work())
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None
        finally:
            await release(seat, asked)
        results = [finished[example.prompt_id, repeat] for example, repeat in plan]
        if file is not None:
            file.complete(results)
    return summarise(examples, results, seed=seed)


def _plan(examples: Sequence[Example], responder: Responder, n_repeats: int) -> list[_Trial]:
    """What is responded to, in the order of simple-evals, which the last digit of a mean depends on."""
    if len({example.prompt_id for example in examples}) < len(examples):
        raise RunError("expected every prompt_id once among the examples, got one twice")
    if isinstance(responder, CompletionResponder):
        if n_repeats != 1:
            raise RunError(f"expected n_repeats 1 for completions that come with the data, got {n_repeats}")
        plan = [(example, repeat) for example in examples for repeat in range(len(responder.texts(example)))]
    else:
        plan = [(example, repeat) for repeat in range(n_repeats) for example in examples]
    if not plan:
        kind = f" with {responder.id} completions" if isinstance(responder, CompletionResponder) else ""
        raise RunError(f"expected at least one example{kind}, got none")
    return plan


async def _try(
    example: Example, repeat: int, responder: Responder, judge: ResponseJudge, seed: int, language: str
) -> Result:
    try:
        said = await settle(responder.respond(example, repeat, seed_of(seed, example.prompt_id, repeat)))
        if not isinstance(said, str):
            raise TypeError(f"expected a response as a string, got {type(said).__name__}")
    except Exception as error:
        kind: FailureKind = "backend" if isinstance(error, BackendError) else "doctor"
        return Result(example.prompt_id, repeat, None, (), _failure(kind, error))
    response = str(said)
    if example_score(example.rubrics, dict.fromkeys((item.id for item in example.rubrics), False)) is None:
        return Result(example.prompt_id, repeat, response, ())
    asked = criteria(example)
    try:
        found = await judge.verdicts(asked, (*example.prompt, Message("assistant", response)), language=language)
        verdicts = _in_order(asked, found)
    except Exception as error:
        return Result(example.prompt_id, repeat, response, (), _failure("judge", error))
    return Result(example.prompt_id, repeat, response, verdicts)


def _in_order(asked: Sequence[Criterion], found: Sequence[Verdict]) -> tuple[Verdict, ...]:
    by_id = {verdict.criterion: verdict for verdict in found}
    wanted = [criterion.id for criterion in asked]
    if len(found) != len(wanted) or set(by_id) != set(wanted):
        raise JudgeError(f"expected one verdict on each of {len(wanted)} criteria, got {len(found)} on {len(by_id)}")
    for verdict in found:
        if not isinstance(verdict.met, bool):
            reason = verdict.reason or "no reason"
            raise JudgeError(f"expected a verdict on criterion {verdict.criterion!r}, got none: {reason}")
    return tuple(by_id[id] for id in wanted)


def _failure(kind: FailureKind, error: Exception) -> dict[str, str]:
    return {"kind": kind, "reason": f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"}


def _judge(judge: str | ResponseJudge) -> ResponseJudge:
    made: object = judges.get(judge)() if isinstance(judge, str) else judge
    if isinstance(made, type) or not isinstance(made, ResponseJudge):
        raise JudgeError(f"expected a judge that gives verdicts on messages, such as 'language-model'; got {judge!r}")
    return made


def _name(judge: Any) -> str:
    kind = type(judge)
    named: str = getattr(judge, "id", f"{kind.__module__}:{kind.__qualname__}")
    return named
