"""Clinical notes: visit notes and discharge summaries under headings, one a row or a text file.

What the patient could tell becomes facts, examination and results become exams, and assessment, plan and hospital
course are kept from everybody but the judge. The rules are data: `clinical_notes.json`, and those of the prose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

from medenv.errors import RecordError
from medenv.records.importers import Importer, Row, Tally
from medenv.records.importers.clauses import sentences
from medenv.records.importers.clinical_notes.assessment import (
    CERTAIN,
    HEDGED,
    Conclusion,
    Problem,
    conclusion_of,
    plan_of,
    problems_of,
)
from medenv.records.importers.clinical_notes.people import RULES, anonymised
from medenv.records.importers.clinical_notes.sections import Part, sections_of
from medenv.records.importers.demographics import demographics_from
from medenv.records.importers.exam_prose import Order, examination_orders, result_orders, vital_orders
from medenv.records.importers.exams import exams_from
from medenv.records.importers.firewall import Firewall
from medenv.records.importers.introductions import introduction_of, story_from
from medenv.records.importers.prose import Passage, Section, chief_complaint_from, facts_from, voice_for
from medenv.records.importers.rules import Json, content_id
from medenv.records.record import Record, record_from_dict

__all__ = ["CLINICAL_NOTES"]

TEXT_KEYS = ("note", "text")
LONGEST_NOTE = 100_000
"""In characters; a discharge summary has some ten thousand."""
FEWEST_WORDS = 3
"""A text of fewer words under nothing but "note" or "text" is not recognised as a clinical note."""
FEWEST_FACTS = 3
MOST_LEAKING, MOST_KNOWN = 0.3, 0.05
"""From this share of statements that name the diagnosis on, a visit is about a disease that everybody knows of; the
second share holds where the complaint names it already."""
NOTES = (
    "assessment, plan, hospital course, procedures and discharge sections are kept from the patient and the doctor",
    "the diagnosis is the first entry of the assessment that names one; the other entries only add to the plan",
    f"a note gives no probabilities: a diagnosis that it states has {CERTAIN:g}, one that it calls likely {HEDGED:g}, "
    "and what else the same entry considers shares the rest",
    f"notes without an age or a diagnosis are dropped, and those of which more than {MOST_LEAKING:.0%} names the "
    f"diagnosis, or {MOST_KNOWN:.0%} where the complaint names it too: such a visit is for a disease that is known",
    "a dialogue beside a note is not looked at",
)


def _recognises(row: Json) -> bool:
    texts = [row[key] for key in TEXT_KEYS if isinstance(row.get(key), str)]
    return any(len(row) > 1 or len(text.split(maxsplit=FEWEST_WORDS)) >= FEWEST_WORDS for text in texts)


def _read(row: Row, tally: Tally) -> tuple[Record, ...]:
    text = _text(row.data)
    tally.unmapped_keys.update(key for key in row.data if key not in RULES.data["keys"])
    if not text.strip():
        return tally.drop_row("an empty note")
    parts = sections_of(anonymised(text, tally), tally)
    told = [part for part in parts if part.section in PATIENT]
    introduction = _introduction(told)
    demographics = demographics_from(introduction, " ".join(part.text for part in told), tally)
    if demographics is None:
        return tally.drop_row("no age")
    problems = problems_of(part for part in parts if part.section in JUDGED)
    came_for = " ".join(part.text for part in parts if part.section == "complaint")
    conclusion = conclusion_of(problems, came_for)
    if isinstance(conclusion, str):
        return tally.drop_row(conclusion)
    firewall = Firewall(conclusion.diagnosis, tally)
    passages = list(_passages(told))
    complaint = next((p.text for p in passages if p.section == "complaint"), "")
    voice = voice_for(demographics, complaint, " ".join(p.text for p in passages))
    leaked = tally.leaks["fact: dropped"]
    facts = facts_from(passages, voice, firewall, tally)
    leaked = tally.leaks["fact: dropped"] - leaked
    most = MOST_KNOWN if firewall.names(f"{came_for} {complaint}") else MOST_LEAKING
    if leaked and leaked > most * (leaked + len(facts)):
        return tally.drop_row("a visit for a diagnosis that is known already")
    if len(facts) < FEWEST_FACTS:
        return tally.drop_row("too little that a patient could tell")
    symptom = next(
        (f["lay"] for f in facts if f["polarity"] == "present" and f["topic"].startswith(("hpi", "ros"))), ""
    )
    return (
        record_from_dict(
            {
                "id": content_id("note", {"note": text}),
                "schema": "medenv.record/1",
                "language": "en",
                "speaker": voice.speaker,
                "provenance": _provenance(row.data),
                "demographics": demographics,
                "chief_complaint": chief_complaint_from(complaint, voice, firewall, symptom)[:600],
                "facts": facts,
                "exams": exams_from(_orders(parts), firewall),
                "truth": _truth(conclusion, problems, parts, tally),
            }
        ),
    )


CLINICAL_NOTES = Importer(recognises=_recognises, read=_read, notes=NOTES, suffixes=(".json", ".jsonl", ".csv", ".txt"))
"""The importer of clinical notes."""

PATIENT = ("", "complaint", "story", "past", "surgical", "medications", "allergies", "family", "social", "review")
"""The sections that the patient could tell; the first is what stands before any heading."""
JUDGED = ("assessment", "assessment and plan", "plan", "diagnosis", "discharge medications")


def _text(row: Json) -> str:
    for key in TEXT_KEYS:
        if key in row:
            if not isinstance(value := row[key], str):
                raise RecordError(f"field $.{key}: expected the text of a note, got {type(value).__name__}")
            if len(value) > LONGEST_NOTE:
                raise RecordError(
                    f"field $.{key}: expected a note of at most {LONGEST_NOTE:,} characters, got {len(value):,}"
                )
            return value
    raise RecordError(f"field $: expected a note under {' or '.join(map(repr, TEXT_KEYS))}, got none")


def _provenance(row: Json) -> Json:
    """What the row says of its source and licence; ACI-Bench is known by its columns."""
    if "encounter_id" in row and "dialogue" in row:
        return {"source": "ACI-Bench", "licence": "CC-BY-4.0", "synthetic": True}
    found = {key: str(row.get(key) or "").strip()[:120] for key in ("source", "licence", "license")}
    return {
        "source": found["source"] or "clinical notes",
        "licence": found["licence"] or found["license"] or "unknown",
        "synthetic": False,
    }


def _introduction(parts: Iterable[Part]) -> str:
    """The sentence that introduces the patient; failing that, all that is told."""
    texts = [part.text for part in parts]
    for text in texts:
        for sentence in sentences(text):
            if introduction_of(sentence):
                return sentence
    return " ".join(texts)


def _passages(parts: Iterable[Part]) -> Iterator[Passage]:
    for part in parts:
        if part.section == "story":
            for paragraph in _PARAGRAPH.split(part.text):
                text = _BULLET.sub("", " ".join(paragraph.split()))
                if not _INNER_HEADING.fullmatch(text):
                    yield from story_from(text)
        elif part.section:
            for line in part.lines:
                if line := _BULLET.sub("", line).strip():
                    yield Passage(cast(Section, part.section), line)


_PARAGRAPH = re.compile(r"\n\s*\n|\n(?=\s*[-\u2022*\u25cf])|\n(?=[A-Z][\w ]{2,30}:)|\n(?=\d{1,2}[.)] )")
_INNER_HEADING = re.compile(r"(?:[A-Z][a-z]+ ?){1,4}:?")
"""A heading inside a section, such as "Pain Assessment": nothing that anybody says."""
_BULLET = re.compile(r"^\s*(?:[-\u2022*\u25cf]|\d{1,2}[.)](?!\d))\s*")


def _orders(parts: Iterable[Part]) -> Iterator[Order]:
    for part in parts:
        if part.section == "exam":
            yield from examination_orders(part.lines)
        elif part.section == "vitals":
            yield from vital_orders(part.lines)
        elif part.section == "results":
            yield from result_orders(part.lines)


def _truth(conclusion: Conclusion, problems: list[Problem], parts: Iterable[Part], tally: Tally) -> dict[str, Any]:
    plan = plan_of(problems, conclusion.place, tally)
    diagnosis = {"name": conclusion.diagnosis.name, "synonyms": list(conclusion.diagnosis.synonyms)}
    rest = (1 - conclusion.probability) / max(len(conclusion.others), 1)
    others = [{"name": d.name, "synonyms": list(d.synonyms), "probability": round(rest, 3)} for d in conclusion.others]
    planned = " ".join(item["action"] for item in plan).casefold()
    return {
        "diagnosis": diagnosis,
        "differential": [{**diagnosis, "probability": conclusion.probability}, *others],
        "plan": plan,
        "contraindicated": [c for c in _contraindicated(parts) if c["action"].casefold() not in planned],
    }


def _contraindicated(parts: Iterable[Part]) -> Iterator[dict[str, str]]:
    """The medicines among the allergies, each with what it does where the note says so."""
    found: set[str] = set()
    for part in parts:
        for line in part.lines if part.section == "allergies" else ():
            for item in re.split(r"[,;.]", _BULLET.sub("", line)):
                match = RULES.pattern("allergen").fullmatch(item.strip())
                if match and match["what"].casefold() not in found:
                    found.add(match["what"].casefold())
                    yield {"action": match["what"], "because": match["why"] or f"allergic to {match['what']}"}
