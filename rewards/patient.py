"""The reward of the patient's seat: true to the record, true to the persona, and no longer than that takes.

Three components, each the mean of its parts:

- fidelity: a turn earns the share of its released facts that were told (1 where none was), and nothing where the
  patient invented or contradicted something, or told what the disclosure rule had not released by then.
- persona: each expectation of this patient that arose earns the share of its turns in which it was met; a persona
  of which nothing was to be expected earns 1.
- brevity: a turn earns the words there is room for over the words used, and nothing where facts were released and none
  was told: to leave the answer out is no brevity.

A reply without words earns nothing in any of them, and a patient who never had to speak has the reward 0.0, since there
is nothing to judge. What a turn told is what the ledger holds of it. Numbers and expectations are in `patient.json`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Any

from medenv.consultation.disclosure import disclose
from medenv.consultation.views import JudgeView, Turn
from medenv.errors import RubricError
from medenv.schemas import validator

__all__ = ["PatientLine", "PatientPart", "PatientScore", "score_patient"]

_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_SENTENCE_END = re.compile(r"[.!?:;]+(?:\s|$)")
_FULL_FORMS = 3
"""How many words longer a fact may grow when its short forms are spoken out."""
_WINS = frozenset(("empathy", "explanation"))
"""What may win a patient over to a plan, so that no objection is to be expected."""
_TEXTS = {
    "fidelity": "Tells the released facts and nothing else.",
    "persona": "Speaks as this patient does.",
    "brevity": "Takes no more words than that needs.",
}


@dataclass(frozen=True, slots=True)
class PatientPart:
    """What one turn, or one expectation, brings to a component."""

    id: str
    """The number of the turn, from 0, or the id of the expectation."""
    value: float
    reason: str


@dataclass(frozen=True, slots=True)
class PatientLine:
    """One component of a patient's score: the mean of its parts."""

    id: str
    weight: float
    value: float
    parts: tuple[PatientPart, ...]
    reason: str = ""

    @property
    def awarded(self) -> float:
        """What it brings to the reward, before all is divided by the denominator."""
        return self.weight * self.value


@dataclass(frozen=True, slots=True)
class PatientScore:
    """A scored patient: `reward` is the sum of what the lines were awarded, in their order, over `denominator`."""

    lines: tuple[PatientLine, ...]

    @property
    def reward(self) -> float:
        """The scalar reward, in [0, 1]."""
        return sum(line.awarded for line in self.lines) / self.denominator

    @property
    def denominator(self) -> float:
        """The sum of the weights."""
        return sum(line.weight for line in self.lines)

    @property
    def components(self) -> dict[str, float]:
        """The value of each component, in [0, 1]."""
        return {line.id: line.value for line in self.lines}

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each component."""
        return {line.id: line.weight for line in self.lines}

    def as_dict(self) -> dict[str, Any]:
        """The score as plain data, fresh at each call."""
        return {
            "reward": self.reward,
            "denominator": self.denominator,
            "components": self.components,
            "criteria": [
                {
                    "id": line.id,
                    "text": _TEXTS[line.id],
                    "weight": line.weight,
                    "value": line.value,
                    "awarded": line.awarded,
                    "reason": line.reason,
                    "parts": [{"id": part.id, "value": part.value, "reason": part.reason} for part in line.parts],
                }
                for line in self.lines
            ],
        }


def score_patient(view: JudgeView, *, weights: Mapping[str, float] | None = None) -> PatientScore:
    """Scores the patient of an episode.

    Args:
        view: The episode; it is for the caller not to score one that is invalid.
        weights: How much each component counts, of "fidelity", "persona" and "brevity"; those of `patient.json` by
            default. The reward is divided by their sum.

    Raises:
        RubricError: A weight is missing, unknown, negative or not finite, or all are zero.
    """
    weights = _checked(_settings()["weights"] if weights is None else weights)
    replies = tuple(_replies(view))
    parts = {
        "fidelity": tuple(_fidelity(reply) for reply in replies),
        "persona": tuple(_persona(view, replies)),
        "brevity": tuple(_brevity(view, reply) for reply in replies),
    }
    reasons = dict.fromkeys(parts, "" if replies else "the patient never had to speak")
    values = {id: sum(part.value for part in found) / max(len(found), 1) for id, found in parts.items()}
    if replies and not parts["persona"]:
        spoke = any(reply.words for reply in replies)
        values["persona"] = float(spoke)
        reasons["persona"] = "no expectation arose" if spoke else "the patient said nothing"
    return PatientScore(tuple(PatientLine(id, weights[id], values[id], parts[id], reasons[id]) for id in parts))


def _checked(weights: Mapping[str, float]) -> Mapping[str, float]:
    fitting = all(math.isfinite(weight) and weight >= 0 for weight in weights.values())
    if weights.keys() != _TEXTS.keys() or not fitting or not 0 < sum(weights.values()) < math.inf:
        raise RubricError(f"expected weights of {', '.join(_TEXTS)}, none negative and not all zero; got {weights!r}")
    return weights


@cache
def _settings() -> Mapping[str, Any]:
    data = json.loads(resources.files("medenv.rewards").joinpath("patient.json").read_text("utf-8"))
    validator("medenv.rewards", "patient").validate(data)
    return {**data, "expectations": tuple(_Expectation(**item) for item in data["expectations"])}


@cache
def _clinical() -> frozenset[str]:
    data = json.loads(resources.files("medenv.consultation").joinpath("jargon.json").read_text("utf-8"))
    return frozenset(word.casefold() for word in data["words"])


@dataclass(frozen=True)
class _Reply:
    """One turn in which the patient spoke, held against the disclosure rule."""

    place: int
    turn: Turn
    words: int
    released: int
    """How many facts the disclosure rule released."""
    told: tuple[str, ...]
    """The lay words of the released facts that were told."""
    unreleased: tuple[str, ...]
    """The ids of facts that were told, though never released."""

    @cached_property
    def beside(self) -> str:
        """The reply without the told facts' own words."""
        text = self.turn.reply or ""
        for lay in self.told:
            text = re.sub(re.escape(lay), " ", text, flags=re.IGNORECASE)
        return text

    @property
    def added(self) -> int:
        """How many words it holds beyond those that the told facts take."""
        return self.words - sum(map(_count, self.told))


def _replies(view: JudgeView) -> Iterator[_Reply]:
    facts = {fact.id: fact for fact in view.record.facts}
    may: set[str] = set()
    for place, turn in enumerate(view.turns):
        if turn.reply is None:
            continue
        released = {
            fact.id for fact in disclose(turn.understanding, facts, view.persona, view.ledger.entries[:place])[0]
        }
        disclosed = tuple(dict.fromkeys(turn.entry.disclosed))
        # What slipped out earlier is not released by having slipped out.
        unreleased = tuple(id for id in disclosed if id not in released | may)
        may |= released.intersection(disclosed)
        told = tuple(facts[id].lay for id in disclosed if id in released)
        yield _Reply(place, turn, _count(turn.reply), len(released), told, unreleased)


def _count(text: str) -> int:
    return len(_WORD.findall(text))


def _longest(text: str) -> int:
    return max(map(_count, _SENTENCE_END.split(text)))


def _fidelity(reply: _Reply) -> PatientPart:
    entry, share = reply.turn.entry, len(reply.told) / reply.released if reply.released else 1.0
    reason = f"told {len(reply.told)} of {reply.released} released"
    for fault, found in (
        ("invented", entry.invented),
        ("contradicted", entry.contradicted),
        ("told though not released", reply.unreleased),
    ):
        if found:
            share, reason = 0.0, f"{fault}: {', '.join(found)}"
    if not reply.words:
        share, reason = 0.0, "no words"
    return PatientPart(str(reply.place), share, reason)


def _brevity(view: JudgeView, reply: _Reply) -> PatientPart:
    room = _settings()["room"][view.persona.verbosity] + sum(map(_count, reply.told))
    if not reply.words:
        return PatientPart(str(reply.place), 0.0, "no words")
    if reply.released and not reply.told:
        return PatientPart(str(reply.place), 0.0, "no answer")
    return PatientPart(str(reply.place), min(1.0, room / reply.words), f"{reply.words} words, room for {room}")


@dataclass(frozen=True)
class _Expectation:
    """What is to be expected of a patient, and when; exactly one of the fields after `often` is given."""

    id: str
    text: str
    field: str
    when: str
    values: Sequence[str] = ()
    about: str = ""
    often: bool = False
    at_most: int | None = None
    at_least: int | None = None
    longest_sentence: int | None = None
    plain: bool = False
    says: str = ""
    never: str = ""

    def of(self, view: JudgeView) -> bool:
        """Whether it is expected of this patient."""
        value = view.record.speaker if self.field == "speaker" else getattr(view.persona, self.field)
        understood = not (self.says or self.never or self.plain)
        return (not self.values or value in self.values) and (
            understood or view.record.language.partition("-")[0] == _settings()["language"]
        )

    def arises(self, reply: _Reply) -> bool:
        """Whether a turn calls for it."""
        return _ARISES[self.when](reply) and (not self.about or any(_found(self.about, lay) for lay in reply.told))

    def met(self, reply: _Reply) -> bool:
        """Whether a reply meets it; one without words never does."""
        if not reply.words:
            return False
        if self.at_most is not None:
            return reply.added <= self.at_most
        if self.at_least is not None:
            return reply.added >= self.at_least
        if self.longest_sentence is not None:
            facts = max(map(_longest, reply.told), default=0) + _FULL_FORMS
            return _longest(reply.turn.reply or "") <= max(self.longest_sentence, facts)
        if self.plain:
            own = _clinical().intersection(_plain_words(reply.beside))
            return own.issubset(_plain_words(" ".join((reply.turn.doctor, *reply.told))))
        if self.never:
            return not _found(self.never, reply.beside)
        return _found(self.says, reply.beside)


_ARISES: Mapping[str, Callable[[_Reply], bool]] = {
    "spoke": lambda reply: True,
    "told": lambda reply: bool(reply.told),
    "ordered": lambda reply: bool(reply.turn.acts.orders),
    "planned": lambda reply: bool(reply.turn.acts.plan) and _WINS.isdisjoint(reply.turn.understanding.signs),
    "overloaded": lambda reply: reply.turn.entry.unheard > 0,
    "puzzled": lambda reply: reply.turn.entry.jargon > 0,
}


def _found(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE) is not None


def _plain_words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()))


def _persona(view: JudgeView, replies: Sequence[_Reply]) -> Iterator[PatientPart]:
    for expectation in _settings()["expectations"]:
        arose = [reply for reply in replies if expectation.arises(reply)] if expectation.of(view) else []
        wanted = len(arose)
        if expectation.often:
            wanted = int(getattr(view.persona, expectation.field) * len(arose) / 2)
        if wanted:
            met = sum(expectation.met(reply) for reply in arose)
            reason = f"{expectation.text} In {met} of {len(arose)} turns, {wanted} wanted."
            yield PatientPart(expectation.id, min(1.0, met / wanted), reason)
