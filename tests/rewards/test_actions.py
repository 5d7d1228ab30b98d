"""An item of a plan counts for as many actions as it holds, however it is written."""

import pytest

import medenv
from medenv.agents.doctors.oracle import _plan
from medenv.agents.patients import patients
from medenv.consultation.acts import MAX_ITEM_CHARS, parse
from medenv.consultation.episode import Episode, Scenario
from medenv.consultation.playing import play_now
from medenv.consultation.seats import DOCTOR, PATIENT
from medenv.personas import Persona
from medenv.rewards import Check, holds
from medenv.rewards.actions import actions
from medenv.rewards.checks import PLAN_ACTIONS
from medenv.testing import cheats

TRUTH = medenv.load_records("library")[0].truth


@pytest.mark.parametrize(
    "item",
    [
        "aspirin 300 mg loading dose by mouth, then 75 mg daily",
        "IV fluids and antiemetics",
        "review in one week with the general practitioner for heart rate and blood pressure",
        "safety-net advice: come back at once with chest pain, fainting or breathlessness, or call an ambulance",
    ],
)
def test_an_honest_item_is_one_action(item):
    assert actions(item, TRUTH) == 1


@pytest.mark.parametrize(
    ("item", "least"),
    [
        ("aspirin paracetamol ibuprofen morphine omeprazole furosemide", 3),
        ("aspirin, paracetamol, ibuprofen, morphine, omeprazole and furosemide", 3),
        ("aspirin/paracetamol/ibuprofen/morphine/omeprazole/furosemide", 3),
        (" ".join(f"unknownol{chr(97 + n)}" for n in range(15)), 2),
    ],
)
def test_a_list_is_no_single_action(item, least):
    assert actions(item, TRUTH) >= least


@pytest.mark.parametrize("source", ["library", "synthetic:300"])
def test_every_item_of_a_record_is_one_action(source):
    for record in medenv.load_records(source):
        for item in (*(plan.action for plan in record.truth.plan), *filter(None, [record.truth.department])):
            assert actions(item, record.truth) == 1, (record.id, item)


@pytest.mark.parametrize("source", ["library", "synthetic:96"])
def test_the_plan_of_the_oracle_is_within_the_limit(source):
    for record in medenv.load_records(source):
        assert all(actions(item, record.truth) == 1 for item in _plan(record))
        if len(record.truth.plan) <= PLAN_ACTIONS:
            assert sum(actions(item, record.truth) for item in _plan(record)) <= PLAN_ACTIONS


@pytest.mark.parametrize("cheat", ["plan-in-ten-items", "harmless-plan-in-ten-items"])
def test_packed_items_count_for_what_they_hold(cheat):
    plan = parse(cheats()[cheat].doctor.messages[-1]).plan
    assert all(len(item) <= MAX_ITEM_CHARS for item in plan)
    assert all(actions(item, TRUTH) > 3 for item in plan)


def test_what_lies_beyond_the_limit_is_not_planned(record):
    packed = cheats()["harmless-plan-in-ten-items"].doctor.messages[-1].split("PLAN: ")[1].split("; ")
    for count, planned in ((0, True), (2, False)):
        episode = Episode(Scenario(record, Persona("test"), 1, max_turns=8))
        episode.step(DOCTOR, f"DIAGNOSIS: x\nPLAN: {'; '.join([*packed[:count], 'colchicine 500 micrograms'])}")
        play_now(episode, {PATIENT: patients.get("scripted")()}, until=DOCTOR)
        assert holds(Check("planned", ("colchicine",)), episode.judge_view()) == planned
        assert holds(Check("plan_items", (), 11), episode.judge_view()) == (count > 0)
