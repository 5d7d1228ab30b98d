"""The engine: plays many episodes at once."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import inspect
import itertools
import json
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import Future
from contextlib import ExitStack, aclosing
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypedDict, Unpack

from medenv.agents.doctors import doctors
from medenv.consultation.episode import Episode
from medenv.consultation.orders import OrderPolicy
from medenv.consultation.playing import play
from medenv.consultation.seats import DOCTOR, PATIENT, Privileged, Seat, release, seated
from medenv.envs.task import RecordSource, Task, make_task
from medenv.errors import RunError, SeatError
from medenv.personas import Persona
from medenv.records import Record
from medenv.registry import load
from medenv.rewards import Judge, Normalisation, Rubric, RubricGenerator, RubricSource, Scoring
from medenv.rollout.plan import Planned, make_plan
from medenv.rollout.storage import TrajectoryFile
from medenv.rollout.trajectory import Trajectory

__all__ = ["Doctor", "TaskOptions", "arollout", "collect", "rollout"]

Doctor: TypeAlias = str | Seat | Privileged
"""An id of `medenv.agents.doctors`, the folder of a saved policy, or a seat."""

POLICY = "medenv.agents.doctors.language_model:load_doctor"


class TaskOptions(TypedDict, total=False):
    """What an environment is made of: the arguments of `make_task`, with its defaults."""

    records: RecordSource
    persona: str | Persona | Iterable[str | Persona]
    patient: str | Seat
    rubric: str | Path | Rubric | RubricGenerator | RubricSource
    judge: str | Judge
    max_turns: int
    split: Literal["train", "validation", "test"] | None
    scoring: Scoring | str | Path | None
    normalisation: Normalisation | None
    orders: OrderPolicy
    max_chars: int


def rollout(
    doctor: Doctor,
    *,
    episodes: int | None = None,
    group_size: int = 1,
    concurrency: int = 64,
    seed: int = 0,
    out: str | PathLike[str] | None = None,
    progress: bool = False,
    **task: Unpack[TaskOptions],
) -> list[Trajectory]:
    """Plays episodes and returns their trajectories in the order of the plan.

        episodes = medenv.rollout("checklist", records="library", group_size=8, out="runs/checklist.jsonl")

    What is played depends on `seed` alone, never on `concurrency` or on which episode ends first. A doctor, patient or
    judge that fails makes its episode invalid, and the run goes on.

    With `out`, every episode is on disk as soon as it ends. A run that was cut off is continued by the same call: what
    is finished is not played again, and the file ends up the same, byte for byte, as if nothing had happened.
    Trajectories read back from the file have no `utterances`.

    It may be called where an event loop runs, such as in a notebook; it then works in a thread of its own. In a
    coroutine use `arollout`.

    Args:
        doctor: Who is played: an id, the folder of a saved policy, or a seat.
        episodes: How many, a multiple of `group_size`; without it each record is played by one group.
        group_size: How many episodes share record, persona, budget and patient seed.
        concurrency: How many episodes are played at the same time, at least 1.
        seed: At least 0.
        out: A file of JSON lines.
        progress: Whether a progress bar is shown on standard error.
        **task: `records`, `persona`, `patient`, `rubric`, `judge`, `max_turns`, `split`, ... as for `medenv.make`.

    Raises:
        RunError: A number is out of range, or `out` belongs to another run; the message names the setting that differs.
        MedenvError: An id is unknown, or the task cannot be made.
    """
    return _wait(
        lambda: arollout(
            doctor,
            episodes=episodes,
            group_size=group_size,
            concurrency=concurrency,
            seed=seed,
            out=out,
            progress=progress,
            **task,
        )
    )


async def arollout(
    doctor: Doctor,
    *,
    episodes: int | None = None,
    group_size: int = 1,
    concurrency: int = 64,
    seed: int = 0,
    out: str | PathLike[str] | None = None,
    progress: bool = False,
    **task: Unpack[TaskOptions],
) -> list[Trajectory]:
    """`rollout` for coroutines."""
    if episodes is not None and (group_size < 1 or episodes < 1 or episodes % group_size):
        raise RunError(f"expected episodes as a positive multiple of group_size {group_size}, got {episodes}")
    if concurrency < 1:
        raise RunError(f"expected concurrency of at least 1, got {concurrency}")
    made, seat = make_task(**task), _seat(doctor)
    plan = make_plan(made, groups=episodes and episodes // group_size, group_size=group_size, seed=seed)
    finished: dict[str, Trajectory] = {}
    with ExitStack() as stack:
        file = None
        if out is not None:
            settings = run_settings(made, doctor, len(plan), group_size, seed, task)
            file = stack.enter_context(TrajectoryFile(out, settings))
            finished.update((one.id, one) for one in file.finished.values())
        advance = stack.enter_context(_Progress(len(plan), len(finished))) if progress else None
        waiting = [planned for planned in plan if planned.id not in finished]
        try:
            async with aclosing(collect(made, seat, waiting, concurrency=concurrency)) as trajectories:
                async for trajectory in trajectories:
                    finished[trajectory.id] = trajectory
                    if file is not None:
                        file.append(trajectory)
                    if advance is not None:
                        advance()
        finally:
            await release(seat, made.patient, made.rubric, made.judge)
        result = [finished[planned.id] for planned in plan]
        if file is not None:
            file.complete(result)
    return result


async def collect(
    task: Task, doctor: Seat | Privileged, plan: Iterable[Planned], *, concurrency: int = 64, apart: float = 0.0
) -> AsyncGenerator[Trajectory, None]:
    """Plays the episodes of a plan and yields each trajectory as soon as it is there, in any order.

    Args:
        task: What to consult about and how it is scored.
        doctor: Who is played.
        plan: The episodes; see `make_plan`.
        concurrency: How many are played at the same time, at least 1.
        apart: Seconds from the beginning of one of the first episodes to the next. Against a server, 0.001 keeps a
            thousand episodes out of step, which else wait for the model all at once and then all for the processor; a
            model in this process wants them in step, to batch what they ask.

    Raises:
        RunError: `concurrency` is out of range.
    """
    if concurrency < 1:
        raise RunError(f"expected concurrency of at least 1, got {concurrency}")
    waiting = iter(plan)
    delays = itertools.chain((apart * i for i in range(concurrency)), itertools.repeat(0.0))
    ended: asyncio.Queue[asyncio.Task[Trajectory]] = asyncio.Queue()
    running: set[asyncio.Task[Trajectory]] = set()
    try:
        while True:
            while len(running) < concurrency and (planned := next(waiting, None)) is not None:
                started = asyncio.create_task(_play(task, doctor, planned, next(delays)))
                running.add(started)
                started.add_done_callback(ended.put_nowait)
            if not running:
                return
            done = await ended.get()
            running.discard(done)
            yield done.result()
    finally:
        for cancelled in running:
            cancelled.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _play(task: Task, doctor: Seat | Privileged, planned: Planned, delay: float) -> Trajectory:
    await asyncio.sleep(delay)
    episode = Episode(planned.scenario, doctor_seed=planned.doctor_seed)
    recorder = _Recorder(doctor, planned.scenario.record)
    await play(episode, {DOCTOR: recorder, PATIENT: task.patient})
    score = await task.score(episode)
    return Trajectory.of(
        episode,
        score,
        id=planned.id,
        group=planned.group,
        index=planned.index,
        utterances=tuple(recorder.utterances),
    )


class _Recorder:
    """The doctor of one episode, and the objects it said."""

    def __init__(self, doctor: Seat | Privileged, record: Record) -> None:
        self.utterances: list[str] = []
        self._doctor, self._record = doctor, record
        self._seat: Seat | None = None

    def act(self, view: Any) -> str | Awaitable[str]:
        if self._seat is None:  # sits down here, where a doctor that fails to do so is the doctor's failure
            self._seat = seated(self._doctor, self._record)
        said = self._seat.act(view)
        if inspect.isawaitable(said):
            return self._heard(said)
        self.utterances.append(said)
        return said

    async def _heard(self, saying: Awaitable[str]) -> str:
        said = await saying
        self.utterances.append(said)
        return said


def _seat(doctor: Doctor) -> Seat | Privileged:
    seat: object = doctor
    if isinstance(doctor, str):
        seat = load(POLICY)(doctor) if _is_policy(doctor) else doctors.get(doctor)()
    if isinstance(seat, type) or not isinstance(seat, (Seat, Privileged)):
        got = f"the class {seat.__name__}" if isinstance(seat, type) else type(seat).__name__
        raise SeatError(f"expected a doctor as an id or an object with act(view), got {got}")
    return seat


def _is_policy(doctor: str) -> bool:
    return doctor not in doctors and Path(doctor).is_dir()


def run_settings(
    task: Task, doctor: Doctor, episodes: int, group_size: int, seed: int, options: TaskOptions
) -> dict[str, Any]:
    """What a run depends on, as plain data: two runs with the same settings play the same episodes.

    Objects stand under their `id` where they have one, else under the name of their class; records and personas also
    under a hash of all that is in them.
    """
    given = inspect.signature(make_task).bind(**options)
    given.apply_defaults()
    del given.arguments["normalisation"]  # stands in the scoring
    content = [task.records.fingerprint, *map(dataclasses.asdict, task.personas)]
    sha256 = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return {
        "doctor": f"{doctor} {_hash(doctor)}" if isinstance(doctor, str) and _is_policy(doctor) else _name(doctor),
        "seed": seed,
        "episodes": episodes,
        "group_size": group_size,
        **{name: _name(value) for name, value in given.arguments.items()},
        **{part: _made(getattr(task, part), given.arguments[part]) for part in ("patient", "rubric", "judge")},
        "records": len(task.records),
        "persona": [persona.id for persona in task.personas],
        "scoring": task.scoring.as_dict(),
        "content": sha256,
    }


def _made(part: Any, given: Any) -> str | int | None:
    """What was made where that says what it is, else what it was made from."""
    return _name(part if isinstance(getattr(part, "id", None), str) else given)


def _name(value: Any) -> str | int | None:
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Rubric):
        return f"{value.id} {value.digest}"
    if isinstance(named := getattr(value, "id", None), str):
        return named
    kind = value if hasattr(value, "__qualname__") else type(value)
    return f"{kind.__module__}:{kind.__qualname__}"


def _hash(folder: str) -> str:
    """What a policy folder holds, so that a run is not continued with other weights under the same name."""
    digest = hashlib.sha256()
    for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


class _Progress:
    """A progress bar on standard error; calling it moves it on by one episode."""

    def __init__(self, total: int, finished: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task("episodes", total=total, completed=finished)

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self) -> None:
        self._bar.advance(self._task)


def _wait(start: Callable[[], Coroutine[Any, Any, list[Trajectory]]]) -> list[Trajectory]:
    """Runs a coroutine to its end: in this thread, or in one of its own where an event loop runs already."""
    if not _in_a_loop():
        return asyncio.run(start())
    result: Future[list[Trajectory]] = Future()

    def work() -> None:
        try:
            result.set_result(asyncio.run(start()))
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=work, name="medenv-rollout", daemon=True).start()
    return result.result()


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
