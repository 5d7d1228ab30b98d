"""Reading: which phrases of the lexicon a clause holds, and which of them outdo others."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from medenv.consultation.clauses import ASKING, PARTS, VERBS
from medenv.consultation.examples import examples
from medenv.consultation.lexicon import BEGIN, END, Label, LabelKind, Lexicon
from medenv.consultation.phrases import Match
from medenv.consultation.questions import Sign
from medenv.consultation.words import wordset

__all__ = ["ClauseReader", "Item", "Reading", "labels_in"]

Thing: TypeAlias = tuple[tuple[str, ...], frozenset[str]]
"""Something named: the ids of the concepts that its words stand for, and these words."""

_SITUATED = ("hpi.aggravating", "hpi.relieving", "hpi.course", "hpi.context", "hpi.onset")
"""Topics beside which a word may name a circumstance ("does coughing make it worse?"), not the thing itself."""
_SCENE = wordset("since while whilst when before after during until once")
"""Words that begin what sets the scene of a question."""
_OTHERS = wordset("anyone anybody someone everyone people others other else")
"""Words that make a question one about other people's illness."""
_WHOLE = 4
"""A phrase of at least so many words may run across a comma ("ears, nose or throat")."""


@dataclass(frozen=True, slots=True)
class Item:
    """What stands between two commas, or before or after "or" and "and"."""

    topics: tuple[str, ...]
    things: tuple[Thing, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """What the phrases of one clause are."""

    items: tuple[Item, ...] = ()
    kinds: frozenset[str] = frozenset()
    """Every kind of phrase that is neither topic nor concept: open, fishing, command, request and so on."""
    signs: frozenset[Sign] = frozenset()
    rest: frozenset[str] = frozenset()
    """Words that name something and stand in no phrase."""
    wording: tuple[str, ...] = ()
    """The words without the request that they begin with: "your bowels" of "tell me about your bowels"."""

    @property
    def topics(self) -> tuple[str, ...]:
        """All topics."""
        return tuple(dict.fromkeys(topic for item in self.items for topic in item.topics))

    @property
    def concepts(self) -> tuple[str, ...]:
        """The ids of all concepts."""
        return tuple(id for item in self.items for ids, _ in item.things for id in ids)


class ClauseReader:
    """Reads clauses; what a clause means does not depend on the record, so a clause read before is remembered."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self.read = lru_cache(maxsize=4096)(self._read)
        self.likely = lru_cache(maxsize=4096)(lambda words: examples().nearest(words))

    def _read(self, lead: tuple[str, ...], words: tuple[str, ...], pauses: frozenset[int]) -> Reading:
        start = len(lead) + 1
        full = (*lead, BEGIN, *words, END)
        paused = frozenset(i + start for i in pauses)
        by_kind: dict[str, list[Match[Label]]] = {}
        used: set[int] = set()
        for match in self._lexicon.phrases.find(full):
            if len(match.at) >= _WHOLE or not any(match.at[0] < i <= match.at[-1] for i in paused):
                by_kind.setdefault(match.label[0], []).append(match)
                used.update(match.at)
        if lead:
            # A greeting may be made of words that else only lead up to a question: "good morning".
            spoken = [_after_lead(m, start) for m in self._lexicon.phrases.find((*lead, *words[:_WHOLE]))]
            by_kind["sign"] = [*by_kind.get("sign", []), *(m for m in spoken if m.label[0] == "sign")]
            greeted = {i for m in by_kind["sign"] if m.at[0] < start for i in m.at}
            for kind in ("topic", "concept", "concept_hint"):
                found = by_kind.get(kind, [])
                by_kind[kind] = [m for m in found if m.at[-1] >= start and greeted.isdisjoint(m.at)]
        opens, fishing = by_kind.get("open", []), by_kind.get("fishing", [])
        requests = [m for m in by_kind.get("request", []) if _requests(m.at[0], full, start)]
        told = [m for m in by_kind.get("topic", []) if not _covered(m, [*requests, *by_kind.get("aside", [])])]
        topics, concepts = self._subjects(told, by_kind.get("concept", []), opens)
        asking = [m for kind in ("open", "request", "aside") for m in by_kind.get(kind, ())]
        concepts = [m for m in concepts if not _covered(m, asking)]
        number = _numbers(full, paused)
        settled = {number[m.at[0]] for m in topics}
        settled |= {number[m.at[0]] for m in concepts if self._lexicon.concepts[m.label[1]].kind == "thing"}
        about = [m for m in _unhinted(by_kind.get("topic_hint", []), "topic") if number[m.at[0]] not in settled]
        things = [m for m in _unhinted(by_kind.get("concept_hint", []), "concept") if number[m.at[0]] not in settled]
        if about or things:
            topics, concepts = self._subjects([*topics, *about], [*concepts, *things], opens)
        if not concepts and all(m.label[1].startswith("hpi.") for m in topics):
            fishing = [*fishing, *by_kind.get("fishing_hint", [])]
        others = [m for m in concepts if m.label[1] == "sick_contact"]
        if others and not _OTHERS.isdisjoint(words[:5]):
            topics, concepts = [], others
        scene = _scene(full, start, paused)
        topics, concepts = self._foremost(topics, concepts, scene)
        if requests:
            topics, concepts = _after(requests, topics, concepts)
        fishing = [m for m in fishing if not _covered(m, topics) and not _covered(m, concepts)]
        opens = [m for m in opens if not _covered(m, topics) and not _covered(m, fishing)]
        kinds: set[str] = {kind for kind in ("command", "follow_up", "confirm", "correction") if kind in by_kind}
        first = min((m.at[0] for m in (*topics, *concepts)), default=len(full))
        kinds |= {"aside" for m in by_kind.get("aside", []) if m.at[0] <= first}
        kinds |= {kind for kind, found in (("fishing", fishing), ("open", opens)) if found}
        stated = [m for m in by_kind.get("statement", []) if m.at[0] == start]
        kinds |= {"statement" for m in stated if all(set(m.at).isdisjoint(request.at) for request in requests)}
        kinds |= {"request" for m in requests if m.at[-1] < len(full) - 2 or m.at[0] == start}
        return Reading(
            items=_items(topics, concepts, full, number),
            kinds=frozenset(kinds),
            signs=frozenset(m.label[1] for m in by_kind.get("sign", [])),  # type: ignore[misc]
            wording=self._wording(words, [m.at[-1] - start for m in requests]),
            rest=frozenset(
                word
                for i, word in enumerate(words, start)
                if i not in used and self._lexicon.names_something(word) and not (opens and i in scene)
            ),
        )

    def _wording(self, words: tuple[str, ...], requested: list[int]) -> tuple[str, ...]:
        rest = words[max(requested, default=-1) + 1 :]
        whole = words[0] in ASKING or not self._lexicon.is_telling(rest)
        return words if whole else rest

    def _subjects(
        self, topics: list[Match[Label]], concepts: list[Match[Label]], opens: list[Match[Label]]
    ) -> tuple[list[Match[Label]], list[Match[Label]]]:
        """The topics and concepts that count: longer phrases outdo those that they cover or overlap."""
        longest = [m for m in topics if not (_covered(m, topics) or _covered(m, opens) or _outdone(m, concepts))]
        if any(m.label[1] == "allergies" for m in longest):
            longest = [m for m in longest if m.label[1] not in ("medications", "social.drugs") or len(m.at) > 1]
        if family := [m for m in longest if m.label[1] == "family"]:
            own = ("ros.", "history.medical")
            longest = [m for m in longest if not m.label[1].startswith(own) or any(m.at == f.at for f in family)]
        named = [
            m
            for m in concepts
            if not (_covered(m, concepts) or _outdone(m, longest) or any(set(m.at) <= set(t.at) for t in longest))
        ]
        if all(m.label[1] not in _SITUATED for m in longest):
            kinds = {m: self._lexicon.concepts[m.label[1]].kind for m in named}
            things = {m.at for m in named if kinds[m] != "circumstance"}
            named = [m for m in named if kinds[m] != "circumstance" or m.at not in things]
        return longest, named

    def _foremost(
        self, topics: list[Match[Label]], concepts: list[Match[Label]], scene: range
    ) -> tuple[list[Match[Label]], list[Match[Label]]]:
        """Without what only sets the scene, where anything else is asked for."""
        kinds = {m: self._lexicon.concepts[m.label[1]].kind for m in concepts}
        asked = [m for m in topics if not m.label[1].startswith("hpi.")]
        asked += [m for m, kind in kinds.items() if kind not in ("circumstance", "value")]
        if all(m.at[0] in scene for m in asked):
            return topics, concepts
        plain = [m for m in topics if m.at[0] not in scene or m.label[1].startswith("hpi.")]
        return plain, [m for m in concepts if m.at[0] not in scene or kinds[m] == "circumstance"]


def labels_in(words: Sequence[str], lexicon: Lexicon) -> list[Label]:
    """What the phrases in a text stand for, without those that a longer one of their kind covers."""
    matches = lexicon.phrases.find((BEGIN, *words, END))
    return [m.label for m in matches if not _covered(m, [other for other in matches if other.label[0] == m.label[0]])]


def _after_lead(match: Match[Label], start: int) -> Match[Label]:
    """A match in the words of a lead and a clause, placed as it stands with the mark of the beginning between them."""
    return Match(match.label, tuple(i if i < start - 1 else i + 1 for i in match.at))


def _unhinted(matches: Iterable[Match[Label]], kind: LabelKind) -> list[Match[Label]]:
    """Hints, taken at their word."""
    return [Match((kind, match.label[1]), match.at) for match in matches]


def _after(
    requests: list[Match[Label]], topics: list[Match[Label]], concepts: list[Match[Label]]
) -> tuple[list[Match[Label]], list[Match[Label]]]:
    """What is requested, without what only leads up to the request: "as it can hurt the eyes, tell me about ..."."""
    first = max(request.at[0] for request in requests)
    if not any(match.at[0] > first for match in (*topics, *concepts)):
        return topics, concepts
    return [m for m in topics if m.at[-1] > first], [m for m in concepts if m.at[-1] > first]


def _covered(match: Match[Label], others: Iterable[Match[Label]]) -> bool:
    """Whether a longer match holds all words of this one."""
    at = match.at
    for _, longer in others:
        if len(longer) > len(at) and longer[0] <= at[0] and at[-1] <= longer[-1] and set(at).issubset(longer):
            return True
    return False


def _outdone(match: Match[Label], others: Iterable[Match[Label]]) -> bool:
    """Whether a longer match shares words with this one; the review of a system gives way to any symptom in it.

    The plain question of a topic, which lists symptoms, gives way to none.
    """
    (_, id), at = match
    least = 2 if id.startswith("ros.") and len(at) <= _WHOLE else len(at) + 1
    for (_, other), longer in others:
        if len(longer) >= least and not set(at).isdisjoint(longer) and not other.startswith(("ros.", "hpi.")):
            return True
    return False


def _scene(words: Sequence[str], start: int, paused: frozenset[int]) -> range:
    """Where the scene of a question is set: the birth in "how have your legs been since the birth?"."""
    begin = next((i for i in range(start + 1, len(words)) if words[i] in _SCENE), len(words))
    return range(begin, next((i for i in sorted(paused) if i > begin), len(words)))


def _requests(at: int, words: Sequence[str], start: int) -> bool:
    """Whether a phrase of request is one: "can you tell me" is, "what you tell me" and "thanks for telling me" not."""
    return at <= start or words[at - 1] not in ("you", "for") or words[at - 2] in VERBS


def _numbers(words: Sequence[str], paused: frozenset[int]) -> list[int]:
    """The number of the item that each word stands in."""
    return list(itertools.accumulate(i in paused or word in PARTS for i, word in enumerate(words)))


def _items(
    topics: list[Match[Label]], concepts: list[Match[Label]], words: Sequence[str], number: Sequence[int]
) -> tuple[Item, ...]:
    named: dict[int, tuple[list[str], dict[tuple[int, ...], list[str]]]] = {}
    for match in sorted(topics, key=lambda m: (m.at[0], -len(m.at), m.label)):
        named.setdefault(number[match.at[0]], ([], {}))[0].append(match.label[1])
    for match in sorted(concepts, key=lambda m: (m.at, m.label)):
        things = named.setdefault(number[match.at[0]], ([], {}))[1]
        things.setdefault(match.at, []).append(match.label[1])
    return tuple(
        Item(
            tuple(dict.fromkeys(named[i][0])),
            tuple((tuple(dict.fromkeys(ids)), frozenset(words[j] for j in at)) for at, ids in named[i][1].items()),
        )
        for i in sorted(named)
    )
