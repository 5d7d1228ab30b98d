"""Registries: an id, and the thing or the import string that it stands for, loaded when it is used."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from medenv.errors import UnknownIdError

__all__ = ["Registry", "load", "unknown_id"]

T = TypeVar("T")


def load(entry_point: str) -> Any:
    """The object that an import string such as `package.module:name` stands for."""
    module, _, name = entry_point.partition(":")
    return getattr(importlib.import_module(module), name)


def unknown_id(kind: str, id: Any, known: Iterable[str]) -> UnknownIdError:
    """The error for an id that nobody registered; it names the nearest known ids."""
    names = sorted(known)
    near = difflib.get_close_matches(str(id), names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known: {', '.join(names[:12]) or 'none'}"
    return UnknownIdError(f"expected the id of a registered {kind}, got {id!r}; {hint}")


class Registry(Generic[T]):
    """Ids of one kind of thing, in the order of registration.

    A value given as an import string is loaded at its first use, which lets lower layers name what higher ones provide.

    Args:
        kind: What an entry is called in messages.
        group: The entry point group under which installed packages add entries of their own; an id that is registered
            otherwise goes before theirs.
    """

    def __init__(self, kind: str, group: str | None = None) -> None:
        self.kind = kind
        self.group = group
        self._entries: dict[str, T | str] = {}

    def register(self, id: str, entry: T | str, *, replace: bool = False) -> None:
        """Gives a thing, or the import string of one, an id.

        Raises:
            ValueError: The id is taken and `replace` is false.
        """
        if id in self._entries and not replace:
            raise ValueError(f"expected a new {self.kind} id, got {id!r}, which is registered already")
        self._entries[id] = entry

    def get(self, id: str) -> T:
        """The thing behind an id.

        Raises:
            UnknownIdError: Nobody registered the id.
        """
        if not isinstance(id, str) or id not in self:
            raise unknown_id(self.kind, id, self)
        entry = self._entries[id]
        if isinstance(entry, str):
            entry = self._entries[id] = load(entry)
        return entry

    def _discover(self) -> None:
        if self.group is not None:
            found = sorted(entry_points(group=self.group), key=lambda point: (point.name, point.value))
            self.group = None
            for point in found:
                self._entries.setdefault(point.name, point.value)

    def __contains__(self, id: object) -> bool:
        if id not in self._entries:
            self._discover()
        return id in self._entries

    def __iter__(self) -> Iterator[str]:
        self._discover()
        return iter(self._entries)

    def __len__(self) -> int:
        self._discover()
        return len(self._entries)
