"""MediQ and CRAFT-MD: multiple-choice vignettes, of which those that ask for a diagnosis become cases.

What the patient could tell becomes facts (the atomic facts where the item has them), examination and test results
become exams, and the options become the differential. The rules are data: `mediq.json`, and those of the prose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from medenv.errors import RecordError
from medenv.records.importers import Importer, Row, Tally
from medenv.records.importers.clauses import sentences
from medenv.records.importers.demographics import demographics_from
from medenv.records.importers.diagnosis_names import diagnosis_from
from medenv.records.importers.exam_prose import is_finding, is_history, sentence_orders
from medenv.records.importers.exams import exams_from
from medenv.records.importers.firewall import Firewall
from medenv.records.importers.introductions import introduction_of, story_from
from medenv.records.importers.prose import Passage, chief_complaint_from, facts_from, voice_for
from medenv.records.importers.rules import Json, Rules, content_id
from medenv.records.record import Record, record_from_dict

__all__ = ["MEDIQ"]

RULES = Rules("mediq.json")
FEWEST_FACTS = 2
MOST_SENTENCES = 400
"""Sentences and facts of an item beyond this many are counted and not looked at."""
NOTES = (
    "the right option is the diagnosis, at probability 1; the others stand in the differential at 0, since the source "
    "says which is right and not how near the others come",
    "items that ask for anything but a diagnosis are dropped",
    "the source gives no plan, no contraindications, no ICD-10 code and no department",
    "cases are examination vignettes, no real patients",
)


def _recognises(row: Json) -> bool:
    return any(key in row for key in RULES.data["context"]) and any(
        key in row for key in (*RULES.data["answer"], *RULES.data["answer_idx"])
    )


def _read(row: Row, tally: Tally) -> tuple[Record, ...]:
    item = row.data
    context = _sentences(item, "context")
    told_facts = _sentences(item, "facts", needed=False)
    question = _text(item, "question", needed="case_vignette" not in item and "case_desc" not in item)
    options = _options(item)
    answer = _answer(item, options)
    known = {key for name in _KEYS for key in RULES.data[name]}
    tally.unmapped_keys.update(k for k in item if k not in known and not RULES.pattern("option").fullmatch(k))
    if not context:
        return tally.drop_row("no vignette")
    if question and not _asks_diagnosis(question):
        return tally.drop_row("the question asks for no diagnosis")
    if RULES.pattern("no_diagnosis").fullmatch(answer) or len(answer.split()) > 9:
        return tally.drop_row("the answer is no diagnosis")
    demographics = demographics_from(_who(item, context), " ".join(context), tally)
    if demographics is None:
        return tally.drop_row("no age")
    firewall = Firewall(diagnosis_from(answer), tally)
    findings, history = _divided(context, tally)
    passages = list(_passages(history, told_facts, context, findings, tally))
    opening = next((i for s in context if (i := introduction_of(s))), None)
    complaint = (opening.complaint or opening.told) if opening else ""
    voice = voice_for(demographics, complaint, " ".join(context))
    facts = facts_from(passages, voice, firewall, tally)
    if len(facts) < FEWEST_FACTS or all(fact["polarity"] != "present" for fact in facts):
        return tally.drop_row("too little that a patient could tell")
    return (
        record_from_dict(
            {
                "id": content_id("mediq", {"context": context, "answer": answer, "question": question}),
                "schema": "medenv.record/1",
                "language": "en",
                "speaker": voice.speaker,
                "provenance": _provenance(item),
                "demographics": demographics,
                "chief_complaint": chief_complaint_from(complaint, voice, firewall, facts[0]["lay"])[:600],
                "facts": facts,
                "exams": exams_from(sentence_orders(findings), firewall),
                "truth": _truth(firewall, answer, options),
            }
        ),
    )


_KEYS = ("question", "context", "facts", "options", "answer", "answer_idx", "patient", "age", "sex", "unused")
MEDIQ = Importer(recognises=_recognises, read=_read, notes=NOTES, suffixes=(".json", ".jsonl", ".csv"))
"""The importer of MediQ's and CRAFT-MD's items."""


# What the item holds


def _found(item: Json, name: str) -> tuple[str, Any]:
    """The key of the item for a thing the rules name, and what stands under it."""
    return next(((key, item[key]) for key in RULES.data[name] if key in item), (RULES.data[name][0], None))


def _text(item: Json, name: str, needed: bool = True) -> str:
    key, value = _found(item, name)
    if value is None and not needed:
        return ""
    if not isinstance(value, str) or not value.strip():
        got = "an empty one" if isinstance(value, str) else type(value).__name__
        raise RecordError(f"field $.{key}: expected a text, got {got}")
    return value.strip()


def _sentences(item: Json, name: str, needed: bool = True) -> list[str]:
    """A text or a list of texts as sentences, without the numbers before them."""
    key, value = _found(item, name)
    if value is None and not needed:
        return []
    if isinstance(value, str):
        return list(sentences(value))
    if not isinstance(value, list) or any(not isinstance(text, str) for text in value):
        raise RecordError(f"field $.{key}: expected a text or a list of texts, got {_kind(value)}")
    texts = [re.sub(r"^\s*\d{1,3}[.)]\s+", "", text).strip() for text in value]
    return [f"{text.rstrip()}." if text[-1:].isalnum() else text for text in texts if text]


def _kind(value: Any) -> str:
    if isinstance(value, list):
        odd = next(type(text).__name__ for text in value if not isinstance(text, str))
        return f"a list with {odd}"
    return type(value).__name__


def _options(item: Json) -> list[tuple[str, str]]:
    """The options in order, each with its letter."""
    key, value = _found(item, "options")
    if value is None:
        columns = [k for k in item if RULES.pattern("option").fullmatch(k)]
        value = {"ABCDEFGHI"[place]: item[k] for place, k in enumerate(columns[:9])}
    if isinstance(value, list):
        value = {"ABCDEFGHIJKLMNOPQRSTUVWXYZ"[place]: text for place, text in enumerate(value[:26])}
    if not isinstance(value, Mapping):
        raise RecordError(f"field $.{key}: expected an object or a list of options, got {type(value).__name__}")
    for letter, text in value.items():
        if not isinstance(text, str):
            raise RecordError(f"field $.{key}.{letter}: expected a text, got {type(text).__name__}")
    return [(str(letter), text.strip()) for letter, text in list(value.items())[:26] if text.strip()]


def _answer(item: Json, options: Sequence[tuple[str, str]]) -> str:
    """The right answer in words; a letter or number is looked up among the options."""
    key, value = _found(item, "answer")
    if value is None:
        key, value = _found(item, "answer_idx")
    letter = _found(item, "answer_idx")[1]
    if isinstance(value, str) and len(value.strip()) > 1 and not value.strip().isdigit():
        return value.strip(" .")[:200]
    for wanted in (value, letter):
        found = _chosen(wanted, options)
        if found:
            return found
    raise RecordError(f"field $.{key}: expected the right answer or the letter of an option, got {value!r}"[:300])


def _chosen(wanted: Any, options: Sequence[tuple[str, str]]) -> str:
    if isinstance(wanted, (str, int)) and not isinstance(wanted, bool) and re.fullmatch(r" *\d{1,3} *", str(wanted)):
        place = int(wanted) - 1
        return options[place][1] if 0 <= place < len(options) else ""
    return next(
        (text for letter, text in options if isinstance(wanted, str) and letter.upper() == wanted.strip().upper()), ""
    )


def _asks_diagnosis(question: str) -> bool:
    asked = RULES.pattern("asks_diagnosis").search(question)
    return asked is not None and not RULES.pattern("asks_else").search(question)


def _who(item: Json, context: Sequence[str]) -> str:
    """The words that tell age and sex: the item's own fields, then the sentence that introduces the patient."""
    key, patient = _found(item, "patient")
    if not isinstance(patient, Mapping):
        patient = {}
    words = []
    for name in ("age", "sex"):
        value = _found(patient, name)[1]
        if value is None:
            value = _found(item, name)[1]
        if value is not None and not isinstance(value, (str, int)):
            raise RecordError(f"field $.{key}.{name}: expected a text, got {type(value).__name__}")
        words.append(str(value or "").strip())
    age, sex = words
    if age.isdigit():
        age = f"{age} years"
    told = f"{age} old {sex}" if age and "old" not in age else f"{age} {sex}"
    opening = next((s for s in context if introduction_of(s)), context[0] if context else "")
    return f"{told}. {opening}"


def _provenance(item: Json) -> dict[str, Any]:
    if any(key in item for key in ("case_vignette", "case_desc")):
        return {"source": "CRAFT-MD", "licence": "unknown", "synthetic": True}
    return {"source": "MediQ", "licence": "CC-BY-4.0", "synthetic": True}


# What it says


def _divided(context: Sequence[str], tally: Tally) -> tuple[list[str], list[str]]:
    """The sentences about what was examined and measured, and those that the patient could tell.

    Once the examination has begun, a sentence belongs to it until somebody is said to tell something again. What was
    done about the illness is neither.
    """
    findings, history, examining = [], [], False
    for text in context[:MOST_SENTENCES]:
        for sentence in [text] if "|" in text else sentences(text):
            if introduction_of(sentence):
                history.append(sentence)
            elif RULES.pattern("managed").search(sentence) and not is_finding(sentence):
                tally.facts_dropped["what was done about it"] += 1
            elif is_history(sentence):
                history.append(sentence)
                examining = False
            elif "|" in sentence or is_finding(sentence) or (examining and not _OF_PATIENT.match(sentence)):
                findings.append(sentence)
                examining = True
            else:
                history.append(sentence)
    tally.facts_dropped["beyond the sentences looked at"] += max(0, len(context) - MOST_SENTENCES)
    if not tally.facts_dropped["beyond the sentences looked at"]:
        del tally.facts_dropped["beyond the sentences looked at"]
    return findings, history


_OF_PATIENT = re.compile(
    r"(?:he|she|they|his|her|the (?:patient|mother|father|parents))\b(?!.* (?:is|are|was|were) \w+(?:ed|"
    r"en)\b)",
    re.I,
)


def _passages(
    history: Sequence[str], facts: Sequence[str], context: Sequence[str], findings: Sequence[str], tally: Tally
) -> Iterator[Passage]:
    """The story as passages: its atomic facts where the item has them, else its sentences."""
    if not facts:
        for sentence in history:
            yield from story_from(_of_patient(sentence))
        return
    if len(facts) > MOST_SENTENCES:
        tally.facts_dropped["beyond the sentences looked at"] += len(facts) - MOST_SENTENCES
    sources = [(_content(text), text) for text in (*history, *findings, *context[:MOST_SENTENCES])]
    shown = frozenset(findings)
    first = history[0] if history else ""
    for fact in facts[:MOST_SENTENCES]:
        said = _of_patient(fact)
        words = _content(fact)
        source = max(sources, key=lambda s: len(s[0] & words), default=(frozenset(), ""))[1]
        if RULES.pattern("restated").search(said.strip(" .")):
            tally.facts_dropped["says nothing"] += 1
        elif is_finding(said) or (source in shown and not is_history(said)):
            tally.facts_dropped["an examination finding, not something to tell"] += 1
        elif RULES.pattern("managed").search(said):
            tally.facts_dropped["what was done about it"] += 1
        elif source == first and not _KNOWN.search(said):
            yield Passage("complaint", _PRESENTS.sub("", said))
        else:
            yield from story_from(said)


_KNOWN = re.compile(
    r"\bhistory of\b|\bknown\b|\bworks? as\b|\bis an? (?!\d)|\bis (?:otherwise )?healthy\b|\bis "
    r"sexually\b|\bmother\b|\bfather\b",
    re.I,
)
_PRESENTS = re.compile(
    r"^The patient (?:(?:is )?(?:presents?|presented|comes?|came|was brought|is brought|complain(?:s|ed|"
    r"ing))(?: (?:in|to (?:the|his|her|an?) [\w ]+?))?(?: by (?:his|her|their) \w+)?(?: (?:with|for|of|"
    r"because of|due to|complaining of)) )",
    re.I,
)
_PERSON = re.compile(
    r"\b(?P<the>the|a|an|this) (?:\d+[- ]\w+[- ]old )?(?:[\w-]+ )?(?:man|woman|boy|girl|child|infant|"
    r"toddler|male|female|newborn|neonate|"
    r"adolescent|gentleman|lady|individual|teenager|patient)(?=['\u2019]s\b| (?:has|had|is|was|presents?|"
    r"presented|den|report|complain|state|"
    r"notic|note|develop|experienc|describ|also|first|initially|recently|use|take|work|smoke|drink|lost|"
    r"gain|feel|felt|does|did)|\b$)",
    re.I,
)


def _of_patient(sentence: str) -> str:
    """The sentence with "the patient" for "the man", "a 5-year-old girl" and the like, unless it introduces them."""
    if (found := introduction_of(sentence)) and (found.complaint or found.told or found.known):
        return sentence
    text = _PERSON.sub("the patient", sentence)
    text = re.sub(r"^Patient\b", "The patient", text)
    return text[:1].upper() + text[1:]


def _content(text: str) -> frozenset[str]:
    return frozenset(word for word in re.findall(r"[a-z0-9]{3,}", text.casefold()) if word not in RULES.data["small"])


def _truth(firewall: Firewall, answer: str, options: Sequence[tuple[str, str]]) -> dict[str, Any]:
    right = firewall.diagnosis
    names = {"name": right.name, "synonyms": list(right.synonyms)}
    others = {
        text[:200]: None for _, text in options if text.casefold() not in (answer.casefold(), right.name.casefold())
    }
    return {
        "diagnosis": names,
        "differential": [{**names, "probability": 1.0}, *({"name": text, "probability": 0.0} for text in others)],
    }
