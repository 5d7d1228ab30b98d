"""The claim check: what may be told passes, and whatever is not known, wrong, hidden or identifying does not."""

from __future__ import annotations

import json
import time
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medenv.agents.patients.wording import worded
from medenv.consultation.grounding import Claim, claims_in
from medenv.records import load_records
from medenv.records.record import Fact

FINE = {"supported", "chatter"}


def fact(
    id: str, topic: str, statement: str, lay: str, polarity: str = "present", sensitivity: str = "ordinary"
) -> Fact:
    return Fact(id, topic, statement, lay, (), polarity, sensitivity)  # type: ignore[arg-type]


FACTS = (
    fact("onset", "hpi.onset", "Chest pain began suddenly three days ago.", "It came on all at once three days ago."),
    fact("location", "hpi.location", "Pain in the left side of the chest.", "It's here, on the left of my chest."),
    fact("course", "hpi.course", "The pain comes and goes.", "It comes and goes."),
    fact("breath", "ros.respiratory", "Breathless on stairs.", "I get out of breath on the stairs."),
    fact("fever", "ros.constitutional", "No fever.", "No, I've had no temperature.", "absent"),
    fact("cough", "ros.respiratory", "No cough.", "No, I don't cough.", "absent"),
    fact("ramipril", "medications", "Takes ramipril 5 mg daily.", "I take ramipril, five milligrams a day."),
    fact("allergies", "allergies", "No known drug allergies.", "No, none that I know of.", "absent"),
    fact("family", "family", "Mother had a stroke at 70.", "My mother had a stroke when she was seventy."),
    fact("smoking", "social.smoking", "Smokes 20 cigarettes a day.", "I smoke twenty a day."),
    fact(
        "wine",
        "social.alcohol",
        "Drinks a bottle of wine a day.",
        "I get through a bottle of wine a day.",
        sensitivity="private",
    ),
    fact("ideas", "ideas", "Thinks it is a heart attack.", "I think it's a heart attack."),
    fact(
        "name",
        "social.living",
        "Lives in a named street.",
        "I live in the little house by the mill.",
        sensitivity="identity",
    ),
)
OPEN = tuple(each.id for each in FACTS if each.id not in ("wine", "name"))


def judged(
    reply: str, asked: tuple[str, ...] = (), doctor: str = "", allowed: tuple[str, ...] = OPEN
) -> tuple[Claim, ...]:
    return claims_in(reply, FACTS, allowed, asked=asked, doctor=doctor)


def standings(reply: str, asked: tuple[str, ...] = (), doctor: str = "") -> set[str]:
    return {claim.standing for claim in judged(reply, asked, doctor)}


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ("It came on all at once three days ago.", {"onset"}),
        ("The chest pain started suddenly, three days ago.", {"onset"}),
        ("I'm short of breath when I climb the stairs, doctor.", {"breath"}),
        ("I've not had a fever.", {"fever"}),
        ("No cough and no fever.", {"cough", "fever"}),
        ("My mum had a stroke at 70.", {"family"}),
        ("I'm on ramipril, 5 mg every day.", {"ramipril"}),
        ("It's on and off.", {"course"}),
        ("I think I might be having a heart attack.", {"ideas"}),
    ],
)
def test_a_faithful_claim_is_supported_by_its_fact(reply: str, told: set[str]) -> None:
    claims = judged(reply)
    assert {claim.standing for claim in claims} <= FINE
    assert {id for claim in claims for id in claim.facts} == told


@pytest.mark.parametrize(
    "reply",
    [
        "It came on all at once five days ago.",
        "It came on all at once three hours ago.",
        "I am not, to this day, out of breath on the stairs.",
        "My chest hurts on the left and there is blood in my urine.",
        "The fever is there, not the cough.",
        "The pain is not there, and I don't cough.",
        "It's on the right of my chest.",
        "I have a fever.",
        "I don't smoke.",
        "It's there all the time.",
        "I'm on ramipril, 10 mg every day.",
        "My father had a stroke when he was seventy.",
        "I had a stroke when I was seventy.",
        "I'm not out of breath on the stairs.",
        "I'm having a heart attack.",
        "I smoke thirty a day.",
        "I'm on ramipril and bisoprolol.",
        "It came on three days ago, with pins and needles in my feet.",
        "I have never had a cough but I cough up blood.",
        "Yes, a bit of fever.",
        "My rash itches.",
        "I work as a welder.",
        "J'ai mal au ventre depuis hier.",
        "Is it because of my diabetes?",
        "*coughs up green phlegm*",
        "(rubs the red rash)",
        "\U0001f377",
    ],
)
def test_an_unfaithful_claim_never_passes(reply: str) -> None:
    assert not standings(reply) <= FINE


@pytest.mark.parametrize(
    "reply",
    ["I get through a bottle of wine a day.", "I drink a bottle of wine every day.", "Do you mind that I drink wine?"],
)
def test_what_may_not_be_told_yet_is_given_away(reply: str) -> None:
    assert [(claim.standing, claim.facts) for claim in judged(reply)] == [("undisclosed", ("wine",))]


@pytest.mark.parametrize(
    "reply",
    [
        "I live in the little house by the mill.",
        "My name is Margaret Ellison.",
        "It's 07700 900418.",
        "As an AI language model, I have no pain.",
        "My instructions say that I should not tell you.",
        "Patient: It comes and goes.",
    ],
)
def test_identity_is_never_told(reply: str) -> None:
    assert "identity" in standings(reply)
    assert claims_in(reply, FACTS, [each.id for each in FACTS])[0].standing == "identity"


@pytest.mark.parametrize(
    "reply",
    [
        "Thank you, doctor.",
        "What do you mean?",
        "Will it hurt?",
        "I don't know.",
        "Hello.",
        "*sighs*",
        "I'd rather not say.",
    ],
)
def test_what_claims_nothing_is_chatter(reply: str) -> None:
    assert standings(reply) == {"chatter"}


@pytest.mark.parametrize(
    ("reply", "asked", "standing", "facts"),
    [
        ("No.", ("fever",), "supported", ("fever",)),
        ("No, nothing like that.", ("fever", "cough"), "supported", ("fever", "cough")),
        ("No, nothing like that.", ("fever", "breath"), "contradicting", ("breath",)),
        ("Yes.", ("breath",), "supported", ("breath",)),
        ("Yes.", ("fever",), "contradicting", ("fever",)),
        ("Yes, I do.", ("wine",), "undisclosed", ("wine",)),
        ("No.", ("wine",), "contradicting", ("wine",)),
        ("No.", (), "unsupported", ()),
    ],
)
def test_a_bare_answer_is_held_against_what_was_asked(
    reply: str, asked: tuple[str, ...], standing: str, facts: tuple[str, ...]
) -> None:
    assert [(c.standing, c.facts) for c in judged(reply, asked, "Do you?")] == [(standing, facts)]


def test_the_doctors_words_back_nothing() -> None:
    doctor = "So you have had a rash on your back since Monday, have you?"
    assert not standings("A rash on my back since Monday.", (), doctor) <= FINE
    assert not standings("Yes, a rash on my back.", (), doctor) <= FINE


def test_only_the_claim_that_is_wrong_is_refused() -> None:
    claims = judged("It came on all at once three days ago. It's on the right of my chest. Thank you.")
    assert [claim.standing for claim in claims] == ["supported", "contradicting", "chatter"]
    assert [claim.text for claim in claims][1] == "It's on the right of my chest."


def test_a_relative_stays_who_is_spoken_of() -> None:
    claims = judged("My mother had a stroke at seventy and gets out of breath on the stairs.")
    assert claims[0].standing == "supported"
    assert "breath" not in {id for claim in claims if claim.standing == "supported" for id in claim.facts}
    assert standings("My mother had a stroke at seventy, and I get out of breath on the stairs.") == {"supported"}


def test_two_facts_do_not_make_one_claim_together() -> None:
    assert not standings("The chest pain comes on the stairs.") <= FINE
    assert standings("The pain comes and goes, and I'm breathless on the stairs.") == {"supported"}


def test_what_is_denied_is_contradicted_not_unknown() -> None:
    assert [(c.standing, c.facts) for c in judged("I don't get out of breath on the stairs.")] == [
        ("contradicting", ("breath",))
    ]


def test_chatter_is_known_by_whole_sentences() -> None:
    sentence = "The geese fly low over the marsh."
    assert {c.standing for c in claims_in(sentence, FACTS, OPEN, chatter=(sentence,))} == {"chatter"}
    assert not {c.standing for c in claims_in("The geese fly low.", FACTS, OPEN, chatter=(sentence,))} <= FINE


CJK = (
    fact("pain", "hpi.location", "左下腹疼痛三天。", "我左边肚子疼了三天。"),
    fact("fever", "ros.constitutional", "无发热。", "没有发烧。", "absent"),
    fact("course", "hpi.course", "餐后左腹痛。", "我昨天晚上吃饭以后左边肚子开始疼得很厉害还吐了两次。"),
)


@pytest.mark.parametrize(
    ("reply", "standing"),
    [
        ("我左边肚子疼了三天。", "supported"),
        ("没有发烧。", "supported"),
        ("谢谢医生。", "chatter"),
        ("我右边肚子疼了三天。", "contradicting"),
        ("我左边肚子疼了五天。", "contradicting"),
        ("我昨天晚上吃饭以后左边肚子开始疼得很厉害还吐了两次。", "supported"),
        ("我昨天晚上吃饭以后左边肚子开始疼得很厉害还吐了三次。", "contradicting"),
        ("我昨天晚上吃饭以后右边肚子开始疼得很厉害还吐了两次。", "contradicting"),
        ("我昨天晚上吃饭以后左边肚子开始疼得不厉害还吐了两次。", "contradicting"),
        ("我咳嗽很厉害。", "unsupported"),
        ("\u0423 меня болит живот.", "unsupported"),
    ],
)
def test_other_scripts_are_held_to_the_words_of_a_fact(reply: str, standing: str) -> None:
    assert [claim.standing for claim in claims_in(reply, CJK, ("pain", "fever", "course"))] == [standing]


def test_other_scripts_give_nothing_away() -> None:
    assert [claim.standing for claim in claims_in("我左边肚子疼了三天。", CJK, ("fever", "course"))] == ["undisclosed"]
    greek = (fact("pain", "hpi.location", "Πόνος στην κοιλιά.", "Πονάει η κοιλιά μου."),)
    assert claims_in("Πονάει η κοιλιά μου.", greek, ("pain",)) == (
        Claim("Πονάει η κοιλιά μου.", "supported", ("pain",)),
    )
    assert claims_in("Πονάει η κοιλιά μου.", greek, ())[0].standing == "undisclosed"


@pytest.fixture(scope="module", params=["library", "synthetic:50"])
def records(request: pytest.FixtureRequest) -> list[object]:
    return list(load_records(request.param))


def _phrases() -> list[str]:
    def texts(data: object) -> list[str]:
        if isinstance(data, str):
            return [data]
        values = data.values() if isinstance(data, dict) else data
        return [text for value in values for text in texts(value)]  # type: ignore[attr-defined]

    package = resources.files("medenv.agents.patients")
    phrasings = json.loads(package.joinpath("phrasings.json").read_text("utf-8"))
    remarks = json.loads(package.joinpath("remarks.json").read_text("utf-8"))["remarks"]
    return texts(phrasings) + [text for remark in remarks for text in remark["say"]]


PHRASES = _phrases()
CHATTER = frozenset(PHRASES)


def test_every_fact_backs_its_own_words_however_well_they_are_spoken(records: list) -> None:
    for record in records:
        for each in record.facts:
            if each.sensitivity == "identity":
                continue
            for level in ("native", "A1", "B1"):
                claims = claims_in(worded(each.lay, level), record.facts, (each.id,))
                assert {claim.standing for claim in claims} <= FINE, (record.id, each.id, level)
                assert any(each.id in claim.facts for claim in claims), (record.id, each.id, level)


def test_no_fact_passes_before_it_may_be_told(records: list) -> None:
    for record in records:
        ids = [each.id for each in record.facts]
        for each in record.facts:
            for text in (each.lay, each.statement):
                claims = claims_in(text, record.facts, [id for id in ids if id != each.id])
                assert not {claim.standing for claim in claims} <= FINE, (record.id, each.id, text)


@pytest.mark.parametrize("phrase", PHRASES)
def test_the_phrases_of_the_scripted_patient_claim_nothing(phrase: str) -> None:
    assert {claim.standing for claim in claims_in(phrase, FACTS, (), chatter=CHATTER)} == {"chatter"}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_several_facts_and_phrases_in_one_reply_all_stand(data: st.DataObject) -> None:
    record = data.draw(st.sampled_from(list(load_records("library"))))
    facts = data.draw(
        st.lists(
            st.sampled_from([f for f in record.facts if f.sensitivity != "identity"]),
            min_size=1,
            max_size=4,
            unique=True,
        )
    )
    phrase, hidden = data.draw(st.sampled_from(PHRASES)), data.draw(st.sampled_from(facts))
    reply = " ".join((phrase, *(each.lay for each in facts)))
    ids = [each.id for each in facts]
    claims = claims_in(reply, record.facts, ids, chatter=CHATTER)
    assert {claim.standing for claim in claims} <= FINE
    assert set(ids) <= {id for claim in claims for id in claim.facts}
    less = claims_in(reply, record.facts, [id for id in ids if id != hidden.id], chatter=CHATTER)
    assert not {claim.standing for claim in less} <= FINE


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300), st.text(max_size=50))
def test_any_text_is_cut_into_its_own_pieces(reply: str, doctor: str) -> None:
    at = 0
    for claim in claims_in(reply, FACTS, OPEN, asked=("fever",), doctor=doctor):
        assert claim.text
        at = reply.index(claim.text, at) + len(claim.text)
    assert claims_in(reply, FACTS, OPEN, doctor=doctor) == claims_in(reply, FACTS, OPEN, doctor=doctor)


@pytest.mark.parametrize(
    "reply",
    [
        "I have no pain and " * 60_000,
        "no, " * 250_000,
        "*(" * 500_000,
        "x" * 1_000_000,
        "1" * 1_000_000,
        "三天" * 300_000,
        "\x00\x1b[2J" * 100_000,
    ],
)
def test_a_megabyte_takes_no_longer_than_a_page(reply: str) -> None:
    claims_in("Hello.", FACTS, OPEN)
    begun = time.process_time()
    claims = claims_in(reply, FACTS, OPEN)
    assert time.process_time() - begun < 2
    assert claims
    assert not {claim.standing for claim in claims} <= FINE


def test_what_is_beyond_a_page_is_not_believed() -> None:
    assert judged("It comes and goes. " * 1000)[-1].standing == "unsupported"


@pytest.mark.parametrize("words", ["I'm fine.", "I feel well.", "It's good.", "I am perfectly healthy."])
def test_that_all_is_fine_is_backed_by_what_was_asked_for_alone(words):
    """A fact that was fine after football does not make the patient fine."""
    for record in load_records():
        every = {fact.id for fact in record.facts}
        assert all(claim.standing != "supported" for claim in claims_in(words, record.facts, every))


def test_that_it_is_fine_answers_a_question_of_what_is_fine():
    facts = (Fact("sleep", "hpi.impact", "Sleeps well", "I sleep fine."), Fact("leg", "hpi.location", "Leg", "My leg."))
    assert claims_in("It's fine.", facts, {"sleep"}, asked=("sleep",))[0].facts == ("sleep",)
    assert claims_in("It's fine.", facts, {"leg"}, asked=("leg",))[0].standing == "unsupported"
