"""Expert rubrics: criteria that people wrote, from a file of one of the forms that are in use.

- medenv's own: one rubric for all records, `{"id", "criteria"}`;
- HealthBench: JSON lines, each a row with `prompt_id`, `prompt` and `rubrics`, for the record of that id;
- lists of cases, as MedSP1000 has them: case id to a list of `{criterion or text, points or weight, category}`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Mapping
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any

from jsonschema.exceptions import best_match

from medenv.errors import RubricError
from medenv.records.record import Record
from medenv.schemas import validator

from ..rubric import Axis, Criterion, Rubric, rubric_from_dict
from .slices import Slice

__all__ = ["ExpertRubrics"]

_PACKAGE = "medenv.rewards.generation"


class ExpertRubrics:
    """Gives each record the rubric that experts wrote for it.

    A rubric of theirs does not change with the dialogue: a HealthBench rubric is about the next response, and one of
    the other forms about a whole consultation.

    Args:
        by_record: Rubrics by the id of the record.
        every: The rubric of all other records; None for none.
    """

    def __init__(self, by_record: Mapping[str, Rubric], every: Rubric | None = None) -> None:
        self.by_record = dict(by_record)
        self.every = every

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> ExpertRubrics:
        """Reads a file of any of the forms.

        Raises:
            RubricError: It cannot be read; the message says where.
        """
        try:
            text = Path(path).read_text("utf-8")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise RubricError(f"expected a file of rubrics, got {str(path)!r}: {reason}") from None
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            if not _several_lines(text):
                raise RubricError(f"{path}: expected JSON, got {' '.join(str(error).split())[:200]}") from None
            return cls(_healthbench(path))
        if isinstance(data, Mapping) and "prompt_id" in data:
            return cls(_healthbench(path))
        try:
            if isinstance(data, list) or (isinstance(data, Mapping) and "criteria" in data):
                return cls({}, rubric_from_dict(data, id=Path(path).stem))
            return cls(_cases(data))
        except RubricError as error:
            raise RubricError(f"{path}: {error}") from None

    @cached_property
    def id(self) -> str:
        """A digest of all the rubrics."""
        digests = [*(f"{name} {rubric.digest}" for name, rubric in sorted(self.by_record.items()))]
        digests += [] if self.every is None else [self.every.digest]
        return "expert " + hashlib.sha256("\n".join(digests).encode()).hexdigest()[:16]

    def rubric(self, record: Record, dialogue: Slice | None = None) -> Rubric:
        """The rubric of a record.

        Raises:
            RubricError: There is none for it.
        """
        found = self.by_record.get(record.id, self.every)
        if found is None:
            some = ", ".join(list(self.by_record)[:3])
            raise RubricError(f"expected an expert rubric for record {record.id!r}, got some for {some} ...")
        return found

    def __call__(self, record: Record) -> Rubric:
        """The rubric of a record."""
        return self.rubric(record)


def _several_lines(text: str) -> bool:
    """Whether the first line is JSON by itself, and so the file is one of JSON lines."""
    try:
        return isinstance(json.loads(text.lstrip("\ufeff\n\r \t").split("\n", 1)[0]), Mapping)
    except (ValueError, RecursionError):
        return False


def _healthbench(path: str | os.PathLike[str]) -> dict[str, Rubric]:
    from ..healthbench.files import criteria, load_examples

    found = {}
    for example in load_examples(path):
        made = criteria(example)
        for place, criterion in enumerate(made):
            if not -10 <= criterion.points <= 10 or criterion.points == 0:
                raise RubricError(
                    f"{path}: {example.prompt_id}: field $.rubrics[{place}].points: expected an integer in [-10, 10] "
                    f"other than 0, got {criterion.points}"
                )
        found[example.prompt_id] = Rubric(f"{example.prompt_id}/healthbench", made)
    return found


def _cases(data: Any) -> dict[str, Rubric]:
    if (error := best_match(validator(_PACKAGE, "cases").iter_errors(data))) is not None:
        raise RubricError(f"field {error.json_path}: {' '.join(error.message.split())[:300]}")
    found = {}
    for case, items in data.items():
        criteria = tuple(
            Criterion(
                str(number),
                item.get("criterion") or item["text"],
                int(item.get("points") or item["weight"]),
                _axis(item["category"], f"$.{case}[{number - 1}].category"),
            )
            for number, item in enumerate(items, start=1)
        )
        found[case] = Rubric(f"{case}/expert", criteria)
    return found


def _axis(category: str, place: str) -> Axis:
    axis = _axes().get(_plain(category))
    if axis is None:
        known = ", ".join(sorted(name for name in _axes() if name.isascii()))
        raise RubricError(f"field {place}: expected a category of {known}; got {category!r}")
    return axis


@cache
def _axes() -> Mapping[str, Axis]:
    data = json.loads(resources.files(_PACKAGE).joinpath("axes.json").read_text("utf-8"))
    if (error := best_match(validator(_PACKAGE, "axes").iter_errors(data))) is not None:
        raise RubricError(f"axes.json: field {error.json_path}: {error.message[:300]}")
    return {_plain(name): axis for axis, names in data.items() for name in (axis, *names)}


def _plain(category: str) -> str:
    folded = unicodedata.normalize("NFKC", category).casefold().replace("&", " and ")
    return " ".join(re.findall(r"[^\W_]+", folded))
