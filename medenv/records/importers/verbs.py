"""Verbs of clinical histories: which words are finite verbs, and what their other forms are.

The lexicon is data, in `grammar.json`: `verbs`, `irregular_verbs`, `nouns_too`, `objectless_verbs` and `word_classes`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import islice
from typing import Any, cast

__all__ = [
    "ADVERBS",
    "base_of",
    "clause_verb",
    "finite",
    "is_noun_too",
    "participle_of",
    "past_of",
    "takes_object",
    "word_class",
]


@cache
def _grammar() -> Mapping[str, Any]:
    text = resources.files("medenv.records.importers").joinpath("grammar.json").read_text("utf-8")
    return cast(Mapping[str, Any], json.loads(text))


def word_class(name: str) -> frozenset[str]:
    """A class of words of `grammar.json`."""
    return frozenset(_grammar()["word_classes"][name].split())


_AUXILIARIES = word_class("auxiliaries")
_PRONOUNS = word_class("pronouns")
_PERSONAL = word_class("personal")
_POINTING = word_class("pointing")
_DETERMINERS = word_class("determiners")
_NO_SUBJECT = word_class("no_subject")
_BREAKS = word_class("breaks_clause")
_PREPOSITIONS = word_class("prepositions")
ADVERBS = (
    r"(?:also|now|never|still|often|recently|currently|previously|occasionally|sometimes|usually|then|"
    r"first|only|really|"
    r"always|just|even|again|soon|once|ever|rarely|frequently|initially|later|already|barely|hardly|almost|further|"
    r"otherwise|eventually|immediately|today|tonight|\w+ly)"
)
_ADVERB = re.compile(ADVERBS)
_FOLLOWS_VERB = word_class("follows_verb")
_AGENT = word_class("after_participle")
"""After a form such as "caused" these make it a participle ("pain caused by lifting") if the verb takes an object."""
_LONGEST_SUBJECT = 12


@dataclass(frozen=True, slots=True)
class _Lexicon:
    base: Mapping[str, str]
    """Every form to its base."""
    present: frozenset[str]
    """Forms of the third person: "takes"."""
    past: frozenset[str]
    """Forms that are only ever the past: "took"."""
    either: frozenset[str]
    """Forms that are past and participle alike: "injured"."""
    was: Mapping[str, str]
    """The base to its past where that is irregular."""
    participle: Mapping[str, str]
    """The base to its participle where that is irregular."""
    nouns: frozenset[str]
    """Forms that are nouns as well: "falls"."""
    objectless: frozenset[str]
    """Bases of verbs that take no object, so that "-ed" is the past: "worsened"."""


@cache
def _lexicon() -> _Lexicon:
    data = _grammar()
    base: dict[str, str] = {}
    present: set[str] = set()
    past: set[str] = set()
    either: set[str] = set()
    pasts: dict[str, str] = {}
    participles: dict[str, str] = {}
    for verb in (*data["verbs"], *data["irregular_verbs"]):
        third = _third(verb)
        present.add(third)
        base |= {verb: verb, third: verb, _ing(verb): verb}
        if verb in data["irregular_verbs"]:
            was, been = data["irregular_verbs"][verb].split()
            pasts[verb], participles[verb] = was, been
            (either if was == been else past).add(was)
            base |= {was: verb, been: verb}
        else:
            either.add(_ed(verb))
            base[_ed(verb)] = verb
    return _Lexicon(
        base, frozenset(present), frozenset(past), frozenset(either), pasts, participles,
        frozenset(data["nouns_too"]), frozenset(data["objectless_verbs"]),
    )  # fmt: skip


def _doubled(verb: str) -> bool:
    return re.fullmatch(r"[^aeiou]*[aeiou][bdgmnprt]|.*(?:[^aeiou](?:fer|mit|gin|get|cur))", verb) is not None


def _third(verb: str) -> str:
    if re.search(r"[^aeiou]y$", verb):
        return f"{verb[:-1]}ies"
    return verb + ("es" if re.search(r"(?:s|sh|ch|x|z|o)$", verb) else "s")


def _ing(verb: str) -> str:
    if verb.endswith("ie"):
        return f"{verb[:-2]}ying"
    if verb.endswith("e") and not verb.endswith(("ee", "ye", "oe")):
        return f"{verb[:-1]}ing"
    return verb + (verb[-1] if _doubled(verb) else "") + "ing"


def _ed(verb: str) -> str:
    if re.search(r"[^aeiou]y$", verb):
        return f"{verb[:-1]}ied"
    if verb.endswith("e"):
        return f"{verb}d"
    return verb + (verb[-1] if _doubled(verb) else "") + "ed"


def base_of(word: str) -> str | None:
    """The base of a form of a known verb: "heard" and "hearing" to "hear"; none for another word."""
    return _lexicon().base.get(word.lower())


def past_of(base: str) -> str:
    """The past of a base: "hear" to "heard", "fall" to "fell"."""
    return _lexicon().was.get(base) or _ed(base)


def participle_of(base: str) -> str:
    """The participle of a base: "hear" to "heard"."""
    return _lexicon().participle.get(base) or _ed(base)


def finite(word: str, after: str = "", of_pronoun: bool = False) -> bool:
    """Whether a word may be the finite verb of a clause about somebody or something else.

    Args:
        word: The word.
        after: The word after it, which tells a verb from a noun and a past from a participle.
        of_pronoun: Whether "he", "she" or the like stands before it: no noun can follow one.
    """
    word, after = word.lower(), after.lower()
    known = _lexicon()
    if word in _AUXILIARIES or word in known.past:
        return True
    if of_pronoun:
        return word in known.present or word in known.either
    goes_on = bool(after) and (after in _FOLLOWS_VERB or _ADVERB.fullmatch(after) is not None or after[0].isdigit())
    if word in known.present:
        return goes_on or word not in known.nouns
    if word in known.either:
        if known.base[word] in known.objectless:
            return word not in known.nouns
        return goes_on and after not in _AGENT and word not in known.nouns
    return False


def clause_verb(text: str, bare: bool = True) -> int | None:
    """Where the finite verb of a clause with a subject of its own stands in a text; none where the text is no clause.

    Args:
        text: The text; adverbs may stand before the subject.
        bare: Whether the subject may be a noun without determiner, as in "pain radiates to the back".
    """
    found = re.finditer(r"[^\s,;:()]+|[,;:()]", text)
    words = [(m.group(), m.start()) for m in islice(found, _LONGEST_SUBJECT + 4)]
    adverbs = 0
    while (
        len(words) > 2 and re.fullmatch(rf"{ADVERBS}|,", words[0][0].lower()) and words[0][0].lower() not in _PRONOUNS
    ):
        words, adverbs = words[1:], adverbs + 1
    if len(words) < 2:
        return None
    first = words[0][0].lower()
    bare = bare and not adverbs
    determined = first in _PRONOUNS | _DETERMINERS or first.endswith(("'s", "\u2019s", "s'", "s\u2019"))
    if first in _NO_SUBJECT or (not determined and not bare):
        return None
    if not determined and finite(words[0][0], words[1][0]):
        return None
    gerund = not determined and base_of(first) is not None and first.endswith("ing")
    for place in range(1, min(len(words), _LONGEST_SUBJECT)):
        word, start = words[place]
        lower, before = word.lower(), words[place - 1][0].lower()
        if lower in _BREAKS or not (lower[0].isalnum() or lower[0] in "'\"\u2018\u201c"):
            return None
        if lower in _PERSONAL or (lower == "that" and first not in _PRONOUNS):
            return None
        if before in _PREPOSITIONS | _DETERMINERS - _PRONOUNS or (before in _DETERMINERS and place > 1):
            continue
        after = words[place + 1][0] if place + 1 < len(words) else ""
        alone = before in _PERSONAL or (place == 1 and before in _POINTING and lower not in _lexicon().nouns)
        if (
            finite(word, after, alone)
            and (determined or _unmistakable(lower))
            and (not gerund or lower in _AUXILIARIES)
        ):
            return start
        if before in _PERSONAL and _ADVERB.fullmatch(lower) and finite(after, "", True):
            return words[place + 1][1]
        if (
            _plural(before)
            and _lexicon().base.get(lower) == lower
            and not _noun(lower)
            and after.lower() in _FOLLOWS_VERB | {""}
        ):
            return start
    return None


def _unmistakable(word: str) -> bool:
    """Whether a word is a verb even after a bare noun, where "-ed" may be a participle and "-s" a plural."""
    known = _lexicon()
    if word in _AUXILIARIES or word in known.past:
        return True
    if word in known.present:
        return word not in known.nouns
    return known.base.get(word) in known.objectless and not _noun(word)


def _plural(word: str) -> bool:
    plural = word.endswith("s") and not word.endswith(("ss", "us", "is", "'s", "\u2019s"))
    return plural or word in ("they", "these", "those", "i", "we")


def is_noun_too(word: str) -> bool:
    """Whether a form of a verb is as often a noun: "falls", "exercises"."""
    return word in _lexicon().nouns


def _noun(word: str) -> bool:
    return word in _lexicon().nouns or f"{word}s" in _lexicon().nouns or _third(word) in _lexicon().nouns


def takes_object(word: str) -> bool:
    """Whether a form of a verb may have an object after it: "iced" may, "worsens" may not, and "pounds" is a noun."""
    return base_of(word) is not None and base_of(word) not in _lexicon().objectless and not _noun(word)
