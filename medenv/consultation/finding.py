"""Finding: which facts of a record a reading asks for, by the topics and the things that it names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from medenv.consultation.clauses import Clause
from medenv.consultation.facts import CORE, IN_STATEMENT, IN_SYNONYM, STORY, FactIndex, IndexedFact
from medenv.consultation.lexicon import Concept, Lexicon
from medenv.consultation.questions import Question
from medenv.consultation.reading import Reading
from medenv.consultation.words import wordset

__all__ = ["MAX_FACTS", "MAX_TOPIC_FACTS", "FactFinder", "Named", "finding", "ids"]

MAX_FACTS = 5
"""The most facts that one question asks for."""
MAX_TOPIC_FACTS = 4
"""The most facts that one question about a topic asks for."""
_DO_YOU_THINK = ("do", "you", "think")
"""May ask for an opinion or for the thing that it names: "do you think his hearing has suffered?"."""
_TRIGGERS = frozenset(("hpi.aggravating", "hpi.relieving"))
"""Parts of the story that are asked for by lists: "worse on moving, coughing or eating"."""
_COUNTS = (("how", "many"), ("how", "much"), ("how", "often"))
_WIDE = wordset("any anything what which all other else every everything about")
_ALIKE = wordset("similar like this same it")
_TROUBLE = wordset("trouble problem bother issue complaint")
_EXAMPLES = wordset("like such including eg")
_APART = frozenset(("hpi.location", "hpi.character"))
"""Parts of the story that a fact on the thing itself answers better: "what are your bowels like?"."""
_OWN_VIEW = frozenset(("ideas", "concerns", "expectations"))
"""What only the patient can say; a question for it asks for nothing else: "what do you think brought it on?"."""
_STRONG = frozenset(("hpi.aggravating", "hpi.relieving", "hpi.treatment", "hpi.impact"))
"""Parts of the story that stay the question whatever else is named: "does stress make it worse?"."""
_TOLD_TOGETHER = ("hpi.associated", "ros.")
"""How the topics begin of which what there is and what there is not are told in one breath."""
_YIELDS: Mapping[str, frozenset[str]] = {
    "hpi.onset": frozenset(("hpi.context", "hpi.previous")),
    "hpi.course": frozenset(("hpi.severity", "hpi.previous", "hpi.impact", "hpi.treatment")),
    "hpi.context": frozenset(("hpi.previous", "hpi.aggravating")),
    "hpi.relieving": frozenset(("hpi.treatment",)),
    "hpi.location": frozenset(("hpi.radiation",)),
    "hpi.aggravating": frozenset(("hpi.previous",)),
    "social.travel": frozenset(("history.immunisation",)),
}
"""Parts of the story that stand beside another only to say when or where: "how bad is it right now?"."""
Named: TypeAlias = tuple[Concept, frozenset[str]]
"""Something that a question names, and its words for it."""
_PLACES = ("generic", "site", "circumstance")
_BY_THE_WAY = ("site", "circumstance", "generic")
"""Kinds of concept that ask for nothing of their own beside a thing: "weakness of your arms or legs"."""


class FactFinder:
    """Finds the facts of one record that a clause asks for."""

    def __init__(self, index: FactIndex, lexicon: Lexicon) -> None:
        self._index = index
        self._lexicon = lexicon

    def on_items(self, clause: Clause, reading: Reading, asked: set[str]) -> Question:
        """A question that names topics or things, each item of a list by itself.

        "Allergic to nuts or latex" asks about both within allergies; "asthma or allergies" asks about two matters.
        """
        concepts = [self._lexicon.concepts[id] for id in reading.concepts]
        telling = any(concept.kind != "generic" for concept in concepts)
        topics = _subject_topics(reading.topics, self._index.has_topic)
        if not topics and not telling:
            return finding(clause.text, self._index.sharing(reading.rest) or self._index.about(concepts[0]))
        wishes = frozenset(("like",)) if "request" in reading.kinds else frozenset()
        examples = topics and not (_EXAMPLES - wishes).isdisjoint(clause.words) and not topics[0].startswith(STORY)
        unknown = reading.rest and _WIDE.isdisjoint(clause.words) and not self._by_value(topics)
        unknown = unknown and not reading.kinds & {"request", "open"}
        if topics and not (telling and not examples) and not unknown:
            return self._on_topics(clause, topics, asked, concepts if examples else ())
        closeness = self._index.closeness(clause.words)
        if topics == ("ideas",) and clause.words[:3] == _DO_YOU_THINK:
            topics = ()
        things = any(concept.kind == "thing" for concept in concepts)
        frame: tuple[str, ...] = ()
        found: dict[str, IndexedFact] = {}
        if "family" in topics:
            frame = ("family",)
        for item in reading.items:
            own = tuple(topic for topic in _subject_topics(item.topics, self._index.has_topic) if topic in topics)
            group = [(self._lexicon.concept(ids), words) for ids, words in item.things]
            group = [pair for pair in group if pair[0].kind not in (("generic",) if self._tells(own) else _PLACES)]
            if item.topics:
                frame = own if self._frames(own) else ()
            if own and not group and not (unknown and len(reading.items) == 1):
                facts = self.whole(own, clause, asked)
            elif own or (frame and group):
                facts = self._particular(clause, reading, own or frame, group, closeness)
                if not own and all(topic.startswith(STORY) for topic in frame):
                    facts = [f for f in facts if f.fact.topic in frame or not f.touches.isdisjoint(frame)]
            elif group and not ((things or topics) and all(concept.kind in _BY_THE_WAY for concept, _ in group)):
                facts = self.findings(group, (), closeness)
            else:
                facts = []
            found.update((f.fact.id, f) for f in facts)
        if topics and _TRIGGERS.issuperset(topics):
            inside = {id: f for id, f in found.items() if f.fact.topic in topics or not f.touches.isdisjoint(topics)}
            listed = self._index.within(topics) if len(reading.items) > 1 else ()
            found = inside or {f.fact.id: f for f in listed} or found
        if len(reading.concepts) == 1 and not topics and "request" in reading.kinds and "about" in clause.words:
            found.update((f.fact.id, f) for f in self._index.about(concepts[0], wide=True))
        return finding(clause.text, found.values(), topics)

    def _tells(self, topics: Sequence[str]) -> bool:
        """Whether a part of the body says something beside these topics: where, but not "stomach surgery"."""
        return not topics or any(topic.startswith((STORY, "ros.")) for topic in topics)

    def _frames(self, topics: Sequence[str]) -> bool:
        """Whether topics hold for the further items of a list."""
        return any(
            topic in self._lexicon.guarded_topics or topic.startswith((STORY, "medications")) for topic in topics
        )

    def _on_topics(
        self, clause: Clause, topics: tuple[str, ...], asked: set[str], examples: Sequence[Concept]
    ) -> Question:
        """A question for whole topics, with what they say on the examples that it gives ("such as diabetes")."""
        if not self._index.within(topics) and (other := self._otherwise(clause, topics)):
            return finding(clause.text, other, topics)
        told = self.whole(topics, clause, asked)
        named = [f for f in self._index.within(topics) if any(f.fact.id in self._index.weights(c) for c in examples)]
        return Question(clause.text, "topic", topics, ids([*told, *named])[:MAX_FACTS])

    def whole(self, topics: Sequence[str], clause: Clause, asked: set[str]) -> list[IndexedFact]:
        """The facts of whole topics; those not yet asked for come first, so that a long topic can be gone through.

        "Any illnesses?" asks for what there is before it asks for what there is not.
        """
        found = sorted(_ranked(self._index.within(topics)), key=lambda f: f.fact.id in asked)
        if not any(self._index.has_topic(topic) for topic in topics):
            closeness = self._index.closeness(clause.words)
            closest = max((closeness.get(f.fact.id, 0.0) for f in found), default=0.0)
            found = [f for f in found if closeness.get(f.fact.id, 0.0) >= closest / 2]
        there = {f.fact.topic for f in found if f.fact.polarity == "present" and f.fact.id not in asked}
        there = {topic for topic in there if not topic.startswith(_TOLD_TOGETHER)}
        return [f for f in found if f.fact.polarity == "present" or f.fact.topic not in there][:MAX_TOPIC_FACTS]

    def _otherwise(self, clause: Clause, topics: Iterable[str]) -> list[IndexedFact]:
        """What a bare question for a topic of which the record says nothing may ask for: "is he drinking?"."""
        ids = [id for topic in topics for id in self._lexicon.otherwise.get(topic, ())]
        bare = sum(self._lexicon.names_something(word) for word in clause.words) < 2
        concept = self._lexicon.concept(ids) if ids and bare else None
        return [f for f in self._index.about(concept) if f.fact.topic in concept.topics] if concept else []

    def _particular(
        self,
        clause: Clause,
        reading: Reading,
        topics: tuple[str, ...],
        group: list[Named],
        closeness: Mapping[str, float],
    ) -> list[IndexedFact]:
        """The facts on something in particular within topics."""
        index, concepts = self._index, [concept for concept, _ in group]
        story = all(topic.startswith(STORY) for topic in topics)
        wider = index.within(topics, touching=True)
        least = IN_STATEMENT if story else 0.0
        found = [f for f in wider if any(index.weights(c).get(f.fact.id, -1.0) >= least for c in concepts)]
        if not concepts:
            found = [f for f in wider if not f.words.isdisjoint(reading.rest)]
        if not found and not story:
            named = reading.rest.union(*(words for _, words in group))
            found = [f for f in index.within(topics) if not f.words.isdisjoint(named)]
        if not found and "family" in topics and not _TROUBLE.isdisjoint(clause.words):
            systems = {topic for concept in concepts for topic in concept.topics if topic.startswith("ros.")}
            found = [f for f in wider if any(systems & self._lexicon.concepts[id].topics for id in f.mentions)]
        if not found and not story and self._lexicon.guarded_topics.isdisjoint(topics):
            found = self.findings(group, topics, closeness, settle=False)
        if not found:
            found = index.settling(topics)
        if not found and story:
            found = self._within_story(clause, topics, group, closeness)
        elif not found and self._by_value(topics):
            own = all(concept.topics <= set(topics) for concept in concepts)
            found = index.within(topics) if own or self._lexicon.guarded_topics.issuperset(topics) else []
        return _ranked(found)[:MAX_TOPIC_FACTS]

    def _within_story(
        self, clause: Clause, topics: tuple[str, ...], group: list[Named], closeness: Mapping[str, float]
    ) -> list[IndexedFact]:
        """The answer to "how long have you had the cough?" where no fact on "how long" mentions a cough.

        It is what the record says on "how long" if the cough is what the story is about, and else the cough itself.
        """
        within, concepts = self._index.within(topics), [concept for concept, _ in group]
        if "hpi.previous" in topics and not _ALIKE.isdisjoint(clause.words):
            return within
        if concepts and all(concept.kind == "site" for concept in concepts) and not self._by_value(topics):
            return within
        things = [concept for concept in concepts if concept.kind == "thing"]
        found = self.findings(group, topics, closeness)
        if found and not things and all(concept.kind == "site" for concept in concepts):
            return found
        if not things:
            own = [f for f in found if any(self._index.weights(c).get(f.fact.id, 0.0) >= IN_SYNONYM for c in concepts)]
            if own:
                return own
        if found and things and clause.words[:2] in _COUNTS:
            return found
        if self._by_value(topics) and all(not c.covers.isdisjoint(self._index.story) for c in things):
            elsewhere = [f for f in found if f.fact.topic not in CORE] if not _APART.isdisjoint(topics) else []
            if elsewhere or within:
                return elsewhere or within
        return found if things else []

    def _by_value(self, topics: Iterable[str]) -> bool:
        return all(topic in self._lexicon.value_topics for topic in topics)

    def findings(
        self, group: list[Named], topics: Sequence[str], closeness: Mapping[str, float], *, settle: bool = True
    ) -> list[IndexedFact]:
        """The facts on things named in one breath: on all of them, or else on what is the matter in it.

        "Swelling of your calf" asks for the fact on both; failing one, for swelling. "Muddled at night" asks for what
        happens at night. Where no fact mentions any, those that settle such questions in general, if these may answer.
        """
        index = self._index
        found = self._jointly(group, topics, closeness) if group else []
        if found or not settle:
            return found
        for home in dict.fromkeys(concept.topics for concept, _ in group):
            whole = len(home) == 1 and self._by_value(home)
            found += index.within(sorted(home)) if whole else index.settling(sorted(home))
        return found

    def _jointly(self, group: list[Named], topics: Sequence[str], closeness: Mapping[str, float]) -> list[IndexedFact]:
        index = self._index
        if len(group) == 1:
            return index.about(group[0][0], topics=topics, words=group[0][1], closeness=closeness)
        hits = Counter(
            id for concept, _ in group for id, weight in index.weights(concept).items() if weight >= IN_STATEMENT / 2
        )
        open_to = {id for id in hits if self._may_answer(index.by_id[id], topics)}
        most = max((hits[id] for id in open_to), default=0)
        if most > 1:
            joint = [id for id in hits if id in open_to and hits[id] == most]
            merged = self._lexicon.concept([concept.id for concept, _ in group])
            words = frozenset(word for _, words in group for word in words)
            best = [
                f for f in index.about(merged, topics=topics, words=words, closeness=closeness) if f.fact.id in joint
            ]
            return best or [index.by_id[id] for id in joint[:2]]
        what = [pair for pair in group if pair[0].kind == "thing"]
        if all(not concept.covers.isdisjoint(index.story) for concept, _ in what):
            when = [pair for pair in group if pair[0].kind == "circumstance"]
            what = [pair for pair in when if index.about(pair[0], topics=topics)] or what
        return [
            f
            for concept, words in what or group
            for f in index.about(concept, topics=topics, words=words, closeness=closeness)
        ]

    def _may_answer(self, indexed: IndexedFact, topics: Sequence[str]) -> bool:
        return indexed.fact.topic not in self._lexicon.guarded_topics or indexed.fact.topic in topics


def _subject_topics(topics: tuple[str, ...], told: Callable[[str], bool]) -> tuple[str, ...]:
    """The topics that a question is about: an attribute ("how long") gives way to what it belongs to, if told."""
    over = {topic for topic in topics if told(topic)}
    topics = tuple(topic for topic in topics if topic not in _YIELDS or over.isdisjoint(_YIELDS[topic]))
    if own := tuple(topic for topic in topics if topic in _OWN_VIEW):
        return tuple(topic for topic in topics if topic == "history.development") or own
    plain = tuple(topic for topic in topics if not topic.startswith(STORY))
    if "hpi.location" in topics and all(topic.startswith("ros.") for topic in plain):
        return ("hpi.location",)
    strong = tuple(topic for topic in topics if topic in _STRONG)
    if not plain or len(plain) == len(topics):
        return topics
    return strong if strong and len(strong) + len(plain) == len(topics) else plain


def finding(text: str, facts: Iterable[IndexedFact], topics: tuple[str, ...] = ()) -> Question:
    """A question for something in particular, which some facts answer."""
    facts = list(facts)
    return Question(
        text, "finding", topics or tuple(dict.fromkeys(f.fact.topic for f in facts)), ids(facts)[:MAX_FACTS]
    )


def _ranked(facts: Iterable[IndexedFact]) -> list[IndexedFact]:
    return sorted(facts, key=lambda indexed: not indexed.fact.must_ask)


def ids(facts: Iterable[IndexedFact]) -> tuple[str, ...]:
    """The ids of facts, each once."""
    return tuple(dict.fromkeys(indexed.fact.id for indexed in facts))
