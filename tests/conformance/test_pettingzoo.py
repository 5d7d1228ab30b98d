"""PettingZoo's own checkers, with every warning an error but those that no text observation can avoid."""

import warnings

import pettingzoo
import pytest
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test, render_test, seed_test

import medenv
from medenv.envs import consultation_v0

UNAVOIDABLE = (
    "Observation is not a NumPy array",
    "Observation space for each agent probably should be gymnasium.spaces.box or gymnasium.spaces.discrete",
    "Action space for each agent probably should be gymnasium.spaces.box or gymnasium.spaces.discrete",
)


@pytest.fixture
def strict():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for text in UNAVOIDABLE:
            warnings.filterwarnings("ignore", message=text)
        yield


@pytest.mark.usefixtures("strict")
def test_aec_api():
    api_test(consultation_v0.env(), num_cycles=300)


@pytest.mark.usefixtures("strict")
def test_aec_seed():
    seed_test(consultation_v0.env, num_cycles=50)


@pytest.mark.usefixtures("strict")
def test_parallel_api():
    parallel_api_test(consultation_v0.parallel_env(), num_cycles=300)


@pytest.mark.usefixtures("strict")
def test_parallel_seed():
    parallel_seed_test(consultation_v0.parallel_env, num_cycles=50)


@pytest.mark.usefixtures("strict")
def test_render():
    render_test(consultation_v0.env)


def test_pettingzoo_makes_both():
    assert isinstance(pettingzoo.make("aec", "medenv/Consultation-v0"), pettingzoo.AECEnv)
    parallel = pettingzoo.make("parallel", "medenv/Consultation-v0", max_turns=3)
    assert isinstance(parallel, pettingzoo.ParallelEnv)
    assert parallel.task.max_turns == 3


def test_medenv_makes_the_aec():
    env = medenv.make("Consultation-v0")
    assert isinstance(env, pettingzoo.AECEnv)
    assert env.possible_agents == ["doctor_0", "patient_0"]
    assert env.observation_space("doctor_0") is env.observation_space("doctor_0")


def aec_talk(env, messages):
    env.reset(seed=11)
    for message in messages:
        env.step(message)
        if env.agent_selection == "patient_0" and not env.terminations["patient_0"]:
            env.step(None)
    return env


MESSAGES = (
    "Hello, what brings you in?",
    "ORDER: vital signs",
    "When did it start?\nORDER: full blood count",
    "Thank you.\nDIAGNOSIS: influenza (0.5)\nPLAN: rest",
)


def test_all_faces_play_the_same_consultation():
    aec = aec_talk(medenv.make("Consultation-v0"), MESSAGES)
    seat = medenv.make("Consultation-v0", seat="doctor_0")
    observation, _ = seat.reset(seed=11)
    for message in MESSAGES:
        observation, reward, terminated, _, info = seat.step(message)
    parallel = consultation_v0.parallel_env()
    parallel.reset(seed=11)
    waiting = list(MESSAGES)
    while parallel.agents:
        acting = parallel.view("doctor_0") if not waiting else waiting[0]
        patient_first = parallel._session.episode.next_seat == "patient_0"
        seen, rewards, _, _, _ = parallel.step({"patient_0": None} if patient_first else {"doctor_0": waiting.pop(0)})
        assert acting
    assert terminated
    assert aec.observe("doctor_0") == observation == seen["doctor_0"]
    assert aec.rewards["doctor_0"] == reward == rewards["doctor_0"]
    assert aec.infos["doctor_0"]["criteria"] == info["criteria"]


def test_a_custom_patient_answers_for_none():
    class Parrot:
        def act(self, view):
            return f"I heard {len(view.messages)} messages."

    env = medenv.make("Consultation-v0", patient=Parrot())
    aec_talk(env, ("Hello there.",))
    assert env.observe("doctor_0")["messages"][-1]["content"] == "I heard 2 messages."
