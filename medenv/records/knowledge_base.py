"""The knowledge base: conditions, and how likely each finding and exam outcome is under each.

All of its numbers are illustrative: chosen by hand to be plausible and to tell the conditions apart, taken from no
epidemiological source, and of no use for the care of people. The data lie in `knowledge/*.json`, one file for each
specialty beside the shared vocabulary, in the form that `knowledge.schema.json` gives.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

from jsonschema.exceptions import best_match

from medenv.errors import RecordError
from medenv.records.record import Diagnosis, Disclosure, ExamKind, PlanKind, Polarity, Sensitivity, Urgency
from medenv.schemas import validator

__all__ = [
    "Band",
    "Complaint",
    "Condition",
    "ExamType",
    "Finding",
    "KnowledgeBase",
    "Opening",
    "Outcome",
    "Rule",
    "Stratum",
    "Treatment",
    "Value",
    "load_knowledge",
]

Sex: TypeAlias = Literal["female", "male"]
Distribution: TypeAlias = Mapping[str, float]
"""What a condition says of a finding or exam: value or outcome id to probability; the rest is shared by the others."""

T = TypeVar("T")


class Stratum(NamedTuple):
    """What is known of a patient before the first question."""

    band: str
    sex: Sex
    complaint: str


@dataclass(frozen=True, slots=True)
class Band:
    """An age band, in whole years, both ends included."""

    id: str
    first: int
    last: int
    weight: float
    speaker: Literal["self", "caregiver"] = "self"


@dataclass(frozen=True, slots=True)
class Value:
    """One thing that may be true of a finding, in clinical and in plain words."""

    id: str
    statement: str
    lay: str
    caregiver: str = ""
    """The lay text as a caregiver says it of the patient; empty where no child can have the finding."""
    polarity: Polarity = "present"
    weight: float = 1.0
    """The relative probability under a condition that says nothing of it."""
    bands: tuple[str, ...] = ()
    sexes: tuple[str, ...] = ()
    complaints_except: tuple[str, ...] = ()

    def possible(self, stratum: Stratum) -> bool:
        """Whether a patient of this stratum can have it."""
        return (
            _allows(self.bands, stratum.band)
            and _allows(self.sexes, stratum.sex)
            and stratum.complaint not in self.complaints_except
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a patient can tell: a set of values of which exactly one is true.

    A symptom has the values `present` and `absent`. Empty `bands`, `sexes` and `complaints` mean "all".
    """

    id: str
    topic: str
    values: tuple[Value, ...]
    synonyms: tuple[str, ...] = ()
    sensitivity: Sensitivity = "ordinary"
    disclosure: Disclosure = "asked"
    stated: float = 0.0
    """The probability that a record states it whatever the condition is; 0 leaves that to the must-ask lists."""
    bands: tuple[str, ...] = ()
    sexes: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()
    complaints_except: tuple[str, ...] = ()

    def applies(self, stratum: Stratum) -> bool:
        """Whether a patient of this stratum can be asked it at all."""
        return (
            _allows(self.bands, stratum.band)
            and _allows(self.sexes, stratum.sex)
            and _allows(self.complaints, stratum.complaint)
            and stratum.complaint not in self.complaints_except
        )

    def values_for(self, stratum: Stratum) -> tuple[Value, ...]:
        """The values that a patient of this stratum can have."""
        return tuple(value for value in self.values if value.possible(stratum))


def _allows(listed: Sequence[str], item: str) -> bool:
    return not listed or item in listed


@dataclass(frozen=True, slots=True)
class Outcome:
    """One result that an exam may give."""

    id: str
    result: str
    child: str = ""
    """The same result for a child whose caregiver speaks, where the numbers differ."""
    normal: bool = False
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class ExamType:
    """An exam that can be ordered, and all the results it may give."""

    id: str
    name: str
    kind: ExamKind
    outcomes: tuple[Outcome, ...]
    synonyms: tuple[str, ...] = ()
    cost: float = 0.0
    minutes: float = 0.0
    invasive: bool = False
    bands: tuple[str, ...] = ()
    """The age bands it is done in; empty for all."""
    typicality: float = 1.0
    """As that of the findings, for this exam: how far it can be relied upon."""

    def done_at(self, band: str) -> bool:
        """Whether it is done in this age band."""
        return _allows(self.bands, band)


@dataclass(frozen=True, slots=True)
class Treatment:
    """An action that plans name."""

    id: str
    action: str
    kind: PlanKind
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """When a treatment belongs into a plan, or is contraindicated.

    It holds in the age bands listed (all, if none is) when every finding of `when` has one of the values listed for it
    and none of `unless` has.
    """

    treatment: str
    essential: bool = False
    because: str = ""
    when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unless: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bands: tuple[str, ...] = ()

    def holds(self, values: Mapping[str, str], band: str) -> bool:
        """Whether the rule holds for a patient of this age band with these values (finding id to value id)."""
        return (
            _allows(self.bands, band)
            and all(values.get(f) in v for f, v in self.when.items())
            and not any(values.get(f) in v for f, v in self.unless.items())
        )

    def decided_by(self, values: Mapping[str, str]) -> Iterable[str]:
        """The findings whose value makes this patient differ from one without risk factors."""
        for risks in (self.when, self.unless):
            yield from (f for f, v in risks.items() if values.get(f) in v)


@dataclass(frozen=True, slots=True)
class Opening:
    """Opening words of a consultation."""

    lay: str
    caregiver: str = ""


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a patient comes with."""

    id: str
    openings: tuple[Opening, ...]
    exams: tuple[str, ...]
    """The exams that a record with this complaint may hold; the first two are always among them."""
    implies: tuple[str, ...] = ()
    """Findings that the complaint itself says are present."""
    bands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition: who has it, how it shows, and what to do."""

    id: str
    diagnosis: Diagnosis
    specialty: str
    department: str
    urgency: Urgency
    weight: float
    """The prior weight, before the multipliers of age band and sex."""
    ages: Mapping[str, float]
    """Multiplier for each age band; a band that is not listed has none."""
    sexes: Mapping[str, float]
    complaints: Distribution
    findings: Mapping[str, Distribution]
    exams: Mapping[str, Distribution]
    must_ask: tuple[str, ...]
    """Findings that a careful doctor elicits, the most telling first."""
    key_exams: tuple[str, ...]
    plan: tuple[Rule, ...]
    contraindicated: tuple[Rule, ...]
    red_flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class KnowledgeBase:
    """Everything that the synthesiser draws records from, each part by its id."""

    bands: Mapping[str, Band]
    sexes: Mapping[Sex, float]
    typicality: float
    """The share of patients in whom a finding follows the probabilities stated for their condition; in the others it
    follows background."""
    findings: Mapping[str, Finding]
    exams: Mapping[str, ExamType]
    treatments: Mapping[str, Treatment]
    complaints: Mapping[str, Complaint]
    conditions: Mapping[str, Condition]


@cache
def load_knowledge(folder: Path | None = None) -> KnowledgeBase:
    """The bundled knowledge base, or the one in `folder`; read once in a process.

    Raises:
        RecordError: A file of the folder does not fit `knowledge.schema.json`, or names an id that does not exist.
    """
    texts = (
        {entry.name: entry.read_text("utf-8") for entry in resources.files(__package__).joinpath("knowledge").iterdir()}
        if folder is None
        else {path.name: path.read_text("utf-8") for path in folder.glob("*.json")}
    )
    files = {name: _parsed(name, text) for name, text in sorted(texts.items()) if name.endswith(".json")}
    if folder is not None:
        _validate(files)  # the bundled files are validated by the tests, which keeps loading fast
    parts: dict[str, list[Any]] = {kind: [] for kind in ("findings", "exams", "treatments", "complaints", "conditions")}
    population: Mapping[str, Any] = {}
    for name, data in files.items():
        if data["kind"] == "population":
            population = data
        elif data["kind"] == "conditions":
            parts["conditions"] += [(name, {"specialty": data["specialty"], **item}) for item in data["conditions"]]
        else:
            parts[data["kind"]] += [(name, item) for item in data[data["kind"]]]
    if not population:
        raise RecordError("knowledge: expected a file of kind 'population', got none")
    findings = _by_id(parts["findings"], _finding)
    knowledge = KnowledgeBase(
        bands={
            b["id"]: Band(b["id"], b["from"], b["to"], b["weight"], b.get("speaker", "self"))
            for b in population["bands"]
        },
        sexes=population["sexes"],
        typicality=population["typicality"],
        findings=findings,
        exams=_by_id(parts["exams"], _exam),
        treatments=_by_id(parts["treatments"], lambda item: Treatment(**_frozen(item))),
        complaints=_by_id(parts["complaints"], _complaint),
        conditions=_by_id(parts["conditions"], lambda item: _condition(item, findings)),
    )
    _check_references(knowledge)
    return knowledge


def _parsed(name: str, text: str) -> dict[str, Any]:
    try:
        data: dict[str, Any] = json.loads(text)
    except json.JSONDecodeError as error:
        raise RecordError(f"knowledge file {name}: expected JSON, got {error}") from None
    return data


def _validate(files: Mapping[str, Any]) -> None:
    for name, data in files.items():
        if (error := best_match(validator("medenv.records", "knowledge").iter_errors(data))) is not None:
            raise RecordError(
                f"knowledge file {name}: field {error.json_path}: {' '.join(error.message.split())[:300]}"
            )


def _by_id(items: Iterable[tuple[str, Mapping[str, Any]]], build: Callable[[Mapping[str, Any]], T]) -> dict[str, T]:
    built: dict[str, T] = {}
    for name, item in items:
        if item["id"] in built:
            raise RecordError(f"knowledge file {name}: expected unique ids, got {item['id']!r} twice")
        built[item["id"]] = build(item)
    return built


def _frozen(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in item.items()}


def _finding(item: Mapping[str, Any]) -> Finding:
    data = _frozen(item)
    if "values" in data:
        values = [Value(id=key, **_frozen(value)) for key, value in data.pop("values").items()]
    else:
        chance = data.pop("background")
        values = [
            Value(id="present", weight=chance, **data.pop("present")),
            Value(id="absent", weight=1 - chance, polarity="absent", **data.pop("absent")),
        ]
    return Finding(values=tuple(values), **data)


def _exam(item: Mapping[str, Any]) -> ExamType:
    data = _frozen(item)
    outcomes = tuple(Outcome(id=key, **value) for key, value in data.pop("outcomes").items())
    return ExamType(outcomes=outcomes, **data)


def _complaint(item: Mapping[str, Any]) -> Complaint:
    data = _frozen(item)
    return Complaint(**{**data, "openings": tuple(Opening(**opening) for opening in data["openings"])})


def _rule(item: Mapping[str, Any]) -> Rule:
    risks = {key: {f: tuple(v) for f, v in item.get(key, {}).items()} for key in ("when", "unless")}
    return Rule(**{**_frozen(item), **risks})


def _condition(item: Mapping[str, Any], findings: Mapping[str, Finding]) -> Condition:
    data = _frozen(item)
    diagnosis = Diagnosis(data.pop("name"), data.pop("synonyms"), data.pop("icd10"))
    stated = {
        key: {"present": value, "absent": 1 - value} if isinstance(value, (int, float)) else value
        for key, value in data.pop("findings").items()
    }
    for key in ("plan", "contraindicated"):
        data[key] = tuple(_rule(rule) for rule in data[key])
    return Condition(diagnosis=diagnosis, findings=stated, **data)


def _check_references(knowledge: KnowledgeBase) -> None:
    for complaint in knowledge.complaints.values():
        _known(f"complaint {complaint.id!r}", "finding", complaint.implies, knowledge.findings)
        _known(f"complaint {complaint.id!r}", "exam", complaint.exams, knowledge.exams)
        _known(f"complaint {complaint.id!r}", "age band", complaint.bands, knowledge.bands)
    for exam in knowledge.exams.values():
        _known(f"exam {exam.id!r}", "age band", exam.bands, knowledge.bands)
    for finding in knowledge.findings.values():
        where = f"finding {finding.id!r}"
        _known(where, "complaint", (*finding.complaints, *finding.complaints_except), knowledge.complaints)
        _known(where, "age band", (*finding.bands, *(b for v in finding.values for b in v.bands)), knowledge.bands)
        _check_caregiver(knowledge, finding)
    for condition in knowledge.conditions.values():
        where = f"condition {condition.id!r}"
        rules = (*condition.plan, *condition.contraindicated)
        risks = [pair for rule in rules for pair in (*rule.when.items(), *rule.unless.items())]
        _known(where, "complaint", condition.complaints, knowledge.complaints)
        _known(where, "age band", (*condition.ages, *(b for rule in rules for b in rule.bands)), knowledge.bands)
        _known(where, "exam", (*condition.exams, *condition.key_exams), knowledge.exams)
        _known(where, "treatment", (rule.treatment for rule in rules), knowledge.treatments)
        asked = (*condition.findings, *condition.must_ask, *condition.red_flags, *(f for f, _ in risks))
        _known(where, "finding", asked, knowledge.findings)
        for finding_id, values in (*risks, *condition.findings.items()):
            _known(f"{where}, finding {finding_id!r}", "value", values, _ids(knowledge.findings[finding_id].values))
        for exam_id, outcomes in condition.exams.items():
            _known(f"{where}, exam {exam_id!r}", "outcome", outcomes, _ids(knowledge.exams[exam_id].outcomes))
        for key, stated in (*condition.findings.items(), *condition.exams.items()):
            total = sum(stated.values())
            size = len(knowledge.findings[key].values if key in condition.findings else knowledge.exams[key].outcomes)
            if total > 1 + 1e-9 or (len(stated) == size and abs(total - 1) > 1e-9):
                raise RecordError(f"knowledge: {where}: {key!r}: expected probabilities that sum to 1, got {total:g}")
        if unstated := {f for f, _ in risks if knowledge.findings[f].stated < 1}:
            raise RecordError(
                f"knowledge: {where}: expected rules on findings that are always stated, got {min(unstated)!r}"
            )


def _check_caregiver(knowledge: KnowledgeBase, finding: Finding) -> None:
    """Every value that a child may have needs the words of a caregiver."""
    for band in (band for band in knowledge.bands.values() if band.speaker == "caregiver"):
        for complaint in knowledge.complaints.values():
            for sex in knowledge.sexes:
                stratum = Stratum(band.id, sex, complaint.id)
                if not _allows(complaint.bands, band.id) or not finding.applies(stratum):
                    continue
                if silent := [value.id for value in finding.values_for(stratum) if not value.caregiver]:
                    raise RecordError(
                        f"knowledge: finding {finding.id!r}: expected caregiver's words for {silent[0]!r} with "
                        f"complaint {complaint.id!r}, got none"
                    )


def _ids(items: Iterable[Value] | Iterable[Outcome]) -> set[str]:
    return {item.id for item in items}


def _known(where: str, what: str, ids: Iterable[str], known: Iterable[str]) -> None:
    known = set(known)
    for item in ids:
        if item not in known:
            raise RecordError(f"knowledge: {where}: expected the id of a known {what}, got {item!r}")
