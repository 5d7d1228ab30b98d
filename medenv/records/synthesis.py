"""Draws records from the knowledge base, and gives the exact posterior over its conditions.

The generative model. A condition c is drawn by its prior; age band and sex by its multipliers; the complaint by
P(complaint | c) among those of that age band. These three make the stratum s. Then every finding f has a value by
P(v | c, s) and every exam a result by P(o | c), all independent of one another given c and s; these are mixtures of
what is stated for the condition and of the background, in proportions given as typicality. Texts, numbers inside a
text, exact age and opening words depend on what they express, never on c. Hence

    P(c | everything stated)  is proportional to  P(c, s) * product of P(v | c, s) * product of P(o | c).

Why choosing what a record states does not spoil this. Which findings are stated, and which exams are on file, is
decided by s and by coin flips alone, before any value is drawn: the must-ask lists of *all* conditions that can present
with s are served alike, the true one's no more than the others'. So P(selection | c, s, values) does not contain c or a
value that stays unstated, and it cancels from the posterior (it is missing at random). What does depend on the truth,
the flags `must_ask`, `red_flag` and `key` and everything under `truth`, is seen by the judge only and is not evidence.

All numbers are illustrative; see `medenv.records.knowledge_base`.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from typing import TypeAlias

from medenv.errors import RecordError, UnknownIdError
from medenv.records.knowledge_base import (
    Band,
    Condition,
    ExamType,
    Finding,
    KnowledgeBase,
    Outcome,
    Rule,
    Sex,
    Stratum,
    Value,
    load_knowledge,
)
from medenv.records.record import (
    Age,
    Contraindication,
    Demographics,
    Exam,
    ExamStatus,
    Fact,
    Hypothesis,
    PlanItem,
    Provenance,
    Record,
    Truth,
)

__all__ = ["Evidence", "evidence_in", "posterior", "synthesise"]

FACTS = (20, 24)
"""How many facts a record states, both ends included."""
MUST_ASK = (4, 8)
"""How many of them are must-ask; the lower end is what the selection serves every competing condition with."""
FEWEST_EXAMS = 6
NOT_DONE = 0.25
"""The probability that an exam that is key for no competing condition is not on file."""
NO_RESULT = 0.1
"""The probability that such an exam is on file without a result: half unavailable, half pending."""
MASS = 0.999
"""The differential lists conditions by falling probability until they hold this much, within `ENTRIES`."""
ENTRIES = (4, 10)
PROVENANCE = Provenance(source="medenv synthesiser", licence="Apache-2.0", synthetic=True)

Row: TypeAlias = tuple[float, ...]
"""One log probability for each condition of the knowledge base, in its order."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a patient, in ids of the knowledge base; whatever is left out is unknown."""

    complaint: str | None = None
    age: float | None = None
    """In years."""
    sex: str | None = None
    """Anything but "female" and "male" counts as unknown."""
    findings: Mapping[str, str] = field(default_factory=dict)
    """Finding id to value id, "present" or "absent" for symptoms."""
    exams: Mapping[str, str] = field(default_factory=dict)
    """Exam id to outcome id."""


def posterior(knowledge: KnowledgeBase, evidence: Evidence) -> dict[str, float]:
    """The exact probability of each condition given the evidence, by Bayes' rule in the generative model above.

    An unknown complaint, age or sex is summed over. A finding that cannot be asked of such a patient counts as absent.

    Args:
        knowledge: The conditions and their probabilities.
        evidence: What is known.

    Returns:
        Condition id to probability, in the order of the knowledge base; the probabilities sum to 1.

    Raises:
        UnknownIdError: An id that the knowledge base does not hold.
        RecordError: The age is outside the age bands, or no condition allows the evidence.
    """
    return _model(knowledge).posterior(evidence)


def synthesise(
    count: int,
    seed: int,
    *,
    conditions: Sequence[str] | None = None,
    start: int = 0,
    knowledge: KnowledgeBase | None = None,
) -> list[Record]:
    """Draws records `start` to `start + count - 1` of the endless sequence that `seed` names.

    Record i depends on the seed, i, the conditions asked for and the knowledge base alone. The differential is the
    exact posterior over *all* conditions of the knowledge base, given everything that the record states: the entries
    that hold 99.9 % of it (at least 4, at most 10, the truth always among them), scaled to sum to 1.

    Args:
        count: How many records, 0 or more.
        seed: Any integer.
        conditions: Ids to which the true conditions are restricted. The posterior does not know of the restriction, as
            a doctor would not.
        start: The index of the first record, 0 or more.
        knowledge: The knowledge base; the bundled one by default.

    Raises:
        RecordError: A count or start below 0, or no condition to draw from.
        UnknownIdError: A condition that the knowledge base does not hold.
    """
    if count < 0 or start < 0:
        raise RecordError(f"expected count and start of at least 0, got {count} and {start}")
    model = _model(knowledge or load_knowledge())
    allowed = _known_conditions(model.knowledge, conditions)
    return [_draw(model, allowed, seed, index) for index in range(start, start + count)]


def evidence_in(record: Record, knowledge: KnowledgeBase | None = None) -> Evidence:
    """Reads back what a synthesised record states; its facts and exams carry the ids of the knowledge base.

    Raises:
        RecordError: The record was not drawn from this knowledge base.
    """
    model = _model(knowledge or load_knowledge())
    child = record.speaker == "caregiver"
    try:
        return Evidence(
            complaint=model.complaint_of(record.chief_complaint),
            age=record.demographics.age.years,
            sex=record.demographics.sex,
            findings={fact.id: model.value_of(fact.id, fact.statement) for fact in record.facts},
            exams={exam.id: model.outcome_of(exam.id, exam.result, child) for exam in record.exams if exam.result},
        )
    except KeyError as error:
        raise RecordError(f"record {record.id!r}: expected texts of the knowledge base, got {error}") from None


def _known_conditions(knowledge: KnowledgeBase, ids: Sequence[str] | None) -> tuple[str, ...]:
    for condition in ids or ():
        if condition not in knowledge.conditions:
            raise UnknownIdError(f"expected the id of a known condition, got {condition!r}")
    allowed = tuple(c for c in knowledge.conditions if ids is None or c in ids)
    if not allowed:
        raise RecordError("expected at least one condition to draw from, got none")
    return allowed


@dataclass(frozen=True, slots=True)
class _Selection:
    """What records of one stratum state, decided without regard to the truth."""

    offered: tuple[tuple[str, float], ...]
    """Findings stated with a fixed probability whatever the condition."""
    core: tuple[str, ...]
    """Findings always stated, so that every competing condition has enough of its must-asks."""
    telling: tuple[str, ...]
    """The other must-asks of the competing conditions."""
    extras: tuple[str, ...]
    """What else one of them says something of."""
    fixed_exams: tuple[str, ...]
    loose_exams: tuple[str, ...]


@lru_cache(maxsize=8)
def _model(knowledge: KnowledgeBase) -> _Model:
    return _Model(knowledge)


class _Model:
    """The tables of the generative model, each made when it is first needed."""

    def __init__(self, knowledge: KnowledgeBase) -> None:
        self.knowledge = knowledge
        self.conditions = tuple(knowledge.conditions.values())
        self.joint = {s: weights for s in self._strata() if any(weights := self._weights(s))}
        total = sum(map(sum, self.joint.values()))
        self.prior = {
            c.id: sum(weights[i] for weights in self.joint.values()) / total for i, c in enumerate(self.conditions)
        }
        self.strata_of = {
            c.id: (
                [s for s, w in self.joint.items() if w[i]],
                list(accumulate(w[i] for w in self.joint.values() if w[i])),
            )
            for i, c in enumerate(self.conditions)
        }
        self._rows: dict[tuple[str, Stratum], dict[str, Row]] = {}
        self._chances: dict[tuple[str, Stratum], tuple[tuple[Value, ...], list[list[float]]]] = {}
        self._exam_rows: dict[str, dict[str, Row]] = {}
        self._exam_chances: dict[str, list[list[float]]] = {}
        self._selections: dict[Stratum, _Selection] = {}
        self.place: Mapping[str, int] = {c.id: i for i, c in enumerate(self.conditions)}

    def _strata(self) -> Iterable[Stratum]:
        for band in self.knowledge.bands:
            for sex in self.knowledge.sexes:
                yield from (Stratum(band, sex, complaint) for complaint in self.knowledge.complaints)

    def _weights(self, stratum: Stratum) -> Row:
        """P(condition, stratum) for each condition, up to one factor."""
        base = self.knowledge.bands[stratum.band].weight * self.knowledge.sexes[stratum.sex]
        return tuple(
            base
            * c.weight
            * c.ages.get(stratum.band, 0.0)
            * c.sexes.get(stratum.sex, 0.0)
            * self._complaint_share(c, stratum)
            for c in self.conditions
        )

    def _complaint_share(self, condition: Condition, stratum: Stratum) -> float:
        open_to_band = {
            key: share
            for key, share in condition.complaints.items()
            if not (bands := self.knowledge.complaints[key].bands) or stratum.band in bands
        }
        return open_to_band.get(stratum.complaint, 0.0) / (sum(open_to_band.values()) or 1.0)

    def chances(self, finding: str, stratum: Stratum) -> tuple[tuple[Value, ...], list[list[float]]]:
        """The values of a finding in a stratum, and for each condition their cumulated probabilities."""
        key = (finding, stratum)
        if key not in self._chances:
            values = self.knowledge.findings[finding].values_for(stratum)
            typical = self.knowledge.typicality
            shares = [_shares(c.findings.get(finding, {}), values, typical) for c in self.conditions]
            self._chances[key] = (values, [list(accumulate(s)) for s in shares])
            self._rows[key] = {v.id: tuple(_log(s[j]) for s in shares) for j, v in enumerate(values)}
        return self._chances[key]

    def row(self, finding: str, value: str, stratum: Stratum) -> Row | float:
        """Gives log P(value | condition, stratum) for each condition, or the same number for all."""
        if finding in self.knowledge.complaints[stratum.complaint].implies:
            return 0.0 if value == "present" else -math.inf
        if not self.knowledge.findings[finding].applies(stratum):
            return 0.0 if value == "absent" else -math.inf
        self.chances(finding, stratum)
        return self._rows[finding, stratum].get(value, -math.inf)

    def exam_chances(self, exam: str) -> list[list[float]]:
        """For each condition the cumulated probabilities of the outcomes of an exam."""
        if exam not in self._exam_chances:
            outcomes = self.knowledge.exams[exam].outcomes
            typical = self.knowledge.exams[exam].typicality
            shares = [_shares(c.exams.get(exam, {}), outcomes, typical) for c in self.conditions]
            self._exam_chances[exam] = [list(accumulate(s)) for s in shares]
            self._exam_rows[exam] = {o.id: tuple(_log(s[j]) for s in shares) for j, o in enumerate(outcomes)}
        return self._exam_chances[exam]

    def exam_row(self, exam: str, outcome: str) -> Row:
        """Gives log P(outcome | condition) for each condition."""
        self.exam_chances(exam)
        return self._exam_rows[exam][outcome]

    def selection(self, stratum: Stratum) -> _Selection:
        """What a record of this stratum states."""
        if stratum not in self._selections:
            self._selections[stratum] = self._select(stratum)
        return self._selections[stratum]

    def _select(self, stratum: Stratum) -> _Selection:
        rivals = [c for c, weight in zip(self.conditions, self.joint[stratum], strict=True) if weight]
        complaint = self.knowledge.complaints[stratum.complaint]
        askable = {
            key: finding
            for key, finding in self.knowledge.findings.items()
            if finding.applies(stratum) and key not in complaint.implies
        }
        offered = tuple((key, finding.stated) for key, finding in askable.items() if finding.stated)
        core = {key for key, stated in offered if stated == 1}
        wanted = {c.id: [key for key in c.must_ask if key in askable] for c in rivals}
        for condition in rivals:
            core.update(wanted[condition.id][:1])
            lacking = MUST_ASK[0] - len(core.intersection(wanted[condition.id]))
            core.update([key for key in wanted[condition.id] if key not in core][: max(0, lacking)])
        if len(core) > FACTS[1]:
            raise RecordError(
                f"knowledge: complaint {stratum.complaint!r}: expected at most {FACTS[1]} findings that are always "
                f"stated, got {len(core)}"
            )
        free = [key for key in askable if key not in core and not askable[key].stated]
        telling = {key for keys in wanted.values() for key in keys}
        touched = {key for c in rivals for key in c.findings}
        keys = {key for c in rivals for key in c.key_exams}
        exams = [key for key in complaint.exams if self.knowledge.exams[key].done_at(stratum.band)]
        fixed = [key for i, key in enumerate(exams) if i < 2 or key in keys]
        return _Selection(
            offered=tuple((key, stated) for key, stated in offered if stated < 1 and key not in core),
            core=tuple(key for key in askable if key in core),
            telling=tuple(key for key in free if key in telling),
            extras=tuple(key for key in free if key in touched - telling),
            fixed_exams=tuple(fixed),
            loose_exams=tuple(key for key in exams if key not in fixed),
        )

    def normalised(self, logs: Sequence[float]) -> list[float]:
        """Log weights as probabilities that sum to 1."""
        top = max(logs)
        if top == -math.inf:
            raise RecordError("expected evidence that at least one condition allows, got none that does")
        weights = [math.exp(x - top) for x in logs]
        total = sum(weights)
        return [w / total for w in weights]

    def logs(self, stratum: Stratum, findings: Mapping[str, str], exams: Mapping[str, str]) -> list[float]:
        """Gives log P(condition, stratum, findings, exams) for each condition, up to one constant."""
        logs = [_log(w) for w in self.joint[stratum]]
        for finding, value in findings.items():
            row = self.row(finding, value, stratum)
            if isinstance(row, float):
                if row:
                    return [-math.inf] * len(logs)
            else:
                logs = [a + b for a, b in zip(logs, row, strict=True)]
        for exam, outcome in exams.items():
            logs = [a + b for a, b in zip(logs, self.exam_row(exam, outcome), strict=True)]
        return logs

    def posterior(self, evidence: Evidence) -> dict[str, float]:
        """See `posterior`."""
        self._check(evidence)
        band = None if evidence.age is None else self.band_of(evidence.age).id
        sex = evidence.sex if evidence.sex in self.knowledge.sexes else None
        parts = [
            self.logs(stratum, evidence.findings, evidence.exams)
            for stratum in self.joint
            if band in (None, stratum.band)
            and sex in (None, stratum.sex)
            and evidence.complaint in (None, stratum.complaint)
        ]
        if not parts:
            raise RecordError("expected a complaint that some condition has at this age and sex, got none")
        top = max(map(max, parts))
        if top == -math.inf:
            self.normalised([top])
        summed = [math.fsum(math.exp(x - top) for x in column) for column in zip(*parts, strict=True)]
        return dict(zip(self.place, self.normalised([_log(x) for x in summed]), strict=True))

    def _check(self, evidence: Evidence) -> None:
        known: Sequence[tuple[str, Iterable[str], Iterable[str]]] = (
            ("complaint", [evidence.complaint] if evidence.complaint else [], self.knowledge.complaints),
            ("finding", evidence.findings, self.knowledge.findings),
            ("exam", evidence.exams, self.knowledge.exams),
        )
        for what, ids, options in known:
            for key in ids:
                if key not in options:
                    raise UnknownIdError(f"expected the id of a known {what}, got {key!r}")
        for finding, value in evidence.findings.items():
            if value not in (ids := [v.id for v in self.knowledge.findings[finding].values]):
                raise UnknownIdError(f"finding {finding!r}: expected one of {ids}, got {value!r}")
        for exam, outcome in evidence.exams.items():
            if outcome not in (ids := [o.id for o in self.knowledge.exams[exam].outcomes]):
                raise UnknownIdError(f"exam {exam!r}: expected one of {ids}, got {outcome!r}")

    def band_of(self, years: float) -> Band:
        """The age band of an age in years."""
        for band in self.knowledge.bands.values():
            if band.first <= years < band.last + 1:
                return band
        raise RecordError(f"expected an age inside the age bands, got {years:g} years")

    def complaint_of(self, opening: str) -> str:
        """The complaint whose opening words these are."""
        for complaint in self.knowledge.complaints.values():
            texts = [text for o in complaint.openings for text in (o.lay, o.caregiver) if text]
            if any(_reads(text, opening) for text in texts):
                return complaint.id
        raise KeyError(opening)

    def value_of(self, finding: str, statement: str) -> str:
        """The value of a finding that a statement states."""
        for value in self.knowledge.findings[finding].values:
            if _reads(value.statement, statement):
                return value.id
        raise KeyError(statement)

    def outcome_of(self, exam: str, result: str, child: bool) -> str:
        """The outcome of an exam that a result reports."""
        for outcome in self.knowledge.exams[exam].outcomes:
            if _reads((outcome.child if child else "") or outcome.result, result):
                return outcome.id
        raise KeyError(result)


def _shares(stated: Mapping[str, float], options: Sequence[Value | Outcome], typical: float) -> list[float]:
    """The probability of each option under a condition.

    What the stated probabilities leave goes to the options they do not name, by background weight; options that the
    stratum rules out have been dropped, so the result is scaled to sum to 1. It is then mixed with the background:
    `typical` of the patients follow the condition, the others do not.
    """
    background = sum(o.weight for o in options)
    left = max(0.0, 1.0 - sum(stated.values()))
    others = sum(o.weight for o in options if o.id not in stated) or 1.0
    shares = [stated.get(o.id, left * o.weight / others) for o in options]
    total = sum(shares)
    if not total:
        return [o.weight / background for o in options]
    return [typical * s / total + (1 - typical) * o.weight / background for s, o in zip(shares, options, strict=True)]


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf


_SLOT = re.compile(r"\{(\w+(?:\.\d+)?)(?:\.\.([\d.]+))?\}")
_PRONOUNS: Mapping[Sex, Mapping[str, str]] = {
    "female": {"he": "she", "He": "She", "him": "her", "his": "her", "His": "Her", "himself": "herself"},
    "male": {key: key for key in ("he", "He", "him", "his", "His", "himself")},
}


@lru_cache(maxsize=4096)
def _reader(template: str) -> tuple[re.Pattern[str], tuple[tuple[float, float], ...]]:
    ranges: list[tuple[float, float]] = []
    pattern = ""
    end = 0
    for slot in _SLOT.finditer(template):
        low, high = slot.groups()
        if high is not None:
            ranges.append((float(low), float(high)))
        pattern += re.escape(template[end : slot.start()]) + (r"\w+" if high is None else r"([\d.]+)")
        end = slot.end()
    return re.compile(pattern + re.escape(template[end:])), tuple(ranges)


def _reads(template: str, text: str) -> bool:
    """Whether the text may have been written from the template."""
    pattern, ranges = _reader(template)
    match = pattern.fullmatch(text)
    return match is not None and all(
        low <= float(number) <= high for number, (low, high) in zip(match.groups(), ranges, strict=True)
    )


def _writer(rng: random.Random, sex: Sex) -> Callable[[str], str]:
    """Fills the slots of templates; one range gives one number, so a statement and its lay text agree."""
    drawn: dict[str, str] = {}

    def fill(match: re.Match[str]) -> str:
        slot = match.group(0)
        low, high = match.groups()
        if high is None:
            return _PRONOUNS[sex][low]
        if slot not in drawn:
            places = len(low.partition(".")[2])
            step = 10 ** (max(0, len(high) - 3) if not places else -places)  # laboratories report three digits
            drawn[slot] = f"{rng.randint(round(float(low) / step), round(float(high) / step)) * step:.{places}f}"
        return drawn[slot]

    return lambda template: _SLOT.sub(fill, template) if "{" in template else template


def _pick(rng: random.Random, cumulated: Sequence[float]) -> int:
    x = rng.random() * cumulated[-1]
    for i, bound in enumerate(cumulated):
        if x < bound:
            return i
    return len(cumulated) - 1


def _draw(model: _Model, allowed: Sequence[str], seed: int, index: int) -> Record:
    rng = random.Random(f"medenv:{seed}:{index}")
    knowledge = model.knowledge
    truth = knowledge.conditions[allowed[_pick(rng, list(accumulate(model.prior[c] for c in allowed)))]]
    strata, cumulated = model.strata_of[truth.id]
    stratum = strata[_pick(rng, cumulated)]
    band = knowledge.bands[stratum.band]
    age = rng.randint(band.first, band.last)
    child = band.speaker == "caregiver"
    opening = rng.choice(knowledge.complaints[stratum.complaint].openings)

    selection = model.selection(stratum)
    asked = _choose_findings(rng, selection)
    on_file = _choose_exams(rng, selection)

    place = model.place[truth.id]
    values: dict[str, Value] = {}
    for key in knowledge.findings:
        if key in asked:
            options, chances = model.chances(key, stratum)
            values[key] = options[_pick(rng, chances[place])]
    results: dict[str, Outcome] = {}
    for key, status in on_file.items():
        if status == "recorded":
            results[key] = knowledge.exams[key].outcomes[_pick(rng, model.exam_chances(key)[place])]

    found = {key: value.id for key, value in values.items()}
    logs = model.logs(stratum, found, {key: outcome.id for key, outcome in results.items()})
    must_ask = _must_ask(truth, found)
    return Record(
        id=f"syn-{seed}-{index:06d}" if seed >= 0 else f"syn-m{-seed}-{index:06d}",
        demographics=Demographics(age=Age(age), sex=stratum.sex),
        chief_complaint=_writer(rng, stratum.sex)(opening.caregiver if child else opening.lay),
        facts=tuple(
            _fact(rng, knowledge.findings[key], value, stratum.sex, child, truth, key in must_ask)
            for key, value in values.items()
        ),
        exams=tuple(
            _exam(rng, knowledge.exams[key], status, results.get(key), child, truth) for key, status in on_file.items()
        ),
        truth=Truth(
            diagnosis=truth.diagnosis,
            differential=_differential(model, model.normalised(logs), truth),
            plan=_plan(knowledge, truth, found, band.id),
            contraindicated=_contraindicated(knowledge, truth, found, band.id),
            department=truth.department,
            urgency=truth.urgency,
        ),
        provenance=PROVENANCE,
        speaker="caregiver" if child else "self",
        tags=("synthetic", "paediatrics" if age < 18 else "adult medicine"),
    )


def _choose_findings(rng: random.Random, selection: _Selection) -> set[str]:
    asked = set(selection.core)
    size = max(rng.randint(*FACTS), len(asked))
    asked.update([key for key, stated in selection.offered if rng.random() < stated][: size - len(asked)])
    for pool in (selection.telling, selection.extras):
        asked.update(rng.sample(pool, min(len(pool), size - len(asked))))
    return asked


def _choose_exams(rng: random.Random, selection: _Selection) -> dict[str, ExamStatus]:
    """Exam ids to status; only exams that are key for no competing condition may be missing."""
    on_file: dict[str, ExamStatus] = dict.fromkeys(selection.fixed_exams, "recorded")
    spare = len(on_file) + len(selection.loose_exams) - FEWEST_EXAMS
    for key in selection.loose_exams:
        if rng.random() < NOT_DONE and spare > 0:
            spare -= 1
        else:
            x = rng.random()
            on_file[key] = "unavailable" if x < NO_RESULT / 2 else "pending" if x < NO_RESULT else "recorded"
    return on_file


def _must_ask(truth: Condition, found: Mapping[str, str]) -> frozenset[str]:
    risks = [f for rule in (*truth.plan, *truth.contraindicated) for f in rule.decided_by(found)]
    wanted = dict.fromkeys((*risks, *(key for key in truth.must_ask if key in found)))
    return frozenset(list(wanted)[: MUST_ASK[1]])


def _fact(
    rng: random.Random, finding: Finding, value: Value, sex: Sex, child: bool, truth: Condition, must_ask: bool
) -> Fact:
    write = _writer(rng, sex)
    denied = value.polarity != "present"
    return Fact(
        id=finding.id,
        topic=finding.topic,
        statement=write(value.statement),
        lay=write(value.caregiver if child else value.lay),
        synonyms=finding.synonyms,
        polarity=value.polarity,
        sensitivity=finding.sensitivity,
        disclosure="asked" if denied and finding.disclosure == "volunteered" else finding.disclosure,
        must_ask=must_ask,
        red_flag=finding.id in truth.red_flags,
    )


def _exam(
    rng: random.Random, exam: ExamType, status: ExamStatus, outcome: Outcome | None, child: bool, truth: Condition
) -> Exam:
    text = "" if outcome is None else (outcome.child if child else "") or outcome.result
    return Exam(
        id=exam.id,
        name=exam.name,
        kind=exam.kind,
        status="normal" if outcome and outcome.normal else status,
        synonyms=exam.synonyms,
        result=_writer(rng, "male")(text),
        cost=exam.cost,
        minutes=exam.minutes,
        invasive=exam.invasive,
        key=exam.id in truth.key_exams,
    )


def _differential(model: _Model, probabilities: Sequence[float], truth: Condition) -> tuple[Hypothesis, ...]:
    ranked = sorted(zip(probabilities, model.conditions, strict=True), key=lambda pair: (-pair[0], pair[1].id))
    kept: list[tuple[float, Condition]] = []
    mass = 0.0
    for probability, condition in ranked:
        if len(kept) < ENTRIES[0] or (mass < MASS and len(kept) < ENTRIES[1]):
            kept.append((probability, condition))
            mass += probability
        elif condition is truth:
            kept.append((probability, condition))
    total = sum(probability for probability, _ in kept)
    return tuple(
        Hypothesis(c.diagnosis.name, round(probability / total, 6), c.diagnosis.synonyms) for probability, c in kept
    )


def _plan(knowledge: KnowledgeBase, truth: Condition, found: Mapping[str, str], band: str) -> tuple[PlanItem, ...]:
    return tuple(
        PlanItem(treatment.action, treatment.kind, treatment.synonyms, rule.essential)
        for rule in _holding(truth.plan, found, band)
        for treatment in (knowledge.treatments[rule.treatment],)
    )


def _contraindicated(
    knowledge: KnowledgeBase, truth: Condition, found: Mapping[str, str], band: str
) -> tuple[Contraindication, ...]:
    return tuple(
        Contraindication(treatment.action, rule.because, treatment.synonyms)
        for rule in _holding(truth.contraindicated, found, band)
        for treatment in (knowledge.treatments[rule.treatment],)
    )


def _holding(rules: Iterable[Rule], found: Mapping[str, str], band: str) -> list[Rule]:
    """The rules that hold, the first of each treatment."""
    first: dict[str, Rule] = {}
    for rule in rules:
        if rule.holds(found, band):
            first.setdefault(rule.treatment, rule)
    return list(first.values())
