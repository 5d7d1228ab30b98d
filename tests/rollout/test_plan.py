from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medenv.envs.task import make_task
from medenv.errors import RunError
from medenv.rollout import make_plan

TASK = make_task("library", persona=["neutral", "anxious", "stoic"])
N = len(TASK.records)


@given(seed=st.integers(0, 2**70), groups=st.integers(1, 50), size=st.integers(1, 5), cut=st.integers(0, 49))
@settings(max_examples=40, deadline=None)
def test_a_plan_follows_from_its_numbers_alone(seed, groups, size, cut):
    plan = make_plan(TASK, groups=groups, group_size=size, seed=seed)
    assert plan == make_plan(TASK, groups=groups, group_size=size, seed=seed)
    cut = min(cut, groups - 1)
    assert plan[cut * size :] == make_plan(TASK, groups=groups - cut, group_size=size, seed=seed, start=cut)
    assert len({planned.id for planned in plan}) == len(plan) == groups * size
    assert sorted(plan, key=lambda planned: planned.id) == plan


@given(seed=st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_groups_share_all_but_the_doctor_seed(seed):
    plan = make_plan(TASK, groups=6, group_size=4, seed=seed)
    for group in range(6):
        members = [planned for planned in plan if planned.group == group]
        assert [planned.index for planned in members] == [0, 1, 2, 3]
        assert len({id(planned.scenario) for planned in members}) == 1
        assert len({planned.doctor_seed for planned in members}) == 4


@pytest.mark.parametrize("passes", [1, 2, 3])
def test_every_pass_takes_every_record_once_in_an_order_of_its_own(passes):
    plan = make_plan(TASK, groups=passes * N, seed=3)
    assert set(Counter(planned.scenario.record.id for planned in plan).values()) == {passes}
    orders = {tuple(p.scenario.record.id for p in plan[k * N : (k + 1) * N]) for k in range(passes)}
    assert len(orders) == passes


def test_without_a_number_each_record_is_one_group():
    plan = make_plan(TASK, group_size=2)
    assert Counter(planned.scenario.record.id for planned in plan) == dict.fromkeys(TASK.records.ids, 2)


def test_seeds_differ_and_personas_are_drawn():
    plan = make_plan(TASK, groups=60, seed=0)
    assert len({planned.scenario.patient_seed for planned in plan}) == 60
    assert {planned.scenario.persona.id for planned in plan} == {"neutral", "anxious", "stoic"}
    assert plan != make_plan(TASK, groups=60, seed=1)


@pytest.mark.parametrize("wrong", [{"groups": 0}, {"group_size": 0}, {"seed": -1}, {"start": -1}])
def test_numbers_out_of_range(wrong):
    with pytest.raises(RunError, match=next(iter(wrong))):
        make_plan(TASK, **wrong)
