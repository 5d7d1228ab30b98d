"""A FHIR R4 bundle: its resources, what they refer to, their codes and their times, read leniently."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, TypeAlias

from medenv.errors import RecordError
from medenv.records.importers.report import Tally
from medenv.records.importers.rules import Json, Rules

__all__ = [
    "RULES",
    "Bundle",
    "Concept",
    "Day",
    "Resource",
    "concept_of",
    "concepts_of",
    "day_of",
    "items",
    "number_of",
    "objects",
    "plain",
]

RULES = Rules("fhir/fhir.json")

Day: TypeAlias = float
"""A point of time, in days; only differences are ever told."""

LONGEST_NAME = 160
LONGEST_STAY = 64
"""Encounters in a chain of parts; a longer one goes in circles or is no stay."""


@dataclass(frozen=True, slots=True)
class Concept:
    """A coded thing: what it is called, without the kind that SNOMED CT puts in brackets after it."""

    name: str
    kind: str = ""
    """Such as "disorder" or "finding"; empty where the name says none."""
    codes: tuple[tuple[str, str], ...] = ()
    """System and code."""
    free: bool = False
    """Whether somebody wrote the name, instead of taking that of a code."""

    @property
    def key(self) -> str:
        """What two mentions of the same thing share."""
        return self.name.casefold()

    def code_in(self, system: str) -> str:
        """The first code of a system whose address holds this text; empty without one."""
        return next((code for where, code in self.codes if system in where), "")


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """One resource of a bundle."""

    type: str
    data: Json
    place: int
    """Its place among the entries; -1 for one contained in another."""


class Bundle:
    """One patient and all that belongs to the patient.

    Args:
        data: The bundle as JSON gives it.
        tally: Counts what is no resource of this patient.

    Raises:
        RecordError: It is no bundle of resources, or has not exactly one patient.
    """

    def __init__(self, data: Json, tally: Tally) -> None:
        self._addresses: dict[str, Resource] = {}
        self._by_type: dict[str, list[Resource]] = {}
        _check_kind(data)
        for place, entry in enumerate(_entries(data)):
            resource = _resource_of(entry, place)
            if resource is None:
                tally.facts_dropped["an entry without a resource"] += 1
                continue
            self._by_type.setdefault(resource.type, []).append(resource)
            for address in _addresses_of(entry, resource):
                self._addresses.setdefault(address, resource)
        patients = self._by_type.get("Patient", [])
        if len(patients) != 1:
            raise RecordError(
                f"field $.entry: expected the resources of one patient, got {len(patients)} of type Patient"
            )
        self.patient = patients[0]
        for type, found in self._by_type.items():
            self._by_type[type] = [resource for resource in found if self._is_own(resource)]
            if strangers := len(found) - len(self._by_type[type]):
                tally.facts_dropped["about somebody else"] += strangers
        self.listed = self._listed()
        self._encounters: dict[int, Resource | None] = {}
        self._codes: dict[int, Concept | None] = {}

    def of(self, *types: str) -> Iterator[Resource]:
        """The resources of some types, in order."""
        for type in types:
            yield from self._by_type.get(type, ())

    @property
    def types(self) -> Mapping[str, int]:
        """The types of the resources, to how often each comes."""
        return {type: len(found) for type, found in self._by_type.items()}

    def resolve(self, reference: Any, within: Resource | None = None) -> Resource | None:
        """What a reference points to: an entry by its address or its type and id, or what is contained in `within`."""
        text = reference.get("reference") if isinstance(reference, Mapping) else None
        if not isinstance(text, str) or not text:
            return None
        if text.startswith("#"):
            return None if within is None else _contained(within, text[1:])
        text = text.partition("/_history/")[0]
        return self._addresses.get(text) or self._addresses.get("/".join(text.split("/")[-2:]))

    def code_of(self, resource: Resource) -> Concept | None:
        """What the code of a resource means."""
        if resource.place not in self._codes:
            self._codes[resource.place] = concept_of(resource.data.get("code"))
        return self._codes[resource.place]

    def encounter_of(self, resource: Resource) -> Resource | None:
        """The encounter that a resource belongs to: the one it names, or that lists it as a diagnosis."""
        if resource.place not in self._encounters:
            self._encounters[resource.place] = self._encounter_of(resource)
        return self._encounters[resource.place]

    def _encounter_of(self, resource: Resource) -> Resource | None:
        for key in ("encounter", "context"):
            for reference in items(resource.data.get(key)):
                found = self.resolve(reference, resource)
                if found is not None and found.type == "Encounter":
                    return found
        return self.listed[resource.place][1] if resource.place in self.listed else None

    def stay_of(self, encounter: Resource) -> Resource:
        """The encounter that this one is, through others or not, a part of; itself where it is part of none."""
        seen = {encounter.place}
        while len(seen) < LONGEST_STAY:
            whole = self.resolve(encounter.data.get("partOf"), encounter)
            if whole is None or whole.type != "Encounter" or whole.place in seen:
                break
            seen.add(whole.place)
            encounter = whole
        return encounter

    def _listed(self) -> Mapping[int, tuple[int, Resource]]:
        """The places of the conditions that encounters list as diagnoses, with the rank and the encounter."""
        found: dict[int, tuple[int, Resource]] = {}
        for encounter in self.of("Encounter"):
            for place, diagnosis in enumerate(objects(encounter.data.get("diagnosis")), start=1):
                condition = self.resolve(diagnosis.get("condition"), encounter)
                if condition is not None and condition.type == "Condition":
                    rank = number_of(diagnosis.get("rank"))
                    found.setdefault(condition.place, (place if rank is None else int(rank), encounter))
        return found

    def _is_own(self, resource: Resource) -> bool:
        for key in ("subject", "patient"):
            reference = resource.data.get(key)
            if isinstance(reference, Mapping) and isinstance(reference.get("reference"), str):
                found = self.resolve(reference, resource)
                return found is self.patient or (found is None and "id" not in self.patient.data)
        return True


def _check_kind(data: Json) -> None:
    type = data.get("resourceType")
    if type != "Bundle":
        raise RecordError(
            "field $.resourceType: expected a 'Bundle' with one patient and all that belongs to the patient, "
            f"got {plain(str(type))!r}; from a bulk export (one resource a line) make a bundle for each patient"
        )
    kinds = RULES.data["bundle_types"]
    if (kind := data.get("type")) not in kinds:
        got = repr(plain(kind)) if isinstance(kind, str) else _type_name(kind)
        raise RecordError(f"field $.type: expected {', '.join(kinds[:-1])} or {kinds[-1]}, got {got}")


def _entries(data: Json) -> list[Any]:
    entries = data.get("entry")
    if not isinstance(entries, list):
        raise RecordError(f"field $.entry: expected a list of resources, got {_type_name(entries)}")
    if not entries:
        raise RecordError("field $.entry: expected the resources of one patient, got an empty list")
    return entries


def _resource_of(entry: Any, place: int) -> Resource | None:
    where = f"$.entry[{place}]"
    if not isinstance(entry, Mapping):
        raise RecordError(f"field {where}: expected an object, got {_type_name(entry)}")
    if "resource" not in entry:
        return None
    resource = entry["resource"]
    if not isinstance(resource, Mapping):
        raise RecordError(f"field {where}.resource: expected an object, got {_type_name(resource)}")
    if not isinstance(type := resource.get("resourceType"), str):
        raise RecordError(f"field {where}.resource.resourceType: expected a text, got {_type_name(type)}")
    return Resource(type, resource, place)


def _addresses_of(entry: Json, resource: Resource) -> Iterator[str]:
    if isinstance(full := entry.get("fullUrl"), str):
        yield full.partition("/_history/")[0]
    if isinstance(id := resource.data.get("id"), str):
        yield f"{resource.type}/{id}"
        yield f"urn:uuid:{id}"


def _contained(within: Resource, id: str) -> Resource | None:
    for data in objects(within.data.get("contained")):
        if data.get("id") == id and isinstance(type := data.get("resourceType"), str):
            return Resource(type, data, -1)
    return None


def _type_name(value: Any) -> str:
    names = {list: "a list", dict: "an object", str: "a text", bool: "a boolean", type(None): "nothing"}
    return names.get(type(value), "a number")


# Values


def items(value: Any) -> list[Any]:
    """The items of a list, or the one value that stands where a list may."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def objects(value: Any) -> list[Json]:
    """The objects among the items."""
    return [item for item in items(value) if isinstance(item, Mapping)]


def plain(text: str) -> str:
    """A text on one line, without control characters or braces, cut where it is too long for a name."""
    text = re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", text[: 4 * LONGEST_NAME]).strip()[:LONGEST_NAME].strip()
    return text.replace("{", "(").replace("}", ")")


def number_of(value: Any) -> float | None:
    """A finite number that is no boolean, else nothing."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


_TIME = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?)?")


@lru_cache(maxsize=65536)
def _day(text: str) -> Day | None:
    if not (m := _TIME.fullmatch(text)):
        return None
    try:
        day = float(date(int(m[1]), int(m[2] or 1), int(m[3] or 1)).toordinal())
    except ValueError:
        return None
    offset = 0.0
    if (zone := m[7]) and zone != "Z":
        offset = (int(zone[1:3]) / 24 + int(zone[4:]) / 1440) * (-1 if zone[0] == "-" else 1)
    return day + int(m[4] or 0) / 24 + int(m[5] or 0) / 1440 + int(m[6] or 0) / 86400 - offset


def day_of(value: Any) -> Day | None:
    """The day of a date or time as FHIR writes it, its first moment where it is a year or a month; else nothing.

    A period begins at its start.
    """
    if isinstance(value, Mapping):
        value = value.get("start")
    return _day(value) if isinstance(value, str) and len(value) < 48 else None


_SYSTEMS = ("snomed", "loinc", "rxnorm", "cvx", "icd")
"""Whose names for things are taken before others, in this order."""


def concept_of(value: Any) -> Concept | None:
    """What a CodeableConcept (or a Coding) means; nothing where it has no name."""
    if not isinstance(value, Mapping):
        return None
    codings = objects(value.get("coding")) or ([value] if "display" in value else [])
    parts = tuple(tuple(_text(coding.get(key)) for key in ("system", "code", "display")) for coding in codings)
    return _concept(parts, _text(value.get("text")))


def _text(value: Any) -> str:
    return value[: 4 * LONGEST_NAME] if isinstance(value, str) else ""


@lru_cache(maxsize=65536)
def _concept(codings: tuple[tuple[str, ...], ...], written: str) -> Concept | None:
    named = [(system, display) for system, _, display in codings if display]
    named.sort(key=lambda pair: next((n for n, s in enumerate(_SYSTEMS) if s in pair[0]), len(_SYSTEMS)))
    displays = [plain(display) for _, display in named]
    codes = tuple((system, code) for system, code, _ in codings if system and code and len(code) < 64)
    for text in filter(None, (*displays, plain(written))):
        name, kind = _without_kind(text)
        if len(name) > 1 and not RULES.pattern("no_name").fullmatch(name):
            return Concept(name, kind, codes, text not in displays)
    return None


def concepts_of(value: Any) -> list[Concept]:
    """The concepts of a list of CodeableConcepts, those with a name."""
    return [concept for concept in map(concept_of, items(value)) if concept is not None]


def _without_kind(text: str) -> tuple[str, str]:
    kind = ""
    while m := RULES.pattern("tags").search(text):
        kind = kind or m.group().strip(" ()").casefold()
        text = text[: m.start()].strip()
    text = re.sub(r",? (?:unspecified|NOS)$|^Unspecified ", "", text)
    return text if text[1:2].isupper() else text[:1].upper() + text[1:], kind
