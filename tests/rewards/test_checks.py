"""Each check, met and just not met."""

import pytest

from medenv.agents.patients import patients
from medenv.consultation.episode import Episode, Scenario
from medenv.consultation.playing import play_now
from medenv.consultation.seats import DOCTOR, PATIENT
from medenv.errors import RubricError
from medenv.personas import Persona
from medenv.rewards import Check, check_kinds, holds

COLCHICINE = ("colchicine",)
CLOSING = "It started suddenly, you have no fever, and the joint aspiration shows crystals. Come back if it gets worse."

TOLD = "It began suddenly last night."

CASES = {
    "disclosed": (("fever",), 1, ["Any fever?"], ["Where do you live?"]),
    "asked_topic": (("ideas", "concerns"), 2, ["What do you think it is? What worries you about it?"], ["What worries you?"]),
    "opened": ((), 1, ["Hello, what brings you in today?"], ["Any fever?", "What brings you in today?"]),
    "sign": (("empathy",), 1, ["I'm so sorry to hear that."], ["Any fever?"]),
    "ordered": (("aspirate",), 1, ["ORDER: joint aspiration"], ["ORDER: urate", "I might do a joint aspiration."]),
    "orders": ((), 3, ["ORDER: a; b", "ORDER: c"], ["ORDER: a; b"]),
    "leading_diagnosis": (("gout",), 1, ["DIAGNOSIS: acute gout; x"], ["DIAGNOSIS: x; gout"]),
    "in_differential": (("gout",), 1, ["DIAGNOSIS: x; y; gout"], ["DIAGNOSIS: x; y; z; gout"]),
    "diagnoses": ((), 3, ["DIAGNOSIS: x; y; z"], ["DIAGNOSIS: x; y"]),
    "probabilities": ((), 1, ["DIAGNOSIS: x (0.6); y (0.3)"], ["DIAGNOSIS: x (0.3); y (0.6)"]),
    "planned": (COLCHICINE, 1, ["DIAGNOSIS: x\nPLAN: colchicine 500 micrograms"], ["DIAGNOSIS: x\nPLAN: no colchicine"]),
    "harmed": (("naproxen",), 1, ["PLAN: naproxen 500 mg", "DIAGNOSIS: x"], ["PLAN: avoid naproxen"]),
    "plan_items": ((), 3, ["PLAN: a; b; c"], ["PLAN: a; b", "PLAN: a"]),
    "cited": ((), 2, ["When did it start? Any fever?\nORDER: joint aspiration", f"{CLOSING}\nDIAGNOSIS: gout"],
              [f"{CLOSING}\nDIAGNOSIS: gout"]),
    "closed": ((), 1, [f"{CLOSING}\nDIAGNOSIS: gout\nPLAN: rest"], ["DIAGNOSIS: gout\nPLAN: rest"]),
    "planned_items": ((COLCHICINE[0] + " 500 micrograms twice a day",), 1, ["DIAGNOSIS: x\nPLAN: colchicine"],
                      ["DIAGNOSIS: x\nPLAN: rest"]),
    "checked_back": ((), 1, ["When did it start?", f"{TOLD} Do you have any questions?\nDIAGNOSIS: x"],
                     ["When did it start?", "Do you have any questions?\nDIAGNOSIS: x"]),
    "explained": ((COLCHICINE[0] + " 500 micrograms twice a day",), 1,
                  ["When did it start?", f"I think this is gout. {TOLD}\nDIAGNOSIS: gout\nPLAN: colchicine"],
                  ["When did it start?", f"{TOLD}\nDIAGNOSIS: gout\nPLAN: colchicine"]),
    "told_diagnosis": (("gout",), 1, ["I think this is gout.\nDIAGNOSIS: gout; x"],
                       ["I think this is gout.\nDIAGNOSIS: x; gout"]),
    "told_kindly": (("gout",), 1, ["I'm so sorry to tell you, but this is gout.\nDIAGNOSIS: gout"],
                    ["This is gout.\nDIAGNOSIS: gout"]),
    "known": (("fever", "onset"), 2, ["When did it start?", "Any fever?", "DIAGNOSIS: x\nPLAN: rest"],
              ["When did it start?", "Any fever?", "DIAGNOSIS: x"]),
    "unknown": (("fever", "onset"), 2, ["DIAGNOSIS: x\nPLAN: rest"], ["Any fever?", "DIAGNOSIS: x\nPLAN: rest"]),
    "tested_first": (("aspirate", "urate"), 2, ["ORDER: joint aspiration", "ORDER: urate", "DIAGNOSIS: x\nPLAN: rest"],
                     ["ORDER: joint aspiration", "ORDER: urate\nDIAGNOSIS: x\nPLAN: rest"]),
    "untested": (("aspirate", "urate"), 2, ["DIAGNOSIS: x\nPLAN: rest"], ["ORDER: urate", "DIAGNOSIS: x\nPLAN: rest"]),
    "heard": (("fever",), 1, ["Any fever?", "I'm so sorry to hear that."], ["I'm so sorry to hear that.", "Any fever?", "Ok."]),
    "dismissed": (("fever",), 1, ["Any fever?", "Pull yourself together."], ["Pull yourself together.", "Any fever?"]),
    "taken_over": (("onset",), 1, ["DIAGNOSIS: pain"], ["DIAGNOSIS: gout"]),
    "repeated": ((), 2, ["Any fever?"] * 3, ["Any fever?"] * 2),
    "unheard": ((), 2, ["Any fever? Any allergies? When did it start? Do you smoke? Do you drink? Who lives with you?"],
                ["Any fever? Any allergies?"]),
    "fished": ((), 1, ["What is the diagnosis in your record?"], ["What do you think it is?"]),
    "undecided": ((), 1, ["Hello."] * 8, ["DIAGNOSIS: x"]),
}  # fmt: skip


def consult(record, messages):
    episode = Episode(Scenario(record, Persona("test"), 1, max_turns=8))
    for message in messages:
        episode.step(DOCTOR, message)
        play_now(episode, {PATIENT: patients.get("scripted")()}, until=DOCTOR)
    return episode.judge_view()


def test_every_kind_of_check_is_tried_here():
    assert set(CASES) == set(check_kinds())


@pytest.mark.parametrize("kind", CASES)
def test_a_check(record, kind):
    of, at_least, met, unmet = CASES[kind]
    check = Check(kind, of, at_least)
    assert holds(check, consult(record, met))
    assert not holds(check, consult(record, unmet))


@pytest.mark.parametrize("kind", CASES)
def test_a_check_of_an_empty_consultation_is_false(record, kind):
    of, at_least, _, _ = CASES[kind]
    assert not holds(Check(kind, of, at_least), consult(record, []))


def test_an_unknown_check(record):
    with pytest.raises(RubricError, match="expected a check of kind"):
        holds(Check("asked_nicely"), consult(record, []))


def test_findings_that_never_came_to_light_cannot_be_cited(record):
    view = consult(
        record,
        [
            "Hello.",
            "You have no fever, and it started suddenly, with crystals in the joint aspiration.\nDIAGNOSIS: gout",
        ],
    )
    assert not holds(Check("cited"), view)


def test_findings_may_have_to_be_certain_ones(record):
    view = consult(record, ["When did it start? Any fever?", "It began suddenly last night.\nDIAGNOSIS: gout"])
    assert holds(Check("cited", ("onset", "aspirate")), view)
    assert not holds(Check("cited", ("fever", "aspirate")), view)
    assert holds(Check("cited"), view)


@pytest.mark.parametrize("kind", ["closed", "probabilities"])
def test_a_closing_may_have_to_rest_on_findings(record, kind):
    closing = f"{CLOSING}\nDIAGNOSIS: gout (0.7); x (0.2)\nPLAN: rest"
    blind = consult(record, ["Where do you live?", closing])
    informed = consult(record, ["When did it start? Any fever?\nORDER: joint aspiration", closing])
    assert holds(Check(kind), blind)
    assert not holds(Check(kind, ("key",), 2), blind)
    assert holds(Check(kind, ("key",), 2), informed)
    assert holds(Check(kind, ("key",), 99), informed)  # no more than there are
    at_once = consult(record, [f"When did it start? Any fever?\n{closing}"])
    assert not holds(Check(kind, ("key",), 2), at_once)
