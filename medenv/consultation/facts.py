"""The facts of a record, indexed by what their words mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from medenv.consultation.lexicon import Concept, Label, Lexicon
from medenv.consultation.phrases import Phrases
from medenv.consultation.reading import labels_in
from medenv.records.record import Fact

__all__ = ["CORE", "HISTORY", "STORY", "FactIndex", "IndexedFact"]

STORY: Final = "hpi."
CORE = frozenset(("hpi.onset", "hpi.location", "hpi.character", "hpi.course", "hpi.severity"))
"""Where the complaint itself is told."""

_COMPLAINT = frozenset(("hpi.location", "hpi.character", "hpi.radiation", "hpi.associated"))
"""Where the story says that something hurts at all, not since when or how much."""

IN_STATEMENT, IN_LAY, IN_SYNONYM = 2.0, 1.5, 3.0
"""How much of a fact's matter a concept is, by where it is named."""
_NARROWER = 0.5
_HOME, _NAMED_TOPIC, _NAMED_FACT, _SAME_WORD, _ASIDE = 1.5, 3.0, 1.5, 1.0, -1.0
_MARGIN, _WIDE = 0.9, 2.5
_SAME_WORDING = 1.0
_SHARE, _SPOKEN = 0.4, 0.5
"""How much of a question's words a fact has to share, and what a word counts that only its lay text has."""
_ROOT = 6
"""The fewest letters with which two words of one root begin."""
_ABOUT_ONE = 3
"""The most facts on one thing."""
_PLACED = (STORY, "ros.", "history.medical")
"""Where a word for a part of the body says what a fact is about."""
_TOLD_OTHERWISE = frozenset(
    ("hpi.previous", "hpi.treatment", "hpi.aggravating", "hpi.relieving", "hpi.impact", "hpi.radiation", "hpi.duration")
)
"""Parts of the story that name a thing only in passing: "it was gone after sleep"."""
HISTORY: Final = ("history.", "medications", "allergies", "family", "social.")
"""How the topics begin that do not deal with the complaint."""
_ELSEWHERE = ("ros.", "social.", "medications", "history.", "allergies")
_ONE_MATTER = frozenset(("social.smoking", "social.alcohol", "social.drugs", "social.travel", "social.sexual"))
"""Topics whose facts all deal with one matter, so that denying it denies every form of it."""
_BROAD = frozenset(("new_medication", "otc", "doctor_seen", "tests_before", "compliance", "episode", "pain"))
"""Concepts so wide that they leave a denial general."""


@dataclass(frozen=True, slots=True, eq=False)
class IndexedFact:
    """A fact, and what its words mean."""

    fact: Fact
    mentions: dict[str, float]
    """The concepts that it names, with how much of its matter each is."""
    stated: frozenset[str]
    """The concepts in its clinical statement."""
    wording: frozenset[str]
    """All its words."""
    words: frozenset[str]
    """Those of them that name something."""
    spoken: frozenset[str]
    """Those of these that only its lay text has."""
    touches: frozenset[str]
    """Parts of the story that its statement or its synonyms touch."""
    synonyms: tuple[tuple[str, ...], ...]
    """Its synonyms of two words or more."""


class FactIndex:
    """The facts of one record, to be found by topic, by concept, by synonym and by word."""

    def __init__(self, facts: Iterable[Fact], lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self.facts = [_indexed(fact, lexicon) for fact in facts]
        self.by_id = {indexed.fact.id: indexed for indexed in self.facts}
        self.rarity = Counter(word for indexed in self.facts for word in indexed.words)
        self._roots: dict[str, list[str]] = {}
        for word in self.rarity:
            self._roots.setdefault(word[:_ROOT], []).append(word)
        self._by_topic: dict[str, list[IndexedFact]] = {}
        self._touching: dict[str, list[IndexedFact]] = {}
        for indexed in self.facts:
            self._by_topic.setdefault(indexed.fact.topic, []).append(indexed)
            if indexed.fact.topic not in lexicon.guarded_topics:
                for topic in sorted(indexed.touches - {indexed.fact.topic}):
                    self._touching.setdefault(topic, []).append(indexed)
        self._synonyms = Phrases(
            ([frozenset((word,)) for word in synonym], indexed.fact.id)
            for indexed in self.facts
            for synonym in indexed.synonyms
        )
        self._users: dict[str, list[str]] = {}
        for indexed in self.facts:
            for word in indexed.wording:
                self._users.setdefault(word, []).append(indexed.fact.id)
        self._weights: dict[tuple[str, frozenset[str]], dict[str, float]] = {}
        self.story = frozenset(
            id
            for indexed in self.facts
            if indexed.fact.disclosure == "volunteered" or indexed.fact.topic in CORE
            for id, weight in indexed.mentions.items()
            if weight >= IN_STATEMENT
        )
        """The concepts that the complaint is about."""

    def has_topic(self, topic: str) -> bool:
        """Whether any fact has this topic."""
        return topic in self._by_topic

    def within(self, topics: Iterable[str], *, touching: bool = False) -> list[IndexedFact]:
        """The facts of topics; where one has none (or always, with `touching`), those that touch it."""
        found: dict[str, IndexedFact] = {}
        for topic in topics:
            own = self._by_topic.get(topic, [])
            for indexed in [*own, *(self._touching.get(topic, []) if touching or not own else [])]:
                found[indexed.fact.id] = indexed
        return list(found.values())

    def named(self, words: Sequence[str]) -> list[IndexedFact]:
        """The facts of which a synonym of two words or more stands in the words; only the longest count."""
        matches = self._synonyms.find(words)
        longest = max((len(match.at) for match in matches), default=0)
        return [self.by_id[id] for id in dict.fromkeys(m.label for m in matches if len(m.at) == longest)]

    def closeness(self, words: Sequence[str]) -> dict[str, float]:
        """How close words come to the wording of each fact: rare ones count most, and a whole synonym more."""
        found: dict[str, float] = {}
        for word in dict.fromkeys(words):
            users = self._users.get(word, ())
            for id in users:
                found[id] = found.get(id, 0.0) + _SAME_WORDING / len(users)
        for indexed in self.named(words):
            found[indexed.fact.id] = found.get(indexed.fact.id, 0.0) + _NAMED_FACT
        return found

    def sharing(self, words: Iterable[str]) -> list[IndexedFact]:
        """The facts that share the most and the rarest of some words, if they share enough of all that was asked."""
        weights = {word: 1 / max(1, self.rarity[word]) for word in sorted(words)}
        wanted = {word for word in weights if 0 < self.rarity[word] <= _ABOUT_ONE}
        if not wanted:
            return []
        scored = [
            (sum(weights[word] * (_SPOKEN if word in f.spoken else 1) for word in sorted(wanted & f.words)), f)
            for f in self.facts
            if f.fact.topic not in self._lexicon.guarded_topics
        ]
        best = max((score for score, _ in scored), default=0.0)
        if best < _SHARE * sum(weights.values()):
            return []
        return [f for score, f in scored if score >= 0.75 * best][:_ABOUT_ONE]

    def nearest(self, words: Sequence[str], share: float) -> list[IndexedFact]:
        """The facts that share most of the words that name something, spelt alike or grown from the same root.

        Args:
            words: The words of a clause.
            share: How much of the weight of these words a fact has to share; rare words weigh more.
        """
        wanted = {word for word in words if self._lexicon.names_something(word)} if share else set()
        alike = {word: [own for own in self._rooted(word) if own == word or _kin(own, word)] for word in sorted(wanted)}
        if not any(alike.values()):
            return []
        weights = {word: 1 / max(1, sum(self.rarity[own] for own in alike[word])) for word in alike}
        scored = [
            (sum(weights[word] for word, own in alike.items() if not f.words.isdisjoint(own)), f)
            for f in self.facts
            if f.fact.topic not in self._lexicon.guarded_topics
        ]
        best = max((score for score, _ in scored), default=0.0)
        if not best or best < share * sum(weights.values()):
            return []
        return [f for score, f in scored if score >= 0.75 * best][:_ABOUT_ONE]

    def _rooted(self, word: str) -> Sequence[str]:
        """The words of the facts that may be kin to a word."""
        return self._roots.get(word[:_ROOT], ())

    def weights(self, concept: Concept) -> dict[str, float]:
        """How much of their matter a concept is, for the ids of the facts that mention it; narrower ones count less."""
        key = concept.id, concept.covers
        if (found := self._weights.get(key)) is None:
            found = self._weights[key] = {}
            for indexed in self.facts:
                named = [
                    weight if id == concept.id else _NARROWER * weight
                    for id, weight in indexed.mentions.items()
                    if id in concept.covers and (weight > IN_LAY or self._at_home(id, indexed))
                ]
                if named:
                    found[indexed.fact.id] = max(named)
        return found

    def _at_home(self, id: str, indexed: IndexedFact) -> bool:
        """Whether a fact may be about a concept that it only touches in passing, in its lay text."""
        concept, topic = self._lexicon.concepts[id], indexed.fact.topic
        if concept.kind != "thing" or topic in concept.topics:
            return True
        return indexed.fact.polarity == "absent" and not _astray(indexed.fact, concept)

    def about(
        self,
        concept: Concept,
        *,
        topics: Sequence[str] = (),
        words: frozenset[str] = frozenset(),
        closeness: Mapping[str, float] = MappingProxyType({}),
        wide: bool = False,
    ) -> list[IndexedFact]:
        """The facts whose own matter is a concept, best first; not those that only touch it.

        Args:
            concept: What is asked about.
            topics: The topics that the question names.
            words: The words of the question for the concept; a fact that uses them comes first.
            closeness: How close the wording of the question is to that of each fact.
            wide: Whether the question asks for whatever there is on it.
        """
        scored = []
        for id, weight in self.weights(concept).items():
            indexed = self.by_id[id]
            topic = indexed.fact.topic
            home, asked = topic in concept.topics, topic in topics
            if topic in self._lexicon.guarded_topics and not (home or asked):
                continue
            if concept.kind == "generic" and topic.startswith(STORY) and topic not in _COMPLAINT:
                continue
            if concept.kind == "site" and not (topic.startswith(_PLACED) and weight >= IN_STATEMENT / 2):
                continue
            if concept.kind == "thing" and topic in _TOLD_OTHERWISE and not (home or asked) and weight < IN_SYNONYM:
                continue
            score = weight + _HOME * home + _NAMED_TOPIC * asked + _ASIDE * (topic == "social.exposure")
            score += closeness.get(id, 0.0) + _SAME_WORD * (not words.isdisjoint(indexed.words))
            scored.append((score - 0.05 * min(len(indexed.mentions), 10), indexed))
        scored.sort(key=lambda pair: -pair[0])
        return [indexed for score, indexed in scored if score >= scored[0][0] - (_WIDE if wide else _MARGIN)][
            :_ABOUT_ONE
        ]

    def settling(self, topics: Iterable[str]) -> list[IndexedFact]:
        """The facts that answer any question within their topic: no allergies, nothing known of the family."""
        return [f for f in self.within(topics) if f.fact.topic in topics and self._settles(f)]

    def _settles(self, indexed: IndexedFact) -> bool:
        topic = indexed.fact.topic
        if indexed.fact.polarity == "present" or not topic.startswith(HISTORY):
            return False
        concepts = (self._lexicon.concepts[id] for id in indexed.stated - _BROAD)
        return all(topic in _ONE_MATTER and concept.topics <= {topic} for concept in concepts)


def _kin(word: str, other: str) -> bool:
    """Whether two words grow from the same root: "dyspnoeic" and "dyspnoea"."""
    shorter = min(len(word), len(other))
    root = max(_ROOT, round(0.75 * shorter))
    return shorter >= root and word[:root] == other[:root]


def _astray(fact: Fact, concept: Concept) -> bool:
    """Whether a fact on one system of the body is an unlikely place for a symptom of another: a "yellow" discharge."""
    elsewhere = fact.topic not in concept.topics and all(topic.startswith("ros.") for topic in concept.topics)
    return concept.kind == "thing" and bool(concept.topics) and elsewhere and fact.topic.startswith(_ELSEWHERE)


@lru_cache(maxsize=1 << 13)
def _indexed(fact: Fact, lexicon: Lexicon) -> IndexedFact:
    mentions: dict[str, float] = {}
    touches: set[str] = set()
    statement, lay, *synonyms = (_worded(text, lexicon) for text in (fact.statement, fact.lay, *fact.synonyms))
    texts = [(statement, IN_STATEMENT), (lay, IN_LAY), *((synonym, IN_SYNONYM) for synonym in synonyms)]
    for (_, labels), weight in texts:
        for kind, id in labels:
            if kind == "concept":
                least = IN_LAY if weight == IN_STATEMENT and _astray(fact, lexicon.concepts[id]) else weight
                mentions[id] = max(min(weight, least), mentions.get(id, 0.0))
            elif kind == "concept_hint" and fact.topic in lexicon.concepts[id].topics:
                mentions[id] = max(weight, mentions.get(id, 0.0))
            elif kind == "topic" and id.startswith(STORY) and weight >= IN_STATEMENT:
                touches.add(id)
    written = {word for words, _ in (statement, *synonyms) for word in words}
    wording = written.union(lay[0])
    words = frozenset(word for word in wording if lexicon.names_something(word))
    return IndexedFact(
        fact=fact,
        mentions=mentions,
        stated=frozenset(id for kind, id in statement[1] if kind == "concept"),
        wording=frozenset(wording),
        words=words,
        spoken=words - written,
        touches=frozenset(touches),
        synonyms=tuple(words for words, _ in synonyms if len(words) > 1),
    )


@lru_cache(maxsize=1 << 14)
def _worded(text: str, lexicon: Lexicon) -> tuple[tuple[str, ...], tuple[Label, ...]]:
    """The words of a text, and what its phrases stand for; records of one kind share most of their texts."""
    words = tuple(lexicon.words.plain(text))
    return words, tuple(labels_in(words, lexicon))
