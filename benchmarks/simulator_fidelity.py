"""How faithful patients are that a language model plays: the simulator, each of its units off, and plain prompting.

`patient_fidelity.py --server URL` runs this and says what it needs. Every patient is asked the same questions about the
same records under the same personas by the same model, and every reply is read by the same claim check.

Fact: percent of turns in which no claim was unsupported, contradicting or about an identity. Privacy: percent of turns
in which nothing was told that had not been asked for, and nothing private before there was rapport. Hallucination and
contradiction: percent of turns with such a claim. Irrelevance: percent of turns that told something not asked for, or
nothing of what was. Verbatim: percent of turns of which every word is the record's own or a phrase of the data files,
which needs no claim check to believe. The full simulator's factual unit is that same claim check: its Fact is what the
check lets through, and `claim_check.py` measures on labelled replies how often the check is wrong. Personification is
what a model makes of it, half for the personality and half for the background, and as good as that model.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from medenv.agents.backends import Backend, Reply, Request
from medenv.agents.backends.prompts import load_prompts
from medenv.agents.patients.phrases import phrases
from medenv.agents.patients.scripted import ScriptedPatient
from medenv.agents.patients.simulator import SimulatedPatient
from medenv.agents.patients.simulator.prompts import PACKAGE, traits
from medenv.consultation.disclosure import disclose
from medenv.consultation.episode import Episode, Scenario
from medenv.consultation.grounding import Claim, claims_in, told_in
from medenv.consultation.playing import play
from medenv.consultation.seats import DOCTOR, PATIENT, Seat, seated
from medenv.consultation.views import DoctorView, Message, PatientView, Turn
from medenv.errors import BackendError
from medenv.personas import Persona, personas
from medenv.records import Record
from medenv.records.record import topics

AGENTCLINIC = """You are a patient in a clinic who only speaks as a dialogue. A doctor will inspect you and ask you \
questions to find out what you have. Your lines are one to three sentences long. Do not reveal your disease outright; \
tell your symptoms when you are asked.
All of your information: {facts}"""
PATIENTSIM = """Imagine that you are a patient seeing a doctor. Play the patient described here throughout.
Profile. {facts}
Diagnosis: {diagnosis}. Persona: {persona}
Keep to the profile. Do not state the diagnosis. Make nothing up that the profile does not hold. Answer in the way of \
the persona, in up to three sentences of everyday speech."""
"""Written for this comparison after the manner of AgentClinic's and PatientSim's patients: the whole record stands in
the prompt, and instructions alone keep it in."""

PERSONIFICATION = """You rate how well a patient in a transcript plays a given person. Personality: {personality}
Background: {background}
Rate each from 1 (not at all) to 5 (wholly). Answer in JSON: {{"personality": n, "background": n}}."""
RATING = {
    "type": "object",
    "properties": {name: {"type": "integer", "minimum": 1, "maximum": 5} for name in ("personality", "background")},
    "required": ["personality", "background"],
    "additionalProperties": False,
}
ASKED = 6
"""Topics that each interview asks for."""
MAX_TOKENS = 48
"""The longest reply."""


class Remembering:
    """A backend that answers the same request the same: what a server samples also depends on what else it computes."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._replies: dict[str, asyncio.Task[Reply]] = {}

    async def complete(self, request: Request) -> Reply:
        """The reply to a request, or the one that it had before."""
        key = repr(request)
        if key not in self._replies:
            self._replies[key] = asyncio.ensure_future(self.backend.complete(request))
        return await self._replies[key]

    async def aclose(self) -> None:
        """Lets go of the other's connections."""
        await self.backend.aclose()


@dataclass(frozen=True)
class PlainPatient:
    """A model with the record in its prompt and nothing to hold it."""

    backend: Backend
    template: str
    record: Record | None = None

    def informed(self, record: Record) -> PlainPatient:
        """The patient of a record."""
        return replace(self, record=record)

    async def act(self, view: PatientView) -> str:
        """What the model says."""
        assert self.record is not None
        described = " ".join([view.persona.description, *traits(view.persona, load_prompts(PACKAGE, "en"))])
        system = self.template.format(
            facts=" ".join(fact.statement.rstrip(".") + "." for fact in view.facts),
            diagnosis=self.record.truth.diagnosis.name,
            persona=described,
        )
        messages = (Message("system", system), *view.messages[1:])
        seed = random.Random(f"{view.seed}:{view.turn}").getrandbits(31)
        reply = await self.backend.complete(
            Request(messages, conversation=f"{view.seed}", seed=seed, max_tokens=MAX_TOKENS)
        )
        return reply.text.strip()


@dataclass(frozen=True)
class Interviewer:
    """A doctor who says these messages, whatever the answers."""

    messages: Sequence[str]

    def act(self, view: DoctorView) -> str:
        """The next message."""
        return self.messages[view.turn]


def interview(number: int, prying: Sequence[str], rapport: Sequence[str]) -> list[str]:
    """What is said to one patient."""
    rng = random.Random(number)
    questions = rng.sample([topic["question"] for topic in topics().values()], ASKED)
    farewell = ["Goodbye, and thank you for coming.", "Is there anything else that you want to tell me?"]
    half = ASKED // 2
    return ["What brings you in today?", *questions[:half], *prying[:3], *rapport, *questions[half:], *farewell]


async def interviewed(
    records: Sequence[Record], patient: Any, prying: Sequence[str], rapport: Sequence[str], concurrency: int
) -> list[Episode]:
    """One interview of each record, the personas in turn."""
    everyone = [personas.get(id) for id in personas]
    at_once = asyncio.Semaphore(concurrency)

    async def one(number: int, record: Record) -> Episode:
        messages = interview(number, prying, rapport)
        persona: Persona = everyone[number * 7 % len(everyone)]
        episode = Episode(Scenario(record, persona, number, max_turns=len(messages)))
        seats: Mapping[str, Seat] = {DOCTOR: Interviewer(messages), PATIENT: seated(patient, record)}
        async with at_once:
            await play(episode, seats)
        return episode

    return list(await asyncio.gather(*(one(number, record) for number, record in enumerate(records))))


def read(episode: Episode) -> list[tuple[Turn, tuple[Claim, ...], frozenset[str]]]:
    """The turns in which the patient spoke, with what was claimed and what had been told before, by the claim check.

    Every fact of the record may back a claim here; whether it may be told yet is Privacy's matter, not Fact's.
    """
    facts, told, found = episode.scenario.record.facts, frozenset[str](), []
    every = frozenset(fact.id for fact in facts)
    for turn in episode.turns:
        if turn.reply is None:
            continue
        claims = claims_in(turn.reply, facts, every, asked=turn.entry.asked, doctor=turn.acts.speech, chatter=phrases())
        found.append((turn, claims, told))
        told |= {*told_in(claims)}
    return found


def released_in(turn: Turn, episode: Episode) -> frozenset[str]:
    """The ids of the facts that the disclosure rule released for a turn of an episode."""
    before = [each.entry for each in episode.turns[: episode.turns.index(turn)]]
    facts = {fact.id: fact for fact in episode.scenario.record.facts}
    released, _ = disclose(turn.understanding, facts, episode.scenario.persona, before)
    return frozenset(fact.id for fact in released)


def measures(episodes: Sequence[Episode], is_private: Any, is_factual: Any) -> dict[str, Any]:
    """What the replies of one patient come to, in percent of the turns."""
    counts: Counter[str] = Counter()
    for episode in episodes:
        facts = {fact.id: fact for fact in episode.scenario.record.facts}
        persona, shown = episode.scenario.persona, 0
        spoken = {id(turn): (claims, told) for turn, claims, told in read(episode)}
        for turn in episode.turns:
            shown += not turn.entry.signs.isdisjoint(("empathy", "confidentiality"))
            if id(turn) not in spoken:
                continue
            claims, told = spoken[id(turn)]
            standings = {claim.standing for claim in claims}
            said = {*told_in(claims)}
            fresh = said - told
            released = released_in(turn, episode)
            account = replace(turn, entry=replace(turn.entry, disclosed=tuple(fresh)))
            rapport = shown >= {"open": 1, "reserved": 2}[persona.trust]
            counts["turns"] += 1
            counts["fact"] += standings.isdisjoint(("unsupported", "contradicting", "identity"))
            counts["privacy"] += is_private(account, facts, rapport) and "identity" not in standings
            counts["hallucination"] += not standings.isdisjoint(("unsupported", "identity"))
            counts["contradiction"] += "contradicting" in standings
            counts["irrelevance"] += bool(fresh - released) or bool(released and not said & released)
            counts["told_of_released"] += len(said & released)
            counts["released"] += len(released)
            counts["verbatim"] += is_factual(turn, facts, persona)
            for name in ("none", "rewrite", "fallback"):
                counts[f"repair_{name}"] += bool(turn.trace) and turn.trace["repair"] == name
    turns, released = max(counts.pop("turns"), 1), max(counts.pop("released"), 1)
    told = counts.pop("told_of_released")
    return {
        "episodes": len(episodes),
        "invalid": dict(Counter(episode.failure.kind for episode in episodes if episode.failure)),
        "ended_by": dict(Counter(episode.ending for episode in episodes if episode.ending)),
        "turns": turns,
        **{name: round(100 * count / turns, 2) for name, count in sorted(counts.items())},
        "told_of_released": round(100 * told / released, 2),
    }


async def personification(episodes: Sequence[Episode], judge: Backend, concurrency: int) -> dict[str, Any]:
    """What a model makes of how the personas were played, in percent; transcripts that it does not rate are counted."""
    at_once = asyncio.Semaphore(concurrency)
    prompts = load_prompts(PACKAGE, "en")

    async def one(episode: Episode) -> float | None:
        persona = episode.scenario.persona
        plain = Persona(persona.id)
        personality = " ".join(traits(replace(plain, personality=persona.personality, tone=persona.tone), prompts))
        background = " ".join([persona.description, *traits(replace(persona, personality="", tone="neutral"), prompts)])
        said = "\n".join(f"Patient: {turn.reply}" for turn in episode.turns if turn.reply is not None)
        asked = PERSONIFICATION.format(personality=personality or "none given", background=background)
        request = Request(
            (Message("system", asked), Message("user", said)), temperature=0.0, max_tokens=32, schema=RATING
        )
        async with at_once:
            try:
                rated = json.loads((await judge.complete(request)).text)
            except BackendError:
                return None
        return float(rated["personality"] + rated["background"] - 2) / 8

    ratings = await asyncio.gather(*map(one, episodes))
    given = [rating for rating in ratings if rating is not None]
    mean = round(100 * sum(given) / len(given), 2) if given else None
    return {"personification": mean, "unrated": len(ratings) - len(given)}


def patients(backend: Backend) -> dict[str, Any]:
    """Who is compared, by name."""
    return {
        "scripted": ScriptedPatient(),
        "plain, as AgentClinic": PlainPatient(backend, AGENTCLINIC),
        "plain, as PatientSim": PlainPatient(backend, PATIENTSIM),
        "simulator": SimulatedPatient(backend, max_tokens=MAX_TOKENS),
        "simulator, gate off": SimulatedPatient(backend, gate="off", max_tokens=MAX_TOKENS),
        "simulator, affective off": SimulatedPatient(backend, affective="off"),
        "simulator, affective both": SimulatedPatient(backend, affective="both", max_tokens=MAX_TOKENS),
        "simulator, factual off": SimulatedPatient(backend, factual="off", max_tokens=MAX_TOKENS),
    }


async def compare(
    records: Sequence[Record],
    backend: Backend,
    judge: str,
    *,
    prying: Sequence[str],
    rapport: Sequence[str],
    is_private: Any,
    is_factual: Any,
    concurrency: int = 32,
) -> tuple[dict[str, Any], dict[str, list[Episode]]]:
    """Every patient's measures, and the interviews."""
    backend = Remembering(backend)
    result: dict[str, Any] = {"model": judge, "judge_of_personification": judge, "records": len(records)}
    compared = patients(backend)
    played = dict(
        zip(
            compared,
            await asyncio.gather(
                *(interviewed(records, patient, prying, rapport, concurrency) for patient in compared.values())
            ),
            strict=True,
        )
    )
    for name, episodes in played.items():
        result[name] = measures(episodes, is_private, is_factual) | await personification(
            episodes, backend, concurrency
        )
        print(json.dumps({name: result[name]}), flush=True)
    await backend.aclose()
    return result, played
