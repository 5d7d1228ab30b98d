from __future__ import annotations

import dataclasses
import json
import math
from importlib import resources

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from medenv.agents.patients import patients
from medenv.consultation.acts import Acts, Guess
from medenv.consultation.episode import Episode, Scenario
from medenv.consultation.ledger import Ledger, LedgerEntry
from medenv.consultation.playing import play_now
from medenv.consultation.questions import Understanding
from medenv.consultation.seats import DOCTOR, PATIENT
from medenv.consultation.views import JudgeView, Turn
from medenv.personas import Persona
from medenv.records.record import record_from_dict
from medenv.rewards import Criterion, Rubric, RuleJudge, Scoring, Verdict, coverage, metrics, record_rubric, score
from medenv.rewards.metrics import METRICS, brier_score, log_score
from medenv.rollout import Trajectory, evaluate, rollout, summarise

GOUT = ("gouty arthritis", "gout")
DISEASES = ("asthma", "malaria", "migraine", "measles", "scurvy", "rabies")
OTHER = ("tetanus",)
FLOOR = 1e-5


def brute(guesses, right):
    """Both scores from a vector with one place for every diagnosis there is; `right` is a name, or none of them."""
    chances = [chance for _, chance in guesses]
    chances += [(1 - sum(chances)) / 100] * 100
    place = [name for name, _ in guesses].index(right) if right in dict(guesses) else len(guesses)
    brier = sum((p - (i == place)) ** 2 for i, p in enumerate(chances))
    return brier, math.log(max(chances[place], FLOOR))


def of(*pairs):
    return [Guess(*pair) for pair in pairs]


def consult(record, messages, max_turns=8):
    episode = Episode(Scenario(record, Persona("test"), 1, max_turns=max_turns))
    for message in messages:
        episode.step(DOCTOR, message)
        play_now(episode, {PATIENT: patients.get("scripted")()}, until=DOCTOR)
    return episode


def measured(record, messages, rubric=None, **options):
    view = consult(record, messages, **options).judge_view()
    rubric = record_rubric(record) if rubric is None else rubric
    return metrics(view, score(rubric, RuleJudge().judge(rubric.criteria, view)))


def view_of(record, told):
    entries = tuple(LedgerEntry(disclosed=tuple(facts)) for facts in told)
    turns = tuple(Turn("", Acts(), Understanding(), (), (), "", entry) for entry in entries)
    return JudgeView(record, Persona("test"), turns, Ledger(entries), "turn_limit")


@pytest.mark.parametrize(
    ("guesses", "brier", "log"),
    [
        (of(("gout", 1.0)), 0.0, 0.0),
        (of(("asthma", 1.0)), 2.0, math.log(FLOOR)),
        (of(("gout", 0.7), ("asthma", 0.3)), 0.18, math.log(0.7)),
        (of(("gout", 0.5)), 0.25 + 0.0025, math.log(0.5)),
        (of(("asthma", 0.5)), 0.25 + 99 * 0.005**2 + 0.995**2, math.log(0.005)),
        ([], 0.99, math.log(0.01)),
        (of(("asthma", 0.0)), 0.99, math.log(0.01)),
        (of(("gout", 0.0)), 1 + 0.01, math.log(FLOOR)),
    ],
)
def test_scores_by_hand(guesses, brier, log):
    assert brier_score(guesses, GOUT) == pytest.approx(brier)
    assert log_score(guesses, GOUT) == pytest.approx(log)


@pytest.mark.parametrize(
    ("guesses", "same_as"),
    [
        (of(("gout",)), of(("gout", 1.0))),
        (of(("gout",), ("asthma",)), of(("gout", 0.5), ("asthma", 0.5))),
        (of(("gout", 0.6), ("asthma",), ("malaria",)), of(("gout", 0.6), ("asthma", 0.2), ("malaria", 0.2))),
        (of(("gout", 1.0), ("asthma",)), of(("gout", 1.0))),
        (of(("gout", 1.0), ("asthma", 1.0)), of(("gout", 0.5), ("asthma", 0.5))),
        (of(("gout", 0.9), ("asthma", 0.6), ("rabies",)), of(("gout", 0.6), ("asthma", 0.4))),
        (of(("gout", 0.4), ("acute gouty arthritis", 0.4)), of(("gout", 0.8))),
        (of(("Malaria", 0.4), ("malaria", 0.4)), of(("malaria", 0.8))),
    ],
)
def test_probabilities_that_are_missing_too_many_or_split(guesses, same_as):
    assert brier_score(guesses, GOUT) == pytest.approx(brier_score(same_as, GOUT))
    assert log_score(guesses, GOUT) == pytest.approx(log_score(same_as, GOUT))


def shares(least=0.0):
    """Probabilities of some diseases, with something left over."""
    weights = st.lists(st.floats(0.0, 1.0), min_size=2, max_size=6)
    return weights.filter(lambda found: sum(found) > 0.1).map(
        lambda found: [least + (1 - least * len(found)) * weight / sum(found) for weight in found]
    )


@given(shares(), st.integers(0, 6))
def test_they_are_the_ordinary_scores_over_all_diagnoses(chances, place):
    guesses = list(zip(DISEASES, chances[:-1], strict=False))
    names = (DISEASES + OTHER)[place]
    brier, log = brute(guesses, names)
    assert brier_score(of(*guesses), (names,)) == pytest.approx(brier)
    assert log_score(of(*guesses), (names,)) == pytest.approx(log, abs=1e-6)
    assert 0 <= brier <= 2 + 1e-9


@given(shares(least=0.01), shares())
def test_telling_what_one_believes_is_best(believed, told):
    assume(len(believed) == len(told))
    names = DISEASES[: len(believed) - 1]

    def expected(rule, said):
        guesses = of(*zip(names, said[:-1], strict=True))
        outcomes = [*((name,) for name in names), OTHER]
        return math.fsum(p * rule(guesses, outcome) for p, outcome in zip(believed, outcomes, strict=True))

    gap = max(abs(p - q) for p, q in zip(believed, told, strict=True))
    brier = expected(brier_score, told) - expected(brier_score, believed)
    log = expected(log_score, believed) - expected(log_score, told)
    assert min(brier, log) >= -1e-9
    if gap > 0.01:
        assert min(brier, log) > 0


@given(st.lists(st.tuples(st.text(max_size=12), st.none() | st.floats(0, 1)), max_size=20), st.text(max_size=12))
def test_any_differential_has_scores_in_range(pairs, name):
    assert -1e-9 <= brier_score(of(*pairs), (name, *GOUT)) <= 2 + 1e-9
    assert math.log(FLOOR) - 1e-9 <= log_score(of(*pairs), (name, *GOUT)) <= 0


def test_naming_nothing_likely_is_no_way_to_a_good_score():
    empty = of(("the common cold of a llama", 0.0))
    honest = of(("gout", 0.6), ("septic arthritis", 0.3))
    assert brier_score(empty, GOUT) > 3 * brier_score(honest, GOUT)
    assert log_score(empty, GOUT) < log_score(honest, GOUT) - 4


def test_coverage_over_turns(record):
    told = [(), ("onset", "alcohol"), ("onset",), ("fever",), ()]
    assert coverage(view_of(record, told)) == (0.0, 0.5, 0.5, 1.0, 1.0)
    assert coverage(view_of(record, [])) == ()
    without = dataclasses.replace(record, facts=tuple(f for f in record.facts if not f.must_ask))
    assert coverage(view_of(without, [("alcohol",)])) == ()


@given(st.lists(st.lists(st.sampled_from(["onset", "fever", "alcohol"])), min_size=1, max_size=30))
def test_coverage_never_falls_and_ends_where_the_ledger_does(record, told):
    view = view_of(record, told)
    found = coverage(view)
    assert len(found) == len(told)
    assert list(found) == sorted(found)
    assert found[-1] == len(view.ledger.disclosed & {"onset", "fever"}) / 2
    area = metrics(view, plain_score())["coverage_area"]
    first = [*found, *[found[-1]] * 20][:20]
    assert area == pytest.approx(sum(first) / 20)


def plain_score(axis="clarity", met=True, points=4, **changed):
    rubric = Rubric("r", (Criterion("a", "t", points, axis, **changed), Criterion("b", "t", 4, axis)))
    return score(rubric, [Verdict("a", met), Verdict("b", True)])


def test_asking_sooner_gives_more_area(record):
    def area(*told):
        return metrics(view_of(record, told), plain_score())["coverage_area"]

    assert area(("onset", "fever")) == area(("onset", "fever"), (), ()) == 1.0
    assert area((), ("onset", "fever")) == 0.95
    assert area(("onset",), ("fever",)) == pytest.approx(0.975)
    assert area(("onset",), *[()] * 22, ("fever",)) == pytest.approx(0.5)


GOOD = (
    "Hello. When did it start? Any fever?\nORDER: joint aspiration; vital signs",
    "It came on suddenly last night, you have no fever, and the joint aspiration shows crystals. Come back if it gets worse.\n"
    "DIAGNOSIS: gout (0.8); septic arthritis (0.2)\nPLAN: colchicine; drink less alcohol; rheumatology",
)


def test_a_good_consultation(record):
    found = measured(record, GOOD)
    assert tuple(found) == METRICS
    assert all(type(value) is float for value in found.values())
    words = sum(len(message.split()) for message in GOOD) / 2
    expected = {
        "top_1": 1.0,
        "top_3": 1.0,
        "brier": 0.08,
        "log_score": math.log(0.8),
        "must_ask_coverage": 1.0,
        "coverage_area": 1.0,
        "efficiency_index": 1 / (2 + 0.01 * words),
        "repeated_per_turn": 0.0,
        "question_turns": 0.5,
        **dict.fromkeys((name for name in METRICS if name.startswith("grade")), 4.0),
    }
    assert found == {name: pytest.approx(value) for name, value in expected.items()}


def test_a_poor_consultation(record):
    found = measured(record, ["Any fever?", "Any fever?", "DIAGNOSIS: asthma\nPLAN: naproxen"])
    assert (found["top_1"], found["top_3"], found["brier"]) == (0.0, 0.0, 2.0)
    assert found["log_score"] == pytest.approx(math.log(FLOOR))
    assert found["efficiency_index"] == 0.0
    assert found["repeated_per_turn"] == pytest.approx(1 / 3)
    assert found["question_turns"] == pytest.approx(2 / 3)
    assert [found[f"grade_{view}"] for view in ("exams", "diagnosis", "rationale", "treatment")] == [1.0] * 4


def test_who_gives_no_diagnosis_has_named_none(record):
    found = measured(record, ["Any fever?", "Any pain?"], max_turns=2)
    assert found["brier"] == pytest.approx(0.99)
    assert found["log_score"] == pytest.approx(math.log(0.01))
    assert (found["top_3"], found["grade_diagnosis"], found["grade_rationale"]) == (0.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("diagnoses", "grade"),
    [("gout; x", 4), ("x; gout", 3), ("x; y; gout", 3), ("x; y; z; gout", 1), ("septic arthritis", 2), ("x", 1)],
)
def test_grades_of_the_diagnosis(record, diagnoses, grade):
    assert measured(record, [f"DIAGNOSIS: {diagnoses}"])["grade_diagnosis"] == grade


@pytest.mark.parametrize(
    ("asked", "words", "diagnosis", "grade"),
    [
        (GOOD[0], "I see.", "gout", 1),
        (GOOD[0], "It came on suddenly last night.", "gout", 2),
        (GOOD[0], "It came on suddenly last night, and you have no fever.", "gout", 3),
        (
            GOOD[0],
            "It came on suddenly last night, you have no fever, and the joint aspiration shows crystals.",
            "gout",
            4,
        ),
        (
            GOOD[0],
            "It came on suddenly last night, you have no fever, and the joint aspiration shows crystals.",
            "x; gout",
            3,
        ),
        (
            GOOD[0],
            "It came on suddenly last night, you have no fever, and the joint aspiration shows crystals.",
            "x",
            1,
        ),
        ("Hello.", "You have no fever, and the joint aspiration shows crystals.", "gout", 1),
    ],
)
def test_grades_of_the_rationale(record, asked, words, diagnosis, grade):
    assert measured(record, [asked, f"{words}\nDIAGNOSIS: {diagnosis}"])["grade_rationale"] == grade


@pytest.mark.parametrize(("told", "grade"), [(0, 1), (1, 1), (2, 2), (4, 2), (5, 3), (8, 3), (9, 4), (10, 4)])
def test_grades_of_the_symptoms(plain_record, told, grade):
    fact = plain_record()["facts"][0]
    facts = [{**fact, "id": f"f{place}"} for place in range(10)]
    record = record_from_dict(plain_record(facts=facts))
    view = view_of(record, [[f"f{place}" for place in range(told)]])
    assert metrics(view, plain_score())["grade_symptoms"] == grade


def test_grades_of_the_treatment(record):
    view = view_of(record, [()])
    for met, grade in ((True, 4), (False, 3)):
        assert metrics(view, plain_score("treatment", met))["grade_treatment"] == grade
    assert metrics(view, plain_score("treatment", True, -4))["grade_treatment"] == 1
    assert metrics(view, plain_score("treatment", True, -1))["grade_treatment"] == 3
    assert metrics(view, plain_score("treatment", True, -1, veto=True))["grade_treatment"] == 1


def test_what_cannot_be_measured_is_left_out(plain_record):
    facts = [{**fact, "must_ask": False} for fact in plain_record()["facts"]]
    bare = record_from_dict(plain_record(facts=facts, exams=[]))
    found = metrics(view_of(bare, [()]), plain_score())
    absent = {"must_ask_coverage", "coverage_area", "grade_symptoms", "grade_exams"}
    assert set(found) == set(METRICS) - absent - {"grade_treatment"}
    assert found["efficiency_index"] == 0.0


def test_the_efficiency_index_without_a_treatment_to_plan(record):
    rubric = Rubric("r", (Criterion("a", "t", 4, "clarity"),))
    view = consult(record, ["DIAGNOSIS: gout"]).judge_view()
    found = metrics(view, score(rubric, [Verdict("a", True)]))
    assert found["efficiency_index"] == pytest.approx(1 / (1 + 0.01 * 2))
    partly = plain_score("treatment", False)
    assert metrics(view, partly)["efficiency_index"] == pytest.approx(0.75**2 / 1.02)
    harmful = plain_score("treatment", True, -10)
    assert harmful.axes["treatment"] < 0
    assert metrics(view, harmful)["efficiency_index"] == pytest.approx(0.5**2 / 1.02)


def test_scripts_without_spaces_are_counted_by_their_characters(record):
    turn = Turn("你哪里不舒服? ok", Acts(diagnoses=(Guess("gout"),)), Understanding(), (), (), None, LedgerEntry())
    view = JudgeView(record, Persona("test"), (turn,), Ledger((turn.entry,)), "diagnosis")
    assert metrics(view, plain_score())["efficiency_index"] == pytest.approx(1 / (1 + 0.01 * 8))


def test_penalties_and_weights_change_no_metric(record):
    view = consult(record, GOOD).judge_view()
    rubric = record_rubric(record)
    verdicts = RuleJudge().judge(rubric.criteria, view)
    strict = Scoring("m3", False, {"treatment": 0, "safety": 9}, repeated=9, turn=9, free_turns=0)
    assert metrics(view, score(rubric, verdicts, scoring=strict, view=view)) == metrics(view, score(rubric, verdicts))


def test_the_constants_are_those_of_the_text():
    data = json.loads(resources.files("medenv.rewards").joinpath("metrics.json").read_text("utf-8"))
    assert (data["others"], data["least_probability"], data["horizon"]) == (100, FLOOR, 20)
    assert data["efficiency"] == {"turn": 1.0, "word": 0.01}
    assert all(needed == sorted(needed) for needed in data["grades"].values())


def test_trajectories_and_evaluations_carry_them(tmp_path):
    class Flaky:
        def act(self, view):
            if view.seed % 3 == 0:
                raise OSError("gone")
            return "Any fever?" if view.turn < 2 else "DIAGNOSIS: influenza (0.5)"

    played = rollout(Flaky(), episodes=30, out=tmp_path / "x.jsonl")
    assert {bool(t.metrics) for t in played if not t.valid} == {False}
    valid = [t for t in played if t.valid]
    assert all(set(t.metrics) <= set(METRICS) and "brier" in t.metrics for t in valid)
    assert [Trajectory.from_dict(json.loads(t.to_json())) for t in played] == played
    found = summarise(played).metrics
    for name in METRICS:
        known = [t.metrics[name] for t in valid if name in t.metrics]
        assert found[name] == pytest.approx(math.fsum(known) / len(known))
    result = evaluate("checklist", episodes=12)
    assert result.metrics["must_ask_coverage"] == pytest.approx(result.ledger["must_ask_coverage"])
    assert result.as_dict()["metrics"] == dict(result.metrics)


def test_better_doctors_have_better_metrics():
    oracle, checklist = (evaluate(doctor, episodes=20).metrics for doctor in ("oracle", "checklist"))
    for name in METRICS:
        if name in ("repeated_per_turn", "question_turns"):
            continue
        better = oracle[name] < checklist[name] if name == "brier" else oracle[name] > checklist[name]
        assert better, name
