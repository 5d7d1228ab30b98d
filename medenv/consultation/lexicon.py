"""The lexicon: which words ask for what, compiled from `lexicon.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any, Literal, TypeAlias

from jsonschema.exceptions import best_match

from medenv.consultation.phrases import Phrases
from medenv.consultation.words import MAX_WORD, Spelling, Words
from medenv.errors import RecordError
from medenv.records.record import topics
from medenv.schemas import validator

__all__ = ["BEGIN", "END", "Concept", "Label", "LabelKind", "Lexicon", "lexicon"]

BEGIN, END = "^", "$"
"""Stand before the first and after the last word of what is searched, so that a phrase can ask for them."""

LONG = 8
"""A slip of the pen in a shorter word must not make an innocent question look like fishing."""

LabelKind: TypeAlias = Literal[
    "concept",
    "concept_hint",
    "topic",
    "topic_hint",
    "open",
    "fishing",
    "fishing_hint",
    "command",
    "request",
    "statement",
    "aside",
    "follow_up",
    "confirm",
    "correction",
    "denial",
    "sign",
]
Label: TypeAlias = tuple[LabelKind, str]
"""What a phrase stands for: its kind, and the id of the concept, topic, sign or of what is denied."""


@dataclass(frozen=True, slots=True)
class Concept:
    """A group of words that mean the same to a patient and to a clinician."""

    id: str
    topics: frozenset[str]
    """Where a fact about it usually stands."""
    covers: frozenset[str]
    """The ids of this concept and of every narrower one."""
    kind: Literal["thing", "value", "generic", "site", "circumstance"]
    """generic: says nothing beside another word ("pain"); site: where; circumstance: when or doing what."""


class Lexicon:
    """The compiled lexicon.

    Raises:
        RecordError: The data does not fit `lexicon.schema.json`, or names a topic or concept that does not exist.
    """

    def __init__(self, data: Mapping[str, Any], *, checked: bool = False) -> None:
        """Compiles a lexicon; one that was `checked` before is not held against the schema again."""
        if (
            not checked
            and (error := best_match(validator("medenv.consultation", "lexicon").iter_errors(data))) is not None
        ):
            raise RecordError(f"lexicon: field {error.json_path}: {' '.join(error.message.split())[:300]}")
        words = data["words"]
        forms = {variant: form for form, variants in words["forms"].items() for variant in variants}
        self.words = Words(forms, words["ignored"])
        self.concepts = _concepts(data["concepts"])
        self.value_topics = frozenset(id for id, topic in data["topics"].items() if topic.get("value"))
        self.guarded_topics = frozenset(id for id, topic in data["topics"].items() if topic.get("guarded"))
        self.otherwise = {id: tuple(topic["otherwise"]) for id, topic in data["topics"].items() if "otherwise" in topic}
        self.openers = frozenset(self._flat(words["openers"]))
        self.ordinary = frozenset(self._flat(words["ordinary"]))
        self.plain_questions = frozenset(tuple(self.words.plain(topic["question"])) for topic in topics().values())
        """The question that stands for a whole topic, in the words in which words are compared."""
        patterns = list(self._patterns(data))
        self.phrases: Phrases[Label] = Phrases(patterns)
        self.vocabulary = self.ordinary.union(word for elements, _ in patterns for e in elements for word in e or ())
        """Every word of the lexicon, in the form in which words are compared."""
        fished = {word for texts in data["fishing"].values() for text in texts for word in self.words.raw(text)}
        written = {word for text in _texts(data) for word in self.words.raw(text)}
        self.spelling = Spelling(
            written | {word for word in fished if len(word) >= LONG}, {*fished, *_english()}, heard=True
        )
        self._remembered = lru_cache(maxsize=1 << 14)(self._known)

    def concept(self, ids: Sequence[str]) -> Concept:
        """The concept with this id; for several, one that stands for all of them."""
        if len(ids) == 1:
            return self.concepts[ids[0]]
        merged = [self.concepts[id] for id in ids]
        return Concept(
            merged[0].id,
            frozenset().union(*(concept.topics for concept in merged)),
            frozenset().union(*(concept.covers for concept in merged)),
            merged[0].kind,
        )

    def knows(self, token: str) -> bool:
        """Whether a lower-case token is a word that needs no correcting."""
        return self._remembered(token) if len(token) <= MAX_WORD else self._known(token)

    def _known(self, token: str) -> bool:
        return token in self.spelling or self.vocabulary.issuperset(self.words.normal(token))

    def names_something(self, word: str) -> bool:
        """Whether a word names something in particular."""
        return word not in self.ordinary and word not in self.openers

    def is_telling(self, words: Iterable[str]) -> bool:
        """Whether any word names something in particular."""
        return any(self.names_something(word) for word in words)

    def pattern(self, text: str) -> list[frozenset[str] | None]:
        """A pattern as the lexicon writes it.

        `*` stands for up to four words, `a/b` for either of two words, `^` for the beginning and `$` for the end.
        """
        elements: list[frozenset[str] | None] = []
        for part in text.split():
            if part == "*":
                elements.append(None)
            elif part in (BEGIN, END):
                elements.append(frozenset((part,)))
            elif "/" in part:
                elements.append(frozenset(self._flat(part.split("/"))))
            else:
                words = self.words.normal(part) if part.isalpha() and part.islower() else self.words.plain(part)
                elements.extend(frozenset((word,)) for word in words)
        return elements

    def _flat(self, texts: Iterable[str]) -> list[str]:
        return [
            word
            for text in texts
            for word in (self.words.normal(text) if text.isalpha() and text.islower() else self.words.plain(text))
        ]

    def _patterns(self, data: Mapping[str, Any]) -> Iterable[tuple[list[frozenset[str] | None], Label]]:
        kinds: list[tuple[LabelKind, str, Iterable[str]]] = [
            *(("concept", id, concept["words"]) for id, concept in data["concepts"].items()),
            *(("concept_hint", id, concept.get("hints", ())) for id, concept in data["concepts"].items()),
            *(("topic", id, topic["phrases"]) for id, topic in data["topics"].items()),
            *(("topic_hint", id, topic.get("hints", ())) for id, topic in data["topics"].items()),
            ("fishing_hint", "", data["fishing"].get("hints", ())),
            *(("sign", id, texts) for id, texts in data["signs"].items()),
            ("open", "", data["open"]),
            ("fishing", "", data["fishing"]["asked"]),
            ("command", "", data["fishing"]["always"]),
            ("request", "", data["request"]),
            ("statement", "", data["statement"]),
            ("aside", "", data["aside"]),
            ("follow_up", "", data["follow_up"]),
            ("confirm", "", data["confirm"]),
            ("correction", "", data["correction"]),
            *(("denial", id, texts) for id, texts in data["denials"].items()),
        ]
        for kind, id, texts in kinds:
            for text in texts:
                if pattern := self.pattern(text):
                    yield pattern, (kind, id)
        for id, topic in topics().items():
            yield [frozenset((word,)) for word in self.words.plain(topic["question"])], ("topic", id)


def _texts(data: Any) -> Iterable[str]:
    """Every text of the lexicon but those of fishing."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, list):
        for item in data:
            yield from _texts(item)
    elif isinstance(data, Mapping):
        for key, value in data.items():
            if key not in ("fishing", "narrower", "otherwise", "kind"):
                yield from _texts(value)


def _concepts(data: Mapping[str, Any]) -> dict[str, Concept]:
    def covers(id: str, above: tuple[str, ...] = ()) -> frozenset[str]:
        if id not in data or id in above:
            raise RecordError(f"lexicon: field $.concepts: expected known concepts that nest, got {(*above, id)}")
        return frozenset({id}).union(*(covers(narrower, (*above, id)) for narrower in data[id].get("narrower", ())))

    found = {}
    for id, concept in data.items():
        if unknown := sorted(set(concept.get("topics", ())) - set(topics())):
            raise RecordError(f"lexicon: field $.concepts.{id}.topics: expected known topics, got {unknown[0]!r}")
        found[id] = Concept(id, frozenset(concept.get("topics", ())), covers(id), concept.get("kind", "thing"))
    return found


@cache
def _english() -> frozenset[str]:
    text = resources.files("medenv.consultation").joinpath("english.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line.isalpha())


@cache
def lexicon() -> Lexicon:
    """The lexicon that the package ships."""
    return Lexicon(
        json.loads(resources.files("medenv.consultation").joinpath("lexicon.json").read_text("utf-8")), checked=True
    )
