"""Words: text cut into comparable words, so that spelling, inflexion and person make no difference to what is asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from rapidfuzz.distance import OSA

__all__ = ["MAX_WORD", "Span", "Spelling", "Words", "stem", "wordset"]

MAX_WORD = 40
"""Longer words are no words of any language that the lexicon knows; they are compared as they stand."""

LONG = 10

_TOKEN = re.compile(
    r"[^\W_]+(?:['\u2019\u02bc`\u00b4][^\W_]+)*|(?<=\s)-(?=\s)|[.?!;:,\n()\u2026\u2013\u2014\uff0c\u3002\uff1f\uff01]"
)
_VOWEL = re.compile("[aeiouy]")
_VOWELS = "aeiou"
_KEEPS_S = ("ss", "us", "is")
_TAKES_IS = frozenset(
    (
        "what",
        "where",
        "when",
        "who",
        "how",
        "it",
        "that",
        "there",
        "here",
        "he",
        "she",
        "this",
        "everything",
        "anything",
    )
)
_CLITICS = {"ve": "have", "re": "be", "ll": "would", "d": "would", "m": "be"}


class Span(NamedTuple):
    """One word and where it stands in the text; `mark` is the punctuation before it, if any."""

    word: str
    start: int
    end: int
    mark: str


@lru_cache(maxsize=1 << 14)
def stem(word: str) -> str:
    """A lower-case word without its inflexion and in one spelling; the result need not be a word itself.

    British and American spellings meet ("oedema", "edema"; "colour", "color"), and so do numbers and tenses.
    """
    if len(word) <= 3 or len(word) > MAX_WORD or not word.isalpha():
        return word
    if len(word) >= 5:
        word = word.replace("oe", "e").replace("ae", "e").replace("our", "or").replace("sulph", "sulf")
    if (word.endswith("ies") and len(word) > 4) or word.endswith("sses"):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(_KEEPS_S):
        word = word[:-1]
    if word.endswith("ing") and len(word) >= 6 and _VOWEL.search(word[:-3]):
        word = _closed(word[:-3])
    elif word.endswith("ed") and len(word) >= 5 and word[-3] != "e":
        word = _closed(word[:-2])
    if len(word) >= 5 and word.endswith("e"):
        word = word[:-1]
    elif len(word) >= 4 and word.endswith("y") and word[-2] not in _VOWELS:
        word = word[:-1] + "i"
    if len(word) >= 4 and word[-1] == word[-2] and word[-1] not in _VOWELS:
        word = word[:-1]
    return word.replace("ise", "ize")


def wordset(text: str) -> frozenset[str]:
    """The words of a plain text in the form in which they are compared."""
    return frozenset(stem(word) for word in text.split())


def _closed(word: str) -> str:
    """What "-ing" or "-ed" left of a word, with the e of a short word put back: "tak" is "take"."""
    short = len(word) == 3 and word[0] not in _VOWELS and word[1] in _VOWELS and word[2] not in "aeiouxwy"
    return word + "e" if short else word


class Words:
    """Cuts text into words.

    Args:
        forms: Words that inflexion alone does not bring together, each with the form they are compared in.
        ignored: Words that carry nothing, such as articles and hesitations.
    """

    def __init__(self, forms: Mapping[str, str], ignored: Iterable[str]) -> None:
        self._forms = dict(forms)
        self._ignored = frozenset(ignored)
        self._known: dict[str, tuple[str, ...]] = {}

    def read(self, text: str, correct: Callable[[str], str] | None = None) -> list[Span]:
        """The words of a text in order, with the punctuation between them; a word said twice over counts once.

        Args:
            text: Any text.
            correct: Gives what is meant by a lower-case word that may be misspelt.
        """
        found: list[Span] = []
        mark = ""
        for match in _TOKEN.finditer(text):
            token = match.group()
            if not token[0].isalnum():
                # A sentence's end outranks a comma, and a question mark outranks both.
                if not (token in ".," and _between_digits(text, match.start())):
                    mark += token
                continue
            token = token.lower()
            for word in self.normal(correct(token) if correct else token):
                if found and word == found[-1].word and not mark:
                    continue
                found.append(Span(word, match.start(), match.end(), mark))
                mark = ""
        found.append(Span("", len(text), len(text), mark))
        return found

    def raw(self, text: str) -> list[str]:
        """The words of a text as they are written, in lower case."""
        return [match.group().lower() for match in _TOKEN.finditer(text) if match.group()[0].isalnum()]

    def plain(self, text: str) -> list[str]:
        """Only the words of a text, without punctuation."""
        return [span.word for span in self.read(text)[:-1]]

    def normal(self, token: str) -> tuple[str, ...]:
        """The words that one lower-case token stands for; none where it carries nothing."""
        if (known := self._known.get(token)) is None:
            known = self._normal(token)
            if len(token) <= MAX_WORD and len(self._known) < 1 << 14:
                self._known[token] = known
        return known

    def _normal(self, token: str) -> tuple[str, ...]:
        token = re.sub("[\u2019\u02bc`\u00b4]", "'", token)
        if (form := self._forms.get(token)) is not None:
            return tuple(self._form(part) for part in form.split() if part not in self._ignored)
        head, _, tail = token.partition("'")
        if tail == "t" and head.endswith("n"):
            return (self._form({"ca": "can", "wo": "would", "sha": "shall"}.get(head[:-1], head[:-1])), "not")
        words = [head]
        if tail in _CLITICS:
            words.append(_CLITICS[tail])
        elif tail == "s" and (head in _TAKES_IS):
            words.append("be")
        elif tail not in ("", "s"):
            words.append(tail)
        return tuple(self._form(word) for word in words if word not in self._ignored)

    def _form(self, word: str) -> str:
        if (form := self._forms.get(word)) is not None:
            return form
        reduced = stem(word)
        return self._forms.get(reduced, reduced) if len(reduced) >= 5 else reduced


def _between_digits(text: str, at: int) -> bool:
    return 0 < at < len(text) - 1 and text[at - 1].isdigit() and text[at + 1].isdigit()


_ALIKE = ("aeiouy", "cksqxz", "fvw", "mn", "dt", "bp", "gj")
"""Letters that sound alike."""
_KEYS = {letter: (x, y) for y, row in enumerate(("qwertyuiop", "asdfghjkl", "zxcvbnm")) for x, letter in enumerate(row)}


def _slips(word: str, meant: str) -> bool:
    """Whether a word one letter off is a slip for the one that is meant, not another word altogether."""
    if len(word) != len(meant) or sorted(word) == sorted(meant):
        return True
    wrong, right = next((a, b) for a, b in zip(word, meant, strict=True) if a != b)
    if len(word) == 5:
        return _neighbours(wrong, right)
    return any(wrong in letters and right in letters for letters in _ALIKE) or _neighbours(wrong, right)


def _neighbours(a: str, b: str) -> bool:
    """Whether two letters lie side by side on a keyboard."""
    if a not in _KEYS or b not in _KEYS:
        return False
    (x, y), (u, v) = sorted((_KEYS[a], _KEYS[b]), key=lambda key: key[1])
    return x - u in (1, -1) if y == v else v - y == 1 and x - u in (0, 1)


_HEARD = (
    ("ph", "f"), ("sch", "sk"), ("tch", "ch"), ("wr", "r"), ("kn", "n"), ("gh", ""), ("rh", "r"), ("dg", "j"),
    ("ce", "se"), ("ci", "si"), ("cy", "sy"), ("ck", "k"), ("ch", "k"), ("c", "k"), ("q", "k"), ("x", "ks"), ("z", "s"),
    ("v", "f"), ("h", ""),
)  # fmt: skip
_HEARD_LEAST, _HEARD_MOST = 5, 20
_SILENT = re.compile("[aeiouyw]+")
_TWICE = re.compile(r"(.)\1+")


@lru_cache(maxsize=1 << 14)
def _sound(word: str) -> str:
    """Roughly how the consonants of a word sound: the same for "stomach" and "stumak"."""
    for letters, heard in _HEARD:
        word = word.replace(letters, heard)
    return _TWICE.sub(r"\1", word[:1] + _SILENT.sub("", word[1:]))


class Spelling:
    """Finds the known word that a misspelt one stands for.

    Words of up to four letters are corrected where two letters are swapped or, in one of four, one is missing; others
    by one slip (a letter more or less, two swapped or, in words of six letters and more, one for another that sounds
    like it or lies beside it), those of more than `LONG` letters by any two; the first letter has to be right. Failing
    that, a word of five letters or more may be one that is spelt as it sounds.
    """

    def __init__(self, words: Iterable[str], real: Iterable[str] = (), *, heard: bool = False) -> None:
        """Takes the known words, and real words that must not be taken for a misspelling of one.

        Words are looked for by their sound, too, where they may be `heard`.
        """
        self._words = frozenset(word for word in words if word.isalpha() and len(word) <= MAX_WORD)
        self._real = frozenset(real)
        self._near: dict[tuple[str, int], list[str]] = {}
        for word in sorted(self._words):
            self._near.setdefault((word[0], len(word)), []).append(word)
        self._sounds: dict[str, list[str]] = {}
        for word in sorted(self._words):
            if heard and len(word) >= _HEARD_LEAST:
                self._sounds.setdefault(_sound(word), []).append(word)
        self._corrected: dict[str, str] = {}

    def __contains__(self, word: object) -> bool:
        return word in self._words or word in self._real

    def correct(self, word: str) -> str:
        """The known word nearest to this one, or the word itself where none is near."""
        if word in self or not 3 <= len(word) <= MAX_WORD or not word.isalpha():
            return word
        if (known := self._corrected.get(word)) is None:
            known = self._short(word) if len(word) < 5 else self._long(word)
            if known == word and (reduced := stem(word)) != word and len(reduced) > 3 and word[:-1] not in self:
                nearest = reduced if reduced in self._words else self._long(reduced)
                known = nearest if nearest in self._words else word
            if known == word and len(word) >= _HEARD_LEAST:
                known = self._heard(word)
            if len(self._corrected) < 1 << 14:
                self._corrected[word] = known
        return known

    def _heard(self, word: str) -> str:
        sound = _sound(word)
        alike = self._sounds.get(sound, ()) if len(sound) > 2 else ()
        near = [(OSA.distance(word, candidate), candidate) for candidate in alike[:_HEARD_MOST]]
        distance, best = min(near, default=(len(word), word))
        return best if distance <= min(3, len(word) // 2) else word

    def _short(self, word: str) -> str:
        letters = sorted(word)
        for candidate in self._near.get((word[0], len(word)), ()):
            if sorted(candidate) == letters and OSA.distance(word, candidate, score_cutoff=1) == 1:
                return candidate
        if len(word) == 4:
            for candidate in self._near.get((word[0], 5), ()):
                if OSA.distance(word, candidate, score_cutoff=1) == 1:
                    return candidate
        return word

    def _long(self, word: str) -> str:
        slips = 1 if len(word) <= LONG else 2
        best, distance = word, slips + 1
        # A letter left out is the commonest slip.
        for length in sorted(range(len(word) - slips, len(word) + slips + 1), key=lambda n: abs(n - len(word) - 0.6)):
            for candidate in self._near.get((word[0], length), ()):
                found = OSA.distance(word, candidate, score_cutoff=distance - 1)
                if found < distance and (found > 1 or _slips(word, candidate)):
                    best, distance = candidate, found
                if distance == 1:
                    return best
        return best
