"""How the environment understands a doctor: by rules and the lexicon, the same for every patient, with no model.

A speech is cut into sentences and these into questions. What a question asks for is read off the phrases of the
lexicon in it: topics ("when did it start"), concepts ("breathless"), invitations to tell, and fishing. A question about
something in particular asks only for the facts that mention it, never for the rest of its topic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from medenv.consultation.lexicon import BEGIN, END, Concept, Label, Lexicon, lexicon
from medenv.consultation.phrases import Match, Phrases
from medenv.consultation.questions import Question, Sign, Understanding
from medenv.consultation.words import Span, Spelling, stem
from medenv.records.record import Fact

__all__ = ["MAX_QUESTIONS", "QuestionReader", "reader"]

MAX_QUESTIONS = 16
"""The most questions of one message that are read; further ones only count."""
MAX_COUNTED = 64
MAX_FINDINGS = 5
"""The most facts that one question about findings asks for."""
MAX_TOPIC_FACTS = 4
"""The most facts that one question about a topic asks for."""
MAX_CLAUSE = 48
"""The most words that are read as one question."""
MAX_CORRECTIONS = 24
"""The most words of one message that are held against the known spellings."""

_SENTENCE_END = frozenset(".?!;\n\u2026\u3002\uff1f\uff01")
_PAUSE = frozenset(",:\u2013\u2014()\uff0c")
def _words(text: str) -> frozenset[str]:
    """Words in the form in which they are compared."""
    return frozenset(stem(word) for word in text.split())


_LINKS = _words("and or but nor also then so plus")
_PARTS = _words("and or nor")
_VERBS = _words("be do have can would should")
_SUBJECTS = _words("you it this that these those there any anyone anything someone")
_ASKING = _words("what when where which who how why whose")
_MEASURES = _words("long much many often bad severe far old soon about kind sort type else time day side part")
_CAUSES = _words("make bring cause help happen live")
_REQUESTS = _words("tell describe explain")
_ANY = _words("any anything anyone")
_ASKED_AS = _ASKING | _VERBS | _ANY
_TAG = _VERBS | _words("you it that this there not right correct true so yeah yes no and or case")
"""Words of which a tag consists: "do you?", "is that right?"."""
_NAMING = _words("what which who whose")
_LOOSE = frozenset(("command", "request", "aside", "follow_up"))
_EMPTY = _TAG | _SUBJECTS | _words("all like anything something else thing of sort kind")
_SAYS = _VERBS | _REQUESTS | _words("i we you any feel get sorry thank")
"""Words without which a stretch of words neither asks nor states: "on a scale of one to ten"."""
_SELF = _words("i we let my our")
_BACK = _words("it that this those them these one ones then")
_WIDE = _words("any anything what which all other else every everything about")
_EXAMPLES = _words("like such including eg")
_CAREGIVER_KIN = _words("mother father husband wife partner grandparent sibling")
_STORY = "hpi."
_RETOLD = frozenset(("hpi.previous", "hpi.treatment", "hpi.associated", "hpi.context"))
"""Parts of the story that have a time and a manner of their own."""
_CIRCUMSTANTIAL = frozenset(("hpi.aggravating", "hpi.relieving", "hpi.course", "hpi.context", "hpi.onset"))
_BROAD = frozenset(("new_medication", "otc", "doctor_seen", "tests_before", "compliance", "episode", "pain"))
"""Concepts so wide that they leave a denial general."""
_SETTLED = ("history.", "medications", "allergies", "family", "social.")
_ONE_MATTER = frozenset(("social.smoking", "social.alcohol", "social.drugs", "social.travel", "social.sexual"))
"""Topics whose facts all deal with one matter, so that denying it denies every form of it."""


@dataclass(frozen=True, slots=True)
class _Clause:
    """A stretch of words that asks one thing at most."""

    words: tuple[str, ...]
    pauses: frozenset[int]
    """The positions of words with a comma before them."""
    text: str
    marked: bool
    """Whether it ends with a question mark."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the phrases of one clause are."""

    concepts: tuple[Match[str], ...] = ()
    """Where they stand in the words of the clause."""
    topics: tuple[str, ...] = ()
    kinds: frozenset[str] = frozenset()
    """Every other kind of phrase in it: open, fishing, command, request, statement, aside, follow_up."""
    signs: frozenset[Sign] = frozenset()
    rest: tuple[str, ...] = ()
    """Words that name something, and that the lexicon does not know."""


@dataclass(slots=True)
class _Subject:
    """What the talk was about before a question, for follow-ups."""

    topics: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    here: bool = False
    """Whether it comes from the same message."""


@dataclass(slots=True)
class _Indexed:
    """A fact, and what its words mean."""

    fact: Fact
    mentions: dict[str, float] = field(default_factory=dict)
    stated: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    """Its own topic, and those that its synonyms ask for."""


class QuestionReader:
    """Reads a doctor's speech against the facts of one record.

    Reading is deterministic, takes time in proportion to the length of the speech and never raises.
    """

    def __init__(self, facts: Iterable[Fact], lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._facts = [self._index(fact) for fact in facts]
        self._by_id = {indexed.fact.id: indexed for indexed in self._facts}
        self._by_topic: dict[str, list[_Indexed]] = {}
        for indexed in self._facts:
            self._by_topic.setdefault(indexed.fact.topic, []).append(indexed)
        self._by_synonym: dict[str, list[_Indexed]] = {}
        for indexed in self._facts:
            for topic in sorted(indexed.topics - {indexed.fact.topic}):
                self._by_synonym.setdefault(topic, []).append(indexed)
        self._rarity = Counter(word for indexed in self._facts for word in indexed.words)
        self._named = Phrases(self._names())
        self._spelling = Spelling(self._rarity)
        self._kin = self._spoken_of()
        self._story = self._complaint()

    def read(self, speech: str, earlier: Sequence[Understanding] = ()) -> Understanding:
        """Understands one speech.

        Args:
            speech: The doctor's words.
            earlier: What was understood of the earlier messages of the episode, oldest first; follow-ups lean on it.
        """
        subject = self._recall(earlier)
        asked = {fact for understanding in earlier for question in understanding.questions for fact in question.facts}
        questions: list[Question] = []
        signs: set[Sign] = set()
        for clause in self._clauses(speech):
            if len(questions) >= MAX_COUNTED:
                break
            reading = self._read(clause)
            signs |= reading.signs
            if not self._asks(clause, reading):
                continue
            if len(questions) >= MAX_QUESTIONS:
                questions.append(Question(clause.text, "unclear"))
                continue
            question = self._question(clause, reading, subject, asked)
            if question is None:
                continue
            questions.append(question)
            if question.kind in ("finding", "topic"):
                subject = _Subject(question.topics, question.facts, True)
        return Understanding(tuple(questions), frozenset(signs))

    # --- cutting speech into clauses

    def _clauses(self, speech: str) -> Iterator[_Clause]:
        spans = self._lexicon.words.read(speech)
        corrections = 0
        words: list[str] = []
        kept: list[Span] = []
        for span in spans[:-1]:
            word = span.word
            if word not in self._lexicon.spelling and word not in self._rarity and corrections < MAX_CORRECTIONS:
                corrections += 1
                word = self._correct(word)
            if word in self._kin:
                word = "you"
            starts = bool(words) and (not _SENTENCE_END.isdisjoint(span.mark) or len(words) >= MAX_CLAUSE)
            if starts:
                yield from self._split(words, kept, speech, "?" in span.mark or "\uff1f" in span.mark)
                words, kept = [], []
            if words and word == "you" and words[-1] == "you" and not span.mark:
                continue
            words.append(word)
            kept.append(span)
        if words:
            yield from self._split(words, kept, speech, "?" in spans[-1].mark or "\uff1f" in spans[-1].mark)

    def _correct(self, word: str) -> str:
        own = self._spelling.correct(word)
        return own if own != word else self._lexicon.spelling.correct(word)

    def _split(self, words: list[str], spans: list[Span], speech: str, marked: bool) -> Iterator[_Clause]:
        pauses = {i for i, span in enumerate(spans) if i and not _PAUSE.isdisjoint(span.mark)}
        starts = [0]
        told = not _REQUESTS.isdisjoint(words[:6])
        for i in range(1, len(words)):
            link = words[i] in _LINKS
            if not (link or i in pauses) or i <= starts[-1]:
                continue
            j = i
            while j < len(words) and (words[j] in _LINKS or (j > i and words[j] in self._lexicon.openers)):
                j += 1
            if self._begins(words, j, i in pauses and not link, told) and j - 1 not in starts:
                if not any(word in _SAYS for word in words[starts[-1] : i]) and words[starts[-1]] not in _ASKING:
                    continue
                if all(word in _ASKING or word in _LINKS for word in words[starts[-1] : i]):
                    continue
                if words[j] in _ANY and self._is_list(words, starts[-1]):
                    continue
                starts.append(i)
        end_of_all = len(words)
        if len(starts) > 1 and len(words) - starts[-1] <= 5 and all(word in _TAG for word in words[starts[-1] :]):
            end_of_all = starts.pop()
        for n, start in enumerate(starts):
            end = starts[n + 1] if n + 1 < len(starts) else end_of_all
            yield _Clause(
                words=tuple(words[start:end]),
                pauses=frozenset(i - start for i in pauses if start < i < end),
                text=speech[spans[start].start : spans[end - 1].end],
                marked=marked and end == end_of_all,
            )

    def _begins(self, words: Sequence[str], i: int, pause: bool, told: bool) -> bool:
        """Whether a new question begins at a word that follows a pause or a link."""
        if i >= len(words):
            return False
        word, after = words[i], words[i + 1] if i + 1 < len(words) else END
        if word in _ASKING:
            if after in _VERBS or after in _MEASURES or after in _CAUSES:
                return not (word == "which" and pause)
            return told or (word in ("what", "how") and any(w in _VERBS for w in words[i + 1 : i + 5]))
        if word in _VERBS:
            return after in _SUBJECTS or (word in ("be", "do") and not pause and after not in ("not", END))
        return word in _ANY or word in _REQUESTS

    def _is_list(self, words: Sequence[str], start: int) -> bool:
        head = next((word for word in words[start:] if word not in self._lexicon.openers), END)
        return head in _ANY or (head not in _ASKED_AS and head not in _REQUESTS)

    # --- reading one clause

    def _read(self, clause: _Clause) -> _Reading:
        words = (BEGIN, *self._head(clause.words), END)
        shift = len(clause.words) - len(words) + 2
        matches = [
            match
            for match in self._lexicon.phrases.find(words)
            if len(match.at) > 3 or not any(match.at[0] < i + 1 - shift <= match.at[-1] for i in clause.pauses)
        ]
        topics = [match for match in matches if match.label[0] == "topic"]
        concepts = [match for match in matches if match.label[0] == "concept"]
        fishing = [match for match in matches if match.label[0] == "fishing"]
        opens = [match for match in matches if match.label[0] == "open"]
        topics = [m for m in topics if not _inside(m, topics) and not _inside(m, opens) and not _outdone(m, concepts)]
        concepts = [
            m for m in concepts if not _inside(m, concepts) and not _within(m, topics) and not _outdone(m, topics)
        ]
        things = {m.at for m in concepts if self._lexicon.concepts[m.label[1]].kind != "circumstance"}
        if not any(m.label[1] in _CIRCUMSTANTIAL for m in topics):
            concepts = [
                m for m in concepts if m.at not in things or self._lexicon.concepts[m.label[1]].kind != "circumstance"
            ]
        fishing = [m for m in fishing if not _inside(m, topics) and not _inside(m, concepts)]
        opens = [m for m in opens if not _inside(m, topics) and not _inside(m, fishing)]
        kinds = {m.label[0] for m in matches if m.label[0] in _LOOSE or (m.label[0] == "statement" and m.at[0] == 1)}
        kinds |= {"fishing"} if fishing else set()
        kinds |= {"open"} if opens else set()
        used = {i for m in matches if m.label[0] in ("topic", "concept") for i in m.at}
        return _Reading(
            concepts=tuple(
                Match(m.label[1], tuple(i - 1 + shift for i in m.at))
                for m in sorted(concepts, key=lambda m: (m.at, m.label))
            ),
            topics=tuple(dict.fromkeys(m.label[1] for m in sorted(topics, key=lambda m: (m.at[0], -len(m.at))))),
            kinds=frozenset(kinds),
            signs=frozenset(m.label[1] for m in matches if m.label[0] == "sign"),  # type: ignore[misc]
            rest=tuple(word for i, word in enumerate(words[1:-1], 1) if i not in used and self._names_something(word)),
        )

    def _head(self, words: Sequence[str]) -> Sequence[str]:
        """The words without those that only lead up to the question."""
        i = 0
        while i < len(words) - 1 and words[i] in self._lexicon.openers:
            i += 1
        return words[i:]

    def _asks(self, clause: _Clause, reading: _Reading) -> bool:
        """Whether a clause asks something of the patient."""
        head = self._head(clause.words)
        if "command" in reading.kinds:
            return True
        particular = reading.concepts or reading.topics
        if "aside" in reading.kinds and not (particular and ("request" in reading.kinds or head[0] in _ASKING)):
            return "fishing" in reading.kinds
        if all(word in _EMPTY or word in self._lexicon.openers for word in head):
            return False
        mine = head[0] in _SELF
        if "request" in reading.kinds and ("statement" not in reading.kinds or clause.marked):
            return True
        if mine or "statement" in reading.kinds:
            return clause.marked and "you" in head and not mine and head[0] in _ASKED_AS
        if clause.marked:
            return True
        return self._inverted(head)

    def _inverted(self, head: Sequence[str]) -> bool:
        """Whether a clause without a question mark has a question's word order."""
        first, second = head[0], head[1] if len(head) > 1 else END
        if first in _VERBS:
            return second in _SUBJECTS or (first in ("be", "do") and len(head) > 2)
        if first in _ASKING and second not in _SELF:
            return (
                second in _VERBS
                or second in _MEASURES
                or any(a in _VERBS and b in _SUBJECTS for a, b in zip(head[1:6], head[2:7], strict=False))
                or second in _CAUSES
                or (first in _NAMING and not _VERBS.isdisjoint(head[1:6]))
            )
        return first in _ANY or first in _REQUESTS

    # --- what a question asks for

    def _question(self, clause: _Clause, reading: _Reading, subject: _Subject, asked: set[str]) -> Question | None:
        text = clause.text.strip()
        if reading.kinds & {"fishing", "command"}:
            return Question(text, "fishing")
        if (leaning := self._lean(clause, reading, subject)) is not None:
            return replace(leaning, text=text)
        if reading.topics or reading.concepts:
            return self._about(text, clause, reading, asked)
        named = self._named_facts(clause)
        if named:
            return Question(text, "finding", _topics_of(named), _ids(named[:MAX_FINDINGS]))
        if "open" in reading.kinds:
            volunteered = [f for f in self._facts if f.fact.disclosure == "volunteered"]
            return Question(text, "open", (), _ids(volunteered))
        found = self._worded(reading.rest)
        if found:
            return Question(text, "finding", _topics_of(found), _ids(found))
        head = self._head(clause.words)
        if reading.rest and (head[0] in _ASKED_AS or "you" in head):
            return Question(text, "finding")
        return Question(text, "unclear")

    def _about(self, text: str, clause: _Clause, reading: _Reading, asked: set[str]) -> Question:
        topics = self._subjects(reading)
        concepts = [self._lexicon.concepts[m.label] for m in reading.concepts]
        telling = [c for c in concepts if c.kind != "generic"]
        if topics:
            examples = not _EXAMPLES.isdisjoint(clause.words) and not topics[0].startswith(_STORY)
            if (telling and not examples) or (reading.rest and not _WIDE & set(clause.words)):
                return self._particular(text, clause, topics, telling, reading)
            found = self._of_topics(topics, asked)
            return Question(text, "topic", tuple(topics), _ids(found))
        if not telling:
            found = self._worded(reading.rest) or self._mentioning(concepts[0], ())
            return Question(text, "finding", _topics_of(found), _ids(found[:MAX_FINDINGS]))
        found = self._findings(clause, reading, ())
        homes = tuple(sorted({topic for c in telling for topic in c.topics})[:1]) if not found else ()
        return Question(text, "finding", _topics_of(found) or homes, _ids(found))

    def _subjects(self, reading: _Reading) -> list[str]:
        """The topics that a question is about: an attribute ("how long") gives way to what it belongs to."""
        topics = list(reading.topics)
        plain = [topic for topic in topics if not topic.startswith(_STORY)]
        strong = [t for t in topics if t in ("hpi.aggravating", "hpi.relieving", "hpi.treatment", "hpi.impact")]
        if plain and len(plain) < len(topics):
            return strong if strong and set(strong) == set(topics) - set(plain) else plain
        return topics

    def _particular(
        self, text: str, clause: _Clause, topics: list[str], concepts: list[Concept], reading: _Reading
    ) -> Question:
        """A question about something in particular within topics."""
        within = self._within_topics(topics)
        wider = within + [f for topic in topics for f in self._by_synonym.get(topic, ()) if f not in within]
        found = [f for f in wider if any(self._weight(f, c) for c in concepts)]
        if not concepts:
            found = [f for f in wider if f.words & set(reading.rest)]
        if not found:
            found = [f for f in within if self._settles(f)]
        if not found and all(topic.startswith(_STORY) for topic in topics):
            found = self._within_story(clause, reading, topics, concepts, within)
        elif not found and self._by_value(topics) and all(c.topics <= set(topics) for c in concepts):
            found = within
        return Question(text, "finding", tuple(topics), _ids(_ranked(found)[:MAX_TOPIC_FACTS]))

    def _within_story(
        self, clause: _Clause, reading: _Reading, topics: list[str], concepts: list[Concept], within: list[_Indexed]
    ) -> list[_Indexed]:
        """The answer to "how long have you had the cough?" where no fact on "how long" mentions a cough.

        It is what the record says on "how long" if the cough is what the story is about, and else the cough itself.
        """
        by_value = self._by_value(topics)
        things = [c for c in concepts if c.kind == "thing"]
        if by_value and all(not c.covers.isdisjoint(self._story) for c in things):
            elsewhere = self._findings(clause, reading, topics) if concepts and "hpi.location" in topics else []
            if elsewhere or within:
                return elsewhere or within
        found = self._findings(clause, reading, topics)
        return found if things else [f for f in found if any(self._weight(f, c) >= 3 for c in concepts)]

    def _within_topics(self, topics: Iterable[str]) -> list[_Indexed]:
        """The facts of topics; where one has none, those whose synonyms ask for it."""
        return [f for topic in topics for f in self._by_topic.get(topic) or self._by_synonym.get(topic, ())]

    def _by_value(self, topics: Iterable[str]) -> bool:
        return all(topic in self._lexicon.value_topics for topic in topics)

    def _findings(self, clause: _Clause, reading: _Reading, topics: Sequence[str]) -> list[_Indexed]:
        """The facts about each of the things that a clause lists, and about things said in one breath together."""
        found: list[_Indexed] = []
        named = frozenset(f.fact.id for f in self._named_facts(clause))
        for group in _groups(clause, reading.concepts):
            concepts = [(self._concept(labels), words) for labels, words in group]
            telling = [pair for pair in concepts if pair[0].kind != "generic"]
            if telling:
                found.extend(f for f in self._jointly(telling, topics, named) if f not in found)
            if len(found) >= MAX_FINDINGS:
                break
        if not found:
            homes = {topic for m in reading.concepts for topic in self._lexicon.concepts[m.label].topics}
            found = [f for f in self._facts if f.fact.topic in homes and self._settles(f)]
        return found[:MAX_FINDINGS]

    def _concept(self, labels: Sequence[str]) -> Concept:
        """The concept that a word stands for; where the same word stands for several, all of them in one."""
        return self._merged([self._lexicon.concepts[label] for label in labels])

    def _merged(self, concepts: Sequence[Concept]) -> Concept:
        if len(concepts) == 1:
            return concepts[0]
        return Concept(
            concepts[0].id,
            frozenset().union(*(c.topics for c in concepts)),
            frozenset().union(*(c.covers for c in concepts)),
            concepts[0].kind,
        )

    def _jointly(
        self, concepts: list[tuple[Concept, frozenset[str]]], topics: Sequence[str], named: frozenset[str]
    ) -> list[_Indexed]:
        """The facts on things named in one breath: on all of them, or else on what is the matter in it.

        "Swelling of your calf" asks for the fact on both; failing one, for swelling. "Muddled at night" asks for what
        happens at night.
        """
        if len(concepts) == 1:
            return self._mentioning(concepts[0][0], topics, concepts[0][1], named)
        hits = Counter(f.fact.id for f in self._facts for c, _ in concepts if self._weight(f, c) >= 1.5)
        for id in list(hits):
            if self._by_id[id].fact.topic in self._lexicon.guarded_topics and self._by_id[id].fact.topic not in topics:
                del hits[id]
        if hits and max(hits.values()) > 1:
            joint = [self._by_id[id] for id, count in hits.items() if count == max(hits.values())]
            merged = self._merged([c for c, _ in concepts])
            words = frozenset(word for _, words in concepts for word in words)
            best = [f for f in self._mentioning(merged, topics, words, named) if f in joint]
            return best or joint[:2]
        when = [pair for pair in concepts if pair[0].kind == "circumstance"]
        what = [pair for pair in concepts if pair[0].kind == "thing"]
        if when and all(not c.covers.isdisjoint(self._story) for c, _ in what):
            what = when
        return list(
            {f.fact.id: f for c, words in what or concepts for f in self._mentioning(c, topics, words, named)}.values()
        )

    def _mentioning(
        self,
        concept: Concept,
        topics: Sequence[str],
        words: frozenset[str] = frozenset(),
        named: frozenset[str] = frozenset(),
    ) -> list[_Indexed]:
        """The facts whose own matter is the concept, best first; not those that only touch it.

        Args:
            concept: What is asked about.
            topics: The topics that the question names.
            words: The words of the question for the concept; a fact that uses them comes first.
            named: The ids of facts that the question names by a synonym.
        """
        scored = []
        for indexed in self._facts:
            topic = indexed.fact.topic
            weight = self._weight(indexed, concept)
            if not weight:
                continue
            home = topic in concept.topics
            if topic in self._lexicon.guarded_topics and not home and topic not in topics:
                continue
            if concept.kind == "site" and not topic.startswith((_STORY, "ros.", "history.medical")):
                continue
            score = weight + 1.5 * home + 3 * (topic in topics) - 0.05 * min(len(indexed.mentions), 10)
            scored.append((score + (not words.isdisjoint(indexed.words)) + (indexed.fact.id in named), indexed))
        if not scored:
            return []
        best = max(score for score, _ in scored)
        scored.sort(key=lambda pair: -pair[0])
        return [indexed for score, indexed in scored if score >= best - 0.9][:3]

    def _weight(self, indexed: _Indexed, concept: Concept) -> float:
        """How much of a fact's matter the concept is; a narrower concept counts for less."""
        return max(
            (
                weight if id == concept.id else 0.7 * weight
                for id, weight in indexed.mentions.items()
                if id in concept.covers
            ),
            default=0.0,
        )

    def _settles(self, indexed: _Indexed) -> bool:
        """Whether a fact answers any question within its topic: no allergies, nothing known of the family."""
        topic = indexed.fact.topic
        if indexed.fact.polarity == "present" or not topic.startswith(_SETTLED):
            return False
        concepts = (self._lexicon.concepts[id] for id in indexed.stated - _BROAD)
        return all(topic in _ONE_MATTER and c.topics <= {topic} for c in concepts)

    def _of_topics(self, topics: Iterable[str], asked: set[str]) -> list[_Indexed]:
        """The facts of whole topics; those not yet asked for come first, so that a long topic can be gone through."""
        found = _ranked(self._within_topics(topics))
        found.sort(key=lambda f: f.fact.id in asked)
        return found[:MAX_TOPIC_FACTS]

    def _named_facts(self, clause: _Clause) -> list[_Indexed]:
        """The facts of which a synonym of two words or more stands in the clause."""
        matches = [match for match in self._named.find(clause.words) if len(match.at) > 1]
        longest = max((len(match.at) for match in matches), default=0)
        return [self._by_id[id] for id in dict.fromkeys(m.label for m in matches if len(m.at) == longest)]

    def _worded(self, words: Iterable[str]) -> list[_Indexed]:
        """The facts that share a rare word with a question whose words the lexicon does not know."""
        wanted = {word for word in words if 0 < self._rarity[word] <= 3}
        if not wanted:
            return []
        scored = [(sum(1 / self._rarity[w] for w in wanted & f.words), f) for f in self._facts]
        best = max(score for score, _ in scored)
        return [f for score, f in scored if score >= best * 0.75][:3]

    # --- follow-ups

    def _recall(self, earlier: Sequence[Understanding]) -> _Subject:
        for understanding in reversed(earlier[-2:]):
            for question in reversed(understanding.questions):
                if question.kind in ("finding", "topic"):
                    return _Subject(question.topics, question.facts)
        return _Subject()

    def _lean(self, clause: _Clause, reading: _Reading, subject: _Subject) -> Question | None:
        """What a follow-up asks for, where the clause is one; none where it stands by itself.

        "How much?" and "when was that?" ask about whatever the question before was about. "When did that start?" does so
        unless that was denied, and "is it worse at night?" only where the fact before says something on it: "it" is
        mostly the complaint.
        """
        topics, concepts = reading.topics, [self._lexicon.concepts[m.label] for m in reading.concepts]
        if not subject.facts or any(c.kind not in ("circumstance", "value") for c in concepts):
            return None
        if any(not topic.startswith(_STORY) for topic in topics):
            return None
        before = [self._by_id[id] for id in subject.facts if id in self._by_id]
        elliptic = "follow_up" in reading.kinds
        back = _BACK & set(clause.words)
        story = any(f.fact.topic.startswith(_STORY) for f in before)
        if story and topics and not (back - {"it"} and subject.topics[0] in _RETOLD):
            return None
        if all(f.fact.polarity == "absent" for f in before) and topics:
            return None
        if concepts:
            told = [f for f in before if any(self._weight(f, c) for c in concepts)]
            return Question("", "finding", subject.topics, _ids(told)) if told and (back or elliptic) else None
        if not elliptic and not (topics and back and (subject.here or back != {"it"})):
            return None
        matter = frozenset(id for f in before for id, weight in f.mentions.items() if weight >= 2)
        own = [f for topic in topics for f in self._by_topic.get(topic, ()) if not matter.isdisjoint(f.mentions)]
        return Question("", "finding", subject.topics, _ids([*own, *before][:MAX_TOPIC_FACTS]))

    # --- the index of the record

    def _index(self, fact: Fact) -> _Indexed:
        mentions: dict[str, float] = {}
        words: set[str] = set()
        topics = {fact.topic}
        for text, weight in ((fact.statement, 2.0), (fact.lay, 1.5), *((s, 3.0) for s in fact.synonyms)):
            plain = self._lexicon.words.plain(text)
            words.update(word for word in plain if self._names_something(word))
            labels = self._labels(plain)
            for kind, id in labels:
                if kind == "concept":
                    mentions[id] = max(weight, mentions.get(id, 0.0))
                elif kind == "topic" and weight == 3.0:
                    topics.add(id)
        stated = frozenset(id for kind, id in self._labels(self._lexicon.words.plain(fact.statement)) if kind == "concept")
        return _Indexed(fact, mentions, stated, frozenset(words), frozenset(topics))

    def _labels(self, words: Sequence[str]) -> list[Label]:
        matches = self._lexicon.phrases.find((BEGIN, *words, END))
        return [m.label for m in matches if not _inside(m, [other for other in matches if other.label[0] == m.label[0]])]

    def _names_something(self, word: str) -> bool:
        return word not in self._lexicon.ordinary and word not in self._lexicon.openers

    def _names(self) -> list[tuple[list[frozenset[str] | None], str]]:
        return [
            ([frozenset((word,)) for word in plain], indexed.fact.id)
            for indexed in self._facts
            for synonym in indexed.fact.synonyms
            if (plain := self._lexicon.words.plain(synonym))
        ]

    def _spoken_of(self) -> frozenset[str]:
        """The words for relatives that mean the patient: a grown-up's caregiver is asked how "your father" is."""
        about = sum("you" in self._lexicon.words.plain(indexed.fact.lay) for indexed in self._facts)
        child = any(topic in self._by_topic for topic in ("history.development", "history.immunisation"))
        return _CAREGIVER_KIN if about > len(self._facts) / 2 and not child else frozenset()

    def _complaint(self) -> frozenset[str]:
        """What the story is about: the concepts of the facts that are volunteered or tell of the complaint."""
        return frozenset(
            id
            for indexed in self._facts
            if indexed.fact.disclosure == "volunteered"
            or indexed.fact.topic in ("hpi.onset", "hpi.location", "hpi.character", "hpi.course", "hpi.severity")
            for id in indexed.mentions
        )


def _inside(match: Match[Label], others: Iterable[Match[Label]]) -> bool:
    """Whether a longer match covers this one."""
    return any(len(other.at) > len(match.at) and set(match.at) < set(other.at) for other in others)


def _within(match: Match[Label], others: Iterable[Match[Label]]) -> bool:
    return any(set(match.at) <= set(other.at) for other in others)


def _outdone(match: Match[Label], others: Iterable[Match[Label]]) -> bool:
    """Whether a longer match shares words with this one; the review of a system gives way to any symptom in it."""
    least = 2 if match.label[1].startswith("ros.") else len(match.at) + 1
    return any(
        len(other.at) >= least and not other.label[1].startswith("ros.") and not set(match.at).isdisjoint(other.at)
        for other in others
    )


def _groups(clause: _Clause, concepts: Sequence[Match[str]]) -> list[list[tuple[list[str], frozenset[str]]]]:
    """The concepts of a clause with their words.

    Those that no comma, "or" or "and" parts stand in one group, and those of the same words together.
    """
    groups: list[list[tuple[list[str], frozenset[str]]]] = []
    last = -1
    before: tuple[int, ...] = ()
    for match in concepts:
        if match.at == before:
            groups[-1][-1][0].append(match.label)
            continue
        between = range(last + 1, match.at[0] + 1)
        if not groups or any(i in clause.pauses or clause.words[i] in _PARTS for i in between):
            groups.append([])
        groups[-1].append(([match.label], frozenset(clause.words[i] for i in match.at)))
        last, before = max(last, match.at[-1]), match.at
    return groups


def _ranked(facts: Iterable[_Indexed]) -> list[_Indexed]:
    return sorted(facts, key=lambda indexed: not indexed.fact.must_ask)


def _ids(facts: Iterable[_Indexed]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(indexed.fact.id for indexed in facts))


def _topics_of(facts: Iterable[_Indexed]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(indexed.fact.topic for indexed in facts))


@lru_cache(maxsize=512)
def reader(facts: tuple[Fact, ...]) -> QuestionReader:
    """The reader for the facts of one record; built once."""
    return QuestionReader(facts, lexicon())
