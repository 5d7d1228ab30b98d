"""The record set: records in order, found by position or by id, and split the same way everywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, overload

from medenv.errors import RecordError
from medenv.records.record import Record, Split
from medenv.registry import unknown_id

if TYPE_CHECKING:
    import numpy as np

    from medenv.records.importers.report import ImportReport

__all__ = ["RecordSet", "split_of"]

SPLITS: tuple[tuple[Split, float], ...] = (("train", 0.8), ("validation", 0.9), ("test", 1.0))
"""Each split with the end of its share of [0, 1)."""


def split_of(record: Record) -> Split:
    """The split a record belongs to, whatever set it stands in.

    It is the one its provenance fixes; without one, the first 8 bytes of the SHA-256 of the id, read as a fraction of
    2**64, give "train" below 0.8, "validation" below 0.9 and "test" from there. Adding records moves no other record.
    """
    if record.provenance.split is not None:
        return record.provenance.split
    fraction = int.from_bytes(hashlib.sha256(record.id.encode()).digest()[:8], "big") / 2**64
    return next(split for split, end in SPLITS if fraction < end or end == 1.0)


class RecordSet(Sequence[Record]):
    """Records in a fixed order, each under its own id. Frozen.

    `records[0]`, `records[2:5]` and `records["lib-01"]` all work; `"lib-01" in records` and `record in records` too.

    Args:
        records: The records, in order.
        report: What the import kept, changed and dropped, where the records came through an importer.

    Raises:
        RecordError: Something is not a `Record`, or two records share an id.
    """

    def __init__(self, records: Iterable[Record], report: ImportReport | None = None) -> None:
        self._records = tuple(records)
        self._report = report
        for place, record in enumerate(self._records):
            if not isinstance(record, Record):
                raise RecordError(f"expected a Record at position {place}, got {type(record).__name__}")
        if len(self._places) < len(self._records):
            repeated = next(r.id for place, r in enumerate(self._records) if self._places[r.id] != place)
            raise RecordError(f"expected every record to have its own id, got {repeated!r} twice")

    @cached_property
    def _places(self) -> dict[str, int]:
        return {record.id: place for place, record in enumerate(self._records)}

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids, in order."""
        return tuple(self._places)

    @property
    def report(self) -> ImportReport | None:
        """What the import kept, changed and dropped; none for records that were not imported."""
        return self._report

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)

    @overload
    def __getitem__(self, key: int | str) -> Record: ...
    @overload
    def __getitem__(self, key: slice) -> RecordSet: ...
    def __getitem__(self, key: int | str | slice) -> Record | RecordSet:
        if isinstance(key, str):
            if key not in self._places:
                raise unknown_id("record", key, self._places)
            return self._records[self._places[key]]
        if isinstance(key, slice):
            return RecordSet(self._records[key], self._report)
        return self._records[key]

    def __contains__(self, item: object) -> bool:
        if isinstance(item, str):
            return item in self._places
        return isinstance(item, Record) and item.id in self._places and self[item.id] == item

    def __eq__(self, other: object) -> bool:
        return self._records == other._records if isinstance(other, RecordSet) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.ids)

    def __repr__(self) -> str:
        return f"<RecordSet of {len(self)}: {', '.join(self.ids[:3])}{', ...' if len(self) > 3 else ''}>"

    def split(self, name: Split) -> RecordSet:
        """The records of one split, as `split_of` assigns them; it may be empty in a small set.

        Raises:
            UnknownIdError: `name` is not "train", "validation" or "test".
        """
        known = [split for split, _ in SPLITS]
        if name not in known:
            raise unknown_id("split", name, known)
        return RecordSet((record for record in self if split_of(record) == name), self._report)

    def sample(self, rng: np.random.Generator) -> Record:
        """One record, each as likely as the others, drawn from `rng`.

        Raises:
            RecordError: The set is empty.
        """
        if not self._records:
            raise RecordError("expected at least one record to sample from, got an empty set")
        return self._records[int(rng.integers(len(self)))]
