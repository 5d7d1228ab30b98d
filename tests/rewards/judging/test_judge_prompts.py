"""The judge's prompts: two languages of the same form."""

from __future__ import annotations

from importlib import resources

import pytest

from medenv.agents.backends.prompts import load_prompts
from medenv.errors import MedenvError
from medenv.rewards.judging.questions import PACKAGE


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_ships_is_whole(language):
    prompts = load_prompts(PACKAGE, language)
    assert prompts.language == language
    assert all(text.strip() for text in prompts.texts.values())


def test_chinese_prompts_are_in_chinese():
    english = load_prompts(PACKAGE, "en").texts
    for name, text in load_prompts(PACKAGE, "zh").texts.items():
        assert any("\u4e00" <= character <= "\u9fff" for character in text), name
        assert text != english[name]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("$criteria", "", "met.several"),
        ("$code", "$code $truth", "met.one"),
        ("[happened]", "[harm]", "harm|happened"),
        ('user = "patient"', 'user = ""', "speakers.user"),
        ("$number", "", "about.response"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path, old, new, said):
    text = resources.files(PACKAGE).joinpath("prompts.en.toml").read_text("utf-8")
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(MedenvError, match=said):
        load_prompts(PACKAGE, path)


def test_templates_ask_of_merits_and_of_faults_in_words_of_their_own():
    for language in ("en", "zh"):
        texts = load_prompts(PACKAGE, language).texts
        for form in ("one", "several"):
            assert texts[f"met.{form}"] != texts[f"happened.{form}"]
        assert '"happened"' in texts["answer.happened"]
        assert '"met"' in texts["answer.met"]
