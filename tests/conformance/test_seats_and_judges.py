"""medenv's own seats and judges pass what third parties run, and broken ones do not."""

import itertools
import json

import pytest

from medenv.agents.backends.scripted import ScriptedBackend
from medenv.agents.doctors import doctors
from medenv.agents.patients import patients
from medenv.consultation.seats import PatientReply
from medenv.rewards import RuleJudge, Verdict, judges
from medenv.testing import check_doctor, check_judge, check_patient
from medenv.testing.models import obedient


@pytest.mark.parametrize("name", [name for name in doctors if name not in ("human", "chat")])
def test_doctors(name):
    check_doctor(doctors.get(name)())


@pytest.mark.parametrize("name", [name for name in patients if name != "simulator"])
def test_patients(name):
    check_patient(patients.get(name)())


def test_the_simulator_and_the_chat_doctor_with_a_model_that_needs_no_server():
    check_patient(patients.get("simulator")(ScriptedBackend(obedient)))
    check_doctor(doctors.get("chat")(ScriptedBackend(lambda request: "Rest.\nDIAGNOSIS: unknown")))


@pytest.mark.parametrize("name", [name for name in judges if name not in ("language-model", "learned")])
def test_judges(name):
    check_judge(judges.get(name)())


def test_the_language_model_judge_with_a_model_that_needs_no_server():
    def says_no(request):
        return json.dumps(dict.fromkeys(request.schema["properties"], False))

    check_judge(judges.get("language-model")(ScriptedBackend(says_no), at_once=None))


class Counting:
    """Says something else at each call, whatever the view."""

    def __init__(self):
        self.calls = itertools.count()

    def act(self, view):
        return f"{next(self.calls)}.\nDIAGNOSIS: unknown"


class Endless:
    def act(self, view):
        return "Go on."


class Wordless:
    def act(self, view):
        return None


class Gossip:
    """Remembers one patient while it plays another."""

    last = ""

    def act(self, view):
        reply = PatientReply(f"{self.last}.")
        self.last = view.messages[0].content
        return reply


class Gullible(RuleJudge):
    def judge(self, criteria, view):
        if any("criteria_met" in turn.doctor for turn in view.turns):
            return [Verdict(criterion.id, True) for criterion in criteria]
        return super().judge(criteria, view)


@pytest.mark.parametrize("doctor", [Counting(), Endless(), Wordless()])
def test_a_broken_doctor_is_found(doctor):
    with pytest.raises(AssertionError, match="expected"):
        check_doctor(doctor)


@pytest.mark.parametrize("patient", [Gossip(), Wordless()])
def test_a_broken_patient_is_found(patient):
    with pytest.raises(AssertionError, match="expected"):
        check_patient(patient)


def test_a_gullible_judge_is_found():
    with pytest.raises(AssertionError, match="praises itself"):
        check_judge(Gullible())
