"""What one doctor message does: speech, orders, diagnoses, plan and referrals, parsed from hostile text."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Acts", "Guess", "clean", "parse"]

MAX_ITEMS = 20
"""The most items one command may hold."""
MAX_ITEM_CHARS = 200

_UNPLAYABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_COMMAND = re.compile(r"[ \t*_#>-]*(order|diagnosis|plan|refer)[ \t*_]*:[ \t*_]*(.*)", re.IGNORECASE)
_TOOL_CALL = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)
_PROBABILITY = re.compile(r"\(\s*([^()]*?)\s*(%?)\s*\)\s*$")

_EXPECTED = {
    "order": 'ORDER: <test>; <test>, or {"name": "order", "arguments": {"tests": ["<test>"]}}',
    "diagnosis": (
        "DIAGNOSIS: <name> (<probability in [0, 1]>); <name> (<probability>), probabilities summing to at most 1, or "
        '{"name": "diagnose", "arguments": {"diagnoses": [{"name": "<name>", "probability": 0.7}]}}'
    ),
    "plan": 'PLAN: <action>; <action>, or {"name": "plan", "arguments": {"actions": ["<action>"]}}',
    "refer": 'REFER: <department>, or {"name": "refer", "arguments": {"department": "<department>"}}',
    "say": '{"name": "say", "arguments": {"text": "<words>"}}',
    "tool_call": '<tool_call>{"name": "order|diagnose|plan|refer|say", "arguments": {...}}</tool_call>',
}


@dataclass(frozen=True, slots=True)
class Guess:
    """One diagnosis that the doctor names, with its probability in [0, 1] where the doctor gave one."""

    name: str
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Acts:
    """Everything one doctor message does."""

    speech: str = ""
    """What the patient hears."""
    orders: tuple[str, ...] = ()
    diagnoses: tuple[Guess, ...] = ()
    """In the doctor's own order; the first is the leading diagnosis. Any at all end the episode."""
    plan: tuple[str, ...] = ()
    referrals: tuple[str, ...] = ()
    malformed: tuple[str, ...] = ()
    """For each command that could not be read, what was expected and what came."""


class _Malformed(ValueError):
    """A command that cannot be read; the message is what the doctor is told."""


def clean(text: str, limit: int) -> tuple[str, int]:
    """Makes any string playable.

    Control characters and lone surrogates become U+FFFD (tabs and newlines stay), and what exceeds `limit` is cut.

    Returns:
        The playable text and the number of characters that were cut.
    """
    kept = text[:limit].replace("\r\n", "\n").replace("\r", "\n")
    return _UNPLAYABLE.sub("\ufffd", kept), max(0, len(text) - limit)


def parse(message: str) -> Acts:
    """Reads a doctor message. Never raises: what cannot be read stands in `Acts.malformed`."""
    found = _Found()
    message = _TOOL_CALL.sub(lambda match: found.tool_call(match.group(1)), message)
    for line in message.split("\n"):
        if (match := _COMMAND.fullmatch(line)) is not None:
            found.command(match.group(1).lower(), match.group(2))
        else:
            found.speech.append(line)
    return found.acts()


class _Found:
    def __init__(self) -> None:
        self.speech: list[str] = []
        self.said: list[str] = []
        self.orders: list[str] = []
        self.diagnoses: list[Guess] = []
        self.plan: list[str] = []
        self.referrals: list[str] = []
        self.malformed: list[str] = []

    def acts(self) -> Acts:
        lines = "\n".join(self.speech).strip()
        return Acts(
            speech="\n".join(part for part in (lines, *self.said) if part),
            orders=tuple(self.orders),
            diagnoses=tuple(self.diagnoses),
            plan=tuple(self.plan),
            referrals=tuple(self.referrals),
            malformed=tuple(self.malformed),
        )

    def command(self, keyword: str, rest: str) -> None:
        items = [item.strip() for item in rest.split(";") if item.strip()]
        if keyword == "diagnosis":
            self._read(keyword, lambda: self.diagnoses.extend(_guesses([_guess(item) for item in items])))
        else:
            self._read(keyword, lambda: self._list(keyword).extend(_items(items)))

    def tool_call(self, body: str) -> str:
        self._read("tool_call", lambda: self._call(body))
        return ""

    def _list(self, keyword: str) -> list[str]:
        return {"order": self.orders, "plan": self.plan, "refer": self.referrals}[keyword]

    def _read(self, keyword: str, read: Callable[[], None]) -> None:
        try:
            read()
        except _Malformed as problem:
            self.malformed.append(f"{keyword}: expected {_EXPECTED[keyword]}; got {problem}")

    def _call(self, body: str) -> None:
        try:
            call = json.loads(body)
        except (ValueError, RecursionError):
            raise _Malformed("text that is not JSON") from None
        name, arguments = (call.get("name"), call.get("arguments")) if isinstance(call, dict) else (None, None)
        if not isinstance(arguments, dict) or not isinstance(name, str):
            raise _Malformed("JSON without a name and arguments")
        match name:
            case "order":
                self._read("order", lambda: self.orders.extend(_items(arguments.get("tests"))))
            case "plan":
                self._read("plan", lambda: self.plan.extend(_items(arguments.get("actions"))))
            case "refer":
                self._read("refer", lambda: self.referrals.extend(_items([arguments.get("department")])))
            case "diagnose":
                self._read("diagnosis", lambda: self.diagnoses.extend(_called_guesses(arguments.get("diagnoses"))))
            case "say":
                self._read("say", lambda: self.said.append(_said(arguments.get("text"))))
            case _:
                raise _Malformed(f"a call of {name[:40]!r}")


def _items(items: Any) -> list[str]:
    if not isinstance(items, list) or not items:
        raise _Malformed("no items")
    if len(items) > MAX_ITEMS:
        raise _Malformed(f"{len(items)} items, at most {MAX_ITEMS} are read")
    if not all(isinstance(item, str) and item.strip() for item in items):
        raise _Malformed("an item that is not text")
    if any(len(item) > MAX_ITEM_CHARS for item in items):
        raise _Malformed(f"an item of more than {MAX_ITEM_CHARS} characters")
    return [" ".join(_UNPLAYABLE.sub("\ufffd", item).split()) for item in items]


def _guesses(guesses: list[Guess]) -> list[Guess]:
    _items([guess.name for guess in guesses])
    total = math.fsum(guess.probability or 0.0 for guess in guesses)
    if total > 1.0 + 1e-6:
        raise _Malformed(f"probabilities that sum to {total:.3g}")
    return guesses


def _guess(item: str) -> Guess:
    match = _PROBABILITY.search(item)
    if match is None or not re.search(r"\d|nan|inf", match.group(1), re.IGNORECASE):
        return Guess(" ".join(item.split()))
    try:
        value = float(match.group(1)) / (100 if match.group(2) else 1)
    except ValueError:
        return Guess(" ".join(item.split()))
    return Guess(" ".join(item[: match.start()].split()), _probability(value))


def _called_guesses(items: Any) -> list[Guess]:
    if not isinstance(items, list):
        raise _Malformed("no items")
    guesses = []
    for item in items:
        if not isinstance(item, Mapping):
            raise _Malformed("an item that is not an object")
        probability = item.get("probability")
        guesses.append(Guess(_items([item.get("name")])[0], None if probability is None else _probability(probability)))
    return _guesses(guesses)


def _probability(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _Malformed("a probability that is not a number")
    if not 0 <= value <= 1:
        raise _Malformed("a probability outside [0, 1]")
    return float(value)


def _said(text: Any) -> str:
    if not isinstance(text, str):
        raise _Malformed("no text")
    return _UNPLAYABLE.sub("\ufffd", text).strip()
