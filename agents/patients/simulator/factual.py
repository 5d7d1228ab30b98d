"""The Factual Unit: holds a draft against the record, claim by claim."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, get_args

from medenv.agents.backends.chat import Request
from medenv.agents.backends.prompts import Prompts, unforged
from medenv.agents.patients.phrases import phrases
from medenv.consultation.grounding import Claim, Standing, claims_in, told_in
from medenv.consultation.views import Message, PatientView

from .prompts import echoed_in

__all__ = ["check_request", "checked_by_model", "checked_by_rule", "defects", "worst_of"]

FAITHFUL: frozenset[Standing] = frozenset(("supported", "chatter"))
_WORST_LAST: tuple[Standing, ...] = (
    "supported",
    "chatter",
    "unsupported",
    "undisclosed",
    "contradicting",
    "identity",
)


def _allowed(view: PatientView) -> frozenset[str]:
    return view.told.union(fact.id for fact in view.released)


def checked_by_rule(draft: str, view: PatientView, prompts: Prompts) -> tuple[Claim, ...]:
    """What the draft claims, held against the facts that may be told by now; nobody reads out their instructions."""
    asked = tuple(id for question in view.understanding.questions for id in question.facts)
    claims = claims_in(
        draft, view.facts, _allowed(view), asked=asked, doctor=view.messages[-1].content, chatter=phrases()
    )
    return tuple(Claim(claim.text, "identity") if echoed_in(claim.text, prompts) else claim for claim in claims)


def check_request(claims: Sequence[Claim], view: PatientView, prompts: Prompts, **sampling: Any) -> Request:
    """The request to a model to judge each claim; the record comes first, for it stays the same."""
    allowed = _allowed(view)
    facts = "\n".join(f"{number}. {unforged(fact.statement)}" for number, fact in enumerate(view.facts, start=1))
    numbers = ", ".join(str(number) for number, fact in enumerate(view.facts, start=1) if fact.id in allowed)
    ask = prompts.fill(
        "check.ask",
        allowed=numbers or "-",
        doctor=unforged(view.messages[-1].content),
        claims="\n".join(f"{number}. {unforged(claim.text)}" for number, claim in enumerate(claims, start=1)),
    )
    fact_number = {"type": "integer", "minimum": 1, "maximum": len(view.facts)}
    verdict = {
        "type": "object",
        "properties": {
            "claim": {"type": "integer", "minimum": 1, "maximum": len(claims)},
            "verdict": {"enum": list(get_args(Standing))},
            "facts": {"type": "array", "items": fact_number, "maxItems": 8},
        },
        "required": ["claim", "verdict", "facts"],
        "additionalProperties": False,
    }
    return Request(
        messages=(Message("system", prompts.fill("check.system", facts=facts)), Message("user", ask)),
        schema={
            "type": "object",
            "properties": {
                "claims": {"type": "array", "items": verdict, "minItems": len(claims), "maxItems": len(claims)}
            },
            "required": ["claims"],
            "additionalProperties": False,
        },
        **sampling,
    )


def checked_by_model(text: str, claims: Sequence[Claim], view: PatientView) -> tuple[Claim, ...] | None:
    """What a model made of the claims; its text fits the schema of `check_request`.

    None where it skipped a claim or judged one twice. Nothing is supported by facts that may not be told.
    """
    verdicts = json.loads(text)["claims"]
    by_number = {verdict["claim"]: verdict for verdict in verdicts}
    if sorted(by_number) != list(range(1, len(claims) + 1)) or len(verdicts) != len(claims):
        return None
    allowed = _allowed(view)
    judged = []
    for number, claim in enumerate(claims, start=1):
        standing: Standing = by_number[number]["verdict"]
        facts = tuple(dict.fromkeys(view.facts[place - 1].id for place in by_number[number]["facts"]))
        if standing == "supported" and not (facts and allowed.issuperset(facts)):
            standing = "undisclosed" if facts else "unsupported"
        judged.append(Claim(claim.text, standing, facts if standing not in ("chatter", "unsupported") else ()))
    return tuple(judged)


def worst_of(one: Sequence[Claim], other: Sequence[Claim]) -> tuple[Claim, ...]:
    """Of two judgements on each claim the worse, the first where they agree."""
    return tuple(
        max(pair, key=lambda claim: _WORST_LAST.index(claim.standing)) for pair in zip(one, other, strict=True)
    )


def defects(claims: Sequence[Claim], view: PatientView, prompts: Prompts, *, finished: bool) -> Iterator[str]:
    """What is wrong with a draft, in words for whoever says it again; nothing for a draft that may go out."""
    for claim in claims:
        if claim.standing not in FAITHFUL:
            yield prompts.fill(f"defects.{claim.standing}", claim=unforged(claim.text))
    if not {fact.id for fact in view.released}.issubset(told_in(claims)):
        yield prompts.texts["defects.omitted"]
    if not finished:
        yield prompts.texts["defects.unfinished"]
