from __future__ import annotations

import dataclasses

import pytest

from medenv.consultation.disclosure import disclose
from medenv.consultation.ledger import LedgerEntry
from medenv.consultation.questions import Question, QuestionKind, Sign, Understanding
from medenv.personas.persona import Persona
from medenv.records.record import Fact

FACTS = {
    fact.id: fact
    for fact in (
        Fact("v1", "hpi.onset", "Began at noon.", "It began at noon today.", disclosure="volunteered"),
        Fact("v2", "hpi.location", "In the knee.", "It's in my right knee.", disclosure="volunteered"),
        Fact("v3", "hpi.course", "Worsening.", "It's getting worse and worse.", disclosure="volunteered"),
        Fact("a1", "hpi.severity", "Seven of ten.", "I'd give it a seven out of ten."),
        Fact("a2", "ros.skin", "No rash.", "No, I haven't had a rash.", polarity="absent"),
        Fact("t1", "social.alcohol", "A bottle a day.", "I drink a bottle a day.", disclosure="trusted"),
        Fact("n1", "identity", "A name.", "My name is my own business.", sensitivity="identity"),
    )
}
VOLUNTEERED = ("v1", "v2", "v3")


def asking(*ids: str, kind: QuestionKind = "finding", signs: frozenset[Sign] = frozenset()) -> Understanding:
    return Understanding((Question("?", kind, (), ids),), signs)


def told(
    understanding: Understanding, persona: Persona | None = None, *earlier: LedgerEntry
) -> tuple[list[str], list[str]]:
    released, withheld = disclose(understanding, FACTS, persona or Persona("p"), earlier)
    return [fact.id for fact in released], [fact.id for fact in withheld]


def test_what_is_asked_for_is_told() -> None:
    assert told(asking("a1", "v1", "a2")) == (["a1", "v1", "a2"], [])


@pytest.mark.parametrize("kind", ["finding", "topic"])
@pytest.mark.parametrize("sign", ["empathy", "confidentiality"])
def test_a_trusted_fact_waits_for_rapport(kind: QuestionKind, sign: Sign) -> None:
    signs = frozenset((sign,))
    assert told(asking("t1", kind=kind)) == ([], ["t1"])
    assert told(asking("t1", kind=kind, signs=signs)) == (["t1"], [])
    assert told(asking("t1", kind=kind), None, LedgerEntry(signs=signs)) == (["t1"], [])


def test_a_reserved_patient_wants_rapport_in_two_turns() -> None:
    reserved = Persona("p", trust="reserved")
    warm = LedgerEntry(signs=frozenset(("empathy", "confidentiality")))
    asked = asking("t1", signs=frozenset(("empathy",)))
    assert told(asked, reserved) == ([], ["t1"])
    assert told(asking("t1"), reserved, warm) == ([], ["t1"])
    assert told(asked, reserved, warm) == (["t1"], [])
    assert told(asking("t1"), reserved, warm, warm) == (["t1"], [])


@pytest.mark.parametrize("sign", ["greeting", "introduction", "summary", "explanation", "safety_net", "farewell"])
def test_other_signs_are_no_rapport(sign: Sign) -> None:
    assert told(asking("t1", signs=frozenset((sign,)))) == ([], ["t1"])


def test_identity_is_never_told() -> None:
    warm = LedgerEntry(signs=frozenset(("empathy", "confidentiality")))
    assert told(asking("n1", signs=warm.signs), None, warm, warm, warm) == ([], ["n1"])


@pytest.mark.parametrize(
    ("verbosity", "first", "second"),
    [
        ("terse", ["v1"], ["v2"]),
        ("plain", ["v1", "v2"], ["v3"]),
        ("talkative", ["v1", "v2", "v3", "a1"], []),
    ],
)
def test_open_questions_bring_out_what_the_persona_volunteers(
    verbosity: str, first: list[str], second: list[str]
) -> None:
    persona = dataclasses.replace(Persona("p"), verbosity=verbosity)
    invitation = asking(*VOLUNTEERED, kind="open")
    assert told(invitation, persona) == (first, [])
    assert told(invitation, persona, LedgerEntry(disclosed=tuple(first))) == (second, [])


def test_an_open_question_brings_out_nothing_trusted() -> None:
    warm = frozenset[Sign](("empathy",))
    released, _ = told(asking(*VOLUNTEERED, "t1", kind="open", signs=warm), Persona("p", verbosity="talkative"))
    assert "t1" not in released


def test_a_fact_asked_for_twice_is_told_once() -> None:
    twice = Understanding((Question("?", "finding", (), ("a1",)), Question("?", "topic", (), ("a1", "a2"))))
    assert told(twice) == (["a1", "a2"], [])


@pytest.mark.parametrize("kind", ["fishing", "unclear"])
def test_other_questions_and_unknown_ids_bring_out_nothing(kind: QuestionKind) -> None:
    assert told(Understanding((Question("?", kind),))) == ([], [])
    assert told(asking("no-such-fact")) == ([], [])
