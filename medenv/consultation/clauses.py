"""Clauses: a speech cut into stretches of words that ask one thing at most, and whether one asks at all."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from medenv.consultation.lexicon import END, Lexicon
from medenv.consultation.words import Span, wordset

__all__ = ["ANY", "ASKING", "PARTS", "VERBS", "Clause", "clauses", "has_question_form", "is_heading"]

MAX_CLAUSE = 48
"""The most words that are read as one clause."""
MAX_TAG = 5
"""The most words of a tag ("isn't that right?")."""

ANY = wordset("any anything anyone")
ASKING = wordset("what when where whereabouts which who how why whose")
PARTS = wordset("and or nor")
VERBS = wordset("be do have can would should")

_SENTENCE_END = frozenset(".?!;\n\u2026\u3002\uff1f\uff01")
_QUESTION_MARK = frozenset("?\uff1f")
_PAUSE = frozenset(",:-\u2013\u2014()\uff0c")
_LINKS = wordset("and or but nor also then so plus")
_SUBJECTS = wordset("you it this that these those there any anyone anything someone")
_NAMING = wordset("what which who whose")
_OF_WHICH = wordset("which whose")
_MEASURES = wordset("long much many often bad severe far old soon about kind sort type else time day side part")
_CAUSES = wordset("make bring cause help happen live set ease worry")
_WHETHER = wordset("whether if")
_ASIDES = wordset("when while if since before after once as until")
"""Words that begin what is said beside a question: "when you cough, is there any blood?"."""
_PLACES = wordset("at in on to for with by from of since until")
_NAMES = wordset("mother father madam dear love mate pet hon honey ma'am")
"""What somebody may be called: "so, mum, has he a fever?"."""
_REQUESTS = wordset("tell describe explain say point quantify outline")
_WISHES = wordset("like want need wonder wish")
_SELF = wordset("i we let my our")
_TAG = VERBS | wordset("you it that this there not right correct true so yeah yes no and or case")
_TAGS = frozenset(
    (*tag.split(),)
    for tag in (
        "i take it",
        "i hope",
        "i trust",
        "i imagine",
        "i gather",
        "i presume",
        "i assume",
        "i suppose",
        "would you say",
        "do you think",
        "can you tell me",
        "can you say",
        "if i can ask",
        "if you know",
        "if you do not mind",
    )
)
"""Tags of other words, which mean something else elsewhere."""
_SUPPOSING = tuple(("i", word) for word in ("take", "gather", "presum", "assum", "suppos", "understand", "gues"))
"""How a guess may begin: "I take it you don't smoke?"."""
_EMPTY = _TAG | _SUBJECTS | wordset("all like anything something else thing of sort kind")
_SAYS = VERBS | _REQUESTS | wordset("i we you any feel get sorry thank")
"""Without one of these a stretch of words neither asks nor states: "on a scale of one to ten"."""


@dataclass(frozen=True, slots=True)
class Clause:
    """A stretch of words that asks one thing at most."""

    lead: tuple[str, ...]
    """The words that only lead up to it: "okay, and"."""
    words: tuple[str, ...]
    pauses: frozenset[int]
    """The positions in `words` that come after a comma."""
    text: str
    marked: bool
    """Whether it ends with a question mark."""


def clauses(speech: str, lexicon: Lexicon, correct: Callable[[str], str]) -> Iterator[Clause]:
    """Cuts a speech into clauses.

    Args:
        speech: The doctor's words.
        lexicon: Whose words a speech is compared in.
        correct: Gives the word that is meant by one that may be misspelt.
    """
    spans = lexicon.words.read(speech, correct)
    words: list[str] = []
    kept: list[Span] = []
    for span in spans[:-1]:
        if words and (len(words) >= MAX_CLAUSE or not _SENTENCE_END.isdisjoint(span.mark)):
            yield from _split(words, kept, speech, lexicon, not _QUESTION_MARK.isdisjoint(span.mark))
            words, kept = [], []
        words.append(span.word)
        kept.append(span)
    if words:
        yield from _split(words, kept, speech, lexicon, not _QUESTION_MARK.isdisjoint(spans[-1].mark))


def _split(words: list[str], spans: list[Span], speech: str, lexicon: Lexicon, marked: bool) -> Iterator[Clause]:
    pauses = {i for i, span in enumerate(spans) if i and not _PAUSE.isdisjoint(span.mark)}
    starts = [0]
    for i in range(1, 0 if tuple(words) in lexicon.plain_questions else len(words)):
        if (words[i] in _LINKS or i in pauses) and _parts(words, starts[-1], i, i in pauses, lexicon):
            starts.append(i)
    end = len(words)
    if len(starts) > 1 and end - starts[-1] <= MAX_TAG and all(word in _TAG for word in words[starts[-1] :]):
        end = starts.pop()
    elif (tag := max(pauses, default=0)) > starts[-1] and tuple(words[tag:]) in _TAGS:
        end = tag
    for start, stop in zip(starts, [*starts[1:], end], strict=True):
        head = _head(words, start, stop, pauses, lexicon)
        yield Clause(
            lead=tuple(words[start:head]),
            words=tuple(words[head:stop]),
            pauses=frozenset(i - head for i in pauses if head < i < stop),
            text=speech[spans[start].start : spans[stop - 1].end].strip(),
            marked=marked and (stop == end or (words[head] == "you" and "not" in words[head:stop])),
        )


def _head(words: Sequence[str], start: int, stop: int, pauses: set[int], lexicon: Lexicon) -> int:
    """Where a clause begins after the words that lead up to it: "okay, and", "so, mum,"."""
    head = start
    while head < stop - 1 and (words[head] in lexicon.openers or (words[head] in _NAMES and head + 1 in pauses)):
        head += 1
    return head


def _parts(words: Sequence[str], start: int, i: int, pause: bool, lexicon: Lexicon) -> bool:
    """Whether a link or a pause at `i` parts the clause that began at `start` from a new one."""
    j = i
    while j < len(words) and (words[j] in _LINKS or (j > i and words[j] in lexicon.openers)):
        j += 1
    if j == len(words) or (words[i] == "or" and words[j] not in ASKING):
        return False
    before = words[start:i]
    told = not _REQUESTS.isdisjoint(before)
    if not (_begins(words, j, pause and j == i) or (told and words[j] in _WHETHER)):
        return False
    if before[0] not in ASKING and _SAYS.isdisjoint(before):
        return False
    if before[0] in _ASIDES and not any(a in VERBS and b in _SUBJECTS for a, b in itertools.pairwise(before)):
        return False
    if all(word in ASKING or word in _LINKS for word in before):
        return False
    return not (words[j] in ANY and _is_list(before, lexicon))


def _begins(words: Sequence[str], i: int, pause: bool) -> bool:
    """Whether a question begins at a word after a pause or a link."""
    word, after = words[i], words[i + 1] if i + 1 < len(words) else END
    if word in ASKING:
        if after in VERBS or after in _MEASURES or after in _CAUSES:
            return not (word == "which" and pause)
        told = not _REQUESTS.isdisjoint(words[:6])
        named = word in _NAMING or word == "how"
        return told or (named and word != "which" and not VERBS.isdisjoint(words[i + 1 : i + 6]))
    if word in _PLACES and (after in _NAMING or after == "how"):
        return not (pause or VERBS.isdisjoint(words[i + 2 : i + 8])) or " ".join(words[i : i + 3]) == "for how long"
    if word in VERBS:
        return after in _SUBJECTS or (word in ("be", "do") and not pause and after not in ("not", END))
    return word in ANY or word in _REQUESTS


def _is_list(words: Sequence[str], lexicon: Lexicon) -> bool:
    """Whether what stands before a further "any" is a list of which that is the next item."""
    head = next((word for word in words if word not in lexicon.openers), END)
    return head in ANY or not (head in ASKING or head in VERBS or head in _REQUESTS)


def has_question_form(clause: Clause, lexicon: Lexicon, *, requests: bool, states: bool) -> bool:
    """Whether a clause has the form of a question or of a request.

    Args:
        clause: The clause.
        lexicon: The lexicon.
        requests: Whether it holds a phrase of request ("tell me about").
        states: Whether it begins as a statement of the doctor's ("I think").
    """
    words = clause.words
    if all(word in _EMPTY or word in lexicon.openers for word in words):
        return False
    if requests and (clause.marked or not states or words[0] in _ASIDES):
        return True
    if clause.marked and words[:2] in _SUPPOSING:
        return True
    if words[0] in _SELF:
        return not (states or _WISHES.isdisjoint(words[1:4]) or ASKING.isdisjoint(words[4:])) and words[1] != "know"
    if states and not (clause.marked and words[0] in _ASIDES):
        return clause.marked and "you" in words and (words[0] in ASKING or words[0] in VERBS or words[0] in ANY)
    return clause.marked or _inverted(words) or any(_inverted(words[pause:]) for pause in clause.pauses)


def is_heading(clause: Clause) -> bool:
    """Whether a clause is no sentence but only names what is asked for: "past history"."""
    words = clause.words
    named = words[1:] if words[0] == "you" else words
    return (
        0 < len(named) <= MAX_TAG
        and _SAYS.isdisjoint(named)
        and _SELF.isdisjoint(named)
        and _SUBJECTS.isdisjoint(named)
    )


def _inverted(words: Sequence[str]) -> bool:
    """Whether words have a question's order: "when did it", "have you", "any"."""
    first, second = words[0], words[1] if len(words) > 1 else END
    if first in VERBS:
        return second in _SUBJECTS or (first in ("be", "do") and len(words) > 2)
    if first in ASKING and second not in _SELF:
        return (
            second in VERBS
            or second in _MEASURES
            or second in _CAUSES
            or (first in _NAMING and not VERBS.isdisjoint(words[1:6]))
            or first in _OF_WHICH
            or (first in _NAMING and second not in _SUBJECTS)
            or any(words[i] in VERBS and words[i + 1] in _SUBJECTS for i in range(1, min(6, len(words) - 1)))
        )
    if first in _PLACES and second in ASKING:
        return True
    return first in ANY or first in _REQUESTS
