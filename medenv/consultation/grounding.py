"""Grounding: what a patient's reply claims, held against the facts of the record.

A reply is cut into sentences and these into runs of words. A run stands if one fact that may be told explains all of
it: every word that names something, whether it is denied, every number, side, time and relative. What is not known is
not believed: a claim that is refused may well be true, but one that passes is hardly ever false.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

from medenv.consultation.assertions import Cut, Sentence, Token, cut, sentence_of, vocabulary
from medenv.consultation.explaining import Explainer, Story, story_of
from medenv.consultation.lexicon import lexicon
from medenv.consultation.phrases import Phrases
from medenv.consultation.unspaced import clauses_of_cjk, plain_characters, script_of, telling_same, telling_shared
from medenv.records.identifiers import find_identifiers
from medenv.records.record import Fact

__all__ = ["Claim", "Standing", "claims_in", "told_in"]

Standing: TypeAlias = Literal["supported", "chatter", "unsupported", "contradicting", "undisclosed", "identity"]
"""How a claim stands to the facts; only what is supported and chatter may be said."""

MAX_LENGTH = 8000
"""The characters of a reply that are read; nobody speaks more at a time, and nothing supports the rest."""
MAX_RUNS = 8
"""The most runs of words that are held together against one fact."""
MIN_WORDS = 3
"""A text of fewer words ("No, never.") is no fact's very words."""

_DROPPED = frozenset(
    ("a", "an", "the", "be", "have", "would", "sort", "of", "kind", "very", "much", "at", "all", "some", "any")
)
_DROPPED_TOO = ("really", "quite", "rather", "just", "actually", "pretty")
"""Words that a patient who speaks little of the language leaves out, and those that a full form adds."""
_OPENS = frozenset(("and", "but", "so", "also", "because", "well", "yes", "no"))
_CLOSES = frozenset(("and", "but", "so"))
_SPEAKERS = frozenset(("patient", "doctor", "assistant", "user", "system"))


@dataclass(frozen=True, slots=True)
class Claim:
    """A piece of a reply, and how it stands to the facts."""

    text: str
    """The piece of the reply, verbatim."""
    standing: Standing
    facts: tuple[str, ...] = ()
    """The ids of the facts that it tells (supported), gets wrong (contradicting) or gives away (undisclosed)."""


class _Piece(NamedTuple):
    """From where to where a claim stands (in characters or words), how, and the ids of its facts."""

    start: int
    stop: int
    standing: Standing
    facts: tuple[str, ...] = ()


def told_in(claims: Iterable[Claim]) -> tuple[str, ...]:
    """The ids of the facts that claims tell, each once, in their order."""
    return tuple(dict.fromkeys(id for claim in claims if claim.standing == "supported" for id in claim.facts))


def claims_in(
    reply: str,
    facts: Sequence[Fact],
    allowed: Collection[str],
    *,
    asked: Sequence[str] = (),
    doctor: str = "",
    chatter: Collection[str] = (),
) -> tuple[Claim, ...]:
    """Cuts a reply into claims and says how each stands to the facts of a record; never raises.

    Args:
        reply: The patient's words.
        facts: All facts of the record.
        allowed: The ids of those that may be told now.
        asked: The ids of those that the doctor's last question asked for, against which a bare "no" is held.
        doctor: The doctor's last words. What the reply only echoes backs nothing.
        chatter: Whole sentences that are known to claim nothing.
    """
    read_, rest = reply[:MAX_LENGTH], reply[MAX_LENGTH:]
    story = story_of(tuple(facts))
    if (script := script_of(read_)) == "latin":
        judge = _Judge(story, frozenset(allowed), tuple(asked), doctor, _sentences(frozenset(chatter)))
        pieces = judge.pieces(read_)
    elif script == "cjk":
        pieces = _in_cjk(read_, facts, frozenset(allowed), {plain_characters(text) for text in chatter})
    else:
        pieces = _in_other(read_, facts, frozenset(allowed), {plain_characters(text) for text in chatter})
    named = [(found.start, found.end) for found in find_identifiers(read_)]
    claims = []
    for start, stop, standing, ids in pieces:
        if any(start < end and begin < stop for begin, end in named):
            standing, ids = "identity", ()
        if text := read_[start:stop].strip():
            claims.append(Claim(text, standing, ids))
    if rest.strip():
        claims.append(Claim(rest, "unsupported"))
    return tuple(claims)


def _worded(text: str) -> list[str]:
    return [token.word for piece in cut(text) for token in piece.tokens if token.word not in _dropped()]


@lru_cache(maxsize=1)
def _dropped() -> frozenset[str]:
    return _DROPPED.union(form for word in _DROPPED_TOO for form in vocabulary().words.normal(word))


def _phrases(worded: Iterator[tuple[list[str], int]]) -> Phrases[int]:
    return Phrases(([frozenset((word,)) for word in words], label) for words, label in worded if words)


_CHATTER = -1


@lru_cache(maxsize=64)
def _sentences(chatter: frozenset[str]) -> Phrases[int]:
    return _phrases((_worded(text), _CHATTER) for text in sorted(chatter))


@lru_cache(maxsize=512)
def _texts(story: Story) -> Phrases[int]:
    """The texts of facts, each with and without the "no" that it begins with."""

    def texts() -> Iterator[tuple[list[str], int]]:
        for i, told in enumerate(story.told):
            for words in (_worded(told.fact.lay), _worded(told.fact.statement)):
                yield words, i
                if len(words) > MIN_WORDS and words[0] in ("no", "yes"):
                    yield words[1:], i

    return _phrases(texts())


class _Judge:
    """Judges a reply in words."""

    def __init__(
        self, story: Story, allowed: frozenset[str], asked: tuple[str, ...], doctor: str, chatter: Phrases[int]
    ) -> None:
        self._story = story
        self._facts = tuple(told.fact for told in story.told)
        self._allowed = allowed
        self._asked = asked
        self._doctor = doctor
        self._chatter = chatter
        self._known = vocabulary()

    def pieces(self, reply: str) -> Iterator[_Piece]:
        """The claims of a reply in order."""
        cuts = list(cut(reply))
        verbatim = self._verbatim(cuts)
        near: tuple[str, ...] = ()
        for number, words in enumerate(cuts):
            sentence: Sentence | None = None  # what is a fact's very words is not read any further
            begin = 0
            for first, stop, piece in verbatim.get(number, ()):
                if first > begin:
                    sentence = sentence or sentence_of(words)
                    yield from self._sentence(sentence.part(begin, first), near)
                if piece is not None:
                    yield piece
                    near = piece.facts
                begin = stop
            if begin < len(words.tokens):
                sentence = sentence or sentence_of(words)
                for piece in self._sentence(sentence.part(begin, len(words.tokens)), near):
                    near = piece.facts or near
                    yield piece

    def _verbatim(self, cuts: Sequence[Cut]) -> dict[int, list[tuple[int, int, _Piece | None]]]:
        """Where the whole text of a fact or a harmless sentence stands, by sentence, from word to word.

        A text that runs over several sentences is one piece, which stands at the first of them.
        """
        dropped = _dropped()
        at = [(n, i) for n, each in enumerate(cuts) for i, token in enumerate(each.tokens) if token.word not in dropped]
        words = [cuts[n].tokens[i].word for n, i in at]
        places: dict[tuple[int, int], list[int]] = defaultdict(list)
        for match in (*_texts(self._story).find(words), *self._chatter.find(words)):
            places[match.at[0], match.at[-1] + 1].append(match.label)
        taken: dict[int, list[tuple[int, int, _Piece | None]]] = defaultdict(list)
        end = 0
        for start, stop in sorted(places, key=lambda place: (place[0], -place[1])):
            (n, i), (m, j) = at[start], at[stop - 1]
            opening, closing = cuts[n].tokens, cuts[m].tokens
            i, j = _widened(opening, i, back=True), _widened(closing, j, back=False)
            if start < end or not (_opens(opening, i) and _closes(closing, j)):
                continue
            end = stop
            opens, closes = opening[i].start, closing[j].start if j < len(closing) else cuts[m].end
            piece = _Piece(opens, closes, *self._named(places[start, stop]))
            for number in range(n, m + 1):
                first = i if number == n else 0
                last = j if number == m else len(cuts[number].tokens)
                taken[number].append((first, last, piece if number == n else None))
        return taken

    def _named(self, labels: Sequence[int]) -> tuple[Standing, tuple[str, ...]]:
        """How the very words of facts, or of a harmless sentence, stand."""
        facts = [self._facts[i] for i in dict.fromkeys(labels) if i != _CHATTER]
        told = [fact.id for fact in facts if fact.id in self._allowed and fact.sensitivity != "identity"]
        if told:
            return "supported", tuple(id for id in told if id in self._asked) or tuple(told)
        if _CHATTER in labels:
            return "chatter", ()
        ids = tuple(fact.id for fact in facts)
        return ("identity" if any(fact.sensitivity == "identity" for fact in facts) else "undisclosed"), ids

    def _sentence(self, sentence: Sentence, near: tuple[str, ...]) -> Iterator[_Piece]:
        tokens = sentence.tokens
        start = tokens[0].start
        if _is_speaker(tokens) or any(label == "~identity" for label, _ in sentence.phrases):
            yield _Piece(start, sentence.end, "identity")
        elif (standing := self._bare(sentence)) is not None:
            yield _Piece(start, sentence.end, *standing)
        elif sentence.asks and self._inverted(sentence):
            yield _Piece(start, sentence.end, *self._question(sentence))
        else:
            yield from self._runs(sentence, near)

    def _bare(self, sentence: Sentence) -> tuple[Standing, tuple[str, ...]] | None:
        """How a sentence stands that only says yes or no, or nothing at all; None for any other."""
        known = self._known
        words = [token.word for token in sentence.tokens]
        unsure = any(label == "~unsure" for label, _ in sentence.phrases)
        if not unsure and known.sets["no"].issuperset(words) and not known.denying.isdisjoint(words):
            return self._answer(agrees=False)
        if known.sets["yes"].issuperset(words) and not known.sets["agree"].isdisjoint(words):
            asked = (token.word for piece in cut(self._doctor[:MAX_LENGTH]) for token in piece.tokens)
            denied = any(word in known.denying for word in asked)
            return self._answer(agrees="yes" in words or not denied)
        if self._is_chatter(sentence, 0, len(words)):
            return "chatter", ()
        general = known.sets["general"]
        if not general.isdisjoint(words) and known.free.union(general).issuperset(words):
            return self._in_general(general.intersection(words))
        return None

    def _in_general(self, words: frozenset[str]) -> tuple[Standing, tuple[str, ...]]:
        """How it stands that all is fine: as what was asked for says so, for of itself it speaks of nothing."""
        asked = (fact for fact in self._facts if fact.id in self._asked and fact.id in self._allowed)
        told = tuple(fact.id for fact in asked if not words.isdisjoint(lexicon().words.plain(fact.lay)))
        return ("supported", told) if told else ("unsupported", ())

    def _answer(self, *, agrees: bool) -> tuple[Standing, tuple[str, ...]]:
        """How a bare "yes" or "no" stands to what was asked for."""
        facts = [fact for fact in self._facts if fact.id in self._asked]
        if not facts:
            return ("unsupported" if "?" in self._doctor else "chatter"), ()
        right = [fact for fact in facts if fact.polarity == ("present" if agrees else "absent")]
        if len(right) < len(facts) and not (agrees and right):
            return "contradicting", tuple(fact.id for fact in facts if fact not in right)
        if hidden := tuple(f.id for f in right if f.id not in self._allowed or f.sensitivity == "identity"):
            return "undisclosed", hidden
        return "supported", tuple(fact.id for fact in right)

    def _is_chatter(self, sentence: Sentence, start: int, stop: int) -> bool:
        """Whether no word of a run names anything that a fact could tell."""
        known = self._known
        if any(start <= amount.at[0] < stop for amount in sentence.amounts):
            return False
        phrases = [(label, at) for label, at in sentence.phrases if at[0] >= start and at[-1] < stop]
        spare = {i for label, at in phrases if label in known.marks for i in at}
        words = [token.word for token in sentence.tokens[start:stop]]
        harmless = [known.free, known.sets["chatter"]]
        if sentence.staged:
            harmless.append(known.sets["stage"])
        if self._story.by_caregiver and words[0] in ("i", "god", "lord") and "you" not in words:
            harmless.append(known.sets["feelings"])
        if not all(start + i in spare or any(word in some for some in harmless) for i, word in enumerate(words)):
            return False
        return not any(
            label not in known.marks
            and spare.isdisjoint(at)
            and known.free.issuperset(sentence.tokens[i].word for i in at)
            for label, at in phrases
        )

    def _inverted(self, sentence: Sentence) -> bool:
        """Whether a sentence has a question's order, so that it asks the doctor something."""
        words = [token.word for token in sentence.tokens]
        known = self._known.sets
        i = next((i for i, word in enumerate(words) if word not in known["leads"]), len(words) - 1)
        after = words[i + 1] if i + 1 < len(words) else ""
        return words[i] in known["asking"] or (
            words[i] in known["verbs"] and (after in known["subjects"] or after == "not")
        )

    def _question(self, sentence: Sentence) -> tuple[Standing, tuple[str, ...]]:
        """How a question to the doctor stands: it may give a fact away, or take for granted what is not so."""
        stop = len(sentence.tokens)
        fits = self._explainer(sentence).fits(0, stop)
        named = [fit for fit in fits if fit.explained and not fit.foreign]
        hidden = [fit.told.fact.id for fit in named if fit.told.fact.id not in self._allowed]
        if hidden and len(hidden) == len(named):
            return "undisclosed", (hidden[0],)
        words = [token.word for token in sentence.tokens]
        supposes = not self._known.sets["supposing"].isdisjoint(words)
        backed = any(fit.holds and fit.told.fact.id in self._allowed for fit in fits)
        harmless = (self._known.free, self._known.sets["chatter"])
        if supposes and not backed and not all(any(word in some for some in harmless) for word in words):
            return "unsupported", ()
        return "chatter", ()

    def _explainer(self, sentence: Sentence) -> Explainer:
        return Explainer(sentence, self._story, self._allowed, self._asked)

    def _runs(self, sentence: Sentence, near: tuple[str, ...]) -> Iterator[_Piece]:
        """The claims of a sentence: the longest runs of words that one fact explains, and what is left."""
        explainer = self._explainer(sentence)
        bounds = [*sentence.starts, len(sentence.tokens)]
        pieces: list[_Piece] = []
        i = 0
        while i < len(bounds) - 1:
            only = bool(pieces) and not sentence.parts_at(bounds[i])
            for j in range(min(len(bounds) - 1, i + MAX_RUNS), i, -1):
                start, stop = bounds[i], bounds[j]
                if self._is_chatter(sentence, start, stop) and not _dangles(sentence, start, stop):
                    pieces.append(_Piece(start, stop, "chatter"))
                    break
                if (id := explainer.backing(start, stop, near, only=only)) is not None:
                    pieces.append(_Piece(start, stop, "supported", (id,)))
                    near = (id,)
                    break
            else:
                j = i + 1
                pieces.append(_Piece(bounds[i], bounds[j], "unsupported"))
            i = j
        for first, last, standing, ids in _joined(pieces):
            if standing == "unsupported":
                standing, ids = self._failed(explainer, first, last)
            yield _Piece(sentence.tokens[first].start, sentence.where(last), standing, ids)

    def _failed(self, explainer: Explainer, start: int, stop: int) -> tuple[Standing, tuple[str, ...]]:
        """How a run stands that nothing backs: what it gets wrong or gives away, if anything."""
        for fit in explainer.fits(start, stop):
            shared = fit.explained + fit.weak / 2
            if not shared or shared < fit.foreign + fit.soft / 2:
                continue
            fact = fit.told.fact
            if fact.sensitivity == "identity":
                return "identity", (fact.id,)
            if fact.id not in self._allowed:
                return "undisclosed", (fact.id,)
            if fit.wrong:
                return "contradicting", (fact.id,)
        return "unsupported", ()


def _dangles(sentence: Sentence, start: int, stop: int) -> bool:
    """Whether a run denies what comes right after it: "I have not put" of "I have not put on weight"."""
    denies = any(start <= i < stop for i in sentence.denies)
    return denies and stop < len(sentence.tokens) and not sentence.tokens[stop].mark


def _widened(tokens: Sequence[Token], i: int, *, back: bool) -> int:
    """The beginning of a stretch of words, or its end, with the dropped words beside it."""
    dropped = _dropped()
    if back:
        while i and not tokens[i].mark and tokens[i - 1].word in dropped:
            i -= 1
        return i
    i += 1
    while i < len(tokens) and tokens[i].word in dropped and not tokens[i].mark:
        i += 1
    return i


def _is_speaker(tokens: Sequence[Token]) -> bool:
    """Whether a sentence begins like a line of a script: "Patient: ..."."""
    return len(tokens) > 1 and tokens[0].word in _SPEAKERS and ":" in tokens[1].mark


def _opens(tokens: Sequence[Token], i: int) -> bool:
    """Whether a clause may begin at a word."""
    if i == 1 and _is_speaker(tokens):
        return False
    return not i or bool(tokens[i].mark) or tokens[i - 1].word in _OPENS


def _closes(tokens: Sequence[Token], i: int) -> bool:
    """Whether a clause may end before a word."""
    return i == len(tokens) or bool(tokens[i].mark) or tokens[i].word in _CLOSES


def _joined(pieces: Sequence[_Piece]) -> Iterator[_Piece]:
    """Pieces that stand alike as one; what is chatter belongs to what it stands beside."""
    joined: list[_Piece] = []
    for piece in pieces:
        if not joined:
            joined.append(piece)
            continue
        before = joined[-1]
        alike = piece.standing == before.standing and (piece.standing != "supported" or piece.facts == before.facts)
        if alike or piece.standing == "chatter":
            joined[-1] = before._replace(stop=piece.stop)
        elif before.standing == "chatter":
            joined[-1] = piece._replace(start=before.start)
        else:
            joined.append(piece)
    return iter(joined)


def _in_cjk(reply: str, facts: Sequence[Fact], allowed: frozenset[str], chatter: Collection[str]) -> Iterator[_Piece]:
    """The claims of a reply without spaces, each held against one fact."""
    for start, stop in clauses_of_cjk(reply):
        said = plain_characters(reply[start:stop])
        if not said:
            continue
        if said in chatter or said in vocabulary().cjk:
            yield _Piece(start, stop, "chatter")
            continue
        alike = list(telling_shared(said, facts))
        free = [(fact, right) for fact, right in alike if fact.id in allowed and fact.sensitivity != "identity"]
        if backing := [fact.id for fact, right in free if right]:
            yield _Piece(start, stop, "supported", (backing[0],))
        elif hidden := [fact.id for fact, _ in alike if all(fact is not other for other, _ in free)]:
            yield _Piece(start, stop, "undisclosed", (hidden[0],))
        elif free:
            yield _Piece(start, stop, "contradicting", (free[0][0].id,))
        else:
            yield _Piece(start, stop, "unsupported")


def _in_other(reply: str, facts: Sequence[Fact], allowed: frozenset[str], chatter: Collection[str]) -> Iterator[_Piece]:
    """The one claim of a reply in any other script, which only the very text of a fact backs."""
    said = plain_characters(reply)
    same = telling_same(said, facts)
    if free := tuple(fact.id for fact in same if fact.id in allowed and fact.sensitivity != "identity"):
        yield _Piece(0, len(reply), "supported", free)
    elif same:
        yield _Piece(0, len(reply), "undisclosed", tuple(fact.id for fact in same))
    else:
        yield _Piece(0, len(reply), "chatter" if said in chatter else "unsupported")
