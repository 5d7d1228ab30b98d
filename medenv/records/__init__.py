"""Records: one de-identified patient each, sets of them, and the gates they pass before anybody sees them.

`load_records` turns a name, a file, a folder or records in memory into a `RecordSet`; every record in it fits
`record.schema.json`, names its diagnosis nowhere outside `truth`, and passes the de-identification gate. Other formats
come in through `medenv.records.importers`; `medenv.records.checking` lists every problem of a source at once.
"""

from medenv.records.leaks import find_leaks
from medenv.records.loading import load_records
from medenv.records.record import (
    Age,
    Contraindication,
    Demographics,
    Diagnosis,
    Exam,
    Fact,
    Hypothesis,
    PlanItem,
    Provenance,
    Record,
    Truth,
    record_from_dict,
    record_to_dict,
    topics,
)
from medenv.records.record_set import RecordSet, split_of

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
    "RecordSet",
    "Truth",
    "find_leaks",
    "load_records",
    "record_from_dict",
    "record_to_dict",
    "split_of",
    "topics",
]
