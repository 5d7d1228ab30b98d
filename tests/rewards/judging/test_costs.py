"""What judging cost is told by whoever asks the model, through those that ask in its place."""

import json

import medenv
from medenv.agents.backends.scripted import ScriptedBackend
from medenv.rewards import HybridJudge, LanguageModelJudge, PanelJudge, RuleJudge
from medenv.rewards.judging import costs_of


def model(request):
    return json.dumps(dict.fromkeys(request.schema["properties"], False))


def test_who_asks_nobody_has_no_costs():
    assert costs_of(RuleJudge()) is None
    assert costs_of(PanelJudge([RuleJudge()])) is None
    assert costs_of(HybridJudge(RuleJudge())) is None


def test_a_panel_adds_up_what_its_judges_spent():
    one, other = (LanguageModelJudge(ScriptedBackend(model), at_once=at_once) for at_once in (1, None))
    panel = PanelJudge([one, HybridJudge(other), RuleJudge()])
    medenv.evaluate("checklist", episodes=2, judge=panel)
    spent = costs_of(panel)
    assert one.costs.calls > 0 == other.costs.calls  # every criterion of a record's rubric has a check
    assert spent.as_dict() == one.costs.as_dict()
    medenv.evaluate("checklist", episodes=2, judge=other)
    spent = costs_of(panel)
    assert spent.calls == one.costs.calls + other.costs.calls
    assert spent.prompt_tokens == one.costs.prompt_tokens + other.costs.prompt_tokens
    assert spent.slowest == max(one.costs.slowest, other.costs.slowest)


def test_an_evaluation_in_a_terminal_says_what_judging_cost(capsys, monkeypatch):
    from medenv.cli import main
    from medenv.rewards import judges

    monkeypatch.setitem(judges._entries, "counted", lambda: LanguageModelJudge(ScriptedBackend(model)))
    assert main(["evaluate", "-n", "2", "-q", "--judge", "counted", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["settings"]["judge"] == "counted"
    assert printed["judging"]["judgements"] == 2
    assert printed["judging"]["calls"] == printed["judging"]["criteria"] > 0
    assert main(["evaluate", "-n", "2", "-q", "--judge", "counted"]) == 0
    assert "prompt tokens" in capsys.readouterr().out
