"""Explaining: which facts of a record explain a run of a patient's words, and what they leave unexplained."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib import resources

from medenv.consultation.assertions import Amount, Sentence, Vocabulary, read, vocabulary
from medenv.consultation.lexicon import lexicon
from medenv.records.record import Fact

__all__ = ["Explainer", "Fit", "Story", "story_of"]

_BELIEFS = ("ideas", "concerns", "expectations")
_THIRD = frozenset(("he", "she", "they", "him", "her", "his"))
_NEARLY = 0.12
"""How far apart, of the larger, two spans of time in different units may be."""


@dataclass(slots=True)
class Told:
    """A fact, and what its texts say."""

    fact: Fact
    units: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Its words and phrases, each with whether it is said to be so (1), denied (-1) or neither (0)."""
    every: set[str] = field(default_factory=set)
    """These and its small words."""
    amounts: list[tuple[Amount, frozenset[str]]] = field(default_factory=list)
    """Its numbers, each with the words said in one breath with it."""
    kin: set[str] = field(default_factory=set)
    sides: dict[int, set[int]] = field(default_factory=dict)
    """Which of the alternatives that rule each other out it names, by group."""
    denies: bool = False
    """Whether any word of it denies."""


@dataclass(frozen=True, slots=True, eq=False)
class Story:
    """The facts of one record, indexed by what they name."""

    told: tuple[Told, ...]
    by_unit: dict[str, list[int]]
    counting: tuple[int, ...]
    """Where the facts with numbers stand."""
    by_caregiver: bool
    """Whether somebody tells it of somebody else."""


@dataclass(slots=True)
class Fit:
    """How far a fact explains a run of words."""

    told: Told
    explained: int = 0
    """How many of its words that say what."""
    weak: int = 0
    """How many that say how much or when."""
    foreign: int = 0
    """How many words that tell something it does not explain."""
    soft: int = 0
    """How many everyday words it does not explain."""
    wrong: bool = False
    """Whether the run gets it wrong."""

    @property
    def holds(self) -> bool:
        """Whether the fact backs the run."""
        told = self.explained + self.weak
        return not (self.wrong or self.foreign) and told > 0 and self.soft <= self.explained / 2


@lru_cache(maxsize=512)
def story_of(facts: tuple[Fact, ...]) -> Story:
    """The facts of one record, indexed; built once."""
    told = tuple(_told(fact) for fact in facts)
    by_unit: dict[str, list[int]] = defaultdict(list)
    for i, each in enumerate(told):
        for unit in each.units:
            by_unit[unit].append(i)
    of_others = sum(any(t.word in _THIRD for s in read(fact.lay) for t in s.tokens) for fact in facts)
    counting = tuple(i for i, each in enumerate(told) if each.amounts)
    return Story(told, dict(by_unit), counting, of_others > len(facts) / 2)


@lru_cache(maxsize=1 << 13)
def _told(fact: Fact) -> Told:
    known = vocabulary()
    told = Told(fact)
    for text in (fact.statement, fact.lay):
        for sentence in read(text):
            words = sentence.tokens
            counted = {i for amount in sentence.amounts for i in amount.at}
            for i, token in enumerate(words):
                told.every.add(token.word)
                if token.word not in known.free and i not in counted:
                    told.units[token.word].add(token.sign)
                if token.word in known.kin:
                    told.kin.add(token.word)
            for label, at in sentence.phrases:
                for name, sign in _meant(label, _sign(sentence, at), known):
                    told.units[name].add(sign)
            breaths = [i for i, t in enumerate(words) if not i or t.mark or t.word in ("and", "but", "then")]
            for amount in sentence.amounts:
                start = max(i for i in breaths if i <= amount.at[0])
                stop = min((i for i in breaths if i > amount.at[0]), default=len(words))
                told.amounts.append((amount, frozenset(token.word for token in words[start:stop])))
            told.denies |= bool(sentence.denies)
    told.every |= told.units.keys()
    told.sides = _sides(told.every, known)
    told.units = dict(told.units)
    return told


def _sides(names: Collection[str], known: Vocabulary) -> dict[int, set[int]]:
    """Which of the alternatives that rule each other out are named, by group."""
    found: dict[int, set[int]] = {}
    for name in names:
        for group, side in known.opposites.get(name, ()):
            found.setdefault(group, set()).add(side)
    return found


def _sign(sentence: Sentence, at: Sequence[int]) -> int:
    """Whether a phrase is said to be so: denied where any of its words is, unless it denies these itself."""
    if not vocabulary().denying.isdisjoint(sentence.tokens[i].word for i in at):
        return -1 if sentence.tokens[at[0]].sign < 0 else 1
    signs = {sentence.tokens[i].sign for i in at}
    return -1 if -1 in signs else int(1 in signs)


def _meant(label: str, sign: int, known: Vocabulary) -> Iterator[tuple[str, int]]:
    """What a phrase stands for, and whether that is so: one that denies stands for what it denies, too."""
    yield label, sign
    if sign >= 0 and (denied := known.denials.get(label)) is not None:
        yield denied, -1


@cache
def _everyday() -> frozenset[str]:
    """Ordinary words that name nothing a consultation is about."""
    known, words = vocabulary(), lexicon()
    lines = resources.files("medenv.consultation").joinpath("english.txt").read_text("utf-8").splitlines()
    ordinary = {form for line in lines if line.isalpha() for form in known.words.normal(line.lower())}
    telling = (words.vocabulary - words.ordinary) | known.weak | known.kin | known.sets["hard"]
    return (frozenset(ordinary) - telling) | known.sets["vague"] | known.sets["mild"]


@dataclass(frozen=True, slots=True)
class _Unit:
    """Something that a sentence names: a word, or a phrase made of small words."""

    at: tuple[int, ...]
    names: tuple[tuple[str, int], ...]
    """The word and the phrases around it, each with its sign; one of them has to be explained."""
    weak: bool
    soft: bool


_RIGHT, _WRONG, _FOREIGN, _SOFT = range(4)


class Explainer:
    """Holds the runs of one sentence against the facts of a record."""

    def __init__(
        self,
        sentence: Sentence,
        story: Story,
        allowed: Collection[str],
        asked: Collection[str],
    ) -> None:
        self._sentence = sentence
        self._story = story
        self._allowed = allowed
        self._asked = asked
        self._known = vocabulary()
        self._units = list(self._named())
        places = {i for unit in self._units for name, _ in unit.names for i in story.by_unit.get(name, ())}
        if sentence.amounts:
            places.update(story.counting)
        self._standings = {i: [self._standing(unit, story.told[i]) for unit in self._units] for i in sorted(places)}

    def backing(self, start: int, stop: int, near: Collection[str], *, only: bool = False) -> str | None:
        """The id of the fact that may be told and explains a run best, if any explains all of it.

        Args:
            start: The position of its first word.
            stop: The position after its last.
            near: The ids of the facts that the words before it told; a run that says only how much or when leans on
                these or on what was asked.
            only: Whether no other fact than these may back it.
        """
        fits = [self.fit(i, start, stop) for i in self._standings if self._may_hold(i, start, stop)]
        best: Fit | None = None
        for fit in sorted(fits, key=self._rank):
            id = fit.told.fact.id
            leans = bool(fit.explained) or id in self._asked or id in near or not (self._asked or near)
            if fit.holds and leans and (id in near or not only):
                best = fit
                break
        return best.told.fact.id if best is not None else None

    def fits(self, start: int, stop: int) -> list[Fit]:
        """How far each fact explains a run, best first."""
        return sorted((self.fit(i, start, stop) for i in self._standings), key=self._rank)

    def _rank(self, fit: Fit) -> tuple[float, bool, bool, bool]:
        fact = fit.told.fact
        score = 2 * fit.explained + fit.weak - 2 * fit.foreign - fit.soft
        return -score, fit.wrong, fact.id not in self._asked, fact.id not in self._allowed

    def _may_hold(self, i: int, start: int, stop: int) -> bool:
        fact = self._story.told[i].fact
        if fact.id not in self._allowed or fact.sensitivity == "identity":
            return False
        return not any(
            standing in (_WRONG, _FOREIGN) and unit.at[0] >= start and unit.at[-1] < stop
            for unit, standing in zip(self._units, self._standings[i], strict=True)
        )

    def _named(self) -> Iterator[_Unit]:
        known, sentence = self._known, self._sentence
        counted = {i for amount in sentence.amounts for i in amount.at}
        around: dict[int, list[tuple[str, int]]] = defaultdict(list)
        idioms: list[tuple[tuple[int, ...], tuple[tuple[str, int], ...]]] = []
        spare = {i for label, at in sentence.phrases if label in known.marks for i in at}
        for label, at in sentence.phrases:
            if label in known.marks:
                continue
            meanings = tuple(_meant(label, _sign(sentence, at), known))
            if all(i in counted or sentence.tokens[i].word in known.free for i in at) and spare.isdisjoint(at):
                idioms.append((at, meanings))
            for i in at:
                around[i].extend(meanings)
        everyday = _everyday()
        for i, token in enumerate(sentence.tokens):
            if i in counted or token.word in known.free or (i in spare and i not in around):
                continue
            phrases = around.get(i, ())
            weak = token.word in known.weak or any(label in known.weakly for label, _ in phrases)
            bound = any(label not in known.weakly for label, _ in phrases)
            soft = token.word in everyday and not bound and not self._hides(token.word)
            yield _Unit((i,), ((token.word, token.sign), *phrases), weak, soft)
        for at, meanings in idioms:
            yield _Unit(at, meanings, False, False)

    def _hides(self, word: str) -> bool:
        """Whether a fact that may not be told now names a word."""
        told = self._story.told
        return any(told[i].fact.id not in self._allowed for i in self._story.by_unit.get(word, ()))

    def _standing(self, unit: _Unit, told: Told) -> int:
        given = [(sign, signs) for name, sign in unit.names if (signs := told.units.get(name))]
        if not given:
            return _SOFT if unit.soft else _FOREIGN
        return _RIGHT if any(not sign or 0 in signs or sign in signs for sign, signs in given) else _WRONG

    def fit(self, i: int, start: int, stop: int) -> Fit:
        """How far one fact explains a run."""
        known, sentence, told = self._known, self._sentence, self._story.told[i]
        fit = Fit(told)
        names: set[str] = set()
        affirmed = False
        for unit, standing in zip(self._units, self._standings[i], strict=True):
            if unit.at[0] < start or unit.at[-1] >= stop:
                continue
            names.update(name for name, _ in unit.names)
            if standing == _SOFT:
                fit.soft += 1
            elif standing == _FOREIGN:
                fit.foreign += 1
            else:
                fit.weak += unit.weak
                fit.explained += not unit.weak
                fit.wrong |= standing == _WRONG
                plainly = all(sign == 1 and told.units.get(name, {1}) == {1} for name, sign in unit.names)
                affirmed |= plainly and not unit.weak
        names.update(token.word for token in sentence.tokens[start:stop])
        self._count(fit, names, start, stop)
        for group, sides in _sides(names, known).items():
            if (so := told.sides.get(group)) and sides.isdisjoint(so):
                fit.wrong = True
        self._hold_to_polarity(fit, names, affirmed, start, stop)
        self._hold_to_person(fit, names, start, stop)
        return fit

    def _count(self, fit: Fit, names: Collection[str], start: int, stop: int) -> None:
        """Holds the numbers of a run against those of a fact."""
        told = fit.told
        for amount in self._sentence.amounts:
            if not start <= amount.at[0] < stop:
                continue
            if any(label in told.units and set(amount.at) <= set(at) for label, at in self._sentence.phrases):
                fit.weak += 1
            elif (right := self._counts(amount, names, told)) is None:
                fit.foreign += amount.value != 1 or bool(amount.unit)
            elif right:
                fit.weak += 1
            else:
                fit.wrong = True

    def _counts(self, amount: Amount, names: Collection[str], told: Told) -> bool | None:
        """Whether a number is one that a fact gives for the same; None where the fact gives none of its kind."""
        like = [(a, breath) for a, breath in told.amounts if a.unit == amount.unit or not a.unit or not amount.unit]
        if not like:
            return None
        wrong = [breath for a, breath in like if not _same(a, amount)]
        others = frozenset().union(*wrong) - self._known.free
        return any(_same(a, amount) and (others - breath).isdisjoint(names) for a, breath in like)

    def _hold_to_polarity(self, fit: Fit, names: Collection[str], affirmed: bool, start: int, stop: int) -> None:
        known, sentence, fact = self._known, self._sentence, fit.told.fact
        denying = any(start <= i < stop for i in sentence.denies)
        if fact.polarity == "absent":
            denied = denying or any(token.sign < 0 for token in sentence.tokens[start:stop])
            answers = not start and sentence.tokens[0].word == "no" and 0 not in sentence.denies
            denied |= answers or "~normal" in names or not known.denials.keys().isdisjoint(names)
            fit.wrong |= not (denied or affirmed)
        elif denying and not fit.told.denies:
            fit.wrong = True
        unsure = any(label == "~unsure" for label, _ in sentence.phrases)
        if unsure != (fact.polarity == "unknown") and not (unsure and "~unsure" in fit.told.units):
            fit.wrong = True

    def _hold_to_person(self, fit: Fit, names: Collection[str], start: int, stop: int) -> None:
        """Holds whose matter a run is, and whether it is only thought, against a fact."""
        known, fact = self._known, fit.told.fact
        who = self._who(start, stop)
        if who and who not in fit.told.kin:
            fit.foreign += 1
        if fact.id in self._asked:
            return
        if fact.topic == "family" and not who and known.sets["family"].isdisjoint(names):
            fit.foreign += 1
        if fact.topic in _BELIEFS and known.sets["modal"].isdisjoint(t.word for t in self._sentence.tokens[:stop]):
            fit.foreign += 1

    def _who(self, start: int, stop: int) -> str | None:
        """The relative that a run is about, if any, named in it or before it."""
        tokens, kin = self._sentence.tokens, self._known.kin
        who = None
        for i, token in enumerate(tokens[:stop]):
            if token.word in kin:
                who = token.word
            elif token.word in ("i", "my") and i < start and not (i + 1 < len(tokens) and tokens[i + 1].word in kin):
                who = None
        return who


def _same(a: Amount, b: Amount) -> bool:
    """Whether two numbers are the same, as far as both say what they count."""
    if a.own == b.own or not (a.unit or b.unit):
        return a.value == b.value
    if not a.unit or not b.unit:
        return _number(a) == _number(b)
    return abs(a.value - b.value) <= _NEARLY * max(a.value, b.value)


def _number(amount: Amount) -> float:
    return round(amount.value / vocabulary().units[amount.own][1], 6) if amount.own else amount.value
