"""Context: whether words with a capital are a medical term, a drug, a month, or a name after all."""

from __future__ import annotations

import re
from functools import cache

from medenv.records.identifier_rules import UPPER, listed, vocabulary

__all__ = ["in_a_term", "is_drug", "is_foreign", "is_known", "is_month_or_day"]


def in_a_term(text: str, start: int, end: int) -> bool:
    """Whether words are part of a medical term or the name of a thing, such as Patrick's test or Earl Grey."""
    if _after().match(text, end) or _before().search(text, max(0, start - 20), start):
        return True
    if start > 1 and text[start - 1] == "-" and text[start - 2].isalpha():
        return True
    return any(m.start() <= start < m.end() for m in _terms().finditer(text, max(0, start - 40), end + 40))


@cache
def _after() -> re.Pattern[str]:
    nouns = "|".join(sorted(vocabulary()["nouns_after_eponyms"], key=lambda noun: -len(noun)))
    between = rf"(?:(?:[{UPPER}]\w{{1,15}}|hip|knee|ankle|pain|risk|severity|outcome)\s){{0,2}}"
    return re.compile(rf"(?:['\u2019]s?|s['\u2019])?(?:\s{between}|-)(?i:{nouns})\b|-[{UPPER}]")


@cache
def _before() -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(vocabulary()['nouns_after_eponyms'])})\sof\s$")


@cache
def _terms() -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, vocabulary()["terms_with_names"])))


def is_drug(word: str) -> bool:
    """Whether a word is a brand of drugs or ends as their names do."""
    return word in listed("brands") or _drug().fullmatch(word) is not None


@cache
def _drug() -> re.Pattern[str]:
    return re.compile(rf"\w{{2,30}}(?:{'|'.join(vocabulary()['drug_endings'])})")


def is_known(word: str) -> bool:
    """Whether a word is a listed name, or such names joined."""
    return all(part in listed("given_names") or part in listed("surnames") for part in word.split("-"))


def is_foreign(word: str) -> bool:
    """Whether a word with a capital is better known as something else than a person's name."""
    return any(word in listed(name) for name in ("eponyms", "places_that_stand", "towns"))


def is_month_or_day(word: str) -> bool:
    """Whether a word with a capital is a month or a day of the week."""
    months = vocabulary()["months"]
    return (
        word.lower() in months["english"]
        or word in months["english_with_a_capital"]
        or word in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    )
