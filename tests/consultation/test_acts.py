import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medenv.consultation.acts import MAX_ITEMS, Guess, clean, parse


def call(name, **arguments):
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


def test_speech_and_commands_are_told_apart():
    acts = parse(
        "I'd like some tests.\nORDER: 12-lead ECG; troponin\n"
        "diagnosis: acute inferior myocardial infarction (0.8); pericarditis (0.1)\n"
        "  Plan: aspirin 300 mg; urgent coronary angiography\nREFER: cardiology\nThank you."
    )
    assert acts.speech == "I'd like some tests.\nThank you."
    assert acts.orders == ("12-lead ECG", "troponin")
    assert acts.diagnoses == (Guess("acute inferior myocardial infarction", 0.8), Guess("pericarditis", 0.1))
    assert acts.plan == ("aspirin 300 mg", "urgent coronary angiography")
    assert acts.referrals == ("cardiology",)
    assert acts.malformed == ()


def test_tool_calls_are_the_same_acts():
    said = parse("Hello.\nORDER: ECG\nPLAN: rest\nREFER: ENT\nDIAGNOSIS: cold (0.5); flu")
    called = parse(
        call("say", text="Hello.")
        + call("order", tests=["ECG"])
        + call("plan", actions=["rest"])
        + call("refer", department="ENT")
        + call("diagnose", diagnoses=[{"name": "cold", "probability": 0.5}, {"name": "flu"}])
    )
    assert said == called


@pytest.mark.parametrize(
    "message",
    [
        "DIAGNOSIS:", "ORDER: ;;", "DIAGNOSIS: x (nan)", "DIAGNOSIS: x (1e309)", "DIAGNOSIS: x (-0.1)",
        "DIAGNOSIS: x (120%)", "DIAGNOSIS: x (0.9); y (0.9)", "DIAGNOSIS: " + "; ".join(f"d{i}" for i in range(500)),
        "<tool_call>{not json}</tool_call>", "<tool_call>[]</tool_call>", call("order", tests="ECG"), call("order"),
        call("diagnose", diagnoses=[{"name": "x", "probability": True}]), call("diagnose", diagnoses=[3]),
        call("operate", on="knee"), call("refer", department=7), call("say", text=None),
        '<tool_call>{"name": "diagnose", "arguments": {"diagnoses": [{"name": "x", "probability": NaN}]}}</tool_call>',
        '<tool_call>{"name": "diagnose", "arguments": {"diagnoses": [{"name": "x", "probability": 1e309}]}}</tool_call>',
        "<tool_call>" + "[" * 5000 + "</tool_call>", "ORDER: " + "x" * 300,
    ],
)  # fmt: skip
def test_malformed_commands_do_nothing_and_say_what_was_expected(message):
    acts = parse(message)
    assert (acts.orders, acts.diagnoses, acts.plan, acts.referrals) == ((), (), (), ())
    assert len(acts.malformed) == 1
    assert "expected" in acts.malformed[0]
    assert "got" in acts.malformed[0]


def test_a_bracket_that_is_no_probability_belongs_to_the_name():
    assert parse("DIAGNOSIS: diabetes mellitus (type two)").diagnoses == (Guess("diabetes mellitus (type two)"),)


def test_percentages_are_probabilities():
    assert parse("DIAGNOSIS: asthma (80%)").diagnoses == (Guess("asthma", 0.8),)


def test_a_command_inside_a_sentence_is_speech():
    assert parse("In order: first rest.").orders == ()
    assert parse("My plan: none of your business").plan == ()


@given(st.text())
def test_any_text_parses_and_parses_the_same(message):
    assert parse(message) == parse(message)


@given(st.text(alphabet=st.characters()), st.integers(0, 50))
def test_clean_text_is_playable(message, limit):
    text, cut = clean(message, limit)
    assert len(text) <= limit
    assert cut == max(0, len(message) - limit)
    text.encode("utf-8")
    assert not any(ord(c) < 32 and c not in "\t\n" for c in text)


@given(st.lists(st.text(alphabet="abc ", min_size=1).filter(str.strip), min_size=1, max_size=MAX_ITEMS))
def test_items_survive(items):
    expected = tuple(" ".join(item.split()) for item in items)
    assert parse("ORDER: " + ";".join(items)).orders == expected
    assert parse(call("order", tests=items)).orders == expected
