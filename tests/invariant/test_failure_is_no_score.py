"""Rule 4: what fails makes an episode invalid; it is no score, and its words reach nobody who learns."""

import math

import pytest

import medenv
from medenv.consultation.seats import PatientReply
from medenv.envs import consultation_v0

SECRET = "upstream 503: traceback of the patient service"


class Broken:
    def act(self, view):
        raise RuntimeError(SECRET)


class BrokenAsync:
    async def act(self, view):
        raise TimeoutError(SECRET)


class Wordless:
    def act(self, view):
        return None


class Traitor:
    def __init__(self, words):
        self.words = words

    def act(self, view):
        return PatientReply(self.words)


class BrokenJudge:
    def judge(self, criteria, view):
        raise ConnectionError(SECRET)


class HalfJudge:
    def judge(self, criteria, view):
        return []


@pytest.mark.parametrize("patient", [Broken(), BrokenAsync(), Wordless()])
def test_a_patient_that_fails(patient):
    env = medenv.make("Consultation-v0", seat="doctor_0", patient=patient)
    env.reset(seed=1)
    observation, reward, terminated, truncated, info = env.step("Hello, how are you?")
    assert math.isnan(reward)
    assert (terminated, truncated, info["valid"], info["failure"]["kind"]) == (False, True, False, "patient")
    assert "criteria" not in info
    assert SECRET not in str(observation)


@pytest.mark.parametrize("judge", [BrokenJudge(), HalfJudge()])
def test_a_judge_that_fails(judge):
    env = medenv.make("Consultation-v0", seat="doctor_0", judge=judge)
    env.reset(seed=1)
    observation, reward, _, truncated, info = env.step("DIAGNOSIS: influenza")
    assert math.isnan(reward)
    assert truncated
    assert info["failure"]["kind"] == "judge"
    assert SECRET not in str(observation)


def test_a_patient_that_names_the_diagnosis_is_stopped():
    record = medenv.load_records("library")[0]
    name = record.truth.diagnosis.name
    env = medenv.make("Consultation-v0", seat="doctor_0", records=[record], patient=Traitor(f"They said it is {name}."))
    env.reset(seed=1)
    observation, reward, _, truncated, info = env.step("What do you think it is?")
    assert truncated
    assert math.isnan(reward)
    assert info["failure"]["kind"] == "leak"
    assert name.lower() not in str(observation).lower()


def test_a_patient_may_repeat_what_the_doctor_said():
    record = medenv.load_records("library")[0]
    name = record.truth.diagnosis.name
    env = medenv.make("Consultation-v0", seat="doctor_0", records=[record], patient=Traitor(f"So it is {name}?"))
    env.reset(seed=1)
    assert env.step(f"I think you have {name}.")[4]["valid"]


def test_the_aec_face_says_the_same():
    env = consultation_v0.env(patient=Broken())
    env.reset(seed=1)
    env.step("Hello.")
    env.step(None)
    assert math.isnan(env.rewards["doctor_0"])
    assert env.truncations == {"doctor_0": True, "patient_0": True}
    assert env.infos["doctor_0"]["failure"]["kind"] == "patient"
    assert SECRET not in str(env.observe("doctor_0"))


def test_an_async_patient_plays():
    class Async:
        async def act(self, view):
            return "I feel ill."

    env = medenv.make("Consultation-v0", seat="doctor_0", patient=Async())
    env.reset(seed=1)
    observation, *_ = env.step("Hello.")
    assert observation["messages"][-1]["content"] == "I feel ill."
