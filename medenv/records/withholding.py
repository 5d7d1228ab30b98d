"""Withholding: the diagnosis cut out of what other seats may see, so that a record with a leak can be used."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeAlias

from medenv.errors import LeakError, RecordError
from medenv.records.importers import Tally
from medenv.records.importers.firewall import Firewall
from medenv.records.leaks import WITHHELD
from medenv.records.loading import NATIVE, Import, Source, open_records
from medenv.records.record import Diagnosis, Record, record_from_dict

__all__ = ["Withheld", "withheld_records", "withhold"]

Json: TypeAlias = "dict[str, Any]"


@dataclass(frozen=True, slots=True)
class Withheld:
    """One place in which a diagnosis was withheld."""

    record: str
    """The id the record had."""
    field: str
    before: str
    after: str
    """What stands there instead; empty where it was dropped, because it said nothing else."""

    @property
    def is_fact(self) -> bool:
        """Whether it is a whole fact."""
        return self.field.startswith("facts[") and self.field.endswith("]")


def withheld_records(source: Source, format: str | None = None) -> Iterator[tuple[Record, list[Withheld]]]:
    """The records of a source in order, each with what was withheld in it; only records in medenv's format may leak.

    Args:
        source: What `load_records` takes.
        format: The id of an importer; without one the format is recognised.

    Raises:
        RecordError: A record is wrong in another way than by a leak, or nothing is left of it.
        UnknownIdError: No importer is registered under `format`.
    """
    opened = open_records(source, format)
    if not isinstance(opened, Import):
        yield from ((record, []) for record in opened)
        return
    for row, importer in opened.rows():
        try:
            yield from [(record, list[Withheld]()) for record in opened.read(row, importer)]
        except LeakError:
            if importer is not NATIVE:
                raise
            data, changes = withhold(row.data)
            yield record_from_dict(data, where=row.where), changes


def withhold(data: Mapping[str, Any]) -> tuple[Json, list[Withheld]]:
    """Plain data of a record without the diagnosis in what other seats may see, and what was done.

    A text loses the clause that concludes the diagnosis, or else its name. A fact, an exam or a tag that says nothing
    else is dropped, and so are synonyms. An id becomes a neutral one. A complaint that says nothing else gives way to
    the first fact that is told unasked.

    Args:
        data: A record that fits `record.schema.json`.

    Raises:
        RecordError: Nothing is left that the patient could say.
    """
    return _Withholding(data).done()


class _Withholding:
    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data: Json = dict(data)
        self._id: str = data["id"]
        diagnosis = data["truth"]["diagnosis"]
        names = Diagnosis(diagnosis["name"], tuple(diagnosis.get("synonyms", ())), diagnosis.get("icd10", ""))
        self._firewall = Firewall(names, Tally())
        self._changes: list[Withheld] = []

    def done(self) -> tuple[Json, list[Withheld]]:
        data = self._data
        if self._firewall.names(self._id):
            content = json.dumps({name: value for name, value in data.items() if name != "id"}, sort_keys=True)
            data["id"] = f"record-{hashlib.sha256(content.encode()).hexdigest()[:10]}"
            self._changed("id", self._id, data["id"])
        data["demographics"] = self._texts(data["demographics"], "demographics.", ("occupation", "background"))
        if "tags" in data:
            data["tags"] = self._kept("tags", data["tags"])
        facts, fact_ids = self._items("facts", self._fact)
        exams, exam_ids = self._items("exams", self._exam)
        data |= {"facts": facts, "exams": exams}
        if not facts:
            raise RecordError(f"record {self._id!r}: field facts: expected facts that say more than the diagnosis")
        data["chief_complaint"] = self._complaint(data["chief_complaint"], facts)
        if "rubric" in data:
            ids = {"disclosed": fact_ids, "ordered": exam_ids}
            data["rubric"] = [kept for item in data["rubric"] if (kept := self._criterion(item, ids)) is not None]
        return data, self._changes

    def _changed(self, field: str, before: str, after: str) -> None:
        if before != after:
            self._changes.append(Withheld(self._id, field, before, after))

    def _cleaned(self, field: str, text: str, empty: str = "") -> str:
        """The text without the diagnosis; `empty` where it says nothing else."""
        if not self._firewall.names(text):
            return text
        cleaned = self._firewall.clean(text, field).strip()
        cleaned = cleaned if _CONTENT.search(_IDLE.sub(" ", cleaned)) else empty
        self._changed(field, text, cleaned)
        return cleaned

    def _texts(self, item: Mapping[str, Any], field: str, names: tuple[str, ...]) -> Json:
        """An object with some of its texts cleaned, and without those that said nothing else."""
        cleaned = {name: self._cleaned(field + name, item[name]) for name in names if name in item}
        return {name: text for name, value in item.items() if (text := cleaned.get(name, value)) != ""}

    def _kept(self, field: str, texts: list[str]) -> list[str]:
        for text in filter(self._firewall.names, texts):
            self._changed(field, text, "")
        return [text for text in texts if not self._firewall.names(text)]

    def _items(self, key: str, clean: Callable[[Json, str], Json | None]) -> tuple[list[Json], dict[str, str]]:
        """The facts or exams that are kept, and the id that each of those had with the one it has."""
        kept: list[Json] = []
        ids: dict[str, str] = {}
        taken = {item["id"] for item in self._data[key]}
        for item in self._data[key]:
            before, field = item["id"], f"{key}[{item['id']}]"
            if (cleaned := clean(dict(item), field)) is None:
                continue
            if self._firewall.names(before):
                neutral = (f"{key.removesuffix('s')}-{number}" for number in count(len(kept) + 1))
                cleaned["id"] = next(id for id in neutral if id not in taken)
                taken.add(cleaned["id"])
                self._changed(f"{field}.id", before, cleaned["id"])
            if "synonyms" in cleaned:
                cleaned["synonyms"] = self._kept(f"{field}.synonyms", cleaned["synonyms"])
            ids[before] = cleaned["id"]
            kept.append(cleaned)
        return kept, ids

    def _fact(self, fact: Json, field: str) -> Json | None:
        cleaned = self._texts(fact, f"{field}.", ("statement", "lay"))
        if "statement" in cleaned and "lay" in cleaned:
            return cleaned
        self._changes = [change for change in self._changes if not change.field.startswith(f"{field}.")]
        self._changed(field, fact["statement"], "")
        return None

    def _exam(self, exam: Json, field: str) -> Json | None:
        if not (name := self._cleaned(f"{field}.name", exam["name"])):
            return None
        exam["name"] = name
        if result := exam.get("result"):
            exam["result"] = self._cleaned(f"{field}.result", result, WITHHELD)
        return exam

    def _complaint(self, complaint: str, facts: list[Json]) -> str:
        if cleaned := self._cleaned("chief_complaint", complaint):
            return cleaned
        self._changes.pop()
        told = [fact["lay"] for fact in facts if fact.get("disclosure") == "volunteered"]
        if not told:
            raise RecordError(f"record {self._id!r}: field chief_complaint: expected more than the diagnosis")
        self._changed("chief_complaint", complaint, told[0])
        return str(told[0])

    def _criterion(self, item: Json, ids: Mapping[str, Mapping[str, str]]) -> Json | None:
        """A criterion with the ids as they are now; none where all it asks for was dropped."""
        check = item.get("check", {})
        if (now := ids.get(check.get("kind", ""))) is None:
            return item
        of = [now[id] for id in check.get("of", ()) if id in now]
        if not of:
            self._changed("rubric", str(item.get("text", "")), "")
            return None
        least = {"at_least": min(check["at_least"], len(of))} if "at_least" in check else {}
        return {**item, "check": {**check, "of": of, **least}}


_CONTENT = re.compile(r"[^\W_]")
_IDLE = re.compile(
    re.escape(WITHHELD)
    + r"|\b(?:an?|and|any|as|been|being|by|case|consistent|diagnos\w+|doctors?|for|got|ha[ds]|have|having|he|her|his"
    r"|history|i['\u2019]?(?:m|ve)?|in|is|it['\u2019]?s?|its|known|likely|me|my|no|not|of|on|or|our|patient|possibl[ey]"
    r"|previous|probabl[ey]|said|say|says|she|suffer\w*|suspected|that|the|their|they|this|to|told|us|was|we|were|with"
    r"|you|your)\b",
    re.IGNORECASE,
)
"""Words that say nothing beside the name of a diagnosis."""
