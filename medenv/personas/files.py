"""Personas from TOML files, which people write by hand."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from medenv.errors import PersonaError
from medenv.personas.persona import Persona
from medenv.personas.registry import persona, persona_from_dict, personas

__all__ = ["find_personas", "load_personas"]


def load_personas(path: str | os.PathLike[str]) -> tuple[Persona, ...]:
    """The personas of a TOML file, in its order; they are not registered by this.

    The file holds the fields of one persona, or a table `[[persona]]` for each of several.

    Raises:
        PersonaError: The file cannot be read, is no TOML, holds no persona or one id twice, or a field is wrong.
    """
    try:
        data = tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        raise PersonaError(f"{path}: expected a TOML file of personas, got {reason}") from None
    tables = data.get("persona", [data] if data else [])
    if not isinstance(tables, list) or not tables or ("persona" in data and len(data) > 1):
        raise PersonaError(f"{path}: expected the fields of a persona, or tables [[persona]] and nothing else")
    loaded = tuple(persona_from_dict(table, where=f"{path}: persona") for table in tables)
    ids = [one.id for one in loaded]
    if repeated := next((id for id in ids if ids.count(id) > 1), None):
        raise PersonaError(f"{path}: expected every persona to have its own id, got {repeated!r} twice")
    return loaded


def find_personas(source: str | Persona) -> tuple[Persona, ...]:
    """The personas that a persona, an id or the path of a .toml file stands for.

    Raises:
        PersonaError: The file or a field of a persona is wrong.
        UnknownIdError: Nobody registered the id.
    """
    if isinstance(source, str) and source.endswith(".toml") and source not in personas:
        return load_personas(source)
    return (persona(source),)
