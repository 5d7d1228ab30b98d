"""Grounding: what a patient's reply claims, held against the facts of the record.

A reply is cut into sentences and these into runs of words. A run stands if one fact that may be told explains all of
it: every word that names something, with what is denied in it, every number, side, time and relative. What is not
known is not believed, so that a claim that is refused may well be true, but hardly one that passes is not.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Literal, TypeAlias

from medenv.consultation.assertions import Amount, Sentence, Token, read, vocabulary
from medenv.consultation.lexicon import lexicon
from medenv.consultation.phrases import Phrases
from medenv.records.identifiers import find_identifiers
from medenv.records.record import Fact

__all__ = ["Claim", "Standing", "claims_in"]

Standing: TypeAlias = Literal["supported", "chatter", "unsupported", "contradicting", "undisclosed", "identity"]
"""How a claim stands to the facts; only what is supported and chatter may be said."""

MAX_LENGTH = 20_000
"""The characters of a reply that are read; nobody speaks more at a time, and the rest is supported by nothing."""
MAX_RUN = 8
"""The most runs of a sentence that are held together against one fact."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A piece of a reply, and how it stands to the facts."""

    text: str
    """The piece of the reply, verbatim."""
    standing: Standing
    facts: tuple[str, ...] = ()
    """The ids of the facts that it tells (supported), gets wrong (contradicting) or gives away (undisclosed)."""


def claims_in(
    reply: str,
    facts: Sequence[Fact],
    allowed: Collection[str],
    *,
    asked: Sequence[str] = (),
    doctor: str = "",
    chatter: Collection[str] = (),
) -> tuple[Claim, ...]:
    """Cuts a reply into claims and says how each stands to the facts of a record.

    Args:
        reply: The patient's words.
        facts: All facts of the record.
        allowed: The ids of those that may be told now.
        asked: The ids of those that the doctor's last question asked for, against which a bare "no" is held.
        doctor: The doctor's last words; what the reply only echoes backs nothing.
        chatter: Whole sentences that are known to claim nothing.
    """
    head, rest = reply[:MAX_LENGTH], reply[MAX_LENGTH:]
    story = _story(tuple(facts))
    claims = [Claim(head[start:end].strip(), standing, ids) for start, end, standing, ids in _Judge(
        story, frozenset(allowed), tuple(asked), doctor, _chatter(frozenset(chatter))
    ).claims(head)]
    if rest.strip():
        claims.append(Claim(rest, "unsupported"))
    return tuple(claim for claim in claims if claim.text)


Piece: TypeAlias = tuple[int, int, Standing, tuple[str, ...]]
"""Where a claim stands in the reply, how it stands to the facts, and their ids."""

_DROPPED = frozenset("a an the be have would really quite rather just actually sort of kind pretty very much at all some any".split())
"""Words that a patient who speaks little of the language leaves out, and those that a full form adds."""
_OPENS = frozenset("and but so also because well yes no yeah".split())
_BELIEFS = ("ideas", "concerns", "expectations")


@dataclass(slots=True)
class _Told:
    """A fact, and what its texts say."""

    fact: Fact
    units: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Its words and phrases, each with whether it is said to be so."""
    every: set[str] = field(default_factory=set)
    """All its words, those that name nothing among them."""
    amounts: list[tuple[Amount, frozenset[str]]] = field(default_factory=list)
    """Its numbers, each with the words said in one breath with it."""
    kin: set[str] = field(default_factory=set)
    denies: bool = False


@dataclass(slots=True)
class _Story:
    """The facts of one record, indexed."""

    told: list[_Told]
    by_unit: dict[str, list[int]]
    texts: Phrases[int]
    caregiver: bool


@dataclass(frozen=True, slots=True)
class _Unit:
    """Something that a run names."""

    names: tuple[tuple[str, int], ...]
    """Its word and the phrases around it, each with whether it is said to be so; one of them has to be explained."""
    weak: bool
    soft: bool


@dataclass(slots=True)
class _Fit:
    """How far a fact explains a run of words."""

    told: _Told
    explained: int = 0
    weak: int = 0
    """How many of the words that it explains say how much or when, not what."""
    foreign: int = 0
    """How many words that name something it does not explain."""
    soft: int = 0
    """How many of the ordinary ones among these."""
    wrong: bool = False
    """Whether the run gets it wrong."""

    @property
    def holds(self) -> bool:
        return not (self.wrong or self.foreign) and self.explained + self.weak > 0 and self.soft <= self.explained / 2


@lru_cache(maxsize=512)
def _story(facts: tuple[Fact, ...]) -> _Story:
    told = [_told(fact) for fact in facts]
    by_unit: dict[str, list[int]] = defaultdict(list)
    for i, each in enumerate(told):
        for unit in each.units:
            by_unit[unit].append(i)
    texts = [(_worded(text), i) for i, fact in enumerate(facts) for text in dict.fromkeys((fact.lay, fact.statement))]
    spoken = sum(bool({"he", "she", "they", "him", "her", "his"}.intersection(w for s in read(fact.lay) for t in s.tokens for w in (t.word,))) for fact in facts)
    return _Story(told, dict(by_unit), Phrases((words, i) for words, i in texts if words), spoken > len(facts) / 2)


@lru_cache(maxsize=64)
def _chatter(sentences: frozenset[str]) -> Phrases[int]:
    return Phrases((words, 0) for text in sorted(sentences) if (words := _worded(text)))


@lru_cache(maxsize=1 << 13)
def _told(fact: Fact) -> _Told:
    known = vocabulary()
    told = _Told(fact)
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
                for name, sign in _meant(label, words[at[0]].sign):
                    told.units[name].add(sign)
            for amount in sentence.amounts:
                start = max((s for s in _breaths(sentence) if s <= amount.at[0]), default=0)
                stop = min((s for s in _breaths(sentence) if s > amount.at[0]), default=len(words))
                told.amounts.append((amount, frozenset(t.word for t in words[start:stop])))
            told.denies |= bool(sentence.denies)
    told.units = dict(told.units)
    return told


def _meant(label: str, sign: int) -> Iterator[tuple[str, int]]:
    """What a phrase stands for, and whether that is so: one that denies stands for what it denies, too."""
    yield label, sign
    if sign >= 0 and (denied := vocabulary().denials.get(label)) is not None:
        yield denied, -1


def _breaths(sentence: Sentence) -> list[int]:
    """Where a new breath begins: after a pause, at "and"."""
    return [i for i, token in enumerate(sentence.tokens) if not i or token.mark or token.word in ("and", "but", "then")]


def _worded(text: str) -> list[frozenset[str] | None]:
    return [frozenset((token.word,)) for sentence in read(text) for token in sentence.tokens if token.word not in _DROPPED]


@cache
def _soft() -> frozenset[str]:
    """Ordinary words that name nothing a consultation is about."""
    from importlib import resources

    known, lex = vocabulary(), lexicon()
    lines = resources.files("medenv.consultation").joinpath("english.txt").read_text("utf-8").splitlines()
    ordinary = {form for line in lines if line.isalpha() for form in known.words.normal(line.lower())}
    return frozenset(ordinary - (lex.vocabulary - lex.ordinary) - known.weak - known.kin - known.sets["hard"])


class _Judge:
    """Judges one reply."""

    def __init__(self, story: _Story, allowed: frozenset[str], asked: tuple[str, ...], doctor: str, chatter: Phrases[int]) -> None:
        self._story = story
        self._allowed = allowed
        self._asked = asked
        self._doctor = doctor
        self._chatter = chatter
        self._known = vocabulary()
        self._soft = _soft()

    def claims(self, reply: str) -> Iterator[Piece]:
        """The claims of a reply in order."""
        sentences = read(reply)
        named = [(found.start, found.end) for found in find_identifiers(reply)]
        for piece in self._pieces(reply, sentences):
            start, end = piece[0], piece[1]
            if any(start < stop and begin < end for begin, stop in named):
                piece = (start, end, "identity", ())
            yield piece

    def _pieces(self, reply: str, sentences: Sequence[Sentence]) -> Iterator[Piece]:
        verbatim = self._verbatim(sentences)
        last: tuple[str, ...] = ()
        for number, sentence in enumerate(sentences):
            begin = 0
            tokens = sentence.tokens
            for first, stop, piece in verbatim.get(number, ()):
                if first > begin:
                    yield from self._sentence(_part(sentence, begin, first), tokens[first].start, last)
                if piece is not None:
                    yield piece
                    last = piece[3]
                begin = stop
            if begin < len(tokens):
                for piece in self._sentence(_part(sentence, begin, len(tokens)), sentence.end, last):
                    if piece[3]:
                        last = piece[3]
                    yield piece

    def _verbatim(self, sentences: Sequence[Sentence]) -> dict[int, list[tuple[int, int, Piece | None]]]:
        """Where the whole text of a fact, or a sentence known to be harmless, stands: by sentence, from word to word."""
        at = [(n, i) for n, sentence in enumerate(sentences) for i, token in enumerate(sentence.tokens) if token.word not in _DROPPED]
        words = [sentences[n].tokens[i].word for n, i in at]
        found = [(match.at[0], match.at[-1] + 1, match.label) for match in self._story.texts.find(words)]
        found += [(match.at[0], match.at[-1] + 1, -1) for match in self._chatter.find(words)]
        places: dict[tuple[int, int], list[int]] = defaultdict(list)
        for start, stop, label in found:
            places[start, stop].append(label)
        taken: dict[int, list[tuple[int, int, Piece | None]]] = defaultdict(list)
        end = 0
        for start, stop in sorted(places, key=lambda place: (place[0], -place[1])):
            if start < end or not self._whole(sentences, at, start, stop):
                continue
            end = stop
            (n, i), (m, j) = at[start], at[stop - 1]
            i = self._back(sentences[n], i)
            j += 1
            while j < len(sentences[m].tokens) and sentences[m].tokens[j].word in _DROPPED and not sentences[m].tokens[j].mark:
                j += 1
            stands = self._named(places[start, stop])
            closes = sentences[m].end if j == len(sentences[m].tokens) else sentences[m].tokens[j].start
            piece: Piece = (sentences[n].tokens[i].start, closes, *stands)
            for number in range(n, m + 1):
                first = i if number == n else 0
                last = j if number == m else len(sentences[number].tokens)
                taken[number].append((first, last, piece if number == n else None))
        return taken

    def _back(self, sentence: Sentence, i: int) -> int:
        while i and not sentence.tokens[i].mark and sentence.tokens[i - 1].word in _DROPPED:
            i -= 1
        return i

    def _whole(self, sentences: Sequence[Sentence], at: Sequence[tuple[int, int]], start: int, stop: int) -> bool:
        """Whether words stand between the ends of clauses."""
        (n, i), (m, j) = at[start], at[stop - 1]
        i = self._back(sentences[n], i)
        tokens = sentences[n].tokens
        if i and not tokens[i].mark and tokens[i - 1].word not in _OPENS:
            return False
        tokens, j = sentences[m].tokens, j + 1
        while j < len(tokens) and tokens[j].word in _DROPPED and not tokens[j].mark:
            j += 1
        return j == len(tokens) or bool(tokens[j].mark) or tokens[j].word in ("and", "but", "so")

    def _named(self, labels: Sequence[int]) -> tuple[Standing, tuple[str, ...]]:
        facts = [self._story.told[i].fact for i in labels if i >= 0]
        if told := [fact.id for fact in facts if fact.id in self._allowed and fact.sensitivity != "identity"]:
            asked = tuple(dict.fromkeys(id for id in told if id in self._asked))
            return "supported", asked or tuple(dict.fromkeys(told))
        if not facts or -1 in labels:
            return "chatter", ()
        if any(fact.sensitivity == "identity" for fact in facts):
            return "identity", tuple(fact.id for fact in facts)
        return "undisclosed", tuple(dict.fromkeys(fact.id for fact in facts))

    def _sentence(self, sentence: Sentence, end: int, last: tuple[str, ...]) -> Iterator[Piece]:
        tokens = sentence.tokens
        start = tokens[0].start
        labels = {label for label, _ in sentence.phrases}
        if "~identity" in labels or self._is_label(sentence):
            yield start, end, "identity", ()
            return
        if (standing := self._bare(sentence)) is not None:
            yield start, end, *standing
            return
        if sentence.asks and self._questions(sentence):
            yield start, end, *self._question(sentence)
            return
        yield from self._runs(sentence, end, last)

    def _is_label(self, sentence: Sentence) -> bool:
        tokens = sentence.tokens
        return len(tokens) > 1 and tokens[0].word in ("patient", "doctor", "assistant", "user", "system") and ":" in tokens[1].mark

    def _bare(self, sentence: Sentence) -> tuple[Standing, tuple[str, ...]] | None:
        """How a sentence stands that only says yes or no, or nothing at all."""
        known = self._known
        labels = {label for label, _ in sentence.phrases}
        words = [token.word for token in sentence.tokens]
        if known.sets["no"].issuperset(words) and "~unsure" not in labels and not known.denying.isdisjoint(words):
            return self._answer(False)
        if known.sets["yes"].issuperset(words) and not known.sets["agree"].isdisjoint(words):
            return self._answer(known.denying.isdisjoint(w.word for s in read(self._doctor) for w in s.tokens) or "yes" in words)
        return ("chatter", ()) if self._is_chatter(sentence, 0, len(words)) else None

    def _is_chatter(self, sentence: Sentence, start: int, stop: int) -> bool:
        known = self._known
        if any(start <= a.at[0] < stop for a in sentence.amounts):
            return False
        spare = {i for label, at in sentence.phrases if label in known.marks and at[0] >= start and at[-1] < stop for i in at}
        harmless = known.free | known.sets["chatter"]
        if sentence.staged:
            harmless |= known.sets["stage"]
        words = [token.word for token in sentence.tokens[start:stop]]
        if self._story.caregiver and words[0] in ("i", "god", "lord") and "you" not in words:
            harmless |= known.sets["feelings"]
        if not all(word in harmless or start + i in spare for i, word in enumerate(words)):
            return False
        return not any(
            label not in known.marks and at[0] >= start and at[-1] < stop and not spare.issuperset(at) and known.free.issuperset(sentence.tokens[i].word for i in at)
            for label, at in sentence.phrases
        )

    def _answer(self, agrees: bool) -> tuple[Standing, tuple[str, ...]]:
        facts = [told.fact for told in self._story.told if told.fact.id in self._asked]
        if not facts:
            return ("unsupported" if "?" in self._doctor else "chatter"), ()
        right = [fact for fact in facts if (fact.polarity == "present") == agrees and fact.polarity != "unknown"]
        wrong = [fact.id for fact in facts if fact not in right]
        if agrees and right:
            wrong = []
        if wrong:
            return "contradicting", tuple(wrong)
        if hidden := tuple(fact.id for fact in right if fact.id not in self._allowed):
            return "undisclosed", hidden
        return "supported", tuple(fact.id for fact in right)

    def _questions(self, sentence: Sentence) -> bool:
        words = [token.word for token in sentence.tokens]
        known = self._known.sets
        i = 0
        while i < len(words) - 1 and words[i] in known["leads"]:
            i += 1
        if words[i] in known["asking"]:
            return True
        return words[i] in known["verbs"] and i + 1 < len(words) and (words[i + 1] in known["subjects"] or words[i + 1] == "not")

    def _question(self, sentence: Sentence) -> tuple[Standing, tuple[str, ...]]:
        stop = len(sentence.tokens)
        fits = self._fits(sentence, 0, stop, frozenset())
        hidden = [f for f in fits if f.told.fact.id not in self._allowed and f.explained and not f.foreign]
        if hidden and not any(f.told.fact.id in self._allowed and f.explained and not f.foreign for f in fits):
            return "undisclosed", (hidden[0].told.fact.id,)
        words = {token.word for token in sentence.tokens}
        supposes = not words.isdisjoint(self._known.sets["supposing"])
        if supposes and not any(f.holds and f.told.fact.id in self._allowed for f in fits):
            foreign = [t for t in sentence.tokens if t.word not in self._known.free and t.word not in self._known.sets["chatter"]]
            if foreign:
                return "unsupported", ()
        return "chatter", ()

    def _runs(self, sentence: Sentence, end: int, last: tuple[str, ...]) -> Iterator[Piece]:
        """The claims of a sentence: the longest runs of words that one fact explains, and what is left."""
        tokens = sentence.tokens
        stops = [*sentence.starts[1:], len(tokens)]
        starts = sentence.starts
        pieces: list[tuple[int, int, Standing, tuple[str, ...]]] = []
        i = 0
        near = last
        while i < len(starts):
            for j in range(min(len(starts), i + MAX_RUN), i, -1):
                if (standing := self._run(sentence, starts[i], stops[j - 1], near)) is not None:
                    pieces.append((starts[i], stops[j - 1], *standing))
                    near = standing[1] or near
                    i = j
                    break
            else:
                pieces.append((starts[i], stops[i], "unsupported", ()))
                i += 1
        for first, stop, standing_, ids in self._merged(sentence, pieces):
            closes = tokens[stop].start if stop < len(tokens) else end
            yield tokens[first].start, closes, standing_, ids

    def _merged(self, sentence: Sentence, pieces: list[Piece]) -> Iterator[Piece]:
        """Joins what is chatter to what it stands beside, and what nothing explains to one claim."""
        joined: list[list[object]] = []
        out: list[Piece] = []
        for first, stop, standing, ids in pieces:
            if out:
                begin, _, before, known = out[-1]
                if standing == before and (standing != "supported" or ids == known):
                    out[-1] = (begin, stop, standing, ids)
                    continue
                if standing == "chatter" and before in ("supported", "unsupported"):
                    out[-1] = (begin, stop, before, known)
                    continue
                if before == "chatter":
                    out[-1] = (begin, stop, standing, ids)
                    continue
            out.append((first, stop, standing, ids))
        for first, stop, standing, ids in out:
            if standing == "unsupported":
                standing, ids = self._failed(sentence, first, stop)
            yield first, stop, standing, ids

    def _run(self, sentence: Sentence, start: int, stop: int, near: tuple[str, ...]) -> tuple[Standing, tuple[str, ...]] | None:
        """How a run of words stands, if one fact explains it or it says nothing."""
        if self._is_chatter(sentence, start, stop):
            return "chatter", ()
        who = self._who(sentence, start, stop)
        for fit in self._fits(sentence, start, stop, who):
            id = fit.told.fact.id
            if not fit.holds or id not in self._allowed or fit.told.fact.sensitivity == "identity":
                continue
            if not fit.explained and not (id in self._asked or id in near or (not self._asked and not near)):
                continue
            return "supported", (id,)
        return None

    def _who(self, sentence: Sentence, start: int, stop: int) -> frozenset[str]:
        """The relative that a run is about, if any, named in it or before it."""
        who: frozenset[str] = frozenset()
        for i, token in enumerate(sentence.tokens[:stop]):
            if token.word in self._known.kin:
                who = frozenset((token.word,))
            elif token.word in ("i", "me", "my") and i < start and not (i + 1 < len(sentence.tokens) and sentence.tokens[i + 1].word in self._known.kin):
                who = frozenset()
        return who

    def _fits(self, sentence: Sentence, start: int, stop: int, who: frozenset[str]) -> list[_Fit]:
        """How far facts explain a run, best first."""
        units = self._units(sentence, start, stop)
        numbers = [a for a in sentence.amounts if start <= a.at[0] < stop]
        candidates = {i for unit in units for name, _ in unit.names for i in self._story.by_unit.get(name, ())}
        if numbers:
            candidates |= {i for i, told in enumerate(self._story.told) if told.amounts}
        asked = self._asked
        fits = [self._fit(self._story.told[i], sentence, start, stop, units, numbers, who) for i in sorted(candidates)]
        fits.sort(key=lambda f: (-(f.explained * 2 + f.weak - 2 * f.foreign - f.soft), f.wrong, f.told.fact.id not in asked, f.told.fact.id not in self._allowed))
        return fits

    def _units(self, sentence: Sentence, start: int, stop: int) -> list[_Unit]:
        """What a run names: for each word that names something the phrases around it, and each phrase of small words."""
        known = self._known
        counted = {i for a in sentence.amounts for i in a.at}
        around: dict[int, list[tuple[str, int]]] = defaultdict(list)
        idioms: list[tuple[int, ...]] = []
        spare: set[int] = set()
        for label, at in sentence.phrases:
            if at[0] < start or at[-1] >= stop:
                continue
            if label in known.marks:
                spare.update(at)
                continue
            if all(sentence.tokens[i].word in known.free for i in at):
                idioms.append(at)
            for meaning in _meant(label, sentence.tokens[at[0]].sign):
                for i in at:
                    around[i].append(meaning)
        units = []
        for i in range(start, stop):
            token = sentence.tokens[i]
            if i in counted or token.word in known.free or (i in spare and i not in around):
                continue
            weak = token.word in known.weak or any(label in known.weakly for label, _ in around[i])
            units.append(_Unit(((token.word, token.sign), *around[i]), weak, (token.word in self._soft or token.word in known.sets["vague"]) and not around[i]))
        for at in idioms:
            if not any(i in spare for i in at):
                units.append(_Unit(tuple(dict.fromkeys(m for i in at for m in around[i])), False, False))
        return units

    def _fit(
        self, told: _Told, sentence: Sentence, start: int, stop: int, units: Sequence[_Unit], numbers: Sequence[Amount], who: frozenset[str]
    ) -> _Fit:
        known = self._known
        fit = _Fit(told)
        fact = told.fact
        affirmed = False
        for unit in units:
            given = [(sign, signs) for name, sign in unit.names if (signs := told.units.get(name))]
            if not given:
                fit.soft += unit.soft
                fit.foreign += not unit.soft
                continue
            fit.weak += unit.weak
            fit.explained += not unit.weak
            if not any(sign == 0 or 0 in signs or sign in signs for sign, signs in given):
                fit.wrong = True
            affirmed |= not unit.weak and all(signs == {1} for _, signs in given) and all(sign == 1 for sign, _ in given)
        words_ = {t.word for t in sentence.tokens[start:stop]} | {name for unit in units for name, _ in unit.names}
        given = {name for unit in units for name, _ in unit.names if name in told.units}
        for amount in numbers:
            if any(label in given and set(amount.at) <= set(at) for label, at in sentence.phrases):
                fit.weak += 1
                continue
            if (right := self._amount(amount, words_, told)) is None:
                fit.foreign += amount.value != 1 or bool(amount.unit)
            elif right:
                fit.weak += 1
            else:
                fit.wrong = True
        every = told.every | told.units.keys()
        for group in known.opposites:
            said = {n for n, side in enumerate(group) if not side.isdisjoint(words_)}
            if said and (so := {n for n, side in enumerate(group) if not side.isdisjoint(every)}) and not said & so:
                fit.wrong = True
        denies = any(start <= i < stop for i in sentence.denies) or any(t.sign < 0 for t in sentence.tokens[start:stop]) or "~normal" in words_
        answers = sentence.tokens[0].word in ("no", "nope", "nah") and 0 not in sentence.denies
        denies = denies or any(name in known.denials for unit in units for name, _ in unit.names)
        if fact.polarity == "absent" and not (denies or answers or affirmed):
            fit.wrong = True
        if fact.polarity == "present" and not told.denies and any(start <= i < stop for i in sentence.denies):
            fit.wrong = True
        if who and not who <= told.kin:
            fit.foreign += 1
        if fact.topic == "family" and not who and words_.isdisjoint(known.sets["family"]) and fact.id not in self._asked:
            fit.foreign += 1
        spoken = {t.word for t in sentence.tokens[:stop]}
        if fact.topic in _BELIEFS and spoken.isdisjoint(known.sets["modal"]) and fact.id not in self._asked:
            fit.foreign += 1
        unsure = any(label == "~unsure" for label, _ in sentence.phrases)
        if (fact.polarity == "unknown") != unsure and (unsure or fact.polarity == "unknown"):
            fit.wrong = True
        return fit

    def _amount(self, amount: Amount, words: set[str], told: _Told) -> bool | None:
        """Whether a number of a run is one that a fact gives; None where the fact gives no such number."""
        like = [(a, breath) for a, breath in told.amounts if a.unit == amount.unit or not a.unit or not amount.unit]
        if not like:
            return None
        for a, breath in like:
            if _same(a, amount):
                others = set().union(*(b for o, b in like if o is not a and not _same(o, amount)), set()) - breath - self._known.free
                if not (others & words):
                    return True
        return False

    def _failed(self, sentence: Sentence, start: int, stop: int) -> tuple[Standing, tuple[str, ...]]:
        """How a run stands that nothing explains: what it gets wrong or gives away, if anything."""
        fits = self._fits(sentence, start, stop, self._who(sentence, start, stop))
        for fit in fits:
            share = fit.explained + 0.5 * fit.weak
            if not share or share < fit.foreign + 0.5 * fit.soft:
                continue
            id = fit.told.fact.id
            if fit.told.fact.sensitivity == "identity":
                return "identity", (id,)
            if id not in self._allowed:
                return "undisclosed", (id,)
            if fit.wrong:
                return "contradicting", (id,)
        return "unsupported", ()


def _same(a: Amount, b: Amount) -> bool:
    if a.own == b.own or not a.unit or not b.unit:
        return a.value == b.value or (bool(a.unit) != bool(b.unit) and _bare(a) == _bare(b))
    return abs(a.value - b.value) <= 0.12 * max(a.value, b.value)


def _bare(amount: Amount) -> float:
    size = vocabulary().units[amount.own][1] if amount.own else 1.0
    return amount.value / size


def _part(sentence: Sentence, start: int, stop: int) -> Sentence:
    """Some words of a sentence as a sentence."""
    if start == 0 and stop == len(sentence.tokens):
        return sentence

    def moved(at: Iterable[int]) -> tuple[int, ...]:
        return tuple(i - start for i in at)

    inside = range(start, stop)
    return Sentence(
        sentence.tokens[start:stop],
        [(label, moved(at)) for label, at in sentence.phrases if at[0] in inside and at[-1] in inside],
        [Amount(a.value, a.unit, a.own, moved(a.at)) for a in sentence.amounts if a.at[0] in inside and a.at[-1] in inside],
        sorted({0, *(i - start for i in sentence.starts if i in inside)}),
        sentence.asks and stop == len(sentence.tokens),
        sentence.staged,
        frozenset(i - start for i in sentence.denies if i in inside),
        sentence.end,
    )
