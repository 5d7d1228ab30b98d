"""Overlap: what one set of records shares with another, such as a training set with what it is evaluated on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from medenv.records.content import digest_of
from medenv.records.duplicates import NEAR_DUPLICATE
from medenv.records.record import record_to_dict
from medenv.records.similarity import RUN, HashSet, SetIndex, jaccard, statements, word_runs

if TYPE_CHECKING:
    from medenv.records.record import Record

__all__ = ["COPIED", "Others"]

COPIED = Fraction(2, 3)
"""From this share of its runs of 13 words on, a text counts as copied from another record.

Records that were written independently share next to none. Those that are made from the same templates share more: of
500 synthesised ones none shared more than 0.6 with any of 20,000 others.
"""


class Others:
    """The other set, of which only hashes are kept: some ten kilobytes a record, and twice that while they are sorted.

    Args:
        records: The records of the other set; they are gone through once.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self._places: dict[str, int] = {}
        self._contents: dict[bytes, str] = {}
        said: list[HashSet] = []
        runs: list[HashSet] = []
        for place, record in enumerate(records):
            self._places.setdefault(record.id, place)
            self._contents.setdefault(_content(record), record.id)
            said.append(statements(record))
            runs.append(word_runs(record))
        self._ids = tuple(self._places)
        self._said = SetIndex(said)
        self._runs = SetIndex(runs)

    def shared_with(self, record: Record) -> Iterator[str]:
        """What the other set shares with a record, in words; nothing where it shares nothing.

        It is the id, and the first that holds of: the same content under any id, nine in ten of the statements (Jaccard
        index, numbers in facts aside), or two thirds of the runs of 13 words. The same diagnosis or the same complaint
        is nothing shared: that is what makes cases comparable.
        """
        if record.id in self._places:
            yield "its id is taken there"
        if (same := self._contents.get(_content(record))) is not None:
            yield f"its content is that of {same!r} there"
            return
        said = statements(record)
        for place, common in self._said.holding(said, NEAR_DUPLICATE):
            if (share := jaccard(common, said, self._said.sets[place])) >= NEAR_DUPLICATE:
                yield f"{float(share):.0%} of its statements are those of {self._ids[place]!r} there"
                return
        runs = word_runs(record)
        for place, common in self._runs.holding(runs, COPIED):
            yield f"{common / len(runs):.0%} of its runs of {RUN} words stand in {self._ids[place]!r} there"
            return


def _content(record: Record) -> bytes:
    """A digest of all of a record but its id and where it comes from."""
    data = record_to_dict(record)
    kept = {name: value for name, value in data.items() if name not in ("id", "provenance")}
    return digest_of(json.dumps(kept, sort_keys=True).encode())
