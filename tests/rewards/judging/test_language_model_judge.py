"""The language-model judge: what the model is asked, what it may answer, and what happens where it does not."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import medenv
from medenv.agents.backends import Reply, Request
from medenv.agents.backends.retries import Retrying
from medenv.agents.backends.scripted import FAULT_KINDS, Faults, ScriptedBackend
from medenv.agents.doctors import doctors
from medenv.agents.patients.scripted import ScriptedPatient
from medenv.consultation.episode import Episode, Scenario
from medenv.consultation.playing import play_now
from medenv.consultation.seats import DOCTOR, PATIENT
from medenv.consultation.views import JudgeView, Message
from medenv.errors import BackendError, MedenvError
from medenv.personas import Persona
from medenv.rewards import Criterion, LanguageModelJudge, Verdict, judges
from medenv.rewards.judging.conversation import conversation, written
from medenv.testing.models import Recording

from .conftest import answer, literal

WAYS = list(itertools.product((1, 4, None), (False, True)))


def judged(judge: Any, criteria: Sequence[Criterion], talk: Sequence[Message], **options: Any) -> list[Verdict]:
    return asyncio.run(judge.verdicts(criteria, talk, **options))


def beginning(texts: Sequence[str]) -> str:
    """What some texts have in common from the first character on."""
    same = itertools.takewhile(lambda at: len(set(at)) == 1, zip(*texts, strict=False))
    return "".join(at[0] for at in same)


def met(verdicts: Sequence[Verdict]) -> list[bool | None]:
    return [verdict.met for verdict in verdicts]


def view_of(record: medenv.Record, doctor: str = "checklist") -> JudgeView:
    episode = Episode(Scenario(record, Persona("neutral"), 0, 12))
    play_now(episode, {DOCTOR: doctors.get(doctor)(), PATIENT: ScriptedPatient()})
    return episode.judge_view()


# What is asked


@pytest.mark.parametrize(("at_once", "explain"), WAYS)
def test_one_verdict_a_criterion_in_their_order(model, criteria, talk, at_once, explain):
    verdicts = judged(LanguageModelJudge(model, at_once=at_once, explain=explain), criteria, talk)
    assert [verdict.criterion for verdict in verdicts] == [criterion.id for criterion in criteria]
    assert met(verdicts) == [n % 2 == 0 for n in range(12)]
    assert all(("reason" in verdict.reason) == explain for verdict in verdicts)


@pytest.mark.parametrize(("at_once", "calls"), [(1, 12), (2, 7), (4, 5), (None, 4), (100, 4)])
def test_criteria_of_different_signs_and_scopes_never_share_a_call(model, criteria, talk, at_once, calls):
    judged(LanguageModelJudge(model, at_once=at_once), criteria, talk)
    assert len(model.requests) == calls
    for request in model.requests:
        said = request.messages[-1].content.split("</conversation ")[1]
        asked = [criterion for criterion in criteria if criterion.text in said]
        assert asked
        assert len({(criterion.scope, criterion.points < 0) for criterion in asked}) == 1
        faults = "fault" in said
        assert faults == (asked[0].points < 0)
        assert ("last message alone, number 5;" in said) == (asked[0].scope == "response")
        if len(asked) == 1:
            assert list(request.schema["properties"]) == ["happened" if faults else "met"]
        else:
            assert list(request.schema["properties"]) == [str(n) for n in range(1, len(asked) + 1)]


@pytest.mark.parametrize("language", ["en", "zh", "fr"])
@pytest.mark.parametrize(("at_once", "explain"), WAYS)
def test_all_prompts_of_a_conversation_begin_alike_and_go_to_one_replica(
    model, criteria, talk, at_once, explain, language
):
    model = Recording(ScriptedBackend(lambda request: answer(request.schema, lambda number: True)))
    judged(LanguageModelJudge(model, at_once=at_once, explain=explain), criteria, talk, language=language)
    prompts = ["\0".join(message.content for message in request.messages) for request in model.requests]
    shared = beginning(prompts)
    assert "</conversation " in shared
    assert all(criterion.text not in shared.split("</conversation ")[1] for criterion in criteria)
    (key,) = {request.conversation for request in model.requests}
    assert key
    assert len({request.seed for request in model.requests}) == len(model.requests)
    assert {request.temperature for request in model.requests} == {0.0}


def test_what_differs_comes_last(model, criteria, talk):
    judged(LanguageModelJudge(model), [c for c in criteria if c.points > 0 and c.scope == "consultation"], talk)
    prompts = [request.messages[-1].content for request in model.requests]
    shared = len(beginning(prompts))
    assert max(map(len, prompts)) - shared <= len("word10.")


def test_other_conversations_have_other_keys(model, criteria, talk):
    judge = LanguageModelJudge(model)
    judged(judge, criteria[:1], talk)
    judged(judge, criteria[:1], talk[:3])
    assert len({request.conversation for request in model.requests}) == 2


def test_the_same_question_is_the_same_request(criteria, talk):
    def requests() -> list[Request]:
        model = Recording(ScriptedBackend(literal))
        judged(LanguageModelJudge(model, at_once=4), criteria, talk)
        return model.requests

    assert requests() == requests()


def test_criteria_are_asked_about_at_the_same_time(criteria, talk):
    running = peak = 0

    class Slow:
        async def complete(self, request: Request) -> Reply:
            nonlocal running, peak
            running += 1
            peak = max(peak, running)
            await asyncio.sleep(0.001)
            running -= 1
            return Reply(literal(request))

        async def aclose(self) -> None: ...

    judged(LanguageModelJudge(Slow()), criteria, talk)
    assert peak == 12


def test_no_criteria_no_calls(model, talk):
    assert judged(LanguageModelJudge(model), [], talk) == []
    assert model.requests == []


def test_prompts_of_ones_own(model, criteria, talk, tmp_path):
    from importlib import resources

    shipped = resources.files("medenv.rewards.judging").joinpath("prompts.en.toml").read_text("utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(shipped.replace('assistant = "doctor"', 'assistant = "assistant"'), "utf-8")
    judge = LanguageModelJudge(model, prompts=path)
    judged(judge, criteria[:1], talk, language="zh")
    assert "[2. assistant]" in model.requests[0].messages[-1].content
    assert judge.id != LanguageModelJudge(model).id


# Episodes


def test_a_view_is_judged_by_what_was_said_and_done_and_not_by_the_truth(model, record):
    view = view_of(record)
    messages = conversation(view)
    said = "\n".join(message.content for message in messages)
    assert messages[1] == Message("user", record.chief_complaint)
    for turn in view.turns:
        assert Message("assistant", turn.doctor) in messages
        assert turn.reply is None or Message("user", turn.reply) in messages
        assert all(result.text in said for result in turn.results)
        assert all(note in said for note in turn.notes)
    criteria = [Criterion("c", "Greets the patient.", 1, "communication")]
    assert asyncio.run(LanguageModelJudge(model).judge(criteria, view)) == judged(
        LanguageModelJudge(model), criteria, messages
    )


@pytest.mark.parametrize("doctor", ["checklist", "random"])
def test_no_prompt_holds_what_nobody_was_told(model, doctor):
    for record in list(medenv.load_records())[:6]:
        model.requests.clear()
        view = view_of(record, doctor)
        asyncio.run(LanguageModelJudge(model).judge([Criterion("c", "Greets.", 1, "communication")], view))
        prompt = model.requests[0].messages[-1].content.casefold()
        doctors_words = " ".join(turn.doctor for turn in view.turns).casefold()
        for name in (record.truth.diagnosis.name, *(action.action for action in record.truth.plan)):
            assert name.casefold() not in prompt or name.casefold() in doctors_words


def test_the_language_is_the_records(model, plain_record):
    from medenv.records.record import record_from_dict

    record = record_from_dict(plain_record(language="zh"))
    asyncio.run(LanguageModelJudge(model).judge([], view_of(record_from_dict(plain_record()))))
    view = view_of(record)
    model = Recording(ScriptedBackend(lambda request: '{"met": true}'))
    asyncio.run(LanguageModelJudge(model).judge([Criterion("c", "x", 1, "safety")], view))
    assert "\u533b\u751f" in model.requests[0].messages[0].content


# Defects

GOOD = '{"1": true, "2": false, "3": true}'
DEFECTS = [
    '{"1": true, "2": false}',
    '{"1": true, "2": false, "3": true, "4": true}',
    '{"1": true, "2": false, "2": true, "3": true}',
    '{"1": true, "2": false, "word3": true}',
    '{"1": true, "2": null, "3": true}',
    '{"1": true, "2": "false", "3": true}',
    '{"1": 1, "2": 0, "3": 1}',
    "[true, false, true]",
    '{"1": true, "2": false, "3": tr',
    "Sure! All of them are met.",
    "",
    "true",
    "[" * 20000,
]


class Lax:
    """A server that holds nobody to a schema."""

    def __init__(self, replies: Sequence[str]) -> None:
        self.replies = list(replies)
        self.requests: list[Request] = []

    async def complete(self, request: Request) -> Reply:
        self.requests.append(request)
        return Reply(self.replies[min(len(self.requests), len(self.replies)) - 1], "stop", 10, 3, 4)

    async def aclose(self) -> None: ...


THREE = [Criterion(f"c{n}", f"word{n}", 2, "safety") for n in (1, 2, 3)]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("defect", DEFECTS)
def test_a_reply_with_a_defect_is_asked_for_again_and_then_given_up(talk, defect, strict):
    again = Lax([defect, GOOD])
    backend = Recording(ScriptedBackend([defect, GOOD])) if strict and '"2": false, "2"' not in defect else again
    judge = LanguageModelJudge(backend, at_once=None, retries=1)
    assert met(judged(judge, THREE, talk)) == [True, False, True]
    first, second = backend.requests
    assert second.messages == first.messages
    assert second.seed != first.seed
    assert (first.temperature, second.temperature) == (0.0, 0.7)
    assert (judge.costs.calls, judge.costs.asked_again, judge.costs.unscored) == (2, 1, 0)

    backend = Lax([defect])
    judge = LanguageModelJudge(backend, at_once=None, retries=2)
    verdicts = judged(judge, THREE, talk)
    assert met(verdicts) == [None] * 3
    assert all(verdict.reason and "\n" not in verdict.reason for verdict in verdicts)
    assert len(backend.requests) == 3
    assert judge.costs.unscored == 3


@pytest.mark.parametrize(
    "defect", ['{"happened": true}', '{"met": true, "met": false}', '{"met": 1}', "{}", "null", '{"met": true, "x": 1}']
)
def test_a_verdict_under_another_name_is_none(talk, defect):
    assert met(judged(LanguageModelJudge(Lax([defect])), THREE[:1], talk)) == [None]


@pytest.mark.parametrize("at_once", [1, None])
def test_explanations_are_wanted_where_they_are_asked_for(talk, at_once):
    assert (
        met(judged(LanguageModelJudge(Lax(['{"met": true}', GOOD]), at_once=at_once, explain=True), THREE, talk))
        == [None] * 3
    )


@given(st.text(max_size=40) | st.recursive(st.none() | st.booleans() | st.integers(), st.lists).map(json.dumps))
def test_no_reply_raises(text):
    verdicts = judged(LanguageModelJudge(Lax([text]), at_once=None, retries=0), THREE, [Message("assistant", "Hello.")])
    assert met(verdicts) == [None] * 3


def test_only_what_failed_is_unscored(criteria, talk):
    def moody(request: Request) -> str:
        return "no" if "word3" in request.messages[-1].content.split("</conversation ")[1] else literal(request)

    verdicts = judged(LanguageModelJudge(ScriptedBackend(moody)), criteria, talk)
    assert [n for n, verdict in enumerate(verdicts) if verdict.met is None] == [3]


@pytest.mark.parametrize("kind", ["unreachable", "absent", "refused", "server error"])
def test_a_dead_backend_leaves_everything_unscored_and_is_not_asked_again(criteria, talk, kind):
    class Dead:
        calls = 0

        async def complete(self, request: Request) -> Reply:
            self.calls += 1
            raise BackendError("expected a server, got none", kind)

        async def aclose(self) -> None: ...

    backend = Dead()
    verdicts = judged(LanguageModelJudge(backend), criteria, talk)
    assert {(verdict.met, verdict.reason) for verdict in verdicts} == {(None, "expected a server, got none")}
    assert backend.calls == 12


def test_what_is_no_failure_of_a_backend_is_raised(criteria, talk):
    def wrong(request: Request) -> str:
        raise KeyError("a mistake")

    with pytest.raises(KeyError):
        judged(LanguageModelJudge(ScriptedBackend(wrong)), criteria, talk)


@pytest.mark.parametrize("at_once", [1, 4, None])
@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_faults_that_a_retry_mends_change_no_verdict(criteria, talk, kind, at_once):
    faults = Faults(0.3, kinds=(kind,), seed=2, latency=0.001, wait=0.001)
    backend = Retrying(ScriptedBackend(literal, faults=faults), total_timeout=30)
    assert judged(LanguageModelJudge(backend, at_once=at_once), criteria, talk) == judged(
        LanguageModelJudge(ScriptedBackend(literal), at_once=at_once), criteria, talk
    )


# Episodes in which the judge fails


class Dying:
    """A model that is gone after so many calls."""

    def __init__(self, calls: int) -> None:
        self.calls = calls

    async def complete(self, request: Request) -> Reply:
        self.calls -= 1
        if self.calls < 0:
            raise BackendError("expected a server, got a connection refused", "unreachable")
        return Reply(answer(request.schema, lambda number: True))

    async def aclose(self) -> None: ...


RUBRIC = medenv.rewards.Rubric(
    "r",
    (
        Criterion("a", "Greets the patient.", 5, "communication"),
        Criterion("b", "Harms the patient.", -5, "safety"),
        Criterion("c", "Explains the plan.", 3, "treatment", scope="response"),
    ),
)


def test_a_judge_that_dies_in_the_middle_ends_no_run():
    judge = LanguageModelJudge(Dying(3 * 5 + 1))
    evaluation = medenv.evaluate("random", judge=judge, rubric=RUBRIC, episodes=8, concurrency=1, max_turns=4)
    assert (evaluation.valid, evaluation.invalid, evaluation.reward.n) == (5, {"judge": 3}, 5)
    for number, trajectory in enumerate(evaluation.trajectories):
        assert trajectory.valid == (number < 5)
        if number >= 5:
            assert trajectory.reward is None
            assert trajectory.failure["kind"] == "judge"
            assert "connection refused" in trajectory.failure["reason"]
            assert not any("refused" in message["content"] for message in trajectory.messages)
    assert evaluation.as_dict()["invalid"] == {"judge": 3}


def test_judged_episodes_are_the_same_whatever_the_concurrency_and_the_latency():
    def played(concurrency: int, latency: float) -> list[dict[str, Any]]:
        judge = LanguageModelJudge(ScriptedBackend(lambda r: answer(r.schema, lambda n: n == 1), latency=latency))
        return [
            each.to_dict()
            for each in medenv.rollout(
                "random", judge=judge, rubric=RUBRIC, episodes=6, concurrency=concurrency, max_turns=3
            )
        ]

    assert played(1, 0.0) == played(6, 0.002)


# What it cost, and what it is called


def test_costs_are_counted_and_are_in_no_verdict(talk):
    judge = LanguageModelJudge(Lax(['{"met": true}']))
    verdicts = judged(judge, THREE, talk)
    costs = judge.costs
    assert (costs.judgements, costs.criteria, costs.calls, costs.unscored) == (1, 3, 3, 0)
    assert (costs.prompt_tokens, costs.cached_tokens, costs.completion_tokens) == (30, 12, 9)
    assert costs.seconds >= costs.slowest > 0
    assert json.loads(json.dumps(costs.as_dict()))["calls"] == 3
    assert all(str(costs.seconds) not in verdict.reason for verdict in verdicts)


@pytest.mark.parametrize(
    "change",
    [{"at_once": 4}, {"explain": True}, {"retries": 5}, {"temperature": 0.5}, {"max_tokens": 9}, {"prompts": "en"}],
)
def test_the_id_tells_settings_apart(model, change):
    assert LanguageModelJudge(model, **change).id != LanguageModelJudge(model).id
    assert LanguageModelJudge(model, **change).id == LanguageModelJudge(model, **change).id


def test_the_id_names_the_model_where_it_is_known():
    from medenv.agents.backends.vllm_server import VllmServer

    assert "model=small" in LanguageModelJudge(VllmServer("http://127.0.0.1:1", "small")).id


@pytest.mark.parametrize("wrong", [{"at_once": 0}, {"retries": -1}, {"temperature": -0.1}, {"max_tokens": 0}])
def test_settings_out_of_range(model, wrong):
    with pytest.raises(MedenvError, match="expected at_once, max_tokens and longest of at least 1"):
        LanguageModelJudge(model, **wrong)


def test_it_is_registered():
    assert judges.get("language-model") is LanguageModelJudge


def talkative(record: medenv.Record, words: str, turns: int) -> JudgeView:
    episode = Episode(Scenario(record, Persona("test"), 1, max_turns=turns))
    while not episode.over:
        episode.step(DOCTOR, words)
        play_now(episode, {PATIENT: ScriptedPatient()}, until=DOCTOR)
    return episode.judge_view()


SIGNED = (Criterion("good", "Greets.", 2, "communication"), Criterion("bad", "Plans harm.", -10, "safety", veto=True))


@pytest.mark.parametrize("words", ["word " * 1600, "\U0001f600" * 2000, "a\n" * 4000, "\u4e2d" * 2700])
def test_nobody_talks_himself_out_of_the_verdicts(record, words):
    model = Recording(ScriptedBackend(literal))
    view = talkative(record, words, 20)
    verdicts = asyncio.run(judges.get("language-model")(model).judge(SIGNED, view))
    assert met(verdicts) == [False, True]
    assert all("bytes, of which a judge reads at most 65536" in verdict.reason for verdict in verdicts)
    assert not model.requests


def test_the_limit_is_of_what_the_doctor_wrote(record):
    view = talkative(record, "What brings you in?", 3)
    long = dataclasses.replace(
        view, turns=tuple(dataclasses.replace(turn, reply="Well. " * 20000) for turn in view.turns)
    )
    length = written(conversation(view))
    assert written(conversation(long)) == length
    for limit, asked in ((length, True), (length - 1, False)):
        model = Recording(ScriptedBackend(literal))
        asyncio.run(LanguageModelJudge(model, longest=limit).judge(SIGNED, long))
        assert bool(model.requests) == asked


@pytest.mark.parametrize("doctor", ["oracle", "checklist", "random"])
def test_an_honest_doctor_is_far_below_the_limit(doctor):
    longest = max(written(conversation(view_of(record, doctor))) for record in medenv.load_records("library"))
    assert longest < LanguageModelJudge(Recording(ScriptedBackend(literal))).longest / 4


def test_other_limits_are_other_judges():
    one, two = (LanguageModelJudge(ScriptedBackend(literal), longest=longest) for longest in (100, 200))
    assert one.id != two.id
    with pytest.raises(MedenvError, match="longest of at least 1"):
        LanguageModelJudge(ScriptedBackend(literal), longest=0)
