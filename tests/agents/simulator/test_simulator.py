"""The three-unit simulator as a seat: what goes to the model, what goes out, and what fails."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest

import medenv
from medenv.agents.backends import Reply
from medenv.agents.backends.prompts import load_prompts
from medenv.agents.backends.retries import Retrying
from medenv.agents.backends.scripted import Faults, ScriptedBackend
from medenv.agents.patients.scripted import ScriptedPatient
from medenv.agents.patients.simulator import SimulatedPatient
from medenv.agents.patients.simulator.prompts import PACKAGE
from medenv.consultation.seats import DOCTOR
from medenv.errors import MedenvError
from medenv.personas import personas
from medenv.records.leaks import find_leaks
from medenv.testing.models import Recording, obedient

UNITS = ("off", "rule", "model", "both")


def without_seconds(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_seconds(part) for name, part in value.items() if name != "seconds"}
    return [without_seconds(part) for part in value] if isinstance(value, list) else value


def stored(trajectories: list[medenv.Trajectory]) -> str:
    return json.dumps([without_seconds(trajectory.to_dict()) for trajectory in trajectories], sort_keys=True)


def last_trace(episode: Any) -> Any:
    return episode.turns[-1].trace


def test_no_model_sees_the_truth_and_the_actor_only_what_may_be_told(model, consult, interview):
    units = {"gate": "model", "affective": "model", "factual": "both"}
    for record in list(medenv.load_records())[:12]:
        model.requests.clear()
        patient = SimulatedPatient(model, **units)
        episode = consult(record, patient, interview)
        told = episode.ledger.disclosed | {f for turn in episode.turns for f in turn.trace["released"]}
        secret = [fact for fact in record.facts if fact.id not in told]
        texts = {
            " ".join(message.content for message in request.messages): request.schema is None
            for request in model.requests
        }
        for text, to_the_actor in texts.items():
            assert not find_leaks(text, record.truth.diagnosis)
            if to_the_actor:
                for fact in secret:
                    assert fact.lay not in text or any(fact.lay in f.lay for f in record.facts if f.id in told)


def test_each_prompt_begins_with_the_one_before(model, consult, interview, record):
    consult(record, SimulatedPatient(model, gate="model", factual="rule"), interview)
    for schema in (False, True):
        prompts = [r.messages for r in model.requests if (r.schema is not None) == schema and "say it" not in str(r)]
        assert len(prompts) == len(interview)
        for earlier, later in itertools.pairwise(prompts):
            assert later[: len(earlier) - 1] == earlier[:-1]
            said = later[len(earlier) - 1].content
            assert earlier[-1].content.startswith(said.rstrip())
            assert later[len(earlier)].role == "assistant"


def test_the_doctor_cannot_write_notes_or_borders_of_messages(model, consult, interview, record):
    consult(record, SimulatedPatient(model, gate="model", factual="both"), interview)
    for request in model.requests:
        for message in request.messages:
            checks = request.schema is not None and "claims" in request.schema["properties"]
            if message.role == "user":
                assert checks or message.content.count("[") <= 1
                assert "<|" not in message.content
                assert message.content.count("<") == message.content.count(">") == checks


def test_a_draft_that_keeps_to_the_note_goes_out_as_it_is(model, consult, record):
    episode = consult(record, SimulatedPatient(model), ["Have you had a fever?"])
    turn = episode.turns[0]
    assert turn.reply == "No, I haven't had a fever."
    assert turn.entry.disclosed == ("fever",)
    assert turn.trace["repair"] == "none"
    assert [claim["standing"] for claim in turn.trace["draft"]["claims"]] == ["supported"]
    assert [call["unit"] for call in turn.trace["calls"]] == ["affective"]


@pytest.mark.parametrize(
    "draft",
    [
        "Yes, I've had a fever of 39 for three days.",
        "No fever, but I have about six beers a day.",
        "I have gout.",
        "I am an AI language model.",
        "",
        "\x00\u202e",
        "My name is John Smith.",
        "No, I haven't had a fever. You are asked something that only a doctor can know.",
        "The note lists what you may tell now. No, I haven't had a fever.",
    ],
)
def test_a_draft_with_a_defect_never_goes_out(consult, record, draft):
    episode = consult(record, SimulatedPatient(ScriptedBackend(lambda request: draft)), ["Have you had a fever?"])
    view = consult(record, ScriptedPatient(), ["Have you had a fever?"])
    assert episode.turns[0].reply == view.turns[0].reply
    assert episode.turns[0].entry.disclosed == ("fever",)
    assert last_trace(episode)["repair"] == "fallback"
    assert last_trace(episode)["rewrite"] is not None


def test_a_draft_is_said_again_once(consult, record):
    replies = ["I've been sweating at night.", "I haven't had a fever, no."]
    model = Recording(ScriptedBackend(replies))
    episode = consult(record, SimulatedPatient(model), ["Have you had a fever?"])
    assert episode.turns[0].reply == replies[1]
    assert last_trace(episode)["repair"] == "rewrite"
    first, second = model.requests
    assert second.messages[: len(first.messages)] == first.messages
    assert "sweating at night" in second.messages[-1].content


def test_what_is_left_out_is_a_defect(consult, record):
    model = ScriptedBackend(lambda request: "I don't know.")
    episode = consult(record, SimulatedPatient(model), ["Have you had a fever?"])
    assert last_trace(episode)["draft"]["defects"] == [load_prompts(PACKAGE, "en").texts["defects.omitted"]]
    assert episode.ledger.disclosed == {"fever"}


def test_a_draft_cut_short_is_a_defect(consult, record):
    model = ScriptedBackend(lambda request: Reply("No, I haven't had a fever. And I", "length"))
    episode = consult(record, SimulatedPatient(model), ["Have you had a fever?"])
    assert last_trace(episode)["draft"]["text"] == "No, I haven't had a fever."
    assert last_trace(episode)["draft"]["finished"] is False
    assert last_trace(episode)["repair"] == "fallback"


@pytest.mark.parametrize(("gate", "affective", "factual"), [*itertools.product(UNITS, UNITS, UNITS)])
def test_every_combination_of_units_plays(consult, interview, record, gate, affective, factual):
    patient = SimulatedPatient(ScriptedBackend(obedient), gate=gate, affective=affective, factual=factual)
    episode = consult(record, patient, interview)
    assert episode.failure is None
    assert len(episode.turns) == len(interview)
    assert "fever" in episode.ledger.disclosed


def test_without_the_factual_unit_the_ledger_holds_the_words_against_the_facts(consult, record):
    patient = SimulatedPatient(ScriptedBackend(lambda request: "I've had a terrible headache."), factual="off")
    episode = consult(record, patient, ["Have you had a fever?"])
    assert episode.turns[0].reply == "I've had a terrible headache."
    assert episode.turns[0].entry.invented == ("I've had a terrible headache.",)
    assert episode.turns[0].entry.disclosed == ()


def test_a_model_that_checks_is_not_believed_where_it_contradicts_itself(consult, record):
    def judge(request: Any) -> str:
        if request.schema is None:
            return "No, I haven't had a fever."
        return json.dumps({"claims": [{"claim": 1, "verdict": "supported", "facts": [3]}]})

    episode = consult(record, SimulatedPatient(ScriptedBackend(judge), factual="model"), ["Have you had a fever?"])
    assert last_trace(episode)["draft"]["claims"][0]["standing"] == "undisclosed"
    assert last_trace(episode)["repair"] == "fallback"


@pytest.mark.parametrize("unit", ["gate", "factual"])
def test_a_model_that_answers_no_json_cannot_decide(consult, record, unit):
    def broken(request: Any) -> str:
        return "No, I haven't had a fever." if request.schema is None else "Sure! The verdict is: yes"

    episode = consult(record, SimulatedPatient(ScriptedBackend(broken), **{unit: "model"}), ["Have you had a fever?"])
    assert episode.failure is None
    assert episode.ledger.disclosed == {"fever"}


def test_equal_views_make_equal_requests_and_one_patient_plays_many(interview):
    def played(concurrency: int) -> str:
        patient = SimulatedPatient(ScriptedBackend(obedient), gate="model", factual="both")
        return stored(
            medenv.rollout(
                "checklist", patient=patient, episodes=12, group_size=2, concurrency=concurrency, max_turns=8
            )
        )

    assert played(1) == played(12)


def test_a_group_shares_the_patient_and_its_replica(model):
    medenv.rollout("checklist", patient=SimulatedPatient(model), episodes=4, group_size=4, max_turns=3)
    assert len({request.conversation for request in model.requests}) == 1


def test_faults_that_a_retry_mends_change_nothing():
    def played(backend: Any) -> str:
        patient = SimulatedPatient(backend, gate="model", factual="both")
        return stored(medenv.rollout("checklist", patient=patient, episodes=24, concurrency=24, max_turns=6))

    faults = Faults(0.3, latency=0.01, wait=0.001)
    faulty = Retrying(ScriptedBackend(obedient, faults=faults), attempt_timeout=5.0, total_timeout=60.0)
    assert played(faulty) == played(ScriptedBackend(obedient))


def test_a_fault_that_nobody_mends_is_no_score_and_no_words():
    backend = ScriptedBackend(obedient, faults=Faults(0.3, latency=0.01, wait=0.001))
    trajectories = medenv.rollout("checklist", patient=SimulatedPatient(backend), episodes=40, max_turns=6)
    invalid = [trajectory for trajectory in trajectories if not trajectory.valid]
    assert 5 < len(invalid) < 40
    for trajectory in invalid:
        assert trajectory.failure is not None
        assert trajectory.failure["kind"] == "backend"
        assert trajectory.reward is None
        said = " ".join(message["content"] for message in trajectory.messages).casefold()
        assert not any(word in said for word in ("error", "429", "500", "disconnect", "garbled", "backend", "timeout"))


def test_a_model_that_names_the_diagnosis_is_kept_from_saying_it(consult, record):
    patient = SimulatedPatient(ScriptedBackend(lambda request: "I have gout, I'm sure."))
    episode = consult(record, patient, ["Have you had a fever?", "What do you think you have?"])
    assert episode.failure is None
    assert not any(find_leaks(m.content, record.truth.diagnosis) for m in episode.view(DOCTOR).messages)


@pytest.mark.parametrize(("rate", "often"), [(0.0, 0), (1.0, 8), (None, 0)])
def test_interruptions_come_as_often_as_they_should(model, consult, record, rate, often):
    patient = SimulatedPatient(model, gate="off", interruptions=rate)
    episode = consult(record, patient, ["Have you had a fever?"] * 8)
    assert sum(turn.trace["interruption"] is not None for turn in episode.turns) == often
    notes = [load_prompts(PACKAGE, "en").texts[f"note.{place}"] for place in ("middle", "after")]
    asked = sum(any(note in request.messages[-1].content for note in notes) for request in model.requests)
    assert asked == often


def test_the_language_of_the_record_chooses_the_prompts(model, consult, record):
    consult(replace(record, language="zh-CN"), SimulatedPatient(model), ["Have you had a fever?"])
    assert "患者" in model.requests[0].messages[0].content
    model.requests.clear()
    consult(replace(record, language="zh"), SimulatedPatient(model, prompts="en"), ["Have you had a fever?"])
    assert "patient" in model.requests[0].messages[0].content


@pytest.mark.parametrize("id", list(personas))
def test_the_prompt_says_who_the_patient_is(model, consult, record, id):
    persona = personas.get(id)
    consult(record, SimulatedPatient(model), ["Have you had a fever?"], persona=persona)
    system = model.requests[0].messages[0].content
    assert persona.description in system
    assert "54-year-old male patient" in system
    assert record.chief_complaint in system
    assert "$" not in system


@pytest.mark.parametrize(
    "arguments",
    [{"gate": "maybe"}, {"factual": None}, {"interruptions": 1.5}, {"temperature": -1.0}, {"max_tokens": 0}],
)
def test_bad_settings_are_refused(arguments):
    with pytest.raises(MedenvError, match="expected"):
        SimulatedPatient(ScriptedBackend(obedient), **arguments)


def test_the_settings_of_a_run_name_what_the_patient_is(tmp_path):
    for temperature in (0.7, 0.2):
        patient = SimulatedPatient(ScriptedBackend(obedient), temperature=temperature)
        if temperature == 0.7:
            medenv.rollout("checklist", patient=patient, episodes=2, max_turns=2, out=tmp_path / "run.jsonl")
            continue
        with pytest.raises(MedenvError, match="temperature"):
            medenv.rollout("checklist", patient=patient, episodes=2, max_turns=2, out=tmp_path / "run.jsonl")


def test_a_run_lets_go_of_the_connections_of_its_loop():
    class Held(Recording):
        closed = 0

        async def aclose(self) -> None:
            self.closed += 1

    backend = Held(ScriptedBackend(obedient))
    medenv.rollout("checklist", patient=SimulatedPatient(backend), episodes=2, max_turns=2)
    assert backend.closed == 1


def test_the_trace_survives_the_file(tmp_path):
    patient = SimulatedPatient(ScriptedBackend(obedient))
    path = tmp_path / "run.jsonl"
    played = medenv.rollout("checklist", patient=patient, episodes=2, max_turns=3, out=path)
    read = medenv.rollout("checklist", patient=patient, episodes=2, max_turns=3, out=path)
    assert [t.to_dict() for t in read] == [t.to_dict() for t in played]
    assert all("calls" in turn["trace"] for t in read for turn in t.turns if turn["reply"] is not None)
