from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medenv.consultation.hearing import heard
from medenv.consultation.ledger import LedgerEntry
from medenv.consultation.mood import mood_after
from medenv.consultation.questions import Question, Understanding
from medenv.personas import Persona, personas

MOODS = ("calm", "uneasy", "distressed")
WARM = LedgerEntry(signs=frozenset(("empathy", "explanation")))
HARSH = LedgerEntry(unheard=3, repeated=("a", "b"), fishing=1)
ENTRIES = st.builds(
    LedgerEntry,
    unheard=st.integers(0, 70),
    jargon=st.integers(0, 8),
    fishing=st.integers(0, 16),
    repeated=st.lists(st.sampled_from("abc"), max_size=4).map(tuple),
    signs=st.frozensets(st.sampled_from(["empathy", "confidentiality", "explanation", "safety_net", "greeting"])),
)


@given(st.integers(0, 70), st.integers(1, 8))
def test_what_exceeds_the_patience_is_only_counted(count: int, patience: int) -> None:
    questions = tuple(Question(str(n), "finding") for n in range(count))
    kept, unheard = heard(Understanding(questions, frozenset(("greeting",))), Persona("p", patience=patience), "calm")
    assert kept == Understanding(questions[:patience], frozenset(("greeting",)))
    assert unheard == max(0, count - patience)


def test_distress_costs_patience_but_never_all_of_it() -> None:
    questions = Understanding(tuple(Question(str(n), "finding") for n in range(6)))
    assert heard(questions, Persona("p", patience=4), "distressed")[1] == 3
    assert heard(questions, Persona("p", patience=1), "distressed")[1] == 5


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("any orthopnoea", False),
        ("Have you had HAEMATURIA?", False),
        ("have you been short of breath", True),
        ("is the oedemata gone", True),
    ],
)
def test_clinical_words_pass_by_whoever_does_not_know_them(text: str, known: bool) -> None:
    understanding = Understanding((Question(text, "finding", (), ("f",)),))
    for persona in (Persona("p", health_literacy="low"), Persona("p", language_level="A2")):
        (question,) = heard(understanding, persona, "calm")[0].questions
        assert (question.kind, question.facts) == (("finding", ("f",)) if known else ("jargon", ()))
    assert heard(understanding, Persona("p"), "calm")[0] == understanding


@pytest.mark.parametrize("id", list(personas))
def test_warmth_eases_and_harshness_upsets_every_persona(id: str) -> None:
    persona = personas.get(id)
    assert mood_after(persona, [WARM] * 8) == "calm"
    assert mood_after(persona, [HARSH] * 8) == "distressed"


@given(st.lists(ENTRIES, max_size=12), st.sampled_from(list(personas)))
def test_moods_follow_from_the_ledger_alone(entries: list[LedgerEntry], id: str) -> None:
    persona = personas.get(id)
    mood = mood_after(persona, entries)
    assert mood in MOODS
    assert mood_after(persona, tuple(entries)) == mood
    assert MOODS.index(mood_after(persona, [*entries, WARM])) <= MOODS.index(mood)
    assert MOODS.index(mood_after(persona, [*entries, HARSH])) >= MOODS.index(mood)


def test_feeling_types_mind_warmth_and_thinking_types_reasons() -> None:
    def turns(personality: str, sign: str) -> int:
        persona, entry = Persona("p", tone="tearful", personality=personality), LedgerEntry(signs=frozenset((sign,)))
        return next(n for n in range(1, 40) if mood_after(persona, [entry] * n) == "calm")

    assert turns("ENFP", "empathy") < turns("ENTP", "empathy")
    assert turns("ENTP", "explanation") < turns("ENFP", "explanation")
