from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import random

import torch

from medenv.consultation.views import Message
from medenv.rewards.learned import Example, RewardModelConfig, train
from medenv.rewards.rubric import Criterion

SMALL = RewardModelConfig(epochs=6, buckets=2048, width=16, hidden=16, batch=4, learning_rate=1e-2)
SYMPTOMS = ("fever", "cough", "rash", "nausea", "dizziness", "headache", "wheeze", "itching", "palpitations", "cramps")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def planted(count: int = 60, seed: int = 0) -> tuple[Example, ...]:
    """Conversations in which a criterion is met where the patient, not the doctor, named the symptom it names."""
    rng = random.Random(seed)
    found = []
    for number in range(count):
        told, claimed = rng.sample(SYMPTOMS, 5), rng.sample(SYMPTOMS, 5)
        messages = (
            Message("user", "I do not feel well."),
            Message("assistant", "Good day. " + " ".join(f"Surely you have {name}." for name in claimed)),
            Message("user", " ".join(f"Yes, I have had {name}." for name in told)),
        )
        criteria = tuple(Criterion(name, f"Elicits: {name}", 3, "consultation_logic") for name in SYMPTOMS)
        criteria += (Criterion("greets", "Greets the patient.", -2, "communication"),)
        met = (*(name in told for name in SYMPTOMS), number % 2 == 0)
        split = ("train", "train", "train", "validation", "test")[number % 5]
        found.append(Example(f"case-{number}", split, messages, criteria, met))
    return tuple(found)


@pytest.fixture(scope="session")
def examples():
    return planted()


@pytest.fixture(scope="session")
def trained(examples):
    return train(examples, SMALL)
