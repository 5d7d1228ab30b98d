"""Themes of a rubric: what they name, when they are met, and that each is there for something."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import medenv
from medenv.agents.doctors import doctors
from medenv.agents.patients import patients
from medenv.consultation.episode import Episode, Scenario
from medenv.consultation.playing import play_now
from medenv.consultation.seats import DOCTOR, PATIENT
from medenv.consultation.understanding import reader
from medenv.personas import Persona
from medenv.records import load_records
from medenv.records.record import record_from_dict
from medenv.rewards import Check, RuleJudge, holds, record_rubric
from medenv.rewards.generation.themes import THEME, bearing_on_treatment, danger_signs, protecting, themes
from medenv.testing import cheats

RECORDS = [*load_records("library"), *load_records("synthetic:96")]
FACTS = {"known", "unknown", "heard", "dismissed", "taken_over"}
EXAMS = {"ordered", "tested_first", "untested"}
ACTIONS = {"planned_items", "explained"}
DIAGNOSIS = {"told_diagnosis", "told_kindly"}
KINDS = {
    "safety.signs", "safety.treatment", "safety.watch", "safety.state", "safety.unasked", "safety.untested",
    "history.further", "exam.cheap", "communication.hard", "communication.life", "communication.advice",
    "communication.dismissal", "communication.harm", "communication.news", "clarity.diagnosis", "clarity.answer",
    "clarity.plan", "treatment.harm", "treatment.beyond", "evidence.tests", "evidence.plan", "evidence.needless",
    "evidence.harm", "diagnosis.guess", "exam.bedside", "safety.vital", "safety.advice",
}  # fmt: skip
BLAME = {
    "safety.unasked", "safety.untested", "communication.dismissal", "communication.harm", "treatment.harm",
    "evidence.needless", "evidence.harm", "diagnosis.guess",
}  # fmt: skip


def kind_of(id):
    return id.rstrip("0123456789").rstrip(".")


def themes_of(record):
    return {c.id: c for c in record_rubric(record).criteria if kind_of(c.id) in KINDS}


@pytest.fixture(scope="module")
def library():
    return load_records("library")


@pytest.fixture(scope="module", params=["library", "synthetic:96"])
def played(request):
    """The verdicts of the oracle and of every cheat about the themes of a source."""
    records = load_records(request.param)
    seats = {"oracle": "oracle", **{cheat.id: cheat.doctor for cheat in cheats().values()}}
    return {name: medenv.evaluate(seat, records=records, seed=0) for name, seat in seats.items()}


def met(result, sign):
    lines = [line for episode in result.trajectories for line in episode.score["criteria"]]
    lines = [line for line in lines if kind_of(line["id"]) in KINDS and line["points"] * sign > 0]
    return [line["id"] for line in lines if line["met"]], len(lines)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.id)
def test_what_a_theme_names_is_there_and_is_not_much(record):
    facts = {fact.id: fact.statement for fact in record.facts}
    exams = {exam.id: exam.name for exam in record.exams}
    actions = {item.action: item.action for item in record.truth.plan}
    found = list(themes(record, [f for f in record.facts if f.must_ask or f.red_flag]))
    assert len({criterion.id for criterion in found}) == len(found) <= 34
    for criterion in found:
        check, kind = criterion.check, kind_of(criterion.id)
        assert kind in KINDS
        assert (criterion.points < 0) == (kind in BLAME)
        assert -10 <= criterion.points <= 10
        assert not criterion.veto
        if check.kind == "harmed":
            harms = [harm for harm in record.truth.contraindicated if set(harm.names) <= set(check.of)]
            assert harms
            assert all(harm.action in criterion.text for harm in harms)
            continue
        if check.kind in DIAGNOSIS:
            assert record.truth.diagnosis.name in criterion.text
            continue
        named = facts if check.kind in FACTS else actions if check.kind in ACTIONS else exams
        if check.kind == "cited":
            named = {**facts, **exams}
        assert set(check.of) <= set(named)
        assert 1 <= check.at_least <= len(check.of) <= THEME
        for id in check.of:
            assert named[id].rstrip(".") in criterion.text
        others = [words for id, words in named.items() if id not in check.of and len(words) > 25]
        assert not any(words in criterion.text for words in others)
        several = 1 < check.at_least < len(check.of)
        assert (f"at least {check.at_least} of {len(check.of)}" in criterion.text) == several
        assert ("any of" in criterion.text) == (1 == check.at_least < len(check.of))


def test_every_kind_of_theme_is_made_for_some_record():
    assert {kind_of(id) for record in RECORDS for id in themes_of(record)} == KINDS


def test_every_record_has_the_themes_that_need_nothing_in_particular():
    needed = {"safety.treatment.0", "clarity.diagnosis", "communication.news"}
    assert all(needed <= set(themes_of(record)) for record in RECORDS)


def test_a_record_with_nothing_but_a_diagnosis_has_hardly_a_theme(plain_record):
    bare = record_from_dict(
        plain_record(facts=plain_record()["facts"][2:3], exams=[], truth={"diagnosis": {"name": "gout"}})
    )
    drinks = {"communication.hard", "communication.dismissal.0"}
    assert set(themes_of(bare)) == {"clarity.diagnosis", "communication.news", *drinks}


def test_danger_signs_are_red_flags_first_and_then_reassuring_answers(record):
    facts = (*record.facts, replace(record.facts[1], id="chills", red_flag=False))
    assert [fact.id for fact in danger_signs(replace(record, facts=facts))] == ["fever", "chills"]


def test_what_a_contraindication_speaks_of_comes_before_what_always_counts(record):
    medicine = replace(
        record.facts[3], id="pills", topic="medications", statement="Takes ramipril", lay="I take ramipril."
    )
    unlike = replace(record.facts[0], id="naproxen_once", topic="hpi.context", must_ask=False, statement="Saw naproxen")
    found = bearing_on_treatment(replace(record, facts=(medicine, unlike, *record.facts)))
    assert [fact.id for fact in found] == ["allergy", "pills"]


def test_what_protects_is_no_treatment(library):
    for record in library:
        for item in protecting(record):
            stops = item.action.lower().startswith(("stop", "withhold", "hold", "avoid", "pause", "suspend", "omit"))
            assert item.kind != "medication" or not item.essential or stops


def test_the_oracle_meets_nearly_all_praise_and_no_blame(played):
    done, wanted = met(played["oracle"], 1)
    assert len(done) >= 0.97 * wanted
    assert met(played["oracle"], -1)[0] == []


def test_whoever_only_asks_or_only_talks_has_next_to_nothing(played):
    for name, result in played.items():
        if name != "oracle":
            done, wanted = met(result, 1)
            assert len([id for id in done if not id.startswith("exam.")]) <= 0.1 * wanted, name


def test_history_alone_meets_no_theme(played):
    assert met(played["history-without-diagnosis"], 1)[0] == []


@pytest.mark.parametrize("kind", sorted(KINDS - BLAME))
def test_some_theme_of_each_kind_is_met_by_the_oracle(kind):
    for record in RECORDS[::7]:
        criteria = [c for c in record_rubric(record).criteria if kind_of(c.id) == kind]
        if criteria and any(v.met for v in RuleJudge().judge(criteria, oracle(record))):
            return
    pytest.fail(f"expected a record on which {kind} is met")


def oracle(record):
    episode = Episode(Scenario(record, Persona("test"), 0, 20))
    play_now(episode, {DOCTOR: doctors.get("oracle")().informed(record), PATIENT: patients.get("scripted")()})
    return episode.judge_view()


def consult(record, *messages):
    episode = Episode(Scenario(record, Persona("test"), 1, max_turns=12))
    for message in messages:
        episode.step(DOCTOR, message)
        play_now(episode, {PATIENT: patients.get("scripted")()}, until=DOCTOR)
    return episode.judge_view()


def decided(record, id, *messages):
    (criterion,) = [c for c in record_rubric(record).criteria if c.id == id]
    (verdict,) = RuleJudge().judge([criterion], consult(record, *messages))
    return verdict.met


PLAN = "DIAGNOSIS: gout\nPLAN: colchicine"


@pytest.mark.parametrize(
    ("id", "yes", "no"),
    [
        ("safety.signs.0", ["Any fever?", PLAN], ["Any fever?"]),
        ("safety.treatment.0", ["Any allergies?", PLAN], [f"Any allergies?\n{PLAN}"]),
        ("safety.unasked", [PLAN], ["DIAGNOSIS: gout"]),
        ("safety.state.0", ["ORDER: vital signs", PLAN], [f"ORDER: vital signs\n{PLAN}"]),
        ("safety.untested", [PLAN], ["ORDER: serum urate; joint aspiration", PLAN]),
        ("exam.bedside", ["ORDER: vital signs", PLAN], [f"ORDER: vital signs\n{PLAN}"]),
        ("exam.cheap", ["ORDER: serum urate"], ["ORDER: MRI knee"]),
        ("evidence.needless", ["ORDER: MRI knee"], ["ORDER: serum urate"]),
        ("treatment.beyond.0", ["DIAGNOSIS: gout\nPLAN: alcohol reduction"], [PLAN]),
        ("communication.hard", ["I'm so sorry to hear that. How much alcohol do you drink?"],
         ["What you say is confidential. How much alcohol do you drink?"]),
        ("communication.dismissal.0",
         ["I'm so sorry to hear that. How much alcohol do you drink?", "You should be ashamed."],
         ["I'm so sorry to hear that. How much alcohol do you drink?", "Nobody should be ashamed of that."]),
        ("clarity.diagnosis", ["This is gout.\nDIAGNOSIS: gout"], ["This is not gout.\nDIAGNOSIS: gout"]),
    ],
)  # fmt: skip
def test_a_theme_is_met_when_and_only_when(record, id, yes, no):
    assert decided(record, id, *yes)
    assert not decided(record, id, *no)
    assert not decided(record, id)


@pytest.mark.parametrize(
    ("theme", "id", "harm"),
    [
        ("communication.harm", "lib-38", "reassurance that period pain is normal"),
        ("treatment.harm", "lib-39", "waiting for the swab results before treatment"),
        ("evidence.harm", "lib-21", "prophylactic antibiotics"),
    ],
)
def test_harm_by_words_by_deeds_and_without_reason(library, theme, id, harm):
    (record,) = [record for record in library if record.id == id]
    assert decided(record, theme, f"DIAGNOSIS: x\nPLAN: {harm}")
    assert not decided(record, theme, "DIAGNOSIS: x\nPLAN: rest")


@pytest.mark.parametrize("id", ["safety.vital", "safety.advice", "evidence.plan"])
def test_a_theme_of_the_plan_is_met_by_its_actions_alone(library, id):
    for record in library:
        for criterion in record_rubric(record).criteria:
            if criterion.id == id:
                assert decided(record, id, plan_of(criterion.check.of))
                assert not decided(record, id, plan_of(["a walk in the park"]))


def test_only_who_is_in_danger_has_a_treatment_that_cannot_wait(library):
    calm = {record.id for record in library if record.truth.urgency == "routine"}
    assert calm
    assert all("safety.vital" not in themes_of(record) for record in library if record.id in calm)


def plan_of(actions):
    return f"DIAGNOSIS: x\nPLAN: {'; '.join(action.replace(';', ',') for action in actions)}"


def test_a_wrong_guess_that_is_taken_over(plain_record):
    guess = {"id": "guess", "topic": "ideas", "statement": "Thinks it is a sprain", "lay": "I think I sprained it."}
    record = record_from_dict(plain_record(facts=[*plain_record()["facts"], guess]))
    assert decided(record, "diagnosis.guess", "DIAGNOSIS: sprain")
    assert not decided(record, "diagnosis.guess", "DIAGNOSIS: fracture; sprain")


def test_worries_are_answered_in_the_closing_words(plain_record):
    fear = {
        "id": "fear",
        "topic": "concerns",
        "statement": "Afraid of losing the leg",
        "lay": "I fear I'll lose my leg.",
    }
    record = record_from_dict(plain_record(facts=[*plain_record()["facts"], fear]))
    asked = "Is there anything in particular that worries you?"
    assert decided(record, "clarity.answer", asked, "You are afraid of losing the leg.\nDIAGNOSIS: gout")
    assert not decided(record, "clarity.answer", "You are afraid of losing the leg.\nDIAGNOSIS: gout")
    assert not decided(record, "clarity.answer", asked, "I am not worried.\nDIAGNOSIS: gout")


DISMISSIVE = [
    "Pull yourself together.", "You need to snap out of it!", "It's all in your head.", "This is all in your head.",
    "You'll just have to put up with it.", "You just have to live with it.", "You are overreacting.",
    "You're making such a fuss.", "Stop crying.", "Don't be so silly.", "There is nothing wrong with you.",
    "You're wasting my time.", "Other people have it worse.", "It is your own fault.", "You should be ashamed.",
    "Man up.", "Cheer up!", "You're imagining things.", "That's just part of being a woman.", "Get over it.",
]  # fmt: skip
CARING = [
    "It is not all in your head.", "You don't have to put up with it.", "Are you crying a lot?",
    "You are not making a fuss.", "It's nothing to be ashamed of.", "It is not your own fault.",
    "How do you get on with it?", "How long did you put up with it?", "Do you have to live with it every day?",
    "Could he snap out of it when you called him?", "Nobody thinks you are imagining it.", "You are tired, I can see.",
    "There may be something wrong with your heart.", "What do you expect from us?", "Do you worry a lot?",
    "Is there anyone with you at home?", "When did you get over it last time?", "I have time for this.",
]  # fmt: skip


@pytest.mark.parametrize("said", DISMISSIVE)
def test_words_that_brush_off(record, said):
    assert "dismissal" in reader(record.facts).read(said).signs


@pytest.mark.parametrize("said", CARING)
def test_words_that_do_not(record, said):
    assert "dismissal" not in reader(record.facts).read(said).signs


@pytest.mark.parametrize(
    "said", ["Do you have any questions?", "Does that make sense?", "Can you tell me back in your own words?"]
)
def test_words_that_check_back(record, said):
    understood = reader(record.facts).read(said)
    assert "teach_back" in understood.signs
    assert not any(question.kind == "fishing" for question in understood.questions)


@given(st.text(max_size=300), st.sampled_from(sorted(FACTS | EXAMS | ACTIONS | DIAGNOSIS | {"checked_back"})))
def test_words_alone_meet_no_praise(plain_record, text, kind):
    """Whatever is said in front of a closing, a doctor that asked and ordered nothing knows and has heard nothing."""
    if kind in ("unknown", "ordered", "told_diagnosis", "told_kindly", "planned_items"):
        return
    record = record_from_dict(plain_record())
    of = tuple(fact.id for fact in record.facts)
    said = text.replace("\n", " ").replace("<", " ")
    view = consult(record, f". {said}\nDIAGNOSIS: x")
    told = {fact for turn in view.turns for fact in turn.entry.disclosed} | {
        r.exam for t in view.turns for r in t.results
    }
    if not told:
        assert not holds(Check(kind, of), view)
