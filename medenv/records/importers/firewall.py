"""The firewall at import: what names the diagnosis or a person is cut out of the texts that other seats may see."""

from __future__ import annotations

import re

from medenv.records.deidentify import find_identifiers
from medenv.records.importers.report import Tally
from medenv.records.leaks import find_leaks, redact
from medenv.records.record import Diagnosis

__all__ = ["Firewall"]


class Firewall:
    """Keeps the diagnosis and identifiers out of what other seats may see, and counts what it did."""

    def __init__(self, diagnosis: Diagnosis, tally: Tally) -> None:
        self.diagnosis = diagnosis
        self.tally = tally

    def names(self, text: str) -> bool:
        """Whether a text names the diagnosis."""
        return bool(find_leaks(text, self.diagnosis))

    def clean(self, text: str, what: str) -> str:
        """The text without the diagnosis: the clause that concludes it goes; failing that, the words are withheld."""
        for identifier in reversed(find_identifiers(text)):
            self.tally.identifiers[identifier.kind] += 1
            text = f"{text[: identifier.start]}[removed]{text[identifier.end :]}"
        if (cut := _CONCLUSION.sub(self._cut, text)) != text:
            self.tally.leaks[f"{what}: conclusion cut off"] += 1
            text = cut
        if not self.names(text):
            return text
        kept = []
        for part in re.split(r"(?<=[.;])\s+", text):
            if self.names(part):
                self.tally.leaks[f"{what}: name withheld"] += 1
                part = redact(part, self.diagnosis)
            kept.append(part)
        text = " ".join(kept)
        return redact(text, self.diagnosis) if self.names(text) else text

    def _cut(self, match: re.Match[str]) -> str:
        """Nothing, where a conclusion names the diagnosis or the word that makes it out; else what stood there."""
        telling = {
            word
            for name in self.diagnosis.names
            for word in re.findall(r"[a-z]{8,}", name.casefold())
            if not _GENERIC.fullmatch(word)
        }
        names = self.names(match.group()) or any(word in match.group().casefold() for word in telling)
        return "" if names and match.start() > 5 else match.group()


_GENERIC = re.compile(
    r"syndrome|disorder|infection|deficiency|congenital|primary|secondary|chronic|neonatal|posterior|personality|"
    r"production|inflammatory|impaired|pulmonary|abdominal|anterior|bacterial|acquired|community|peripheral|reaction|"
    r"response|newborn|pregnancy|awareness|intestinal|essential|behaviou?r"
)
_CONCLUSION = re.compile(
    r"[,;]?\s*\b(?:which |that |and )?(?:(?:is|are|was|were|findings|alignment) )?(?:highly |most |strongly )?"
    r"(?:compatible|consistent|suggestive|suggesting|suggests|indicative|indicating|indicates|diagnostic|characteristic|"
    r"typical|in keeping|confirming|confirms|supporting|consonant|pathognomonic|concerning|associated)\b"
    r"(?: with| of| for)?[^.;]*"
)
