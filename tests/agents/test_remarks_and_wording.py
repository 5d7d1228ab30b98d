from __future__ import annotations

import json
import random
import re
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

import medenv
from medenv.agents.patients.phrases import phrases
from medenv.agents.patients.scripted import ScriptedPatient
from medenv.agents.patients.wording import doubt, worded
from medenv.consultation.episode import Episode, Scenario
from medenv.consultation.grounding import claims_in
from medenv.consultation.seats import DOCTOR, PATIENT
from medenv.personas import Persona, personas

LEVELS = ("A1", "A2", "B1", "B2", "C1", "C2")
TALK = (
    "Hello, I'm Dr Grey. What brings you in today?",
    "That sounds hard, I'm sorry. When did it start, and how long does it last?",
    "Do you take any medicines? Any allergies?",
    "Have you had a fever? What is your job? Has anyone in your family been ill?",
    "I think we should do a test, because it shows how the heart is.\nORDER: ECG",
    "Let me explain: I suggest a tablet, since that lowers the risk.\nPLAN: aspirin",
    "When did it start? Is there anything else you want to tell me?",
)
REMARKS = json.loads(resources.files("medenv.agents.patients").joinpath("remarks.json").read_text("utf-8"))["remarks"]


def played(persona: Persona, record: medenv.Record, seed: int = 0) -> Episode:
    episode = Episode(Scenario(record, persona, seed))
    for message in TALK:
        episode.step(DOCTOR, message)
        if episode.next_seat == PATIENT:
            episode.step(PATIENT, ScriptedPatient().act(episode.patient_view()))
    return episode


def replies(episode: Episode) -> str:
    return "\n".join(turn.reply or "" for turn in episode.turns)


@pytest.mark.parametrize("id", list(personas))
def test_a_persona_changes_words_and_no_fact(id: str) -> None:
    """What is told is in the record, in the words of the record, whoever tells it."""
    persona = personas.get(id)
    for record in medenv.load_records()[:6]:
        facts = {fact.id: fact for fact in record.facts}
        episode = played(persona, record)
        for turn in episode.turns:
            for told in turn.entry.disclosed:
                assert worded(facts[told].lay, persona.language_level) in (turn.reply or "")
        assert replies(played(persona, record)) == replies(episode)


@pytest.mark.parametrize("id", [id for id in personas if id != "neutral"])
def test_every_persona_sounds_different_from_neutral(id: str) -> None:
    records = medenv.load_records()[:4]
    assert any(
        replies(played(personas.get(id), record, seed)) != replies(played(personas.get("neutral"), record, seed))
        for record in records
        for seed in range(3)
    )


def test_no_remark_is_heard_as_a_fact() -> None:
    said = [sentence for remark in REMARKS for sentence in remark["say"]]
    for record in medenv.load_records():
        for sentence in said:
            assert not any(
                claim.facts
                for claim in claims_in(sentence, record.facts, {fact.id for fact in record.facts}, chatter=phrases())
            )


def test_every_remark_can_be_made() -> None:
    """A value that no persona can have would be dead data."""
    for remark in REMARKS:
        field, value = remark["field"], remark["value"]
        if field == "personality":
            assert value in "EISNTFJP"
        elif field == "mood":
            assert value in ("calm", "uneasy", "distressed")
        elif field:
            medenv.personas.persona_from_dict({"id": "x", field: value})


def test_interruptions_come_as_often_as_the_persona_says() -> None:
    record = medenv.load_records()[0]
    said = {sentence for remark in REMARKS if remark["when"] == "interruption" for sentence in remark["say"]}

    def share(rate: float) -> float:
        persona = Persona("p", interruptions=rate)
        texts = [turn.reply or "" for seed in range(60) for turn in played(persona, record, seed).turns]
        return sum(any(sentence in text for sentence in said) for text in texts) / len(texts)

    assert share(0.0) == 0.0
    assert abs(share(0.25) - 0.25) < 0.05
    assert share(1.0) == 1.0


@pytest.mark.parametrize(
    ("level", "text", "expected"),
    [
        ("A1", "I've had a cough for three days.", "I have had cough for three days."),
        ("A1", "No, I haven't had any fever.", "No, I have not had fever."),
        (
            "A2",
            "It's worse when I'm lying down. The pain's really bad.",
            "It is worse when I am lying down. Pain's bad.",
        ),
        ("B1", "It's really not the leg.", "It's not the leg."),
        ("C2", "It's really not the leg.", "It's really not the leg."),
    ],
)
def test_wording_by_level_of_language(level: str, text: str, expected: str) -> None:
    if level == "B1":
        expected = "It is not the leg."
    assert worded(text, level) == expected


KEPT = re.compile(
    r"\b(?:no|not|never|none|nothing|without|left|right|\d+|one|two|three|ago|since|before|after)\b", re.I
)


@pytest.mark.parametrize("level", LEVELS)
def test_nothing_that_denies_counts_or_places_is_lost(level: str) -> None:
    for record in medenv.load_records():
        for fact in record.facts:
            full, said = (text.lower().replace("cannot", "can not") for text in (fact.lay, worded(fact.lay, level)))
            assert KEPT.findall(re.sub("n['\u2019]t\\b", " not", said)) == KEPT.findall(
                re.sub("n['\u2019]t\\b", " not", full)
            )
            assert said


@given(st.text(max_size=300), st.sampled_from(LEVELS))
def test_any_text_can_be_worded(text: str, level: str) -> None:
    once = worded(text, level)
    assert worded(text, level) == once
    assert len(once) <= 2 * len(text)


@pytest.mark.parametrize(
    ("text", "tells_a_time"),
    [
        ("It started three days ago.", True),
        ("I've had it for about two weeks.", True),
        ("It began yesterday.", True),
        ("My left knee hurts.", False),
        ("I take 500 mg twice.", False),
    ],
)
def test_only_times_are_doubted(text: str, tells_a_time: bool) -> None:
    for recall in ("vague", "inconsistent"):
        assert bool(doubt(text, Persona("p", recall=recall), random.Random(0))) == tells_a_time
    assert doubt(text, Persona("p"), random.Random(0)) == ""
