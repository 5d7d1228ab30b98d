"""The disclosure rule: which of the facts that were asked for a patient tells, and which wait for rapport."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from medenv.consultation.ledger import LedgerEntry
from medenv.consultation.questions import Question, Sign, Understanding
from medenv.personas.persona import Persona
from medenv.records.record import Fact

__all__ = ["disclose"]

_RAPPORT: frozenset[Sign] = frozenset(("empathy", "confidentiality"))
_TURNS_OF_RAPPORT = {"open": 1, "reserved": 2}
_VOLUNTEERED = {"terse": 1, "plain": 2, "talkative": None}


def disclose(
    understanding: Understanding, facts: Mapping[str, Fact], persona: Persona, earlier: Sequence[LedgerEntry]
) -> tuple[tuple[Fact, ...], tuple[Fact, ...]]:
    """The facts that the patient tells in this turn, and those asked for that it keeps back.

    A volunteered or asked fact is told when a question asks for it. A trusted fact is told when a question other than
    an open one asks for it and there is rapport: signs of empathy or confidentiality in one turn (a persona whose trust
    is open) or in two (reserved), this turn included. A claim brings out what it gets
    wrong and what was not told before. A fact that identifies a person is never told. An open question
    brings out one volunteered fact (terse), two (plain), or all and one more detail of the complaint (talkative).

    Args:
        understanding: What the patient heard.
        facts: The facts of the record by id.
        persona: Who is asked.
        earlier: The ledger entries of the turns before.
    """
    shown = sum(not _RAPPORT.isdisjoint(signs) for signs in (understanding.signs, *(entry.signs for entry in earlier)))
    rapport = shown >= _TURNS_OF_RAPPORT[persona.trust]
    told = {id for entry in earlier for id in entry.disclosed}
    released: dict[str, Fact] = {}
    withheld: dict[str, Fact] = {}
    for question in understanding.questions:
        for fact in _brought_out(question, facts, persona, told | released.keys()):
            trusted = fact.disclosure == "trusted" and not (rapport and question.kind != "open")
            (withheld if trusted or fact.sensitivity == "identity" else released)[fact.id] = fact
    return tuple(released.values()), tuple(fact for id, fact in withheld.items() if id not in released)


def _brought_out(question: Question, facts: Mapping[str, Fact], persona: Persona, told: set[str]) -> Iterator[Fact]:
    asked = [facts[id] for id in question.facts if id in facts]
    if question.kind == "claim":
        yield from (fact for fact in asked if fact.id in question.wrong or fact.id not in told)
        return
    if question.kind != "open":
        yield from asked
        return
    fresh = [fact for fact in asked if fact.disclosure == "volunteered" and fact.id not in told]
    yield from fresh[: _VOLUNTEERED[persona.verbosity]]
    if persona.verbosity == "talkative":
        yield from [fact for fact in facts.values() if _is_detail(fact) and fact.id not in told][:1]


def _is_detail(fact: Fact) -> bool:
    return fact.topic.startswith("hpi.") and fact.disclosure == "asked" and fact.sensitivity == "ordinary"
