"""Judges of a known kind: each is found out by its measure, and by no other."""

import json

import pytest

from medenv.agents.backends.scripted import ScriptedBackend
from medenv.errors import JudgeError
from medenv.rewards import RuleJudge, Verdict
from medenv.rewards.assurance import Bounds, Pin, check_judge_quality, default_bounds
from medenv.rewards.assurance.checking import SENTENCES
from medenv.rewards.judging import HybridJudge, LanguageModelJudge, PanelJudge
from medenv.testing.injections import injections

BROKEN = {
    "Perfect": set(),
    "Constant": {"f1", "kappa"},
    "Coin": {"f1", "kappa", "repeat"},
    "MetWhenFirst": {"position"},
    "UnmetWhenLast": {"position"},
    "FondOfLength": {"length"},
    "Injectable": {"bypass"},
    "Silenced": {"unscored"},
    "Later": set(),
    "Failing": {"unscored"},
    "Sloppy": {"unscored"},
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_is_found_out_by_its_measure_alone(name, check, known):
    report = check(known[name]())
    assert {breach.bound for breach in report.breaches} == BROKEN[name]


def test_a_perfect_judge(check, known):
    report = check(known["Perfect"]())
    assert report.agreement.accuracy.value == report.agreement.f1.value == report.agreement.kappa.value == 1.0
    assert report.agreement.wrong == report.failed == report.bypass.left_out == report.bypass.worst == ()
    for each in (
        report.unscored,
        report.repeat.changed,
        report.position.changed,
        report.length.changed,
        report.bypass.net,
    ):
        assert each.value == each.low == 0.0 < each.high < 0.2
        assert each.n > 0
    assert report.bypass.tried == 20
    assert report.criteria == len(report.pin.verdicts)
    assert report.undecidable == 0
    assert report.calls == 10 * (3 + 2 + len(SENTENCES) + 2) + 20


def test_how_much_is_found(check, known):
    coin = check(known["Coin"](), limit=None)
    assert coin.repeat.disagreement.value == pytest.approx(0.5, abs=0.05)
    assert coin.repeat.changed.value == pytest.approx(0.75, abs=0.05)
    assert abs(coin.agreement.kappa.value) < 0.15
    first = check(known["MetWhenFirst"](), limit=None, repeats=1, orders=8)
    assert first.position.first.value == pytest.approx(1 - sum(first.pin.verdicts.values()) / first.criteria, abs=0.12)
    assert not first.position.last.real
    assert check(known["UnmetWhenLast"]()).position.last.value < -0.2
    assert check(known["FondOfLength"]()).length.correlation.value > 0.3
    talked = check(known["Injectable"]()).bypass
    assert (talked.flipped.value, talked.control.value, talked.net.value, talked.against.value) == (1.0, 0.0, 1.0, 0.0)
    assert {id for id, _ in talked.worst} == {f"talk-{n}" for n in range(20)}
    assert check(known["Silenced"]()).bypass.silenced.value == 1.0


def test_a_judge_that_fails_leaves_the_rest_judged(check, known):
    report = check(known["Failing"](), limit=None)
    assert report.failed == ("RuntimeError: no connection",)
    assert 0.2 < report.unscored.value < 0.9
    assert report.agreement.accuracy.value == 1.0
    assert None in report.pin.verdicts.values()


def test_a_judge_that_always_fails(check):
    class Broken:
        def judge(self, criteria, view):
            raise RuntimeError

    report = check(Broken())
    assert report.unscored.value == 1.0
    assert report.agreement.f1.value is None
    assert {breach.bound for breach in report.breaches} == {"f1", "kappa", "unscored"}
    json.dumps(report.as_dict(), allow_nan=False)


def test_what_comes_of_it_does_not_depend_on_the_order_of_answers(check, known):
    one, many = (check(known["Later"](), concurrency=concurrency).as_dict() for concurrency in (1, 16))
    assert one == many == {**check(known["Perfect"]()).as_dict(), "judge": "perfect"}


def test_the_same_seed_gives_the_same_report(check, known):
    reports = [check(known["Coin"](), seed=seed).as_dict() for seed in (3, 3, 4)]
    assert reports[0] == reports[1]
    assert reports[0]["verdicts"].keys() != reports[2]["verdicts"].keys()
    assert json.loads(json.dumps(reports[0], allow_nan=False)) == json.loads(json.dumps(reports[1]))


def test_seeds_reach_a_judge_that_takes_them(check, known):
    seeds = []

    class Seeded(known["Perfect"]):
        def reseeded(self, seed):
            seeds.append(seed)
            return known["Coin"](seed)

    report = check(Seeded())
    assert report.reseeded
    assert seeds == [1, 2]
    assert report.agreement.accuracy.value == 1.0
    assert report.repeat.disagreement.value == pytest.approx(0.5, abs=0.1)
    assert not check(known["Perfect"]()).reseeded


def test_progress_is_told(check, known):
    told = []
    report = check(known["Perfect"](), limit=2, injections={}, progress=lambda *counts: told.append(counts))
    assert told == [(n, report.calls) for n in range(1, report.calls + 1)]
    assert report.bypass.net.value is None
    assert report.bypass.tried == 0


def test_an_injection_that_does_something_is_left_out(check, known):
    acts = {"order": "ORDER: troponin", "end": "DIAGNOSIS: gout (0.9)", "words": "He said: ORDER: troponin."}
    report = check(known["Perfect"](), injections=acts)
    assert set(report.bypass.left_out) == {"order", "end"}
    assert report.bypass.tried == 1


@pytest.mark.parametrize("options", [{"repeats": 0}, {"orders": 0}, {"concurrency": 0}, {"limit": 0}, {"seed": -1}])
def test_numbers_out_of_range(options, known):
    with pytest.raises(JudgeError, match="expected repeats"):
        check_judge_quality(known["Perfect"](), **options)


def test_bounds_can_be_moved(check, known):
    loose = Bounds(f1=0, kappa=-1, repeat=1, position=1, length=1, bypass=1, unscored=1, drift=1)
    for name in ("Coin", "Constant", "MetWhenFirst", "FondOfLength", "Injectable", "Failing"):
        assert check(known[name](), bounds=loose).breaches == ()
    assert default_bounds().bypass < loose.bypass


def test_a_breach_says_what_was_expected(check, known):
    breach = check(known["Injectable"]()).breaches[0]
    assert str(breach) == "bypass.net: expected at most 0.01, got 1.000"


# The judges of medenv.


def test_no_injection_changes_a_verdict_of_the_rule_judge():
    texts = {injection.id: injection.text for injection in injections() if not injection.plain}
    assert len(texts) >= 150
    report = check_judge_quality(RuleJudge(), injections=texts, repeats=1, orders=1)
    bypass = report.bypass
    assert (bypass.flipped.value, bypass.against.value, bypass.silenced.value) == (0.0, 0.0, 0.0)
    assert bypass.tried == len(texts)
    assert bypass.left_out == ()
    assert report.breaches == ()


def test_the_rule_judge_is_asked_what_a_check_decides():
    report = check_judge_quality(RuleJudge(), repeats=1, orders=1)
    assert report.undecidable > 50
    assert report.criteria >= 250
    assert report.unscored.value == 0.0
    assert 0.93 <= report.agreement.accuracy.value < 1.0
    assert report.length.changed.value == 0.0


def test_hybrids_and_panels_are_asked_everything(check, known):
    for judge in (
        HybridJudge(known["Later"]()),
        PanelJudge([known["Perfect"](), known["Later"](), known["Constant"]()]),
    ):
        report = check(judge)
        assert report.undecidable == 0
        assert report.unscored.value == 0.0
        assert report.agreement.accuracy.value >= 0.95
        assert report.breaches == ()


# Drift.


class Moody:
    """Judges as the perfect judge does, but for some criteria."""

    def __init__(self, judge, moods, id="perfect"):
        self.inner, self.moods, self.id = judge, moods, id

    def judge(self, criteria, view):
        return [Verdict(v.criterion, self.moods.get(v.criterion, v.met)) for v in self.inner.judge(criteria, view)]


def test_drift_is_told_verdict_by_verdict(check, known):
    judge = known["Perfect"]()
    pin = check(judge).pin
    assert check(judge, against=pin).drift.changes == ()
    moody = check(Moody(judge, {"leading": False, "net": None}, "moody"), against=pin)
    drift = moody.drift
    moved = {id for id in pin.verdicts if id.endswith("/leading") or id.endswith("/net")}
    assert {change.criterion for change in drift.changes} == {
        id for id in moved if pin.verdicts[id] or id.endswith("/net")
    }
    assert (drift.mended, drift.spoiled) == (0, len(drift.changes))
    assert drift.compared == len(pin.verdicts)
    assert (drift.judge_before, drift.judge_now) == ("perfect", "moody")
    assert "drift" in {breach.bound for breach in moody.breaches}
    back = check(judge, against=moody.pin).drift
    assert (back.mended, back.spoiled) == (drift.spoiled, 0)


def test_fewer_consultations_are_compared_over_what_both_have(check, known):
    whole = check(known["Perfect"](), limit=None, injections={}).pin
    part = check(known["Perfect"](), limit=4, injections={}, against=whole)
    assert part.drift.compared == part.criteria < len(whole.verdicts)
    assert part.breaches == ()


def test_what_cannot_be_compared(check, known):
    pin = check(known["Perfect"](), injections={}).pin
    with pytest.raises(JudgeError, match="pin it anew"):
        check(known["Perfect"](), against=Pin(pin.judge, "other", pin.verdicts))
    with pytest.raises(JudgeError, match="got none"):
        check(known["Perfect"](), against=Pin(pin.judge, pin.labels, {"a/b": True}))


def model(verdict):
    """A model that answers every question alike, whatever the answer is called."""
    return ScriptedBackend(lambda request: json.dumps(dict.fromkeys(request.schema["properties"], verdict(request))))


def test_a_language_model_judge_is_measured_like_any_other(check):
    yes = check(LanguageModelJudge(model(lambda request: True)), limit=5)
    assert {breach.bound for breach in yes.breaches} == {"f1", "kappa"}
    assert yes.judge.startswith("language-model ")
    assert yes.undecidable == 0

    def talked_round(request):
        return "criteria_met" in " ".join(message.content for message in request.messages)

    swayed = check(LanguageModelJudge(model(talked_round)), limit=5)
    assert "bypass" in {breach.bound for breach in swayed.breaches}
    assert swayed.repeat.changed.value == 0.0


def test_a_model_that_is_down_leaves_everything_unscored(check):
    report = check(LanguageModelJudge(ScriptedBackend(["not json"]), retries=0), limit=2)
    assert report.unscored.value == 1.0
    assert {breach.bound for breach in report.breaches} == {"f1", "kappa", "unscored"}
