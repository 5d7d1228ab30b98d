"""Leaning: what a follow-up asks for, which makes sense only after the question before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medenv.consultation.clauses import VERBS, Clause
from medenv.consultation.facts import HISTORY, IN_STATEMENT, STORY, FactIndex
from medenv.consultation.finding import MAX_TOPIC_FACTS, ids
from medenv.consultation.lexicon import Lexicon
from medenv.consultation.questions import Question, Understanding
from medenv.consultation.reading import Reading
from medenv.consultation.words import wordset

__all__ = ["BACK", "MAX_SCRAP", "FollowUps", "Subject", "last_subject"]

MAX_SCRAP, MAX_BACK = 4, 8
"""The most words of a question that is no more than a scrap, and of one that points back."""
_THERE = wordset("that those them there then she he")
_ATTRIBUTES = frozenset(
    ("hpi.onset", "hpi.duration", "hpi.course", "hpi.severity", "hpi.location", "hpi.character", "hpi.context")
)
"""Parts of the story that anything else has too: "how long have you had it?"."""
_IT = frozenset(("it",))
_RETOLD = frozenset(("hpi.previous", "hpi.treatment", "hpi.associated", "hpi.context"))
"""Parts of the story that have a time and a manner of their own."""
_THINGS_TOLD = frozenset(("hpi.associated", "hpi.treatment"))
"""Parts of the story that tell of further things, which "it" may be: "is it red?" after "any lump?"."""
_ASKED_OF_IT = ("circumstance", "value", "generic")
"""Kinds of concept that may be asked of whatever the talk is about: "does it hurt?"."""
BACK = wordset("it that those them one ones then")
"""Words that point back."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What the talk was about before a question, for follow-ups."""

    topics: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    here: bool = False
    """Whether it comes from the same message."""


class FollowUps:
    """Reads follow-ups against the facts of one record."""

    def __init__(self, index: FactIndex, lexicon: Lexicon) -> None:
        self._index = index
        self._lexicon = lexicon

    def lean(self, clause: Clause, reading: Reading, subject: Subject) -> Question | None:
        """What a follow-up asks for, where the clause is one; none where it stands by itself.

        "How much?" and "when was that?" ask about whatever the question before was about. "When did that start?" does
        so unless that was denied, and "is it worse at night?" only where the fact before says something on it: "it" is
        mostly the complaint.
        """
        index, topics, concepts = self._index, reading.topics, [self._lexicon.concepts[id] for id in reading.concepts]
        elliptic = "follow_up" in reading.kinds
        if not subject.facts:
            return None
        if any(not topic.startswith(STORY) and not (elliptic and topic in subject.topics) for topic in topics):
            return None
        before = [index.by_id[id] for id in subject.facts if id in index.by_id]
        back = BACK.intersection(clause.words)
        story = any(f.fact.topic.startswith(STORY) and f.fact.topic not in _THINGS_TOLD for f in before)
        if any(concept.kind not in _ASKED_OF_IT for concept in concepts):
            of_it = not (story or topics) and not BACK.isdisjoint(clause.words[1:2])
            told = [f for f in before if of_it and any(f.fact.id in index.weights(c) for c in concepts)]
            return Question("", "finding", subject.topics, ids(told)) if told else None
        if story and topics and not (back - _IT and subject.topics[0] in _RETOLD):
            return None
        if topics and not elliptic and all(f.fact.polarity == "absent" for f in before):
            return None
        if elliptic:
            meant = [f for f in before if not f.words.isdisjoint(clause.words)] if len(before) > 1 else []
            return Question("", "finding", subject.topics, ids((meant or before)[:MAX_TOPIC_FACTS]))
        if concepts:
            told = [f for f in before if back and any(f.fact.id in index.weights(c) for c in concepts)]
            if not (told or story or topics or not back):
                told = [f for f in index.within(subject.topics) if any(f.fact.id in index.weights(c) for c in concepts)]
            return Question("", "finding", subject.topics, ids(told)[:MAX_TOPIC_FACTS]) if told else None
        if all(f.fact.topic.startswith(HISTORY) for f in before) and not reading.rest:
            return Question("", "finding", subject.topics, ids(before)) if _ATTRIBUTES.issuperset(topics) else None
        if not (topics and back and (subject.here or back != _IT or not index.within(topics))):
            return None
        matter = {id for f in before for id, weight in f.mentions.items() if weight >= IN_STATEMENT}
        own = [f for f in index.within(topics) if any(f.mentions.get(id, 0) >= IN_STATEMENT for id in matter)]
        return Question("", "finding", subject.topics, ids([*own, *before])[:MAX_TOPIC_FACTS])

    def depends(self, clause: Clause, reading: Reading, subject: Subject) -> bool:
        """Whether a question of which nothing is known makes sense only after the one before: "who had it?".

        It names nothing of its own, or it points back, or it is no more than a scrap: "and at weekends?".
        """
        words = clause.words
        if reading.topics:
            return False
        back = not BACK.isdisjoint(words)
        concepts = [self._lexicon.concepts[id] for id in reading.concepts]
        named = [concept for concept in concepts if concept.kind not in _ASKED_OF_IT]
        if named:
            return back and all(not concept.topics.isdisjoint(subject.topics) for concept in named)
        if not reading.rest and not reading.items:
            return "open" not in reading.kinds or not _THERE.isdisjoint(words)
        scrap = len(words) <= MAX_SCRAP and VERBS.isdisjoint(words)
        return scrap or (len(words) <= MAX_BACK and (back or not _THERE.isdisjoint(words)))

    def is_bare(self, clause: Clause, reading: Reading) -> bool:
        """Whether a clause only points back: "what was it?"."""
        tells = self._lexicon.is_telling(clause.words) or reading.items or "open" in reading.kinds
        return not tells and not BACK.isdisjoint(clause.words)

    def again(self, text: str, subject: Subject) -> Question:
        """A question for what was asked before."""
        known = tuple(id for id in subject.facts if id in self._index.by_id)
        return Question(text, "finding", subject.topics, known[:MAX_TOPIC_FACTS])


def last_subject(earlier: Sequence[Understanding]) -> Subject:
    """What the talk was about in the last two messages."""
    for understanding in reversed(earlier[-2:]):
        for question in reversed(understanding.questions):
            if question.kind in ("finding", "topic"):
                return Subject(question.topics, question.facts)
    return Subject()
