"""The record set: records in order, found by position or by id, and split the same way everywhere."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, overload

import numpy as np

from medenv.errors import RecordError
from medenv.records.content import content_of, digest_of
from medenv.records.record import Record, Split, record_to_dict
from medenv.registry import unknown_id

if TYPE_CHECKING:
    from medenv.records.importers.report import ImportReport

__all__ = ["SPLITS", "Places", "RecordSet", "Storage", "split_of", "split_of_id"]

SPLITS: tuple[tuple[Split, float], ...] = (("train", 0.8), ("validation", 0.9), ("test", 1.0))
"""Each split with the end of its share of [0, 1)."""

Places: TypeAlias = "range | np.ndarray[Any, np.dtype[np.int64]]"
"""Which records of a storage a set holds, in its order."""


def split_of(record: Record) -> Split:
    """The split a record belongs to, whatever set it stands in.

    It is the one its provenance fixes; without one, the first 8 bytes of the SHA-256 of the id, read as a fraction of
    2**64, give "train" below 0.8, "validation" below 0.9 and "test" from there. Adding records moves no other record.
    """
    return split_of_id(record.id, record.provenance.split)


def split_of_id(id: str, fixed: Split | None = None) -> Split:
    """`split_of` for the record of an id, with the split that its provenance fixes."""
    if fixed is not None:
        return fixed
    fraction = int.from_bytes(hashlib.sha256(id.encode()).digest()[:8], "big") / 2**64
    return next(split for split, end in SPLITS if fraction < end or end == 1.0)


class Storage(Protocol):
    """Where records stand, each at its place from 0 on: in memory, or in a file that is read as they are asked for."""

    report: ImportReport | None

    def __len__(self) -> int:
        """How many records there are."""

    def record(self, place: int) -> Record:
        """The record at a place."""

    def place(self, id: str) -> int | None:
        """The place of an id; none where no record has it."""

    def near(self, id: str) -> Iterable[str]:
        """Ids among which a mistyped one may be meant."""

    def ids(self, places: Places) -> Iterable[str]:
        """The ids at some places."""

    def digests(self, places: Places) -> Iterable[bytes]:
        """The digests of the contents at some places."""

    def splits(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """For each place the split of its record, as its number in `SPLITS`."""


class RecordSet(Sequence[Record]):
    """Records in a fixed order, each under its own id. Frozen.

    `records[0]`, `records[2:5]` and `records["lib-01"]` all work; `"lib-01" in records` and `record in records` too.
    A set is a choice of places in a storage, so that a slice or a split copies no record, and a set whose storage is a
    file (see `medenv.records.record_store`) holds none.

    Args:
        records: The records, in order.
        report: What the import kept, changed and dropped, where the records came through an importer.

    Raises:
        RecordError: Something is not a `Record`, or two records share an id.
    """

    def __init__(self, records: Iterable[Record], report: ImportReport | None = None) -> None:
        self._storage: Storage = _Memory(records, report)
        self._places: Places = range(len(self._storage))

    @classmethod
    def over(cls, storage: Storage, places: Places | None = None) -> RecordSet:
        """The set of some records of a storage, or of all.

        Args:
            storage: Where the records stand.
            places: Which of them, in what order, none twice; all in theirs unless told otherwise.
        """
        made = cls.__new__(cls)
        made._storage = storage
        made._places = range(len(storage)) if places is None else places
        return made

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids, in order."""
        return tuple(self._storage.ids(self._places))

    @property
    def report(self) -> ImportReport | None:
        """What the import kept, changed and dropped; none for records that were not imported."""
        return self._storage.report

    @property
    def fingerprint(self) -> str:
        """A hash of the content of all records in their order, the same wherever they are stored."""
        digest = hashlib.sha256()
        for part in self._storage.digests(self._places):
            digest.update(part)
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Record]:
        return (self._storage.record(int(place)) for place in self._places)

    @overload
    def __getitem__(self, key: int | str) -> Record: ...
    @overload
    def __getitem__(self, key: slice) -> RecordSet: ...
    def __getitem__(self, key: int | str | slice) -> Record | RecordSet:
        if isinstance(key, str):
            if (place := self._place(key)) is None:
                raise unknown_id("record", key, filter(self.__contains__, self._storage.near(key)))
            return self._storage.record(place)
        if isinstance(key, slice):
            return RecordSet.over(self._storage, self._places[key])
        return self._storage.record(int(self._places[key]))

    def __contains__(self, item: object) -> bool:
        if isinstance(item, str):
            return self._place(item) is not None
        return isinstance(item, Record) and self._place(item.id) is not None and self[item.id] == item

    def _place(self, id: str) -> int | None:
        place = self._storage.place(id)
        return place if place is not None and place in self._places else None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RecordSet):
            return NotImplemented
        return len(self) == len(other) and (
            (self._storage is other._storage and np.array_equal(self._places, other._places))
            or all(map(operator.eq, self, other))
        )

    def __hash__(self) -> int:
        ends = self[:1].ids + self[-1:].ids  # all ids would take long in a set of millions
        return hash((len(self), ends))

    def __repr__(self) -> str:
        return f"<RecordSet of {len(self)}: {', '.join(self[:3].ids)}{', ...' if len(self) > 3 else ''}>"

    def split(self, name: Split) -> RecordSet:
        """The records of one split, as `split_of` assigns them; it may be empty in a small set.

        Raises:
            UnknownIdError: `name` is not "train", "validation" or "test".
        """
        known = [split for split, _ in SPLITS]
        if name not in known:
            raise unknown_id("split", name, known)
        places = np.asarray(self._places, np.int64)
        return RecordSet.over(self._storage, places[self._storage.splits()[places] == known.index(name)])

    def sample(self, rng: np.random.Generator) -> Record:
        """One record, each as likely as the others, drawn from `rng`.

        Raises:
            RecordError: The set is empty.
        """
        if not len(self):
            raise RecordError("expected at least one record to sample from, got an empty set")
        return self[int(rng.integers(len(self)))]


class _Memory:
    """Records held in memory."""

    def __init__(self, records: Iterable[Record], report: ImportReport | None) -> None:
        self.report = report
        self._records = tuple(records)
        self._places: dict[str, int] = {}
        for place, record in enumerate(self._records):
            if not isinstance(record, Record):
                raise RecordError(f"expected a Record at position {place}, got {type(record).__name__}")
            if self._places.setdefault(record.id, place) != place:
                raise RecordError(f"expected every record to have its own id, got {record.id!r} twice")

    def __len__(self) -> int:
        return len(self._records)

    def record(self, place: int) -> Record:
        return self._records[place]

    def place(self, id: str) -> int | None:
        return self._places.get(id)

    def near(self, id: str) -> Iterable[str]:
        return self._places

    def ids(self, places: Places) -> Iterable[str]:
        return (self._records[place].id for place in places)

    def digests(self, places: Places) -> Iterable[bytes]:
        return (digest_of(content_of(record_to_dict(self._records[place]))) for place in places)

    def splits(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        return self._splits

    @cached_property
    def _splits(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        numbers = {split: number for number, (split, _) in enumerate(SPLITS)}
        return np.array([numbers[split_of(record)] for record in self._records], np.uint8)
