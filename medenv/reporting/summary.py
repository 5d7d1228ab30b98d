"""The summary: what a training run leaves behind for its report, in `summary.json`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from jsonschema.exceptions import best_match

from medenv.errors import RunError
from medenv.schemas import validator

__all__ = ["NAME", "Summary", "read_summary", "write_summary"]

NAME = "summary.json"

Summary: TypeAlias = Mapping[str, Any]
"""Plain data that fits `summary.schema.json`, where every field is described."""


def _check(data: Any, where: Path) -> None:
    if (error := best_match(validator("medenv.reporting", "summary").iter_errors(data))) is not None:
        raise RunError(f"{where}: field {error.json_path}: {' '.join(error.message.split())[:300]}")


def read_summary(path: str | os.PathLike[str]) -> Summary:
    """Reads a summary.

    Raises:
        RunError: The file cannot be read or does not fit the schema; the message names the field.
    """
    path = Path(path)
    try:
        data = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise RunError(f"expected a summary, got {str(path)!r}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: expected JSON, got text that breaks off: {' '.join(str(error).split())}") from None
    _check(data, path)
    summary: Summary = data
    return summary


def write_summary(summary: Summary, folder: str | os.PathLike[str]) -> Path:
    """Writes the summary of a run into its folder, in one atomic step.

    Returns:
        The file.

    Raises:
        RunError: The summary does not fit the schema; the message names the field.
    """
    path = Path(folder) / NAME
    _check(summary, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(NAME + ".part")
    part.write_text(json.dumps(summary, indent=1, ensure_ascii=True, allow_nan=False) + "\n", "utf-8")
    os.replace(part, path)
    return path
