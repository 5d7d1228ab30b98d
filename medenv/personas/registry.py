"""The registry of personas: the built-in ones, and those that users add."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from jsonschema.validators import extend

from medenv.errors import PersonaError
from medenv.personas.persona import Persona
from medenv.registry import Registry

__all__ = ["persona", "persona_from_dict", "personas", "register_persona"]

personas: Registry[Persona] = Registry("persona", group="medenv.personas")
"""Every persona by its id; the built-in ones come first and "neutral" is the default. Installed packages add theirs
under the entry point group `medenv.personas`, each under the persona's id."""


def _is_number(_: object, value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


# JSON Schema takes 2.0 for an integer and has no word on NaN; a dataclass built by hand can hold both.
_Strict: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int).redefine(
        "number", _is_number
    ),
)


@cache
def _validator() -> Any:
    text = resources.files("medenv.personas").joinpath("persona.schema.json").read_text("utf-8")
    return _Strict(json.loads(text))


def _check(data: Any, where: str) -> None:
    if (error := best_match(_validator().iter_errors(data))) is None:
        return
    name = data.get("id", "?") if isinstance(data, Mapping) else "?"
    rule = error.validator_value
    expected = f"one of {rule}" if error.validator == "enum" else f"{error.validator} {rule}"
    raise PersonaError(
        f"{where} {name!r}: field {error.json_path}: expected {expected}, got {str(error.instance)[:80]!r}"
    )


def persona_from_dict(data: Mapping[str, Any], *, where: str = "persona") -> Persona:
    """Builds a persona from plain data, after checking it against `persona.schema.json`.

    Args:
        data: The persona as JSON gives it; every field but the id may be left out.
        where: What the error message calls the place the data came from.

    Raises:
        PersonaError: The data does not fit the schema.
    """
    _check(data, where)
    return Persona(**data)


def register_persona(persona: Persona, *, replace: bool = False) -> None:
    """Gives a persona its place under its id.

    Raises:
        PersonaError: A field lies outside its range, or the id is taken and `replace` is false.
    """
    if not isinstance(persona, Persona):
        raise PersonaError(f"expected a Persona, got {type(persona).__name__}")
    _check(dataclasses.asdict(persona), "persona")
    if persona.id in personas and not replace:
        raise PersonaError(f"expected a new persona id, got {persona.id!r}, which is registered already")
    personas.register(persona.id, persona, replace=replace)


def persona(id_or_persona: str | Persona) -> Persona:
    """The persona behind an id; a persona comes back as it is, once its fields have been checked.

    Raises:
        PersonaError: A field of the persona lies outside its range, or a package put something else under the id.
        UnknownIdError: Nobody registered the id.
    """
    found = id_or_persona if isinstance(id_or_persona, Persona) else personas.get(id_or_persona)
    if not isinstance(found, Persona):
        raise PersonaError(f"expected a Persona under the id {id_or_persona!r}, got {type(found).__name__}")
    _check(dataclasses.asdict(found), "persona")
    return found


def _register_builtin() -> None:
    text = resources.files("medenv.personas").joinpath("builtin.json").read_text("utf-8")
    for data in json.loads(text):
        register_persona(persona_from_dict(data, where="builtin.json"))


_register_builtin()
