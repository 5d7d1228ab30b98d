"""The novice: a doctor of middling skill that knows the knowledge base, for a policy to take its first words from.

Each novice has some good habits and lacks others, so a crowd of them holds every piece of a good consultation, and
hardly ever all of them at once. What they say and how likely each habit is stands in `novice.json`.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from typing import Any

from medenv.consultation.views import DoctorView
from medenv.errors import MedenvError
from medenv.records.knowledge_base import Condition, KnowledgeBase, load_knowledge
from medenv.records.record import topics
from medenv.records.synthesis import Evidence, posterior

__all__ = ["Habits", "NoviceDoctor", "listen"]

CITED = 3
"""How many findings a novice that cites names."""
NAMED = 3
"""How many diagnoses a novice that weighs gives."""


@dataclass(frozen=True, slots=True)
class Habits:
    """What one novice does and how well."""

    greets: bool = False
    opens: bool = False
    """Begins by letting the patient tell the story."""
    empathises: bool = False
    asks_perspective: bool = False
    """Asks for ideas, concerns and expectations."""
    explains: bool = False
    cites: bool = False
    """Names the findings that the diagnosis rests on."""
    safety_nets: bool = False
    weighs: bool = False
    """Gives several diagnoses, each with a probability."""
    refers: bool = False
    careful: bool = False
    """Minds what stands against a treatment."""
    rounds: int = 2
    """Messages with questions."""
    questions: int = 2
    """Questions in each."""
    tests: int = 2
    insight: float = 0.5
    """In [0, 1]: how often the guess follows all that was heard, instead of the complaint alone."""
    thoroughness: float = 0.5
    """In [0, 1]: the share of the right plan that is thought of."""

    @classmethod
    def draw(cls, rng: random.Random) -> Habits:
        """The habits of a novice picked at random."""
        data = _data()
        has = {name: rng.random() < chance for name, chance in data["habits"].items()}
        does = {name: rng.choice(data[name]) for name in ("rounds", "questions", "tests", "insight", "thoroughness")}
        return cls(**has, **does)


class NoviceDoctor:
    """Asks some questions, orders some tests, and guesses from what it heard.

    Args:
        habits: The same for every patient; without them every episode has a novice of its own, drawn by its seed.
    """

    def __init__(self, habits: Habits | None = None) -> None:
        self._habits = habits

    def act(self, view: DoctorView) -> str:
        """The next message; everything it depends on is in the view."""
        rng = random.Random(f"novice:{view.seed}")
        habits = self._habits or Habits.draw(rng)
        rounds = _rounds(habits, rng, view.max_turns)
        if view.turn + 1 < view.max_turns and view.turn < len(rounds):
            return _with_orders(rounds[view.turn], view, habits, rng, last=view.turn + 1 == len(rounds))
        return _closing(view, habits, rng)


@cache
def _data() -> Any:
    data = json.loads(resources.files("medenv.agents.doctors").joinpath("novice.json").read_text("utf-8"))
    known = {field.name for field in fields(Habits)}
    if unknown := sorted({*data["habits"]} - known):
        raise MedenvError(f"novice.json: expected habits among {', '.join(sorted(known))}; got {unknown[0]!r}")
    return data


def _rounds(habits: Habits, rng: random.Random, max_turns: int) -> list[str]:
    """The messages with questions, as they are before any test is ordered."""
    data = _data()
    pool = [topic for topic in topics() if topic != "identity" and topic not in data["perspective"]]
    weights = {topic: data["usual_weight"] if topic in data["usual"] else 1 for topic in pool}
    by_chance = sorted(pool, key=lambda topic: -(rng.random() ** (1 / weights[topic])))
    asked = set(by_chance[: habits.rounds * habits.questions])
    if habits.asks_perspective:
        asked.update(data["perspective"])
    questions = [topics()[topic]["question"] for topic in topics() if topic in asked]
    messages = [
        " ".join(questions[start : start + habits.questions]) for start in range(0, len(questions), habits.questions)
    ]
    phrases = data["phrases"]
    if habits.empathises:
        place = rng.randrange(len(messages))
        messages[place] = f"{phrases['empathises']} {messages[place]}"
    if habits.opens:
        messages.insert(0, phrases["opens"])
    if habits.greets:
        messages[0] = f"{phrases['greets']} {messages[0]}"
    return messages[: max_turns - 1]


def _with_orders(message: str, view: DoctorView, habits: Habits, rng: random.Random, *, last: bool) -> str:
    if not last or not habits.tests:
        return message
    knowledge = load_knowledge()
    complaint = listen(view).complaint
    usual = knowledge.complaints[complaint].exams if complaint else tuple(knowledge.exams)
    chosen = rng.sample(usual, min(len(usual), habits.tests))
    return f"{message}\nORDER: {'; '.join(knowledge.exams[exam].name for exam in sorted(chosen, key=usual.index))}"


def _closing(view: DoctorView, habits: Habits, rng: random.Random) -> str:
    knowledge, evidence = load_knowledge(), listen(view)
    if rng.random() >= habits.insight:
        guesses = _ranked(knowledge, Evidence(evidence.complaint, evidence.age, evidence.sex))
        lead = rng.choices(guesses, [chance for _, chance in guesses])[0]
        guesses = [lead, *(guess for guess in guesses if guess is not lead)]
    else:
        guesses = _ranked(knowledge, evidence)
    first = knowledge.conditions[guesses[0][0]]
    phrases = _data()["phrases"]
    speech = []
    if habits.explains:
        speech.append(phrases["explains"])
    findings = _citable(knowledge, evidence, rng)[:CITED]
    if habits.cites and len(findings) > 1:
        speech.append(phrases["cites"].format(findings=" and ".join(findings)))
    if habits.safety_nets:
        speech.append(phrases["safety_nets"])
    lines = [" ".join(speech)] if speech else []
    lines.append(f"DIAGNOSIS: {_differential(knowledge, guesses, habits)}")
    if plan := _plan(knowledge, first, evidence, habits, rng):
        lines.append(f"PLAN: {'; '.join(plan)}")
    if habits.refers:
        lines.append(f"REFER: {first.department}")
    return "\n".join(lines)


def _ranked(knowledge: KnowledgeBase, evidence: Evidence) -> list[tuple[str, float]]:
    """Condition ids by falling probability."""
    for tried in (evidence, Evidence(age=evidence.age, sex=evidence.sex), Evidence()):
        try:
            chances = posterior(knowledge, tried)
        except MedenvError:  # evidence that no condition allows
            continue
        return sorted(chances.items(), key=lambda pair: (-pair[1], pair[0]))
    raise MedenvError("expected a knowledge base with conditions, got an empty one")


def _differential(knowledge: KnowledgeBase, guesses: Sequence[tuple[str, float]], habits: Habits) -> str:
    names = [knowledge.conditions[condition].diagnosis.name for condition, _ in guesses[:NAMED]]
    if not habits.weighs:
        return names[0]
    return "; ".join(f"{name} ({chance})" for name, chance in zip(names, (0.7, 0.2, 0.1), strict=False))


def _plan(
    knowledge: KnowledgeBase, condition: Condition, evidence: Evidence, habits: Habits, rng: random.Random
) -> list[str]:
    band = next((b.id for b in knowledge.bands.values() if evidence.age and b.first <= evidence.age < b.last + 1), "")
    rules = [rule for rule in condition.plan if not habits.careful or rule.holds(evidence.findings, band)]
    thought_of = [rule.treatment for rule in rules if rng.random() < habits.thoroughness]
    if not habits.careful and condition.contraindicated and rng.random() < 0.3:
        thought_of.append(rng.choice(condition.contraindicated).treatment)
    return [knowledge.treatments[treatment].action for treatment in dict.fromkeys(thought_of)]


def _citable(knowledge: KnowledgeBase, evidence: Evidence, rng: random.Random) -> list[str]:
    """What speaks for a diagnosis: symptoms that are there, and what results that are not normal showed."""
    named = [
        knowledge.findings[key].synonyms[0]
        for key, value in evidence.findings.items()
        if value == "present" and knowledge.findings[key].synonyms
    ]
    for key, value in evidence.exams.items():
        exam = knowledge.exams[key]
        outcome = next(outcome for outcome in exam.outcomes if outcome.id == value)
        if not outcome.normal:
            named.append(_shown(outcome.result) or exam.name)
    return rng.sample(named, len(named))


def _shown(result: str) -> str:
    """The longest part of a result that reads without its numbers; empty where there is none."""
    parts = _PART.split(_SLOT.sub(_NUMBER, result))
    return max((part.strip() for part in parts if _NUMBER not in part), key=len)


_NUMBER = "\0"
_PART = re.compile(r"[,;]|\.(?!\d)")
_SLOT = re.compile(r"\{\w+(?:\.\d+)?(?:\.\.[\d.]+)?\}")
_PATIENT = re.compile(r"a (female|male|person) patient, (\d+(?:\.\d+)?) (year|month|week|day)s? old")


@dataclass(frozen=True, slots=True)
class _Saying:
    """Something that a patient or a result may say, and what it means."""

    key: str
    value: str
    part: str
    """The longest piece without a slot, which finds most that do not fit."""
    pattern: re.Pattern[str]

    @classmethod
    def of(cls, key: str, value: str, template: str) -> _Saying:
        pieces = _SLOT.split(template)
        return cls(key, value, max(pieces, key=len), re.compile(r"[\w.]+".join(map(re.escape, pieces))))

    def stands_in(self, text: str) -> bool:
        return self.part in text and self.pattern.search(text) is not None


@cache
def _sayings() -> Mapping[str, tuple[_Saying, ...]]:
    knowledge = load_knowledge()

    def complaints() -> Iterator[_Saying]:
        for complaint in knowledge.complaints.values():
            for text in {t for o in complaint.openings for t in (o.lay, o.caregiver) if t}:
                yield _Saying.of(complaint.id, "", text)

    def findings() -> Iterator[_Saying]:
        for finding in knowledge.findings.values():
            for value in finding.values:
                for text in {t for t in (value.lay, value.caregiver) if t}:
                    yield _Saying.of(finding.id, value.id, text)

    def exams() -> Iterator[_Saying]:
        for exam in knowledge.exams.values():
            for outcome in exam.outcomes:
                for text in {t for t in (outcome.result, outcome.child) if t}:
                    yield _Saying.of(exam.id, outcome.id, f"{exam.name}: {text}")

    return {"complaints": tuple(complaints()), "findings": tuple(findings()), "exams": tuple(exams())}


def listen(view: DoctorView) -> Evidence:
    """What a consultation has brought to light so far, read from the words of patient and results.

    Only wording of the bundled knowledge base is understood; of other patients, age and sex. Numbers are not: results
    that differ in nothing else, such as vital signs, are taken for one another, which is part of being a novice.
    """
    sayings = _sayings()
    brief, opening = view.messages[0].content, view.messages[1].content
    told = "\n".join(message.content for message in view.messages[2:] if message.role == "user")
    results = "\n".join(message.content for message in view.messages if message.role == "tool")
    who = _PATIENT.search(brief)
    years = float(who[2]) / {"year": 1, "month": 12, "week": 52.18, "day": 365.25}[who[3]] if who else None
    return Evidence(
        complaint=next((s.key for s in sayings["complaints"] if s.stands_in(opening)), None),
        age=years,
        sex=who[1] if who else None,
        findings={saying.key: saying.value for saying in sayings["findings"] if saying.stands_in(told)},
        exams={saying.key: saying.value for saying in sayings["exams"] if saying.stands_in(results)},
    )
