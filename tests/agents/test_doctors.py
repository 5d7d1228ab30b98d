import json

import pytest

import medenv
from medenv.agents.doctors import doctors
from medenv.agents.doctors.checklist import commonest_causes
from medenv.consultation.seats import Privileged, seated
from medenv.consultation.views import DoctorView, Message

SCRIPTED = ("random", "checklist", "oracle")


@pytest.mark.parametrize("name", SCRIPTED)
def test_a_doctor_is_the_same_for_the_same_view(name):
    record = medenv.load_records("library")[0]
    view = DoctorView((Message("system", "brief"), Message("user", record.chief_complaint)), 3, 20, 5)
    one, other = (seated(doctors.get(name)(), record) for _ in range(2))
    assert one.act(view) == other.act(view)


@pytest.mark.parametrize("name", SCRIPTED)
@pytest.mark.parametrize("turns", [1, 2, 5])
def test_a_doctor_closes_in_time(name, turns):
    result = medenv.evaluate(name, records="library", max_turns=turns)
    assert all(trajectory.terminated for trajectory in result.trajectories)


@pytest.mark.parametrize("persona", ["neutral", "anxious", "terse"])
def test_the_oracle_keeps_its_ceiling_with_every_patient(persona):
    if persona not in medenv.personas.personas:
        pytest.skip(f"no persona {persona!r}")
    assert medenv.evaluate("oracle", records="library", persona=persona).reward.mean >= 0.95


def test_only_the_oracle_is_let_in_on_the_record():
    assert [name for name in SCRIPTED if isinstance(doctors.get(name)(), Privileged)] == ["oracle"]


def test_the_random_doctor_follows_its_seed():
    view = DoctorView((), 1, 20, 1)
    said = {doctors.get("random")().act(DoctorView((), 1, 20, seed)) for seed in range(40)}
    assert len(said) > 10
    assert doctors.get("random")().act(view) in said


def test_the_checklist_guesses_from_the_complaint():
    chest, head = commonest_causes("My chest hurts."), commonest_causes("I have a terrible headache.")
    assert next(iter(chest)) != next(iter(head))
    assert sum(chest.values()) == pytest.approx(1)


def test_every_built_in_trajectory_is_plain_data():
    for name in SCRIPTED:
        for trajectory in medenv.rollout(name, records="library", episodes=3):
            json.loads(trajectory.to_json())
