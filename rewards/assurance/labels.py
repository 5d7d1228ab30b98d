"""The labelled set: consultations with criteria, and whether each criterion is met.

Consultations, criteria and labels were written for this package (`labelled.json`), by one team of authors; no clinician
has reviewed them. Many labels are hard on purpose, and say what makes them so.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Any, Literal, TypeAlias, get_args

from medenv.schemas import validator

from ..rubric import Criterion, rubric_from_dict

__all__ = ["TRAPS", "Exchange", "Label", "LabelledConsultation", "LabelledSet", "Trap", "load_labels"]

PACKAGE = "medenv.rewards.assurance"

Trap: TypeAlias = Literal[
    "formula",
    "negated",
    "neighbour",
    "partial",
    "patient",
    "promised",
    "rejected",
    "ruled-out",
    "subtle",
    "timing",
    "vague",
]
"""What makes a label hard; `labelled.schema.json` says what each means."""

TRAPS: tuple[Trap, ...] = get_args(Trap)


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the doctor says and what the patient answers."""

    doctor: str
    patient: str | None
    """None where the doctor's message ends the consultation."""
    tells: tuple[str, ...]
    """The ids of the facts that the answer discloses."""


@dataclass(frozen=True, slots=True)
class Label:
    """One criterion, and whether it is met."""

    criterion: Criterion
    met: bool
    trap: Trap | None
    why: str


@dataclass(frozen=True, slots=True)
class LabelledConsultation:
    """One consultation with its labels."""

    id: str
    record: str
    """The id of a record of the library."""
    language: str
    opening: str
    """The patient's first words; empty for those of the record."""
    exchanges: tuple[Exchange, ...]
    labels: tuple[Label, ...]

    @property
    def messages(self) -> tuple[str, ...]:
        """The doctor's messages."""
        return tuple(exchange.doctor for exchange in self.exchanges)


@dataclass(frozen=True)
class LabelledSet:
    """Labelled consultations in a fixed order."""

    id: str
    consultations: tuple[LabelledConsultation, ...]
    digest: str
    """The first 16 hexadecimal digits of a hash of the whole file: its version."""

    @cached_property
    def count(self) -> int:
        """How many labels there are."""
        return sum(len(consultation.labels) for consultation in self.consultations)


@cache
def load_labels() -> LabelledSet:
    """The labelled set that comes with medenv."""
    text = resources.files(PACKAGE).joinpath("labelled.json").read_text("utf-8")
    data = json.loads(text)
    validator(PACKAGE, "labelled").validate(data)
    plain = json.dumps(data, sort_keys=True)
    digest = hashlib.sha256(plain.encode()).hexdigest()[:16]
    return LabelledSet(data["id"], tuple(_consultation(item) for item in data["consultations"]), digest)


def _consultation(item: Mapping[str, Any]) -> LabelledConsultation:
    exchanges = (Exchange(e["doctor"], e.get("patient"), tuple(e.get("tells", ()))) for e in item["exchanges"])
    plain = [{name: c[name] for name in c if name not in ("met", "trap", "why")} for c in item["criteria"]]
    criteria = rubric_from_dict(plain, id=item["id"]).criteria
    labels = (
        Label(criterion, c["met"], c.get("trap"), c.get("why", ""))
        for criterion, c in zip(criteria, item["criteria"], strict=True)
    )
    return LabelledConsultation(
        item["id"], item["record"], item["language"], item.get("opening", ""), tuple(exchanges), tuple(labels)
    )
