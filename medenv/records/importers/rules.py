"""The rules of an importer, which are data."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any, TypeAlias, cast

from medenv.errors import RecordError

__all__ = ["Json", "Rules", "content_id", "object_of", "strings", "text_of"]

Json: TypeAlias = Mapping[str, Any]


class Rules:
    """A JSON file of this package, with its regular expressions compiled when they are first asked for."""

    def __init__(self, name: str) -> None:
        self.data: Json = json.loads(resources.files("medenv.records.importers").joinpath(name).read_text("utf-8"))
        self.pattern = cache(self._pattern)

    def _pattern(self, *path: str) -> re.Pattern[str]:
        """The pattern at a path of keys; a list there means any of its patterns. Case never matters."""
        found: Any = self.data
        for key in path:
            found = found[key]
        return re.compile("|".join(f"(?:{p})" for p in found) if isinstance(found, list) else cast(str, found), re.I)


def object_of(data: Json, key: str, where: str) -> Json:
    """The object under a key.

    Raises:
        RecordError: There is none; the message names `where` it should be.
    """
    if not isinstance(value := data.get(key), Mapping):
        raise RecordError(f"field {where}.{key}: expected an object, got {type(value).__name__}")
    return value


def text_of(data: Json, key: str, where: str) -> str:
    """The text under a key, not blank.

    Raises:
        RecordError: There is none; the message names `where` it should be.
    """
    if not isinstance(value := data.get(key), str) or not value.strip():
        got = "an empty one" if isinstance(value, str) else type(value).__name__
        raise RecordError(f"field {where}.{key}: expected a text, got {got}")
    return value


def strings(value: Any) -> Iterator[str]:
    """Every text in a tree of objects and lists, in order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def content_id(prefix: str, data: Json) -> str:
    """An id made of the content, so that a case keeps its id and its split wherever it stands in a source."""
    content = json.dumps(data, sort_keys=True, ensure_ascii=False)
    return f"{prefix}-{hashlib.sha256(content.encode()).hexdigest()[:10]}"
