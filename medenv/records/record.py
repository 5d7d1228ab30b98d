"""The record: one de-identified patient, frozen."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Literal, TypeAlias

from jsonschema.exceptions import best_match

from medenv.errors import LeakError, RecordError
from medenv.records.leaks import leaks_in_record
from medenv.schemas import validator

__all__ = [
    "Age",
    "Contraindication",
    "Demographics",
    "Diagnosis",
    "Exam",
    "Fact",
    "Hypothesis",
    "PlanItem",
    "Provenance",
    "Record",
    "Truth",
    "build_record",
    "check_data",
    "record_from_dict",
    "record_to_dict",
    "topics",
]

SCHEMA_ID = "medenv.record/1"

Polarity: TypeAlias = Literal["present", "absent", "unknown"]
Sensitivity: TypeAlias = Literal["ordinary", "private", "identity"]
Disclosure: TypeAlias = Literal["volunteered", "asked", "trusted"]
ExamKind: TypeAlias = Literal["bedside", "lab", "imaging", "procedure"]
ExamStatus: TypeAlias = Literal["recorded", "normal", "unavailable", "pending"]
PlanKind: TypeAlias = Literal["medication", "procedure", "referral", "monitoring", "advice", "test"]
Urgency: TypeAlias = Literal["emergency", "urgent", "routine"]
Split: TypeAlias = Literal["train", "validation", "test"]


@dataclass(frozen=True, slots=True)
class Age:
    """An age; years over 89 are refused at loading (HIPAA Safe Harbor)."""

    value: float
    unit: Literal["years", "months", "weeks", "days"] = "years"

    @property
    def years(self) -> float:
        """The age in years."""
        return self.value / {"years": 1, "months": 12, "weeks": 52.18, "days": 365.25}[self.unit]


@dataclass(frozen=True, slots=True)
class Demographics:
    """Who the patient is, as far as a doctor sees at the door."""

    age: Age
    sex: Literal["female", "male", "other", "unknown"]
    occupation: str = ""
    background: str = ""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a record comes from and under which licence."""

    source: str
    licence: str
    synthetic: bool
    split: Split | None = None
    """A split fixed by the source; without one the split is a hash of the id."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One atomic statement that the patient could make."""

    id: str
    topic: str
    statement: str
    """The fact in clinical words, third person."""
    lay: str
    """The same fact as the speaker (the patient, or the caregiver) would say it."""
    synonyms: tuple[str, ...] = ()
    """Other words by which a question may refer to it."""
    polarity: Polarity = "present"
    sensitivity: Sensitivity = "ordinary"
    disclosure: Disclosure = "asked"
    must_ask: bool = False
    red_flag: bool = False


@dataclass(frozen=True, slots=True)
class Exam:
    """A test or examination, and what it gives when it is ordered."""

    id: str
    name: str
    kind: ExamKind
    status: ExamStatus
    synonyms: tuple[str, ...] = ()
    result: str = ""
    cost: float = 0.0
    """In units of one full blood count."""
    minutes: float = 0.0
    invasive: bool = False
    key: bool = False
    """Whether a careful doctor would not do without it in this case."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The diagnosis, and every other name that counts as naming it."""

    name: str
    synonyms: tuple[str, ...] = ()
    icd10: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The name and the synonyms."""
        return (self.name, *self.synonyms)


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One entry of the differential, with its probability in [0, 1]."""

    name: str
    probability: float
    synonyms: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The name and the synonyms."""
        return (self.name, *self.synonyms)


@dataclass(frozen=True, slots=True)
class PlanItem:
    """One action of the right plan."""

    action: str
    kind: PlanKind
    synonyms: tuple[str, ...] = ()
    essential: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The action and its synonyms."""
        return (self.action, *self.synonyms)


@dataclass(frozen=True, slots=True)
class Contraindication:
    """An action that would harm this patient, and why."""

    action: str
    because: str
    synonyms: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The action and its synonyms."""
        return (self.action, *self.synonyms)


@dataclass(frozen=True, slots=True)
class Truth:
    """What only the judge may see."""

    diagnosis: Diagnosis
    differential: tuple[Hypothesis, ...] = ()
    plan: tuple[PlanItem, ...] = ()
    contraindicated: tuple[Contraindication, ...] = ()
    department: str = ""
    urgency: Urgency = "routine"


@dataclass(frozen=True, slots=True)
class Record:
    """One de-identified patient.

    Build one with `record_from_dict`, which validates; the fields are those of `record.schema.json`. A record whose
    diagnosis stands where another seat may see it cannot be built at all.

    Raises:
        LeakError: A name of the diagnosis stands outside `truth`.
    """

    id: str
    demographics: Demographics
    chief_complaint: str
    """The opening words of the speaker."""
    facts: tuple[Fact, ...]
    exams: tuple[Exam, ...]
    truth: Truth
    provenance: Provenance
    language: str = "en"
    speaker: Literal["self", "caregiver"] = "self"
    tags: tuple[str, ...] = ()
    rubric: tuple[Mapping[str, Any], ...] = field(default=())
    """Expert criteria, each as `rubric.schema.json` wants it; empty lets the generator make them."""
    schema: str = SCHEMA_ID

    def __post_init__(self) -> None:
        if leaks := leaks_in_record(self):
            where, found = leaks[0]
            raise LeakError(
                f"record {self.id!r}: field {where}: expected no name of the diagnosis outside truth, got {found!r}"
            )

    def __deepcopy__(self, memo: object) -> Record:
        return self


@cache
def topics() -> Mapping[str, Mapping[str, str]]:
    """The controlled list of topics: id to its `label` and a plain `question` that asks for it."""
    loaded: dict[str, dict[str, str]] = json.loads(
        resources.files("medenv.records").joinpath("topics.json").read_text("utf-8")
    )
    return loaded


def _tuples(items: Any, kind: type) -> tuple[Any, ...]:
    return tuple(_build(kind, item) for item in items)


def _build(kind: type, data: Mapping[str, Any]) -> Any:
    if "synonyms" in data:
        return kind(**{**data, "synonyms": tuple(data["synonyms"])})
    return kind(**data)


def record_from_dict(data: Mapping[str, Any], *, where: str = "record") -> Record:
    """Builds a record from plain data, after checking it against `record.schema.json`.

    Args:
        data: The record as JSON gives it.
        where: What the error message calls the place the data came from.

    Raises:
        RecordError: The data does not fit the schema, or two facts or two exams share an id.
        LeakError: A name of the diagnosis stands outside `truth`.
    """
    check_data(data, where=where)
    return build_record(data)


def check_data(data: Mapping[str, Any], *, where: str = "record") -> None:
    """Lets plain data pass that fits `record.schema.json`, or raises.

    Args:
        data: The record as JSON gives it.
        where: What the error message calls the place the data came from.

    Raises:
        RecordError: The data does not fit the schema, or two facts or two exams share an id.
    """
    if (error := best_match(validator("medenv.records", "record").iter_errors(data))) is not None:
        name = data.get("id", "?") if isinstance(data, Mapping) else "?"
        raise RecordError(f"{where} {name!r}: field {error.json_path}: {' '.join(error.message.split())[:300]}")
    for key in ("facts", "exams"):
        ids = [item["id"] for item in data[key]]
        if repeated := sorted({i for i in ids if ids.count(i) > 1}):
            raise RecordError(f"{where} {data['id']!r}: field $.{key}: ids must be unique, {repeated[0]!r} comes twice")


def build_record(data: Mapping[str, Any]) -> Record:
    """Builds a record from plain data that passed `check_data`, now or when it was stored.

    Raises:
        LeakError: A name of the diagnosis stands outside `truth`.
    """
    truth = dict(data["truth"])
    for key, kind in (("differential", Hypothesis), ("plan", PlanItem), ("contraindicated", Contraindication)):
        truth[key] = _tuples(truth.get(key, ()), kind)
    truth["diagnosis"] = _build(Diagnosis, truth["diagnosis"])
    demographics = dict(data["demographics"])
    demographics["age"] = Age(**demographics["age"])
    parts: dict[str, Any] = {
        **data,
        "demographics": Demographics(**demographics),
        "provenance": Provenance(**data["provenance"]),
        "facts": _tuples(data["facts"], Fact),
        "exams": _tuples(data["exams"], Exam),
        "truth": Truth(**truth),
    }
    for key in ("tags", "rubric"):
        parts[key] = tuple(data.get(key, ()))
    return Record(**parts)


def record_to_dict(record: Record) -> dict[str, Any]:
    """The record as plain data that `record_from_dict` reads back."""
    data: dict[str, Any] = {"id": record.id, "schema": record.schema, **_plain(record)}
    data.setdefault("facts", [])
    data.setdefault("exams", [])
    return data


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if not (names := _fields(value.__class__)):
        return value
    return {name: _plain(item) for name in names if (item := getattr(value, name)) not in ("", None, ())}


@cache
def _fields(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else ()
