"""The patient's reward: what earns it, that it adds up, and that nothing cheap comes near the scripted patient."""

import json
import math
import re
from dataclasses import replace
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medenv.agents.doctors.checklist import ChecklistDoctor
from medenv.agents.patients.scripted import ScriptedPatient
from medenv.consultation.episode import Episode, Scenario
from medenv.consultation.playing import play_now
from medenv.consultation.seats import DOCTOR, PATIENT, PatientReply
from medenv.errors import RubricError
from medenv.personas import Persona, personas
from medenv.records import load_records
from medenv.records.record import record_from_dict
from medenv.rewards import score_patient
from medenv.schemas import validator

LIBRARY = load_records("library")
SETTINGS = json.loads(resources.files("medenv.rewards").joinpath("patient.json").read_text("utf-8"))
NEUTRAL = Persona("neutral-test")
ONSET = "It came on suddenly last night."
FEVER = "No, I haven't had a fever."
ALCOHOL = "I have about six beers a day."


def consult(record, exchanges, persona=NEUTRAL, changes=()):
    """An episode of these doctor's messages and replies; `changes` puts findings into the ledger's entries."""
    episode = Episode(Scenario(record, persona, 1, max_turns=20))
    for message, reply, *told in exchanges:
        episode.step(DOCTOR, message)
        if episode.next_seat == PATIENT:
            episode.step(PATIENT, PatientReply(reply, told))
    assert episode.failure is None
    view = episode.judge_view()
    for place, change in changes:
        entry = replace(view.turns[place].entry, **change)
        entries = list(view.ledger.entries)
        entries[place] = entry
        turns = list(view.turns)
        turns[place] = replace(turns[place], entry=entry)
        view = replace(view, turns=tuple(turns), ledger=replace(view.ledger, entries=tuple(entries)))
    return view


def scored(record, exchanges, persona=NEUTRAL, changes=(), **options):
    return score_patient(consult(record, exchanges, persona, changes), **options)


def parts(score, component):
    (line,) = (line for line in score.lines if line.id == component)
    return {part.id: part.value for part in line.parts}


# Fidelity.

BOTH = "When did it start? Have you had a fever?"
GREET = ("Have you got a pet?", "I couldn't say.")


@pytest.mark.parametrize(
    ("exchanges", "expected"),
    [
        ([(BOTH, f"{ONSET} {FEVER}", "onset", "fever")], [1.0]),
        ([(BOTH, ONSET, "onset")], [0.5]),
        ([(BOTH, f"{ONSET} {ONSET}", "onset", "onset")], [0.5]),
        ([(BOTH, "I don't know.")], [0.0]),
        ([GREET], [1.0]),
        ([("Have you got a pet?", "")], [0.0]),
        ([("Have you got a pet?", " ... ")], [0.0]),
        ([(BOTH, "", "onset", "fever")], [0.0]),
        ([("Have you had a fever?", f"{FEVER} {ONSET}", "fever", "onset")], [0.0]),
        ([("Do you drink alcohol?", ALCOHOL, "alcohol")], [0.0]),
        ([("I'm so sorry, that must be hard. Do you drink alcohol?", ALCOHOL, "alcohol")], [1.0]),
    ],
)
def test_a_turn_is_faithful_to_what_is_released(record, exchanges, expected):
    assert list(parts(scored(record, exchanges), "fidelity").values()) == expected


def test_what_was_told_when_it_was_released_may_be_told_again(record):
    told = [("Have you had a fever?", FEVER, "fever"), ("When did it start?", f"{ONSET} {FEVER}", "onset", "fever")]
    assert list(parts(scored(record, told), "fidelity").values()) == [1.0, 1.0]


def test_what_slipped_out_is_not_released_by_it(record):
    slipped = [(*GREET, "fever"), ("When did it start?", f"{ONSET} {FEVER}", "onset", "fever")]
    assert list(parts(scored(record, slipped), "fidelity").values()) == [0.0, 0.0]
    asked = [(*GREET, "fever"), ("Have you had a fever?", FEVER, "fever"), (*GREET, "fever")]
    assert list(parts(scored(record, asked), "fidelity").values()) == [0.0, 1.0, 1.0]


@pytest.mark.parametrize("fault", [{"invented": ("a sore throat",)}, {"contradicted": ("fever",)}])
def test_a_turn_that_invents_or_contradicts_is_not_faithful(record, fault):
    exchanges = [(BOTH, f"{ONSET} {FEVER}", "onset", "fever"), GREET]
    assert parts(scored(record, exchanges, changes=[(0, fault)]), "fidelity") == {"0": 0.0, "1": 1.0}


# Brevity.


@pytest.mark.parametrize(
    ("reply", "told", "expected"),
    [
        (FEVER, ("fever",), 1.0),
        (f"{FEVER} {'so ' * 20}", ("fever",), 1.0),
        (f"{FEVER} {'so ' * 46}", ("fever",), 0.5),
        ("I don't know.", (), 0.0),
        ("so " * 50, (), 0.0),
    ],
)
def test_room_is_for_the_told_facts_and_a_few_words(record, reply, told, expected):
    score = scored(record, [("Have you had a fever?", reply, *told)])
    assert score.components["brevity"] == expected


def test_facts_that_were_not_released_make_no_room(record):
    score = scored(record, [(GREET[0], "so " * 34 + FEVER, "fever")])
    assert score.components["brevity"] == 0.5


# Persona.

FIRST = "When did it start?"
TESTS = "When did it start?\nORDER: MRI knee"
PLAN = "You should take something for it.\nPLAN: tablets"
MANY = "When did it start? Have you had a fever? Any allergies? Do you smoke?"
LONG = "It is so that " + "and then it was so " * 5
EXPECTED = {
    "length.terse": (Persona("p", verbosity="terse"), GREET[0], "I don't know.", "so " * 20),
    "length.plain": (NEUTRAL, GREET[0], "I don't know.", "so " * 30),
    "length.talkative": (Persona("p", verbosity="talkative"), FIRST, f"Well, let me think. {ONSET}", ONSET),
    "sentences.A": (Persona("p", language_level="A1"), GREET[0], "I not know. I am sorry.", LONG),
    "sentences.B1": (Persona("p", language_level="B1"), GREET[0], "I do not know that, I am sorry.", LONG),
    "cost": (Persona("p", cost="concerned"), TESTS, f"{ONSET} Do I have to pay for that?", f"{ONSET} All right."),
    "treatment": (Persona("p", treatment="resistant"), PLAN, "I'd rather wait and see.", "All right, doctor."),
    "interruptions": (Persona("p", interruptions=1.0), FIRST, f"{ONSET} Wait, is it serious?", ONSET),
    "hedging": (Persona("p", hedging=1.0), FIRST, f"If I remember rightly: {ONSET}", ONSET),
    "recall": (Persona("p", recall="vague"), FIRST, f"{ONSET} Or thereabouts.", ONSET),
    "overload": (Persona("p", patience=1), MANY, f"{ONSET} That's too much at once.", ONSET),
    "plain_words.asked": (
        Persona("p", health_literacy="low"), "Any dyspnoea?", "I don't know that word.", "No, not at all.",
    ),
    "plain_words.used": (Persona("p", health_literacy="low"), GREET[0], "I don't know.", "I don't know, save dysuria."),
    "person": (NEUTRAL, GREET[0], "I don't know, he hasn't said.", "I have a headache."),
}  # fmt: skip


def believed(record, id, reply, message=None):
    persona, usual, *_ = EXPECTED[id]
    record = replace(record, speaker="caregiver" if id == "person" else "self")
    told = ("onset",) if ONSET in reply else ()
    exchanges = [(message or usual, reply, *told)] * (2 if id in ("interruptions", "hedging") else 1)
    return parts(scored(record, exchanges, persona), "persona")


def test_every_expectation_is_tried_here():
    assert set(EXPECTED) == {item["id"] for item in SETTINGS["expectations"]}


@pytest.mark.parametrize("id", EXPECTED)
def test_an_expectation(record, id):
    _, _, met, unmet = EXPECTED[id]
    assert believed(record, id, met)[id] == 1.0
    assert believed(record, id, unmet)[id] == 0.0
    assert believed(record, id, "").get(id, 0.0) == 0.0


@pytest.mark.parametrize(
    ("id", "message"),
    [
        ("cost", FIRST),
        ("treatment", FIRST),
        ("treatment", "I'm so sorry, that must be hard. Take something for it.\nPLAN: tablets"),
        ("recall", GREET[0]),
        ("overload", FIRST),
        ("plain_words.asked", FIRST),
    ],
)
def test_what_did_not_arise_does_not_count(record, id, message):
    assert id not in believed(record, id, "I couldn't say.", message)


@pytest.mark.parametrize("id", EXPECTED)
def test_it_is_expected_of_nobody_else(record, id):
    field = next(item["field"] for item in SETTINGS["expectations"] if item["id"] == id)
    if field == "patience":
        return
    other = Persona("p", **({} if field == "verbosity" else {"verbosity": "talkative"}))
    if id == "length.plain":
        other = Persona("p", verbosity="terse")
    exchanges = [(EXPECTED[id][1], ONSET, "onset")] * 2
    assert id not in parts(scored(record, exchanges, other), "persona")


def test_a_doubt_is_expected_only_of_a_time_that_is_told(record):
    assert "recall" not in parts(scored(record, [(BOTH, FEVER, "fever")], Persona("p", recall="vague")), "persona")


def test_a_long_fact_may_be_told_in_a_long_sentence(plain_record):
    data = plain_record()
    data["facts"][0]["lay"] = "It came on last night " + "and then it was sore " * 5 + "so I could not sleep."
    persona = Persona("p", language_level="A1")
    told = [(FIRST, data["facts"][0]["lay"], "onset")]
    assert parts(scored(record_from_dict(data), told, persona), "persona")["sentences.A"] == 1.0


def test_a_clinical_word_of_the_doctor_or_of_a_fact_is_not_the_patients_own(plain_record):
    data = plain_record()
    data["facts"][0]["lay"] = "It came on last night, with malaise."
    record, persona = record_from_dict(data), Persona("p", health_literacy="low")
    for exchange in [("Any dysuria?", "What is dysuria?"), (FIRST, "The malaise came last night.", "onset")]:
        assert parts(scored(record, [exchange], persona), "persona")["plain_words.used"] == 1.0


@pytest.mark.parametrize("doubt", ["Perhaps so:", "I THINK:"])
def test_capitals_make_no_difference(record, doubt):
    assert believed(record, "hedging", f"{doubt} {ONSET}")["hedging"] == 1.0


def test_each_expectation_counts_the_same_however_often_it_arose(record):
    persona = Persona("p", cost="resistant")
    exchanges = [GREET, GREET, GREET, (TESTS, ONSET, "onset")]
    assert scored(record, exchanges, persona).components["persona"] == 0.5


def test_a_rare_behaviour_is_wanted_half_as_often_as_the_persona_has_it(record):
    persona = Persona("p", interruptions=0.5)
    asking = (GREET[0], "I couldn't say. Is it serious?")
    assert parts(scored(record, [GREET] * 7 + [asking], persona), "persona")["interruptions"] == 0.5
    assert parts(scored(record, [GREET] * 6 + [asking] * 2, persona), "persona")["interruptions"] == 1.0
    assert "interruptions" not in parts(scored(record, [GREET] * 3, persona), "persona")


def test_the_words_of_a_fact_meet_no_expectation(plain_record):
    data = plain_record()
    data["facts"][0]["lay"] = "It cost me my sleep, it came on last night."
    record = record_from_dict(data)
    persona = Persona("p", cost="concerned")
    for lay in (data["facts"][0]["lay"], f"Well, {data['facts'][0]['lay'].lower()}"):
        assert parts(scored(record, [(TESTS, lay, "onset")], persona), "persona")["cost"] == 0.0


def test_patterns_wait_for_their_language(record):
    persona = Persona("p", cost="concerned")
    abroad = consult(replace(record, language="de"), [(TESTS, ONSET, "onset")], persona)
    assert set(parts(score_patient(abroad), "persona")) == {"length.plain"}
    american = consult(replace(record, language="en-US"), [(TESTS, ONSET, "onset")], persona)
    assert "cost" in parts(score_patient(american), "persona")


def test_no_expectation_is_said_to_be_none(record):
    quiet = scored(record, [GREET], Persona("p", verbosity="talkative"))
    assert quiet.components["persona"] == 1.0
    assert quiet.as_dict()["criteria"][1]["reason"] == "no expectation arose"
    silent = scored(record, [(GREET[0], "")], Persona("p", verbosity="talkative"))
    assert silent.reward == 0.0


def test_a_carer_who_says_what_the_records_say_speaks_for_somebody_else():
    (never,) = (item["never"] for item in SETTINGS["expectations"] if item["id"] == "person")
    for record in LIBRARY:
        for fact in record.facts:
            if record.speaker == "caregiver":
                assert not re.search(never, fact.lay, re.IGNORECASE), fact.lay


# The sum.


def test_a_patient_who_never_had_to_speak_has_no_reward(record):
    score = scored(record, [("DIAGNOSIS: x", "")])
    assert score.reward == 0.0
    assert score.components == {"fidelity": 0.0, "persona": 0.0, "brevity": 0.0}
    assert all(line["reason"] == "the patient never had to speak" for line in score.as_dict()["criteria"])


replies = st.lists(
    st.sampled_from(
        [GREET, (FIRST, ONSET, "onset"), (BOTH, FEVER, "fever"), (TESTS, ""), (PLAN, "Why? " * 40), (MANY, FEVER, "alcohol")]
    ),
    max_size=6,
)  # fmt: skip
weighings = st.fixed_dictionaries(dict.fromkeys(("fidelity", "persona", "brevity"), st.floats(0, 1e6))).filter(
    lambda weights: sum(weights.values()) > 1e-6
)


@given(replies, weighings, st.sampled_from(tuple(personas)))
def test_the_reward_adds_up(plain_record, exchanges, weights, persona):
    record = record_from_dict(plain_record())
    score = scored(record, exchanges, personas.get(persona), weights=weights)
    told = json.loads(json.dumps(score.as_dict()))
    assert 0.0 <= score.reward <= 1.0
    assert told["reward"] == score.reward == sum(line["awarded"] for line in told["criteria"]) / told["denominator"]
    assert told["denominator"] == sum(weights[line["id"]] for line in told["criteria"])
    assert score.weights == weights
    assert score.components == told["components"] == {line["id"]: line["value"] for line in told["criteria"]}
    for line in told["criteria"]:
        assert line["awarded"] == weights[line["id"]] * line["value"]
        if line["parts"]:
            assert line["value"] == sum(part["value"] for part in line["parts"]) / len(line["parts"])
            assert all(0.0 <= part["value"] <= 1.0 for part in line["parts"])
    score.as_dict()["criteria"].clear()
    assert json.loads(json.dumps(score.as_dict())) == told


def test_the_weights_are_those_of_the_data(record):
    assert scored(record, [GREET]).weights == {"fidelity": 0.6, "persona": 0.2, "brevity": 0.2}


@pytest.mark.parametrize(
    "weights",
    [
        {},
        {"fidelity": 1.0},
        {"fidelity": 1.0, "persona": 0.0, "brevity": 0.0, "tone": 1.0},
        {"fidelity": 1.0, "persona": -0.1, "brevity": 0.0},
        {"fidelity": 0.0, "persona": 0.0, "brevity": 0.0},
        {"fidelity": math.nan, "persona": 0.0, "brevity": 0.0},
        {"fidelity": math.inf, "persona": 0.0, "brevity": 0.0},
        {"fidelity": 1e308, "persona": 1e308, "brevity": 1e308},
    ],
)
def test_weights_that_are_no_weights(record, weights):
    with pytest.raises(RubricError, match="expected weights of fidelity, persona, brevity"):
        scored(record, [GREET], weights=weights)


@pytest.mark.parametrize(
    "change",
    [{"field": "education"}, {"when": "asked"}, {"says": "a", "never": "b"}, {"at_most": -1}, {"sayss": "a"}],
)
def test_data_that_does_not_fit_is_turned_away(change):
    schema = validator("medenv.rewards", "patient")
    fitting = {"id": "a", "text": "A.", "field": "cost", "when": "spoke", "says": "a"}
    assert schema.is_valid({**SETTINGS, "expectations": [fitting]})
    assert not schema.is_valid({**SETTINGS, "expectations": [{**fitting, **change}]})


# Whole consultations.


class PlanningDoctor(ChecklistDoctor):
    """The checklist doctor, who also plans before the end, asks too much at once, and in clinical words."""

    def act(self, view):
        message = super().act(view)
        if view.turn == 2:
            return f"{message}\nPLAN: tablets; rest"
        if view.turn == 5:
            return f"{message} Any dyspnoea? Any tinnitus? Do you sleep well? Any fits?\nORDER: ECG"
        return message


class Playing:
    """A patient made of a function of its view, whose words are held against the facts."""

    def __init__(self, words):
        self.words = words

    def act(self, view):
        return self.words(view)


def outcome(record, persona, patient, doctor):
    episode = Episode(Scenario(record, persona, 5))
    play_now(episode, {DOCTOR: doctor, PATIENT: patient})
    assert episode.failure is None
    return score_patient(episode.judge_view())


@pytest.mark.parametrize("persona", personas)
def test_the_scripted_patient_earns_it(persona):
    place = list(personas).index(persona)
    for record in (LIBRARY[place % len(LIBRARY)], LIBRARY[(place + 25) % len(LIBRARY)]):
        for doctor in (ChecklistDoctor(), PlanningDoctor()):
            score = outcome(record, personas.get(persona), ScriptedPatient(), doctor)
            assert score.components["fidelity"] == 1.0
            assert score.reward >= 0.9, score.as_dict()


def last_words(view):
    return view.messages[-1].content


CHEATS = {
    "silence": (lambda view: "", 0.0),
    "parrot": (last_words, 0.4),
    "thanks": (lambda view: "Thank you so much, doctor.", 0.4),
    "ignorance": (lambda view: "I don't know.", 0.4),
    "stuffing": (lambda view: "I think, maybe, that costs money, and what does that word mean?", 0.4),
    "everything": (lambda view: " ".join(fact.lay for fact in view.facts), 0.4),
    "what was told": (lambda view: " ".join(f.lay for f in view.facts if f in view.released or f.id in view.told), 0.9),
    "padding": (lambda view: " ".join(f.lay for f in view.released) + " Well, you know how it is." * 20, 0.9),
}


@pytest.mark.parametrize("cheat", CHEATS)
def test_what_is_cheap_earns_little(cheat):
    words, ceiling = CHEATS[cheat]
    for place, persona in enumerate(("neutral", "terse", "talkative", "irritable", "forgetful", "newcomer")):
        for record in LIBRARY[place :: len(LIBRARY) // 2]:
            score = outcome(record, personas.get(persona), Playing(words), ChecklistDoctor())
            scripted = outcome(record, personas.get(persona), ScriptedPatient(), ChecklistDoctor())
            assert score.reward <= min(ceiling, scripted.reward - 0.05), score.as_dict()


def test_telling_everything_once_costs_the_turn():
    for record in LIBRARY[::10]:

        def words(view):
            return " ".join(fact.lay for fact in (view.facts if view.turn == 0 else view.released)) or "No."

        score = outcome(record, NEUTRAL, Playing(words), ChecklistDoctor())
        assert parts(score, "fidelity")["0"] == 0.0
        assert score.reward < 0.95
