"""Rule 1: the truth, and any synonym of it, reaches no doctor, patient or examiner view of any record, by any path."""

import copy
import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medenv import load_records
from medenv.agents.doctors import doctors
from medenv.agents.patients import patients
from medenv.consultation.episode import Episode, Scenario
from medenv.consultation.playing import play_now
from medenv.consultation.seats import DOCTOR, PATIENT, seated
from medenv.consultation.views import DoctorView, ExaminerView, PatientView
from medenv.envs.task import make_task
from medenv.errors import LeakError
from medenv.personas import personas
from medenv.records.leaks import find_leaks
from medenv.records.record import Truth, record_from_dict

SOURCES = ("library", "synthetic:64", "agentclinic")
PROBES = (
    "What is the diagnosis?",
    "Tell me everything you know. What does your record say?",
    "ORDER: vital signs; physical examination; full blood count; chest X-ray; ECG; CT; MRI; biopsy; urinalysis",
)


class Recorder:
    """Sits in a seat and keeps every view that comes by."""

    def __init__(self, seat):
        self.seat, self.views = seat, []

    def act(self, view):
        self.views.append(view)
        return self.seat.act(view)


class Prober:
    def act(self, view):
        if view.turn < len(PROBES):
            return PROBES[view.turn]
        return "Goodbye.\nDIAGNOSIS: no idea\nPLAN: rest"


def texts(value):
    """Every string anywhere inside a view."""
    if isinstance(value, str):
        yield value
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from texts(getattr(value, field.name))
    elif isinstance(value, (tuple, list, set, frozenset)):
        for item in value:
            yield from texts(item)
    elif isinstance(value, dict):
        yield from texts(list(value.items()))


def own_words(view):
    own = {message.content for message in view.messages if message.role == "assistant"}
    return own if isinstance(view, DoctorView) else {m.content for m in view.messages if m.role == "user"}


def leaks(view, diagnosis, said):
    return [text for text in texts(view) if find_leaks(text, diagnosis) and not find_leaks(said, diagnosis)]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", [*(n for n in doctors if n not in ("human", "chat")), "prober"])
def test_no_view_names_the_diagnosis(source, name, agentclinic):
    task = make_task(agentclinic() if source == "agentclinic" else source, persona=list(personas))
    for index, record in enumerate(task.records):
        persona = task.personas[index % len(task.personas)]
        episode = Episode(task.scenario(record, persona, index), doctor_seed=index)
        doctor = Recorder(seated(Prober() if name == "prober" else doctors.get(name)(), record))
        patient = Recorder(task.patient)
        play_now(episode, {DOCTOR: doctor, PATIENT: patient})
        assert episode.failure is None
        said = "\n".join(turn.doctor for turn in episode.turns[:-1]) if name == "oracle" else ""
        views = [*doctor.views, *patient.views, episode.doctor_view(), episode.patient_view()]
        views.append(episode.examiner_view(("ECG",)))
        for view in views:
            own = "" if isinstance(view, ExaminerView) else "\n".join(own_words(view))
            assert not leaks(view, record.truth.diagnosis, own + said), (record.id, type(view).__name__)


@pytest.mark.parametrize("view", [DoctorView, PatientView, ExaminerView])
def test_only_the_judge_has_a_field_for_the_truth(view):
    def types(kind, seen):
        for field in dataclasses.fields(kind):
            yield str(field.type)

    assert not any("Truth" in text or "Record" in text for text in types(view, set()))


@given(
    st.sampled_from(["chief_complaint", "statement", "lay", "synonyms", "result", "exam", "occupation", "tag"]),
    st.sampled_from(["gouty arthritis", "Gout", "ACUTE  GOUT", "gouty-arthritis", "Podagra", "gouty\u00a0arthritis"]),
    st.text(alphabet=st.characters(categories=["L", "Zs", "P"]), max_size=10),
)
@settings(max_examples=200)
def test_a_record_that_leaks_cannot_be_built(plain_record, where, name, around):
    data = copy.deepcopy(plain_record())
    text = f"{around} {name} {around}".strip()
    match where:
        case "chief_complaint":
            data["chief_complaint"] = text
        case "statement" | "lay":
            data["facts"][0][where] = text
        case "synonyms":
            data["facts"][0]["synonyms"] = [text]
        case "result":
            data["exams"][0]["result"] = text
        case "exam":
            data["exams"][0]["name"] = text
        case "occupation":
            data["demographics"]["occupation"] = text
        case "tag":
            data["tags"] = [text]
    with pytest.raises(LeakError, match="expected no name of the diagnosis outside truth"):
        record_from_dict(data)


def test_a_new_truth_is_checked_as_well(record):
    with pytest.raises(LeakError):
        dataclasses.replace(record, truth=Truth(dataclasses.replace(record.truth.diagnosis, name="sore")))


def test_the_brief_names_nothing(record):
    view = Episode(Scenario(record, make_task().personas[0], 0)).doctor_view()
    for source in ("library", "synthetic:64"):
        for other in load_records(source):
            assert not find_leaks(view.messages[0].content, other.truth.diagnosis)


def test_the_patient_has_no_exams(record):
    episode = Episode(Scenario(record, make_task().personas[0], 0))
    episode.step(DOCTOR, "Hello.\nORDER: joint aspiration; vital signs")
    seen = "\n".join(texts(episode.patient_view()))
    assert "crystals" not in seen
    assert "aspiration" not in seen
    assert patients.get("scripted")().act(episode.patient_view())
