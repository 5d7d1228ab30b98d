"""The patient as a seat to be trained: its own reward, on every face."""

from __future__ import annotations

import math

import pytest

import medenv
from medenv.agents.backends.scripted import ScriptedBackend
from medenv.agents.patients.simulator import SimulatedPatient
from medenv.envs import consultation_v0
from medenv.testing.models import obedient


def bare(view):
    return " ".join(fact.lay for fact in view.released) or "I don't know."


def invents(view):
    return "I've had a terrible headache and I take warfarin."


def silent(view):
    return ""


def play(act, **options):
    """The patient's rewards and last infos over some episodes from the patient's seat."""
    env = medenv.make("Consultation-v0", seat="patient_0", max_turns=8, **options)
    rewards, infos = [], []
    for seed in range(6):
        _, info = env.reset(seed=seed)
        while True:
            view = env.unwrapped.view()
            _, reward, terminated, truncated, info = env.step(str(act(view)))
            if terminated or truncated:
                break
            assert reward == 0.0
        rewards.append(reward)
        infos.append(info)
    return rewards, infos


def mean(values):
    return sum(values) / len(values)


def test_a_better_patient_earns_more():
    told, invented, nothing = (mean(play(act)[0]) for act in (bare, invents, silent))
    assert told > 0.85
    assert nothing == 0.0
    assert invented < 0.4 < told


def test_the_reward_adds_up_from_what_info_says():
    for reward, info in zip(*play(bare), strict=True):
        awarded = sum(line["weight"] * line["value"] for line in info["criteria"])
        assert reward == pytest.approx(awarded / info["denominator"], abs=0)
        assert {line["id"] for line in info["criteria"]} == {"fidelity", "persona", "brevity"}


def test_both_faces_give_what_the_seat_gives():
    aec = medenv.make("Consultation-v0", max_turns=4)
    parallel = consultation_v0.parallel_env(max_turns=4)
    aec.reset(seed=3)
    parallel.reset(seed=3)
    for message in ("When did it start?", "Have you had a fever?", "Do you smoke?", "DIAGNOSIS: flu"):
        aec.step(message)
        _, rewards, *_, infos = parallel.step({"doctor_0": message})
        if aec.agent_selection == "patient_0" and not any(aec.terminations.values()):
            reply = bare(aec.view("patient_0"))
            aec.step(reply)
            _, rewards, *_, infos = parallel.step({"patient_0": reply})
    assert rewards == aec.rewards
    assert rewards["patient_0"] > 0.5
    for seat in ("doctor_0", "patient_0"):
        assert infos[seat]["criteria"] == aec.infos[seat]["criteria"]
    assert infos["doctor_0"]["criteria"] != infos["patient_0"]["criteria"]


def test_what_failed_is_no_score_for_the_patient_either():
    env = medenv.make("Consultation-v0", seat="patient_0", max_turns=8)
    _, info = env.reset(seed=0)
    truth = env.unwrapped.task.records[info["record"]].truth.diagnosis
    _, reward, terminated, truncated, info = env.step(f"They told me it is {truth.name}.")
    assert math.isnan(reward)
    assert (terminated, truncated, info["failure"]["kind"]) == (False, True, "leak")
    assert "criteria" not in info


def test_the_vector_face_pays_the_patient():
    envs = medenv.make_vec("Consultation-v0", num_envs=4, seat="patient_0", max_turns=2, autoreset_mode="Disabled")
    envs.reset(seed=1)
    _, rewards, terminations, _, infos = envs.step(["I don't know."] * 4)  # the checklist doctor then concludes
    assert terminations.all()
    assert ((rewards > 0) & (rewards < 0.5)).all()
    assert infos["denominator"].tolist() == [1.0] * 4
    envs.close()


def test_closing_lets_go_of_the_backend():
    class Held:
        closed = 0

        def __init__(self):
            self.scripted = ScriptedBackend(obedient)

        async def complete(self, request):
            return await self.scripted.complete(request)

        async def aclose(self):
            self.closed += 1

    for make in (
        lambda **task: medenv.make("Consultation-v0", **task),
        lambda **task: medenv.make("Consultation-v0", seat="doctor_0", **task),
        lambda **task: medenv.make_vec("Consultation-v0", num_envs=2, **task),
    ):
        backend = Held()
        env = make(patient=SimulatedPatient(backend))
        env.reset(seed=0)
        env.close()
        assert backend.closed == 1
