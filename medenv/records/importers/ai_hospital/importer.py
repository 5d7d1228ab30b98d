"""AI Hospital: Chinese case records of the MVME benchmark, whose sections become facts, exams and the truth.

The record of a row stands under "medical_record", its sections under their Chinese headings; what a tidied record lacks
is taken from "raw_medical_record". The rules are data, in `ai_hospital.json`.
"""

# ruff: noqa: RUF001 (Chinese punctuation is meant)

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from medenv.errors import RecordError
from medenv.records.deidentify import OLDEST
from medenv.records.importers import Importer, Row, Tally
from medenv.records.importers.ai_hospital.exams import exams_from
from medenv.records.importers.ai_hospital.firewall import RULES, ChineseFirewall, diagnoses_from, without_identifiers
from medenv.records.importers.ai_hospital.wording import Section, complaint_words, facts_from, narrator_for
from medenv.records.importers.rules import Json, content_id
from medenv.records.record import Age, Diagnosis, Record, record_from_dict

__all__ = ["AI_HOSPITAL"]

BODIES = ("medical_record", "raw_medical_record")
TOLD: tuple[Section, ...] = (
    "complaint", "story", "past", "allergies", "personal", "marriage", "periods", "family",
)  # fmt: skip
LONGEST_SECTION = 8_000
"""In characters; what is longer is cut there and counted."""
MOST_RIVALS, MOST_PLANNED = 12, 20
OLDEST_READ = 130
NOTES = (
    "the principal diagnosis is the first that the source lists; its further diagnoses are counted and not kept",
    "the differential is the diagnosis at probability 1 and what the source ruled out at 0: it gives no numbers",
    "the basis of the diagnosis marks what must be asked and which exams are key; it is no rubric",
    "the urgency is judged from the name of the diagnosis; the source does not state it",
    "the licence is that of the repository; its case texts were collected from a website",
    "the texts are Chinese; findings and exams carry English names beside the Chinese ones",
)


def _read(row: Row, tally: Tally) -> tuple[Record, ...]:
    sections = _sections(row.data, tally)
    profile = _profile(row.data)
    named = (without_identifiers(sections.get(key, ""), tally) for key in ("diagnosis", "first_diagnosis"))
    diagnoses = next(filter(None, map(diagnoses_from, named)), [])
    if not diagnoses:
        return tally.drop_row("no diagnosis")
    demographics = _demographics(sections, profile, tally)
    if demographics is None:
        return tally.drop_row("no age")
    record = _record(row.data, sections, profile, diagnoses, demographics, tally)
    return (record,) if record else tally.drop_row("nothing that the patient could tell without naming the diagnosis")


def _recognises(data: Json) -> bool:
    known = {name for key in ("complaint", "story") for name in RULES.data["sections"][key]}
    return any(
        isinstance(body, Mapping) and not known.isdisjoint(body) for body in (*(data.get(b) for b in BODIES), data)
    )


AI_HOSPITAL = Importer(recognises=_recognises, read=_read, notes=NOTES)
"""The importer of AI Hospital's case records."""


def _record(
    data: Json,
    sections: Mapping[str, str],
    profile: Mapping[str, str],
    diagnoses: list[Diagnosis],
    demographics: dict[str, Any],
    tally: Tally,
) -> Record | None:
    truth, *further = diagnoses
    firewall = ChineseFirewall(truth, tally)
    complaint = sections.get("complaint", "")
    narrator = narrator_for(demographics, Age(**demographics["age"]).years, complaint)
    basis = sections.get("basis", "")
    facts = facts_from([(s, sections[s]) for s in TOLD if s in sections], basis, narrator, firewall, tally)
    if not any(fact["disclosure"] == "volunteered" for fact in facts):
        return None
    if further:
        tally.unmapped_keys["诊断结果, further diagnoses"] += len(further)
    if (work := _occupation(sections, tally)) and not firewall.names(work):
        demographics["occupation"] = work
    told = without_identifiers(profile.get("病情陈述", ""), tally)
    examination, tests, treatment, rivals = (
        without_identifiers(sections.get(key, ""), tally) for key in ("examination", "tests", "treatment", "rivals")
    )
    department = _department(data, sections)
    return record_from_dict(
        {
            "id": content_id("ai-hospital", data),
            "schema": "medenv.record/1",
            "language": "zh",
            "speaker": narrator.speaker,
            "provenance": {
                "source": "AI Hospital (MVME)",
                "licence": "MIT",
                "synthetic": False,
            },
            "demographics": demographics,
            "chief_complaint": complaint_words(told, facts, narrator, firewall)[:600],
            "facts": facts,
            "exams": exams_from(examination, tests, basis, firewall),
            "truth": {
                "diagnosis": _named(truth),
                "differential": [
                    {**_named(truth), "probability": 1.0},
                    *({**_named(rival), "probability": 0.0} for rival in _rivals(rivals, truth)),
                ],
                "plan": list(_plan(treatment)),
                **({"department": department} if department else {}),
                "urgency": next(
                    urgency for pattern, urgency in RULES.data["urgency"] if re.search(pattern, truth.name)
                ),
            },
        }
    )


def _named(diagnosis: Diagnosis) -> dict[str, Any]:
    return {"name": diagnosis.name, "synonyms": list(diagnosis.synonyms)}


# Sections


def _sections(data: Json, tally: Tally) -> dict[str, str]:
    """The texts of a row by what they are, the tidied ones before the raw ones."""
    bodies = [(f"$.{name}", data[name]) for name in BODIES if data.get(name) is not None] or [("$", data)]
    known = {name: key for key, names in RULES.data["sections"].items() for name in names}
    found: dict[str, str] = {}
    for where, body in bodies:
        if not isinstance(body, Mapping):
            raise RecordError(f"field {where}: expected an object, got {type(body).__name__}")
        own: dict[str, list[str]] = {}
        for name, value in body.items():
            bare = name.strip(" #：:")
            if where == "$" and bare in (*RULES.data["row_keys"], "profile"):
                continue
            if bare not in known:
                tally.unmapped_keys[name[:40]] += 1
                continue
            if text := _text(value, f"{where}.{name[:40]}"):
                own.setdefault(known[bare], []).append(text)
        for key, texts in own.items():
            text = "\n".join(texts)
            if len(text) > LONGEST_SECTION:
                tally.facts_dropped[f"beyond the first {LONGEST_SECTION} characters of a section"] += 1
                text = text[:LONGEST_SECTION]
            found.setdefault(key, text)
    if where != "$":
        tally.unmapped_keys.update(key[:40] for key in data if key not in RULES.data["row_keys"])
    for key in ("complaint", "story"):
        if key in found:
            return found
    raise RecordError(f"field {bodies[0][0]}.现病史: expected a text, got none")


def _text(value: object, where: str, depth: int = 0) -> str:
    """A section as text: lists and objects within it become lines."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list) and depth < 4:
        return "\n".join(filter(None, (_text(v, f"{where}[{n}]", depth + 1) for n, v in enumerate(value))))
    if isinstance(value, Mapping) and depth < 4:
        lines = ((key, _text(v, f"{where}.{key[:40]}", depth + 1)) for key, v in value.items())
        return "\n".join(f"{key}：{text}" for key, text in lines if text)
    raise RecordError(f"field {where}: expected a text, got {type(value).__name__}")


def _profile(data: Json) -> dict[str, str]:
    """The parts of the profile that the source gives to whoever plays the patient."""
    value = data.get("profile")
    if value is None:
        return {}
    if not isinstance(value, str):
        raise RecordError(f"field $.profile: expected a text, got {type(value).__name__}")
    parts = re.findall(r"<([\u4e00-\u9fff]{2,8})>\s*([^<]*)", value[:LONGEST_SECTION])
    return {name: text.strip() for name, text in parts}


def _demographics(sections: Json, profile: Json, tally: Tally) -> dict[str, Any] | None:
    """Age and sex from the general data, else from the profile, else from the story; nothing without an age."""
    texts = [sections.get("general", ""), f"年龄: {profile.get('年龄', '')} 性别: {profile.get('性别', '')}"]
    texts += [str(sections.get(key, "")) for key in ("complaint", "story", "examination", "basis")]
    age = next((age for text in texts if (age := _age(text))), None)
    if age is None:
        return None
    if age["unit"] == "years" and age["value"] > OLDEST:
        age = {"value": OLDEST, "unit": "years"}
        tally.counts["ages_capped"] += 1
    sexes = (re.search(r"(?<!子)[男女](?!儿)", text) for text in texts)
    sex = next(({"男": "male", "女": "female"}[m.group()] for m in sexes if m), "unknown")
    return {"age": age, "sex": sex}


def _age(text: str) -> dict[str, Any] | None:
    if m := re.search(
        r"(?<![\d.])(\d{1,3})\s*(?:周岁|岁)(?:\s*(\d{1,2})\s*个?月)?|年龄\s*[:：]\s*(\d{1,3})(?![\d.个月天周])", text
    ):
        years = int(m[1] or m[3])
        if years > OLDEST_READ:
            return None
        if years == 0 and m[2]:
            return {"value": int(m[2]), "unit": "months"}
        return {"value": years, "unit": "years"}
    units = {"个月": "months", "月": "months", "天": "days", "日": "days", "周": "weeks"}
    if m := re.search(
        r"(?:年龄\s*[:：]\s*|^|[，,男女性])\s*(\d{1,2})\s*(个月|月|天|日|周)(?:龄|大|余)?(?:[，,\s]|$)", text
    ):
        return {"value": int(m[1]), "unit": units[m[2]]}
    return None


def _occupation(sections: Json, tally: Tally) -> str:
    m = re.search(r"职业\s*[:：]\s*([\u4e00-\u9fff、/]{2,12})", str(sections.get("general", "")))
    word = without_identifiers(m[1], tally) if m else ""
    return "" if re.fullmatch(r"(?:无|不详|无业|未知|其他|暂无).*|", word) else word


def _department(data: Json, sections: Json) -> str:
    value = sections.get("department") or data.get("department") or ""
    words = re.findall(r"[\u4e00-\u9fff]{2,12}", value) if isinstance(value, str) else []
    return re.sub(r"病例$", "", words[-1]) if words else ""


# Truth


def _rivals(text: str, truth: Diagnosis) -> Iterator[Diagnosis]:
    """What was considered and ruled out: the words before the colon of each item."""
    seen = set(truth.names)
    found = 0
    for line in re.split(r"\n|(?<=[。；])\s*(?=\d{1,2}[.、])", text):
        head = re.match(r"\s*(?:[-•·*]|\d{1,2}[.、)]|（\d+）)?\s*([^:：，。]{2,20})[:：]", line)
        for rival in diagnoses_from(head[1])[:1] if head else ():
            if seen.isdisjoint(rival.names) and found < MOST_RIVALS:
                seen |= set(rival.names)
                found += 1
                yield rival


def _plan(treatment: str) -> Iterator[dict[str, Any]]:
    """The actions of the treatment; what became of the patient is none."""
    seen: set[str] = set()
    text = re.sub(r"[(（][^()（）]*[)）]", "", treatment)
    for clause in re.split(r"[，,。；;\n]", text):
        if not RULES.pattern("plan_act").search(clause) or RULES.pattern("plan_not").search(clause):
            continue
        first, *others = re.split(r"、|(?<!缓)和|以?(?<![波累触未涉])及(?!时)", clause)
        verb = re.match(r".*?(?P<verb>监测|完善|完成|定期复查|复查)", first)
        for part in (first, *(f"{verb['verb']}{other}" if verb else other for other in others)):
            act = part.strip()
            while (shorter := re.sub(RULES.data["plan_edges"], "", act).strip()) != act:
                act = shorter
            if not 2 <= len(act) <= 40 or "**" in act or act in seen or len(seen) == MOST_PLANNED:
                continue
            seen.add(act)
            names = [n for n in dict.fromkeys((part.strip(), f"{act}治疗")) if n != act and 1 < len(n) <= 60]
            kind = next(kind for pattern, kind in RULES.data["plan_kinds"] if re.search(pattern, act))
            yield {"action": act, "kind": kind, "synonyms": names}
