"""Example questions: a new one is like those that share its words."""

from __future__ import annotations

import json
from importlib import resources
from math import log, sqrt

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medenv.consultation.examples import Examples, examples
from medenv.consultation.lexicon import lexicon
from medenv.errors import RecordError

DATA = json.loads(resources.files("medenv.consultation").joinpath("examples.json").read_text("utf-8"))
FEW = {
    "open": ["What brings you in?", "How can I help?"],
    "fishing": ["What is your diagnosis?"],
    "topics": {"hpi.onset": ["When did it start?", "Since when have you had it?"], "allergies": ["Any allergies?"]},
    "concepts": {
        "fever": ["Have you been running a temperature?", "Any fever?"],
        "pets": ["Do you keep a dog or a cat?", "Any pets at home?"],
    },
}


def nearest(few: Examples, question: str) -> list[tuple[str, str]]:
    return [label for label, _ in few.nearest(lexicon().words.plain(question))]


def test_the_examples_of_the_package_fit_their_schema() -> None:
    Examples(DATA, lexicon())


def test_no_example_stands_under_two_labels() -> None:
    texts = [*DATA["open"], *DATA["fishing"]]
    texts += [text for group in ("topics", "concepts") for some in DATA[group].values() for text in some]
    assert len({text.lower() for text in texts}) == len(texts)


def test_every_topic_and_concept_has_examples() -> None:
    assert set(lexicon().concepts) == set(DATA["concepts"])


@pytest.mark.parametrize("kind", ["topics", "concepts"])
def test_most_examples_are_most_like_their_own_label(kind: str) -> None:
    one_of_each = [(id, texts[len(texts) // 2]) for id, texts in DATA[kind].items()]
    right = [nearest(examples(), text)[0] == (kind[:-1], id) for id, text in one_of_each]
    assert sum(right) >= 0.95 * len(right)


@pytest.mark.parametrize(
    ("question", "label"),
    [
        ("Do you own a cat?", ("concept", "pets")),
        ("Since when?", ("topic", "hpi.onset")),
        ("Are you running a fever?", ("concept", "fever")),
        ("So what brings you here?", ("open", "")),
    ],
)
def test_a_question_is_like_those_that_share_its_words(question: str, label: tuple[str, str]) -> None:
    assert nearest(Examples(FEW, lexicon()), question)[0] == label


def test_likeness_is_one_for_the_same_words_and_nothing_for_none() -> None:
    few = Examples({**FEW, "concepts": {"pets": ["Any pets at home?"]}}, lexicon())
    assert few.nearest(()) == ()
    assert {likeness for _, likeness in few.nearest(["zzyzx"])} == {0.0}
    label, likeness = few.nearest(lexicon().words.plain("Any pets at home?"))[0]
    assert label == ("concept", "pets")
    assert likeness > 0.5


@given(st.lists(st.sampled_from(["do", "you", "have", "fever", "cough", "when", "it", "pet", "zzyzx"]), max_size=12))
def test_likeness_lies_between_0_and_1_and_no_order_changes_it(words: list[str]) -> None:
    found = examples().nearest(words)
    assert all(0 <= likeness <= 1 + 1e-9 for _, likeness in found)
    assert found == examples().nearest(sorted(words, reverse=True))
    assert [likeness for _, likeness in found] == sorted((likeness for _, likeness in found), reverse=True)


MANY = {
    **FEW,
    "concepts": {
        **FEW["concepts"],
        "pets": [
            "Do you keep a dog or a cat?",
            "Any pets at home?",
            "Have you a dog?",
            "Do you have any pets?",
            "Do you have a cat at home?",
        ],
    },
}
WORDS = sorted({word for texts in MANY["concepts"].values() for text in texts for word in lexicon().words.plain(text)})


def plainly(question: set[str]) -> dict[tuple[str, str], float]:
    """The likeness to each label of `MANY` by the formulas in the words of `Examples`, a label at a time."""
    own = lexicon().words.plain
    labelled = {
        ("open", ""): MANY["open"],
        ("fishing", ""): MANY["fishing"],
        **{("topic", id): texts for id, texts in MANY["topics"].items()},
        **{("concept", id): texts for id, texts in MANY["concepts"].items()},
    }
    words = {label: [set(own(text)) for text in texts] for label, texts in labelled.items()}
    all_ = [each for some in words.values() for each in some]

    def rarity(word: str) -> float:
        found = sum(word in each for each in all_)
        return log((len(all_) + 1) / (found + 1)) + 1 if found else sqrt(0.5) * (log(len(all_) + 1) + 1)

    def telling(word: str) -> float:
        return log((len(words) + 1) / (sum(any(word in each for each in some) for some in words.values()) + 0.5)) ** 2

    def knows(label: tuple[str, str], word: str) -> float:
        times = sum(word in each for each in words[label])
        return times / (times + len(words[label]) / 24)

    def length(some: set[str]) -> float:
        return sqrt(sum(rarity(word) ** 2 for word in some))

    def cosine(each: set[str]) -> float:
        return sum(rarity(word) ** 2 for word in question & each) / length(question) / length(each)

    near = 0.4 * max(map(cosine, all_))
    found = {}
    for label, some in words.items():
        best = sorted((value for each in some if (value := cosine(each)) >= near), reverse=True)
        ranked = sum(share * value for share, value in zip((1, 0.5, 0.25), best, strict=False)) / 1.75
        known = sum(telling(word) * knows(label, word) for word in question) / sum(map(telling, question))
        found[label] = (ranked + known) / 2
    return found


@pytest.mark.parametrize("common", [0, 2, 2000])
@given(question=st.sets(st.sampled_from([*WORDS, "zzyzx"]), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_likeness_is_what_its_formulas_say_however_common_a_word(
    monkeypatch: pytest.MonkeyPatch, common: int, question: set[str]
) -> None:
    monkeypatch.setattr("medenv.consultation.examples._COMMON", common)
    expected = plainly(question)
    found = Examples(MANY, lexicon(), checked=True).nearest(question)
    assert dict(found) == pytest.approx(expected)


@pytest.mark.parametrize(
    "change",
    [{"topics": {"hpi.nonsense": ["x?"]}}, {"concepts": {"nonsense": ["x?"]}}, {"open": []}, {"extra": 1}],
)
def test_wrong_examples_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(RecordError, match=r"examples: field \$"):
        Examples({**FEW, **change}, lexicon())
