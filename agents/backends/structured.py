"""Structured replies: text that has to be JSON of a given schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NoReturn

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for

from medenv.errors import BackendError

__all__ = ["check_fit"]


def check_fit(text: str, schema: Mapping[str, Any]) -> None:
    """Checks that a reply is JSON that fits a schema.

    Raises:
        BackendError: It is not (kind "schema"), or the schema is none itself (kind "refused").
    """
    validator = _validator(json.dumps(schema, sort_keys=True, default=dict))
    try:
        error = best_match(validator.iter_errors(json.loads(text, parse_constant=_no_number)))
    except (ValueError, RecursionError) as problem:
        got = f"{type(problem).__name__}: {problem}" if text.strip() else "an empty one"
        raise BackendError(f"expected a reply in JSON, got {got}"[:300], "schema") from None
    if error is not None:
        place = "/".join(map(str, error.absolute_path)) or "its root"
        raise BackendError(
            f"expected a reply that fits the schema, got at {place}: {error.message}"[:300].replace("\n", " "), "schema"
        )


@lru_cache(maxsize=256)
def _validator(schema: str) -> Validator:
    parsed = json.loads(schema)
    kind = validator_for(parsed, default=Draft202012Validator)
    try:
        kind.check_schema(parsed)
    except SchemaError as error:
        raise BackendError(f"expected a JSON Schema, got {error.message}"[:300], "refused") from None
    return kind(parsed)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not in JSON")
