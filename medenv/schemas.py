"""Schemas: the JSON Schemas that lie beside the modules whose data they describe."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources

from jsonschema import Draft202012Validator

__all__ = ["validator"]


@cache
def validator(package: str, name: str) -> Draft202012Validator:
    """The validator of `name.schema.json` in a package; compiled once."""
    text = resources.files(package).joinpath(f"{name}.schema.json").read_text("utf-8")
    return Draft202012Validator(json.loads(text))
