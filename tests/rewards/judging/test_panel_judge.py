"""The panel: majorities, abstentions, and judges that fail."""

from __future__ import annotations

import asyncio
from itertools import product
from typing import Any

import pytest

import medenv
from medenv.consultation.views import Message
from medenv.errors import JudgeError, MedenvError
from medenv.rewards import Criterion, LanguageModelJudge, PanelJudge, RuleJudge, Verdict
from medenv.testing.models import Recording

CRITERION = Criterion("c", "Greets the patient.", 1, "communication")
TALK = [Message("assistant", "Hello.")]


class Says:
    """One verdict on everything; an exception is raised, and "nothing" leaves criteria out."""

    def __init__(self, met: Any) -> None:
        self.met = met

    def judge(self, criteria, view):
        return self.said(criteria) if self.met in (True, False) else self.verdicts(criteria, ())

    async def verdicts(self, criteria, messages, *, language="en"):
        return self.said(criteria)

    def said(self, criteria):
        if isinstance(self.met, BaseException):
            raise self.met
        return [] if self.met == "nothing" else [Verdict(each.id, self.met, "because") for each in criteria]


def vote(*judges: Any, **options: Any) -> Verdict:
    (verdict,) = asyncio.run(PanelJudge(judges, **options).verdicts([CRITERION], TALK))
    return verdict


@pytest.mark.parametrize("votes", list(product((True, False, None), repeat=3)))
def test_the_majority_of_the_votes_cast(votes):
    yes, no = votes.count(True), votes.count(False)
    verdict = vote(*map(Says, votes))
    assert verdict.met == (None if yes + no < 2 or yes == no else yes > no)
    assert f"{yes} for, {no} against, {3 - yes - no} abstained" in verdict.reason


@pytest.mark.parametrize(
    ("votes", "quorum", "met"),
    [
        ((True, None, None), 1, True),
        ((True, None, None), None, None),
        ((True, True, None), 3, None),
        ((True, False), None, None),
        ((True, True, False, False), None, None),
        ((False,), None, False),
    ],
)
def test_quorum_and_ties(votes, quorum, met):
    assert vote(*map(Says, votes), quorum=quorum).met is met


@pytest.mark.parametrize("broken", [RuntimeError("out\nof order"), "nothing", None])
def test_a_judge_that_fails_abstains(broken):
    assert vote(Says(True), Says(broken), Says(True)).met is True
    alone = vote(Says(True), Says(broken), Says(broken))
    assert alone.met is None
    assert alone.reason.startswith("expected 2 votes, got 1 for, 0 against, 2 abstained: ")
    assert "\n" not in alone.reason


def test_a_mistake_of_one_is_outvoted_on_its_criterion_alone():
    criteria = [Criterion(f"c{n}", f"word{n}", 1, "safety") for n in range(3)]

    class Wrong(Says):
        async def verdicts(self, criteria, messages, *, language="en"):
            return [Verdict(each.id, each.id == "c1") for each in criteria]

    found = asyncio.run(PanelJudge([Says(True), Wrong(True), Says(False)]).verdicts(criteria, TALK))
    assert [verdict.met for verdict in found] == [False, True, False]
    assert [verdict.criterion for verdict in found] == ["c0", "c1", "c2"]


def test_what_is_no_failure_of_a_judge_is_raised():
    with pytest.raises(KeyboardInterrupt):
        vote(Says(True), Says(KeyboardInterrupt()))


def test_it_judges_episodes_with_plain_judges_and_awaited_ones(model: Recording):
    panel = PanelJudge([RuleJudge(), RuleJudge(), LanguageModelJudge(model)])
    alone = medenv.evaluate("checklist", episodes=3, max_turns=6)
    assert medenv.evaluate("checklist", judge=panel, episodes=3, max_turns=6).reward == alone.reward
    assert model.requests


def test_a_panel_without_a_quorum_ends_no_run():
    rubric = medenv.rewards.Rubric("r", (CRITERION,))
    panel = PanelJudge([Says(True), Says(None)])
    evaluation = medenv.evaluate("random", judge=panel, rubric=rubric, episodes=3, max_turns=2)
    assert evaluation.invalid == {"judge": 3}


def test_conversations_need_judges_that_can_judge_them():
    with pytest.raises(JudgeError, match="expected judges that can judge a conversation, got rule"):
        vote(Says(True), RuleJudge())


def test_the_id_names_judges_and_quorum(model):
    judge = LanguageModelJudge(model)
    assert PanelJudge([judge, RuleJudge()]).id == f"panel quorum=2 ({judge.id}) (rule)"


@pytest.mark.parametrize(("judges", "quorum"), [([], None), ([Says(True)], 2), ([Says(True)], 0)])
def test_a_panel_that_cannot_decide(judges, quorum):
    with pytest.raises(MedenvError, match="expected at least one judge and a quorum"):
        PanelJudge(judges, quorum=quorum)
