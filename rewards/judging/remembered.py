"""Verdicts on disk: what was judged once is not judged again."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from medenv.consultation.seats import release, settle
from medenv.consultation.views import JudgeView, Message
from medenv.errors import JudgeError, MedenvError

from ..rubric import Criterion
from ..scoring import Verdict
from .costs import Costs, costs_of
from .judge import ConversationJudge, Judge, name_of_judge

__all__ = ["RememberedJudge"]

FORM = 1
"""The version of what the keys are made from."""
PATIENCE = 30.0
"""Seconds that a process waits for another one to write."""


class RememberedJudge:
    """Asks another judge only about what it has not judged yet, by a file that any number of processes may share.

    A verdict is kept under the id of the judge, the criterion and the conversation with the record; whichever came
    first stands. Verdicts that could not be given are not kept, and entries that cannot be read count as none. Where
    a judge is asked about several criteria at once, a verdict is kept without the company it was given in.

    Args:
        judge: The other judge; it needs an `id` that changes with its settings.
        path: The file, an SQLite database; made where there is none.
        version: What the id does not say, such as the name of the model.

    Raises:
        MedenvError: The judge has no id, or does not know its model and there is no version; or the file is not one of
            verdicts.
    """

    def __init__(self, judge: Judge, path: str | PathLike[str], *, version: str = "") -> None:
        self.judge_id = getattr(judge, "id", None)
        if not isinstance(self.judge_id, str):
            raise MedenvError(f"expected a judge with an id, got {type(judge).__name__} without one")
        if "model=?" in self.judge_id and not version:
            raise MedenvError(
                "expected the name of the judge's model, for verdicts of one are not those of another; got none: "
                "name it in the backend or MEDENV_MODEL, or give a version"
            )
        self.other = judge
        self.version = version
        self.path = Path(fspath(path))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._open() as database:
                database.execute("PRAGMA journal_mode=WAL")
                database.execute("CREATE TABLE IF NOT EXISTS verdicts (key TEXT PRIMARY KEY, verdict TEXT NOT NULL)")
        except sqlite3.Error as error:
            raise MedenvError(f"expected a file of verdicts at {self.path}, got {error}") from None
        self.hits = self.misses = 0

    @property
    def id(self) -> str:
        """The other judge, and the version."""
        return f"{name_of_judge(self.other)} {self.version}".strip()

    async def judge(self, criteria: Sequence[Criterion], view: JudgeView) -> list[Verdict]:
        """One verdict for each criterion, in their order, from the file where it is there."""
        keys = self._keys(criteria, _seen(view))
        found = self._read(keys)
        if missing := [criterion for criterion in criteria if criterion.id not in found]:
            found |= self._keep(keys, await settle(self.other.judge(missing, view)))
        return self._in_order(criteria, found, len(missing))

    async def verdicts(
        self, criteria: Sequence[Criterion], messages: Sequence[Message], *, language: str = "en"
    ) -> list[Verdict]:
        """One verdict for each criterion on a conversation, in their order, from the file where it is there.

        Raises:
            JudgeError: The other judge needs an episode and cannot judge a conversation.
        """
        if not isinstance(self.other, ConversationJudge):
            raise JudgeError(f"expected a judge that can judge a conversation, got {name_of_judge(self.other)}")
        keys = self._keys(criteria, [language, [[message.role, message.content] for message in messages]])
        found = self._read(keys)
        if missing := [criterion for criterion in criteria if criterion.id not in found]:
            found |= self._keep(keys, await self.other.verdicts(missing, messages, language=language))
        return self._in_order(criteria, found, len(missing))

    @property
    def costs(self) -> Costs | None:
        """What the other judge has spent; None where nobody counts."""
        return costs_of(self.other)

    async def aclose(self) -> None:
        """Lets go of what the other judge holds open in the running event loop."""
        await release(self.other)

    def _in_order(self, criteria: Sequence[Criterion], found: Mapping[str, Verdict], missing: int) -> list[Verdict]:
        self.misses += missing
        self.hits += len(criteria) - missing
        return [found[criterion.id] for criterion in criteria if criterion.id in found]

    def _keys(self, criteria: Sequence[Criterion], seen: Any) -> dict[str, str]:
        shared = hashlib.sha256(_plain([FORM, self.judge_id, self.version, seen])).digest()
        return {each.id: hashlib.sha256(shared + _plain(_content(each))).hexdigest() for each in criteria}

    def _read(self, keys: Mapping[str, str]) -> dict[str, Verdict]:
        try:
            with self._open() as database:
                return {id: verdict for id, key in keys.items() if (verdict := _kept(database, id, key)) is not None}
        except sqlite3.Error:
            return {}

    def _keep(self, keys: Mapping[str, str], verdicts: Sequence[Verdict]) -> dict[str, Verdict]:
        """Writes verdicts down; returns those that stand, which are an earlier process's where it was faster."""
        standing = {verdict.criterion: verdict for verdict in verdicts}
        given = {id: verdict for id, verdict in standing.items() if verdict.met is not None and id in keys}
        try:
            with self._open() as database:
                database.execute("BEGIN IMMEDIATE")
                for id, verdict in given.items():
                    if _kept(database, id, keys[id]) is None:
                        row = keys[id], json.dumps({"met": verdict.met, "reason": verdict.reason})
                        database.execute("INSERT OR REPLACE INTO verdicts VALUES (?, ?)", row)
                standing |= {id: _kept(database, id, keys[id]) or verdict for id, verdict in given.items()}
        except sqlite3.Error:
            pass  # A file that cannot be written costs a judgement next time, and nothing now.
        return standing

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        # One connection a use: none is carried into another thread or a forked process.
        with closing(sqlite3.connect(self.path, timeout=PATIENCE)) as database, database:
            database.text_factory = bytes  # What is no UTF-8 is for `_kept` to find out.
            yield database


def _kept(database: sqlite3.Connection, id: str, key: str) -> Verdict | None:
    row = database.execute("SELECT verdict FROM verdicts WHERE key = ?", (key,)).fetchone()
    try:
        match json.loads(row[0]) if row else None:
            case {"met": bool(met), "reason": str(reason)}:
                return Verdict(id, met, reason)
    except (ValueError, TypeError):
        pass
    return None


def _content(criterion: Criterion) -> list[Any]:
    check = None if criterion.check is None else dataclasses.asdict(criterion.check)
    return [criterion.text, criterion.points < 0, criterion.scope, check]


def _seen(view: JudgeView) -> list[Any]:
    """All that a judge may see, but for how the patient came by the replies, where there are times by the clock."""
    turns = [dataclasses.asdict(dataclasses.replace(turn, trace=None)) for turn in view.turns]
    ledger = [dataclasses.asdict(entry) for entry in view.ledger.entries]
    return [dataclasses.asdict(view.record), dataclasses.asdict(view.persona), turns, ledger, view.ending]


def _plain(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, default=str).encode()
