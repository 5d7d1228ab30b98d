"""Schemas: the JSON Schemas that lie beside the modules whose data they describe."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

__all__ = ["validator"]

REMEMBERED = 65536
"""How many objects that fitted are kept in mind."""
_FITTING: set[tuple[int, str]] = set()


@cache
def validator(package: str, name: str) -> Draft202012Validator:
    """The validator of `name.schema.json` in a package; compiled once."""
    text = resources.files(package).joinpath(f"{name}.schema.json").read_text("utf-8")
    checked: Draft202012Validator = _Validator(json.loads(text))
    return checked


def _items(
    validator: Draft202012Validator, items: Any, instance: Any, schema: dict[str, Any]
) -> Iterator[ValidationError]:
    """The keyword "items"; an object that fitted the same schema before is not looked at again.

    Records made from one knowledge base share most of their facts and exams, and looking is slow.
    """
    if not isinstance(instance, list) or not isinstance(items, dict) or "prefixItems" in schema:
        yield from _ITEMS(validator, items, instance, schema)
        return
    for place, item in enumerate(instance):
        key = (id(items), repr(item)) if isinstance(item, dict) else None
        if key in _FITTING:
            continue
        fits = True
        for error in validator.descend(item, items, path=place):
            fits = False
            yield error
        if fits and key is not None:
            if len(_FITTING) >= REMEMBERED:
                _FITTING.clear()
            _FITTING.add(key)


_ITEMS = Draft202012Validator.VALIDATORS["items"]
_Validator = extend(Draft202012Validator, {"items": _items})  # type: ignore[no-untyped-call]
