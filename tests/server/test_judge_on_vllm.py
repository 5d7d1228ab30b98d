"""The language-model judge on a real server: what it answers, what it caches, and what it survives."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

import medenv
from medenv.agents.backends.scripted import Faults
from medenv.agents.backends.vllm_server import VllmServer
from medenv.consultation.views import Message
from medenv.rewards import Criterion, LanguageModelJudge, Rubric, Verdict
from medenv.testing.model_server import serve_backend

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("server")]

TALK = (
    Message("user", "My knee hurts."),
    *(
        message
        for question in ("When did it start?", "Do you have a fever?", "Do you take any medicines? Any allergies?") * 3
        for message in (Message("assistant", question), Message("user", "Since last night, and no, nothing else."))
    ),
    Message("assistant", "Please rest the knee and come back if it gets hot.\nDIAGNOSIS: gout (0.7)\nPLAN: colchicine"),
)
CRITERIA = (
    Criterion("greeting", "Greets the patient.", 1, "communication"),
    Criterion("fever", "Asks about fever.", 4, "safety"),
    Criterion("allergies", "Asks about allergies.", 3, "safety"),
    Criterion("naproxen", "Plans naproxen although it gave a rash.", -10, "treatment"),
    Criterion("cause", "Names a likely cause.", 5, "diagnostic_accuracy"),
    Criterion("net", "Tells the patient when to come back.", 2, "safety", scope="response"),
)


def judged(url, **settings) -> tuple[list[Verdict], LanguageModelJudge]:
    async def verdicts():
        judge = LanguageModelJudge(VllmServer(url), **settings)
        found = await judge.verdicts(CRITERIA, TALK)
        await judge.aclose()
        return found, judge

    return asyncio.run(verdicts())


@pytest.mark.parametrize("settings", [{}, {"at_once": None}, {"explain": True, "max_tokens": 48}, {"prompts": "zh"}])
def test_every_answer_is_a_verdict(server, settings):
    verdicts, judge = judged(server.url, **settings)
    assert [verdict.criterion for verdict in verdicts] == [criterion.id for criterion in CRITERIA]
    assert all(isinstance(verdict.met, bool) for verdict in verdicts)
    assert judge.costs.unscored == 0
    assert judge.costs.completion_tokens >= judge.costs.calls


def test_the_conversation_is_computed_once(server):
    judged(server.url)
    _, judge = judged(server.url)
    assert judge.costs.cached_tokens / judge.costs.prompt_tokens >= 0.8


def test_faults_on_the_wire_change_no_verdict(server):
    async def verdicts(faults):
        async with serve_backend(VllmServer(server.url), faults=faults) as url:
            judge = LanguageModelJudge(VllmServer(url, max_concurrency=1))
            found = await judge.verdicts(CRITERIA, TALK)
            await judge.aclose()
            return found

    plain, faulty = (asyncio.run(verdicts(faults)) for faults in (None, Faults(0.3, seed=1, latency=0.05, wait=0.01)))
    assert all(isinstance(verdict.met, bool) for verdict in faulty)
    # A model whose two answers are about as likely may take either, for what else is in the batch moves its numbers.
    assert sum(one.met == other.met for one, other in zip(plain, faulty, strict=True)) >= len(CRITERIA) - 1


def test_episodes_whose_judge_is_gone_are_invalid_and_the_run_goes_on(server):
    rubric = Rubric("r", CRITERIA)
    play = partial(medenv.evaluate, "checklist", rubric=rubric, episodes=3, concurrency=3, max_turns=4)
    assert play(judge=LanguageModelJudge(VllmServer(server.url))).invalid == {}
    gone = VllmServer("http://127.0.0.1:9", "none", total_timeout=1.0)
    assert play(judge=LanguageModelJudge(gone)).invalid == {"judge": 3}
