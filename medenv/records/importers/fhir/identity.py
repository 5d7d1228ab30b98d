"""What a bundle says of who the patient is: none of it is copied, all is counted, free texts are searched for it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from medenv.records.importers.fhir.bundle import RULES, Resource, items, objects
from medenv.records.importers.report import Tally

__all__ = ["Identity"]

SHORTEST, MOST = 3, 64
"""Of the words of names that free texts are searched for: how many characters at least, and how many words."""


class Identity:
    """The patient's names and places.

    Args:
        patient: The Patient resource.
        tally: Counts what is left out.
    """

    def __init__(self, patient: Resource, tally: Tally) -> None:
        self._tally = tally
        for key, kind in RULES.data["identity"].items():
            if count := len(items(patient.data.get(key))):
                tally.identifiers[kind] += count
        words = sorted(set(_words(patient)), key=lambda word: (-len(word), word))[:MOST]
        self._pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, words))})\b" if words else r"(?!)")

    def names(self, text: str) -> bool:
        """Whether a free text holds a name or place of the patient, told from a common word by its capital."""
        return self._pattern.search(text) is not None

    def clean(self, text: str) -> str:
        """A free text without them."""
        cleaned, count = self._pattern.subn("[removed]", text)
        if count:
            self._tally.identifiers["name"] += count
        return cleaned


def _words(patient: Resource) -> Iterator[str]:
    for name in objects(patient.data.get("name")):
        texts = [name.get("family"), name.get("text"), *items(name.get("given"))]
        for text in texts:
            yield from _capitalised(text)
    for address in objects(patient.data.get("address")):
        for text in [address.get("city"), *items(address.get("line"))]:
            yield from _capitalised(text)


def _capitalised(text: object) -> Iterator[str]:
    if isinstance(text, str):
        for word in re.findall(r"[^\W\d_][\w'\u2019-]+", text[:400]):
            if len(word) >= SHORTEST and word[0].isupper():
                yield word
