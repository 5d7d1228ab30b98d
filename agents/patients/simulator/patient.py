"""The three-unit patient simulator of Baichuan-M2 (arXiv 2509.02208), over any chat backend.

A turn goes through three units. The Termination Gate decides whether the patient ends the consultation. The Affective
Unit writes the reply in character; it gets the facts that the disclosure rule releases for this question and no others,
so it cannot leak what it does not hold. The Factual Unit holds the draft against the record, claim by claim; a draft
with a defect is said again once, and if that fails too, the scripted patient's grounded words go out in its place. The
paper says neither what its triggers are nor how its Factual Unit repairs; both are choices made here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from medenv.agents.backends import Backend, Reply, Request, backends
from medenv.agents.backends.chat import name_of, seed_of
from medenv.agents.backends.prompts import Prompts, load_prompts, prompts_for
from medenv.agents.patients.scripted import ScriptedPatient
from medenv.consultation.grounding import Claim, told_in
from medenv.consultation.seats import Leaving, PatientReply
from medenv.consultation.views import PatientView
from medenv.errors import BackendError, MedenvError
from medenv.personas.persona import Persona

from .affective import Interruption, again_request, breaks_in, draft_of, draft_request
from .factual import check_request, checked_by_model, checked_by_rule, defects, worst_of
from .gate import gate_request, leaves, parting, said_by_model
from .prompts import PACKAGE

__all__ = ["SimulatedPatient", "Unit"]

Unit: TypeAlias = Literal["off", "rule", "model", "both"]
"""How a unit works. Gate: "both" leaves where a trigger fires and the model agrees. Affective: "rule" is the scripted
patient, "both" has the model say the scripted words in its own way, and "off" tells the facts without a persona.
Factual: "both" takes the worse verdict on each claim, and "off" sends every draft out."""

SHORT = 24
"""Tokens in which the gate's answer fits."""


class SimulatedPatient:
    """A patient that a language model plays, kept to the record by rules, models or both.

    It keeps nothing between calls: equal views make equal requests. Each reply carries its trace: the facts released,
    the draft, the verdict on every claim, the repair, and what each call to the model took.

    Args:
        backend: Where the model runs: a backend or its id.
        gate: How the Termination Gate works.
        affective: How the Affective Unit works.
        factual: How the Factual Unit works.
        interruptions: In [0, 1]: how often the patient breaks in with a question, in place of the persona's own
            number; 0 is the passive patient.
        prompts: A .toml file of prompts, or "en" or "zh"; without it those of the record's language, or English.
        temperature: At least 0.
        max_tokens: The longest draft, at least 1.
    """

    def __init__(
        self,
        backend: str | Backend = "vllm-server",
        *,
        gate: Unit = "rule",
        affective: Unit = "model",
        factual: Unit = "rule",
        interruptions: float | None = None,
        prompts: str | Path | None = None,
        temperature: float = 0.7,
        max_tokens: int = 128,
    ) -> None:
        for name, unit in (("gate", gate), ("affective", affective), ("factual", factual)):
            if unit not in get_args(Unit):
                raise MedenvError(f"expected {name} to be one of {', '.join(get_args(Unit))}; got {unit!r}")
        if not (interruptions is None or 0 <= interruptions <= 1) or temperature < 0 or max_tokens < 1:
            raise MedenvError(
                "expected interruptions in [0, 1], temperature of at least 0 and max_tokens of at least 1, "
                f"got {interruptions}, {temperature} and {max_tokens}"
            )
        self.backend = backends.get(backend)() if isinstance(backend, str) else backend
        self.gate, self.affective, self.factual = gate, affective, factual
        self.interruptions = interruptions
        self.prompts = None if prompts is None else load_prompts(PACKAGE, prompts)
        self.temperature = temperature
        self.max_tokens = max_tokens

    @property
    def id(self) -> str:
        """What its words depend on beside the view and the weights of the model."""
        texts = [self.prompts] if self.prompts else [load_prompts(PACKAGE, "en"), load_prompts(PACKAGE, "zh")]
        settings = {
            "gate": self.gate,
            "affective": self.affective,
            "factual": self.factual,
            "interruptions": self.interruptions,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "prompts": "+".join(text.digest for text in texts),
            "backend": name_of(self.backend),
        }
        return "simulator " + " ".join(f"{name}={value}" for name, value in settings.items())

    async def act(self, view: PatientView) -> PatientReply:
        """The reply to the doctor's last words.

        Raises:
            BackendError: The model gave no usable reply.
        """
        if self.interruptions is not None:
            view = replace(view, persona=replace(view.persona, interruptions=self.interruptions))
        return await _Turn(self, view).reply()

    async def aclose(self) -> None:
        """Lets go of the backend's connections of the running event loop."""
        await self.backend.aclose()


@dataclass(slots=True)
class _Draft:
    """Words on their way out."""

    text: str
    finished: bool = True
    request: Request | None = None
    claims: tuple[Claim, ...] = ()
    defects: tuple[str, ...] = ()


@dataclass(slots=True)
class _Turn:
    """One turn of the simulator."""

    patient: SimulatedPatient
    view: PatientView
    calls: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    async def reply(self) -> PatientReply:
        reason, draft = await self.gate_and_draft()
        if reason is not None:
            words = parting(self.view, reason, self.prompts.language)
            return PatientReply(words, leaves=reason, trace=self.trace(draft, reason=reason))
        assert draft is not None
        if self.patient.factual == "off":
            return PatientReply(draft.text, None, trace=self.trace(draft))
        return await self.repaired(await self.checked(draft))

    @property
    def prompts(self) -> Prompts:
        return self.patient.prompts or prompts_for(PACKAGE, self.view.language)

    async def gate_and_draft(self) -> tuple[Leaving | None, _Draft | None]:
        """Whether the patient leaves, and the draft; a model is asked for both at the same time."""
        unit = self.patient.gate
        by_rule = leaves(self.view) if unit in ("rule", "both") else None
        if unit == "off" or (unit == "both" and by_rule is None):
            return None, await self.draft()
        if unit == "rule":
            return by_rule, None if by_rule else await self.draft()
        by_model, draft = await _both(self.asked_to_leave(), self.draft())
        return by_rule if by_rule and by_model else by_model, draft

    async def asked_to_leave(self) -> Leaving | None:
        try:
            reply = await self.call("gate", gate_request(self.view, self.prompts, **self.sampling("gate", SHORT)))
        except BackendError as error:
            if error.kind != "schema":
                raise
            return leaves(self.view)
        return said_by_model(reply.text)

    async def draft(self) -> _Draft:
        view, unit = self.view, self.patient.affective
        if unit == "off":
            plain = replace(view, persona=Persona(view.persona.id), mood="calm", mood_before="calm")
            return _Draft(str(ScriptedPatient().act(plain)))
        if unit == "rule":
            return _Draft(str(ScriptedPatient().act(view)))
        request = draft_request(
            view,
            self.prompts,
            wording=str(ScriptedPatient().act(view)) if unit == "both" else None,
            interruption=self.interruption,
            **self.sampling("affective", self.patient.max_tokens),
        )
        return self.drafted(request, await self.call("affective", request))

    def drafted(self, request: Request, reply: Reply) -> _Draft:
        return _Draft(draft_of(reply), reply.finish == "stop", request)

    @property
    def interruption(self) -> Interruption | None:
        return breaks_in(self.view)

    async def checked(self, draft: _Draft) -> _Draft:
        """The draft with what the factual unit makes of it."""
        claims = checked_by_rule(draft.text, self.view, self.prompts)
        if self.patient.factual in ("model", "both") and claims:
            judged = await self.judged(claims)
            claims = judged if self.patient.factual == "model" else worst_of(claims, judged)
        found = tuple(defects(claims, self.view, self.prompts, finished=draft.finished))
        return _Draft(draft.text, draft.finished, draft.request, claims, found)

    async def judged(self, claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
        """What a model makes of the claims; unsupported, all of them, where it cannot say."""
        unsure = tuple(Claim(claim.text, "unsupported") for claim in claims)
        room = 48 * len(claims) + SHORT
        request = check_request(claims, self.view, self.prompts, **self.sampling("factual", room))
        try:
            reply = await self.call("factual", request)
        except BackendError as error:
            if error.kind != "schema":
                raise
            return unsure
        return checked_by_model(reply.text, claims, self.view) or unsure

    async def repaired(self, draft: _Draft) -> PatientReply:
        """The draft if it may go out, else the draft said again, else the grounded words."""
        if draft.text and not draft.defects:
            return self.told(draft)
        if draft.request is not None:
            request = again_request(
                draft.request,
                draft.text,
                draft.defects,
                self.view.released,
                self.prompts,
                **self.sampling("rewrite", self.patient.max_tokens),
            )
            again = await self.checked(self.drafted(request, await self.call("rewrite", request)))
            if again.text and not again.defects:
                return self.told(again, draft, repair="rewrite")
            return self.grounded(draft, again)
        return self.grounded(draft, None)

    def told(self, said: _Draft, draft: _Draft | None = None, repair: str = "none") -> PatientReply:
        again = said if draft else None
        return PatientReply(said.text, told_in(said.claims), trace=self.trace(draft or said, again, repair=repair))

    def grounded(self, draft: _Draft, again: _Draft | None) -> PatientReply:
        reply = ScriptedPatient().act(self.view)
        return PatientReply(str(reply), reply.disclosed, trace=self.trace(draft, again, repair="fallback"))

    def trace(
        self, draft: _Draft | None, again: _Draft | None = None, *, reason: Leaving | None = None, repair: str = "none"
    ) -> dict[str, Any]:
        """How the reply came about. `seconds` are by the clock; all else follows from the view and the model."""
        return {
            "released": [fact.id for fact in self.view.released],
            "interruption": self.interruption,
            "leaves": reason,
            "draft": _plain(draft),
            "rewrite": _plain(again),
            "repair": repair,
            "prompts": self.prompts.digest,
            "calls": [{"unit": unit, **call} for unit, call in sorted(self.calls, key=lambda call: call[0])],
        }

    async def call(self, unit: str, request: Request) -> Reply:
        started = time.perf_counter()
        reply = await self.patient.backend.complete(request)
        took = {
            "prompt_tokens": reply.prompt_tokens,
            "cached_tokens": reply.cached_tokens,
            "completion_tokens": reply.completion_tokens,
            "finish": reply.finish,
            "seconds": round(time.perf_counter() - started, 6),
        }
        self.calls.append((unit, took))
        return reply

    def sampling(self, unit: str, max_tokens: int) -> dict[str, Any]:
        view = self.view
        creative = unit in ("affective", "rewrite")
        return {
            # All rollouts of a group share their beginning, and so a replica.
            "conversation": f"{view.seed}",
            "seed": seed_of(view.seed, view.turn, unit),
            "max_tokens": max_tokens,
            "temperature": self.patient.temperature if creative else 0.0,
        }


def _plain(draft: _Draft | None) -> dict[str, Any] | None:
    if draft is None:
        return None
    claims = [{"text": claim.text, "standing": claim.standing, "facts": list(claim.facts)} for claim in draft.claims]
    return {"text": draft.text, "finished": draft.finished, "claims": claims, "defects": list(draft.defects)}


async def _both(
    first: Coroutine[Any, Any, Leaving | None], second: Coroutine[Any, Any, _Draft]
) -> tuple[Leaving | None, _Draft]:
    """Two answers, waited for together; where one fails, the other is not waited for."""
    tasks = asyncio.ensure_future(first), asyncio.ensure_future(second)
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
