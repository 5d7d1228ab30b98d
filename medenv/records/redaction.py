"""Redaction: records with plain words where an identifier of a person stood.

What is written instead says what was there ("[date removed]"), so that a sentence stays readable and nobody takes the
words for the source's. The result passes the gate, and what holds no identifier comes back as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medenv.errors import RecordError
from medenv.records.identifier_rules import vocabulary
from medenv.records.identifiers import OLDEST, Identifier, find_identifiers
from medenv.records.record import Age, Record, record_from_dict, record_to_dict

__all__ = ["Change", "redact_data", "redact_identifiers", "redact_records"]

ROUNDS = 8
"""How often a text is looked at again; what still looks like an identifier then goes with the whole text."""
WITHHELD = "[text removed]"
MASK = "\u2022\u2022\u2022"
AROUND = 40
"""How many characters are shown on either side of an identifier."""
LONGEST_ID = 110
"""In characters, so that a number still fits behind it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One identifier of a record, and what is to stand in its place."""

    record: str
    """The id of the record; where that had to change too, the new one."""
    field: str
    kind: str
    before: str
    """The words around it, with it and its neighbours masked: reports end up in logs."""
    after: str
    """The same words as proposed."""


def redact_identifiers(text: str) -> str:
    """A text in which plain words stand for what may identify a person.

    Text without identifiers comes back unchanged. The result has none, so that doing it again changes nothing.
    """
    return _redacted(text)[0]


def redact_data(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[Change]]:
    """A record as plain data without identifiers, and what was changed.

    Ages over 89 years become 89. The data need not fit the schema; `provenance` stays, as it names no patient.

    Args:
        data: The record as JSON gives it.
    """
    redacting = _Redacting()
    redacted = {
        key: value if key == "provenance" else redacting.value(key, value, key == "id") for key, value in data.items()
    }
    if isinstance(demographics := redacted.get("demographics"), dict) and _over_oldest(demographics.get("age")):
        demographics["age"] = {"value": OLDEST, "unit": "years"}
        redacting.changes.append(("demographics.age", "age over 89", MASK, f"{OLDEST} years"))
    return redacted, [Change(str(redacted.get("id", "?")), *change) for change in redacting.changes]


def redact_records(path: Path, format: str | None = None) -> Iterator[tuple[Record, list[Change]]]:
    """The records of a file or folder without identifiers, and what was changed in each.

    Rows of medenv's own format are redacted as they stand, those of others after their import.

    Args:
        path: The file or folder.
        format: The id of an importer; without one the format is recognised.

    Raises:
        RecordError: A row cannot be read, or what is left of it is no record.
        UnknownIdError: No importer is registered under `format`.
    """
    from medenv.records.deidentify import check_record  # both build on this module
    from medenv.records.importers import Tally
    from medenv.records.loading import NATIVE, Import

    ids: set[str] = set()
    for row, importer in Import(path, format).rows():
        try:
            imported = [row.data] if importer is NATIVE else map(record_to_dict, importer.read(row, Tally()))
            for data in imported:
                redacted, changes = redact_data(data)
                if redacted.get("id") != data.get("id"):
                    redacted["id"] = _unused(redacted["id"], ids)
                record = record_from_dict(redacted)
                check_record(record)
                ids.add(record.id)
                yield record, changes
        except RecordError as error:
            raise type(error)(f"{row.where}: {error}") from None


class _Redacting:
    """A walk through plain data that keeps account of what it changes."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, str, str, str]] = []

    def value(self, field: str, value: Any, is_id: bool = False) -> Any:
        if isinstance(value, str):
            redacted, shown = _redacted(value)
            self.changes += [(field, *change) for change in shown]
            return _as_id(redacted) if is_id and shown else redacted
        if isinstance(value, Mapping):
            return {key: self.value(f"{field}.{key}", item, key == "id") for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            items = [self.value(f"{field}[{_name(item, place)}]", item) for place, item in enumerate(value)]
            return _distinct(items, value)
        return value


def _name(item: Any, place: int) -> object:
    """What an item of a list is called in a report: its id, if that gives nobody away."""
    return item["id"] if _has_id(item) and not find_identifiers(item["id"]) else place


def _has_id(item: Any) -> bool:
    return isinstance(item, Mapping) and isinstance(item.get("id"), str)


def _distinct(items: list[Any], before: Sequence[Any]) -> list[Any]:
    """The items of a list, without texts that became the same, and with new ids that no other item has."""
    taken = {item["id"] for item, was in zip(items, before, strict=True) if _has_id(item) and item["id"] == was["id"]}
    kept: list[Any] = []
    for item, was in zip(items, before, strict=True):
        if isinstance(item, str) and item != was and item in kept:
            continue
        if _has_id(item) and item["id"] != was["id"]:
            item["id"] = _unused(item["id"], taken)
            taken.add(item["id"])
        kept.append(item)
    return kept


def _unused(id: str, taken: set[str]) -> str:
    number, free = 1, id
    while free in taken:
        number += 1
        free = f"{id}-{number}"
    return free


def _as_id(text: str) -> str:
    """A redacted id, as the schema wants ids."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("._-")[:LONGEST_ID] or "removed"


def _over_oldest(age: Any) -> bool:
    try:
        return Age(**age).years > OLDEST
    except (TypeError, KeyError):
        return False  # no age at all, which is for the schema to say


def _redacted(text: str) -> tuple[str, list[tuple[str, str, str]]]:
    """The text without identifiers, and of each its kind and the words around it, masked and as proposed."""
    shown: list[tuple[str, str, str]] = []
    for _ in range(ROUNDS):
        if not (found := find_identifiers(text)):
            return text, shown
        masked, proposed = _written(text, found, _mask), _written(text, found, _words)
        for number, identifier in enumerate(found):
            shown.append((identifier.kind, _around(masked, number), _around(proposed, number)))
        text = "".join(proposed)
    if found := find_identifiers(text):
        shown.append((found[0].kind, MASK, WITHHELD))
        text = WITHHELD
    return text, shown


def _written(text: str, found: list[Identifier], words: Callable[[str, Identifier], str]) -> list[str]:
    """The pieces of a text in turn: what stands before an identifier, and what is written for it."""
    pieces, end = [], 0
    for identifier in found:
        written = words(text, identifier)
        pieces += [_with_article(text[end : identifier.start], written), written]
        end = identifier.end
    return [*pieces, text[end:]]


def _around(pieces: list[str], number: int) -> str:
    """What is written for one identifier, and the words around it."""
    place, before, after = 2 * number + 1, "", ""
    for piece in reversed(pieces[:place]):
        if len(before := piece + before) > AROUND:
            before = f"\u2026{before[-AROUND:]}"
            break
    for piece in pieces[place + 1 :]:
        if len(after := after + piece) > AROUND:
            after = f"{after[:AROUND]}\u2026"
            break
    return f"{before}{pieces[place]}{after}"


def _mask(_text: str, _identifier: Identifier) -> str:
    return MASK


def _words(text: str, identifier: Identifier) -> str:
    """What is to stand in the place of an identifier."""
    words: str = vocabulary()["replacements"][identifier.kind]
    joined = identifier.kind == "age over 89" and text[identifier.end : identifier.end + 1] == "-"
    return words.replace(" ", "-") if joined else words


def _with_article(before: str, words: str) -> str:
    """The words before, with "a" made "an" where the words that follow ask for it."""
    return re.sub(r"\b([Aa])(\s)$", r"\1n\2", before) if words[0] in "aeiou" else before
