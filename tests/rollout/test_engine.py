from __future__ import annotations

import asyncio
import json
from contextlib import aclosing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medenv.agents.patients import patients
from medenv.consultation.seats import PatientReply
from medenv.envs.task import make_task
from medenv.errors import MedenvError, RunError, SeatError, UnknownIdError
from medenv.records import load_records
from medenv.rewards import RuleJudge
from medenv.rollout import Trajectory, arollout, collect, make_plan, rollout

SECRET = "SECRET-7f3a"


class Faulty:
    """A seat or judge that fails by chance, decided by the words before it so that order plays no part."""

    def __init__(self, inner, chance, how):
        self.inner, self.chance, self.how = inner, chance, how

    def _now(self, *key):
        return np.random.default_rng(key).random() < self.chance

    def act(self, view):
        if self._now(view.seed, view.turn):
            return self._fail()
        return self.inner.act(view)

    def judge(self, criteria, view):
        if self._now(len(view.turns), sum(map(ord, view.turns[-1].doctor))):
            return self._fail()
        return self.inner.judge(criteria, view)

    def _fail(self):
        if self.how == "raise":
            raise ConnectionError(f"{SECRET}\n  at http://host:8000")
        if self.how == "later":
            return self._later()
        return None

    async def _later(self):
        await asyncio.sleep(0)
        raise TimeoutError(SECRET)


def lines(trajectories):
    return [trajectory.to_json() for trajectory in trajectories]


@pytest.mark.parametrize("concurrency", [1, 2, 7, 64])
@pytest.mark.parametrize("pause", [0.0, 0.0005])
def test_concurrency_and_finishing_order_change_nothing(chatty, concurrency, pause):
    expected = rollout(chatty(), group_size=2, seed=5, concurrency=1)
    assert lines(rollout(chatty(pause), group_size=2, seed=5, concurrency=concurrency)) == lines(expected)
    assert [trajectory.id for trajectory in expected] == sorted(trajectory.id for trajectory in expected)
    assert lines(rollout(chatty(), group_size=2, seed=6)) != lines(expected)


@pytest.mark.parametrize("concurrency", [1, 5])
def test_concurrency_is_bounded_and_used(chatty, concurrency):
    doctor = chatty(0.0005)
    rollout(doctor, concurrency=concurrency)
    assert doctor.most <= concurrency
    assert doctor.most == concurrency


def test_first_episodes_begin_apart_where_that_is_asked_for():
    begun = []

    class Hurried:
        async def act(self, view):
            begun.append(asyncio.get_running_loop().time())
            return "DIAGNOSIS: influenza"

    async def played(episodes, concurrency, apart):
        begun.clear()
        task = make_task()
        plan = make_plan(task, groups=episodes)
        return [one async for one in collect(task, Hurried(), plan, concurrency=concurrency, apart=apart)]

    assert len(asyncio.run(played(10, 10, 0.03))) == 10
    assert begun[-1] - begun[0] >= 0.15
    asyncio.run(played(3, 1, 30.0))
    assert begun[-1] - begun[0] < 30, "who takes a seat that became free waits for nothing"


def test_groups_share_the_case_and_differ_in_the_doctor(chatty):
    trajectories = rollout(chatty(), records="library", persona=["neutral", "anxious"], group_size=4, episodes=24)
    for group in range(6):
        members = [t for t in trajectories if t.group == group]
        assert [t.index for t in members] == [0, 1, 2, 3]
        for name in ("record", "persona", "patient_seed", "max_turns"):
            assert len({getattr(t, name) for t in members}) == 1
        assert len({t.doctor_seed for t in members}) == 4


def test_the_same_words_bring_the_same_answers_within_a_group():
    class Fixed:
        def act(self, view):
            return ["Good morning, what brings you here?", "When did it start?", "DIAGNOSIS: gout"][view.turn]

    for group in np.array_split(
        lines(rollout(Fixed(), group_size=3, persona=["talkative", "anxious"])), len(load_records("library"))
    ):
        told = [json.loads(line) for line in group]
        assert len({json.dumps([one["turns"], one["reward"]]) for one in told}) == 1


def test_utterances_are_the_very_objects():
    class Sampled(str):
        ids: tuple[int, ...]

    class Doctor:
        def __init__(self):
            self.said = {}

        async def act(self, view):
            await asyncio.sleep(0)
            words = Sampled("When did it start?" if view.turn < 2 else "DIAGNOSIS: gout")
            words.ids = (view.turn,)
            self.said.setdefault(view.seed, []).append(words)
            return words

    doctor = Doctor()
    for trajectory in rollout(doctor, episodes=4):
        assert all(a is b for a, b in zip(trajectory.utterances, doctor.said[trajectory.doctor_seed], strict=True))
        assert [words.ids for words in trajectory.utterances] == [(0,), (1,), (2,)]
        assert "utterances" not in trajectory.to_dict()


def test_a_privileged_doctor_gets_the_record_of_its_own_episode():
    class Knowing:
        def __init__(self, record=None):
            self.record = record

        def informed(self, record):
            return Knowing(record)

        def act(self, view):
            return f"DIAGNOSIS: {self.record.truth.diagnosis.name} (1)"

    trajectories = rollout(Knowing())
    assert all(t.valid and t.metrics["top_1"] == 1 for t in trajectories)


def test_a_doctor_that_cannot_sit_down_is_the_doctors_failure(chatty):
    class Late:
        def informed(self, record):
            raise OSError("no weights")

    assert {t.failure["kind"] for t in rollout(Late(), episodes=3)} == {"doctor"}


@pytest.mark.parametrize("how", ["raise", "later", "none"])
@pytest.mark.parametrize("part", ["doctor", "patient", "judge"])
def test_failures_are_typed_have_no_reward_and_stay_out_of_sight(chatty, part, how):
    doctor = chatty()
    parts = {"doctor": doctor, "patient": patients.get("scripted")(), "judge": RuleJudge()}
    parts[part] = Faulty(parts[part], 0.3, how)
    trajectories = rollout(parts["doctor"], patient=parts["patient"], judge=parts["judge"], group_size=2, seed=1)
    failed = [t for t in trajectories if not t.valid]
    assert failed
    assert len(failed) < len(trajectories) == 2 * len(load_records("library"))
    for trajectory in failed:
        assert trajectory.failure["kind"] == part
        assert "\n" not in trajectory.failure["reason"]
        assert trajectory.reward is None
        assert trajectory.score is None
        assert json.loads(trajectory.to_json())["reward"] is None
    seen = " ".join(message.content for view in doctor.views for message in view.messages)
    shown = " ".join(message["content"] for t in trajectories for message in t.messages)
    for text in (SECRET, "ConnectionError", "TimeoutError", "ActionError", "http://"):
        assert text not in seen + shown
    whole = rollout(doctor, group_size=2, seed=1)
    same = {t.id: t.to_json() for t in whole}
    assert all(same[t.id] == t.to_json() for t in trajectories if t.valid)


def test_a_patient_that_gives_the_diagnosis_away_makes_the_episode_invalid():
    record = make_task().records[0]
    name = record.truth.diagnosis.name

    class Blunt:
        def act(self, view):
            return PatientReply("They told me it is " + name)

    class Asking:
        def act(self, view):
            return "What do you think it is?"

    (trajectory,) = rollout(Asking(), records=[record], patient=Blunt())
    assert trajectory.failure["kind"] == "leak"
    assert name not in trajectory.to_json()


@given(chances=st.tuples(*[st.floats(0, 0.6)] * 3), concurrency=st.integers(1, 9), seed=st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_any_mix_of_failures_leaves_a_whole_run(chances, concurrency, seed):
    from medenv.agents.doctors import doctors

    task = {
        "patient": Faulty(patients.get("scripted")(), chances[1], "later"),
        "judge": Faulty(RuleJudge(), chances[2], "raise"),
        "max_turns": 4,
    }
    doctor = Faulty(doctors.get("random")(), chances[0], "raise")
    trajectories = rollout(doctor, episodes=18, seed=seed, concurrency=concurrency, **task)
    assert lines(trajectories) == lines(rollout(doctor, episodes=18, seed=seed, **task))
    for trajectory in trajectories:
        assert (trajectory.reward is None) == (trajectory.failure is not None) == (not trajectory.valid)
        assert Trajectory.from_dict(json.loads(trajectory.to_json())) == trajectory
        assert len(trajectory.turns) <= 4


def test_inside_a_running_loop(chatty):
    expected = lines(rollout(chatty(), seed=2))

    async def cell():
        assert lines(rollout(chatty(0.0002), seed=2)) == expected
        assert lines(await arollout(chatty(), seed=2)) == expected
        with pytest.raises(UnknownIdError):
            rollout("nobody")

    asyncio.run(cell())


def test_leaving_collect_early_stops_what_is_running(chatty):
    doctor = chatty(0.01)

    async def first():
        task = make_task()
        async with aclosing(collect(task, doctor, make_plan(task), concurrency=8)) as trajectories:
            async for trajectory in trajectories:
                return trajectory.valid
        return False

    assert asyncio.run(first())
    assert doctor.running == 0


def test_interrupting_ends_the_run():
    class Interrupted:
        def act(self, view):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rollout(Interrupted())


@pytest.mark.parametrize(
    ("error", "wrong"),
    [
        (UnknownIdError, {"doctor": "nobody"}),
        (SeatError, {"doctor": object()}),
        (SeatError, {"doctor": Trajectory}),
        (RunError, {"episodes": 0}),
        (RunError, {"episodes": 3, "group_size": 2}),
        (RunError, {"group_size": 0}),
        (RunError, {"concurrency": 0}),
        (RunError, {"seed": -1}),
        (MedenvError, {"max_turns": 0}),
        (MedenvError, {"patient": "nobody"}),
        (MedenvError, {"records": []}),
    ],
)
def test_wrong_arguments_are_one_line(error, wrong):
    with pytest.raises(error) as caught:
        rollout(**{"doctor": "random", **wrong})
    assert "\n" not in str(caught.value)


def test_a_policy_folder_is_a_doctor_known_by_what_is_in_it(chatty, tmp_path, monkeypatch):
    from medenv.rollout import engine

    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "weights").write_bytes(b"1")
    monkeypatch.setattr(engine, "load", lambda entry_point: lambda path: chatty())
    expected = lines(rollout(chatty(), episodes=3))
    assert lines(rollout(str(folder), episodes=3, out=tmp_path / "x.jsonl")) == expected
    assert lines(rollout(str(folder), episodes=3, out=tmp_path / "x.jsonl")) == expected
    (folder / "weights").write_bytes(b"2")
    with pytest.raises(RunError, match="with doctor "):
        rollout(str(folder), episodes=3, out=tmp_path / "x.jsonl")
