from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medenv.agents.patients.scripted import ScriptedPatient
from medenv.consultation.claims import contradicts
from medenv.consultation.episode import Episode, Scenario
from medenv.consultation.lexicon import lexicon
from medenv.consultation.questions import Question
from medenv.consultation.rephrasing import meant
from medenv.consultation.seats import DOCTOR, PATIENT
from medenv.personas import Persona
from medenv.records import load_records
from medenv.records.record import Fact

RECORD = load_records()["lib-01"]
HISTORY = "When did it start? Do you smoke? Are you allergic to anything? Which medicines do you take?"


def played(*messages: str) -> Episode:
    episode = Episode(Scenario(RECORD, Persona("p", patience=8), 0))
    for message in messages:
        episode.step(DOCTOR, message)
        if episode.next_seat == PATIENT:
            episode.step(PATIENT, ScriptedPatient().act(episode.patient_view()))
    return episode


def claims(episode: Episode) -> dict[str, bool]:
    """Each fact said back in the last message, with whether it was said right."""
    questions = episode.turns[-1].understanding.questions
    return {id: id not in q.wrong for q in questions if q.kind == "claim" for id in q.facts}


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("So it came on three days ago and you have never smoked. Is that right?", {"onset": True, "smoking": True}),
        ("Let me summarise: it started two weeks ago.", {"onset": False}),
        ("You said it started yesterday. Is that so?", {"onset": False}),
        ("To recap: you smoke, and you are allergic to penicillin.", {"smoking": False, "allergies": False}),
        (
            "Have I got this right: you have no allergies and you take no medicines?",
            {"allergies": True, "medications": False},
        ),
        ("In summary, you take ramipril.", {"medications": True}),
    ],
)
def test_what_is_said_back_is_held_against_the_record(said, right):
    episode = played(HISTORY, said)
    assert claims(episode) == right
    entry, facts = episode.turns[-1].entry, {fact.id: fact for fact in RECORD.facts}
    assert set(entry.disclosed) == {id for id, good in right.items() if not good}
    for id in entry.disclosed:
        assert facts[id].lay in episode.turns[-1].reply
    assert entry.repeated == ()


def test_a_right_summary_is_confirmed_in_words():
    reply = played(HISTORY, "So you have never smoked and you take ramipril. Is that right?").turns[-1].reply
    assert any(word in reply for word in ("right", "how it is"))
    assert "smoked" not in reply


def test_a_claim_is_no_way_round_the_rule_of_disclosure():
    """What was kept back is not confirmed either, and what was never asked is told only as an answer."""
    kept = played("How much do you drink?", "So you drink a bottle of wine a day. Is that right?")
    assert "alcohol" not in kept.ledger.disclosed
    assert "alcohol" in kept.ledger.withheld
    unasked = played("Let me summarise: you smoke, and you have asthma, and you have high blood pressure.")
    assert unasked.ledger.disclosed == frozenset()


def test_a_summary_costs_no_patience_and_what_is_new_in_it_does():
    summary = (
        "So it began three days ago, you never smoked, you have no allergies and you take ramipril, is that right?"
    )
    assert played(HISTORY, summary).turns[-1].entry.unheard == 0
    new = "So " + ", ".join(["you have asthma", "you have fainted", "you bleed easily"] * 4) + ". Is that right?"
    assert played(new).turns[-1].entry.unheard > 0


@pytest.mark.parametrize(
    ("messages", "fact"),
    [
        (["Do you have any pain in your leg? No, sorry, I meant the chest."], "chestpain"),
        (["Is there any swelling in your face?", "No, I meant the ankles."], "oedema"),
        (["Do you smoke? Sorry, I meant to ask whether you drink."], "alcohol"),
    ],
)
def test_a_correction_asks_what_was_meant(messages, fact):
    episode = played(*messages)
    entry = episode.turns[-1].entry
    assert (*entry.disclosed, *entry.withheld) == (fact,)
    assert sum(len(turn.understanding.questions) for turn in episode.turns) <= len(messages) + 1


@pytest.mark.parametrize(
    ("before", "said", "expected"),
    [
        ("any pain in your leg", "your chest", "any pain in your chest"),
        ("is there swelling of the right knee", "the left one", "is there swelling of left knee"),
        ("any pain in your leg", "not the leg", "any pain in your leg"),
        ("do you have a fever", "have you had chills", "do you have chills"),
        ("any pain", "well, the", ""),
    ],
)
def test_what_was_meant(before, said, expected):
    words = lexicon().words
    assert meant(words.plain(before), words.plain(said), lexicon()) == tuple(words.plain(expected))


@pytest.mark.parametrize(
    ("claim", "wrong"),
    [
        ("you have a fever", False),
        ("you have no fever", True),
        ("you had a fever for three days", False),
        ("you had a fever for 3 days", False),
        ("you had a fever for nine days", True),
        ("you had a fever for a fortnight", True),
        ("your left arm was hot", True),
        ("your right arm was hot", False),
    ],
)
def test_contradictions(claim, wrong):
    fact = Fact("f", "ros.constitutional", "Fever for three days, right arm hot.", "I was hot for three days.")
    assert contradicts(lexicon().words.plain(claim), fact, (fact,), lexicon()) == wrong


WORDS = [
    "so",
    "you",
    "have",
    "no",
    "fever",
    "smoke",
    "left",
    "right",
    "three",
    "days",
    "ago",
    "yesterday",
    "chest",
    "pain",
    "and",
    "is",
    "that",
    "right",
    "?",
    ".",
    ",",
    "i",
    "meant",
    "the",
    "one",
    "summarise",
]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join), st.booleans())
def test_any_talk_of_claims_is_played(message, after):
    episode = played(*([HISTORY] if after else []), message)
    for question in episode.turns[-1].understanding.questions:
        assert isinstance(question, Question)
        assert set(question.wrong) <= set(question.facts)
    assert episode.failure is None
