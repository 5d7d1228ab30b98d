from __future__ import annotations

import re

import pytest

pytest.importorskip("torch")

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medenv.agents.doctors.novice import Habits, NoviceDoctor, listen
from medenv.agents.trainers.grpo import GRPOConfig
from medenv.agents.trainers.reference import reference_policy, train_tokenizer
from medenv.agents.trainers.supervised import SupervisedConfig, imitate
from medenv.consultation.views import DoctorView, Message
from medenv.errors import RunError
from medenv.records.knowledge_base import load_knowledge
from medenv.records.synthesis import evidence_in, synthesise
from medenv.rollout import rollout

TEXTS = ["Do you smoke? Since when?", "No, I have never smoked.", "ORDER: ECG; full blood count"] * 20


@pytest.fixture(scope="module")
def consultations():
    return rollout(NoviceDoctor(), records=synthesise(12, seed=3), group_size=2, episodes=24, max_turns=8, seed=1)


def test_novices_are_middling_and_always_come_to_a_diagnosis(consultations):
    assert all(trajectory.valid and trajectory.terminated for trajectory in consultations)
    assert not any(turn["notes"] for trajectory in consultations for turn in trajectory.turns)
    assert 0.15 < np.mean([trajectory.reward for trajectory in consultations]) < 0.6
    assert len({trajectory.turns[0]["doctor"] for trajectory in consultations}) > 8


def test_a_novice_says_the_same_of_the_same_view():
    seen = DoctorView((Message("system", "a male patient, 40 years old"), Message("user", "It hurts.")), 0, 8, 5)
    assert NoviceDoctor().act(seen) == NoviceDoctor().act(seen)


@given(st.text(max_size=60), st.text(max_size=60), st.integers(0, 2**31), st.integers(1, 4))
@settings(max_examples=25)
def test_a_novice_has_an_answer_to_any_patient(brief, opening, seed, max_turns):
    view = DoctorView((Message("system", brief), Message("user", opening)), max_turns - 1, max_turns, seed)
    assert "DIAGNOSIS: " in NoviceDoctor().act(view)


def same_but_for_numbers(exam: str, one: str, other: str) -> bool:
    outcomes = {outcome.id: outcome for outcome in load_knowledge().exams[exam].outcomes}
    texts = [{re.sub(r"\{[^}]*\}", "#", t) for t in (outcomes[i].result, outcomes[i].child) if t} for i in (one, other)]
    return bool(texts[0] & texts[1])


def test_what_a_novice_hears_is_what_the_record_states(consultations):
    records = {record.id: record for record in synthesise(12, seed=3)}
    heard = 0
    for trajectory in consultations:
        view = DoctorView(tuple(Message(m["role"], m["content"]) for m in trajectory.messages), 0, 8, 0)
        found, stated = listen(view), evidence_in(records[trajectory.record])
        assert found.complaint == stated.complaint
        assert found.sex == stated.sex
        assert found.exams.keys() <= stated.exams.keys()
        for exam, outcome in found.exams.items():
            assert same_but_for_numbers(exam, outcome, stated.exams[exam])
        heard += len(found.findings.items() & stated.findings.items())
    assert heard > len(consultations)


def test_habits_decide_what_is_said():
    seen = DoctorView((Message("system", "a male patient, 40 years old"), Message("user", "It hurts.")), 7, 8, 5)
    every = Habits(safety_nets=True, weighs=True, explains=True, insight=1.0, thoroughness=1.0, refers=True)
    good, bare = NoviceDoctor(every).act(seen), NoviceDoctor(Habits(thoroughness=0.0, careful=True)).act(seen)
    assert all(part in good for part in ("come back", "(0.7)", "PLAN: ", "REFER: "))
    assert not any(part in bare for part in ("come back", "(0.7)", "PLAN: ", "REFER: "))


@settings(max_examples=60)
@given(st.text(max_size=80))
def test_any_text_survives_the_tokenizer(text):
    text = text.encode("utf-8", "replace").decode()
    tokenizer = train_tokenizer(TEXTS, 400)
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids) == text


def test_the_warm_start_learns_and_is_the_same_each_time(consultations):
    chats = [trajectory.messages for trajectory in consultations]

    def learn():
        policy = reference_policy((m["content"] for chat in chats for m in chat), seed=0, vocabulary=600)
        state = torch.random.get_rng_state()
        curve = imitate(policy, chats, SupervisedConfig(epochs=2, batch=8))
        assert torch.equal(state, torch.random.get_rng_state())
        return curve, policy.model.state_dict()

    (curve, weights), (again, same) = learn(), learn()
    assert curve == again
    assert all(torch.equal(weights[name], same[name]) for name in weights)
    assert curve[-1]["loss"] < curve[0]["loss"]


def test_nothing_to_learn_from_is_refused(doctor):
    with pytest.raises(RunError, match="at least one consultation"):
        imitate(doctor, [], SupervisedConfig())
    with pytest.raises(RunError, match="expected"):
        SupervisedConfig(epochs=0)


def test_the_learning_rate_rises_and_falls_in_straight_lines():
    config = GRPOConfig(steps=10, learning_rate=1.0, warmup=1, cooldown=3)
    assert [config.rate(step) for step in range(10)] == [0.5, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25]
