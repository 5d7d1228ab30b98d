import pytest
from hypothesis import given
from hypothesis import strategies as st

from medenv.agents.patients import patients
from medenv.consultation.episode import Episode, Scenario
from medenv.consultation.playing import play_now
from medenv.consultation.seats import DOCTOR, PATIENT, PatientReply
from medenv.errors import EpisodeOverError
from medenv.personas import Persona

PERSONA = Persona("test")


def start(record, **changes):
    return Episode(Scenario(record, PERSONA, 3, **changes))


def say(episode, message):
    episode.step(DOCTOR, message)
    play_now(episode, {PATIENT: patients.get("scripted")()}, until=DOCTOR)
    return episode


def test_it_opens_with_the_complaint(record):
    view = start(record).doctor_view()
    assert [message.role for message in view.messages] == ["system", "user"]
    assert view.messages[1].content == record.chief_complaint


def test_a_diagnosis_is_final(record):
    episode = say(start(record), "Let us see.\nDIAGNOSIS: pseudogout (0.6)\nORDER: vital signs")
    assert (episode.terminated, episode.truncated, episode.next_seat) == (True, False, None)
    assert episode.turns[0].results
    assert episode.turns[0].reply is None
    with pytest.raises(EpisodeOverError):
        episode.step(DOCTOR, "Wait.")


def test_out_of_turns_is_truncation(record):
    episode = start(record, max_turns=2)
    say(episode, "Hello.")
    assert not episode.over
    say(episode, "ORDER: vital signs")
    assert (episode.terminated, episode.truncated) == (False, True)


def test_a_diagnosis_with_the_last_turn_is_no_truncation(record):
    episode = say(start(record, max_turns=1), "DIAGNOSIS: pseudogout")
    assert (episode.terminated, episode.truncated) == (True, False)


def test_commands_alone_do_not_wake_the_patient(record):
    episode = start(record)
    episode.step(DOCTOR, "ORDER: vital signs")
    assert episode.next_seat == DOCTOR
    assert episode.patient_view().messages == (episode.patient_view().messages[0],)
    assert "138/84" in episode.doctor_view().messages[-1].content


def test_a_malformed_command_costs_a_turn_and_is_answered(record):
    episode = start(record)
    episode.step(DOCTOR, "DIAGNOSIS: pseudogout (2.0)")
    assert len(episode.turns) == 1
    assert not episode.over
    last = episode.doctor_view().messages[-1]
    assert last.role == "tool"
    assert "expected DIAGNOSIS" in last.content


def test_the_patient_hears_speech_and_no_commands(record):
    episode = start(record)
    episode.step(DOCTOR, "Where is the pain?\nORDER: serum urate\nPLAN: colchicine")
    heard = episode.patient_view()
    assert heard.messages[-1].content == "Where is the pain?"
    assert heard.ordered
    assert heard.planned


def test_the_ledger_follows_the_talk(record):
    episode = start(record)
    say(episode, "Have you had a fever?")
    say(episode, "Have you had a fever?")
    first, second = episode.ledger
    assert first.disclosed == ("fever",)
    assert second.repeated == ("fever",)
    assert episode.ledger.disclosed == {"fever"}
    assert episode.ledger.totals()["disclosed"] == 1


def test_a_trusted_fact_waits_for_rapport(record):
    episode = start(record)
    say(episode, "How much alcohol do you drink?")
    assert episode.ledger.withheld == {"alcohol"}
    say(
        episode,
        "I can see this is hard for you. Everything you tell me stays confidential. How much alcohol do you drink?",
    )
    assert "alcohol" in episode.ledger.disclosed
    assert episode.ledger.withheld == frozenset()


def test_plain_words_of_a_patient_are_accounted_for(record):
    episode = start(record)
    episode.step(DOCTOR, "Have you had a fever?")
    episode.step(PATIENT, "No, I haven't had a fever.")
    assert episode.ledger.disclosed == {"fever"}


def test_a_reply_cannot_claim_facts_that_do_not_exist(record):
    episode = start(record)
    episode.step(DOCTOR, "Have you had a fever?")
    episode.step(PATIENT, PatientReply("No.", ["fever", "no-such-fact"]))
    assert episode.ledger.disclosed == {"fever"}


@given(st.lists(st.sampled_from(["Hello.", "Any fever?", "ORDER: vital signs", "PLAN: rest", "", "Any fever?\nORDER: ECG"]),
                min_size=1, max_size=12))  # fmt: skip
def test_turns_ledger_and_messages_stay_in_step(record, messages):
    episode = start(record, max_turns=8)
    for message in messages:
        if episode.over:
            break
        say(episode, message)
    assert len(episode.ledger) == len(episode.turns) <= 8
    assert sum(m.role == "assistant" for m in episode.doctor_view().messages) == len(episode.turns)
    assert sum(m.role == "assistant" for m in episode.patient_view().messages) == 1 + sum(
        turn.reply is not None for turn in episode.turns
    )
