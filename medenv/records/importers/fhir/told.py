"""Facts of a FHIR case: each checked on its way in, then ranked, bounded and numbered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from medenv.records.deidentify import find_identifiers
from medenv.records.importers.fhir.bundle import Bundle, Concept, Day
from medenv.records.importers.fhir.identity import Identity
from medenv.records.importers.fhir.visit import Visit
from medenv.records.importers.firewall import Firewall
from medenv.records.importers.report import Tally
from medenv.records.importers.voice import Voice, sentence
from medenv.records.record import Disclosure, Polarity

__all__ = ["NEVER", "Case", "Told", "finished"]

MOST_FACTS = 200
FEWEST_MUST_ASK, MOST_MUST_ASK = 5, 9
MOST_SYNONYMS = 12
NEVER = 9
"""The rank of what no careful doctor has to ask for."""


@dataclass(frozen=True, slots=True)
class Case:
    """What the facts and the exams of one case are made from."""

    bundle: Bundle
    visit: Visit
    voice: Voice
    firewall: Firewall
    identity: Identity
    tally: Tally
    birth: Day
    years: int
    """The age of the patient at the visit, in full years."""

    @property
    def is_child(self) -> bool:
        """Whether the ranges and habits of grown-ups do not hold."""
        return self.years < 18

    def drop(self, reason: str, count: int = 1) -> None:
        """Counts what becomes no fact."""
        self.tally.facts_dropped[reason] += count

    def fill(self, template: str) -> str:
        """A template in the speaker's words; {noun} is what a caregiver calls the patient."""
        return sentence(template.format_map({**self.voice.forms, "noun": self.voice.noun}))

    def may_be_told(self, concept: Concept) -> bool:
        """Whether the name of a concept is the patient's to hear; counts it where not."""
        if self.firewall.names(concept.name):
            self.drop("names the diagnosis")
            self.tally.leaks["fact: dropped"] += 1
            return False
        if find_identifiers(concept.name) or (concept.free and self.identity.names(concept.name)):
            self.drop("holds an identifier")
            self.tally.identifiers["in a name of a code"] += 1
            return False
        return True


@dataclass(frozen=True, slots=True)
class Told:
    """One fact, before it is numbered."""

    topic: str
    statement: str
    lay: str
    synonyms: tuple[str, ...] = ()
    polarity: Polarity = "present"
    disclosure: Disclosure = "asked"
    private: bool = False
    red_flag: bool = False
    rank: int = NEVER
    """How soon a careful doctor asks for it: 0 always, 1 and so on where there is less to ask; `NEVER`."""

    def plain(self) -> dict[str, Any]:
        """The fact as `record.schema.json` wants it, but for its id."""
        return {
            "topic": self.topic,
            "statement": sentence(self.statement)[:1000],
            "lay": sentence(self.lay)[:1000],
            "synonyms": list(dict.fromkeys(s[:300] for s in self.synonyms if s))[:MOST_SYNONYMS],
            "polarity": self.polarity,
            "sensitivity": "private" if self.private else "ordinary",
            "disclosure": self.disclosure,
            "must_ask": False,
            "red_flag": self.red_flag,
        }


def finished(symptoms: Iterable[dict[str, Any]], told: Iterable[Told], case: Case) -> list[dict[str, Any]]:
    """The facts of the record: checked, each said once, those that matter most kept, numbered.

    Args:
        symptoms: Facts as `prose.facts_from` makes them; they come first and stay as they are.
        told: All others.
        case: What they were made from.
    """
    facts = list(symptoms)
    chosen = sum(fact["must_ask"] for fact in facts)
    said = {(fact["lay"], fact["topic"]) for fact in facts}
    ranked: list[tuple[int, dict[str, Any]]] = []
    for one in told:
        fact = one.plain()
        if (fact["lay"], fact["topic"]) in said:
            case.tally.counts["facts_merged"] += 1
        elif _passes(fact, case):
            said.add((fact["lay"], fact["topic"]))
            ranked.append((one.rank, fact))
    if (extra := len(facts) + len(ranked) - MOST_FACTS) > 0:
        case.drop(f"beyond {MOST_FACTS} facts", extra)
        keep = sorted(range(len(ranked)), key=lambda n: (ranked[n][0], n))[: max(0, MOST_FACTS - len(facts))]
        ranked = [ranked[n] for n in sorted(keep)]
        facts = facts[:MOST_FACTS]
    for rank, fact in sorted(ranked, key=lambda pair: pair[0]):
        if rank < NEVER and (chosen < FEWEST_MUST_ASK or (rank == 0 and chosen < MOST_MUST_ASK)):
            fact["must_ask"] = True
            chosen += 1
    facts += [fact for _, fact in ranked]
    numbers: Counter[str] = Counter()
    for fact in facts:
        numbers[fact["topic"]] += 1
        fact["id"] = f"{fact['topic']}-{numbers[fact['topic']]}"
    if facts and not any(fact["disclosure"] == "volunteered" for fact in facts):
        facts[0]["disclosure"] = "volunteered"
    return facts


def _passes(fact: dict[str, Any], case: Case) -> bool:
    """Whether nothing in a fact names the diagnosis or a person; synonyms that do are left out."""
    text = f"{fact['statement']} {fact['lay']}"
    if case.firewall.names(text):
        case.drop("names the diagnosis")
        case.tally.leaks["fact: dropped"] += 1
        return False
    if found := find_identifiers(text):
        case.drop("holds an identifier")
        case.tally.identifiers[found[0].kind] += 1
        return False
    fact["synonyms"] = [s for s in fact["synonyms"] if not case.firewall.names(s) and not find_identifiers(s)]
    return True
