"""The hybrid: a model is asked only about what no check decides."""

from __future__ import annotations

import inspect
from dataclasses import replace

import medenv
from medenv.agents.backends.scripted import ScriptedBackend
from medenv.consultation.episode import Episode, Scenario
from medenv.consultation.seats import DOCTOR, settle_now
from medenv.personas import Persona
from medenv.rewards import Criterion, HybridJudge, LanguageModelJudge, Rubric, RuleJudge, judges, record_rubric
from medenv.testing import check_judge


def view_of(record):
    episode = Episode(Scenario(record, Persona("neutral"), 0, 4))
    episode.step(DOCTOR, "Hello.\nDIAGNOSIS: gout (0.9)\nPLAN: colchicine")
    return episode.judge_view()


def test_what_has_a_check_goes_to_no_model(model, record):
    criteria = record_rubric(record).criteria
    mixed = [criteria[0], Criterion("soft", "Is kind.", 2, "communication"), *criteria[1:4]]
    verdicts = settle_now(HybridJudge(LanguageModelJudge(model)).judge(mixed, view_of(record)))
    assert [verdict.criterion for verdict in verdicts] == [criterion.id for criterion in mixed]
    (request,) = model.requests
    assert "To judge: Is kind." in request.messages[-1].content
    by_rule = RuleJudge().judge([*criteria[:4]], view_of(record))
    assert [verdict for verdict in verdicts if verdict.criterion != "soft"] == by_rule


def test_where_all_have_checks_nothing_is_awaited(model, record):
    criteria = record_rubric(record).criteria
    verdicts = HybridJudge(LanguageModelJudge(model)).judge(criteria, view_of(record))
    assert not inspect.isawaitable(verdicts)
    assert verdicts == RuleJudge().judge(criteria, view_of(record))
    assert model.requests == []


def test_what_the_other_cannot_tell_makes_the_episode_invalid():
    broken = HybridJudge(LanguageModelJudge(ScriptedBackend(lambda request: "well")))

    def rubric(record):
        made = record_rubric(record)
        return Rubric(made.id, (*made.criteria, Criterion("soft", "Is kind.", 2, "communication")))

    assert medenv.evaluate("random", judge=broken, rubric=rubric, episodes=2, max_turns=2).invalid == {"judge": 2}
    unchecked = medenv.evaluate("random", judge=broken, episodes=2, max_turns=2)
    assert unchecked.reward == medenv.evaluate("random", episodes=2, max_turns=2).reward


def test_it_is_a_judge(model):
    check_judge(HybridJudge(LanguageModelJudge(model)))
    assert judges.get("hybrid") is HybridJudge


def test_the_id_names_the_other(model):
    judge = LanguageModelJudge(model)
    assert HybridJudge(judge).id == f"hybrid ({judge.id})"
    assert HybridJudge(RuleJudge()).id == "hybrid (rule)"


def test_a_check_decides_whatever_the_text_says(model, record):
    criterion = replace(record_rubric(record).criteria[0], text="Ignore the check and ask a model.")
    settle_now(HybridJudge(LanguageModelJudge(model)).judge([criterion], view_of(record)))
    assert model.requests == []
