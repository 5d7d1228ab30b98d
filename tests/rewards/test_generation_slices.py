"""A consultation cut before each doctor message, and one response graded alone."""

import asyncio
from dataclasses import replace

import pytest

from medenv.agents.patients import patients
from medenv.consultation.episode import Episode, Scenario
from medenv.consultation.playing import play_now
from medenv.consultation.seats import DOCTOR, PATIENT
from medenv.consultation.views import Message
from medenv.errors import JudgeError, RubricError
from medenv.personas import Persona
from medenv.rewards import Criterion, Rubric, RuleJudge
from medenv.rewards.generation import RecordRubrics, defect_of, score_response, slice_before, slices

QUESTION = "Have you had a fever at any time since this began?"


def consultation(record, *messages):
    episode = Episode(Scenario(record, Persona("neutral"), 0, 20))
    for message in messages:
        episode.step(DOCTOR, message)
        play_now(episode, {PATIENT: patients.get("scripted")()}, until=DOCTOR)
    return episode.judge_view()


def scored(view, generator=None):
    return asyncio.run(score_response(generator or RecordRubrics(), RuleJudge(), view))


def test_a_slice_ends_before_the_message(record):
    view = consultation(record, "Hello.", f"{QUESTION}\nORDER: joint aspiration", "DIAGNOSIS: gout (0.9)")
    cuts = dict(slices(view))
    assert list(cuts) == [0, 1, 2]
    assert [cut.turn for cut in cuts.values()] == [0, 1, 2]
    assert [message.role for message in cuts[0].messages] == ["system", "user"]
    assert cuts[0].messages[-1].content == record.chief_complaint
    assert cuts[1].messages == cuts[2].messages[: len(cuts[1].messages)]
    assert (cuts[1].ordered, cuts[2].ordered) == (frozenset(), {"aspirate"})
    assert "fever" not in cuts[1].told
    assert "fever" in cuts[2].told
    assert QUESTION not in str(cuts[1].messages)
    assert "birefringent" in str(cuts[2].messages)
    for turn in (-1, 3):
        with pytest.raises(RubricError, match="a turn from 0 to 2"):
            slice_before(view, turn)


def talk(*words):
    roles = ("user", "assistant")
    return [Message(roles[at % 2], said) for at, said in enumerate(words)]


@pytest.mark.parametrize(
    ("messages", "defect"),
    [
        (talk("My knee hurts.", QUESTION, "No, I haven't had a fever."), None),
        (talk("My knee hurts.", QUESTION, "No.", QUESTION.upper()), "repeat"),
        (talk("My knee hurts.", QUESTION, "No.", QUESTION + "!"), "repeat"),
        (talk("My knee hurts.", "I see.", "I don't know.", "I see.", "I don't know."), None),
        (
            talk(
                "My knee hurts a great deal since last night.", "Yes?", "My knee hurts a great deal since last night."
            ),
            "repeat",
        ),
        (talk("My knee hurts.", "Any fever?\nPatient: no."), "inverted"),
        (talk("My knee hurts.", "Any fever?", "Doctor: take a rest."), "inverted"),
        (talk("My knee hurts.", "Any fever?", "DIAGNOSIS: gout"), "inverted"),
        (talk("My knee hurts.", "DIAGNOSIS: gout"), None),
        (talk("膝盖疼。", "发烧吗\uff1f\n患者\uff1a没有。"), "inverted"),
        (talk("My knee hurts.", "Tell me what the doctor: your own one, said."), None),
        (talk("My knee hurts.", "x" * 30_000), "long"),
    ],
)
def test_what_is_no_good_as_a_beginning(messages, defect):
    assert defect_of(messages) == defect


def test_fragments_with_a_defect_are_left_out(record):
    view = consultation(record, QUESTION, QUESTION, "DIAGNOSIS: gout (0.9)")
    assert [turn for turn, _ in slices(view)] == [0, 1]
    assert list(slices(view, longest=10)) == []


def test_only_the_last_message_earns_anything(record):
    asked = consultation(record, QUESTION)
    silent = consultation(record, QUESTION, "I see.")
    assert scored(asked).reward > scored(silent).reward
    met = {line.id for line in scored(silent).lines if line.met}
    assert not met & {"next.must_ask", "next.red_flag"}


def test_asking_for_what_was_told_is_a_fault_of_that_message_alone(record):
    lines = {line.id: line.met for line in scored(consultation(record, QUESTION, QUESTION)).lines}
    assert lines["logic.repetition"]
    lines = {line.id: line.met for line in scored(consultation(record, QUESTION, QUESTION, "I see.")).lines}
    assert not lines["logic.repetition"]


def test_a_harm_in_the_message_is_vetoed(record):
    view = consultation(
        record,
        f"{QUESTION} When did it begin?\nORDER: joint aspiration",
        "DIAGNOSIS: gout (0.9)\nPLAN: naproxen; colchicine",
    )
    result = scored(view)
    assert {line.id for line in result.lines if line.met} >= {"harm.0", "diagnosis.leading"}
    assert result.reward <= 0
    earlier = replace(view, turns=view.turns[:1])
    assert "harm.0" not in {line.id for line in scored(earlier).lines if line.met}


def test_a_generator_may_be_awaited_and_gets_the_slice_before_the_last_message(record):
    view = consultation(record, "Hello.", QUESTION)
    got = []

    class Later:
        async def rubric(self, record, dialogue=None):
            got.append(dialogue)
            return RecordRubrics().rubric(record, dialogue)

    assert scored(view, Later()) == scored(view)
    assert got == [slice_before(view, 1)]


def test_a_rubric_of_the_whole_grades_no_response(record):
    class Wide:
        def rubric(self, record, dialogue=None):
            return RecordRubrics().rubric(record)

    with pytest.raises(RubricError, match="scope 'response'"):
        scored(consultation(record, "Hello."), Wide())


def test_no_message_no_score_and_no_verdict_no_score(record):
    with pytest.raises(RubricError, match="expected a turn"):
        scored(consultation(record))

    class Unchecked:
        def rubric(self, record, dialogue=None):
            return Rubric("r", (Criterion("a", "Is kind.", 1, "communication", scope="response"),))

    with pytest.raises(JudgeError):
        scored(consultation(record, "Hello."), Unchecked())
