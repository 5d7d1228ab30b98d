"""The de-identification gate: no text of a record may identify a person.

It looks for the 18 identifiers of HIPAA Safe Harbor (45 CFR 164.514(b)(2)) as far as their form, a label or the words
around them give them away, and by lists of common names and towns. `benchmarks/deidentification.py` measures how far
that goes: a bare name that is on no list, or a month alone, passes. Text that passes is not thereby proven free of
identifiers. Years, states, countries, ages up to 89 and spans of time are no identifiers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from medenv.errors import DeidentificationError
from medenv.records.identifiers import OLDEST, Identifier, find_identifiers
from medenv.records.redaction import redact_data, redact_identifiers

if TYPE_CHECKING:
    from medenv.records.record import Record

__all__ = [
    "OLDEST",
    "Identifier",
    "check_record",
    "find_identifiers",
    "identifiers_in_record",
    "redact_data",
    "redact_identifiers",
    "texts_in_record",
]


def identifiers_in_record(record: Record) -> list[tuple[str, Identifier]]:
    """Every identifier in the texts of a record, with the field it stands in, and an age over 89."""
    found = [] if record.demographics.age.years <= OLDEST else [_age_over_89(record)]
    return found + [(field, item) for field, text in texts_in_record(record) for item in find_identifiers(text)]


def check_record(record: Record) -> None:
    """Lets a record pass, or raises.

    Raises:
        DeidentificationError: A text holds an identifier. The message names the field, the kind and the place of it,
            and does not repeat it: messages end up in logs.
    """
    for field, found in identifiers_in_record(record):
        name = f" {record.id!r}" if field != "id" else ""
        article = "an" if found.kind[0] in "aeiI" else "a"
        raise DeidentificationError(
            f"record{name}: field {field}: expected nothing that identifies a person, "
            f"got what looks like {article} {found.kind} (characters {found.start} to {found.end})"
        )


def texts_in_record(record: Record) -> Iterator[tuple[str, str]]:
    """Every text of a record that the gate looks at, with the field it stands in.

    All but those of `provenance`, which name the data set and not the patient.
    """
    yield from _texts("", record)


def _age_over_89(record: Record) -> tuple[str, Identifier]:
    text = f"{record.demographics.age.value:g}"
    return "demographics.age", Identifier("age over 89", text, 0, len(text))


def _texts(field: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield field, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(f"{field}.{key}", item)
    elif isinstance(value, (tuple, list)):
        for place, item in enumerate(value):
            yield from _texts(f"{field}[{getattr(item, 'id', place)}]", item)
    elif dataclasses.is_dataclass(value):
        for part in dataclasses.fields(value):
            if part.name != "provenance":
                yield from _texts(f"{field}.{part.name}".lstrip("."), getattr(value, part.name))
