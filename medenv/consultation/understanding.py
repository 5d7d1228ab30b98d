"""How the environment understands a doctor: by rules and the lexicon, the same for every patient, with no model.

A speech is cut into clauses, and what a clause asks for is read off the phrases of the lexicon in it: topics ("when
did it start"), concepts ("breathless"), invitations to tell, and fishing. A question about something in particular asks
only for the facts that mention it, never for the rest of its topic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import TypeAlias

from medenv.consultation.clauses import ANY, ASKING, VERBS, Clause, clauses, has_question_form, is_heading
from medenv.consultation.examples import Likeness
from medenv.consultation.facts import CORE, HISTORY, IN_STATEMENT, IN_SYNONYM, STORY, FactIndex, IndexedFact
from medenv.consultation.lexicon import Concept, Label, Lexicon, lexicon
from medenv.consultation.questions import Question, Sign, Understanding
from medenv.consultation.reading import ClauseReader, Reading
from medenv.consultation.words import Spelling, wordset
from medenv.records.record import Fact

__all__ = ["MAX_FACTS", "MAX_QUESTIONS", "MAX_TOPIC_FACTS", "QuestionReader", "reader"]

MAX_QUESTIONS = 16
"""The most questions of one message that are read; further ones only count."""
MAX_COUNTED = 64
MAX_FACTS = 5
"""The most facts that one question asks for."""
MAX_TOPIC_FACTS = 4
"""The most facts that one question about a topic asks for."""
MAX_CORRECTIONS = 24
"""The most words of one message that are held against the known spellings."""
MAX_SCRAP, MAX_BACK = 4, 8
"""The most words of a question that is no more than a scrap, and of one that points back."""

_BACK = wordset("it that those them one ones then")
"""Words that point back."""
_GUESS = wordset("it this that")
_IS_THIS = (("be", "this"), ("be", "that"))
_RIGHT, _THAT_YOU = ("be", "i", "right"), ("that", "you", "be")
"""What begins a guess: "am I right that you are"."""
_DO_YOU_THINK = ("do", "you", "think")
_EARLIER = "before"
_COUNTS = (("how", "many"), ("how", "much"), ("how", "often"))
_DISEASE = ("itis", "osis", "emia", "opathi", "oma", "syndrom")
"""How the names of diseases end, in the form in which words are compared."""
_THERE = wordset("that those them there then she he")
_ATTRIBUTES = frozenset(
    ("hpi.onset", "hpi.duration", "hpi.course", "hpi.severity", "hpi.location", "hpi.character", "hpi.context")
)
"""Parts of the story that anything else has too: "how long have you had it?"."""
_IT = frozenset(("it",))
_WIDE = wordset("any anything what which all other else every everything about")
_ALIKE = wordset("similar like this same it")
_TROUBLE = wordset("trouble problem bother issue complaint")
_EXAMPLES = wordset("like such including eg")
_PEOPLE = wordset("people some many most often lot plenty parent patient other folk men women mother")
"""Words that begin what is said of people in general, to make a question easier."""
_KIN = wordset("mother father husband wife partner grandparent sibling")

_APART = frozenset(("hpi.location", "hpi.character"))
"""Parts of the story that a fact on the thing itself answers better: "what are your bowels like?"."""
_OWN_VIEW = frozenset(("ideas", "concerns", "expectations"))
"""What only the patient can say; a question for it asks for nothing else: "what do you think brought it on?"."""
_RETOLD = frozenset(("hpi.previous", "hpi.treatment", "hpi.associated", "hpi.context"))
"""Parts of the story that have a time and a manner of their own."""
_STRONG = frozenset(("hpi.aggravating", "hpi.relieving", "hpi.treatment", "hpi.impact"))
"""Parts of the story that stay the question whatever else is named: "does stress make it worse?"."""


_LIKE, _SURE, _CERTAIN = 0.3, 0.6, 0.55
"""How like its examples a question has to be to count as asking for a label: at all, against its phrases, beyond doubt."""
_AS_LIKE, _LIKER = 0.8, 0.3
"""How like, beside the best, a further label has to be, and how much more so than what the phrases name."""
_NARROWING = 0.4
_NEAR, _NEARER = 0.4, 0.6
_THINGS_TOLD = frozenset(("hpi.associated", "hpi.treatment"))
"""Parts of the story that tell of further things, which "it" may be: "is it red?" after "any lump?"."""
_TIMES = frozenset(("hpi.onset", "hpi.duration"))
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

_Named: TypeAlias = tuple[Concept, frozenset[str]]
"""Something that a question names, and its words for it."""
_PLACES = ("generic", "site", "circumstance")
_ASKED_OF_IT = ("circumstance", "value", "generic")
"""Kinds of concept that may be asked of whatever the talk is about: "does it hurt?"."""
_BY_THE_WAY = ("site", "circumstance", "generic")
"""Kinds of concept that ask for nothing of their own beside a thing: "weakness of your arms or legs"."""


@dataclass(frozen=True, slots=True)
class _Subject:
    """What the talk was about before a question, for follow-ups."""

    topics: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    here: bool = False
    """Whether it comes from the same message."""


class QuestionReader:
    """Reads a doctor's speech against the facts of one record.

    Reading is deterministic, takes time in proportion to the length of the speech and never raises.
    """

    def __init__(self, facts: Iterable[Fact], lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._index = FactIndex(facts, lexicon)
        self._clauses = _clause_reader(lexicon)
        written = (text for f in self._index.facts for text in (f.fact.statement, f.fact.lay, *f.fact.synonyms))
        self._spelling = Spelling(word for text in written for word in lexicon.words.raw(text))
        self._kin = _KIN if self._has_adult_caregiver() else frozenset()

    def read(self, speech: str, earlier: Sequence[Understanding] = ()) -> Understanding:
        """Understands one speech.

        Args:
            speech: The doctor's words.
            earlier: What was understood of the earlier messages of the episode, oldest first; follow-ups lean on it.
        """
        subject = _last_subject(earlier)
        asked = {fact for understanding in earlier for question in understanding.questions for fact in question.facts}
        questions: list[Question] = []
        signs: set[Sign] = set()
        said: Reading | None = None
        commanded = False
        for clause in clauses(speech, self._lexicon, self._corrector()):
            reading = self._clauses.read(clause.lead, clause.words, clause.pauses)
            signs |= reading.signs
            if not (self._asks(clause, reading) or (said and clause.marked and clause.words[0] in VERBS)):
                if reading.concepts and not reading.kinds & {"statement"} and not _PEOPLE.isdisjoint(clause.words):
                    said = reading
                elif (
                    reading.concepts
                    and clause.words[0] == "if"
                    and (matter := self._by_itself(clause, reading, asked)).facts
                ):
                    subject = _Subject(matter.topics, matter.facts, True)
                continue
            if len(questions) < MAX_QUESTIONS:
                question = self._question(clause, reading, subject, asked)
                if commanded:
                    question = Question(clause.text, "fishing")
                commanded = commanded or "command" in reading.kinds
                if said and not (reading.concepts or reading.rest or question.kind == "fishing"):
                    question = self._of_people(clause, said) or question
                said = None
            elif len(questions) < MAX_COUNTED:
                question = Question(clause.text, "unclear")
            else:
                break
            questions.append(question)
            if question.kind in ("finding", "topic"):
                subject = _Subject(question.topics, question.facts, True)
        return Understanding(tuple(questions), frozenset(signs))

    def _corrector(self) -> Callable[[str], str]:
        """Gives the word that is meant, for one message."""
        left = MAX_CORRECTIONS

        def correct(word: str) -> str:
            nonlocal left
            if word in self._kin:
                return "you"
            if not left or word in self._lexicon.spelling or word in self._spelling or "'" in word:
                return word
            if self._lexicon.vocabulary.issuperset(self._lexicon.words.normal(word)):
                return word
            left -= 1
            own = self._spelling.correct(word)
            return own if own != word else self._lexicon.spelling.correct(word)

        return correct

    def _has_adult_caregiver(self) -> bool:
        """Whether somebody speaks for a grown-up, so that "your father" may be the patient."""
        spoken_of = sum("you" in self._lexicon.words.plain(indexed.fact.lay) for indexed in self._index.facts)
        child = any(self._index.has_topic(topic) for topic in ("history.development", "history.immunisation"))
        return spoken_of > len(self._index.facts) / 2 and not child

    def _asks(self, clause: Clause, reading: Reading) -> bool:
        """Whether a clause asks something of the patient."""
        if "command" in reading.kinds:
            return True
        if "open" in reading.kinds and clause.marked and clause.words[0] in ANY:
            return True
        requests = "request" in reading.kinds
        if "aside" in reading.kinds:
            particular = reading.items
            if not (particular and (requests or clause.words[0] in ASKING)):
                return "fishing" in reading.kinds
        if has_question_form(clause, self._lexicon, requests=requests, states="statement" in reading.kinds):
            return True
        heads = bool(reading.items) and not reading.kinds & {"statement", "aside"} and not reading.signs
        return heads and is_heading(clause)

    def _question(self, clause: Clause, reading: Reading, subject: _Subject, asked: set[str]) -> Question:
        text = clause.text
        if reading.kinds & {"fishing", "command"}:
            return Question(text, "fishing")
        if (leaning := self._lean(clause, reading, subject)) is not None:
            return replace(leaning, text=text)
        if self._guesses(clause, reading):
            return Question(text, "fishing")
        question = self._by_example(clause, reading, self._by_itself(clause, reading, asked), asked)
        if question.kind in ("fishing", "open"):
            return question
        if not question.facts and subject.facts and self._depends(clause, reading, subject):
            known = tuple(id for id in subject.facts if id in self._index.by_id)
            return Question(text, "finding", subject.topics, known[:MAX_TOPIC_FACTS])
        if not question.facts and _EARLIER in clause.words[-2:] and self._of_complaint(clause):
            question = _finding(text, self._index.within(("hpi.previous",)))
        if not question.facts and (near := self._index.nearest(clause.words, self._looseness(clause, reading))):
            question = _finding(text, near)
        if subject.topics and not _BACK.isdisjoint(clause.words):
            return replace(question, facts=self._of_it(question.facts, subject))
        return question

    def _of_complaint(self, clause: Clause) -> bool:
        """Whether a clause speaks of what the complaint is about, in any word of it."""
        told = [
            f
            for f in self._index.facts
            if f.fact.topic in ("hpi.location", "hpi.character") or f.fact.disclosure == "volunteered"
        ]
        return any(not f.words.isdisjoint(clause.words) for f in told)

    def _by_example(self, clause: Clause, reading: Reading, question: Question, asked: set[str]) -> Question:
        """What a clause asks for by the examples that it is most like, where its phrases do not tell."""
        likely = self._clauses.likely(reading.wording)
        if not likely or question.kind in ("fishing", "open"):
            return question
        own = _labels(reading)
        if not any(self._lexicon.names_something(word) for word in reading.wording):
            likely = tuple(alike for alike in likely if alike.label[0] != "concept")
        if question.facts:
            if len(reading.items) > 1:
                return question
            return self._corrected(clause, question, likely, own, asked)
        best = max((alike.likeness for alike in likely), default=0.0)
        for label, likeness in likely:
            if likeness < max(_LIKE, _AS_LIKE * best) or label in own:
                break
            if label[0] in ("fishing", "open"):
                if reading.items or len(clause.words) < MAX_SCRAP:
                    return question
                return Question(clause.text, "fishing") if label[0] == "fishing" else self._invited(clause)
            if facts := self._of_label(label, clause, asked):
                return _finding(clause.text, facts)
            if likeness >= _CERTAIN:
                break
        return question

    def _corrected(
        self, clause: Clause, question: Question, likely: Sequence[Likeness], own: set[Label], asked: set[str]
    ) -> Question:
        """A question whose phrases tell what it asks for, held against the examples that it is most like."""
        rival = max((likeness for label, likeness in likely if label in own), default=0.0)
        for label, likeness in likely:
            if likeness < _NARROWING or label in own:
                break
            if label[0] == "open":
                continue
            if label[0] == "fishing":
                return (
                    Question(clause.text, "fishing")
                    if likeness >= _SURE and len(clause.words) >= MAX_SCRAP
                    else question
                )
            ids = _ids(self._of_label(label, clause, asked))
            if both := tuple(id for id in question.facts if id in ids):
                return replace(question, facts=both) if question.kind == "finding" else question
            if ids and likeness >= _SURE and rival < likeness - _LIKER:
                return _finding(clause.text, [self._index.by_id[id] for id in ids])
            if ids:
                break
        return question

    def _invited(self, clause: Clause) -> Question:
        return Question(
            clause.text, "open", (), _ids(f for f in self._index.facts if f.fact.disclosure == "volunteered")
        )

    def _of_label(self, label: Label, clause: Clause, asked: set[str]) -> list[IndexedFact]:
        kind, id = label
        if kind == "topic":
            return self._whole((id,), clause, asked)
        words = frozenset(word for word in clause.words if self._lexicon.names_something(word))
        named = [(self._lexicon.concepts[id], words)]
        return self._findings(named, (), self._index.closeness(clause.words), settle=False)

    def _looseness(self, clause: Clause, reading: Reading) -> float:
        """How much of a clause of which nothing is known a fact has to share to answer it; 0 where none may.

        None may where the clause names one thing and no more: the record does not say.
        """
        likely = self._clauses.likely(reading.wording)
        if not self._lexicon.guarded_topics.isdisjoint(reading.topics) or (
            likely and likely[0].label in _labels(reading)
        ):
            return 0.0
        if not all(topic.startswith(STORY) for topic in reading.topics):
            return _NEARER
        kinds = {self._lexicon.concepts[id].kind for id in reading.concepts}
        vague = "thing" not in kinds or bool(reading.rest) or not _TIMES.issuperset(reading.topics)
        return _NEAR if vague else 0.0

    def _of_people(self, clause: Clause, said: Reading) -> Question | None:
        """A question about what was said of people in general: "many parents try home remedies; have you?"."""
        found: dict[str, IndexedFact] = {}
        for item in said.items:
            group = [(self._lexicon.concept(ids), words) for ids, words in item.things]
            group = [pair for pair in group if pair[0].kind == "thing"]
            found.update((f.fact.id, f) for f in self._findings(group, (), {}, settle=False))
        return _finding(clause.text, found.values()) if found else None

    def _of_it(self, facts: tuple[str, ...], subject: _Subject) -> tuple[str, ...]:
        """Those of some facts that are about what the talk was about, if any: "does it burn?" after "any blood?"."""
        topics = [topic for topic in subject.topics if not topic.startswith(STORY)]
        return tuple(id for id in facts if self._index.by_id[id].fact.topic in topics) or facts

    def _guesses(self, clause: Clause, reading: Reading) -> bool:
        """Whether the doctor has the patient confirm a guess: "is it malaria?"."""
        put = clause.words[0] in VERBS and not (_GUESS | {"you"}).isdisjoint(clause.words[1:2])
        if put and any(word.endswith(_DISEASE) for word in reading.rest):
            return self._index.rarity.keys().isdisjoint(reading.rest)
        if clause.words[:2] in _IS_THIS and reading.rest and reading.concepts and not reading.topics:
            return len(clause.words) <= MAX_SCRAP + 1 and self._index.rarity.keys().isdisjoint(reading.rest)
        right = clause.words[:3] == _RIGHT and clause.words[3:6] == _THAT_YOU
        if reading.topics or len(reading.concepts) != 1 or (_GUESS.isdisjoint(clause.words[:2]) and not right):
            return False
        named = {word for item in reading.items for _, words in item.things for word in words}
        disease = "history.medical" in self._lexicon.concepts[reading.concepts[0]].topics
        return (
            disease
            and "be" in clause.words[:2]
            and named.union(_GUESS, ("be", "not"), _RIGHT, _THAT_YOU).issuperset(clause.words)
        )

    def _by_itself(self, clause: Clause, reading: Reading, asked: set[str]) -> Question:
        text = clause.text
        if reading.items:
            return self._on_items(clause, reading, asked)
        if named := self._index.named(clause.words):
            return _finding(text, named)
        if found := self._index.sharing(reading.rest):
            return _finding(text, found)
        if "open" in reading.kinds:
            return self._invited(clause)
        first = clause.words[0]
        asks = first in ASKING or first in VERBS or first in ANY or "you" in clause.words
        return Question(text, "finding" if reading.rest and asks else "unclear")

    def _on_items(self, clause: Clause, reading: Reading, asked: set[str]) -> Question:
        """A question that names topics or things, each item of a list by itself.

        "Allergic to nuts or latex" asks about both within allergies; "asthma or allergies" asks about two matters.
        """
        concepts = [self._lexicon.concepts[id] for id in reading.concepts]
        telling = any(concept.kind != "generic" for concept in concepts)
        topics = _subject_topics(reading.topics, self._index.has_topic)
        if not topics and not telling:
            return _finding(clause.text, self._index.sharing(reading.rest) or self._index.about(concepts[0]))
        wishes = frozenset(("like",)) if "request" in reading.kinds else frozenset()
        examples = topics and not (_EXAMPLES - wishes).isdisjoint(clause.words) and not topics[0].startswith(STORY)
        unknown = reading.rest and _WIDE.isdisjoint(clause.words) and not self._by_value(topics)
        unknown = unknown and not reading.kinds & {"request", "open"}
        if topics and not (telling and not examples) and not unknown:
            return self._on_topics(clause, topics, asked)
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
                facts = self._whole(own, clause, asked)
            elif own or (frame and group):
                facts = self._particular(clause, reading, own or frame, group, closeness)
            elif group and not ((things or topics) and all(concept.kind in _BY_THE_WAY for concept, _ in group)):
                facts = self._findings(group, (), closeness)
            else:
                facts = []
            found.update((f.fact.id, f) for f in facts)
        if len(reading.concepts) == 1 and not topics and "request" in reading.kinds and "about" in clause.words:
            found.update((f.fact.id, f) for f in self._index.about(concepts[0], wide=True))
        return _finding(clause.text, found.values(), topics)

    def _tells(self, topics: Sequence[str]) -> bool:
        """Whether a part of the body says something beside these topics: where, but not "stomach surgery"."""
        return not topics or any(topic.startswith((STORY, "ros.")) for topic in topics)

    def _frames(self, topics: Sequence[str]) -> bool:
        """Whether topics hold for the further items of a list."""
        return any(
            topic in self._lexicon.guarded_topics or topic.startswith((STORY, "medications")) for topic in topics
        )

    def _on_topics(self, clause: Clause, topics: tuple[str, ...], asked: set[str]) -> Question:
        if not self._index.within(topics) and (other := self._otherwise(clause, topics)):
            return _finding(clause.text, other, topics)
        return Question(clause.text, "topic", topics, _ids(self._whole(topics, clause, asked)))

    def _whole(self, topics: Sequence[str], clause: Clause, asked: set[str]) -> list[IndexedFact]:
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
        group: list[_Named],
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
            found = self._findings(group, topics, closeness, settle=False)
        if not found:
            found = index.settling(topics)
        if not found and story:
            found = self._within_story(clause, topics, group, closeness)
        elif not found and self._by_value(topics):
            own = all(concept.topics <= set(topics) for concept in concepts)
            found = index.within(topics) if own or self._lexicon.guarded_topics.issuperset(topics) else []
        return _ranked(found)[:MAX_TOPIC_FACTS]

    def _within_story(
        self, clause: Clause, topics: tuple[str, ...], group: list[_Named], closeness: Mapping[str, float]
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
        found = self._findings(group, topics, closeness)
        if found and not things and all(concept.kind == "site" for concept in concepts):
            return found
        if not things and (
            own := [f for f in found if any(self._index.weights(c).get(f.fact.id, 0.0) >= IN_SYNONYM for c in concepts)]
        ):
            return own
        if found and things and clause.words[:2] in _COUNTS:
            return found
        if self._by_value(topics) and all(not c.covers.isdisjoint(self._index.story) for c in things):
            elsewhere = [f for f in found if f.fact.topic not in CORE] if not _APART.isdisjoint(topics) else []
            if elsewhere or within:
                return elsewhere or within
        if things:
            return found
        return [f for f in found if any(self._index.weights(c).get(f.fact.id, 0) >= IN_SYNONYM for c in concepts)]

    def _by_value(self, topics: Iterable[str]) -> bool:
        return all(topic in self._lexicon.value_topics for topic in topics)

    def _findings(
        self, group: list[_Named], topics: Sequence[str], closeness: Mapping[str, float], *, settle: bool = True
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

    def _jointly(self, group: list[_Named], topics: Sequence[str], closeness: Mapping[str, float]) -> list[IndexedFact]:
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

    # --- follow-ups

    def _lean(self, clause: Clause, reading: Reading, subject: _Subject) -> Question | None:
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
        back = _BACK.intersection(clause.words)
        story = any(f.fact.topic.startswith(STORY) and f.fact.topic not in _THINGS_TOLD for f in before)
        if any(concept.kind not in _ASKED_OF_IT for concept in concepts):
            of_it = not (story or topics) and not _BACK.isdisjoint(clause.words[1:2])
            told = [f for f in before if of_it and any(f.fact.id in index.weights(c) for c in concepts)]
            return Question("", "finding", subject.topics, _ids(told)) if told else None
        if story and topics and not (back - _IT and subject.topics[0] in _RETOLD):
            return None
        if topics and all(f.fact.polarity == "absent" for f in before):
            return None
        if elliptic:
            meant = [f for f in before if not f.words.isdisjoint(clause.words)] if len(before) > 1 else []
            return Question("", "finding", subject.topics, _ids((meant or before)[:MAX_TOPIC_FACTS]))
        if concepts:
            told = [f for f in before if back and any(f.fact.id in index.weights(c) for c in concepts)]
            if not (told or story or topics or not back):
                told = [f for f in index.within(subject.topics) if any(f.fact.id in index.weights(c) for c in concepts)]
            return Question("", "finding", subject.topics, _ids(told)[:MAX_TOPIC_FACTS]) if told else None
        if all(f.fact.topic.startswith(HISTORY) for f in before) and not reading.rest:
            return Question("", "finding", subject.topics, _ids(before)) if _ATTRIBUTES.issuperset(topics) else None
        if not (topics and back and (subject.here or back != _IT or not index.within(topics))):
            return None
        matter = {id for f in before for id, weight in f.mentions.items() if weight >= IN_STATEMENT}
        own = [f for f in index.within(topics) if any(f.mentions.get(id, 0) >= IN_STATEMENT for id in matter)]
        return Question("", "finding", subject.topics, _ids([*own, *before])[:MAX_TOPIC_FACTS])

    def _depends(self, clause: Clause, reading: Reading, subject: _Subject) -> bool:
        """Whether a question of which nothing is known makes sense only after the one before: "who had it?".

        It names nothing of its own, or it points back, or it is no more than a scrap: "and at weekends?".
        """
        words = clause.words
        if reading.topics:
            return False
        back = not _BACK.isdisjoint(words)
        concepts = [self._lexicon.concepts[id] for id in reading.concepts]
        named = [concept for concept in concepts if concept.kind not in _ASKED_OF_IT]
        if named:
            return back and all(not concept.topics.isdisjoint(subject.topics) for concept in named)
        if not reading.rest and not reading.items:
            return "open" not in reading.kinds or not _THERE.isdisjoint(words)
        scrap = len(words) <= MAX_SCRAP and VERBS.isdisjoint(words)
        return scrap or (len(words) <= MAX_BACK and (back or not _THERE.isdisjoint(words)))


def _last_subject(earlier: Sequence[Understanding]) -> _Subject:
    for understanding in reversed(earlier[-2:]):
        for question in reversed(understanding.questions):
            if question.kind in ("finding", "topic"):
                return _Subject(question.topics, question.facts)
    return _Subject()


def _subject_topics(topics: tuple[str, ...], told: Callable[[str], bool]) -> tuple[str, ...]:
    """The topics that a question is about: an attribute ("how long") gives way to what it belongs to, if told."""
    over = {topic for topic in topics if told(topic)}
    topics = tuple(topic for topic in topics if topic not in _YIELDS or over.isdisjoint(_YIELDS[topic]))
    if own := tuple(topic for topic in topics if topic in _OWN_VIEW):
        return own
    plain = tuple(topic for topic in topics if not topic.startswith(STORY))
    strong = tuple(topic for topic in topics if topic in _STRONG)
    if not plain or len(plain) == len(topics):
        return topics
    return strong if strong and len(strong) + len(plain) == len(topics) else plain


def _labels(reading: Reading) -> set[Label]:
    topics: set[Label] = {("topic", topic) for topic in reading.topics}
    return topics | {("concept", id) for id in reading.concepts}


def _finding(text: str, facts: Iterable[IndexedFact], topics: tuple[str, ...] = ()) -> Question:
    facts = list(facts)
    return Question(
        text, "finding", topics or tuple(dict.fromkeys(f.fact.topic for f in facts)), _ids(facts)[:MAX_FACTS]
    )


def _ranked(facts: Iterable[IndexedFact]) -> list[IndexedFact]:
    return sorted(facts, key=lambda indexed: not indexed.fact.must_ask)


def _ids(facts: Iterable[IndexedFact]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(indexed.fact.id for indexed in facts))


@cache
def _clause_reader(lexicon: Lexicon) -> ClauseReader:
    return ClauseReader(lexicon)


@lru_cache(maxsize=512)
def reader(facts: tuple[Fact, ...]) -> QuestionReader:
    """The reader for the facts of one record; built once."""
    return QuestionReader(facts, lexicon())
