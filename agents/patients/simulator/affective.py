"""The Affective Unit: writes the reply in character, from the facts that may be told now and no others."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from medenv.agents.backends.chat import Reply, Request
from medenv.agents.backends.prompts import Prompts, talk, unforged
from medenv.agents.patients.intents import Tell, intents
from medenv.consultation.views import Message, PatientView
from medenv.personas.persona import Persona
from medenv.records.record import Demographics, Fact

from .prompts import dialogue, traits

__all__ = ["Interruption", "again_request", "breaks_in", "draft_of", "draft_request", "script"]

Interruption: TypeAlias = Literal["middle", "after"]
"""Where a reply breaks off for a question of the patient's own."""
STOP = ("\nDoctor:", "\nPatient:", "\n[")
_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.S)
_NAME = re.compile(r"\A\s*(?:patient|caregiver|me|患者|病人|家属)\s*[:\uff1a]\s*", re.I)
_QUOTED = (('"', '"'), ("\u201c", "\u201d"), ("\u300c", "\u300d"))
_SENTENCE_END = re.compile(r".*[.!?\u3002\uff01\uff1f\u2026][\"'\u201d\u2019)]*", re.S)


def breaks_in(view: PatientView) -> Interruption | None:
    """Whether the patient breaks in with a question this time, as often as the persona does."""
    if not view.persona.interruptions:
        return None
    rng = random.Random(f"{view.seed}:{view.turn}:interruption")
    return rng.choice(("middle", "after")) if rng.random() < view.persona.interruptions else None


def draft_request(
    view: PatientView,
    prompts: Prompts,
    *,
    wording: str | None = None,
    interruption: Interruption | None,
    **sampling: Any,
) -> Request:
    """The request for a reply to the doctor's last words.

    Args:
        view: What the patient sees.
        prompts: The prompts.
        wording: What to say, where it has been worded before and is only to be said in the patient's own way.
        interruption: Whether the patient breaks in.
        **sampling: The other fields of the request.
    """
    return Request(messages=script(view, prompts, wording, interruption), stop=STOP, **sampling)


def script(
    view: PatientView, prompts: Prompts, wording: str | None = None, interruption: Interruption | None = None
) -> tuple[Message, ...]:
    """All that somebody needs to play the patient now, as chat messages; before the doctor's first words, who it is."""
    system = _system(view.persona, view.demographics, view.speaker, view.messages[0].content, prompts)
    if view.messages[-1].role != "user":
        return Message("system", system), *talk(view.messages[1:])
    lines = [*_told(view, prompts, wording), prompts.texts[f"note.mood.{view.mood}"]]
    if interruption is not None:
        lines.append(prompts.texts[f"note.{interruption}"])
    if view.last:
        lines.append(prompts.texts["note.last"])
    turn = prompts.fill("patient.turn", doctor=unforged(view.messages[-1].content), note="\n".join(lines))
    return dialogue(view, system, turn)


@lru_cache(maxsize=4096)
def _system(persona: Persona, demographics: Demographics, speaker: str, complaint: str, prompts: Prompts) -> str:
    age = demographics.age
    patient = prompts.fill(
        "who.patient",
        age=f"{age.value:g}",
        unit=prompts.texts[f"who.unit.{age.unit}"],
        sex=prompts.texts[f"who.sex.{demographics.sex}"],
    )
    who = prompts.fill(f"who.{speaker}", patient=patient, complaint=unforged(complaint))
    described = [persona.description] if persona.description else []
    return prompts.fill("patient.system", who=who, persona=" ".join([*described, *traits(persona, prompts)]))


def _told(view: PatientView, prompts: Prompts, wording: str | None) -> Iterator[str]:
    if wording is not None:
        yield prompts.texts["note.tell"]
        yield f"- {unforged(wording)}"
        return
    planned = intents(view)
    facts = [fact for intent in planned if isinstance(intent, Tell) for fact in intent.facts]
    yield prompts.texts["note.tell" if facts else "note.nothing"]
    yield from _lines(facts)
    yield from (prompts.texts[f"situations.{intent.situation}"] for intent in planned if not isinstance(intent, Tell))


def _lines(facts: Sequence[Fact]) -> list[str]:
    return [f"- {unforged(fact.lay)}" for fact in facts]


def again_request(
    before: Request, draft: str, defects: Sequence[str], facts: Sequence[Fact], prompts: Prompts, **sampling: Any
) -> Request:
    """The request to say a refused draft again; it goes on where the request for the draft stopped."""
    wanted = "\n".join(_lines(facts)) or prompts.texts["note.nothing"]
    message = Message("user", prompts.fill("patient.again", defects=" ".join(defects), facts=wanted))
    return Request(messages=(*before.messages, Message("assistant", draft), message), stop=STOP, **sampling)


def draft_of(reply: Reply) -> str:
    """The patient's words in a reply: without thoughts, a name in front, quotation marks, or a sentence cut short."""
    text = _NAME.sub("", _THOUGHT.sub("", reply.text)).strip()
    for opening, closing in _QUOTED:
        if len(text) > 1 and text[0] == opening and text[-1] == closing and opening not in text[1:-1]:
            text = text[1:-1].strip()
    if reply.finish == "length":
        whole = _SENTENCE_END.match(text)
        text = whole.group().strip() if whole else ""
    return text
