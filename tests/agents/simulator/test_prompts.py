"""The prompts: two languages of the same form, and files of one's own."""

from __future__ import annotations

import re
import tomllib
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medenv.agents.backends.prompts import load_prompts, unforged
from medenv.agents.patients.phrases import phrases
from medenv.agents.patients.simulator.prompts import PACKAGE, echoed_in
from medenv.errors import MedenvError
from medenv.records import load_records


def shipped(language: str) -> str:
    return resources.files(PACKAGE).joinpath(f"prompts.{language}.toml").read_text("utf-8")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_ships_is_whole(language):
    prompts = load_prompts(PACKAGE, language)
    assert prompts.language == language
    empty = {name for name, text in prompts.texts.items() if not text.strip()}
    assert all(name.startswith("persona.") for name in empty)


def test_chinese_prompts_are_in_chinese():
    english = load_prompts(PACKAGE, "en").texts
    for name, text in load_prompts(PACKAGE, "zh").texts.items():
        if re.search(r"[^\W\d_]", re.sub(r"\$\w+", "", text)):
            assert any("\u4e00" <= character <= "\u9fff" for character in text), name
            assert text != english[name]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('language = "en"', "", "language"),
        ('after = "', 'afterwards = "', "after"),
        ("$persona", "", "patient.system"),
        ("$claims", "$claims $record", "check.ask"),
        ("[note]", "[note", "expected 'en', 'zh' or"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path, old, new, said):
    path = tmp_path / "mine.toml"
    text = shipped("en")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(MedenvError, match=said):
        load_prompts(PACKAGE, path)


def test_a_file_of_ones_own_has_its_own_digest(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(shipped("en").replace("everyday words", "plain words"), "utf-8")
    assert load_prompts(PACKAGE, path).digest != load_prompts(PACKAGE, "en").digest
    assert load_prompts(PACKAGE, str(path)).texts["patient.system"].count("plain words") == 1


def test_no_such_prompts():
    with pytest.raises(MedenvError, match=r"expected 'en', 'zh' or a \.toml file of prompts, got 'klingon'"):
        load_prompts(PACKAGE, "klingon")


@given(st.text())
def test_nothing_that_is_filled_in_is_read_again_or_forges_a_border(text):
    prompts = load_prompts(PACKAGE, "en")
    filled = prompts.fill("patient.turn", doctor=unforged(text), note="N")
    assert filled.count("[") == filled.count("]") == 1
    assert "<" not in filled
    assert len(unforged(text)) == len(text)


def test_values_that_look_like_names_stay_as_they_are():
    filled = load_prompts(PACKAGE, "en").fill("patient.turn", doctor="$note ${note} $$", note="secret")
    assert filled.count("secret") == 1
    assert "$note ${note} $$" in filled


@pytest.mark.parametrize("language", ["en", "zh"])
def test_instructions_read_out_are_known_and_nothing_else_is(language):
    prompts = load_prompts(PACKAGE, language)
    assert echoed_in(prompts.texts["situations.fishing"], prompts)
    assert echoed_in(prompts.texts["patient.system"], prompts)
    assert not any(echoed_in(phrase, prompts) for phrase in phrases())
    assert not any(echoed_in(fact.lay, prompts) for record in load_records() for fact in record.facts)


def test_every_persona_value_has_its_words():
    tables = tomllib.loads(shipped("en"))["persona"]
    schema = resources.files("medenv.personas").joinpath("persona.schema.json").read_text("utf-8")
    for field, values in tables.items():
        assert f'"{field}"' in schema
        assert field == "personality" or all(f'"{value}"' in schema for value in values)
