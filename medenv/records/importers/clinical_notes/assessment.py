"""The assessment and plan of a note as the truth of a case: what the doctor thought it was, and what was to be done."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from medenv.records.importers.clauses import sentences
from medenv.records.importers.clinical_notes.people import RULES
from medenv.records.importers.clinical_notes.sections import Part
from medenv.records.importers.diagnosis_names import diagnosis_from
from medenv.records.importers.report import Tally
from medenv.records.record import Diagnosis

__all__ = ["CERTAIN", "HEDGED", "Conclusion", "Problem", "conclusion_of", "plan_of", "problems_of"]

CERTAIN, HEDGED = 1.0, 0.7
"""The probability of a diagnosis that a note states, and of one it calls likely: a note itself gives no numbers."""
MOST_WORDS = 10
MOST_ACTIONS = 40


@dataclass(slots=True)
class Problem:
    """One entry of an assessment, with what is said under it."""

    title: str
    reasoning: list[str] = field(default_factory=list)
    plan: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What an assessment comes to."""

    diagnosis: Diagnosis
    probability: float
    others: tuple[Diagnosis, ...] = ()
    """What else the same entry considers, likeliest first; they share the rest of the probability."""
    place: int = 0
    """Which of the problems it is."""


_BULLET = re.compile(r"^\s*(?:(?P<number>\d{1,2}[.)])|[-\u2022*\u25cf#>]+)\s*")
_LABEL = re.compile(r"(?P<label>[A-Z][A-Za-z /-]{2,40}):\s*")
_SENTENCE = re.compile(
    r"\b(?:is|was|are|were|has|have|had|will|we|I|presents?|presented|reports?|recommend\w*|discussed|"
    r"should|continue)\b"
)


def problems_of(parts: Iterable[Part]) -> list[Problem]:
    """The entries of all parts that assess and plan, in order; text before the first stands in one without a title."""
    problems = [Problem("")]
    for part in parts:
        planning = part.section in ("plan", "discharge medications")
        current = problems[min(1, len(problems) - 1)] if planning else problems[-1]
        for line in _labelled(part.lines):
            bullet = _BULLET.match(line)
            text = line[bullet.end() :].strip() if bullet else line.strip()
            if not text:
                continue
            if planning and (known := next((p for p in problems[1:] if _same(p.title, text)), None)):
                current = known
            elif (label := _LABEL.match(text)) and (kind := _kind_of_label(label["label"])):
                rest = text[label.end() :].strip()
                (current.plan if kind == "plan" else current.reasoning if kind == "reasoning" else []).append(rest)
            elif not planning and _is_title(text, bullet):
                title, _, rest = text.partition(":")
                current = Problem(title.strip(" ."), [rest.strip()] if rest.strip() else [])
                problems.append(current)
            elif planning:
                current.plan.append(f"start {text}" if part.section == "discharge medications" else text)
            else:
                current.reasoning.append(text)
                if part.section == "assessment and plan":
                    current.plan.append(text)
    return [p for p in problems if p.title or p.reasoning or p.plan]


def _labelled(lines: Iterable[str]) -> Iterator[str]:
    """The lines, with a new one before each label that stands in the middle of one."""
    for line in lines:
        yield from re.split(r"(?<=[.!?]) +- ?(?=[A-Z][A-Za-z ]{2,40}:)", line)


def _kind_of_label(label: str) -> str | None:
    return next((k for k in RULES.data["labels"] if RULES.pattern("labels", k).fullmatch(label.strip())), None)


def _same(title: str, text: str) -> bool:
    return title.strip(" .:").casefold() == re.sub(r"^\d+[.)]\s*", "", text).strip(" .:").casefold()


def _is_title(text: str, bullet: re.Match[str] | None) -> bool:
    """Whether a line names a problem: it is short, and no sentence."""
    title = re.sub(r"\bvs\. ", "vs ", text.partition(":")[0]).strip(" .")
    most = MOST_WORDS if bullet is None else 2 * MOST_WORDS
    return title[:1].isalnum() and len(title.split()) <= most and ". " not in title and not _SENTENCE.search(title)


# The diagnosis


def conclusion_of(problems: list[Problem], complaint: str = "") -> Conclusion | str:
    """The diagnosis of the first entry that is no mere visit, or why there is none.

    An entry that names a symptom gives the cause that its reasoning states. Where that states none there is no
    diagnosis: a later entry would be another matter than the one the patient came for.

    Args:
        problems: The entries.
        complaint: What the patient came with: an entry that only repeats it counts as a symptom where its reasoning
            states more.
    """
    if not problems:
        return "no assessment"
    came_with = _words(complaint)
    for place, problem in enumerate(problems):
        if not problem.title:
            continue
        title = RULES.pattern("diagnosis", "opening").sub("", problem.title)
        stated = _stated(problem.reasoning)
        if (found := _named(problem.title)) is not None:
            better = stated if _is_symptom(title) or _words(title) <= came_with else None
            return _conclusion(*(better or found), place)
        if RULES.pattern("diagnosis", "skipped").search(title) and not _is_symptom(title):
            continue
        return _conclusion(*stated, place) if stated else "the assessment names a symptom or finding, no diagnosis"
    if any(problem.title for problem in problems):
        return "the assessment names no diagnosis"
    stated = _stated([text for problem in problems for text in problem.reasoning])
    return _conclusion(*stated, 0) if stated else "the assessment names no diagnosis"


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{3,}", text.casefold()))


def _conclusion(names: list[str], hedged: bool, place: int) -> Conclusion:
    first, *others = [diagnosis_from(name) for name in names]
    probability = HEDGED if hedged or others else CERTAIN
    return Conclusion(first, probability, tuple(others), place)


def _named(title: str) -> tuple[list[str], bool] | None:
    """The diagnoses that the title of an entry names, and whether it hedges; none where it names a symptom or visit."""
    hedged = False
    text = title.strip(" .")
    opening = RULES.pattern("diagnosis", "opening")
    while match := opening.match(text):
        hedged = hedged or RULES.pattern("diagnosis", "hedged").match(text) is not None
        text = text[match.end() :]
    if tail := RULES.pattern("diagnosis", "tail").search(text):
        caused = RULES.pattern("diagnosis", "caused").fullmatch(tail["how"]) is not None
        head = text[: tail.start()].strip(" ,")
        if not caused or not _is_diagnosis(head):
            text, hedged = tail["x"], hedged or not caused
        else:
            text = head
    names = [_trimmed(x) for x in RULES.pattern("diagnosis", "versus").split(text)]
    names = [x for name in names for x in _without_symptoms(name)]
    return (names, hedged) if names and all(_is_diagnosis(x) for x in names) else None


def _without_symptoms(name: str) -> list[str]:
    """The halves of "chest pain and hypertension" that are no symptom, where one is."""
    halves = re.split(r" (?:and|with|\+|&) ", name)
    if len(halves) == 2 and any(_is_symptom(half) for half in halves):
        return [half for half in halves if not _is_symptom(half)] or [name]
    return [name]


def _trimmed(name: str) -> str:
    name, before = name.strip(" .,;"), ""
    while name != before:
        before = name
        name = RULES.pattern("diagnosis", "status").sub("", name).strip(" .,;")
        name = RULES.pattern("diagnosis", "determiner").sub("", name)
    if match := RULES.pattern("diagnosis", "exacerbation").match(name):
        name = f"{match['how'] or ''} exacerbation of {match['x']}".strip()
    return name[:1].upper() + name[1:]


def _is_symptom(text: str) -> bool:
    return RULES.pattern("diagnosis", "symptom").search(text) is not None


def _is_diagnosis(text: str) -> bool:
    no = any(RULES.pattern("diagnosis", key).search(text) for key in ("skipped", "finding", "symptom"))
    return not no and 3 <= len(text) <= 120 and len(text.split()) <= MOST_WORDS and text[:1].isalpha()


def _stated(texts: Iterable[str]) -> tuple[list[str], bool] | None:
    """The diagnosis that reasoning concludes on ("I believe this is ..."), the first that is one."""
    for text in texts:
        for sentence in sentences(text):
            for number, pattern in enumerate(RULES.data["diagnosis"]["stated"]):
                if match := re.search(pattern, sentence, re.I):
                    cut = RULES.pattern("diagnosis", "stated_end").sub("", match["x"])
                    names = [_trimmed(x) for x in RULES.pattern("diagnosis", "versus").split(cut)]
                    if names and all(_is_diagnosis(name) for name in names):
                        return names, number < len(RULES.data["diagnosis"]["stated"]) - 1
    return None


# The plan


def plan_of(problems: list[Problem], place: int, tally: Tally) -> list[dict[str, Any]]:
    """The actions of the plan as `record.schema.json` wants them; those for the diagnosis are essential.

    Args:
        problems: The entries of the assessment.
        place: Which of them is the diagnosis.
        tally: Counts what is no action, or one only under a condition.
    """
    found: dict[str, dict[str, Any]] = {}
    for number, problem in enumerate(problems):
        for text in problem.plan:
            for kind, action in _actions(text, tally):
                essential = number == place and kind in ("medication", "procedure", "referral")
                item = {"action": action, "kind": kind, "essential": essential}
                known = found.setdefault(action.casefold(), item)
                known["essential"] = known["essential"] or essential
    items = list(found.values())
    if len(items) > MOST_ACTIONS:
        tally.facts_dropped[f"plan: beyond the {MOST_ACTIONS} kept"] += len(items) - MOST_ACTIONS
    return items[:MOST_ACTIONS]


def _actions(text: str, tally: Tally) -> Iterator[tuple[str, str]]:
    """What is to be done, with its kind, statement by statement."""
    for sentence in sentences(text):
        if RULES.pattern("plan", "conditional").search(sentence):
            tally.facts_dropped["plan: only under a condition"] += 1
            continue
        for part in RULES.pattern("plan", "joined").split(sentence):
            part = part.strip(" .,-\u2022")
            if len(part) < 4:
                continue
            if RULES.pattern("plan", "nothing").search(part) or not (action := _action(part)):
                tally.facts_dropped["plan: says no action"] += 1
            else:
                yield action


def _action(text: str) -> tuple[str, str] | None:
    for pattern, kind, template in RULES.data["plan"]["actions"]:
        if match := re.fullmatch(pattern, text, re.I):
            values = {key: _plain(value) for key, value in match.groupdict().items()}
            start = match.group()
            action = template.format(start[:1].lower() + start[1:], **values).strip(" .,")
            bare = values.get("x", action)
            if (
                bare
                and not RULES.pattern("plan", "empty").fullmatch(bare)
                and not RULES.pattern("plan", "nothing").search(action)
            ):
                return _kind(action, kind), action[:300]
    return None


def _kind(action: str, kind: str) -> str:
    """The kind of an action by what it names, where the verb that went before it tells too little."""
    if kind in ("advice", "medication", "test") and not action.startswith("stop"):
        return next((k for pattern, k in RULES.data["plan"]["kinds"] if re.search(pattern, action, re.I)), kind)
    return kind


def _plain(text: str) -> str:
    """An action without the articles and pronouns that lead it, and without the reason given for it."""
    text = RULES.pattern("plan", "trailing").sub("", RULES.pattern("plan", "strip").sub("", text.strip()))
    text = re.sub(r"^(?:(?:an?|the|his|her|their|some|also) )+", "", text)
    text = re.sub(
        r",? (?:in order )?to (?:help|evaluate|assess|rule out|confirm|reduce|treat|see|determine|stabili[sz]e|"
        r"strengthen|work on|prevent|look|further)\b.*|,? (?:for further|which|as noted|as discussed|as directed|"
        r"due to|given|because|so that|so (?:he|she)|until)\b.*|,? (?:was|were) (?:also )?(?:provided|given|"
        r"refilled).*",
        "",
        text,
    )
    return re.sub(r"\b(?:his|her|their) ", "", text).strip(" .,")
