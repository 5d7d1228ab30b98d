"""How the environment understands a doctor: by rules and the lexicon, the same for every patient, with no model.

A speech is cut into clauses, and what a clause asks for is read off the phrases of the lexicon in it: topics ("when
did it start"), concepts ("breathless"), invitations to tell, and fishing. Where the phrases do not tell, the examples
that the clause is most like do, and failing these the facts that share its words. A question about something in
particular asks only for the facts that mention it, never for the rest of its topic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache, cached_property, lru_cache

from medenv.consultation.claims import contradicts, parts
from medenv.consultation.clauses import ANY, ASKING, VERBS, Clause, clauses, has_question_form, is_heading
from medenv.consultation.examples import Likeness
from medenv.consultation.facts import STORY, FactIndex, IndexedFact
from medenv.consultation.finding import FactFinder, finding, ids
from medenv.consultation.leaning import BACK, MAX_SCRAP, FollowUps, Subject, last_subject
from medenv.consultation.lexicon import Label, Lexicon, lexicon
from medenv.consultation.questions import Question, Sign, Understanding
from medenv.consultation.reading import ClauseReader, Reading, labels_in
from medenv.consultation.rephrasing import meant
from medenv.consultation.words import Spelling, wordset
from medenv.records.record import Fact

__all__ = ["MAX_QUESTIONS", "QuestionReader", "reader"]

MAX_QUESTIONS = 16
"""The most questions of one message that are read; further ones only count."""
MAX_COUNTED = 64
MAX_CORRECTIONS = 24
"""The most words of one message that are held against the known spellings."""

_GUESS = wordset("it this that")
_IS_THIS = (("be", "this"), ("be", "that"))
_RIGHT, _THAT_YOU = ("be", "i", "right"), ("that", "you", "be")
"""What begins a guess: "am I right that you are"."""
_EARLIER = "before"
_OWN_WORDS = wordset("own word")
"""What makes a question an invitation, whatever it names: "tell me about your leg in your own words"."""
_DISEASE = ("itis", "osis", "emia", "opathi", "oma", "syndrom")
"""How the names of diseases end, in the form in which words are compared."""
_PEOPLE = wordset("people some many most often lot plenty parent patient other folk men women mother")
"""Words that begin what is said of people in general, to make a question easier."""
_NO_CLAIM = frozenset(("confirm", "aside", "fishing", "command"))
_SEVERAL = 2
_KIN = wordset("mother father husband wife partner grandparent sibling")

_LIKE, _SURE, _CERTAIN = 0.3, 0.6, 0.55
"""How like its examples a question has to be to count as asking for a label: at all, against what its phrases say, and
so surely that no other label comes into question."""
_AS_LIKE, _LIKER = 0.8, 0.3
"""How like, beside the best, a further label has to be, and how much more so than what the phrases name."""
_INVITING = 0.5
"""How like invitations a question has to be that names something, too."""
_NARROWING = 0.4
"""How like its examples a label has to be to narrow what the phrases ask for."""
_NEAR, _NEARER = 0.4, 0.6
"""How much of the weight of its words a question has to share with a fact, in the story and beside it."""
_TIMES = frozenset(("hpi.onset", "hpi.duration"))


class QuestionReader:
    """Reads a doctor's speech against the facts of one record.

    Reading is deterministic, takes time in proportion to the length of the speech and never raises.
    """

    def __init__(self, facts: Iterable[Fact], lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._facts = tuple(facts)
        self._index = FactIndex(self._facts, lexicon)
        self._finder = FactFinder(self._index, lexicon)
        self._follow_ups = FollowUps(self._index, lexicon)
        self._clauses = _clause_reader(lexicon)
        self._kin = _KIN if self._has_adult_caregiver() else frozenset()

    @cached_property
    def _denials(self) -> dict[str, tuple[str, ...]]:
        """The facts that deny all symptoms but those told, all illnesses, or all illnesses in the family."""
        found: dict[str, tuple[str, ...]] = {}
        for fact in self._facts:
            if fact.polarity == "absent":
                for kind, id in sorted(set(labels_in(self._lexicon.words.plain(fact.statement), self._lexicon))):
                    if kind == "denial":
                        found[id] = (*found.get(id, ()), fact.id)
        return found

    @cached_property
    def _spelling(self) -> Spelling:
        written = (text for f in self._index.facts for text in (f.fact.statement, f.fact.lay, *f.fact.synonyms))
        return Spelling(word for text in written for word in self._lexicon.words.raw(text))

    def read(self, speech: str, earlier: Sequence[Understanding] = ()) -> Understanding:
        """Understands one speech.

        Args:
            speech: The doctor's words.
            earlier: What was understood of the earlier messages of the episode, oldest first; follow-ups lean on it.
        """
        subject = last_subject(earlier)
        asked = {fact for understanding in earlier for question in understanding.questions for fact in question.facts}
        questions: list[Question] = []
        signs: set[Sign] = set()
        said: Reading | None = None
        commanded = False
        spoken = [
            (clause, self._clauses.read(clause.lead, clause.words, clause.pauses))
            for clause in clauses(speech, self._lexicon, self._corrector())
        ]
        checked = any("confirm" in reading.kinds for _, reading in spoken)
        recalled = checked or any("summary" in reading.signs for _, reading in spoken)
        for clause, reading in spoken:
            signs |= reading.signs
            if "correction" in reading.kinds and (better := self._rephrased(clause, questions, earlier, asked)):
                questions = [*questions[:-1], better]
                subject = Subject(better.topics, better.facts, True)
                continue
            if (recalled or clause.marked) and (claims := self._claims(clause, reading, asked, checked)):
                questions += claims[: max(MAX_QUESTIONS - len(questions), 0)]
                continue
            if not (self._asks(clause, reading) or (said and clause.marked and clause.words[0] in VERBS)):
                if reading.concepts and "statement" not in reading.kinds and not _PEOPLE.isdisjoint(clause.words):
                    said = reading
                elif reading.concepts and clause.words[0] == "if":
                    supposed = self._by_itself(clause, reading, asked)
                    subject = Subject(supposed.topics, supposed.facts, True) if supposed.facts else subject
                continue
            if len(questions) < MAX_QUESTIONS:
                question = self._question(clause, reading, subject, asked)
                if question.kind == "fishing" and not commanded and self._only_names(clause, reading):
                    continue
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
                subject = Subject(question.topics, question.facts, True)
        return Understanding(tuple(questions), frozenset(signs))

    def _claims(self, clause: Clause, reading: Reading, asked: set[str], checked: bool) -> list[Question]:
        """What a statement says back: claims about what was asked for before; of anything else, whether it is so.

        The latter only where the doctor asks whether all of it is right, for a summary asks nothing by itself. A
        statement of one thing that ends in a question mark is a question like any other.
        """
        if not reading.kinds.isdisjoint(("request", "fishing", "command", "open")):
            return []
        unmarked = Clause(clause.lead, clause.words, clause.pauses, clause.text, False)
        if has_question_form(unmarked, self._lexicon, requests=False, states=False):
            return []
        told = [(part, self._clauses.read((), part.words, part.pauses)) for part in parts(clause)]
        told = [(part, read) for part, read in told if read.items and not read.kinds & _NO_CLAIM]
        if clause.marked and len(told) < _SEVERAL:
            return []
        claims = []
        for part, read in told:
            facts = self._by_itself(part, read, asked).facts
            known = tuple(id for id in facts if id in asked)[:1]
            if known:
                wrong = contradicts(part.words, self._index.by_id[known[0]].fact, self._facts, self._lexicon)
                claims.append(Question(clause.text, "claim", read.topics, known, known if wrong else ()))
            elif checked or clause.marked:
                claims.append(Question(clause.text, "finding", read.topics, facts))
        return claims

    def _rephrased(
        self, clause: Clause, questions: Sequence[Question], earlier: Sequence[Understanding], asked: set[str]
    ) -> Question | None:
        """The question that a correction means, in place of the last one of this message or of the one before."""
        before = [question for understanding in earlier[-1:] for question in understanding.questions]
        last = (questions or before)[-1:]
        if not last:
            return None
        at = clause.words.index("mean") + 1 if "mean" in clause.words else 2
        words = meant(self._lexicon.words.plain(last[0].text), clause.words[at:], self._lexicon)
        if not words:
            return None
        whole = Clause((), words, frozenset(), clause.text, True)
        return self._question(whole, self._clauses.read((), words, frozenset()), Subject(), asked)

    def _corrector(self) -> Callable[[str], str]:
        """Gives the word that is meant, for one message."""
        left = MAX_CORRECTIONS

        def correct(word: str) -> str:
            nonlocal left
            if word in self._kin:
                return "you"
            if not left or "'" in word or self._lexicon.knows(word) or word in self._spelling:
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

    def _only_names(self, clause: Clause, reading: Reading) -> bool:
        """Whether a clause names what no patient can tell without asking for it, as a doctor does who sums up."""
        requests = "request" in reading.kinds
        return (
            not (clause.marked or requests or "command" in reading.kinds)
            and is_heading(clause)
            and not has_question_form(clause, self._lexicon, requests=False, states="statement" in reading.kinds)
        )

    def _question(self, clause: Clause, reading: Reading, subject: Subject, asked: set[str]) -> Question:
        text = clause.text
        if reading.kinds & {"fishing", "command"}:
            return Question(text, "fishing")
        if "open" in reading.kinds and (_OWN_WORDS.issubset(clause.words) or self._invites(reading)):
            return self._invited(clause)
        if (leaning := self._follow_ups.lean(clause, reading, subject)) is not None:
            return replace(leaning, text=text)
        if self._guesses(clause, reading):
            return Question(text, "fishing")
        if subject.facts and self._follow_ups.is_bare(clause, reading):
            return self._follow_ups.again(text, subject)
        question = self._by_example(clause, reading, self._by_itself(clause, reading, asked), asked)
        if question.kind in ("fishing", "open"):
            return question
        if not question.facts and subject.facts and self._follow_ups.depends(clause, reading, subject):
            return self._follow_ups.again(text, subject)
        if not question.facts and _EARLIER in clause.words[-2:] and self._of_complaint(clause):
            question = finding(text, self._index.within(("hpi.previous",)))
        if not question.facts and (near := self._index.nearest(clause.words, self._looseness(reading))):
            question = finding(text, near)
        if not question.facts and (denying := self._denied(clause, reading)):
            return Question(text, "finding", reading.topics, denying)
        if subject.topics and (subject.here or not BACK.isdisjoint(clause.words)):
            return replace(question, facts=self._of_it(question.facts, subject))
        return question

    def _denied(self, clause: Clause, reading: Reading) -> tuple[str, ...]:
        """What answers a question whether there is something in particular where the record denies all of its kind."""
        if clause.words[0] not in VERBS and clause.words[0] not in ANY:
            return ()
        things = [self._lexicon.concepts[id] for id in reading.concepts if self._lexicon.concepts[id].kind == "thing"]
        topics = set(reading.topics).union(*(concept.topics for concept in things))
        if "family" in reading.topics:
            return self._denials.get("family", ())
        if any(topic.startswith(("ros.", "hpi.associated")) for topic in topics):
            return self._denials.get("symptoms", ())
        return self._denials.get("history", ()) if "history.medical" in topics else ()

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
        if question.kind in ("fishing", "open") or (question.facts and len(reading.items) > 1):
            return question
        likely = self._clauses.likely(reading.wording)
        own = _labels(reading)
        telling = self._lexicon.is_telling(reading.wording)
        if not telling:
            likely = tuple(alike for alike in likely if alike[0][0] != "concept")
        if question.facts:
            return self._corrected(clause, question, likely, own, asked)
        best = max((likeness for _, likeness in likely), default=0.0)
        for label, likeness in likely:
            if likeness < max(_LIKE, _AS_LIKE * best) or label in own:
                break
            if label[0] in ("fishing", "open"):
                asks = clause.marked or "request" in reading.kinds
                if reading.items or not (telling and asks) or len(clause.words) < MAX_SCRAP:
                    return question
                return Question(clause.text, "fishing") if label[0] == "fishing" else self._invited(clause)
            if label[1] in self._lexicon.guarded_topics and reading.items and likeness < _SURE:
                continue
            if facts := self._of_label(label, clause, asked):
                return finding(clause.text, facts)
            if likeness >= _CERTAIN:
                break
        return question

    def _corrected(
        self, clause: Clause, question: Question, likely: Sequence[Likeness], own: set[Label], asked: set[str]
    ) -> Question:
        """A question whose phrases tell what it asks for, held against the examples that it is most like."""
        rival = max((likeness for label, likeness in likely if label in own), default=0.0)
        for label, likeness in likely:
            if likeness < _NARROWING or label in own or label[0] == "open":
                break
            if label[0] == "fishing":
                fishes = likeness >= _SURE and len(clause.words) >= MAX_SCRAP
                return Question(clause.text, "fishing") if fishes else question
            facts = self._of_label(label, clause, asked)
            meant = ids(facts)
            if both := tuple(id for id in question.facts if id in meant):
                return replace(question, facts=both) if question.kind == "finding" else question
            if facts:
                sure = likeness >= _SURE and rival < likeness - _LIKER
                return finding(clause.text, facts) if sure else question
        return question

    def _invites(self, reading: Reading) -> bool:
        """Whether the examples agree that a clause invites to tell, whatever it names: "what brought you here?"."""
        likely = self._clauses.likely(reading.wording)
        return any(label[0] == "open" and likeness >= _INVITING for label, likeness in likely[:1])

    def _invited(self, clause: Clause) -> Question:
        return Question(
            clause.text, "open", (), ids(f for f in self._index.facts if f.fact.disclosure == "volunteered")
        )

    def _of_label(self, label: Label, clause: Clause, asked: set[str]) -> list[IndexedFact]:
        kind, id = label
        if kind == "topic":
            return self._finder.whole((id,), clause, asked)
        words = frozenset(word for word in clause.words if self._lexicon.names_something(word))
        named = [(self._lexicon.concepts[id], words)]
        return self._finder.findings(named, (), self._index.closeness(clause.words), settle=False)

    def _looseness(self, reading: Reading) -> float:
        """How much of a clause of which nothing is known a fact has to share to answer it; 0 where none may.

        None may where the clause names one thing and no more: the record does not say.
        """
        likely = self._clauses.likely(reading.wording)
        agreed = bool(likely) and likely[0][0] in _labels(reading)
        if agreed or not self._lexicon.guarded_topics.isdisjoint(reading.topics):
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
            found.update((f.fact.id, f) for f in self._finder.findings(group, (), {}, settle=False))
        return finding(clause.text, found.values()) if found else None

    def _of_it(self, facts: tuple[str, ...], subject: Subject) -> tuple[str, ...]:
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
            return self._finder.on_items(clause, reading, asked)
        if named := self._index.named(clause.words):
            return finding(text, named)
        if found := self._index.sharing(reading.rest):
            return finding(text, found)
        if "open" in reading.kinds:
            return self._invited(clause)
        first = clause.words[0]
        asks = first in ASKING or first in VERBS or first in ANY or "you" in clause.words
        return Question(text, "finding" if reading.rest and asks else "unclear")


def _labels(reading: Reading) -> set[Label]:
    topics: set[Label] = {("topic", topic) for topic in reading.topics}
    return topics | {("concept", id) for id in reading.concepts}


@cache
def _clause_reader(lexicon: Lexicon) -> ClauseReader:
    return ClauseReader(lexicon)


@lru_cache(maxsize=512)
def reader(facts: tuple[Fact, ...]) -> QuestionReader:
    """The reader for the facts of one record; built once."""
    return QuestionReader(facts, lexicon())
