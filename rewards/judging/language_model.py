"""The language-model judge: asks a model whether each criterion is met, after Baichuan-M2 (arXiv 2509.02208).

The conversation stands before the criterion in every prompt, so that all criteria of a conversation begin alike, and
they go to one replica, which computes that beginning once. Criteria with negative points have a template of their own:
under the template of the positive ones, models take "yes, it happened" for praise. What was said stands behind a fence
(`fence.py`). The answer is held to a JSON Schema; one with a defect is asked for again, and a criterion on which no
usable answer comes is left unscored, which makes the episode invalid.

A doctor who talks until no model can read it all must not be spared the verdicts by that. Where its words, with what
its commands brought up, are longer than `longest`, no model is asked: no merit is met and every fault is.
"""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Sequence
from pathlib import Path

from medenv.agents.backends import Backend, Request, backends
from medenv.agents.backends.chat import name_of, seed_of
from medenv.agents.backends.prompts import Prompts, load_prompts, prompts_for
from medenv.consultation.views import JudgeView, Message
from medenv.errors import BackendError, MedenvError

from ..rubric import Criterion
from ..scoring import Verdict
from .conversation import conversation, written
from .costs import Costs
from .fence import Fenced, fenced
from .questions import PACKAGE, Question, questions

__all__ = ["LanguageModelJudge"]

AGAIN = 0.7
"""The temperature at which a model is asked again at least; at 0 it would say the same."""


class LanguageModelJudge:
    """A judge that asks a language model, and keeps nothing but what it cost.

    Args:
        backend: Where the model runs: a backend or its id.
        at_once: The most criteria a request; None asks about all that can share one, which are those of one sign and
            one scope.
        explain: Whether the model gives a reason before each verdict. It then stands in `Verdict.reason`.
        retries: How often a reply with a defect is asked for again.
        temperature: At least 0, of the first request; later ones are sampled.
        max_tokens: The longest explanation, at least 1.
        prompts: A .toml file of prompts, or "en" or "zh"; without it those of the language, or English.
        longest: The most that is read of what a doctor said and brought up, in bytes of UTF-8 as it stands in a prompt,
            at least 1. A tokenizer makes no more tokens than bytes, and of English about a quarter as many, so set it
            by the context of the model.
    """

    def __init__(
        self,
        backend: str | Backend = "vllm-server",
        *,
        at_once: int | None = 1,
        explain: bool = False,
        retries: int = 2,
        temperature: float = 0.0,
        max_tokens: int = 256,
        prompts: str | Path | None = None,
        longest: int = 65536,
    ) -> None:
        if not (at_once is None or at_once >= 1) or retries < 0 or temperature < 0 or min(max_tokens, longest) < 1:
            raise MedenvError(
                "expected at_once, max_tokens and longest of at least 1, retries and temperature of at least 0, "
                f"got {at_once}, {max_tokens}, {longest}, {retries} and {temperature}"
            )
        self.backend = backends.get(backend)() if isinstance(backend, str) else backend
        self.at_once = at_once
        self.explain = explain
        self.retries = retries
        self.temperature = temperature
        self.max_tokens = max_tokens
        self.longest = longest
        self.prompts = None if prompts is None else load_prompts(PACKAGE, prompts)
        model = getattr(self.backend, "model", None)
        self.model = model if isinstance(model, str) else None
        """The name of the model, where the backend was told it."""
        self.costs = Costs()
        self.seed = 0

    @property
    def id(self) -> str:
        """What its verdicts depend on beside the criteria, the conversation and the weights of the model."""
        texts = [self.prompts] if self.prompts else [load_prompts(PACKAGE, "en"), load_prompts(PACKAGE, "zh")]
        settings = {
            "at_once": self.at_once or "all",
            "explain": self.explain,
            "retries": self.retries,
            "seed": self.seed,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "longest": self.longest,
            "prompts": "+".join(text.digest for text in texts),
            "backend": name_of(self.backend),
            "model": self.model or "?",
        }
        return "language-model " + " ".join(f"{name}={value}" for name, value in settings.items())

    def reseeded(self, seed: int) -> LanguageModelJudge:
        """The same judge, whose model draws anew; it tells only at a temperature above 0."""
        again = copy.copy(self)
        again.seed = seed
        return again

    async def judge(self, criteria: Sequence[Criterion], view: JudgeView) -> list[Verdict]:
        """One verdict for each criterion, in their order; unscored where the model gave none."""
        messages = conversation(view)
        if (length := written(messages)) > self.longest:
            reason = f"the doctor wrote and brought up {length} bytes, of which a judge reads at most {self.longest}"
            self.costs.add_judgement(len(criteria), 0, 0.0)
            return [Verdict(criterion.id, criterion.points < 0, reason) for criterion in criteria]
        return await self.verdicts(criteria, messages, language=view.record.language)

    async def verdicts(
        self, criteria: Sequence[Criterion], messages: Sequence[Message], *, language: str = "en"
    ) -> list[Verdict]:
        """One verdict for each criterion on a conversation, in their order; unscored where the model gave none.

        Args:
            criteria: Of each, the text, the sign of the points and the scope count.
            messages: The doctor's words are `assistant`, the patient's `user`, test results `tool`, notes `system`.
            language: Of the prompts, where the judge was given none.
        """
        began = time.perf_counter()
        prompts = self.prompts or prompts_for(PACKAGE, language)
        evidence = fenced(messages, {role: prompts.texts[f"speakers.{role}"] for role in _ROLES})
        asked = questions(criteria, self.at_once, explain=self.explain, max_tokens=self.max_tokens)
        tasks = [asyncio.ensure_future(self._asked(question, evidence, prompts)) for question in asked]
        try:
            answers = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        found = {verdict.criterion: verdict for several in answers for verdict in several}
        verdicts = [found[criterion.id] for criterion in criteria]
        unscored = sum(verdict.met is None for verdict in verdicts)
        self.costs.add_judgement(len(verdicts), unscored, time.perf_counter() - began)
        return verdicts

    async def aclose(self) -> None:
        """Lets go of the backend's connections of the running event loop."""
        await self.backend.aclose()

    async def _asked(self, question: Question, evidence: Fenced, prompts: Prompts) -> list[Verdict]:
        messages = question.messages(evidence, prompts)
        reason = ""
        for attempt in range(1 + self.retries):
            request = Request(
                messages,
                conversation=evidence.code,
                seed=seed_of(self.seed, evidence.code, messages[-1].content, attempt),
                max_tokens=question.room,
                temperature=max(self.temperature, AGAIN) if attempt else self.temperature,
                schema=question.schema,
            )
            self.costs.calls += 1
            self.costs.asked_again += attempt > 0
            try:
                reply = await self.backend.complete(request)
                self.costs.add_call(reply)
                return question.read(reply.text)
            except BackendError as error:
                reason = str(error)
                if error.kind != "schema":
                    break
            except (ValueError, RecursionError) as error:
                reason = str(error)
        return [Verdict(criterion.id, None, " ".join(reason.split())[:300]) for criterion in question.criteria]


_ROLES = ("user", "assistant", "tool", "system")
