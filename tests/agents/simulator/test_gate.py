"""The termination gate: when the patient leaves, and that this ends the consultation."""

from __future__ import annotations

import pytest

import medenv
from medenv.agents.backends.scripted import ScriptedBackend
from medenv.agents.patients.simulator import SimulatedPatient
from medenv.personas import Persona
from medenv.testing.models import Recording, obedient

IRRITABLE = Persona("short-fuse", tone="irritable", patience=1)
FEVER = "Have you had a fever?"


@pytest.mark.parametrize(
    ("messages", "persona", "ending"),
    [
        ([FEVER, "Thank you for coming. Goodbye."], Persona("neutral"), "goodbye"),
        ([FEVER, FEVER, FEVER, FEVER, FEVER], Persona("neutral"), "nothing_left"),
        ([FEVER, FEVER, FEVER, FEVER], Persona("neutral"), None),
        ([f"{FEVER} Do you smoke? Any cough? Do you drink?"] * 8, IRRITABLE, "patience"),
        (["Goodbye for now, but before I go: have you had a fever?"], Persona("neutral"), None),
        ([FEVER, "DIAGNOSIS: gout (0.9)"], Persona("neutral"), "diagnosis"),
        ([FEVER, "ORDER: vital signs", "ORDER: vital signs", "ORDER: urate", "ORDER: MRI"], Persona("neutral"), None),
    ],
)
def test_what_ends_a_consultation(model, consult, record, messages, persona, ending):
    episode = consult(record, SimulatedPatient(model), messages, persona=persona)
    assert episode.ending == ending
    assert episode.over == (ending is not None)
    if ending not in (None, "diagnosis"):
        assert episode.terminated
        assert not episode.truncated
        assert episode.turns[-1].trace["leaves"] == ending
        assert episode.turns[-1].reply == episode.doctor_view().messages[-1].content


def test_the_turn_limit_cuts_off(model, consult, record):
    episode = consult(record, SimulatedPatient(model), [FEVER] * 3, max_turns=3)
    assert episode.ending == "turn_limit"
    assert model.requests[-1].messages[-1].content.count("little time") == 1


def test_no_words_are_written_for_a_patient_who_leaves_by_rule(model, consult, record):
    consult(record, SimulatedPatient(model), ["Goodbye."])
    assert model.requests == []


def says(ends: str) -> Recording:
    return Recording(ScriptedBackend(lambda r: obedient(r) if r.schema is None else f'{{"ends": "{ends}"}}'))


@pytest.mark.parametrize(
    ("gate", "ends", "message", "ending"),
    [
        ("model", "patience", FEVER, "patience"),
        ("model", "none", "Goodbye.", None),
        ("both", "goodbye", "Goodbye.", "goodbye"),
        ("both", "none", "Goodbye.", None),
        ("both", "patience", FEVER, None),
        ("off", "patience", "Goodbye.", None),
    ],
)
def test_who_decides(consult, record, gate, ends, message, ending):
    assert consult(record, SimulatedPatient(says(ends), gate=gate), [message]).ending == ending


def test_a_model_is_asked_for_both_at_the_same_time(consult, record):
    asked = says("none")
    consult(record, SimulatedPatient(asked, gate="model"), [FEVER])
    assert [request.schema is None for request in asked.requests] == [False, True]


def test_a_patient_who_left_is_no_diagnosis_and_no_cut_off():
    class Rude:
        def act(self, view):
            return "Goodbye."

    patient = SimulatedPatient(ScriptedBackend(obedient))
    result = medenv.evaluate(Rude(), patient=patient, episodes=4)
    assert result.valid == 4
    assert result.ledger["diagnosed"] == 0
    for trajectory in result.trajectories:
        assert (trajectory.ending, trajectory.terminated, trajectory.truncated) == ("goodbye", True, False)
    env = medenv.make("Consultation-v0", seat="doctor_0", patient=patient)
    env.reset(seed=0)
    _, reward, terminated, truncated, info = env.step("Goodbye.")
    assert (terminated, truncated, info["valid"]) == (True, False, True)
    assert reward == info["score"] if "score" in info else reward <= 0.2
