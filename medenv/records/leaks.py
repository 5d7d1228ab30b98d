"""Finds and removes the diagnosis in texts that other seats may see: the words of the firewall.

A name is found however it is written: in other case, with other spacing, hyphens and accents, in American and British
spelling, in the plural and with a possessive; and so is the ICD-10 code. What only makes the diagnosis likely is no
leak: `medenv.records.hints` finds that.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medenv.records.record import Diagnosis, Record

__all__ = ["WITHHELD", "find_leaks", "leaks_in_record", "leaks_in_texts", "plain", "redact", "visible_texts"]

WITHHELD = "[withheld]"
SHORT = 3
"""Names of at most this many characters are matched as whole words and by case: "MS" is no leak in "320 ms"."""
LONGEST_ACRONYM = 8
LABEL = 24
"""How many characters before a code may tell that it is one."""
END_OF_TEXT = "\0"
"""Between the texts of a record when they are looked at as one: no name reaches across it."""

_END = r"(?![^\W_])"
_GAP = r"[\s_'-]*"
_GAPS = re.compile(r"[\s_-]+")
_PLURAL = "(?:'?s)?"
_AFTER_A_WORD = rf"(?:'?s[\s_'-]+|{_GAP})"
_INVISIBLE = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]+")
_PLAIN: dict[int, int | str] = {
    **dict.fromkeys(range(0x2010, 0x2016), "-"),
    **dict.fromkeys(map(ord, "\u2018\u2019\u02bc"), "'"),
    **str.maketrans("\u00e6\u00c6\u0153\u0152\u00f8\u00d8", "eEeEoO"),
    **{
        code: base[0]
        for code in range(0xC0, 0x250)
        if len(base := unicodedata.normalize("NFD", chr(code))) > 1 and base[0].isascii()
    },
}
_SPELLINGS = re.compile(
    r"(?P<e>[ao]?e(?=[a-z]{2})|oe(?=a)|e(?=a))|(?P<r>(?<=[a-z]{2})ou?r)|(?P<z>(?<=[a-z]{3})i[sz](?=e|ing|ation))"
    r"|(?P<k>leu[ck])|(?P<f>sul(?:f|ph))|(?P<t>(?<=[bt])(?:re|er)(?![a-z]))"
)
_SPELT = {"e": "[ao]?e", "r": "ou?r", "z": "i[sz]", "k": "leu[ck]", "f": "sul(?:f|ph)", "t": "(?:er|re)"}
"""American and British ways to spell a part of a word."""
_NAMING = re.compile(r"[^\W_]")
_LABEL = re.compile(r"\bICD\W?(?:10)?(?:\W?CM)?(?:\scodes?)?[\W_]*$", re.I)
_TITLE = re.compile(r"(?:\s*[:,\u2013-])?\s*\(?[^\W\d_][^.;()\n]*\)?")


def find_leaks(text: str, diagnosis: Diagnosis) -> list[str]:
    """The pieces of `text` that name the diagnosis, in order, each with the rest of the words it stands in."""
    text = _fold(text)
    return [text[start:end] for start, end in _spans(text, diagnosis)]


def redact(text: str, diagnosis: Diagnosis, replacement: str = WITHHELD) -> str:
    """`text` with every name of the diagnosis replaced; text without one comes back unchanged."""
    folded = _fold(text)
    while spans := _spans(folded, diagnosis):
        ends = [0, *(end for _, end in spans)]
        kept = [folded[end:start] for end, (start, _) in zip(ends, spans, strict=False)]
        text = replacement.join([*kept, folded[ends[-1] :]])
        if find_leaks(replacement, diagnosis):
            break
        folded = text
    return text


def visible_texts(record: Record) -> Iterator[tuple[str, str]]:
    """Every text of a record that a doctor, patient or examiner may come to see, with the field it stands in."""
    yield "id", record.id
    yield "chief_complaint", record.chief_complaint
    yield "demographics.occupation", record.demographics.occupation
    yield "demographics.background", record.demographics.background
    for tag in record.tags:
        yield "tags", tag
    for fact in record.facts:
        yield from _texts(f"facts[{fact.id}]", (fact.id, fact.statement, fact.lay, *fact.synonyms))
    for exam in record.exams:
        yield from _texts(f"exams[{exam.id}]", (exam.id, exam.name, exam.result, *exam.synonyms))


def _texts(field: str, texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        yield field, text


def leaks_in_record(record: Record) -> list[tuple[str, str]]:
    """The leaks of a record as (field, words found); empty for a clean one."""
    return leaks_in_texts(visible_texts(record), record.truth.diagnosis)


def leaks_in_texts(texts: Iterable[tuple[str, str]], diagnosis: Diagnosis) -> list[tuple[str, str]]:
    """What `find_leaks` finds in texts given as (field, text), as (field, words found)."""
    folded = [(field, _fold(text)) for field, text in texts]
    by_case, by_words = _patterns(diagnosis.names, diagnosis.icd10)
    whole = END_OF_TEXT.join([text for _, text in folded])  # one look at all texts is many times faster
    if not by_case.search(whole) and not by_words.search(END_OF_TEXT.join([plain(text) for _, text in folded])):
        return []
    return [(field, found) for field, text in folded for found in find_leaks(text, diagnosis)]


def _fold(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))


def plain(text: str) -> str:
    """`text` in lower case, with plain letters, hyphens and apostrophes, each at its place."""
    return (text if text.isascii() else text.translate(_PLAIN)).lower()


def _spans(text: str, diagnosis: Diagnosis) -> list[tuple[int, int]]:
    """Where a folded text names the diagnosis, in order, without overlaps."""
    by_case, by_words = _patterns(diagnosis.names, diagnosis.icd10)
    plain_text = plain(text)
    if not by_case.search(text) and not by_words.search(plain_text):
        return []
    found = [match.span() for match in by_case.finditer(text)]
    first_word = _NAMING.search(text)
    opening = first_word.start() if first_word else 0
    for match in by_words.finditer(plain_text):
        is_code = match.group() == diagnosis.icd10.lower()
        found.append(_with_title(text, *match.span(), opening) if is_code else match.span())
    merged: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if not merged or end > merged[-1][1]:
            start, end = _whole_words(text, start, end)
            if merged and start < merged[-1][1]:
                start = merged.pop()[0]
            merged.append((start, end))
    return merged


def _whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    while start > 0 and _in_a_word(text[start]) and _in_a_word(text[start - 1]):
        start -= 1
    while end < len(text) and _in_a_word(text[end - 1]) and _in_a_word(text[end]):
        end += 1
    return start, end


def _in_a_word(character: str) -> bool:
    """Whether a character is a letter of a writing that sets spaces between words, which Chinese does not."""
    return character.isalpha() and character.upper() != character.lower()


def _with_title(text: str, start: int, end: int, opening: int) -> tuple[int, int]:
    """A code that opens a text or follows "ICD-10" takes the words after it along: they are what it stands for."""
    if start == opening or _LABEL.search(text, max(0, start - LABEL), start):
        title = _TITLE.match(text, end)
        end = title.end() if title else end
    return start, end


@lru_cache(maxsize=4096)
def _patterns(names: tuple[str, ...], icd10: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What to look for in the folded text as it is written, and in its plain form.

    Every alternative begins with a letter and not with an assertion, which lets the search skip to that letter.
    """
    by_case: set[str] = set()
    by_words: set[str] = set()
    for name in filter(_NAMING.search, map(_fold, names)):
        acronym = len(name) <= LONGEST_ACRONYM and name.isalnum() and sum(map(str.isupper, name)) > 1
        if name.isalpha() and name.lower() == name.upper():  # a script without case, and mostly without spaces
            by_words.add(re.escape(name))
        elif len(name) <= SHORT and not name.islower():
            by_case.add(_whole(name))
            by_case.update([_whole(".".join(name)), _whole(".".join((*name, "")))] if len(name) == SHORT else ())
        elif len(name) <= SHORT:
            by_words.add(_whole(plain(name)))
        elif acronym:  # inside another word only as it is written: "COPD" in "preCOPD", no "ARDS" in "towards"
            by_case.add(re.escape(name))
            by_words.add(_whole(plain(name)))
        else:
            by_words.update(_words(plain(name)))
    if "." in icd10:
        by_words.add(_whole(icd10.lower()))
    return re.compile(_any_of(by_case)), re.compile(_any_of(by_words))


def _any_of(alternatives: set[str]) -> str:
    return "|".join(sorted(alternatives - {""}, key=lambda a: (-len(a), a))) or r"(?!)"


def _whole(name: str) -> str:
    """A name as a whole word, also in the plural."""
    first, rest = re.escape(name[0]), re.escape(name[1:])
    return f"{first}(?<![^\\W_]{first}){rest}{_PLURAL}{_END}"


def _words(name: str) -> list[str]:
    """A name in any spacing and spelling; what goes on after it, such as a plural, is let go on."""
    words = [word for word in _GAPS.split(name) if word.strip("'")]
    if not words:
        return []
    *inner, last = words
    parts = [re.sub("'s?$", "", word) for word in inner]
    if re.search(r"[a-z]{5}[^\Wsuiao\d_]s$" if not inner else r"[a-z]{3}[^\Wsuiao\d_]s$", last):
        last = last[:-1]
    parts = [_spelt(part) + (_AFTER_A_WORD if len(part) > 2 else _GAP) for part in parts]
    pattern = "".join(parts) + _GAP.join(map(_spelt, filter(None, last.split("'"))))
    optional = _SPELT["e"]
    if pattern.startswith(optional):
        return [first + pattern.removeprefix(optional) for first in ("e", "ae", "oe")]
    return [pattern]


def _spelt(word: str) -> str:
    """A word in American and in British spelling."""
    done, parts = 0, []
    for match in _SPELLINGS.finditer(word):
        parts += [re.escape(word[done : match.start()]), _SPELT[match.lastgroup or ""]]
        done = match.end()
    pattern = "".join(parts) + re.escape(word[done:])
    return re.sub("(?<=[a-z]{3})s$", "'?s", pattern)
