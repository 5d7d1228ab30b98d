from __future__ import annotations

import dataclasses
import random

import pytest

pytest.importorskip("torch")

import medenv
from medenv.agents.doctors import doctors
from medenv.agents.patients import patients
from medenv.consultation.episode import Episode, Scenario
from medenv.consultation.playing import play_now
from medenv.consultation.seats import DOCTOR, PATIENT, seated
from medenv.errors import RunError
from medenv.personas import Persona
from medenv.records import load_records
from medenv.records.record_set import split_of
from medenv.rewards import record_rubric, score
from medenv.rewards.judging import RuleJudge
from medenv.rewards.judging.conversation import conversation
from medenv.rewards.learned import examples_of, part_of
from medenv.rewards.learned.passages import passages_of
from medenv.rollout import Trajectory


@pytest.fixture(scope="module")
def trajectories():
    return [t for doctor in ("random", "checklist") for t in medenv.rollout(doctor, records="synthetic:20", seed=0)]


def test_an_example_holds_the_verdicts_of_its_trajectory(trajectories):
    by_record = {(e.record, e.messages[1].content): e for e in examples_of(trajectories)}
    for trajectory in trajectories:
        example = by_record[trajectory.record, trajectory.turns[0]["doctor"]]
        lines = trajectory.score["criteria"]
        assert [(c.id, c.text, c.axis, c.points) for c in example.criteria] == [
            (line["id"], line["text"], line["axis"], line["points"]) for line in lines
        ]
        assert list(example.met) == [line["met"] for line in lines]


@pytest.mark.parametrize("doctor", ["oracle", "checklist", "random"])
def test_what_is_learned_from_is_what_a_judge_reads(doctor):
    for record in load_records("library")[:3]:
        episode = Episode(Scenario(record, Persona("plain"), 0))
        play_now(episode, {DOCTOR: seated(doctors.get(doctor)(), record), PATIENT: patients.get("scripted")()})
        view = episode.judge_view()
        rubric = record_rubric(record)
        judged = score(rubric, RuleJudge().judge(rubric.criteria, view))
        (example,) = examples_of([Trajectory.of(episode, judged, id="0")])
        for scope in ("consultation", "response"):
            assert passages_of(example.messages, scope) == passages_of(conversation(view), scope)
        assert passages_of(example.messages, "response") == passages_of(conversation(view.response()))


def test_records_stay_whole_and_in_their_own_split(trajectories):
    records = load_records("synthetic:20")
    examples = examples_of(trajectories)
    assert {e.record: e.split for e in examples} == {record.id: split_of(record) for record in records}
    parts = [{e.record for e in part_of(examples, split)} for split in ("train", "validation", "test")]
    assert sum(map(len, parts)) == len(records)
    assert all(e.split == "test" for e in examples_of(trajectories, split=lambda id: "test"))


def test_order_and_repetition_of_trajectories_do_not_matter(trajectories):
    shuffled = [*trajectories, *trajectories]
    random.Random(3).shuffle(shuffled)
    assert examples_of(shuffled) == examples_of(trajectories)


def test_a_limit_takes_a_part_that_a_larger_limit_begins_with(trajectories):
    whole = examples_of(trajectories)
    assert examples_of(trajectories, limit=7) == whole[:7]
    doctors = {example.messages[1].content[:5] for example in whole[:12]}
    assert len(doctors) > 1
    with pytest.raises(RunError, match="limit of at least 1"):
        examples_of(trajectories, limit=0)


def test_invalid_episodes_are_left_out(trajectories):
    failed = dataclasses.replace(trajectories[0], failure={"kind": "judge", "reason": "x"}, reward=None, score=None)
    assert examples_of([failed]) == ()
    assert len(examples_of([failed, trajectories[1]])) == 1


@pytest.mark.parametrize(
    "change", [{"met": None}, {"met": 1}, {"axis": "charm"}, {"axis": None}], ids=["none", "number", "axis", "no axis"]
)
def test_verdicts_that_are_none_are_refused(trajectories, change):
    score = trajectories[0].score
    broken = dataclasses.replace(trajectories[0], score={**score, "criteria": [{**score["criteria"][0], **change}]})
    with pytest.raises(RunError, match="expected turns and criteria with verdicts"):
        examples_of([broken])
    with pytest.raises(RunError, match="expected turns and criteria with verdicts"):
        examples_of([dataclasses.replace(trajectories[0], score={})])


def test_the_scope_of_a_criterion_is_kept_where_it_is_told(trajectories):
    score = trajectories[0].score
    lines = [{**line, "scope": "response"} for line in score["criteria"]]
    (example,) = examples_of([dataclasses.replace(trajectories[0], score={**score, "criteria": lines})])
    assert {criterion.scope for criterion in example.criteria} == {"response"}
